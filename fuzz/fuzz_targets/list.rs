#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = block::list::read(data);
    let _ = block::list::read_tables(data, block::Share::default());
});
