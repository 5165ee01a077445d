//! Durations and sizes as people write them: `"250ms"`, `"1h30m"`, `"256KiB"`.

use std::time::Duration;

use super::errors::{Wrong, quoted};
use crate::quota::Rate;

/// Largest first, and in milliseconds.
const DURATIONS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Largest first, and in bytes. The decimal units are what IEC 80000-13 has them mean.
const SIZES: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
];

/// Whole numbers, each with a unit (`d`, `h`, `m`, `s`, `ms`), the larger unit first.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    if text.is_empty() {
        return Err(no_duration(text));
    }
    let mut rest = text;
    let mut allowed = &DURATIONS[..];
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| !c.is_ascii_digit());
        let (unit, next) = split(after, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err(no_duration(text));
        }
        if unit.is_empty() {
            return Err(Wrong::new(format!("{} has no unit", quoted(text)), format!("for seconds write \"{text}s\"")));
        }
        let place = allowed.iter().position(|(name, _)| *name == unit).ok_or_else(|| no_duration(text))?;
        total = number
            .parse()
            .ok()
            .and_then(|number: u64| number.checked_mul(allowed[place].1))
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| Wrong::new(format!("{} is too long", quoted(text)), "write less"))?;
        allowed = &allowed[place + 1..];
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// A whole number of bytes with a unit (`B`, `KiB`, `MiB`, `GiB`, `TiB`, or the decimal `kB`, `MB`,
/// `GB`, `TB`).
pub fn size(text: &str) -> Result<u64, Wrong> {
    let (number, unit) = split(text, |c| !c.is_ascii_digit());
    if number.is_empty() {
        return Err(no_size(text));
    }
    if unit.is_empty() {
        return Err(Wrong::new(format!("{} has no unit", quoted(text)), format!("for bytes write \"{text}B\"")));
    }
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let meant = match unit.trim_start().to_ascii_lowercase().as_str() {
            "b" => "B",
            "k" | "kb" | "kib" => "KiB",
            "m" | "mb" | "mib" => "MiB",
            "g" | "gb" | "gib" => "GiB",
            "t" | "tb" | "tib" => "TiB",
            _ => return Err(no_size(text)),
        };
        let what = format!("{} has no unit that is known here", quoted(text));
        return Err(Wrong::new(what, format!("write \"{number}{meant}\"")));
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(*factor));
    bytes.ok_or_else(|| Wrong::new(format!("{} is too large", quoted(text)), "write less"))
}

/// Units of rates, in seconds.
const RATES: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// More than one machine answers.
const MOST_AT_A_RATE: u32 = 1_000_000;

/// A whole number from 1, and a unit of time: `100/s`, `600/m`, `1000/h`.
pub fn rate(text: &str) -> Result<Rate, Wrong> {
    let (count, unit) = text.split_once('/').ok_or_else(|| no_rate(text))?;
    let (_, seconds) = RATES.iter().find(|(name, _)| *name == unit).ok_or_else(|| no_rate(text))?;
    let count = Some(count).filter(|count| count.bytes().all(|byte| byte.is_ascii_digit()));
    match count.and_then(|count| count.parse().ok()) {
        Some(count @ 1..=MOST_AT_A_RATE) => Ok(Rate { count, per: Duration::from_secs(*seconds) }),
        _ => Err(no_rate(text)),
    }
}

/// A size, each second: `128B/s`.
pub fn byte_rate(text: &str) -> Result<u64, Wrong> {
    let bytes = text.strip_suffix("/s").ok_or_else(|| no_byte_rate(text))?;
    size(bytes).map_err(|_| no_byte_rate(text))
}

/// As [`rate`] reads it.
pub fn show_rate(rate: Rate) -> String {
    let unit = RATES.iter().find(|(_, seconds)| *seconds == rate.per.as_secs());
    format!("{}/{}", rate.count, unit.map_or("s", |(name, _)| name))
}

/// As [`byte_rate`] reads it.
pub fn show_byte_rate(bytes: u64) -> String {
    format!("{}/s", show_size(bytes))
}

