//! A line on the terminal while the run lasts.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use super::pacing::Limit;

pub const EVERY: Duration = Duration::from_millis(200);
const WIDTH: usize = 30;

pub fn draw(limit: Limit, elapsed: Duration, ended: u64, bad: u64) {
    let _ = std::io::stderr().write_all(line(limit, elapsed, ended, bad).as_bytes());
}

/// Removes the line, where there can be one.
pub fn clear() {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = stderr.write_all(b"\r\x1b[K");
    }
}

fn line(limit: Limit, elapsed: Duration, ended: u64, bad: u64) -> String {
    let of_time = limit.duration.map_or(0.0, |all| elapsed.as_secs_f64() / all.as_secs_f64().max(1e-9));
    let of_requests = limit.requests.map_or(0.0, |all| ended as f64 / all as f64);
    let full = (of_time.max(of_requests).min(1.0) * WIDTH as f64) as usize;
    let (seconds, rate) = (elapsed.as_secs_f64(), ended as f64 / elapsed.as_secs_f64().max(1e-9));
    let mut line = format!("\r[{}{}] {seconds:.1} s", "#".repeat(full), "-".repeat(WIDTH - full));
    let _ = write!(line, "  {ended} requests, {rate:.0}/s, {bad} failed\x1b[K");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_the_nearer_end_is_near() {
        let limit = Limit { duration: Some(Duration::from_secs(10)), requests: Some(100) };
        for (elapsed, ended, full) in [(0, 0, 0), (5, 0, 15), (1, 90, 27), (20, 200, 30)] {
            let line = line(limit, Duration::from_secs(elapsed), ended, 0);
            assert_eq!(line.matches('#').count(), full, "{line}");
            assert_eq!(line.matches(['#', '-']).count(), WIDTH, "{line}");
        }
    }
}
