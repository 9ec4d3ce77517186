//! Runs every side on the same data in turn and compares them; `--help` lists
//! the options.

use std::process::ExitCode;

use clap::Parser;
use firesteel_benches::ad_events::{AdEvents, Campaigns};
use firesteel_benches::keys::OwnedKey;
use firesteel_benches::measured::{Measured, Outcome};
use firesteel_benches::options::Options;
use firesteel_benches::reference;
use firesteel_benches::report::{Figure, Group, heading};
use firesteel_benches::results::Results;
use firesteel_benches::sides::{RunEvents, SIDES, Side};
use firesteel_benches::text_records::TextRecords;
use firesteel_benches::workload::{Setting, Workload};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: some results differ from the reference; their figures are void");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: the results cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything that was asked for; whether all results were right.
fn run(options: &Options) -> std::io::Result<bool> {
    let mut results = Results::create(&options.results_path())?;
    let mut all_correct = true;
    for &workload in &options.workload {
        eprintln!("{workload}: generating the data and the reference result");
        let job = Job::prepare(workload, options);
        print!("{}", heading());
        for setting in options.settings() {
            let figures = job.measure(setting, options);
            for figure in &figures {
                results.append(figure)?;
                all_correct &= figure.correct;
            }
            println!("{}", Group(&figures));
        }
    }
    Ok(all_correct)
}

/// Runs the workload on a side, unless that side cannot.
type RunSide = Box<dyn Fn(&Side, Setting) -> Option<Measured>>;

/// A workload with its data and its right answer.
struct Job {
    workload: Workload,
    expected: Outcome,
    run: RunSide,
}

impl Job {
    /// Generates the data, which lives as long as the process.
    fn prepare(workload: Workload, options: &Options) -> Self {
        let each = |default| Campaigns::Each(options.keys.unwrap_or(default));
        match workload {
            Workload::W1a => Self::windows(workload, options, Campaigns::Hundred, |side| side.w1a),
            Workload::W1b => Self::windows(workload, options, each(1_000_000), |side| side.w1b),
            Workload::W1c => Self::windows(workload, options, each(10_000), |side| side.w1c),
            Workload::W2 => {
                let data: &'static TextRecords =
                    Box::leak(Box::new(TextRecords::generate(options.records, options.seed)));
                Self {
                    workload,
                    expected: reference::records(data),
                    run: Box::new(|side, setting| Some(side.w2?(data, setting))),
                }
            }
        }
    }

    /// A workload of ad events.
    fn windows<K: OwnedKey>(
        workload: Workload,
        options: &Options,
        campaigns: Campaigns,
        program: impl Fn(&Side) -> Option<RunEvents<K>> + 'static,
    ) -> Self {
        let data: &'static AdEvents<K> =
            Box::leak(Box::new(AdEvents::generate(options.events, campaigns, options.seed)));
        let run = move |side: &Side, setting| Some(program(side)?(data, setting));
        Self { workload, expected: reference::windows(data), run: Box::new(run) }
    }

    /// Runs the sides alternately, each first in its turn, so that a disturbance
    /// of the machine hits all of them alike.
    fn measure(&self, setting: Setting, options: &Options) -> Vec<Figure> {
        let takes_part = |side: &&Side| match options.sides.as_slice() {
            [] => side.by_default,
            names => names.iter().any(|name| name == side.name),
        };
        let sides: Vec<&Side> = SIDES.iter().filter(takes_part).collect();
        let mut figures: Vec<Option<Figure>> = vec![None; sides.len()];
        for round in 0..options.rounds {
            for turn in 0..sides.len() {
                let index = (round + turn) % sides.len();
                let side = sides[index];
                let Some(measured) = (self.run)(side, setting) else {
                    continue;
                };
                let figure = figures[index].get_or_insert_with(|| Figure {
                    workload: self.workload,
                    side: side.name,
                    setting,
                    rates: Vec::new(),
                    correct: true,
                });
                figure.rates.push(measured.events_per_second());
                figure.correct &= measured.outcome == self.expected;
            }
        }
        figures.into_iter().flatten().collect()
    }
}