fn no_rate(text: &str) -> Wrong {
    let help = format!("write a whole number from 1 to {MOST_AT_A_RATE} and /s, /m or /h, such as \"100/s\"");
    Wrong::new(format!("{} is not a rate", quoted(text)), help)
}

fn no_byte_rate(text: &str) -> Wrong {
    let help = "write a size and /s, such as \"128B/s\"; \"0B/s\" asks for no rate";
    Wrong::new(format!("{} is not a rate of bytes", quoted(text)), help)
}

/// As [`duration`] reads it; what is finer than a millisecond is left out.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut shown = String::new();
    for (unit, factor) in DURATIONS {
        if rest >= factor {
            shown += &format!("{}{unit}", rest / factor);
            rest %= factor;
        }
    }
    shown
}

/// As [`size`] reads it, in the largest binary unit that leaves a whole number.
pub fn show_size(bytes: u64) -> String {
    let whole = SIZES[..5].iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (unit, factor) = whole.unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / factor)
}

/// `text` before and from the first character that satisfies `stop`.
fn split(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

fn no_duration(text: &str) -> Wrong {
    let what = format!("{} is not a duration", quoted(text));
    Wrong::new(what, "write whole numbers with d, h, m, s or ms, such as \"250ms\", \"10s\" or \"1h30m\"")
}

fn no_size(text: &str) -> Wrong {
    let what = format!("{} is not a size", quoted(text));
    Wrong::new(what, "write a whole number with B, KiB, MiB, GiB or TiB, such as \"256KiB\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_durations() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("0s", 0),
            ("1h30m", 5_400_000),
            ("1d1h1m1s1ms", 90_061_001),
            ("90s", 90_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "10", "10 s", " 10s", "10s ", "-1s", "1.5s", "10S", "1s1m", "1s1s", "1m30", "10sec", "١s"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("99999999999999999999d").is_err());
        assert!(duration("213503982335d").is_err());
        assert_eq!(duration("10").unwrap_err().help, "for seconds write \"10s\"");
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("256KiB", 262_144),
            ("1GiB", 1 << 30),
            ("0B", 0),
            ("7B", 7),
            ("256MB", 256_000_000),
            ("1kB", 1000),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "B", "10", "1.5GiB", "-1B", "256mb", "256m", "1 KiB", "10s", "99999999999999999999B", "17000000TiB"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("256m").unwrap_err().help, "write \"256MiB\"");
        assert_eq!(size("1 KiB").unwrap_err().help, "write \"1KiB\"");
    }

    #[test]
    fn reads_rates() {
        for (text, count, seconds) in
            [("100/s", 100, 1), ("600/m", 600, 60), ("1/h", 1, 3600), ("1000000/s", 1_000_000, 1)]
        {
            assert_eq!(rate(text), Ok(Rate { count, per: Duration::from_secs(seconds) }), "{text}");
            assert_eq!(show_rate(rate(text).unwrap()), text);
        }
        for text in ["", "/s", "100", "0/s", "+1/s", "1.5/s", "100/ms", "100 /s", "100/s ", "1000001/s", "100/s/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
        for (text, bytes) in [("128B/s", 128), ("1KiB/s", 1024), ("0B/s", 0)] {
            assert_eq!(byte_rate(text), Ok(bytes), "{text}");
            assert_eq!(show_byte_rate(bytes), text);
        }
        for text in ["", "128B", "128/s", "/s", "128B/m"] {
            assert!(byte_rate(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}", close in "[0-9]{0,21}[dhmsKMGTiB ]{0,4}[0-9]{0,3}[a-z]{0,2}") {
            for text in [&text, &close] {
                let _ = (duration(text), size(text), rate(text), byte_rate(text));
            }
        }

        #[test]
        fn reads_what_it_shows(number: u64) {
            prop_assert_eq!(size(&show_size(number)), Ok(number));
            let time = Duration::from_millis(number);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
        }
    }
}
