//! `firesteel checkpoint diff`: a checkpoint beside the description of a program, with the verdict of its start.

use firesteel_state::{Comparison, Cursor, EpochLog, JobDescription, StateError, Verdict};
use serde::Serialize;

use crate::Outcome;
use crate::args::Diff;
use crate::error::{CliError, Result};
use crate::folder::Folder;
use crate::screen::Screen;

/// The comparison, as JSON.
#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    conclusion: &'a str,
    /// The epoch that another program has prepared and that is not known to be committed.
    unfinished: Option<u64>,
}

pub(crate) fn run(args: &Diff, screen: &mut Screen<'_>) -> Result<Outcome> {
    let folder = Folder::open(&args.target)?;
    let declared = read(args)?;
    let manifests = folder.manifests()?;
    let catalog = folder.catalog(&manifests)?;
    let (cursor, is_committed) = folder.steady(|| {
        let log = folder.reader()?;
        let last = log.last_epoch().unwrap_or(0);
        Ok((Cursor::at(&manifests.sound, &log, last)?, log.committed() >= last))
    })?;
    let comparison = declared.compare(&catalog, &cursor).permitting(&args.allow_loss, &catalog);
    let resumes = comparison.verdict() == Verdict::Resumes;
    // A declaration that makes no sense is told as the job would tell it.
    if let Err(error @ StateError::Declaration { .. }) = catalog.with(&declared.states, true) {
        return Err(error.into());
    }
    let conclusion = comparison.conclusion();
    let is_other = cursor.program != declared.fingerprint();
    let unfinished = (!is_committed && is_other).then_some(cursor.epoch);
    if args.target.json {
        screen.json(&Compared { comparison: &comparison, conclusion: &conclusion, unfinished })?;
    } else {
        screen.print(&comparison)?;
        screen.line(&conclusion)?;
        if let Some(epoch) = unfinished {
            screen.line(format_args!(
                "epoch {epoch} was prepared by another program and is not known to be committed: the sinks are asked. If\n\
                 some of them have it and others do not, the program is refused until the other one has finished it"
            ))?;
        }
    }
    Ok(if resumes { Outcome::Well } else { Outcome::Wrong })
}

fn read(args: &Diff) -> Result<JobDescription> {
    let path = &args.description;
    let wrong = |source| CliError::Description { path: path.clone(), source };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.into()))
}
