//! Records as lines of text files.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::folder::create_new;
use crate::operator::Operator;
use crate::rdd::Rdd;
use crate::storage::write_whole;
use crate::task::TaskContext;

pub(super) fn save<R: Rdd<Item: Display>>(rdd: &R, operator: &Operator, folder: &Path) -> Result<()> {
    create_new(operator, folder)?;
    let to: Arc<Path> = folder.into();
    let by = operator.clone();
    let write = move |rdd: &R, split, task: &TaskContext| {
        let lines = rdd.compute(split, task);
        let part = to.join(format!("part-{split:05}"));
        let written = write_whole(&part, task.identity().attempt, |file| write_lines(file, lines, &by, task));
        written.unwrap_or_else(|source| task.fail_with(Error::File { action: "write", path: part, source }, true));
    };
    let done = rdd.node().context().run(rdd, write).and_then(|_| {
        let marker = folder.join("_SUCCESS");
        File::create(&marker).map(drop).map_err(|source| Error::File { action: "create", path: marker, source })
    });
    if done.is_err() {
        // The folder is this call's own: nobody else has put anything into it.
        let _ = fs::remove_dir_all(folder);
    }
    done
}

fn write_lines<T: Display>(
    file: &mut impl Write,
    lines: impl Iterator<Item = T>,
    operator: &Operator,
    task: &TaskContext,
) -> io::Result<()> {
    let mut outcome = Ok(());
    task.drain(lines, |line| {
        if outcome.is_ok() {
            outcome = task.blame_on(operator, || writeln!(file, "{line}"));
        }
    });
    outcome
}
