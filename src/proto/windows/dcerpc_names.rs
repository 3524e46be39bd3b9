//! Names of DCE/RPC interfaces and of the operations that tell most about what is being done (the
//! protocol documents of Windows: MS-DRSR, MS-SAMR, MS-LSAT, MS-NRPC, MS-SCMR, MS-SRVS ...).

/// A universally unique identifier in the order of its text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uuid(pub u128);

impl Uuid {
    /// From its 16 bytes on the wire, whose first three parts are in the sender's byte order (C706,
    /// appendix A).
    pub const fn from_wire(b: [u8; 16], little: bool) -> Self {
        let [a0, a1, a2, a3, b0, b1, c0, c1, rest @ ..] = b;
        let head = if little { [a3, a2, a1, a0, b1, b0, c1, c0] } else { [a0, a1, a2, a3, b0, b1, c0, c1] };
        Self((u64::from_be_bytes(head) as u128) << 64 | u64::from_be_bytes(rest) as u128)
    }

    /// The name of the interface.
    pub fn interface(self) -> Option<&'static str> {
        INTERFACES.iter().find(|(uuid, _)| *uuid == self.0).map(|(_, name)| *name)
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            n >> 80 & 0xffff,
            n >> 64 & 0xffff,
            n >> 48 & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }
}

