#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cache::coding::checks::decoding(data));
