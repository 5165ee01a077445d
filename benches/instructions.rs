//! Some thousand hits without sockets, for counting instructions: callgrind collects in [`hits`] alone.
//!
//! `tests/outside/instructions.sh` runs it and compares.

mod house;

use block::Lane;
use http::StatusCode;
use seawall::witness::{End, Outcome};
use terms::Clock;
use tokio::runtime::Runtime;

use house::{House, house, peer, request, store};

/// So many that what the first ones warm up does not show.
const HITS: usize = 10_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // It stands still: how often the system's is measured depends on how fast this runs.
    let entered = runtime.enter();
    let house = house(Clock::manual(Clock::system().wall()));
    drop(entered);
    runtime.block_on(store(&house.cache));
    let lane = house.gateway.lane();
    hits(&runtime, &house, &lane);
    house.log.close();
    println!("hits {HITS}");
}

#[inline(never)]
fn hits(runtime: &Runtime, house: &House, lane: &Lane) {
    for _ in 0..HITS {
        let response = runtime.block_on(house.gateway.serve(request(), peer(), lane, terms::Voice::default()));
        assert_eq!(response.status(), StatusCode::OK);
        if let Some(draft) = response.into_body().draft {
            let ticket = draft.ticket();
            draft.end(End { bytes: 1024, complete: true, outcome: Outcome::AsAnswered, list: None });
            ticket.into_iter().for_each(|ticket| lane.arrived(ticket));
        }
    }
}
