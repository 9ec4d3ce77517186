//! Patterns: records of a key that follow one another in a certain way, within a time.
//!
//! A [`Pattern`] is a value: steps with conditions, the time within which all of it happens, and what follows a match. It keeps
//! nothing itself. What is open of a key is its [`Partials`], which can be stored with `serde`.
//!
//! The records of a key are put in by [`Pattern::push`] in the order of event time; how far time has come without a record is told by
//! [`Pattern::pass`]. Both give [`Outcome`]s: matches, and partial matches that have timed out.

mod matched;
mod partials;
mod steps;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::error::WindowError;
use crate::pattern::steps::{Kind, Step};
use crate::time::{Duration, Timestamp};

pub use matched::{Matched, Taken};
pub use partials::Partials;

/// What comes of a partial match.
#[derive(Debug)]
pub enum Outcome<'a, T> {
    /// All of the pattern is there.
    Match(Matched<'a, T>),
    /// Its time is over, and what it has is not all of the pattern.
    TimedOut(Matched<'a, T>),
}

impl<'a, T> Outcome<'a, T> {
    /// The records, of a match or of what was one in part.
    #[must_use]
    pub const fn matched(&self) -> &Matched<'a, T> {
        match self {
            Self::Match(matched) | Self::TimedOut(matched) => matched,
        }
    }

    /// Whether it is a match.
    #[must_use]
    pub const fn is_match(&self) -> bool {
        matches!(self, Self::Match(_))
    }
}

/// What follows a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AfterMatch {
    /// Its records are used up: the next match begins after the last of them. Partial matches that began before are gone,
    /// without an outcome. So the matches of a key have no record in common, and the first one that is complete counts; of several that
    /// are complete with the same record, the one that began first.
    #[default]
    SkipPast,
    /// Nothing is skipped: each record with which a match can begin has one, if all of the pattern follows it. A record may be in
    /// many of them, and end one while it begins another.
    EveryStart,
}

/// Compares records of one time.
type Order<T> = Arc<dyn Fn(&T, &T) -> Ordering + Send + Sync>;

/// Records of a key that follow one another in a certain way, within a time.
///
/// ```
/// use firesteel_window::{Outcome, Partials, Pattern, Timestamp, minutes};
///
/// // A small payment, and then a large one with the same card, within a minute.
/// let trial = Pattern::begin("small", |paid: &(u32, f64)| paid.1 < 1.0)
///     .followed_by("large", |paid| paid.1 > 500.0)
///     .and(|paid, so_far| paid.0 == so_far.first().0)
///     .within(minutes(1));
///
/// let (mut of_shop, mut found) = (Partials::new(), vec![]);
/// for (second, card, amount) in [(0, 7, 0.5), (10, 8, 900.0), (50, 7, 20.0), (60, 7, 800.0)] {
///     trial.push(&mut of_shop, Timestamp::from_secs(second), (card, amount), |outcome| {
///         if let Outcome::Match(found_so) = outcome {
///             found.push((found_so.start().as_secs(), found_so.last().1));
///         }
///     });
/// }
/// assert_eq!(found, [(0, 800.0)]);
/// ```
///
/// # Steps
///
/// A record goes to a step if it meets the step's condition. [`next`](Self::next) wants it directly after the record before,
/// [`followed_by`](Self::followed_by) lets others be in between and takes the first that meets the condition.
/// [`not_followed_by`](Self::not_followed_by) ends a partial match if such a record comes before the next step; as the last of the pattern
/// it is absence: the match is complete when its time is over and no such record has come.
///
/// A step takes one record, or as many as [`times`](Self::times) and [`at_least`](Self::at_least) say; an
/// [`optional`](Self::optional) one may be left out. Of several steps that a record could go to, it goes to the last one: a step that has
/// had enough records takes more of them until the next step can begin. What must not follow is looked at first.
///
/// # Time
///
/// A match happens [`within`](Self::within) a time, from its first record to its last, both ends included. A step may have a time of its
/// own, [`step_within`](Self::step_within), from the record before it. When its time is over, a partial match times out; it is over when
/// time has come past its last instant, and not at it.
///
/// # What is kept
///
/// Each record with which a match can begin begins one, unless it is used up by a match that ends with it. So of a key there may be
/// as many partial matches as such records happen within the time, and each record is looked at for each of them. Records are kept once,
/// however many partial matches have them.
pub struct Pattern<T> {
    pub(crate) steps: Vec<Step<T>>,
    pub(crate) within: Option<Duration>,
    is_forever: bool,
    after: AfterMatch,
    order: Option<Order<T>>,
    /// The first thing that cannot be.
    refused: Option<String>,
}

impl<T> Pattern<T> {
    /// A match begins with a record that meets this condition. The name is that of the step, by which results find its records.
    pub fn begin(name: impl Into<String>, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        let begun = Step::new(name.into(), Kind::Begin, condition);
        Self {
            steps: vec![begun],
            within: None,
            is_forever: false,
            after: AfterMatch::SkipPast,
            order: None,
            refused: None,
        }
    }

