//! What a block list costs by its size: to load, to keep, to look up, to take up again.
//!
//! ```text
//! cargo run --release --example scale                          10 thousand to 10 million rules
//! cargo run --release --example scale -- 1000000           one size
//! cargo run --release --example scale -- --svg FILE        a picture beside the table
//! cargo run --release --example scale -- --untouched       memory that is given out for the first time
//! cargo run --release --example scale -- write 1000 FILE   such a list alone
//! ```
//! Each size is measured in a process of its own, once the system has the memory for it at hand: a virtual machine may
//! get what it touches for the first time from its host, at some 300 MB a second. Prints a Markdown table. Needs some
//! 3 GB in the folder for temporary files for ten million, and removes what it wrote.

use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use block::{Case, Index, Settings, Source, Sources, Table, list};
use http::header::{HOST, HeaderMap, HeaderValue};
use parking_lot::Mutex;
use terms::url::Scheme;
use terms::{Clock, Digest, Timestamp, Url};

const SIZES: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

/// Look-ups of each kind.
const USUAL: usize = 100_000;
const COLD: usize = 400;

/// More than the caches of the processor hold.
const LARGER_THAN_CACHES: usize = 96 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<&str>>()[..] {
        ["measure", rules, folder] => {
            let row = measure(rules.parse().expect("a number"), Path::new(folder));
            println!("{}", row.map(|number| number.to_string()).join(" "));
        }
        ["write", rules, path] => {
            write_list(rules.parse().expect("a number"), Path::new(path)).expect("a list can be written");
        }
        ["--svg", path, sizes @ ..] => {
            let rows = table(sizes, true);
            std::fs::write(path, picture(&rows)).expect("the picture can be written");
        }
        ["--untouched", sizes @ ..] => drop(table(sizes, false)),
        sizes => drop(table(sizes, true)),
    }
}

/// What is measured of one size: rules; load and restart in milliseconds; bytes a rule, and at the peak; then
/// nanoseconds, median and 99th percentile each, of URLs that are allowed and that are blocked, first as they
/// come one behind the other, then with cold caches.
const NUMBERS: usize = 13;
type Row = [u64; NUMBERS];

fn table(sizes: &[&str], is_touched: bool) -> Vec<Row> {
    let named: Vec<usize> = sizes.iter().map(|size| size.parse().expect("a number of rules")).collect();
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    println!(
        "| rules | load, s | restart, s | bytes a rule | at the peak | allowed | blocked | allowed, cold | blocked, cold |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    sizes.into_iter().map(|rules| run(rules, is_touched)).collect()
}

/// More bytes than a load takes for each rule.
const FOR_A_RULE: usize = 300;

/// Writes to memory and gives it back, so that the system has as much at hand.
fn touch(bytes: usize) {
    drop(black_box(vec![1_u8; bytes]));
    seawall::allocator::give_back();
}

fn run(rules: usize, is_touched: bool) -> Row {
    let folder = tempfile::tempdir().expect("a folder can be made");
    write_list(rules, &folder.path().join("list.txt")).expect("a list can be written");
    if is_touched {
        touch(rules * FOR_A_RULE);
    }
    let this = std::env::current_exe().expect("this program has a path");
    let measured = Command::new(this).arg("measure").arg(rules.to_string()).arg(folder.path()).output();
    let measured = measured.expect("this program can be run");
    assert!(measured.status.success(), "{}", String::from_utf8_lossy(&measured.stderr));
    let text = String::from_utf8(measured.stdout).expect("numbers");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    let row: Row = std::array::from_fn(|_| numbers.next().expect("all numbers"));
    let [rules, load, restart, bytes, peak, lookups @ ..] = row;
    let lookups: Vec<String> = lookups.chunks(2).map(|two| format!("{} / {}", two[0], two[1])).collect();
    let seconds = |millis: u64| millis as f64 / 1000.0;
    println!(
        "| {rules} | {:.2} | {:.2} | {bytes} | {peak} | {} |",
        seconds(load),
        seconds(restart),
        lookups.join(" | ")
    );
    row
}

/// Bytes a rule, and nanoseconds a look-up, over the number of rules.
fn picture(rows: &[Row]) -> String {
    let [width, height, left_edge, top_edge] = [300.0, 200.0, 50.0, 40.0_f64];
    let x = |at: usize| width * at as f64 / (rows.len().max(2) - 1) as f64;
    let panel = |left: f64, title: &str, most: u64, lines: &[(&str, &str, usize)]| {
        let y = |value: u64| height - height * value.min(most) as f64 / most as f64;
        let mut svg = format!(
            "<g transform=\"translate({left} {top_edge})\"><text x=\"0\" y=\"-16\" font-weight=\"bold\">{title}</text>\n"
        );
        for step in 0..=4 {
            let value = most * step / 4;
            svg += &format!(
                "<path d=\"M0 {0}H{width}\" stroke=\"#ddd\"/><text x=\"-6\" y=\"{1}\" text-anchor=\"end\">{value}</text>\n",
                y(value),
                y(value) + 4.0
            );
        }
        for (at, row) in rows.iter().enumerate() {
            svg += &format!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                x(at),
                height + 18.0,
                short(row[0])
            );
        }
        for (number, (name, colour, column)) in lines.iter().enumerate() {
            let points: Vec<String> =
                rows.iter().enumerate().map(|(at, row)| format!("{:.1},{:.1}", x(at), y(row[*column]))).collect();
            svg += &format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
                points.join(" ")
            );
            svg += &format!(
                "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>\n",
                8,
                height + 40.0 + 16.0 * number as f64
            );
        }
        svg + "</g>\n"
    };
    let most = |columns: &[usize]| rows.iter().flat_map(|row| columns.iter().map(|at| row[*at])).max().unwrap_or(1);
    let memory = panel(
        left_edge,
        "bytes a rule",
        100,
        &[("resident (at 10 thousand it is mostly the program's own)", "#1f77b4", 3)],
    );
    let lookups = [
        ("allowed, median", "#2ca02c", 5),
        ("allowed, 99th percentile", "#98c379", 6),
        ("blocked, median", "#d62728", 7),
    ];
    let top = most(&[5, 6, 7]).next_multiple_of(400);
    let lookups = panel(left_edge + width + 100.0, "nanoseconds a look-up", top, &lookups);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"340\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"800\" height=\"340\" fill=\"white\"/>\n{memory}{lookups}</svg>\n"
    )
}

