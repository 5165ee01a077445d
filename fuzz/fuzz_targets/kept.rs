#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cache::checks::file(data);
    let (&length, rest) = data.split_last().unwrap_or((&0, &[]));
    let (head, body) = rest.split_at(rest.len().saturating_sub(usize::from(length)));
    cache::checks::frame(head, body);
});
