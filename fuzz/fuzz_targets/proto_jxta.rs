#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| overhear_fuzz::run("proto_jxta", bytes));
