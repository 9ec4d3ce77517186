//! The events of an auction house: persons who register, auctions that they open, and bids.
//!
//! Of fifty events the first is a person, the next three are auctions, and the others bids. All follow from their number by
//! arithmetic that SQL has as well, ten thousand of them for each second of event time, in order.

use firesteel_benches::queries::{START, next_random, random};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

/// The states in which persons live.
pub(crate) const STATES: [&str; 6] = ["OR", "ID", "CA", "WA", "NY", "AZ"];
/// The states whose persons are asked for.
pub(crate) const NEAR: [&str; 3] = ["OR", "ID", "CA"];

/// A person who registers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) state: String,
    pub(crate) at: Timestamp,
}

/// An auction that is opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Auction {
    pub(crate) id: u64,
    pub(crate) seller: u64,
    pub(crate) category: u64,
    /// The last instant at which a bid counts.
    pub(crate) expires: Timestamp,
    pub(crate) at: Timestamp,
}

/// A bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Bid {
    pub(crate) auction: u64,
    pub(crate) bidder: u64,
    /// In cents.
    pub(crate) price: u64,
    pub(crate) at: Timestamp,
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Event {
    Person(Person),
    Auction(Auction),
    Bid(Bid),
}

impl Event {
    /// The event of this number.
    pub(crate) fn of(number: u64) -> Self {
        let (turn, place) = (number / 50, number % 50);
        let at = Timestamp::from_millis((START + number / 10).cast_signed());
        let first = random(number);
        let second = next_random(first);
        let third = next_random(second);
        match place {
            0 => Self::Person(Person {
                id: turn,
                name: format!("person {turn}"),
                city: format!("city {}", second % 10),
                state: STATES[(first % 6) as usize].to_owned(),
                at,
            }),
            1..=3 => Self::Auction(Auction {
                id: turn * 3 + place - 1,
                seller: turn - second % (turn + 1).min(100),
                category: 10 + first % 5,
                expires: Timestamp::from_millis((START + number / 10 + 1_000 + third % 20_000).cast_signed()),
                at,
            }),
            _ => {
                let newest = turn * 3 + 2;
                let auction = match first % 2 {
                    0 => newest / 100 * 100,
                    _ => newest - second % (newest + 1).min(100),
                };
                let bidder = match first % 4 {
                    0 => turn / 100 * 100,
                    _ => turn - third % (turn + 1).min(1_000),
                };
                Self::Bid(Bid { auction, bidder, price: 1 + next_random(third) % 1_000_000, at })
            }
        }
    }

    /// When it happened.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Person(person) => person.at,
            Self::Auction(auction) => auction.at,
            Self::Bid(bid) => bid.at,
        }
    }

    /// The person, if it is one.
    pub(crate) fn person(self) -> Option<Person> {
        if let Self::Person(person) = self { Some(person) } else { None }
    }

    /// The auction, if it is one.
    pub(crate) fn auction(self) -> Option<Auction> {
        if let Self::Auction(auction) = self { Some(auction) } else { None }
    }

    /// The bid, if it is one.
    pub(crate) fn bid(self) -> Option<Bid> {
        if let Self::Bid(bid) = self { Some(bid) } else { None }
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(at: Timestamp) -> u64 {
    at.as_millis().cast_unsigned()
}
