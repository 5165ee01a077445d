#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| block::list::checks::foreign(block::list::Format::Sha256, data));
