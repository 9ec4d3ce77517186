//! Questions about auctions and those who open them.

use std::collections::VecDeque;

use firesteel_benches::queries::Answer;
use firesteel_state::{Declaration, Fired, List, Result, SortedMap, Timers, Value};
use firesteel_streaming::{KeyedProcess, ProcessContext, Stream, StreamingContext, Timed};
use firesteel_window::{Count, Duration, Sum, Timestamp, Tumbling, seconds};
use serde::{Deserialize, Serialize};

use crate::events::{Auction, Bid, Event, NEAR, Person, STATES, millis};
use crate::programs::events;

/// Who in some states has opened an auction of some category, however long before or after he registered.
pub(crate) fn q3(job: &StreamingContext, count: u64, answer: &Answer) {
    events(job, count)
        .flat_map(|event| match event {
            Event::Person(person) if NEAR.contains(&person.state.as_str()) => {
                Some((person.id, PersonOrAuction::Person(person)))
            }
            Event::Auction(auction) if auction.category == 10 => {
                Some((auction.seller, PersonOrAuction::Auction(auction.id)))
            }
            _ => None,
        })
        .process(Sellers)
        .named("sellers")
        .map(|(person, auction)| {
            let state = STATES.iter().position(|state| *state == person.state).unwrap_or_default();
            let city = person.city.trim_start_matches("city ").parse().unwrap_or_default();
            [person.id, state as u64, city, auction]
        })
        .write(answer.clone());
}

#[derive(Clone, Serialize, Deserialize)]
enum PersonOrAuction {
    Person(Person),
    Auction(u64),
}

/// Brings persons and their auctions together.
struct Sellers;

struct SellerState {
    person: Value<Person>,
    waiting: List<u64>,
}

impl KeyedProcess for Sellers {
    type Key = u64;
    type In = PersonOrAuction;
    type Out = (Person, u64);
    type State = SellerState;

    fn declare(&self, states: &mut Declaration<u64>) -> SellerState {
        SellerState { person: states.value("person"), waiting: states.list("auctions before the person") }
    }

    fn on_record(
        &self,
        state: &SellerState,
        record: PersonOrAuction,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> Result<()> {
        match record {
            PersonOrAuction::Person(person) => {
                let waiting: Vec<u64> = state.waiting.iter(ctx)?.copied().collect();
                state.waiting.clear(ctx)?;
                waiting.into_iter().for_each(|auction| ctx.emit((person.clone(), auction)));
                state.person.set(ctx, person)
            }
            PersonOrAuction::Auction(auction) => match state.person.get(ctx)?.cloned() {
                Some(person) => {
                    ctx.emit((person, auction));
                    Ok(())
                }
                None => state.waiting.push(ctx, auction),
            },
        }
    }
}

/// What the highest bid of closed auctions is on average, by category.
pub(crate) fn q4(job: &StreamingContext, count: u64, answer: &Answer) {
    sold(job, count)
        .map(|sold| (sold.category, sold.price))
        .running_aggregate((Count, Sum))
        .named("prices by category")
        .map(|(category, (count, sum))| (category, [category, sum / count]))
        .write(answer.newest());
}

/// What the last ten auctions of each seller brought on average, whenever one closes.
pub(crate) fn q6(job: &StreamingContext, count: u64, answer: &Answer) {
    sold(job, count)
        .map(|sold| (sold.seller, (sold.expires, sold.id, sold.price)))
        .process(LastTen)
        .named("last ten")
        .map(|(seller, at, mean)| [seller, millis(at), mean])
        .write(answer.clone());
}

/// An auction that has closed, with its highest bid.
#[derive(Clone, Serialize, Deserialize)]
struct Sold {
    id: u64,
    seller: u64,
    category: u64,
    expires: Timestamp,
    price: u64,
}

#[derive(Clone, Serialize, Deserialize)]
enum AuctionOrBid {
    Auction(Auction),
    Bid(Bid),
}

/// The auctions that have closed, those that nobody has bid on left out.
fn sold(job: &StreamingContext, count: u64) -> Stream<Sold, Timed> {
    events(job, count)
        .flat_map(|event| match event {
            Event::Person(_) => None,
            Event::Auction(auction) => Some((auction.id, AuctionOrBid::Auction(auction))),
            Event::Bid(bid) => Some((bid.auction, AuctionOrBid::Bid(bid))),
        })
        .process(Hammer)
        .named("open auctions")
}

/// Keeps the highest bid of each auction until it closes.
struct Hammer;

struct HammerState {
    open: Value<Sold>,
    close: Timers,
}

impl KeyedProcess for Hammer {
    type Key = u64;
    type In = AuctionOrBid;
    type Out = Sold;
    type State = HammerState;

