//! What the params of a fingerprint mean for a device and for the software on it.

use super::classes::class_of;
use crate::signature::cpe;

/// How far params are believed that say nothing of it themselves.
const CERTAINTY: f64 = 0.85;
/// Log-odds of a class that is believed wholly: by what hardware it is, and by the system that runs on it.
const CLASS_BY_HARDWARE: f64 = 4.5;
const CLASS_BY_SYSTEM: f64 = 3.5;
/// A voice device is a telephone mostly, and sometimes what telephones are connected to.
const CLASS_BY_VOICE: f64 = 2.5;
/// Log-odds of a maker that is believed wholly.
const VENDOR: f64 = 3.0;
/// Systems whose maker is not that of the device, unless it says so.
const NO_MAKERS: [&str; 14] = [
    "Linux",
    "Microsoft",
    "Debian",
    "Ubuntu",
    "Red Hat",
    "CentOS",
    "Fedora Project",
    "SUSE",
    "FreeBSD",
    "OpenBSD",
    "NetBSD",
    "Wind River",
    "VMware",
    "Google",
];

/// A product that a fingerprint names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Maker.
    pub vendor: Option<String>,
    /// Product.
    pub product: String,
    /// Version.
    pub version: Option<String>,
    /// CPE 2.3 name.
    pub cpe: Option<String>,
    /// Whether it is the system that the device runs on.
    pub system: bool,
}

/// What a fingerprint says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// File and line of the fingerprint.
    pub place: String,
    /// What it is about, in its own words.
    pub description: String,
    /// Class of the device.
    pub class: Option<&'static str>,
    /// Log-odds of the class.
    pub class_weight: f64,
    /// Maker of the device.
    pub vendor: Option<String>,
    /// Log-odds of the maker.
    pub vendor_weight: f64,
    /// Model.
    pub model: Option<String>,
    /// Version of a device's own system.
    pub firmware: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Software: the service, what is built into it, and the system.
    pub parts: Vec<Part>,
}

