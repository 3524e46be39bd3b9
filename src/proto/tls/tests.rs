//! Tests of the parser as a whole.

use super::*;
use crate::proto::testing::{Script, followed};

/// Prints one line per row of every flow in the folder that `OVERHEAR_FLOWS` names, which holds
/// what `tshark -z follow,tcp,raw,N` printed of captures, one file each.
#[test]
#[ignore = "needs flows that tshark extracted from captures: OVERHEAR_FLOWS"]
fn rows_of_recorded_flows() {
    let folder = std::env::var("OVERHEAR_FLOWS").expect("OVERHEAR_FLOWS names a folder");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        for flow in followed(&std::fs::read_to_string(file.path()).unwrap()) {
            let Some(script) = flow.script_of::<TlsParser>() else { continue };
            let seen = script.run::<TlsParser>();
            assert_eq!(seen, script.pieces::<TlsParser>(7));
            for row in &seen.rows {
                let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name}={value}")).collect();
                println!("ROW\t{}\t{}\t{}\t{}", file.file_name().display(), flow.orig, flow.resp, cells.join("\t"));
            }
        }
    }
}
