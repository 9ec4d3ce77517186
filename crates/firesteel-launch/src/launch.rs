//! Building a job and running it to its end.

use std::io;
use std::path::Path;

use clap::{Args, Command, FromArgMatches};
use firesteel_core::Chain;
use firesteel_streaming::{Builder, Checkpoint, Error, Result, StreamingContext, Summary, Trigger, Undecodable};
use firesteel_terminal::{Notices, TerminalProgress, say, show_all_digits};

use crate::exit::Exit;
use crate::explain::explain;
use crate::options::{LaunchOptions, ProgressMode};
use crate::retries::Retries;
use crate::stop_after::StopAfter;
use crate::{panics, signals, warnings};

/// Builds a job with `program` and runs it to its end, with the options of the command line.
///
/// The command line knows those of [`LaunchOptions`], and `--help`. If it makes no sense the process ends here, with code
/// 2 and a word on standard error.
///
/// ```
/// use firesteel_connect_memory::MemorySource;
/// use firesteel_terminal::Console;
///
/// fn main() -> firesteel_launch::Exit {
///     firesteel_launch::launch("numbers", |job| {
///         job.read(MemorySource::new(vec![1, 2, 3])).write(Console::table());
///         Ok(())
///     })
/// }
/// ```
pub fn launch(name: &str, program: impl Fn(&StreamingContext) -> Result<()> + Send + Sync) -> Exit {
    // Help and usage name the program by its file.
    let command = LaunchOptions::augment_args(Command::new("job"));
    let options = LaunchOptions::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    options.run(name, program)
}

impl LaunchOptions {
    /// Builds a job with `program` and runs it to its end.
    pub fn run(&self, name: &str, program: impl Fn(&StreamingContext) -> Result<()> + Send + Sync) -> Exit {
        Launch::new(self.clone()).run(name, program)
    }

    /// Settings of the job besides those of the command line, which win where both say something.
    pub fn with<'a>(&self, settings: impl Fn(Builder) -> Builder + Send + Sync + 'a) -> Launch<'a> {
        Launch::new(self.clone()).with(settings)
    }
}

/// How a job is built and run: the options of the command line, and what the program sets besides.
///
/// Made by [`LaunchOptions::with`].
#[must_use = "nothing runs before `run`"]
pub struct Launch<'a> {
    options: LaunchOptions,
    settings: Vec<Box<dyn Fn(Builder) -> Builder + Send + Sync + 'a>>,
    checkpoint: Box<dyn Fn(&Path) -> Checkpoint + Send + Sync + 'a>,
    trigger: Trigger,
}

impl<'a> Launch<'a> {
    fn new(options: LaunchOptions) -> Self {
        let checkpoint = Box::new(|folder: &Path| Checkpoint::in_folder(folder));
        Self { options, settings: Vec::new(), checkpoint, trigger: Trigger::AsSoonAsPossible }
    }

    /// More settings of the job. Those of the command line win where both say something.
    pub fn with(mut self, settings: impl Fn(Builder) -> Builder + Send + Sync + 'a) -> Self {
        self.settings.push(Box::new(settings));
        self
    }

    /// How a checkpoint is kept in the folder that `--checkpoint` names.
    pub fn checkpoint(mut self, checkpoint: impl Fn(&Path) -> Checkpoint + Send + Sync + 'a) -> Self {
        self.checkpoint = Box::new(checkpoint);
        self
    }

    /// When batches run if the command line does not say; as soon as possible by default.
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// Builds the job with `program` and runs it to its end.
    pub fn run(self, name: &str, program: impl Fn(&StreamingContext) -> Result<()> + Send + Sync) -> Exit {
        let mut interrupted = None;
        let outcome = self.run_to_summary(name, program, &mut interrupted);
        if let Err(error) = &outcome {
            tell(name, error, self.is_json());
        }
        Exit::new(outcome, interrupted)
    }

    fn run_to_summary(
        &self,
        name: &str,
        program: impl Fn(&StreamingContext) -> Result<()>,
        interrupted: &mut Option<u8>,
    ) -> Result<Summary> {
        if self.options.precise {
            show_all_digits();
        }
        let mut builder = self.builder(name).listener(Retries);
        let stop = self.options.stop_after.map(StopAfter::batches);
        if let Some(stop) = &stop {
            builder = builder.listener(stop.clone());
        }
        let job = builder.build()?;
        if let Some(stop) = &stop {
            stop.stops(&job);
        }
        program(&job)?;
        if let Some(format) = self.options.explain {
            // Whoever has seen enough has seen enough.
            _ = io::Write::write_all(&mut io::stdout().lock(), explain(&job, format)?.as_bytes());
            return Ok(Summary::default());
        }
        // A program may have set up any of this itself until now.
        warnings::install(self.is_json());
        panics::tell_once();
        let signals = signals::listen(&job, self.is_json());
        let outcome = job.run_to_summary(self.options.trigger().unwrap_or(self.trigger));
        *interrupted = signals.forced();
        outcome
    }

    fn builder(&self, name: &str) -> Builder {
        let mut builder = StreamingContext::builder(name);
        for settings in &self.settings {
            builder = settings(builder);
        }
        if let Some(threads) = self.options.threads {
            builder = builder.threads(threads);
        }
        if self.options.set_aside {
            builder = builder.undecodable(Undecodable::SetAside);
        }
        if let Some(folder) = &self.options.checkpoint {
            let checkpoint = (self.checkpoint)(folder).allow_loss(&self.options.allow_loss);
            let after_results = self.options.after_results;
            builder = builder.checkpoint(if after_results { checkpoint.after_results() } else { checkpoint });
        }
        match self.options.progress {
            Some(ProgressMode::Json) => builder.listener(TerminalProgress::json(io::stderr())),
            Some(ProgressMode::Off) => builder.listener(Notices::new()),
            Some(ProgressMode::Plain) => {
                builder.listener(Notices::new()).listener(TerminalProgress::lines(io::stderr()))
            }
            Some(ProgressMode::Bar) | None => builder.listener(Notices::new()).listener(TerminalProgress::new()),
        }
    }

    fn is_json(&self) -> bool {
        self.options.progress == Some(ProgressMode::Json)
    }
}

/// Tells on standard error why a job failed.
fn tell(name: &str, error: &Error, json: bool) {
    let error = Chain(error).to_string();
    if json {
        say(&(serde_json::json!({ "event": "error", "job": name, "error": error }).to_string() + "\n"));
    } else {
        say(&format!("{name}: {error}\n"));
    }
}

impl std::fmt::Debug for Launch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch").field("options", &self.options).field("trigger", &self.trigger).finish_non_exhaustive()
    }
}
