//! Spellings of a path: each that a server could take for the same, and many that none does.

use std::collections::BTreeSet;

use crate::harness::noise;

/// One way to ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spelling {
    pub target: String,
    pub host: String,
}

/// What stands between two segments, and before the first one.
const SEPARATORS: [&str; 40] = [
    "/",
    "//",
    "///",
    "/./",
    "/.//",
    "/x/../",
    "/x/y/../../",
    "/%2e/",
    "/%2E/",
    "/x/%2e%2e/",
    "/x/.%2e/",
    "/x/%2E./",
    "%2F",
    "%2f",
    "/%2F",
    "%2f/",
    "%2F%2f",
    "\\",
    "/\\",
    "%5C",
    "%5c",
    "/;/",
    "/;x/",
    "/;a=b/",
    "/.;/",
    "/.;x/",
    "/%2e;x/",
    "/x/..;/",
    "/x/..;y=z/",
    "/x/%2e%2e;/",
    "/x//../",
    "/x/%2F../",
    "/x/..%2F",
    "/x/..%5c",
    "/%20/../",
    "/%2e%2f",
    "/..;/",
    "/../",
    "/%2e%2e/",
    "/x/%252e%252e/",
];

/// What stands behind a segment.
const TAILS: [&str; 18] = [
    "", ";", ";x", ";a=b;c", ";%2e", ".", "%20", "%00", "%09", "%3b", "%3Bx", "%23", "%3f", "%3Fx", "%2e", "%2520",
    "::$DATA", "~",
];

/// What stands behind the path.
const ENDS: [&str; 22] = [
    "", "/", "//", "/.", "/./", "/x/..", "/%2e", "?", "?x", "?x=1&y", "??", "?/../", "?a=b;c", "#x", "?x#y", "/;x",
    "/..;/", "%2F", "%2f", "/%2e%2e/", "\\", "%5c",
];

/// Who is asked: `Host`, and what stands before the target.
const PLACES: [(&str, &str); 16] = [
    ("photos.example", ""),
    ("PHOTOS.example", ""),
    ("photos.example.", ""),
    ("photos.example:80", ""),
    ("photos.example:8443", ""),
    ("Photos.Example.:8080", ""),
    ("photos.example:", ""),
    ("photos.example", "http://photos.example"),
    ("photos.example", "https://photos.example"),
    ("photos.example:80", "http://photos.example:80"),
    ("photos.example", "HTTP://PHOTOS.EXAMPLE"),
    ("photos.example", "http://x@photos.example"),
    ("photos.example", "http://photos.example."),
    ("other.example", "http://photos.example"),
    ("photos.example", "http://other.example"),
    ("x@photos.example", ""),
];

/// Ways to write one character.
const LETTERS: usize = 9;

fn letter(c: char, way: usize) -> String {
    let bytes = c.to_string().into_bytes();
    let escaped = |form: fn(u8) -> String| bytes.iter().map(|&byte| form(byte)).collect::<String>();
    match way {
        0 if c.is_ascii() && !matches!(c, ' ' | '%') => c.to_string(),
        0 | 1 => escaped(|byte| format!("%{byte:02X}")),
        2 => escaped(|byte| format!("%{byte:02x}")),
        3 => escaped(|byte| format!("%25{byte:02X}")),
        // Longer than UTF-8 allows.
        4 if c.is_ascii() => format!("%{:02x}%{:02x}", 0xc0 | (c as u8 >> 6), 0x80 | (c as u8 & 0x3f)),
        5 => format!("%u{:04x}", c as u32),
        6 if c.is_ascii_alphabetic() => {
            (c as u8 ^ 0x20).to_string().chars().map(|_| (c as u8 ^ 0x20) as char).take(1).collect()
        }
        // Full width.
        7 if c.is_ascii_graphic() => {
            char::from_u32(c as u32 + 0xfee0).map_or(String::new(), |wide| escaped_text(&wide.to_string()))
        }
        // As it is, though it should be escaped.
        8 => c.to_string(),
        _ => escaped(|byte| format!("%{byte:02X}")),
    }
}

fn escaped_text(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Choices that are the same at each run.
struct Choices {
    bytes: Vec<u8>,
    at: usize,
}

impl Choices {
    fn next(&mut self, of: usize) -> usize {
        self.at = (self.at + 2) % (self.bytes.len() - 1);
        (usize::from(self.bytes[self.at]) << 8 | usize::from(self.bytes[self.at + 1])) % of
    }

    /// The first, but for one time in `of`.
    fn seldom(&mut self, of: usize, choices: usize) -> usize {
        if self.next(of) == 0 { self.next(choices) } else { 0 }
    }
}

/// How a path is written: an index for each choice, all 0 in the usual way.
struct Writing {
    place: usize,
    separators: Vec<usize>,
    letters: Vec<usize>,
    tails: Vec<usize>,
    end: usize,
}

impl Writing {
    fn usual(path: &str) -> Writing {
        let segments = path.split('/').count() - 1;
        let letters = path.chars().filter(|&c| c != '/').count();
        Writing { place: 0, separators: vec![0; segments], letters: vec![0; letters], tails: vec![0; segments], end: 0 }
    }

    fn write(&self, path: &str) -> Spelling {
        let (host, before) = PLACES[self.place];
        let mut target = before.to_owned();
        let mut letters = self.letters.iter();
        for (at, segment) in path.split('/').skip(1).enumerate() {
            target.push_str(SEPARATORS[self.separators[at]]);
            target.extend(segment.chars().map(|c| letter(c, letters.next().copied().unwrap_or(0))));
            target.push_str(TAILS[self.tails[at]]);
        }
        target.push_str(ENDS[self.end]);
        Spelling { target, host: host.to_owned() }
    }
}

/// At least `count` spellings of a path: first those with one thing about them, then some with several.
pub fn of(path: &str, count: usize) -> Vec<Spelling> {
    let mut all = BTreeSet::new();
    let mut add = |change: &dyn Fn(&mut Writing)| {
        let mut writing = Writing::usual(path);
        change(&mut writing);
        all.insert(writing.write(path));
    };
    let (segments, letters) = (path.split('/').count() - 1, Writing::usual(path).letters.len());
    (0..PLACES.len()).for_each(|n| add(&|writing| writing.place = n));
    (0..ENDS.len()).for_each(|n| add(&|writing| writing.end = n));
    for at in 0..segments {
        (0..SEPARATORS.len()).for_each(|n| add(&|writing| writing.separators[at] = n));
        (0..TAILS.len()).for_each(|n| add(&|writing| writing.tails[at] = n));
    }
    for at in 0..letters {
        (0..LETTERS).for_each(|n| add(&|writing| writing.letters[at] = n));
    }
    (0..LETTERS).for_each(|n| add(&|writing| writing.letters.fill(n)));
    let mut choices = Choices { bytes: noise(1 << 20, path.len() as u64), at: 0 };
    while all.len() < count {
        let mut writing = Writing::usual(path);
        writing.place = choices.seldom(4, PLACES.len());
        writing.separators.iter_mut().for_each(|one| *one = choices.seldom(2, SEPARATORS.len()));
        writing.tails.iter_mut().for_each(|one| *one = choices.seldom(6, TAILS.len()));
        writing.letters.iter_mut().for_each(|one| *one = choices.seldom(5, 3));
        if choices.next(8) == 0 {
            let at = choices.next(letters);
            writing.letters[at] = choices.next(LETTERS);
        }
        writing.end = choices.seldom(3, ENDS.len());
        all.insert(writing.write(path));
    }
    all.into_iter().collect()
}
