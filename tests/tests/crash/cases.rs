//! Cases: chains of processes over one folder, of which each ends at its point and the last reads everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::invariants::{self, Broken};
use crate::process::{self, Ended};
use crate::program::{Run, TEXT_SINKS};
use crate::{carried, input, results};

/// The process before: where it ended, and how often it had been there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    pub(crate) point: &'static str,
    pub(crate) hit: u64,
    pub(crate) lose_backend: bool,
}

const fn at(point: &'static str, hit: u64) -> Before {
    Before { point, hit, lose_backend: false }
}

/// One case: what the processes have in common, and where they end.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) run: Run,
    pub(crate) crashes: Vec<(String, u64)>,
    /// Whether what the backend held is gone when the second process starts.
    pub(crate) lose_backend: bool,
    pub(crate) mutant: Option<String>,
}

impl Case {
    /// Runs all processes, each of them to its point, the last one to its end, with all rules after each.
    pub(crate) fn check(&self) -> Result<(), Broken> {
        let mutant = self.mutant.as_deref();
        for (number, crash) in self.crashes.iter().enumerate() {
            if number > 0 && self.lose_backend {
                std::fs::remove_dir_all(self.run.backend_folder()).expect("the backend's folder is there");
            }
            match process::start(&Run { crash: Some(crash.clone()), ..self.run.clone() }, mutant) {
                Ended::Crashed => {}
                // Where an earlier one has ended matters to how often a later one gets to a point.
                Ended::Drained => break,
                Ended::Stopped(error) => return Err(("a job resumes after any crash", error)),
            }
            invariants::at_any_moment(&self.run)?;
        }
        match process::start(&self.run, mutant) {
            Ended::Drained => invariants::at_the_end(&self.run),
            Ended::Crashed => Err(("a job resumes after any crash", "it ended by itself".to_owned())),
            Ended::Stopped(error) => Err(("a job resumes after any crash", error)),
        }
    }
}

/// How often a process that is started after others passes each point.
pub(crate) fn counts(run: &Run, before: Option<Before>) -> BTreeMap<String, u64> {
    let folder = process::folder();
    let run = Run { folder: folder.path().to_owned(), ..run.clone() };
    input::write(folder.path());
    carried::write(&run);
    lead_up(&run, before);
    assert_eq!(process::start(&Run { count: true, ..run.clone() }, None), Ended::Drained);
    let text = std::fs::read(folder.path().join("counts")).expect("the counts are there");
    serde_json::from_slice(&text).expect("the counts can be read")
}

fn lead_up(run: &Run, before: Option<Before>) {
    let Some(Before { point, hit, lose_backend }) = before else { return };
    let ended = process::start(&Run { crash: Some((point.to_owned(), hit)), ..run.clone() }, None);
    assert_eq!(ended, Ended::Crashed, "at {point}, time {hit}");
    if lose_backend {
        std::fs::remove_dir_all(run.backend_folder()).expect("the backend's folder is there");
    }
}

/// The first, second and last of this many times.
pub(crate) fn hits(count: u64) -> BTreeSet<u64> {
    [1, 2, count].into_iter().filter(|hit| (1..=count).contains(hit)).collect()
}

/// Ends the program at each point that it passes after `before`, and checks all rules.
pub(crate) fn everywhere(settings: &Run, before: Option<Before>, wanted: impl Fn(&str) -> bool) {
    let counts = counts(settings, before);
    let reference = reference(settings);
    let mut faults = Vec::new();
    for (point, count) in counts.iter().filter(|(point, _)| wanted(point)) {
        // After another crash, what is new is there at once.
        for hit in hits(if before.is_some() { 1 } else { *count }) {
            let folder = process::folder();
            input::write(folder.path());
            let run = Run { folder: folder.path().to_owned(), ..settings.clone() };
            carried::write(&run);
            let lose_backend = before.is_some_and(|before| before.lose_backend);
            let before = before.map(|before| (before.point.to_owned(), before.hit));
            let crashes = before.into_iter().chain([(point.clone(), hit)]).collect();
            let case = Case { run, crashes, lose_backend, mutant: None };
            let done = case.check().and_then(|()| equal(settings, &reference, folder.path()));
            if let Err((rule, found)) = done {
                faults.push(format!("{point}, time {hit}: {rule}: {found}"));
            }
        }
    }
    assert!(faults.is_empty(), "after {before:?}, {} cases:\n{}", faults.len(), faults.join("\n"));
}

/// What a run without an interruption leaves in the sinks.
fn reference(settings: &Run) -> [BTreeMap<String, Vec<u8>>; 4] {
    let folder = process::folder();
    input::write(folder.path());
    let run = Run { folder: folder.path().to_owned(), ..settings.clone() };
    carried::write(&run);
    assert_eq!(process::start(&run, None), Ended::Drained);
    assert_eq!(invariants::at_the_end(&run), Ok(()));
    TEXT_SINKS.map(|name| results::bytes(&folder.path().join(name)))
}

/// Where every batch is an epoch, boundaries are equal whatever happened, and so are the files, byte by byte. A job that
/// had read everything when it ended, and is started again, has another batch of nothing after that.
fn equal(settings: &Run, reference: &[BTreeMap<String, Vec<u8>>; 4], folder: &Path) -> Result<(), Broken> {
    let last = reference.iter().flat_map(|files| files.keys()).map(|name| &name[..15]).max().unwrap_or_default();
    let found = TEXT_SINKS.map(|name| {
        let mut files = results::bytes(&folder.join(name));
        files.retain(|name, _| &name[..15] <= last);
        files
    });
    if settings.batches > 1 || settings.beside || found == *reference {
        return Ok(());
    }
    let differ: Vec<&String> = (0..TEXT_SINKS.len())
        .flat_map(|sink| {
            let (found, reference) = (&found[sink], &reference[sink]);
            let names: BTreeSet<&String> = found.keys().chain(reference.keys()).collect();
            names.into_iter().filter(|name| found.get(*name) != reference.get(*name)).collect::<Vec<_>>()
        })
        .collect();
    Err(("files are those of a run without an interruption", format!("{differ:?} differ")))
}

/// Where a process may have ended so that the next one finds half a record.
pub(crate) const TORN: Before = at("changelog.append.half", 5);

/// Where a process may have ended so that the next one finds an epoch halfway: no sink has it, the first has, all have.
pub(crate) const HALFWAY: [Before; 3] = [at("epoch.prepared", 4), at("epoch.sink", 17), at("epoch.committed", 4)];
