//! `firesteel checkpoint diff`: a checkpoint beside the description of a program.

use firesteel_state::{Cursor, EpochLog, JobDescription, StateError};
use serde::Serialize;

use crate::Outcome;
use crate::args::Diff;
use crate::error::{CliError, Result};
use crate::folder::Folder;
use crate::screen::Screen;

/// The comparison, as JSON.
#[derive(Serialize)]
struct Compared<'a> {
    fits: bool,
    differs: &'a [String],
    lost: &'a [String],
    new: &'a [String],
    kept: &'a [String],
}

pub(crate) fn run(args: &Diff, screen: &mut Screen<'_>) -> Result<Outcome> {
    let folder = Folder::open(&args.target)?;
    let declared = read(args)?;
    let manifests = folder.manifests()?;
    let catalog = folder.catalog(&manifests)?;
    let cursor = folder.steady(|| {
        let log = folder.reader()?;
        Ok(Cursor::at(&manifests.sound, &log, log.last_epoch().unwrap_or(0))?)
    })?;
    let comparison = declared.compare(&catalog, &cursor);
    // A declaration that makes no sense is told as the job would tell it.
    if let Err(error @ StateError::Declaration { .. }) = catalog.with(&declared.states, true) {
        return Err(error.into());
    }
    let goes_on = comparison.fits() && comparison.lost().is_empty();
    if args.target.json {
        screen.json(&Compared {
            fits: comparison.fits(),
            differs: comparison.differs(),
            lost: comparison.lost(),
            new: comparison.new_states(),
            kept: comparison.kept(),
        })?;
    } else {
        screen.print(&comparison)?;
        screen.line(if !comparison.fits() {
            "the program is refused: go back to the types that are stored, or give what has changed another name"
        } else if goes_on {
            "the program goes on from this checkpoint"
        } else {
            "the program is refused unless it says Checkpoint::allow_loss(true): it would lose what is named above"
        })?;
    }
    Ok(if goes_on { Outcome::Well } else { Outcome::Wrong })
}

fn read(args: &Diff) -> Result<JobDescription> {
    let path = &args.description;
    let wrong = |source| CliError::Description { path: path.clone(), source };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.into()))
}
