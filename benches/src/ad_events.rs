//! The data of W1: ad events in memory and the campaign of every ad.
//!
//! A third of the events is counted, per campaign and per ten seconds of event
//! time; the shape is that of the Yahoo Streaming Benchmark (Chintapalli et
//! al., 2016) without its Kafka and Redis.

use std::sync::Arc;

use crate::keys::OwnedKey;
use crate::random::SplitMix64;

/// Microseconds of one second.
const SECOND: i64 = 1_000_000;
/// Length of a tumbling window in microseconds; windows start at multiples.
pub const WINDOW: i64 = 10 * SECOND;
/// How far the watermark stays behind the largest timestamp, and the bound
/// that no event exceeds, in microseconds.
pub const DELAY: i64 = SECOND;
/// The kind of event that is counted.
pub const COUNTED_KIND: u8 = 0;

/// Event time that a data set spans, in microseconds: thirty windows.
pub const SPAN: i64 = 30 * WINDOW;
/// Event time of the first event: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600 * SECOND;
/// Most events are late by less than this, in microseconds.
const USUAL_JITTER: u32 = 50_000;

/// An event as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdEvent {
    /// The ad it is about, an index into [`AdEvents::campaigns`].
    pub ad: u32,
    /// View, click or purchase: 0, 1 or 2.
    pub kind: u8,
    /// Event time in microseconds since 1970.
    pub ts: i64,
}

/// How many ads and campaigns there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Campaigns {
    /// 1,000 ads in 100 campaigns: every key is hot.
    Hundred,
    /// As many ads, each its own campaign: of a million, hardly any key repeats.
    Each(u32),
}

/// A data set of W1.
#[derive(Debug)]
pub struct AdEvents<K = u32> {
    /// The events in the order of their arrival. Each is at most [`DELAY`]
    /// older than the largest timestamp before it, so none is late.
    pub events: Arc<[AdEvent]>,
    /// The campaign of each ad: the key that events are counted by.
    pub campaigns: Vec<K>,
}

impl<K: OwnedKey> AdEvents<K> {
    /// Makes `count` events over thirty windows, the same for the same `seed`.
    #[must_use]
    pub fn generate(count: usize, campaigns: Campaigns, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let campaigns = campaign_table(campaigns, &mut random);
        let ads = campaigns.len() as u32;
        let events = (0..count)
            .map(|index| {
                let progress = i128::from(SPAN) * index as i128 / count as i128;
                AdEvent {
                    ad: random.below(ads),
                    kind: random.below(3) as u8,
                    ts: START + progress as i64 - i64::from(jitter(&mut random)),
                }
            })
            .collect();
        let campaigns = campaigns.into_iter().map(|campaign| K::of(u64::from(campaign))).collect();
        Self { events, campaigns }
    }

    /// The campaign of an ad, as the key of a record: a text is made anew, as by an input that is parsed.
    #[must_use]
    #[inline]
    pub fn campaign(&self, ad: u32) -> K {
        self.campaigns[ad as usize].clone()
    }
}

/// The start of the window that holds `ts`.
///
/// ```
/// use firesteel_benches::ad_events::window_start;
///
/// assert_eq!(window_start(29_999_999), 20_000_000);
/// assert_eq!(window_start(30_000_000), 30_000_000);
/// ```
#[must_use]
#[inline]
pub fn window_start(ts: i64) -> i64 {
    ts - ts.rem_euclid(WINDOW)
}

/// One event of sixteen is out of order by up to [`DELAY`].
fn jitter(random: &mut SplitMix64) -> u32 {
    if random.below(16) == 0 { random.below(DELAY as u32) } else { random.below(USUAL_JITTER) }
}

fn campaign_table(campaigns: Campaigns, random: &mut SplitMix64) -> Vec<u32> {
    match campaigns {
        Campaigns::Hundred => (0..1_000).map(|ad| ad / 10).collect(),
        Campaigns::Each(count) => {
            let mut table: Vec<u32> = (0..count).collect();
            for last in (1..table.len()).rev() {
                table.swap(last, random.below(last as u32 + 1) as usize);
            }
            table
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn is_the_same_for_the_same_seed() {
        let make = |seed| AdEvents::<u32>::generate(1_000, Campaigns::Hundred, seed).events;
        assert_eq!(make(3), make(3));
        assert_ne!(make(3), make(4));
    }

    #[test]
    fn no_event_is_later_than_the_delay_and_some_are_out_of_order() {
        let data = AdEvents::<u32>::generate(50_000, Campaigns::Hundred, 1);
        let mut largest = i64::MIN;
        let mut lag = 0;
        for event in &*data.events {
            lag = lag.max(largest.saturating_sub(event.ts));
            largest = largest.max(event.ts);
        }
        assert!(lag <= DELAY, "{lag}");
        assert!(lag > DELAY / 2, "{lag}");
    }

    #[test]
    fn spans_twenty_to_forty_windows_and_counts_a_third() {
        let data = AdEvents::<u32>::generate(30_000, Campaigns::Hundred, 1);
        let windows: BTreeSet<i64> = data.events.iter().map(|e| window_start(e.ts)).collect();
        assert!((20..=40).contains(&windows.len()), "{}", windows.len());
        let counted = data.events.iter().filter(|e| e.kind == COUNTED_KIND).count();
        assert!((9_500..=10_500).contains(&counted), "{counted}");
    }

    #[test]
    fn a_million_campaigns_are_a_permutation() {
        let mut random = SplitMix64::new(1);
        let table = campaign_table(Campaigns::Each(1_000_000), &mut random);
        let distinct: BTreeSet<u32> = table.iter().copied().collect();
        assert_eq!(distinct.len(), 1_000_000);
        assert_eq!(distinct.last(), Some(&999_999));
        assert_ne!(table[..3], [0, 1, 2]);
    }
}
