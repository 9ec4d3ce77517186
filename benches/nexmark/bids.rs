//! Questions about bids alone.

use firesteel_benches::queries::Answer;
use firesteel_streaming::{Stream, StreamingContext, Timed};
use firesteel_window::{MaxBy, Session, Sliding, Tumbling, seconds};

use crate::events::{Bid, millis};
use crate::programs::events;

/// What is asked about bids.
fn bids(job: &StreamingContext, count: u64) -> Stream<Bid, Timed> {
    events(job, count).flat_map(|event| event.bid())
}

/// All bids.
pub(crate) fn q0(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count).map(|bid| [bid.auction, bid.bidder, bid.price, millis(bid.at)]).write(answer.clone());
}

/// All bids in another currency.
pub(crate) fn q1(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count)
        .map(|bid| [bid.auction, bid.bidder, bid.price * 908 / 1_000, millis(bid.at)])
        .write(answer.clone());
}

/// Bids on some auctions.
pub(crate) fn q2(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count).filter(|bid| bid.auction % 123 == 0).map(|bid| [bid.auction, bid.price]).write(answer.clone());
}

/// Which auctions had the most bids of the last ten seconds, every two seconds; all of them, if they are several.
pub(crate) fn q5(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count)
        .key_by(|bid| bid.auction)
        .window(Sliding::of(seconds(10)).every(seconds(2)))
        .count()
        // A row is at the last instant of its window: those of one window are in the same two seconds.
        .map(|row| ((), (row.window.start(), row.value, row.key)))
        .window(Tumbling::of(seconds(2)))
        .fold(
            (0, Vec::new()),
            |hottest, (start, count, auction)| hotter(hottest, (count, vec![(start, auction)])),
            hotter,
        )
        .flat_map(|row| {
            let (count, auctions) = row.value;
            auctions.into_iter().map(move |(start, auction)| [millis(start), auction, count])
        })
        .write(answer.clone());
}

/// Takes the auctions with more bids, or both if they have as many.
fn hotter<T>(hottest: &mut (u64, Vec<T>), mut other: (u64, Vec<T>)) {
    if other.0 > hottest.0 {
        *hottest = other;
    } else if other.0 == hottest.0 {
        hottest.1.append(&mut other.1);
    }
}

/// The highest bid of every ten seconds.
pub(crate) fn q7(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count)
        .key_by(|_| ())
        .window(Tumbling::of(seconds(10)))
        .aggregate(MaxBy::new(|bid: &Bid| bid.price))
        .flat_map(|row| row.value.map(|bid| [millis(row.window.start()), bid.auction, bid.bidder, bid.price]))
        .write(answer.clone());
}

/// How many bids each person made between two pauses of more than ten seconds.
pub(crate) fn q11(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count)
        .key_by(|bid| bid.bidder)
        .window(Session::gap(seconds(10)))
        .count()
        .map(|row| [row.key, millis(row.window.start()), millis(row.window.end()), row.value])
        .write(answer.clone());
}

/// How many bids each person made in every ten seconds by the clock. Which those are depends on how fast they are read: what can be
/// compared is how many they are in all.
pub(crate) fn q12(job: &StreamingContext, count: u64, answer: &Answer) {
    bids(job, count)
        .without_time()
        .key_by(|bid| bid.bidder)
        .in_processing_time()
        .window(Tumbling::of(seconds(10)))
        .count()
        .map(|row| ((), row.value))
        .running_sum()
        .named("all")
        .map(|((), bids)| (0, [bids]))
        .write(answer.newest());
}
