//! Splits that wait for others, so that none leads by more than a bound of event time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use firesteel_window::{Duration, Timestamp};

use crate::time::Tracker;

/// The splits of which the next batch reads nothing, by their numbers, and how far ahead of the slowest one they are, if that has had
/// a record.
pub(crate) type Ahead = BTreeMap<u32, Option<Duration>>;

/// Which watermarks are compared with one another: those that are brought together somewhere in the program, and each with itself.
#[derive(Default)]
pub(crate) struct Alignment {
    groups: Vec<Vec<Arc<Tracker>>>,
}

/// Why a watermark cannot be among those that are compared: the place of who has no idle timeout, and of who is aligned.
pub(crate) type WithoutIdle = (usize, usize);

impl Alignment {
    /// Of watermarks, and what brings them together; `merged` ones that bring others together come after these.
    pub(crate) fn new(trackers: &[Arc<Tracker>], merged: &[Arc<Tracker>]) -> Self {
        let mut groups: Vec<Vec<Arc<Tracker>>> = trackers.iter().map(|tracker| vec![Arc::clone(tracker)]).collect();
        for merged in merged {
            let of = merged.followers();
            let is_of =
                |group: &Vec<Arc<Tracker>>| group.iter().any(|one| of.iter().any(|other| Arc::ptr_eq(one, other)));
            let (together, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_of);
            groups = apart;
            groups.push(together.into_iter().flatten().collect());
        }
        groups.retain(|group| group.iter().any(|tracker| tracker.aligned_within().is_some()));
        Self { groups }
    }

    /// Who would wait forever for whom, by their places among `trackers`: a split that is silent has to be let go in the end.
    pub(crate) fn without_idle(&self, trackers: &[Arc<Tracker>]) -> Option<WithoutIdle> {
        let place = |of: &Arc<Tracker>| trackers.iter().position(|other| Arc::ptr_eq(of, other));
        self.groups.iter().find_map(|group| {
            let waits = group.iter().find(|tracker| tracker.aligned_within().is_some())?;
            let silent = group.iter().find(|tracker| !tracker.lets_go())?;
            Some((place(silent)?, place(waits)?))
        })
    }

    /// The splits that are too far ahead at this processing time to be read. The slowest split of a group is read in any case, so that
    /// of several groups none waits for another.
    pub(crate) fn ahead(&self, now: Timestamp) -> Ahead {
        let (mut ahead, mut slowest) = (Ahead::new(), BTreeSet::new());
        for group in &self.groups {
            let active: Vec<_> = group.iter().map(|tracker| (tracker, tracker.active(now))).collect();
            let all = active.iter().flat_map(|(_, active)| active);
            let Some((number, least)) = all.min_by_key(|(_, largest)| *largest).copied() else { continue };
            slowest.insert(number);
            for (tracker, active) in &active {
                let Some(bound) = tracker.aligned_within() else { continue };
                let from = least.map_or(Timestamp::MIN, |least| least.saturating_add(bound));
                let leads = active.iter().filter_map(|(number, largest)| Some((*number, (*largest)?)));
                let leads = leads.filter(|(_, at)| *at > from);
                ahead.extend(leads.map(|(number, at)| (number, least.map(|least| at - least))));
            }
        }
        ahead.retain(|number, _| !slowest.contains(number));
        ahead
    }
}
