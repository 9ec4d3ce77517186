//! Ids that are remembered forever, or for a span of processing time.

use firesteel_core::{Data, Exchange, Key};
use firesteel_state::{Declaration, GroupState, Result, Setting, StateOptions, Ttl, Value};
use firesteel_window::Duration;

use crate::state::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use crate::stream::Shape;

/// Lets the first record of each id pass.
pub(super) struct Seen {
    /// After how much processing time an id is forgotten, if ever.
    pub(super) forgets: Option<Duration>,
}

impl<K: Key, T: Exchange, S: Shape> KeyedOperator<K, T, S> for Seen
where
    S::Record<T>: Data,
{
    type Route = WithTimes;
    type State = Value<()>;
    type Out = T;
    type OutShape = S;

    fn info(&self) -> OperatorInfo {
        let info = OperatorInfo::new("dedup_by").folds_by("seen");
        match self.forgets {
            None => info,
            // Each id is stored with the time at which it came.
            Some(span) if span > Duration::ZERO => info.setting(Setting::new_holds("forget_after", span.to_string())),
            Some(span) => info.refused(format!("it forgets ids after {span}: the span has to be above zero")),
        }
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Value<()> {
        match self.forgets {
            None => states.value("seen"),
            Some(span) => states.value_with("seen", StateOptions::default().ttl(Ttl::after(span))),
        }
    }

    fn run(
        &self,
        seen: &Value<()>,
        group: &mut GroupBatch<'_, K, S::Record<T>>,
        results: &mut Results<'_, T, S>,
    ) -> Result<()> {
        group.prefetch()?;
        let times = group.times().now();
        let (records, state) = group.records();
        for (hash, id, record) in records {
            if seen.insert(&mut state.key(hash, &id, times), ())? {
                results.push(record);
            }
        }
        Ok(())
    }

    fn changes(&self, seen: &Value<()>, group: &mut GroupState<K>) -> Result<firesteel_state::Changes> {
        seen.changes(group)
    }
}
