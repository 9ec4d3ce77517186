//! Which epoch a job resumes after, and what becomes of one that was prepared and not committed everywhere: what the
//! sinks have decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use firesteel_connect::{Epoch, Guarantee, Mark, Retention};
use firesteel_state::changelog::EpochRecord;
use firesteel_state::cursor::{CheckpointId, SinkCursor};
use firesteel_state::{CommitName, EpochLog, OutputSchema};

use crate::checkpoint::looking::Looked;
use crate::checkpoint::{Checkpoint, Cursor, Program};
use crate::error::{Error, Result};

/// What an output knows of the epochs it has.
pub(crate) struct SinkAt {
    /// Its name in the program's description.
    pub(crate) name: Arc<str>,
    /// What it says of itself, and where it is: for people.
    pub(crate) place: String,
    pub(crate) kind: String,
    pub(crate) guarantee: Guarantee,
    pub(crate) retention: Retention,
    pub(crate) last: Option<Mark>,
}

impl SinkAt {
    fn epoch(&self) -> Option<Epoch> {
        self.last.map(|mark| mark.epoch)
    }

    /// Its mark as a checkpoint keeps it.
    pub(super) fn trace(&self) -> Option<SinkCursor> {
        let Mark { epoch, checkpoint } = self.last?;
        let checkpoint = CheckpointId::from_bits(checkpoint.to_bits());
        Some(SinkCursor { epoch: epoch.0, checkpoint, place: self.place.clone() })
    }

    /// Whether its results end with this epoch of this checkpoint.
    fn ends_with(&self, epoch: u64, checkpoint: CheckpointId) -> bool {
        self.trace().is_some_and(|last| last.epoch == epoch && last.checkpoint == checkpoint)
    }
}

/// An epoch that was prepared before the restart, and that not every sink has.
pub(crate) struct Unfinished {
    pub(crate) record: EpochRecord,
    pub(crate) cursor: Cursor,
    /// For each output, whether it has the epoch already.
    pub(crate) has: Vec<bool>,
}

/// What the ids of two epochs of one start of the program differ by.
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The id of the commit of an epoch, by a start of the program that has this number.
pub(crate) fn commit_id(run: u64, epoch: u64) -> u64 {
    run.wrapping_add(epoch.wrapping_mul(STRIDE))
}

/// Whether the commit with the second name, of the epoch after that of the first one, was named by the same start of the program.
fn is_same_run(before: CommitName, epoch: u64, commit: CommitName) -> bool {
    let run = |name: CommitName, epoch: u64| name.id.wrapping_sub(epoch.wrapping_mul(STRIDE));
    before.is_known() && run(before, epoch.wrapping_sub(1)) == run(commit, epoch)
}

impl Unfinished {
    /// Whether the start of the program that prepared it had committed the epoch before it.
    pub(crate) fn continues(&self) -> bool {
        is_same_run(self.cursor.follows, self.cursor.epoch, self.cursor.commit)
    }
}

/// What becomes of the last epoch in the changelog.
pub(super) enum Last {
    /// It is committed.
    Stands,
    /// The program that prepared it runs it again.
    RunAgain(Box<Unfinished>),
    /// Nothing of it is visible: another program reads its input again.
    Dropped,
}

/// What a start finds of the last epochs.
pub(super) struct Decision {
    /// The epoch to restore.
    pub(super) last: u64,
    /// What becomes of the one that was prepared last.
    pub(super) fate: Last,
    /// What there is to tell of that epoch.
    said: Option<(u64, &'static str)>,
    /// Sinks that have nothing of what was committed to them.
    emptied: Vec<String>,
    /// Sinks that have results before a new checkpoint begins, and up to which epoch.
    older: Vec<(String, u64)>,
}

impl Decision {
    fn new(last: u64, fate: Last) -> Self {
        Self { last, fate, said: None, emptied: Vec::new(), older: Vec::new() }
    }

    fn saying(self, epoch: u64, message: &'static str) -> Self {
        Self { said: Some((epoch, message)), ..self }
    }

    /// Tells what was found, once it holds.
    pub(super) fn tell(&self, job: &str) {
        for sink in &self.emptied {
            let message = "the sink has no results, and the job has committed epochs to it: what it had is gone";
            tracing::warn!(job, %sink, message);
        }
        for (sink, epoch) in &self.older {
            let message = "a new checkpoint begins, and the sink has results already: the sources are read from their \
                           beginnings, and what comes of them is written after those";
            tracing::warn!(job, %sink, epoch, message);
        }
        if let Some((epoch, message)) = self.said {
            tracing::info!(job, epoch, message);
        }
    }
}

impl Looked {
    /// The epoch to restore, and what becomes of the one after it. `held` is the last epoch of which snapshots or a
    /// backend hold something.
    pub(super) fn decide(
        &mut self,
        held: u64,
        settings: &Checkpoint,
        program: &Program<'_>,
        sinks: &[SinkAt],
    ) -> Result<Decision> {
        let begun = || sinks.iter().filter_map(SinkAt::epoch).max().unwrap_or_default().0;
        let (last, is_marked) = match self.log.last_epoch() {
            None => (self.savepoint.as_ref().map_or_else(begun, |savepoint| savepoint.manifest.epoch), true),
            Some(last) => (last, self.is_new || self.log.committed().max(held) >= last),
        };
        let older = self.older_results(settings, sinks)?;
        let expected = match is_marked {
            true => self.at_end.sinks.clone(),
            false => Cursor::at(&self.manifests, &self.log, last - 1)?.sinks,
        };
        let emptied = self.compare_sinks(last, &expected, settings, sinks)?;
        let decision = if is_marked {
            Decision::new(last, Last::Stands)
        } else {
            self.decide_on_prepared(last, settings, program, sinks)?
        };
        Ok(Decision { emptied, older, ..decision })
    }

