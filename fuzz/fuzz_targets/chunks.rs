#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let cut = data.first().map_or(0, |&byte| usize::from(byte) * data.len() / 255);
    terms::checks::chunks(data, cut);
});
