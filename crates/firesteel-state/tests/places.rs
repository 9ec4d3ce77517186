//! The suite for places of snapshots: a sound one passes, and every broken one is told which rule it breaks.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use firesteel_state::{Class, FolderStore, Result, SnapshotStore, StateError, conformance};

/// What a place does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Nameless,
    CutsLongFiles,
    Replaces,
    KeepsTheFirstSilently,
    ExistsWithoutSaying,
    PartsFromTheStart,
    RefusesPartsAfterTheEnd,
    ListsTwice,
    HidesEmptyFiles,
    MissingIsEmpty,
    MissingCannotGo,
    DeletesTooMuch,
    DeletesNothing,
    ForgetsOnReopening,
    BringsBackOnReopening,
    ListsOnlyTheNewest,
}

type Files = BTreeMap<String, Vec<u8>>;

struct Place {
    fault: Fault,
    files: Arc<Mutex<Files>>,
    /// Everything that ever was there.
    ever: Arc<Mutex<Files>>,
}

fn failed(action: &str) -> StateError {
    let (backend, class) = ("a place".into(), Class::Fatal);
    StateError::Backend { backend, action: action.into(), class, source: "it is not there".into() }
}

impl Place {
    fn new(fault: Fault) -> Self {
        Self { fault, files: Arc::default(), ever: Arc::default() }
    }

    fn reopen(self) -> Self {
        match self.fault {
            Fault::ForgetsOnReopening => Self::new(self.fault),
            Fault::BringsBackOnReopening => {
                let ever = self.ever.lock().unwrap().clone();
                Self { files: Arc::new(Mutex::new(ever)), ..self }
            }
            _ => self,
        }
    }
}

impl SnapshotStore for Place {
    fn describe(&self) -> String {
        if self.fault == Fault::Nameless { String::new() } else { "a place".into() }
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut files = self.files.lock().unwrap();
        let cut = if self.fault == Fault::CutsLongFiles { bytes.len().min(1 << 20) } else { bytes.len() };
        if files.contains_key(name) {
            match self.fault {
                Fault::Replaces => {}
                Fault::KeepsTheFirstSilently => return Ok(()),
                Fault::ExistsWithoutSaying => return Err(failed("put")),
                _ => return Err(StateError::Exists { place: self.describe(), name: name.to_owned() }),
            }
        }
        self.ever.lock().unwrap().insert(name.to_owned(), bytes[..cut].to_vec());
        files.insert(name.to_owned(), bytes[..cut].to_vec());
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        match self.files.lock().unwrap().get(name) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.fault == Fault::MissingIsEmpty => Ok(vec![]),
            None => Err(failed("get")),
        }
    }

    fn get_part(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        let bytes = self.get(name)?;
        let from = usize::try_from(from).unwrap();
        if self.fault == Fault::RefusesPartsAfterTheEnd && from > bytes.len() {
            return Err(failed("get"));
        }
        let length = usize::try_from(length).unwrap();
        let part = bytes.iter().skip(if self.fault == Fault::PartsFromTheStart { 0 } else { from });
        Ok(part.take(length).copied().collect())
    }

    fn list(&self) -> Result<Vec<String>> {
        let files = self.files.lock().unwrap();
        let mut names: Vec<String> = files.keys().cloned().collect();
        match self.fault {
            Fault::ListsTwice => names.extend(names.clone()),
            Fault::HidesEmptyFiles => names.retain(|name| !files[name].is_empty()),
            Fault::ListsOnlyTheNewest if names.len() > 5 => drop(names.drain(..2)),
            _ => {}
        }
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let mut files = self.files.lock().unwrap();
        match self.fault {
            Fault::DeletesNothing => {}
            Fault::MissingCannotGo if !files.contains_key(name) => return Err(failed("delete")),
            Fault::DeletesTooMuch => files.retain(|other, _| other.len() > name.len() && other != name),
            _ => drop(files.remove(name)),
        }
        Ok(())
    }
}

/// The rule that the suite says is broken.
fn verdict(fault: Fault) -> Option<String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| conformance::snapshot_store(|| Place::new(fault), Place::reopen)));
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().unwrap();
    Some(text.split(' ').nth(1).unwrap().to_owned())
}

#[test]
fn every_broken_place_is_told_which_rule_it_breaks() {
    use Fault as F;
    assert_eq!(verdict(F::None), None);
    let cases = [
        (F::Nameless, "P1"),
        (F::CutsLongFiles, "P2"),
        (F::Replaces, "P3"),
        (F::KeepsTheFirstSilently, "P3"),
        (F::ExistsWithoutSaying, "P3"),
        (F::PartsFromTheStart, "P12"),
        (F::RefusesPartsAfterTheEnd, "P12"),
        (F::ListsTwice, "P4"),
        (F::HidesEmptyFiles, "P4"),
        (F::MissingIsEmpty, "P5"),
        (F::MissingCannotGo, "P5"),
        (F::DeletesTooMuch, "P6"),
        (F::DeletesNothing, "P6"),
        (F::ForgetsOnReopening, "P7"),
        (F::BringsBackOnReopening, "P7"),
        (F::ListsOnlyTheNewest, "P8"),
    ];
    for (fault, rule) in cases {
        assert_eq!(verdict(fault).as_deref(), Some(rule), "{fault:?}");
    }
}

/// A folder that can be opened again.
struct Folder(FolderStore, std::path::PathBuf);

impl SnapshotStore for Folder {
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.0.put_new(name, bytes)
    }
    fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.0.get(name)
    }
    fn get_part(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        self.0.get_part(name, from, length)
    }
    fn list(&self) -> Result<Vec<String>> {
        self.0.list()
    }
    fn delete(&self, name: &str) -> Result<()> {
        self.0.delete(name)
    }
}

#[test]
fn a_folder_is_a_place_for_snapshots() {
    let root = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let open = |path: std::path::PathBuf| Folder(FolderStore::open(&path).unwrap(), path);
    let make = || {
        number.set(number.get() + 1);
        open(root.path().join(number.get().to_string()))
    };
    conformance::snapshot_store(make, |Folder(store, path)| {
        drop(store);
        open(path)
    });
}
