//! What the sinks show.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

/// The lines of each epoch.
pub(crate) type Epochs = BTreeMap<u64, Vec<String>>;

/// What is committed in a folder of text files, file by file, of the epochs that have lines; fails on files of epochs that are
/// not.
pub(crate) fn text_files(folder: &Path) -> Result<Epochs, String> {
    let mut epochs = Epochs::new();
    let committed = committed(folder);
    for name in names(folder) {
        let Some(rest) = name.strip_prefix("part-") else { continue };
        let epoch: u64 = rest[..10].parse().map_err(|_| format!("what is {name}?"))?;
        let text = std::fs::read_to_string(folder.join(&name)).map_err(|error| error.to_string())?;
        if !committed.iter().any(|covered| covered.contains(&epoch)) {
            return Err(format!("{name} belongs to no committed epoch"));
        }
        let lines = epochs.entry(epoch).or_default();
        lines.extend(text.lines().map(str::to_owned));
    }
    Ok(epochs)
}

/// The newest epoch that is committed in a folder of text files, of those that have lines.
pub(crate) fn last_of_text_files(folder: &Path) -> u64 {
    committed(folder).iter().map(|covered| *covered.end()).max().unwrap_or(0)
}

/// The epochs that the manifests of a folder of text files tell of.
fn committed(folder: &Path) -> Vec<RangeInclusive<u64>> {
    let covered = |name: &String| {
        let epochs = name.split_once('.').map_or(&name[..], |(epochs, _)| epochs);
        let (first, last) = epochs.split_once('-').unwrap_or((epochs, epochs));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    names(&folder.join("_committed")).iter().filter_map(covered).collect()
}

/// What is in the ledger.
pub(crate) fn ledger(folder: &Path) -> Result<Epochs, String> {
    let text = std::fs::read_to_string(folder.join("ledger")).unwrap_or_default();
    let mut epochs = Epochs::new();
    for line in text.lines() {
        let (epoch, line) = line.split_once(' ').ok_or("a line of the ledger has no epoch")?;
        let lines = epochs.entry(epoch.parse().map_err(|_| "a line of the ledger has no epoch")?).or_default();
        match line {
            line if line.starts_with("end ") => {}
            "again" => return Err(format!("epoch {epoch} was committed twice to the ledger")),
            line => lines.push(line.to_owned()),
        }
    }
    Ok(epochs)
}

/// The newest epoch in the ledger.
pub(crate) fn last_of_ledger(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("ledger")).unwrap_or_default();
    text.lines().last().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The bytes of all files that are committed.
pub(crate) fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let parts = names(folder).into_iter().filter(|name| name.starts_with("part-"));
    parts.map(|name| (name.clone(), std::fs::read(folder.join(&name)).unwrap_or_default())).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}
