//! Recog's names of devices and the classes that they are.

/// Names, as `hw.device` and `os.device` have them, with the class. What is not here tells no class: a name such
/// as "Device" or "Network Appliance" stands for too much.
const CLASSES: [(&str, &str); 52] = [
    ("Printer", "printer"),
    ("Multifunction Device", "printer"),
    ("Print Server", "printer-server"),
    ("Scanner", "scanner"),
    ("Network Scanner", "scanner"),
    ("Handheld Scanner", "scanner"),
    ("Copier", "printer"),
    ("VoIP", "ip-phone"),
    ("SIP Device", "ip-phone"),
    ("IP Camera", "camera"),
    ("Web Cam", "camera"),
    ("Video Encoder", "camera"),
    ("DVR", "nvr"),
    ("Cloud Network Video Recorder", "nvr"),
    ("Video Conferencing", "video-conferencing"),
    ("Smart TV", "tv"),
    ("Medical", "medical"),
    ("Mainframe", "server"),
    ("VoIP Server", "server"),
    ("Load Balancer", "server"),
    ("NAS", "nas"),
    ("UPS", "ups"),
    ("PDU", "pdu"),
    ("Building Automation", "building-controller"),
    ("Environment Control", "building-controller"),
    ("Light Bulb", "lighting"),
    ("Point of Sale", "pos"),
    ("AV Receiver", "media-player"),
    ("Network Audio", "media-player"),
    ("Wireless Presenter", "wireless-presenter"),
    ("Device Hub", "iot-hub"),
    ("PLC", "plc"),
    ("Industrial Control", "plc"),
    ("HMI Controller", "hmi"),
    ("Router", "router"),
    ("Broadband Router", "router"),
    ("DSL Modem", "router"),
    ("ADSL Modem", "router"),
    ("ADSL Router", "router"),
    ("DOCSIS Cable Modem", "router"),
    ("Cable Modem", "router"),
    ("Switch", "switch"),
    ("WAP", "access-point"),
    ("Firewall", "firewall"),
    ("Access Control", "access-control"),
    ("Mobile Phone", "phone"),
    ("Mobile", "phone"),
    ("Tablet", "tablet"),
    ("Laptop", "laptop"),
    ("Desktop", "workstation"),
    ("Thin Client", "workstation"),
    ("Media Player", "media-player"),
];

/// The class of a device of that name.
pub fn class_of(name: &str) -> Option<&'static str> {
    CLASSES.iter().find(|(n, _)| *n == name).map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::devices;

    #[test]
    fn every_class_is_one_of_ours_and_no_name_is_there_twice() {
        for (at, (name, class)) in CLASSES.iter().enumerate() {
            assert_eq!(devices::class(class), Some(*class));
            assert!(CLASSES.iter().skip(at + 1).all(|(other, _)| other != name), "{name}");
        }
        assert_eq!(class_of("IP Camera"), Some("camera"));
        assert_eq!(class_of("Device"), None);
    }
}