/// The first line of a text that has one, with control characters and those that turn text around replaced.
fn one_line(text: &str) -> String {
    let first = text.trim().split(['\r', '\n']).next().unwrap_or_default().trim_end();
    let drives = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    first.chars().map(|c| if drives(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Said {
    pub(super) fn of(place: String, description: &str, params: &[(Box<str>, String)]) -> Self {
        // What a pattern cut out of a text may hold the end of a line, and what follows is about something else.
        let params: Vec<_> = params.iter().map(|(name, text)| (name, one_line(text))).collect();
        let get =
            |name: &str| params.iter().find(|(n, _)| &***n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty());
        let certainty = |of: &str| {
            let stated = get(&format!("{of}.certainty")).and_then(|c| c.parse::<f64>().ok());
            stated.filter(|c| (0.0..=1.0).contains(c)).unwrap_or(CERTAINTY)
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut said = Self { place, description: description.to_owned(), ..Self::default() };
        for (of, weight) in [("hw", CLASS_BY_HARDWARE), ("os", CLASS_BY_SYSTEM), ("service", CLASS_BY_SYSTEM)] {
            let Some(name) = get(&format!("{of}.device")) else { continue };
            if let Some(class) = class_of(name).filter(|_| said.class.is_none()) {
                let most = if matches!(name, "VoIP" | "SIP Device") { CLASS_BY_VOICE } else { weight };
                (said.class, said.class_weight) = (Some(class), most * certainty(of));
            }
        }
        // A system that is said to be that of a kind of device is the device's own.
        let device = get("hw.device").or(get("os.device"));
        let system = get("os.vendor").filter(|v| device.is_some() && !NO_MAKERS.contains(v));
        let vendor = get("hw.vendor").map(|v| (v, certainty("hw"))).or(system.map(|v| (v, certainty("os"))));
        if let Some((vendor, certainty)) = vendor {
            (said.vendor, said.vendor_weight) = (Some(vendor.to_owned()), VENDOR * certainty);
        }
        said.model = owned(get("hw.product").or(get("hw.model")).filter(|m| Some(*m) != get("hw.vendor")));
        match get("os.product") {
            _ if system.is_some() => {
                said.firmware = owned(get("os.version"));
                said.os = owned(get("os.product").filter(|p| !p.ends_with("Firmware")));
            }
            Some(product) => {
                let maker = get("os.vendor").filter(|v| !product.contains(v) && product == "Linux" && *v != "Linux");
                let words = [maker, Some(product), get("os.version")];
                said.os = Some(words.into_iter().flatten().collect::<Vec<_>>().join(" "));
            }
            None => said.os = owned(get("os.family")),
        }
        for of in ["service", "service.component", "os"] {
            let value = |what: &str| get(&format!("{of}.{what}"));
            let Some(product) = value("product") else { continue };
            said.parts.push(Part {
                vendor: owned(value("vendor")),
                product: product.to_owned(),
                version: owned(value("version").filter(|v| !matches!(*v, "-" | "none"))),
                cpe: value("cpe23").and_then(cpe::from_uri),
                system: of == "os",
            });
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(params: &[(&str, &str)]) -> Said {
        let params: Vec<_> = params.iter().map(|(n, v)| (Box::from(*n), v.to_string())).collect();
        Said::of(String::from("f:1"), "d", &params)
    }

    #[test]
    fn hardware_comes_before_the_system_and_certainty_scales() {
        let said =
            of(&[("os.device", "Switch"), ("hw.device", "Printer"), ("hw.vendor", "Ex"), ("hw.certainty", "0.5")]);
        assert_eq!((said.class, said.class_weight), (Some("printer"), 2.25));
        assert_eq!((said.vendor.as_deref(), said.vendor_weight), (Some("Ex"), 1.5));
        let said = of(&[("os.device", "Switch"), ("os.vendor", "Ex"), ("os.product", "ExOS"), ("os.version", "12")]);
        assert_eq!(
            (said.class, said.firmware.as_deref(), said.os.as_deref()),
            (Some("switch"), Some("12"), Some("ExOS"))
        );
        assert_eq!(said.vendor.as_deref(), Some("Ex"));
        assert!(of(&[("hw.device", "VoIP")]).class_weight < of(&[("hw.device", "IP Camera")]).class_weight);
    }

    #[test]
    fn what_is_said_is_one_line_without_control_characters() {
        let said = of(&[("os.device", "Switch"), ("os.vendor", "Ex"), ("os.version", "12.1(22)\r\nCopyright (c)")]);
        assert_eq!(said.firmware.as_deref(), Some("12.1(22)"));
        let said = of(&[("hw.product", "A\u{7}B\u{202e}"), ("service.product", "\n S\t1 \nx"), ("hw.vendor", "\n")]);
        assert_eq!((said.model.as_deref(), said.vendor), (Some("A\u{fffd}B\u{fffd}"), None));
        assert_eq!(said.parts[0].product, "S\u{fffd}1");
    }

    #[test]
    fn the_maker_of_a_system_for_any_device_is_not_its_maker() {
        let said = of(&[("os.vendor", "Debian"), ("os.product", "Linux"), ("os.version", "10")]);
        assert_eq!((said.vendor, said.os.as_deref()), (None, Some("Debian Linux 10")));
        assert_eq!(of(&[("os.vendor", "Microsoft"), ("os.device", "Desktop")]).vendor, None);
    }

    #[test]
    fn services_what_is_in_them_and_systems_are_software() {
        let said = of(&[
            ("service.vendor", "Apache"),
            ("service.product", "HTTPD"),
            ("service.version", "2.4.6"),
            ("service.cpe23", "cpe:/a:apache:http_server:2.4.6"),
            ("service.component.product", "mod_ssl"),
        ]);
        assert_eq!(said.parts.len(), 2);
        assert_eq!(said.parts[0].cpe.as_deref(), Some("cpe:2.3:a:apache:http_server:2.4.6:*:*:*:*:*:*:*"));
    }
}
