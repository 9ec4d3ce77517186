//! The right answers, computed in the most obvious way: one thread, one map,
//! no watermark, the standard library's hasher.

use std::collections::HashMap;

use crate::ad_events::{AdEvents, COUNTED_KIND, window_start};
use crate::keys::OwnedKey;
use crate::measured::Outcome;
use crate::text_records::{Sale, TextRecords};

/// The answer to W1.
#[must_use]
pub fn windows<K: OwnedKey>(data: &AdEvents<K>) -> Outcome {
    let mut counts: HashMap<(&K, i64), u64> = HashMap::new();
    for event in data.events.iter().filter(|event| event.kind == COUNTED_KIND) {
        let campaign = &data.campaigns[event.ad as usize];
        *counts.entry((campaign, window_start(event.ts))).or_default() += 1;
    }
    let mut outcome = Outcome::default();
    for ((campaign, start), count) in counts {
        outcome.add_window(campaign, start, count);
    }
    outcome
}

/// The answer to W2.
#[must_use]
pub fn records(data: &TextRecords) -> Outcome {
    let mut outcome = Outcome::default();
    for line in data.text(0..data.len()).split(|&byte| byte == b'\n') {
        if let Some(sale) = Sale::parse(line).filter(Sale::is_kept) {
            outcome.add_value(sale.value());
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ad_events::{AdEvent, WINDOW};

    #[test]
    fn counts_by_campaign_and_window() {
        let event = |ad, kind, ts| AdEvent { ad, kind, ts };
        let data = AdEvents {
            events: [event(0, 0, 5), event(1, 0, WINDOW - 1), event(0, 1, 6), event(2, 0, 7), event(0, 0, WINDOW)]
                .into(),
            campaigns: vec![40_u32, 40, 41],
        };
        let mut expected = Outcome::default();
        expected.add_window(&40_u32, 0, 2);
        expected.add_window(&41_u32, 0, 1);
        expected.add_window(&40_u32, WINDOW, 1);
        assert_eq!(windows(&data), expected);
    }
}