    /// Then comes, as the very next record of the key, one that meets this condition. If another one comes, the partial match ends,
    /// without an outcome.
    #[must_use]
    pub fn next(self, name: impl Into<String>, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.step(name.into(), Kind::Next, condition)
    }

    /// Then comes, perhaps after others, one that meets this condition: the first that does.
    #[must_use]
    pub fn followed_by(self, name: impl Into<String>, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.step(name.into(), Kind::FollowedBy, condition)
    }

    /// Then no record comes that meets this condition: before the next step, or, as the last of the pattern, before its time is over. If
    /// one does, the partial match ends, without an outcome.
    ///
    /// A match that ends with an absence happens when it is known: at the last instant at which the record could have come. It has
    /// the records of the other steps, so that with [`AfterMatch::SkipPast`] a match may begin while this one waited.
    ///
    /// ```
    /// use firesteel_window::{Partials, Pattern, Timestamp, minutes};
    ///
    /// let unpaid = Pattern::begin("ordered", |event: &&str| *event == "order")
    ///     .not_followed_by("paid", |event| *event == "payment")
    ///     .within(minutes(15));
    ///
    /// let (mut of_order, mut found) = (Partials::new(), vec![]);
    /// unpaid.push(&mut of_order, Timestamp::from_secs(60), "order", |_| ());
    /// // No record comes, but time goes by.
    /// unpaid.pass(&mut of_order, Timestamp::from_secs(2000), |outcome| found.push(outcome.matched().end().as_secs()));
    /// assert_eq!(found, [60 + 15 * 60]);
    /// ```
    #[must_use]
    pub fn not_followed_by(
        self,
        name: impl Into<String>,
        condition: impl Fn(&T) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.step(name.into(), Kind::Not, condition)
    }

    fn step(mut self, name: String, kind: Kind, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        if self.steps.iter().any(|step| step.name == name) {
            return self.refuse(format!("two of its steps are called `{name}`: results could not tell them apart"));
        }
        self.steps.push(Step::new(name, kind, condition));
        self
    }

    /// The record of the last step has to meet this condition, too, which sees what has been matched before it. Where there is nothing
    /// before, at the very first record of a match, it is not asked.
    #[must_use]
    pub fn and(mut self, condition: impl Fn(&T, &Matched<'_, T>) -> bool + Send + Sync + 'static) -> Self {
        self.last().and.push(Arc::new(condition));
        self
    }

    /// The last step takes this many records. They may have others in between, as the step itself may: directly one after the other come
    /// those of [`next`](Self::next), and of any step that is [`in_a_row`](Self::in_a_row).
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        self.takes(count, count)
    }

    /// The last step takes this many records or more, until the next step can begin. A pattern does not end so, since it would be complete
    /// with as many records already; it may where an absence follows, which sees them all.
    #[must_use]
    pub fn at_least(self, count: u32) -> Self {
        self.takes(count, u32::MAX)
    }

    fn takes(mut self, least: u32, most: u32) -> Self {
        let step = self.last();
        (step.least, step.most) = (least, most);
        if least == 0 {
            let name = step.name.clone();
            return self.refuse(format!("step `{name}` takes no record: leave it out, or say `optional()`"));
        }
        self.of_records("takes no records, and so no number of them")
    }

