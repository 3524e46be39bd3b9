//! Names of BACnet's numbers (ANSI/ASHRAE 135, clause 21), and of some makers in ASHRAE's public list.

use std::borrow::Cow;

/// Types of objects (BACnetObjectType).
pub fn object_type(ty: u16) -> Cow<'static, str> {
    Cow::Borrowed(match ty {
        0 => "analog-input",
        1 => "analog-output",
        2 => "analog-value",
        3 => "binary-input",
        4 => "binary-output",
        5 => "binary-value",
        6 => "calendar",
        7 => "command",
        8 => "device",
        9 => "event-enrollment",
        10 => "file",
        12 => "loop",
        13 => "multi-state-input",
        14 => "multi-state-output",
        15 => "notification-class",
        16 => "program",
        17 => "schedule",
        19 => "multi-state-value",
        20 => "trend-log",
        21 => "life-safety-point",
        22 => "life-safety-zone",
        30 => "access-door",
        56 => "network-port",
        other => return Cow::Owned(format!("object-type-{other}")),
    })
}

/// Properties (BACnetPropertyIdentifier).
pub fn property(number: u32) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        8 => "all",
        10 => "apdu-segment-timeout",
        12 => "application-software-version",
        28 => "description",
        30 => "device-address-binding",
        36 => "event-state",
        44 => "firmware-revision",
        56 => "local-date",
        57 => "local-time",
        58 => "location",
        62 => "max-apdu-length-accepted",
        70 => "model-name",
        74 => "number-of-states",
        75 => "object-identifier",
        76 => "object-list",
        77 => "object-name",
        79 => "object-type",
        81 => "out-of-service",
        85 => "present-value",
        87 => "priority-array",
        96 => "protocol-object-types-supported",
        97 => "protocol-services-supported",
        98 => "protocol-version",
        103 => "reliability",
        104 => "relinquish-default",
        107 => "segmentation-supported",
        111 => "status-flags",
        112 => "system-status",
        117 => "units",
        120 => "vendor-identifier",
        121 => "vendor-name",
        123 => "weekly-schedule",
        131 => "log-buffer",
        139 => "protocol-revision",
        155 => "database-revision",
        371 => "property-list",
        372 => "serial-number",
        other => return Cow::Owned(format!("property-{other}")),
    })
}

/// Makers by the numbers that ASHRAE gave them: those most met.
pub const fn vendor(id: u32) -> Option<&'static str> {
    Some(match id {
        0 => "ASHRAE",
        2 => "Trane",
        3 => "Daikin",
        5 => "Johnson Controls",
        7 | 9 | 22 | 313 => "Siemens",
        8 => "Delta Controls",
        10 | 11 | 19 => "Schneider Electric",
        14 => "Cimetrics",
        16 => "Carrier",
        17 => "Honeywell",
        18 => "Alerton",
        24 => "Automated Logic",
        26 => "Phoenix Controls",
        28 => "KMC",
        35 => "Reliable Controls",
        36 => "Tridium",
        80 => "Sauter",
        105 => "Priva",
        127 => "ABB",
        142 => "DEOS",
        178 => "Loytec",
        181 => "Micro Control Systems",
        222 => "WAGO",
        245 => "Contemporary Controls",
        364 => "Distech Controls",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_name_stay_numbers() {
        assert_eq!(object_type(8), "device");
        assert_eq!(object_type(999), "object-type-999");
        assert_eq!(property(85), "present-value");
        assert_eq!(property(4_194_303), "property-4194303");
        assert_eq!((vendor(36), vendor(65_000)), (Some("Tridium"), None));
        assert_eq!((vendor(14), vendor(24)), (Some("Cimetrics"), Some("Automated Logic")));
    }
}
