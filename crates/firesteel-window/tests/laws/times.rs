//! Text, bytes and arithmetic of instants and spans.

use firesteel_window::{Duration, Timestamp};
use proptest::prelude::*;

/// All 64 bits, with the neighborhood of zero and of both ends as likely as the rest.
pub(crate) fn any_micros() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -10_000_000_i64..10_000_000, i64::MIN..i64::MIN + 1_000, i64::MAX - 1_000..=i64::MAX,]
}

proptest! {
    #[test]
    fn durations_survive_their_text(micros in any_micros()) {
        let span = Duration::micros(micros);
        prop_assert_eq!(span.to_string().parse::<Duration>().unwrap(), span);
    }

    #[test]
    fn timestamps_survive_their_text(micros in any_micros()) {
        let at = Timestamp::from_micros(micros);
        prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
    }

    #[test]
    fn both_survive_json_and_postcard(micros in any_micros()) {
        let both = (Timestamp::from_micros(micros), Duration::micros(micros));
        let json = serde_json::to_string(&both).unwrap();
        prop_assert_eq!(serde_json::from_str::<(Timestamp, Duration)>(&json).unwrap(), both);
        let bytes = postcard::to_stdvec(&both).unwrap();
        prop_assert_eq!(postcard::from_bytes::<(Timestamp, Duration)>(&bytes).unwrap(), both);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,12}|[-0-9 dhmsu.]{0,24}") {
        let _ = text.parse::<Duration>();
        let _ = text.parse::<Timestamp>();
    }

    #[test]
    fn saturating_sums_are_checked_sums_where_those_exist(a in any_micros(), b in any_micros()) {
        let (at, span) = (Timestamp::from_micros(a), Duration::micros(b));
        let end = if b < 0 { Timestamp::MIN } else { Timestamp::MAX };
        prop_assert_eq!(at + span, at.checked_add(span).unwrap_or(end));
        let end = if b < 0 { Timestamp::MAX } else { Timestamp::MIN };
        prop_assert_eq!(at - span, at.checked_sub(span).unwrap_or(end));
        if let Some(later) = at.checked_add(span) {
            prop_assert_eq!(later - at, span);
        }
    }

    #[test]
    fn jiff_agrees(micros in -377_000_000_000_000_000_i64..250_000_000_000_000_000) {
        let at = Timestamp::from_micros(micros);
        let jiff = jiff::Timestamp::try_from(at).unwrap();
        prop_assert_eq!(jiff.as_microsecond(), micros);
        prop_assert_eq!(Timestamp::from(jiff), at);
    }
}
