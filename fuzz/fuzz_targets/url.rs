#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        terms::checks::url(text);
    }
    let middle = data.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    terms::checks::request(&data[..middle], &data[middle..]);
});
