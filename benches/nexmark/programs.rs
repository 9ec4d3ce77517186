//! The questions.

use firesteel_benches::numbers::Numbers;
use firesteel_benches::queries::Query;
use firesteel_streaming::{Stream, StreamingContext, Timed};
use firesteel_window::{Duration, Watermark};

use crate::events::Event;
use crate::{auctions, bids};

/// All events, of which none is late.
pub(crate) fn events(job: &StreamingContext, count: u64) -> Stream<Event, Timed> {
    job.read(Numbers(count)).map(Event::of).event_time(Event::at, Watermark::bounded(Duration::ZERO))
}

const BOTH: &[&str] = &["duckdb", "flink"];

/// All questions. Flink's SQL has no answer to q6, and one to q12 that lacks what is open when the numbers end.
pub(crate) const QUERIES: &[Query] = &[
    Query { name: "q0", program: bids::q0, by_hand: None, peers: BOTH },
    Query { name: "q1", program: bids::q1, by_hand: None, peers: BOTH },
    Query { name: "q2", program: bids::q2, by_hand: None, peers: BOTH },
    Query { name: "q3", program: auctions::q3, by_hand: None, peers: BOTH },
    Query { name: "q4", program: auctions::q4, by_hand: None, peers: BOTH },
    Query { name: "q5", program: bids::q5, by_hand: None, peers: BOTH },
    Query { name: "q6", program: auctions::q6, by_hand: None, peers: &["duckdb"] },
    Query { name: "q7", program: bids::q7, by_hand: None, peers: BOTH },
    Query { name: "q8", program: auctions::q8, by_hand: None, peers: BOTH },
    Query { name: "q11", program: bids::q11, by_hand: None, peers: BOTH },
    Query { name: "q12", program: bids::q12, by_hand: None, peers: &["duckdb"] },
];

#[cfg(test)]
mod tests {
    use firesteel_benches::queries::answered;

    use super::*;

    #[test]
    fn answers_do_not_depend_on_batches_and_threads() {
        for query in QUERIES {
            let expected = answered(query, 120_000, 1, 1_000_000);
            assert!(expected.rows > 0, "{}: {expected:?}", query.name);
            for (threads, batch) in [(2, 10_000), (3, 1_777)] {
                assert_eq!(answered(query, 120_000, threads, batch), expected, "{} {threads} {batch}", query.name);
            }
        }
    }
}