    /// What becomes of an epoch that was prepared and is not known to be committed.
    fn decide_on_prepared(
        &mut self,
        last: u64,
        settings: &Checkpoint,
        program: &Program<'_>,
        sinks: &[SinkAt],
    ) -> Result<Decision> {
        if self.at_end.program != program.description.fingerprint() {
            return self.decide_for_another(last, settings, sinks);
        }
        let has: Vec<bool> = sinks.iter().map(|sink| sink.ends_with(last, self.id)).collect();
        // What had no record for a sink, it need not have.
        let needs = |sink: &SinkAt| self.at_end.sinks.get(&*sink.name).is_some_and(|mark| self.is_of(mark, last));
        if sinks.iter().zip(&has).all(|(sink, has)| *has || (sink.guarantee == Guarantee::ExactlyOnce && !needs(sink)))
        {
            let message = "all sinks have the last epoch: it is rolled forward";
            return Ok(Decision::new(last, Last::Stands).saying(last, message));
        }
        let record = self.log.records(last).next().transpose()?;
        let Some(record) = record else { return Ok(Decision::new(last, Last::Stands)) };
        let cursor = Cursor::decode(&record.extra, last)?;
        let again = Last::RunAgain(Box::new(Unfinished { record, cursor, has }));
        Ok(Decision::new(last - 1, again)
            .saying(last, "the last epoch was prepared and not committed: it is run again"))
    }

    /// The sinks that have results before a new checkpoint begins, which knows nothing of them: what is read from the
    /// beginning will be there twice. Refused, if that is not meant and a sink promises something else.
    fn older_results(&self, settings: &Checkpoint, sinks: &[SinkAt]) -> Result<Vec<(String, u64)>> {
        if !self.is_new || self.savepoint.is_some() {
            return Ok(Vec::new());
        }
        let with_results = sinks.iter().filter_map(|sink| Some((sink, sink.epoch()?.0)));
        let checked = with_results.map(|(sink, at)| {
            if settings.after_results || sink.guarantee != Guarantee::ExactlyOnce {
                return Ok((sink.place.clone(), at));
            }
            let reason = format!(
                "it has results up to epoch {at}, and the checkpoint in {} is new: the sources would be read from their \
                 beginnings, and all of it would be there twice. Use the checkpoint that belongs to the results, write \
                 elsewhere, or say Checkpoint::after_results (`--after-results`)",
                settings.folder.display()
            );
            Err(Error::Epochs { sink: sink.name.to_string(), reason })
        });
        checked.collect()
    }

    /// Makes sure that sinks and checkpoint belong together, whose marks were `expected` at the end of what is committed for
    /// certain; returns the sinks that have nothing of what was committed to them, where they cannot.
    fn compare_sinks(
        &mut self,
        last: u64,
        expected: &BTreeMap<String, SinkCursor>,
        settings: &Checkpoint,
        sinks: &[SinkAt],
    ) -> Result<Vec<String>> {
        let mut emptied = Vec::new();
        let folder = settings.folder.display();
        for sink in sinks {
            let refuse = |reason: String| Error::Epochs { sink: sink.name.to_string(), reason };
            let of_this = |mark: &SinkCursor| mark.checkpoint == self.id;
            if let Some(at) = sink.epoch().filter(|at| at.0 > last) {
                return Err(refuse(format!(
                    "it has epoch {at}, but the checkpoint in {folder} ends with epoch {last}: the checkpoint is an old \
                     copy, or the results are those of another job. Use the checkpoint that belongs to them, or write \
                     elsewhere"
                )));
            }
            let found = sink.trace();
            // Results may have been moved, and outputs without a name of their own change their names with the others'.
            let of_name = || {
                let is_known = |output: &OutputSchema| *output.name == *sink.name && output.kind == sink.kind;
                expected.get(&*sink.name).filter(|_| self.known.outputs().iter().any(is_known) && found.is_some())
            };
            let expected = expected.values().find(|mark| mark.place == sink.place).or_else(of_name);
            let expected = expected.filter(|mark| of_this(mark)).map(|mark| mark.epoch);
            let Some(expected) = expected.filter(|_| sink.guarantee == Guarantee::ExactlyOnce) else { continue };
            let (found, lost) = match found {
                Some(mark) if of_this(&mark) && mark.epoch >= expected => continue,
                None if sink.retention == Retention::WhileRunning => {
                    emptied.push(sink.place.clone());
                    continue;
                }
                Some(mark) if of_this(&mark) => {
                    (format!("it ends with epoch {}", mark.epoch), format!("{} to {expected}", mark.epoch + 1))
                }
                Some(_) => ("what it has is of another checkpoint".to_owned(), format!("up to {expected}")),
                None => ("it has no results".to_owned(), format!("up to {expected}")),
            };
            let text = format!("results of epochs {lost} have been lost");
            self.lose_output(&sink.name, &text, settings).map_err(|permission| {
                refuse(format!(
                    "{found}, but the checkpoint in {folder} has committed epoch {expected}: results have been lost. Restore \
                     them, or say Checkpoint::allow_loss([{permission:?}]) (`--allow-loss {permission}`) to continue \
                     without them"
                ))
            })?;
        }
        Ok(emptied)
    }