/// Interfaces and their names.
const INTERFACES: &[(u128, &str)] = &[
    (0xe1af8308_5d1f_11c9_91a4_08002b14a0fa, "epm"),
    (0x12345778_1234_abcd_ef00_0123456789ab, "lsarpc"),
    (0x12345778_1234_abcd_ef00_0123456789ac, "samr"),
    (0x12345678_1234_abcd_ef00_01234567cffb, "netlogon"),
    (0xe3514235_4b06_11d1_ab04_00c04fc2dcd2, "drsuapi"),
    (0x7c44d7d4_31d5_424c_bd5e_2b3e1f323d22, "dsaop"),
    (0x3919286a_b10c_11d0_9ba8_00c04fd92ef5, "dssetup"),
    (0x4b324fc8_1670_01d3_1278_5a47bf6ee188, "srvsvc"),
    (0x6bffd098_a112_3610_9833_46c3f87e345a, "wkssvc"),
    (0x6bffd098_a112_3610_9833_012892020162, "browser"),
    (0x367abb81_9844_35f1_ad32_98f038001003, "svcctl"),
    (0x1ff70682_0a51_30e8_076d_740be8cee98b, "atsvc"),
    (0x378e52b0_c0a9_11cf_822d_00aa0051e40f, "sasec"),
    (0x86d35949_83c9_4044_b424_db363231fd0c, "tasks"),
    (0x338cd001_2244_31f1_aaaa_900038001003, "winreg"),
    (0x12345678_1234_abcd_ef00_0123456789ab, "spoolss"),
    (0x76f03f96_cdfd_44fc_a22c_64950a001209, "winspool-async"),
    (0xc681d488_d850_11d0_8c52_00c04fd90f7e, "efsrpc"),
    (0xdf1941c5_fe89_4e79_bf10_463657acf44d, "efsrpc"),
    (0xa8e0653c_2744_4389_a61d_7373df8b2292, "fsrvp"),
    (0x82273fdc_e32a_18c3_3f78_827929dc23ea, "eventlog"),
    (0xf6beaff7_1e19_4fbb_9f8f_b89e2018337c, "eventlog6"),
    (0x4fc742e0_4a10_11cf_8273_00aa004ae673, "netdfs"),
    (0x99fcfec4_5260_101b_bbcb_00aa0021347a, "oxid-resolver"),
    (0x000001a0_0000_0000_c000_000000000046, "dcom-activator"),
    (0x4d9f4ab8_7d1c_11cf_861e_0020af6e7c57, "dcom-activation"),
    (0x00000131_0000_0000_c000_000000000046, "dcom-remunknown"),
    (0x00000143_0000_0000_c000_000000000046, "dcom-remunknown2"),
    (0xf309ad18_d86a_11d0_a075_00c04fb68820, "wmi-login"),
    (0xd4781cd6_e5d3_44df_ad94_930efe48a887, "wmi-login-client"),
    (0x9556dc99_828c_11cf_a37e_00aa003240c7, "wmi-services"),
    (0x1c1c45ee_4395_11d2_b60b_00104b703efd, "wmi-fetch"),
    (0xafa8bd80_7d8a_11c9_bef4_08002b102989, "mgmt"),
    (0x5a7b91f8_ff00_11d0_a9b2_00c04fb6e6fc, "messenger"),
    (0x17fdd703_1827_4e34_79d4_24a55c53bb37, "messenger-names"),
    (0xa4f1db00_ca47_1067_b31f_00dd010662da, "exchange-mapi"),
    (0x5261574a_4572_206e_b268_6b199213b4e4, "exchange-mapi-async"),
    (0xf5cc5a18_4264_101a_8c59_08002b2f8426, "exchange-nspi"),
    (0x1544f5e0_613c_11d1_93df_00c04fd7bd09, "exchange-rfr"),
    (0xdea00001_6c97_11d1_8271_00a02442df7d, "profinet-device"),
    (0xdea00002_6c97_11d1_8271_00a02442df7d, "profinet-controller"),
    (0xdea00003_6c97_11d1_8271_00a02442df7d, "profinet-supervisor"),
    (0x50abc2a4_574d_40b3_9d66_ee4fd5fba076, "dnsserver"),
    (0x5ca4a760_ebb1_11cf_8611_00a0245420ed, "terminal-server"),
    (0x894de0c0_0d55_11d3_a322_00c04fa321a1, "initshutdown"),
    (0xd95afe70_a6d5_4259_822e_2c84da1ddb0d, "windows-shutdown"),
    (0x300f3532_38cc_11d0_a3f0_0020af6b0add, "trkwks"),
    (0x2f5f6520_ca46_1067_b319_00dd010662da, "tapsrv"),
    (0x8d9f4e40_a03d_11ce_8f69_08003e30051b, "plugplay"),
    (0x4b112204_0e19_11d3_b42b_0000f81feb9f, "ssdpsrv"),
    (0x91ae6020_9e3c_11cf_8d7c_00aa00c091be, "certificates"),
    (0xd99e6e70_fc88_11d0_b498_00a0c90312f3, "certificates-dcom"),
    (0x3dde7c30_165d_11d1_ab8f_00805f14db40, "backupkey"),
    (0x45f52c28_7f9f_101a_b52b_08002b2efabe, "winspipe"),
    (0x811109bf_a4e1_11d1_ab54_00a0c91e9b45, "winsif"),
    (0x342cfd40_3c6c_11ce_a893_08002b2e9c6d, "llsrpc"),
    (0xecec0d70_a603_11d0_96b1_00a0c91ece30, "ntds-backup"),
];