    fn declare(&self, states: &mut Declaration<u64>) -> HammerState {
        HammerState { open: states.value("auction"), close: states.event_timers("close") }
    }

    fn on_record(&self, state: &HammerState, record: AuctionOrBid, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        match record {
            AuctionOrBid::Auction(Auction { id, seller, category, expires, .. }) => {
                state.close.register(ctx, expires + Duration::micros(1))?;
                state.open.set(ctx, Sold { id, seller, category, expires, price: 0 })
            }
            AuctionOrBid::Bid(bid) => {
                let is_higher = |open: &Sold| bid.at <= open.expires && bid.price > open.price;
                if let Some(mut open) = state.open.get(ctx)?.filter(|open| is_higher(open)).cloned() {
                    open.price = bid.price;
                    state.open.set(ctx, open)?;
                }
                Ok(())
            }
        }
    }

    fn on_timer(&self, state: &HammerState, _: &Fired<u64>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        if let Some(sold) = state.open.get(ctx)?.filter(|open| open.price > 0).cloned() {
            ctx.emit(sold);
        }
        state.open.clear(ctx)
    }
}

/// The mean of the last ten prices of a seller, in the order in which the auctions closed.
struct LastTen;

struct LastTenState {
    /// Auctions that have closed, as long as one that closed before them may come.
    closed: SortedMap<(i64, u64), u64>,
    last: Value<VecDeque<u64>>,
    turn: Timers,
}

impl KeyedProcess for LastTen {
    type Key = u64;
    type In = (Timestamp, u64, u64);
    type Out = (u64, Timestamp, u64);
    type State = LastTenState;

    fn declare(&self, states: &mut Declaration<u64>) -> LastTenState {
        LastTenState {
            closed: states.sorted_map("closed auctions"),
            last: states.value("last ten"),
            turn: states.event_timers("turn"),
        }
    }

    fn on_record(
        &self,
        state: &LastTenState,
        (expires, auction, price): (Timestamp, u64, u64),
        ctx: &mut ProcessContext<'_, Self>,
    ) -> Result<()> {
        state.closed.put(ctx, (expires.as_micros(), auction), price)?;
        state.turn.register(ctx, expires + Duration::micros(1)).map(drop)
    }

    fn on_timer(&self, state: &LastTenState, timer: &Fired<u64>, ctx: &mut ProcessContext<'_, Self>) -> Result<()> {
        let mut last = state.last.get(ctx)?.cloned().unwrap_or_default();
        while state.closed.first(ctx)?.is_some_and(|((at, _), _)| *at < timer.time.as_micros()) {
            let Some(((at, _), price)) = state.closed.pop_first(ctx)? else { break };
            last.push_back(price);
            if last.len() > 10 {
                last.pop_front();
            }
            let mean = last.iter().sum::<u64>() / last.len() as u64;
            ctx.emit((timer.key, Timestamp::from_micros(at), mean));
        }
        state.last.set(ctx, last)
    }
}

/// Who has opened an auction within the ten seconds in which he registered.
pub(crate) fn q8(job: &StreamingContext, count: u64, answer: &Answer) {
    let events = events(job, count);
    let auctions = events.clone().flat_map(|event| event.auction()).map(|auction| (auction.seller, ()));
    events
        .flat_map(|event| event.person())
        .map(|person| (person.id, ()))
        .window_join(auctions, Tumbling::of(seconds(10)))
        .left_semi()
        .map(|row| [row.key, millis(row.window.start())])
        .write(answer.clone());
}
