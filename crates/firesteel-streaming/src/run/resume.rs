//! Starting a job: with empty state, or where its checkpoint says that it stood.

use std::sync::Arc;

use firesteel_budget::Part;
use firesteel_connect::{
    CheckpointId, Epoch, Mark, Resumed, Scope, SinkContext, SourceContext, SplitId, SplitNote, Wake,
};
use firesteel_faults::{alterable, fail_point};
use firesteel_state::cursor::SplitName;
use firesteel_state::{Catalog, JobDescription, StoreSetup, TableCopies};

use crate::calls::Of;
use crate::checkpoint::{
    Checkpoint, Cursor, InputCursor, Looked, Opened, Plan, Program, SinkAt, TABLES, Unfinished, check, open,
};
use crate::error::{Error, Result};
use crate::plan::{Admission, Admitted, Bound, Output, range_name};
use crate::progress::micros;
use crate::run::batch_loop::{Cut, JobRun};

impl JobRun {
    /// Starts sources and sinks and opens the state of all operators. With a checkpoint, the job resumes from there;
    /// returns the epoch that has to be run again, if there is one.
    ///
    /// What can refuse the program comes first: the comparison with the checkpoint before any sink or source is started,
    /// what the sinks have before any source is; then the checkpoint is opened.
    pub(super) fn open_states(&mut self) -> Result<Option<Unfinished>> {
        let config = Arc::clone(&self.config);
        let Some(settings) = &config.checkpoint else {
            self.start_inputs(None)?;
            let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
            let marks = self.start_outputs(&names, CheckpointId::random(), false)?;
            self.last_epoch = marks.iter().flatten().map(|mark| mark.epoch).max().unwrap_or_default();
            self.open_in_memory()?;
            return Ok(None);
        };
        let states: Vec<_> = self.parts.states.iter().map(|(cell, _)| Arc::clone(cell)).collect();
        let job = Arc::clone(&self.job);
        let program = Program {
            job: &job,
            states: states.iter().map(|cell| &**cell).collect(),
            description: JobDescription { key_groups: settings.key_groups, ..self.parts.describe() },
            threads: self.context.executors(),
            budget: self.config.memory.part(Part::State).clone(),
        };
        let of_checkpoint = |error: Error| error.of_checkpoint(&settings.folder);
        let started = config.clock.monotonic();
        let mut looked = Looked::look(settings, &program).map_err(of_checkpoint)?;
        let looking = config.clock.monotonic().saturating_sub(started);
        self.sink_names = program.description.outputs.iter().map(|output| output.name.clone()).collect();
        let names = self.sink_names.clone();
        let marks = self.start_outputs(&names, CheckpointId::from_bits(looked.id().to_bits()), looked.resumes())?;
        let sinks = marks.into_iter().zip(&self.parts.outputs).zip(&program.description.outputs);
        let sinks: Vec<SinkAt> = sinks
            .map(|((last, output), described)| SinkAt {
                name: described.name.as_str().into(),
                place: output.describe(),
                kind: described.kind.clone(),
                guarantee: output.guarantee(),
                retention: output.retention(),
                last,
            })
            .collect();
        check(&mut looked, settings, &program, &sinks).map_err(of_checkpoint)?;
        self.start_inputs(Some(looked.at_end()))?;
        let opened = open(looked, settings, &program, &sinks, &*config.clock).map_err(of_checkpoint);
        let Opened { durable, epoch, again, is_new, mut durations } = opened?;
        durations.open_us += micros(looking);
        self.start_durations = durations;
        self.resumed = (!is_new).then_some(Epoch(epoch));
        self.last_epoch = Epoch(epoch);
        self.program.place_keys(durable.key_space()?);
        let cursor = &durable.cursor;
        self.batch = cursor.batch;
        for input in &mut self.parts.inputs {
            if let Some(positions) = cursor.inputs.get(&*alterable("resume.input", input.name())) {
                input.resume(positions);
            }
        }
        for tracker in &self.parts.trackers {
            if let Some(marks) = cursor.watermarks.get(&*alterable("resume.watermark", tracker.name())) {
                // Splits of inputs that it does not follow any more, or that are gone, are not waited for.
                let followed = tracker.inputs.iter().filter_map(|at| self.parts.inputs.get(*at));
                let followed: Vec<Arc<str>> = followed.map(|input| input.name()).collect();
                let is_followed = |name: &SplitName| {
                    let has_split = |input: &InputCursor| input.splits.contains_key(&name.split);
                    followed.iter().any(|input| **input == *name.input)
                        && cursor.inputs.get(&name.input).is_some_and(has_split)
                };
                let numbers = &self.parts.split_numbers;
                let number = |name: &SplitName| is_followed(name).then(|| numbers.of(&name.input, &name.split));
                tracker.resume(marks.renamed(number));
            }
            // An epoch that is run again may continue the run that committed the one before it.
            if again.as_ref().is_none_or(|again| !again.continues()) {
                tracker.begin_run();
            }
        }
        for merged in &self.parts.merged {
            if let Some(marks) = cursor.watermarks.get(&*merged.name()) {
                merged.resume(marks.renamed(|_| None));
            }
        }
        for (cell, _) in &self.parts.states {
            if let Some(keys) = cursor.keys.get(&cell.declared().operator) {
                cell.set_keys(*keys);
            }
        }
        for (name, allowance) in self.parts.allowances() {
            if let Some((_, gone)) = cursor.gone.iter().find(|(operator, _)| operator == name) {
                allowance.resume(*gone);
            }
        }
        self.counted = cursor.counted;
        self.left = cursor.left;
        if self.left.is_some() {
            self.parts.hold_again()?;
        }
        self.durable = Some(durable);
        Ok(again)
    }

