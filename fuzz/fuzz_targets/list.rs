#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = block::list::read(data);
});
