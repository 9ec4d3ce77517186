//! Sinks that break a rule where several write to one place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use firesteel_connect::{
    ConnectError, Epoch, Guarantee, Mark, Result, RunId, Sink, SinkContext, WriteTask, conformance,
};

use crate::broken;

/// What a sink does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    OneMarkForAllParts,
    CleansUpAfterOthers,
    CleansUpWhenFenced,
    IgnoresTheFence,
    FencedWithoutAWord,
}

/// A list outside of all processes.
#[derive(Default)]
struct Outside {
    /// Rows that nobody sees, by who has written them.
    staged: BTreeMap<(Option<String>, RunId), Vec<u32>>,
    rows: Vec<(Option<String>, RunId, u32)>,
    marks: BTreeMap<Option<String>, Mark>,
    owners: BTreeMap<Option<String>, RunId>,
}

type Place = Arc<Mutex<Outside>>;

struct Shared {
    place: Place,
    context: Mutex<SinkContext>,
    fault: Fault,
}

impl Shared {
    /// The part that it says it works for, and the one under which it keeps its mark.
    fn scope(&self) -> (Option<String>, Option<String>) {
        let scope = self.context.lock().unwrap().scope().part().map(str::to_owned);
        let kept = if self.fault == Fault::OneMarkForAllParts { None } else { scope.clone() };
        (scope, kept)
    }

    fn run(&self) -> RunId {
        self.context.lock().unwrap().run()
    }
}

impl Sink<u32> for Shared {
    type Pending = ();

    fn describe(&self) -> String {
        "a list".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        *self.context.lock().unwrap() = context.clone();
        let ((scope, _), mut outside) = (self.scope(), self.place.lock().unwrap());
        let of_others = self.fault == Fault::CleansUpAfterOthers;
        outside.staged.retain(|(of, _), _| *of != scope && !of_others);
        outside.owners.insert(scope, context.run());
        Ok(())
    }

    fn write(&self, _: WriteTask, records: impl Iterator<Item = u32>) -> Result<()> {
        let key = (self.scope().0, self.run());
        self.place.lock().unwrap().staged.entry(key).or_default().extend(records);
        Ok(())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<()>) -> Result<()> {
        let ((scope, kept), run) = (self.scope(), self.run());
        let mut outside = self.place.lock().unwrap();
        let owner = outside.owners[&scope];
        if owner != run && self.fault != Fault::IgnoresTheFence {
            if self.fault == Fault::CleansUpWhenFenced {
                outside.rows.retain(|(of, by, _)| *of != scope || *by == run);
                outside.staged.retain(|(of, _), _| *of != scope);
            }
            if self.fault == Fault::FencedWithoutAWord {
                return Ok(());
            }
            return Err(ConnectError::Fenced { place: self.describe(), by: owner.to_string() });
        }
        let is_there = outside.marks.get(&kept).is_some_and(|mark| mark.epoch >= epoch);
        if !is_there {
            let rows = outside.staged.remove(&(scope.clone(), run)).unwrap_or_default();
            outside.rows.extend(rows.into_iter().map(|row| (scope.clone(), run, row)));
            let checkpoint = self.context.lock().unwrap().checkpoint();
            outside.marks.insert(kept, Mark { epoch, checkpoint });
        }
        pending.clear();
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(self.place.lock().unwrap().marks.get(&self.scope().1).copied())
    }
}

#[test]
fn the_suite_for_sinks_of_one_place_finds_each_fault() {
    let suite = |fault| {
        let open = |place: &Place| Shared { place: Arc::clone(place), context: Mutex::default(), fault };
        let visible = |place: &Place| place.lock().unwrap().rows.iter().map(|(.., row)| *row).collect::<Vec<_>>();
        conformance::sinks_of_one_place(Place::default, open, visible, |n| n);
    };
    suite(Fault::None);
    let cases = [
        (Fault::OneMarkForAllParts, "K13"),
        (Fault::CleansUpAfterOthers, "K13"),
        (Fault::CleansUpWhenFenced, "K14"),
        (Fault::IgnoresTheFence, "K14"),
        (Fault::FencedWithoutAWord, "K14"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}