    /// Whether the mark is that of this epoch.
    fn is_of(&self, mark: &SinkCursor, epoch: u64) -> bool {
        mark.epoch == epoch && mark.checkpoint == self.id
    }

    /// Notes that an output loses something, if that is permitted; otherwise returns the permission that is missing.
    fn lose_output(&mut self, name: &str, text: &str, settings: &Checkpoint) -> std::result::Result<(), String> {
        let member = format!("output:{name}");
        let permission = self.known.permission(&member);
        if !settings.allow_loss.contains(&permission) {
            return Err(permission);
        }
        if !self.comparison.dropped().any(|finding| finding.member == member) {
            self.comparison.lose(&self.known, &member, text);
            self.comparison = self.comparison.clone().permitting(&settings.allow_loss, &self.known);
        }
        Ok(())
    }

    /// What becomes of an epoch that another program has prepared: it is not run again, since it would become another
    /// one in the sinks that lack it. It stands where all sinks of that program have it, and is dropped where none has.
    fn decide_for_another(&mut self, epoch: u64, settings: &Checkpoint, sinks: &[SinkAt]) -> Result<Decision> {
        let outputs: Vec<OutputSchema> =
            self.known.outputs().iter().filter(|output| output.through.is_none()).cloned().collect();
        let id = self.id;
        let find =
            |output: &OutputSchema| sinks.iter().find(|sink| *sink.name == output.name && sink.kind == output.kind);
        let has = |output: &OutputSchema| find(output).is_some_and(|sink| sink.ends_with(epoch, id));
        // What had no record for an output, it need not have.
        let needed: BTreeSet<String> = self
            .at_end
            .sinks
            .iter()
            .filter(|(_, mark)| self.is_of(mark, epoch))
            .map(|(name, _)| name.clone())
            .collect();
        let needs = |output: &OutputSchema| !output.is_exactly_once() || needed.contains(&output.name);
        let refuse = |reason: String| Error::Unfinished {
            folder: settings.folder.display().to_string(),
            epoch,
            reason: format!("{reason}. Start the program that prepared it once more, so that it finishes the epoch"),
        };
        // An output that is gone cannot be asked.
        for output in
            outputs.iter().filter(|output| output.is_exactly_once() && needs(output) && find(output).is_none())
        {
            let text = format!("may lack epoch {epoch}, which was prepared and not known to be committed");
            self.lose_output(&output.name, &text, settings).map_err(|permission| {
                refuse(format!(
                    "output {} is gone, so that nobody can tell whether it has the epoch; \
                     Checkpoint::allow_loss([{permission:?}]) (`--allow-loss {permission}`) gives it up",
                    output.name
                ))
            })?;
        }
        if !outputs.iter().any(has) {
            let message = "an epoch that another program has prepared is dropped: no sink tells that it has it, and its \
                           input is read again";
            return Ok(Decision::new(epoch - 1, Last::Dropped).saying(epoch, message));
        }
        let lacking = outputs.iter().filter(|output| find(output).is_some() && needs(output) && !has(output));
        let mut missing = Vec::new();
        for output in lacking {
            let text = format!("may lack epoch {epoch}, which other outputs have");
            if let Err(permission) = self.lose_output(&output.name, &text, settings) {
                missing.push((output.name.clone(), permission));
            }
        }
        if missing.is_empty() {
            let message = "all sinks of the program that prepared the last epoch have it: it is rolled forward";
            return Ok(Decision::new(epoch, Last::Stands).saying(epoch, message));
        }
        let (names, permissions): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
        Err(refuse(format!(
            "some outputs have it, and {} do not, or cannot tell; Checkpoint::allow_loss({permissions:?}) (`--allow-loss`, for each) continues \
             without it there",
            names.join(", ")
        )))
    }
}
