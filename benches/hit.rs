//! A hit without sockets: everything that is ours between hyper's request and hyper's response, and the
//! record's way into the log.

mod house;

use criterion::{Criterion, criterion_group, criterion_main};
use http::StatusCode;
use terms::{Ask, CacheUse, Clock, Departures, Digest, Record, Verdict};

use house::{house, peer, request, store};

fn record() -> Record {
    let (ask, _) = Ask::read(request(), peer(), &terms::Trusted::default(), Clock::system().now());
    Record {
        began: ask.began.wall,
        ended: ask.began.wall,
        site: Some("bench".into()),
        id: ask.id,
        method: ask.method,
        url: ask.url.ok(),
        status: StatusCode::OK,
        verdict: Verdict::Served,
        ruling: None,
        list: 1,
        cache: CacheUse::Hit,
        fill: Some(1),
        origin_digest: Some(Digest::of(b"x")),
        digest: Some(Digest::of(b"x")),
        departures: Departures::default(),
        range: terms::wire::range::Parts::default(),
        bytes: 1024,
        complete: true,
        client: ask.client.address,
    }
}

fn hit(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let entered = runtime.enter();
    let house = house(Clock::system());
    drop(entered);
    runtime.block_on(store(&house.cache));
    let lane = house.gateway.lane();
    c.bench_function("a hit without sockets, its record pushed", |b| {
        b.iter(|| {
            let response = runtime.block_on(house.gateway.serve(request(), peer(), &lane, terms::Voice::default()));
            assert_eq!(response.status(), StatusCode::OK);
            if let Some(ticket) = response.body().draft.as_ref().and_then(|draft| draft.ticket()) {
                lane.arrived(ticket);
            }
        });
    });
    let record = record();
    c.bench_function("the audit push", |b| b.iter(|| house.log.push(record.clone())));
    c.bench_function("an empty task and a request, for comparison", |b| {
        b.iter(|| runtime.block_on(async { request() }));
    });
    house.log.close();
}

criterion_group!(hits, hit);
criterion_main!(hits);