/// The name of an operation, of those that tell most.
pub fn operation(interface: &str, opnum: u16) -> Option<&'static str> {
    Some(match (interface, opnum) {
        ("epm", 2) => "ept_lookup",
        ("epm", 3) => "ept_map",
        ("drsuapi", 0) => "DRSBind",
        ("drsuapi", 3) => "DRSGetNCChanges",
        ("drsuapi", 5) => "DRSReplicaAdd",
        ("drsuapi", 12) => "DRSCrackNames",
        ("drsuapi", 16) => "DRSDomainControllerInfo",
        ("drsuapi", 17) => "DRSAddEntry",
        ("samr", 5) => "SamrLookupDomain",
        ("samr", 6) => "SamrEnumerateDomains",
        ("samr", 7) => "SamrOpenDomain",
        ("samr", 13) => "SamrEnumerateUsers",
        ("samr", 17) => "SamrLookupNames",
        ("samr", 34) => "SamrOpenUser",
        ("samr", 36) => "SamrQueryInformationUser",
        ("samr", 37) => "SamrSetInformationUser",
        ("samr", 50) => "SamrCreateUser2",
        ("samr", 55) => "SamrUnicodeChangePasswordUser2",
        ("samr", 58) => "SamrSetInformationUser2",
        ("samr", 62) => "SamrConnect4",
        ("samr", 64) => "SamrConnect5",
        ("lsarpc", 6) => "LsarOpenPolicy",
        ("lsarpc", 7) => "LsarQueryInformationPolicy",
        ("lsarpc", 14) => "LsarLookupNames",
        ("lsarpc", 15) => "LsarLookupSids",
        ("lsarpc", 43) => "LsarRetrievePrivateData",
        ("lsarpc", 44) => "LsarOpenPolicy2",
        ("lsarpc", 57) => "LsarLookupSids2",
        ("netlogon", 2) => "NetrLogonSamLogon",
        ("netlogon", 4) => "NetrServerReqChallenge",
        ("netlogon", 15) => "NetrServerAuthenticate2",
        ("netlogon", 26) => "NetrServerAuthenticate3",
        ("netlogon", 29) => "NetrLogonGetDomainInfo",
        ("netlogon", 30) => "NetrServerPasswordSet2",
        ("netlogon", 39) => "NetrLogonSamLogonEx",
        ("netlogon", 45) => "NetrLogonSamLogonWithFlags",
        ("svcctl", 1) => "RControlService",
        ("svcctl", 2) => "RDeleteService",
        ("svcctl", 12) => "RCreateServiceW",
        ("svcctl", 15) => "ROpenSCManagerW",
        ("svcctl", 16) => "ROpenServiceW",
        ("svcctl", 19) => "RStartServiceW",
        ("svcctl", 24) => "RCreateServiceA",
        ("svcctl", 27) => "ROpenSCManagerA",
        ("svcctl", 31) => "RStartServiceA",
        ("srvsvc", 12) => "NetrSessionEnum",
        ("srvsvc", 15) => "NetrShareEnum",
        ("srvsvc", 16) => "NetrShareGetInfo",
        ("srvsvc", 21) => "NetrServerGetInfo",
        ("wkssvc", 0) => "NetrWkstaGetInfo",
        ("wkssvc", 2) => "NetrWkstaUserEnum",
        ("atsvc", 0) => "NetrJobAdd",
        ("tasks", 1) => "SchRpcRegisterTask",
        ("tasks", 12) => "SchRpcRun",
        ("winreg", 2) => "OpenLocalMachine",
        ("winreg", 15) => "BaseRegOpenKey",
        ("winreg", 17) => "BaseRegQueryValue",
        ("winreg", 20) => "BaseRegSaveKey",
        ("winreg", 22) => "BaseRegSetValue",
        ("spoolss", 1) => "RpcOpenPrinter",
        ("spoolss", 65) => "RpcRemoteFindFirstPrinterChangeNotificationEx",
        ("spoolss", 69) => "RpcOpenPrinterEx",
        ("spoolss", 89) => "RpcAddPrinterDriverEx",
        ("efsrpc", 0) => "EfsRpcOpenFileRaw",
        ("efsrpc", 4) => "EfsRpcEncryptFileSrv",
        ("oxid-resolver", 3) => "ServerAlive",
        ("oxid-resolver", 5) => "ServerAlive2",
        ("dcom-activator", 3) => "RemoteGetClassObject",
        ("dcom-activator", 4) => "RemoteCreateInstance",
        ("messenger", 0) => "NetrSendMessage",
        ("mgmt", 0) => "rpc_mgmt_inq_if_ids",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_swaps_the_first_parts() {
        let wire = [0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa];
        let uuid = Uuid::from_wire(wire, true);
        assert_eq!(uuid.to_string(), "e1af8308-5d1f-11c9-91a4-08002b14a0fa");
        assert_eq!(uuid.interface(), Some("epm"));
        assert_eq!(Uuid::from_wire(uuid.0.to_be_bytes(), false), uuid);
    }
}
