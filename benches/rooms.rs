//! What one request costs in the rooms that every request visits.

use std::hint::black_box;
use std::sync::Arc;

use block::{Case, Index, Source, Table, list};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::Uri;
use terms::url::Scheme;
use terms::wire::head::{Limits, walk};
use terms::{Digest, Timestamp, Url};

/// 6 path segments, 4 labels, 3 query pairs.
const TYPICAL: &str = "/photos/2026/11/albums/holiday/img-0001.jpg?size=large&v=3&lang=en";
/// The same place, spelled so that all of the canonicaliser has to work.
const AWKWARD: &str = "/photos//2026/./11/x/../albums;v=1/holid%61y/img-0001.jpg/?lang=en&v=%33&size=large";
const HOST_NAME: &str = "cdn.photos.example.org";

fn fields() -> HeaderMap {
    HeaderMap::from_iter([(HOST, HeaderValue::from_static(HOST_NAME))])
}

fn canonicaliser(c: &mut Criterion) {
    let mut group = c.benchmark_group("canonicaliser");
    let fields = fields();
    for (name, target) in [("typical", TYPICAL), ("awkward", AWKWARD)] {
        let uri: Uri = target.parse().expect("a URI");
        group.bench_function(name, |b| b.iter(|| Url::of_request(Scheme::Http, black_box(&uri), &fields)));
    }
    group.finish();
}

fn strict_head(c: &mut Criterion) {
    let head = format!(
        "GET {TYPICAL} HTTP/1.1\r\nHost: {HOST_NAME}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 \
         Firefox/140.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: \
         en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\r\n"
    );
    let limits = Limits { head: 32 << 10, target: 16 << 10, fields: 100 };
    c.bench_function("strict head of a browser", |b| b.iter(|| walk(black_box(head.as_bytes()), &limits)));
}

fn list_of(rules: usize) -> String {
    let mut text = String::new();
    for n in 0..rules {
        match n % 4 {
            0 => text += &format!("https://h{}.example/a/{n}/stolen.jpg notice=N-{}\n", n % 1000, n % 100),
            1 => text += &format!("https://h{}.example/albums/{n}/* notice=N-{}\n", n % 1000, n % 100),
            2 => text += &format!("*.h{n}.example notice=N-{}\n", n % 100),
            _ => text += &format!("https://h{}.example/v?id={n} notice=N-{}\n", n % 1000, n % 100),
        }
    }
    text
}

fn index_of(rules: usize) -> Index {
    let read = list::read(list_of(rules).as_bytes()).expect("these rules can be read");
    let table =
        |name: &str, rules| Arc::new(Table::compile(Source::File(name.into()), rules, Digest::of(name.as_bytes())));
    Index::new(1, table("edits", Vec::new()), vec![table("list.txt", read)])
}

fn index(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    let now = Timestamp::from_secs(1_790_000_000);
    let allowed = Url::of_request(Scheme::Http, &TYPICAL.parse().expect("a URI"), &fields()).expect("a URL");
    let blocked = Url::parse("https://h0.example/a/0/stolen.jpg").expect("a URL");
    for rules in [10, 10_000, 1_000_000] {
        let index = index_of(rules);
        group.bench_with_input(BenchmarkId::new("allowed", rules), &index, |b, index| {
            b.iter(|| index.judge(black_box(&allowed), Case::of_anybody(now)))
        });
        // Another URL each time, so that what the table holds of it is not near where the table is large.
        let others: Vec<Url> = (0..100_000_usize)
            .map(|n| {
                format!(
                    "https://h{}.example/photos/2026/11/{n}/holiday/img.jpg?size=large&v=3&lang=en",
                    n * 7919 % 1000
                )
            })
            .map(|url| Url::parse(&url).expect("a URL"))
            .collect();
        let mut next = others.iter().cycle();
        group.bench_with_input(BenchmarkId::new("allowed, another each time", rules), &index, |b, index| {
            b.iter(|| index.judge(black_box(next.next()?), Case::of_anybody(now)))
        });
        group.bench_with_input(BenchmarkId::new("blocked", rules), &index, |b, index| {
            b.iter(|| index.judge(black_box(&blocked), Case::of_anybody(now)))
        });
    }
    group.finish();
}

/// On one thread, from the text to the table.
fn compile(c: &mut Criterion) {
    let text = list_of(100_000);
    let mut group = c.benchmark_group("list");
    group.sample_size(20).throughput(Throughput::Elements(100_000));
    group.bench_function("read and compiled", |b| {
        b.iter(|| {
            let rules = list::read(black_box(text.as_bytes())).expect("these rules can be read");
            Table::compile(Source::File("list.txt".into()), rules, Digest::ZERO)
        })
    });
    group.finish();
}

criterion_group!(rooms, canonicaliser, strict_head, index, compile);
criterion_main!(rooms);