    /// Refuses a job that would read what it writes.
    pub(super) fn refuse_own_results(&self) -> Result<()> {
        for (output, name) in self.parts.outputs.iter().zip(self.names.iter()) {
            for place in output.places() {
                if let Some(input) = self.parts.inputs.iter().find(|input| input.would_read(&place)) {
                    let reason = format!(
                        "it would write {place}, which source {} reads: the job would read its own results. Write elsewhere",
                        input.name()
                    );
                    return Err(Error::Setting { what: format!("sink {name}"), reason });
                }
            }
        }
        Ok(())
    }

    /// Starts the sources; `before` is where the job stood when it ended.
    fn start_inputs(&mut self, before: Option<&Cursor>) -> Result<()> {
        self.start_tables()?;
        let scope = self.scope()?;
        // Before the first starts to fill its buffer, so that it leaves the others their share.
        for input in &self.parts.inputs {
            input.buffer_within(self.config.memory.buffer_pool());
        }
        for input in &mut self.parts.inputs {
            let (control, clock) = (Arc::clone(&self.control), Arc::clone(&self.config.clock));
            let name = input.name();
            let splits = before.and_then(|cursor| cursor.inputs.get(&*name)).map(|input| &input.splits);
            let resumed = splits.into_iter().flatten().map(|(split, at)| {
                let note = at.note.as_ref().and_then(|note| SplitNote::new(note.as_slice()).ok());
                let resumed = Resumed::at(SplitId::new(split.as_str()), at.next).noted(note);
                if at.ended { resumed.ended() } else { resumed }
            });
            let losable = self.config.checkpoint.iter().flat_map(|checkpoint| checkpoint.losable_splits(&name));
            let context = SourceContext::new(&self.job, &name)
                .with_run(self.run)
                .with_scope(scope.clone())
                .with_clock(move || clock.wall())
                .with_wake(Wake::new(move || control.wake()))
                .resumed_at(resumed)
                .giving_up(losable);
            let watched = self.control.calls.watch(Of::Source, &name, "start");
            let started = input.start(&context);
            drop(watched);
            self.control.calls.check()?;
            started?;
        }
        Ok(())
    }

    /// Starts the sinks, which have these names in the checkpoint; returns the mark of each.
    fn start_outputs(
        &mut self,
        names: &[String],
        checkpoint: CheckpointId,
        resumes: bool,
    ) -> Result<Vec<Option<Mark>>> {
        let (job, run, clock) = (Arc::clone(&self.job), self.run, Arc::clone(&self.config.clock));
        let (control, scope) = (Arc::clone(&self.control), self.scope()?);
        let start = |(output, name): (&mut Box<dyn Output>, &String)| {
            let clock = Arc::clone(&clock);
            let context = SinkContext::new(&job, name).with_run(run).with_scope(scope.clone());
            let context = context.with_clock(move || clock.wall());
            let watched = control.calls.watch(Of::Sink, &name.as_str().into(), "start");
            let started = output.start(&context.with_checkpoint(checkpoint).resuming(resumes));
            drop(watched);
            control.calls.check()?;
            started
        };
        self.parts.outputs.iter_mut().zip(names).map(start).collect()
    }