/// 10 k, 1 M.
fn short(rules: u64) -> String {
    match rules {
        1_000_000.. => format!("{} M", rules / 1_000_000),
        1_000.. => format!("{} k", rules / 1_000),
        _ => rules.to_string(),
    }
}

fn write_list(rules: usize, path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for n in 0..rules {
        let (host, notice) = (scatter(n) % 100_000, n / 8);
        match n % 20 {
            0 => write!(file, "h{n}.hosts.example")?,
            1 => write!(file, "*.t{n}.under.trees.example")?,
            2 => write!(file, "https://w{host}.cdn.example.org/albums/{}/*", scatter(n))?,
            // So that each ancestor of a deep URL is looked up.
            3 => write!(file, "https://w{host}.cdn.example.org/users/{}/2026/11/albums/private/*", scatter(n))?,
            4 => write!(file, "https://w{host}.cdn.example.org/watch?v={n}&list={host}")?,
            _ => write!(file, "https://w{host}.cdn.example.org/photos/2026/{}/albums/stolen/img-{n}.jpg", scatter(n))?,
        }
        writeln!(file, " notice=N-{notice} reason=\"a court's order\"")?;
    }
    file.into_inner()?.sync_all()?;
    // As most lists at a start, it was not saved a moment ago: what its stamp says is believed.
    std::thread::sleep(Duration::from_secs(3));
    Ok(())
}

/// Numbers in no order, the same in every run.
fn scatter(n: usize) -> u32 {
    (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) as u32
}

/// 6 path segments, 4 labels, 3 query pairs.
fn allowed(n: usize, _: usize) -> Url {
    let target = format!("/photos/2026/{}/albums/holiday/img-{n}.jpg?size=large&v=3&lang=en", scatter(n));
    let host = format!("w{}.cdn.example.org", scatter(n) % 100_000);
    let fields = HeaderMap::from_iter([(HOST, HeaderValue::try_from(host).expect("a host"))]);
    Url::of_request(Scheme::Https, &target.parse().expect("a URI"), &fields).expect("a URL")
}

/// One of those that the list names, as deep and with as many pairs.
fn blocked(n: usize, rules: usize) -> Url {
    let n = scatter(n) as usize % rules / 20 * 20 + 7;
    let host = format!("w{}.cdn.example.org", scatter(n) % 100_000);
    Url::parse(&format!("https://{host}/photos/2026/{}/albums/stolen/img-{n}.jpg?size=large&v=3&lang=en", scatter(n)))
        .expect("a URL")
}

