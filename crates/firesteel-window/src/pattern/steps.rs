//! The steps of a pattern: what each takes, and which come into question for a record.

use std::fmt;
use std::sync::Arc;

use crate::pattern::{Matched, Pattern, after};
use crate::time::{Duration, Timestamp};

/// A condition of a record alone.
type OfRecord<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;
/// A condition of a record and of what has been matched before it.
type OfMatched<T> = Arc<dyn Fn(&T, &Matched<'_, T>) -> bool + Send + Sync>;

/// How a step follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is the first one.
    Begin,
    /// Directly.
    Next,
    /// Perhaps with others in between.
    FollowedBy,
    /// It must not.
    Not,
}

/// A step of a pattern.
pub(crate) struct Step<T> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    condition: OfRecord<T>,
    pub(crate) and: Vec<OfMatched<T>>,
    /// How many records it takes.
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) is_optional: bool,
    pub(crate) in_a_row: bool,
    /// How long after the record before.
    pub(crate) within: Option<Duration>,
}

/// Where a partial match stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stand {
    /// The step that has taken a record last, and how many it has.
    pub(crate) step: usize,
    pub(crate) count: u32,
    /// Whether no record has come since.
    pub(crate) is_adjacent: bool,
}

/// What a record does to a partial match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// This step takes it.
    Takes(usize),
    /// It is left out, and another one may be taken.
    Waits,
    /// It must not follow, or was the last chance.
    Ends,
}

impl<T> Step<T> {
    pub(crate) fn new(name: String, kind: Kind, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let condition = Arc::new(condition);
        let (least, most, and) = (1, 1, Vec::new());
        Self { name, kind, condition, and, least, most, is_optional: false, in_a_row: false, within: None }
    }

    /// Whether a match can begin with the record.
    pub(crate) fn begins(&self, record: &T) -> bool {
        (self.condition)(record)
    }

    fn meets(&self, record: &T, so_far: &Matched<'_, T>) -> bool {
        (self.condition)(record) && self.and.iter().all(|and| and(record, so_far))
    }

    /// Whether its first record has to be the next one.
    fn is_direct(&self) -> bool {
        self.kind == Kind::Next
    }

    /// Whether its other records have to follow directly.
    fn repeats_directly(&self) -> bool {
        self.in_a_row || self.is_direct()
    }
}

impl<T> Clone for Step<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), condition: Arc::clone(&self.condition), and: self.and.clone(), ..*self }
    }
}

impl<T> Pattern<T> {
    /// What may come after a step that has had enough: the steps up to the first one that cannot be left out.
    fn follow(&self, step: usize) -> impl Iterator<Item = (usize, &Step<T>)> {
        let mut is_over = false;
        self.steps.iter().enumerate().skip(step + 1).take_while(move |(_, step)| {
            let was_over = is_over;
            is_over |= step.kind != Kind::Not && !step.is_optional;
            !was_over
        })
    }

    /// Whether a match is complete that stands there.
    pub(crate) fn is_complete(&self, Stand { step, count, .. }: Stand) -> bool {
        step + 1 == self.steps.len() && count >= self.steps[step].least
    }

    /// Whether a match that stands there is complete when its time is over.
    pub(crate) fn waits_for_absence(&self, Stand { step, count, .. }: Stand) -> bool {
        count >= self.steps[step].least && self.steps[step + 1..].iter().all(|step| step.kind == Kind::Not)
    }

    /// What a record does to a partial match that stands there.
    pub(crate) fn fate(&self, stand: Stand, at: Timestamp, record: &T, so_far: &Matched<'_, T>) -> Fate {
        let Stand { step, count, is_adjacent } = stand;
        let of_step = &self.steps[step];
        let in_time = |step: &Step<T>| at <= after(so_far.last_at(), step.within);
        let (mut taken, mut waits) = (None, false);
        if count >= of_step.least {
            let mut is_last = true;
            for (place, next) in self.follow(step) {
                if next.kind == Kind::Not {
                    if in_time(next) && next.meets(record, so_far) {
                        return Fate::Ends;
                    }
                    continue;
                }
                is_last = false;
                if (is_adjacent || !next.is_direct()) && in_time(next) && next.meets(record, so_far) {
                    taken = Some(place);
                }
                waits |= !next.is_direct() && in_time(next);
            }
            waits |= is_last;
        }
        if let Some(place) = taken {
            return Fate::Takes(place);
        }
        if count < of_step.most {
            if (is_adjacent || !of_step.repeats_directly()) && in_time(of_step) && of_step.meets(record, so_far) {
                return Fate::Takes(step);
            }
            waits |= !of_step.repeats_directly() && in_time(of_step);
        }
        if waits { Fate::Waits } else { Fate::Ends }
    }

    /// The last instant at which a partial match can still be complete that stands there; of one that waits for an absence, the last
    /// one at which what must not follow could.
    pub(crate) fn deadline(&self, stand: Stand, first: Timestamp, last: Timestamp) -> Timestamp {
        let Stand { step, count, is_adjacent } = stand;
        let (of_step, of_all) = (&self.steps[step], after(first, self.within));
        let mut latest = Timestamp::MIN;
        if self.waits_for_absence(stand) {
            for (_, not) in self.follow(step) {
                latest = latest.max(after(last, not.within));
            }
            return of_all.min(latest);
        }
        if count >= of_step.least {
            for (_, next) in self.follow(step) {
                if next.kind != Kind::Not && (is_adjacent || !next.is_direct()) {
                    latest = latest.max(after(last, next.within));
                }
            }
        }
        if count < of_step.most && (is_adjacent || !of_step.repeats_directly()) {
            latest = latest.max(after(last, of_step.within));
        }
        of_all.min(latest)
    }
}

impl<T> fmt::Display for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, least, most, .. } = self;
        match kind {
            Kind::Begin => write!(f, "{name}"),
            Kind::Next => write!(f, "next {name}"),
            Kind::FollowedBy => write!(f, "followed by {name}"),
            Kind::Not => write!(f, "not followed by {name}"),
        }?;
        match (*least, *most) {
            (1, 1) => Ok(()),
            (least, u32::MAX) => write!(f, " at least {least} times"),
            (least, _) => write!(f, " {least} times"),
        }?;
        if self.in_a_row {
            f.write_str(" in a row")?;
        }
        if let Some(within) = self.within {
            write!(f, " within {within}")?;
        }
        if self.is_optional { f.write_str(" or not") } else { Ok(()) }
    }
}