    /// Loads the tables for the first time.
    fn start_tables(&self) -> Result<()> {
        let now = self.config.clock.wall();
        for table in &self.parts.tables {
            let folder = self.config.checkpoint.as_ref().map(|checkpoint| checkpoint.folder.join(TABLES));
            let _watched = self.control.calls.watch(Of::Table, &table.name(), "load");
            table.start(now, self.run, folder.as_deref().map(TableCopies::in_folder))?;
        }
        self.control.calls.check()
    }

    /// Which part of the job this is.
    fn scope(&self) -> Result<Scope> {
        self.config.checkpoint.as_ref().map_or_else(|| Ok(Scope::whole()), Checkpoint::scope)
    }

    fn open_in_memory(&self) -> Result<()> {
        let schemas: Vec<_> = self.parts.states.iter().map(|(cell, _)| cell.declared()).collect();
        let catalog = Catalog::new(self.program.key_space().groups()).with(&schemas, false)?;
        let setup =
            StoreSetup { catalog: &catalog, backend: None, budget: self.config.memory.part(Part::State).clone() };
        for (cell, _) in &self.parts.states {
            cell.open(&setup)?;
            cell.initialize()?;
        }
        Ok(())
    }

    /// Runs an epoch again that was prepared before the restart: the same batches with the same ranges at the same
    /// times, for the sinks that do not have it yet.
    pub(super) fn run_again(&mut self, again: Unfinished) -> Result<()> {
        for (output, has) in self.parts.outputs.iter_mut().zip(&again.has) {
            output.skip(alterable("again.has", *has));
        }
        self.is_again = true;
        let admission = self.admission(Bound::Open);
        for input in &mut self.parts.inputs {
            // Sources look around before they are read.
            let watched = self.control.calls.watch(Of::Source, &input.name(), "discover");
            let looked = input.look(admission.now);
            drop(watched);
            self.control.calls.check()?;
            looked?;
        }
        for (boundary, plan) in again.record.batches.iter().zip(&again.cursor.plans) {
            let mut admitted = Vec::new();
            let numbers = &self.parts.split_numbers;
            let number = |planned: &u32| {
                let SplitName { input, split } = again.cursor.planned.get(planned)?;
                Some(numbers.of(input, split))
            };
            for input in &mut self.parts.inputs {
                let name = input.name();
                let of_plan = plan.inputs.iter().find(|(input, ..)| **input == *name);
                let (waiting, finished) = of_plan.map_or_else(Default::default, |(_, waiting, finished)| {
                    let numbers = |planned: &[u32]| planned.iter().filter_map(number).collect::<Vec<_>>();
                    (numbers(waiting), numbers(finished))
                });
                let planned = input.plan(&alterable("again.ranges", boundary.inputs.clone()))?;
                admitted.push(Admitted { waiting, finished, ..planned });
            }
            for range in &boundary.inputs {
                let table = self.parts.tables.iter().find(|table| range_name(&table.name()) == range.input);
                table.map_or(Ok(()), |table| table.bring_back(range.from))?;
            }
            self.batch = boundary.batch - 1;
            let admission = Admission { now: boundary.time, ..admission };
            let Plan { parallelism, ending, continues, .. } = *plan;
            let cut = Cut { parallelism: usize::try_from(parallelism).ok(), ending, continues };
            self.process(&admission, &admitted, cut, self.config.clock.monotonic())?;
            fail_point!("again.batch");
        }
        // An epoch without a batch still has to be committed everywhere.
        self.open_epoch();
        self.is_again = false;
        self.parts.tables.iter().for_each(|table| table.end_again());
        self.parts.trackers.iter().for_each(|tracker| tracker.begin_run());
        let ended = self.end_epoch_as(Some(again));
        fail_point!("again.ended");
        for output in &mut self.parts.outputs {
            output.skip(false);
        }
        ended
    }
}