fn measure(rules: usize, folder: &Path) -> Row {
    let settings = Settings { lists: vec![folder.join("list.txt").into()], state: folder.join("state"), geo: false };
    let before = memory("VmRSS");
    let (tables, cold) = load(&settings);
    let peak = memory("VmHWM");
    seawall::allocator::give_back();
    let kept = memory("VmRSS").saturating_sub(before);
    let index = index_of(tables);
    let lookups = LookUps { index: &index, rules, now: Timestamp::from_secs(1_790_000_000) };
    let usual = [allowed, blocked].map(|url| lookups.usual(url));
    let after_others = [allowed, blocked].map(|url| lookups.cold(url));
    drop(index);
    let (_, restart) = load(&settings);
    let millis = |time: Duration| time.as_millis() as u64;
    let a_rule = |bytes: u64| bytes / rules as u64;
    let first = [rules as u64, millis(cold), millis(restart), a_rule(kept), a_rule(peak.saturating_sub(before))];
    let mut all = first.into_iter().chain(usual.into_iter().chain(after_others).flatten());
    std::array::from_fn(|_| all.next().unwrap_or_default())
}

/// The tables, once all that a start leaves to write is written, and how long they took to be there.
fn load(settings: &Settings) -> (Vec<Arc<Table>>, Duration) {
    let clock = Clock::system();
    let start = Instant::now();
    let (sources, _) = Sources::load(settings, clock.wall()).expect("the list is good");
    let took = start.elapsed();
    let tables = sources.tables();
    let sources = Arc::new(Mutex::new(sources));
    drop(block::watch(sources, clock, |_| (), || (), seawall::allocator::give_back).expect("threads can be started"));
    (tables, took)
}

fn index_of(tables: Vec<Arc<Table>>) -> Index {
    let edits = Table::compile(Source::Edits { ids: Vec::new() }, Vec::new(), Digest::ZERO);
    Index::new(1, Arc::new(edits), tables)
}

struct LookUps<'i> {
    index: &'i Index,
    rules: usize,
    now: Timestamp,
}

impl LookUps<'_> {
    /// One behind the other, each of another URL: what the table holds of it is cold where the table is larger
    /// than the caches; the program is warm.
    fn usual(&self, url: fn(usize, usize) -> Url) -> [u64; 2] {
        percentiles((0..USUAL).map(|n| self.one(&url(n, self.rules))))
    }

    /// Each after all that the caches held was pushed out, and the program was run with another index: nothing
    /// of the table is near.
    fn cold(&self, url: fn(usize, usize) -> Url) -> [u64; 2] {
        let like = "h.example\n*.t.under.trees.example\nhttps://h.example/a/b/c/d/e/f/*\nhttps://h.example/a/b/c/d/e/stolen.jpg notice=N";
        let rules = list::read(like.as_bytes()).expect("these can be read");
        let like = Table::compile(Source::File("like.txt".into()), rules, Digest::ZERO);
        let other = LookUps { index: &index_of(vec![Arc::new(like)]), ..*self };
        let stolen = Url::parse("h.example/a/b/c/d/e/stolen.jpg?size=large&v=3&lang=en").expect("a URL");
        let mut large = vec![1_u64; LARGER_THAN_CACHES / 8];
        percentiles((0..COLD).map(|n| {
            let url = url(n, self.rules);
            large.iter_mut().for_each(|word| *word = word.wrapping_mul(3));
            black_box(&large);
            (0..10).for_each(|n| drop(black_box(other.index.judge(&allowed(n, 0), Case::of_anybody(self.now)))));
            (0..10).for_each(|_| drop(black_box(other.index.judge(&stolen, Case::of_anybody(self.now)))));
            self.one(&url)
        }))
    }

    fn one(&self, url: &Url) -> u64 {
        // The clock's own code is warm, and so is the URL, as it is for who has just read it.
        let bytes = url.readings().flat_map(|reading| reading.as_str().bytes());
        black_box((bytes.fold(0, |all, byte| all ^ byte), Instant::now()));
        let start = Instant::now();
        let ruling = self.index.judge(black_box(url), Case::of_anybody(self.now));
        let took = start.elapsed().as_nanos() as u64;
        assert_eq!(black_box(ruling).is_some(), url.canonical().contains("stolen"), "{url:?}");
        took
    }
}

/// The median and the 99th percentile.
fn percentiles(took: impl Iterator<Item = u64>) -> [u64; 2] {
    let mut took: Vec<u64> = took.collect();
    took.sort_unstable();
    [took[took.len() / 2], took[took.len() * 99 / 100]]
}

/// Of this process, in bytes.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the kernel tells it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("in KiB") << 10
}
