//! Rules for some countries where nothing tells in which a client is.

use super::bad_line::{BadLine, Fault};
use super::line::place_of;

pub(crate) const NOBODY_KNOWS_WHERE: &str = "nothing here tells in which country a client is, so geo can't be served: \
    name a database or a field of trusted proxies under [geo] in the config, or leave geo out, and the rule holds \
    everywhere";

/// What is wrong with a list of ours, of which the rule at `line` (from 1) is the first for some countries.
pub(crate) fn unserved(bytes: &[u8], line: u32, is_toml: bool) -> BadLine {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let at = (line as usize).saturating_sub(1);
    let (at, column) = match is_toml {
        true => (line_in_table(&lines, at), 0),
        false => (at, lines.get(at).and_then(|line| place_of("geo", line)).unwrap_or(0)),
    };
    let fault = Fault::new(column, NOBODY_KNOWS_WHERE);
    fault.in_line(u32::try_from(at + 1).unwrap_or(u32::MAX), lines.get(at).copied().unwrap_or_default())
}

/// Of the table around a line, the one that says `geo`.
fn line_in_table(lines: &[&str], at: usize) -> usize {
    let is_start = |line: &&str| line.trim_start().starts_with("[[");
    let first = lines.iter().take(at + 1).rposition(is_start).unwrap_or(at);
    let inside = lines.iter().enumerate().skip(first + 1).take_while(|(_, line)| !is_start(line));
    let mut said = inside.filter(|(_, line)| line.trim_start().starts_with("geo"));
    said.next().map_or(at, |(number, _)| number)
}
