//! Files of a checkpoint that are not as they were written: an older base and equal results, or a clear stop. Never a
//! start from nothing, and never wrong totals.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::process::{self, Ended};
use crate::program::{Backend, Run};
use crate::{input, invariants};

/// What becomes of a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Missing,
    Empty,
    /// This many quarters of it are left.
    Cut(usize),
    LastByteCut,
    /// A bit has changed, this many eighths into the file.
    Flipped(usize),
    /// It is as it was some epochs before.
    Stale,
}

const DAMAGES: [Damage; 10] = [
    Damage::Missing,
    Damage::Empty,
    Damage::Cut(1),
    Damage::Cut(3),
    Damage::LastByteCut,
    Damage::Flipped(0),
    Damage::Flipped(3),
    Damage::Flipped(5),
    Damage::Flipped(7),
    Damage::Stale,
];

impl Damage {
    /// Does it to the file; `false` if it changes nothing.
    fn does(self, file: &Path, before: &Path) -> bool {
        let bytes = std::fs::read(file).unwrap();
        let mut damaged = bytes.clone();
        match self {
            Self::Missing => {
                std::fs::remove_file(file).unwrap();
                return true;
            }
            Self::Empty => damaged.clear(),
            Self::Cut(quarters) => damaged.truncate(bytes.len() * quarters / 4),
            Self::LastByteCut => damaged.truncate(bytes.len().saturating_sub(1)),
            Self::Flipped(eighths) if !bytes.is_empty() => damaged[(bytes.len() - 1) * eighths / 7] ^= 0x10,
            Self::Flipped(_) => {}
            Self::Stale => damaged = std::fs::read(before).unwrap_or(bytes.clone()),
        }
        std::fs::write(file, &damaged).unwrap();
        damaged != bytes
    }
}

/// A job that was ended after its ninth epoch, and its checkpoint as it was some epochs before.
struct Ran {
    folder: tempfile::TempDir,
    earlier: PathBuf,
    run: Run,
}

fn ran(run: Run) -> Ran {
    let folder = process::folder();
    input::write(folder.path());
    let run = Run { folder: folder.path().to_owned(), ..run };
    let crash = |hit| Run { crash: Some(("epoch.ended".to_owned(), hit)), ..run.clone() };
    let earlier = folder.path().join("earlier");
    // In the second process, epochs are counted anew.
    assert_eq!(process::start(&crash(7), None), Ended::Crashed);
    process::copy(&run.checkpoint(), &earlier);
    assert_eq!(process::start(&crash(2), None), Ended::Crashed);
    Ran { folder, earlier, run }
}

impl Ran {
    /// Resumes from a copy that `damage` has changed; whether it resumes at all.
    fn resumes(&self, what: &str, damage: impl FnOnce(&Run) -> bool) -> Option<bool> {
        let copy = process::folder();
        process::copy(self.folder.path(), copy.path());
        let input = Some(self.folder.path().join("in"));
        let run = Run { folder: copy.path().to_owned(), input, ..self.run.clone() };
        if !damage(&run) {
            return None;
        }
        match process::start(&run, None) {
            Ended::Drained => {
                if let Err((rule, found)) = invariants::results(&run) {
                    panic!("{what}: {rule}: {found}");
                }
                Some(true)
            }
            Ended::Crashed => panic!("{what}: the job has crashed"),
            Ended::Stopped(error) => {
                // The error says which file, epoch or sink is at fault, and has a code.
                let codes = ["FS-T002", "FS-T011", "FS-T012", "FS-S011"];
                assert!(codes.iter().any(|code| error.contains(code)), "{what}: {error}");
                Some(false)
            }
        }
    }
}

#[test]
fn any_damage_of_any_file_leads_to_an_older_base_or_to_a_clear_stop() {
    let mut outcomes = BTreeMap::<(String, bool), usize>::new();
    for backend in [Backend::None, Backend::Lazy] {
        let ran = ran(Run { backend, ..Run::new("") });
        for file in process::files(&ran.run.checkpoint()) {
            let name = file.strip_prefix(ran.run.checkpoint()).unwrap();
            // What the backend's own file does is the backend's affair; here it is one of the tests.
            if name == Path::new("LOCK") || name.starts_with("state") {
                continue;
            }
            for damage in DAMAGES {
                let what = format!("{backend:?}, {}: {damage:?}", name.display());
                let change = |run: &Run| damage.does(&run.checkpoint().join(name), &ran.earlier.join(name));
                if let Some(resumes) = ran.resumes(&what, change) {
                    let kind = name.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
                    *outcomes.entry((kind, resumes)).or_default() += 1;
                }
            }
        }
    }
    let count = |kind: &str, resumes| outcomes.get(&(kind.to_owned(), resumes)).copied().unwrap_or(0);
    // One of two snapshots is always sound, and reaches as far.
    assert!(count("snapshots", true) > 20 && count("snapshots", false) == 0, "{outcomes:?}");
    // What the changelog alone holds is gone with it.
    assert!(count("changelog", false) > 10, "{outcomes:?}");
}

#[test]
fn a_checkpoint_that_is_missing_in_part_is_no_new_one() {
    for backend in [Backend::None, Backend::Eager] {
        let ran = ran(Run { backend, ..Run::new("") });
        for part in ["changelog", "snapshots"] {
            let remove = |run: &Run| std::fs::remove_dir_all(run.checkpoint().join(part)).is_ok();
            let resumes = ran.resumes(&format!("{backend:?}, without {part}"), remove);
            // A backend may have all values: what they are of stands in the snapshots.
            assert_eq!(resumes, Some(false), "{backend:?}, without {part}");
        }
        if backend != Backend::None {
            let remove = |run: &Run| std::fs::remove_dir_all(run.backend_folder()).is_ok();
            assert_eq!(ran.resumes("without the backend", remove), Some(true), "snapshots bring it back");
        }
    }
}

#[test]
fn an_old_copy_of_a_checkpoint_is_told_from_the_one_that_belongs_to_the_results() {
    let ran = ran(Run::new(""));
    let stale = |run: &Run| {
        std::fs::remove_dir_all(run.checkpoint()).unwrap();
        process::copy(&ran.earlier, &run.checkpoint());
        true
    };
    assert_eq!(ran.resumes("an old copy", stale), Some(false));
}

#[test]
fn both_snapshots_damaged_is_a_clear_stop() {
    for kind in [".images", ".manifest"] {
        let ran = ran(Run::new(""));
        let all = |run: &Run| {
            let files = process::files(&run.checkpoint().join("snapshots"));
            let of_kind = files.iter().filter(|file| file.to_string_lossy().ends_with(kind));
            of_kind.map(|file| Damage::Flipped(3).does(file, file)).filter(|done| *done).count() >= 2
        };
        assert_eq!(ran.resumes(kind, all), Some(false), "{kind}");
    }
}