    /// The last step may be left out. One that directly precedes an absence cannot be, nor the first and the last step of a pattern.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.last().is_optional = true;
        self.of_records("takes no records, and so may not be left out")
    }

    /// Where the last step takes several records, no other may be in between.
    #[must_use]
    pub fn in_a_row(mut self) -> Self {
        self.last().in_a_row = true;
        self.of_records("takes no records, and so has none in a row")
    }

    /// Each record of the last step happens at most so long after the record before it, which may be one of the same step. Of what
    /// must not follow: it must not follow within this time after the record before.
    #[must_use]
    pub fn step_within(mut self, span: Duration) -> Self {
        self.last().within = Some(span);
        self.not_negative(span)
    }

    /// All of a match happens within this time: the last record at most so long after the first. A partial match times out when time has come
    /// past that.
    #[must_use]
    pub fn within(self, span: Duration) -> Self {
        Self { within: Some(span), ..self }.not_negative(span)
    }

    /// A partial match may wait forever: a key that never comes again keeps what it has. One of `within`, `forever`, and a
    /// [`step_within`](Self::step_within) for each step that waits has to be said.
    #[must_use]
    pub fn forever(self) -> Self {
        Self { is_forever: true, ..self }
    }

    /// What follows a match: its records are skipped, unless it is said otherwise.
    #[must_use]
    pub fn after_match(self, after: AfterMatch) -> Self {
        Self { after, ..self }
    }

    /// In which order records of one time come: that of these, and of equal ones that of arrival, which it is for all if nothing is said.
    ///
    /// The order of arrival is that of the split that has them. For records of a key that are in several splits, it depends on how fast these
    /// are read, unless it is said here.
    #[must_use]
    pub fn ordered_by<O: Ord>(self, order: impl Fn(&T) -> O + Send + Sync + 'static) -> Self {
        Self { order: Some(Arc::new(move |one, other| order(one).cmp(&order(other)))), ..self }
    }

    fn last(&mut self) -> &mut Step<T> {
        self.steps.last_mut().expect("a pattern begins with a step")
    }

    /// Refuses what is said of the last step if it is an absence.
    fn of_records(mut self, why: &str) -> Self {
        let (is_not, name) = (self.last().kind == Kind::Not, self.last().name.clone());
        if is_not { self.refuse(format!("`{name}` is what must not follow: it {why}")) } else { self }
    }

    fn not_negative(self, span: Duration) -> Self {
        if span.is_negative() { self.refuse(format!("nothing happens within {span}: give zero or more")) } else { self }
    }

    fn refuse(mut self, reason: String) -> Self {
        self.refused.get_or_insert(reason);
        self
    }

    /// What follows a match.
    #[must_use]
    pub const fn follows(&self) -> AfterMatch {
        self.after
    }

    /// How records of one time are compared, where it is [said](Self::ordered_by).
    pub fn order(&self) -> Option<&(dyn Fn(&T, &T) -> Ordering + Send + Sync)> {
        self.order.as_deref()
    }

    /// What it is set to, as names with values: what stored partial matches are compared with, and what people read. Conditions are no part
    /// of it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        let within = self.within.map_or_else(|| "forever".to_owned(), |span| span.to_string());
        let after = match self.after {
            AfterMatch::SkipPast => "skip past it",
            AfterMatch::EveryStart => "every start",
        };
        vec![("steps", steps.join(", ")), ("within", within), ("after match", after.to_owned())]
    }

    /// Whether it can work as declared.
    ///
    /// # Errors
    /// A [`WindowError`] that says what cannot be.
    pub fn validate(&self) -> Result<(), WindowError> {
        match self.refused.clone().or_else(|| self.cannot_be()) {
            Some(reason) => Err(WindowError::Pattern { reason }),
            None => Ok(()),
        }
    }

    fn cannot_be(&self) -> Option<String> {
        let Self { steps, .. } = self;
        let of_records: Vec<&Step<T>> = steps.iter().filter(|step| step.kind != Kind::Not).collect();
        let last = of_records.last()?;
        if steps[0].is_optional || last.is_optional {
            let name = if steps[0].is_optional { &steps[0].name } else { &last.name };
            return Some(format!("step `{name}` cannot be optional: it begins or ends the pattern. Leave it out"));
        }
        for (step, after) in steps.iter().zip(&steps[1..]) {
            if step.is_optional && after.kind == Kind::Not {
                let Step { name, .. } = step;
                return Some(format!(
                    "step `{name}` cannot be optional directly before `{}`, which would follow it or not: put that before it",
                    after.name
                ));
            }
        }
        let ends_absent = steps.last().is_some_and(|step| step.kind == Kind::Not);
        if !ends_absent && last.most == u32::MAX {
            return Some(format!(
                "its last step, `{}`, takes {} records or more, and the match is complete with as many: say `times({})`, or which step \
                 follows",
                last.name, last.least, last.least
            ));
        }
        let tail = steps.iter().rev().take_while(|step| step.kind == Kind::Not);
        if ends_absent && self.within.is_none() && tail.into_iter().any(|step| step.within.is_none()) {
            return Some(
                "it ends with an absence, and nothing says when that is known: say `within`, or `step_within`"
                    .to_owned(),
            );
        }
        let waits = of_records.iter().enumerate().filter(|(at, step)| *at > 0 || step.most > 1);
        if self.within.is_none() && !self.is_forever && waits.into_iter().any(|(_, step)| step.within.is_none()) {
            return Some(
                "nothing says how long a partial match waits: say `within`, or `forever` if it may be kept that long"
                    .to_owned(),
            );
        }
        None
    }
}

impl<T> Clone for Pattern<T> {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone(), order: self.order.clone(), refused: self.refused.clone(), ..*self }
    }
}

impl<T> fmt::Display for Pattern<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        write!(f, "{}, within {}", settings[0].1, settings[1].1)
    }
}

impl<T> fmt::Debug for Pattern<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Pattern");
        self.settings().iter().for_each(|(name, value)| _ = told.field(name, value));
        told.finish_non_exhaustive()
    }
}

/// The last instant of a span that begins then.
fn after(at: Timestamp, span: Option<Duration>) -> Timestamp {
    span.map_or(Timestamp::MAX, |span| at.saturating_add(span))
}

#[cfg(test)]
mod tests;
