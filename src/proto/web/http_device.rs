//! What devices say of themselves in bodies: UPnP device descriptions (UPnP Device Architecture 1.1,
//! section 2.3), ONVIF's GetDeviceInformation, ISAPI's deviceInfo, HNAP's GetDeviceSettings, and Google
//! Cast's `/setup/eureka_info`.

use super::http_xml as xml;
use crate::base::limits;

/// One attribute and its value.
pub type Told = (&'static str, Vec<u8>);

/// What an XML document says of the device that sent it; nothing where it is another document.
pub fn of_xml(body: &[u8]) -> Vec<Told> {
    let has = |needle: &[u8]| memchr::memmem::find(body, needle).is_some();
    let names: &[(&[u8], &'static str)] = if has(b"urn:schemas-upnp-org:device") || has(b"<friendlyName") {
        &[
            (b"friendlyName", "name"),
            (b"manufacturer", "vendor"),
            (b"modelName", "model"),
            (b"modelNumber", "model-number"),
            (b"modelDescription", "description"),
            (b"serialNumber", "serial"),
            (b"UDN", "uuid"),
            (b"deviceType", "device-type"),
            (b"softwareVersion", "firmware"),
            (b"X_firmwareVersion", "firmware"),
        ]
    } else if has(b"GetDeviceInformationResponse") {
        &[
            (b"Manufacturer", "vendor"),
            (b"Model", "model"),
            (b"FirmwareVersion", "firmware"),
            (b"SerialNumber", "serial"),
            (b"HardwareId", "hardware"),
        ]
    } else if has(b"<DeviceInfo") {
        &[
            (b"deviceName", "name"),
            (b"model", "model"),
            (b"serialNumber", "serial"),
            (b"macAddress", "mac"),
            (b"firmwareVersion", "firmware"),
            (b"deviceDescription", "description"),
        ]
    } else if has(b"GetDeviceSettingsResponse") {
        &[
            (b"DeviceName", "name"),
            (b"VendorName", "vendor"),
            (b"ModelName", "model"),
            (b"ModelDescription", "description"),
            (b"FirmwareVersion", "firmware"),
        ]
    } else {
        return Vec::new();
    };
    let mut out: Vec<Told> = Vec::new();
    xml::elements(body, &mut |element, value| {
        let Some((_, attribute)) = names.iter().find(|(n, _)| *n == element) else { return };
        // The root device stands first; those inside of it are parts of it.
        if !out.iter().any(|(a, _)| a == attribute) {
            let value = xml::unescaped(value.get(..limits::CLAIM_VALUE_BYTES_MAX).unwrap_or(value));
            out.push((attribute, value.strip_prefix(b"uuid:").map(<[u8]>::to_vec).unwrap_or(value)));
        }
    });
    out
}

/// What Google Cast's answer says.
pub fn of_cast(body: &[u8]) -> Vec<Told> {
    let Ok(serde_json::Value::Object(all)) = serde_json::from_slice(body) else { return Vec::new() };
    let info = all.get("device_info").and_then(|v| v.as_object());
    let text = |key: &str| {
        let found = all.get(key).or_else(|| info.and_then(|i| i.get(key)))?;
        found.as_str().map(|s| s.as_bytes().to_vec()).filter(|s| !s.is_empty())
    };
    let names = [
        ("name", "name"),
        ("manufacturer", "vendor"),
        ("model_name", "model"),
        ("product_name", "product"),
        ("cast_build_revision", "firmware"),
        ("mac_address", "mac"),
        ("ssdp_udn", "uuid"),
        ("serial_number", "serial"),
    ];
    names.iter().filter_map(|(key, attribute)| Some((*attribute, text(key)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(out: &[Told], attribute: &str) -> String {
        out.iter().find(|t| t.0 == attribute).map_or("-".into(), |t| String::from_utf8_lossy(&t.1).into_owned())
    }

    #[test]
    fn a_upnp_description_tells_of_the_root_device() {
        let body = b"<root xmlns='urn:schemas-upnp-org:device-1-0'><device><deviceType>urn:x</deviceType>\
            <friendlyName>Printer</friendlyName><manufacturer>M &amp; N</manufacturer><modelName>L1</modelName>\
            <serialNumber>77</serialNumber><UDN>uuid:1-2</UDN><deviceList><device><friendlyName>no</friendlyName>";
        let out = of_xml(body);
        assert_eq!((told(&out, "name"), told(&out, "vendor")), ("Printer".into(), "M & N".into()));
        assert_eq!((told(&out, "serial"), told(&out, "uuid")), ("77".into(), "1-2".into()));
    }

    #[test]
    fn cameras_routers_and_cast() {
        let onvif =
            b"<tds:GetDeviceInformationResponse><tds:Manufacturer>Acme</tds:Manufacturer><tds:Model>C1</tds:Model>\
            <tds:FirmwareVersion>1.2</tds:FirmwareVersion></tds:GetDeviceInformationResponse>";
        assert_eq!(told(&of_xml(onvif), "firmware"), "1.2");
        let isapi =
            b"<DeviceInfo version='2.0'><model>DS-1</model><macAddress>00:11:22:33:44:55</macAddress></DeviceInfo>";
        assert_eq!(told(&of_xml(isapi), "model"), "DS-1");
        let cast = br#"{"name":"TV","device_info":{"model_name":"Chromecast","manufacturer":"Google Inc."}}"#;
        assert_eq!((told(&of_cast(cast), "name"), told(&of_cast(cast), "model")), ("TV".into(), "Chromecast".into()));
        assert!(of_cast(&cast[..20]).is_empty() && of_xml(b"<html><model>x</model></html>").is_empty());
    }
}
