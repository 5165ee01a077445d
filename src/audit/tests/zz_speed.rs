use super::*;
use crate::files::{Folder, SegmentId};
use crate::line::{Encoder, Forms};
use crate::segment::{Link, Segment};
#[test]
fn speed() {
    let dir = scratch();
    let f = Folder::of(dir.path());
    std::fs::create_dir(f.path()).unwrap();
    let mut s = Segment::create(&f, SegmentId { run: 1, number: 1 }, Link { hash: Digest::ZERO, seq: 1 }).unwrap();
    let mut e = Encoder::new(
        "6e0e9c3e-7c5b-4b3a-9d53-0d3e0f3c2b11",
        1,
        Forms { client: ClientForm::Truncated, url_query: QueryForm::Full, key: [0; 16] },
    );
    let r = record("https://photos.example/albums/2024/some-picture.jpg?w=100");
    let mut out = Vec::new();
    let n = 400_000u64;
    for round in 0..3 {
        let t = std::time::Instant::now();
        for i in 0..n {
            out.clear();
            e.record(&mut out, i, r.ended.plus(Duration::from_micros(i)), &r);
            std::hint::black_box(&out);
        }
        println!("encode {} ns, {} bytes", t.elapsed().as_nanos() as u64 / n, out.len());
        let t = std::time::Instant::now();
        for i in 0..n {
            s.add(|out, seq| e.record(out, seq, r.ended.plus(Duration::from_micros(i)), &r));
            if i % 1000 == 0 {
                s.flush().unwrap();
            }
        }
        println!("add+flush {} ns round {round}", t.elapsed().as_nanos() as u64 / n);
    }
    let log = Log::open(settings(&dir.path().join("l"), 1), Clock::system()).unwrap();
    std::fs::create_dir_all(dir.path().join("l")).unwrap();
    let rs: Vec<_> = (0..100_000).map(|_| r.clone()).collect();
    let t = std::time::Instant::now();
    for r in rs {
        log.push(r);
    }
    println!("push {} ns; item {} bytes", t.elapsed().as_nanos() / 100_000, std::mem::size_of::<crate::inlet::Item>());
    settle(&log);
    println!("drained in {:?}", t.elapsed());
    log.close();
    let t = std::time::Instant::now();
    crate::verify(&dir.path().join("l")).unwrap();
    println!("verify {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let n = ask(&dir.path().join("l"), &Filter { notice: Some("x".into()), ..Filter::default() });
    println!("query {:?} {}", t.elapsed(), n.len());
}
