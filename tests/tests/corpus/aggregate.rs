//! What is made of the events of a window: the aggregators by their names in the notation.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;

use firesteel_window::aggregate::{Hashes, Sizes};
use firesteel_window::{
    Aggregator, ApproxDistinct, ApproxQuantiles, BottomN, Count, Distinct, First, Last, List, MaxBy, MinBy, Quantiles,
    TopN,
};
use serde::{Deserialize, Serialize};

use crate::read::number;

/// What is made of the times of the events of a window, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// How many they are.
    Count,
    /// All of them, in ascending order.
    Times,
    /// How many differ.
    Distinct,
    ApproxDistinct,
    /// The latest ones, the latest first; or the earliest ones.
    Top(usize),
    Bottom(usize),
    /// The quantile of a half, of all times or of their sizes.
    Median,
    ApproxMedian,
    /// In the order of arrival.
    First,
    Last,
    /// The time with the largest or smallest remainder by ten seconds; of several, the earliest.
    MaxBy,
    MinBy,
}

impl FromStr for Aggregate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        Ok(match words[..] {
            ["count"] => Self::Count,
            ["times"] => Self::Times,
            ["distinct"] => Self::Distinct,
            ["distinct", "nearly"] => Self::ApproxDistinct,
            ["top", count] => Self::Top(number(count)?),
            ["bottom", count] => Self::Bottom(number(count)?),
            ["median"] => Self::Median,
            ["median", "nearly"] => Self::ApproxMedian,
            ["first"] => Self::First,
            ["last"] => Self::Last,
            ["max", "by", "remainder"] => Self::MaxBy,
            ["min", "by", "remainder"] => Self::MinBy,
            _ => return Err(format!("{text:?} is no aggregate: see the README of the corpus")),
        })
    }
}

/// What is left of a time when all tens of seconds are taken away.
fn remainder(at: &i64) -> i64 {
    at.rem_euclid(10_000_000)
}

fn seconds(at: i64) -> i64 {
    at.div_euclid(1_000_000)
}

impl Aggregate {
    /// Whether results are numbers, and not times.
    pub(crate) fn gives_numbers(self) -> bool {
        matches!(self, Self::Count | Self::Distinct | Self::ApproxDistinct)
    }
}

/// What is kept, whichever the aggregate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Kept {
    Number(u64),
    List(Vec<i64>),
    One(Option<i64>),
    Set(BTreeSet<i64>),
    Hashes(Hashes),
    Sizes(Sizes),
}

macro_rules! aggregates {
    ($($aggregate:pat, $kept:ident => $aggregator:expr, |$out:ident| $result:expr;)*) => {
        impl Aggregator<i64> for Aggregate {
            type Acc = Kept;
            type Out = Vec<i64>;

            fn create(&self) -> Kept {
                match *self {
                    $($aggregate => Kept::$kept(Aggregator::<i64>::create(&$aggregator)),)*
                }
            }

            fn add(&self, acc: &mut Kept, value: i64) {
                match (*self, acc) {
                    $(($aggregate, Kept::$kept(acc)) => $aggregator.add(acc, value),)*
                    (_, acc) => panic!("{self:?} keeps something else than {acc:?}"),
                }
            }

            fn merge(&self, acc: &mut Kept, other: Kept) {
                match (*self, acc, other) {
                    $(($aggregate, Kept::$kept(acc), Kept::$kept(other)) => {
                        Aggregator::<i64>::merge(&$aggregator, acc, other)
                    })*
                    (_, acc, _) => panic!("{self:?} keeps something else than {acc:?}"),
                }
            }

            fn finish(&self, acc: &Kept) -> Vec<i64> {
                match (*self, acc) {
                    $(($aggregate, Kept::$kept(acc)) => {
                        let $out = Aggregator::<i64>::finish(&$aggregator, acc);
                        $result
                    })*
                    (_, acc) => panic!("{self:?} keeps something else than {acc:?}"),
                }
            }

            fn kind(&self) -> Cow<'static, str> {
                match *self {
                    $($aggregate => Aggregator::<i64>::kind(&$aggregator),)*
                }
            }
        }
    };
}

aggregates! {
    Self::Count, Number => Count, |count| vec![count as i64];
    Self::Times, List => List, |times| sorted(times);
    Self::Distinct, Set => Distinct, |count| vec![count as i64];
    Self::ApproxDistinct, Hashes => ApproxDistinct::new(), |count| vec![count as i64];
    Self::Top(count), List => TopN::new(count), |times| times;
    Self::Bottom(count), List => BottomN::new(count), |times| times;
    Self::Median, List => Quantiles::new([0.5]), |found| found.into_iter().flatten().collect();
    Self::ApproxMedian, Sizes => ApproxQuantiles::new([0.5]).of(seconds),
        |found| found.into_iter().flatten().map(|second| second as i64 * 1_000_000).collect();
    Self::First, One => First, |time| time.into_iter().collect();
    Self::Last, One => Last, |time| time.into_iter().collect();
    Self::MaxBy, One => MaxBy::new(remainder), |time| time.into_iter().collect();
    Self::MinBy, One => MinBy::new(remainder), |time| time.into_iter().collect();
}

fn sorted(mut times: Vec<i64>) -> Vec<i64> {
    times.sort_unstable();
    times
}
