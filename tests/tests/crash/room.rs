//! A disk that is full, a folder that cannot be written to, and a checkpoint that another process uses.
//!
//! Full and read-only are a small file system in memory, mounted in a namespace of its own, so that nobody else sees it.
//! Where the machine allows neither that nor a mount, as in some containers, these tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use firesteel_state::CheckpointLock;

use crate::process::{self, Ended};
use crate::program::{Backend, Run, TEXT_SINKS};
use crate::{input, invariants, results};

/// The variable that names the folder to mount on, for the tests that run in the namespace.
const MOUNT: &str = "FIRESTEEL_CRASH_MOUNT";

/// Runs the ignored test `inside` of this module in a namespace where it may mount.
fn in_namespace(inside: &str) {
    let folder = process::folder();
    for flags in ["-m", "-rm"] {
        let can = Command::new("unshare").args([flags, "mount", "-t", "tmpfs", "none"]).arg(folder.path()).output();
        if !can.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let mut command = Command::new("unshare");
        command.arg(flags).arg(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("room::{inside}"), "--ignored", "--nocapture"]).env(MOUNT, folder.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    println!("{inside} is skipped: this machine lets nobody mount a file system");
}

fn mount(folder: &Path, options: &str) {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder).status().unwrap();
    assert!(mounted.success(), "mounting with {options}");
}

fn folder_to_mount_on() -> PathBuf {
    std::env::var(MOUNT).expect("it runs in a namespace, which the test of the same name makes").into()
}

#[test]
fn a_full_disk_stops_the_job_which_resumes_when_there_is_room() {
    in_namespace("full");
}

#[test]
#[ignore = "it needs a namespace, which another test makes"]
fn full() {
    let folder = folder_to_mount_on();
    for backend in [Backend::None, Backend::Lazy] {
        let mut stopped = 0;
        // The write that fails is another one each time.
        for pages in (0..30).step_by(3) {
            mount(&folder, "size=2m");
            input::write(&folder);
            let run = Run { backend, ..Run::new(&folder) };
            let crash = Run { crash: Some(("epoch.ended".to_owned(), 5)), ..run.clone() };
            assert_eq!(process::start(&crash, None), Ended::Crashed);
            let ballast = folder.join("ballast");
            fill(&ballast, 4096 * pages);
            let committed: Vec<u64> =
                TEXT_SINKS.iter().map(|name| results::last_of_text_files(&folder.join(name))).collect();
            match process::start(&run, None) {
                Ended::Drained => {}
                Ended::Stopped(error) => {
                    stopped += 1;
                    assert!(error.contains("No space left") || error.contains("os error 28"), "{error}");
                    assert!(error.contains("FS-"), "{error}");
                }
                Ended::Crashed => panic!("the job has crashed"),
            }
            // Nothing is gone that was there, and whatever is on the disk is what may be there.
            let now: Vec<u64> = TEXT_SINKS.iter().map(|name| results::last_of_text_files(&folder.join(name))).collect();
            assert!(committed.iter().zip(&now).all(|(before, now)| before <= now), "{committed:?}, {now:?}");
            assert_eq!(invariants::at_any_moment(&run), Ok(()), "{backend:?}, {pages} pages");
            std::fs::remove_file(&ballast).unwrap();
            assert_eq!(process::start(&run, None), Ended::Drained, "{backend:?}, {pages} pages");
            assert_eq!(invariants::at_the_end(&run), Ok(()), "{backend:?}, {pages} pages");
            assert!(Command::new("umount").arg(&folder).status().unwrap().success());
        }
        assert!(stopped > 4, "{backend:?}: {stopped} of 10 jobs were stopped");
    }
}

/// Fills a file until the disk is full, and then frees this many bytes.
fn fill(file: &Path, free: usize) {
    use std::io::Write as _;
    let mut ballast = std::fs::File::create(file).unwrap();
    let page = [0; 4096];
    let mut length = 0;
    while ballast.write_all(&page).is_ok() {
        length += page.len();
    }
    ballast.set_len(length.saturating_sub(free) as u64).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_to_stops_the_job_and_is_left_as_it_is() {
    in_namespace("read_only");
}

#[test]
#[ignore = "it needs a namespace, which another test makes"]
fn read_only() {
    let folder = folder_to_mount_on();
    mount(&folder, "size=8m");
    input::write(&folder);
    let run = Run::new(&folder);
    let crash = Run { crash: Some(("epoch.prepared".to_owned(), 5)), ..run.clone() };
    assert_eq!(process::start(&crash, None), Ended::Crashed);
    let remount = |how| {
        let options = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&folder).status().unwrap().success(), "{how}");
    };
    let before: Vec<_> = process::files(&folder).iter().map(|file| std::fs::read(file).unwrap()).collect();
    remount("ro");
    let Ended::Stopped(error) = process::start(&run, None) else { panic!("it cannot be written to") };
    assert!(error.contains("FS-") && error.contains("Read-only"), "{error}");
    let after: Vec<_> = process::files(&folder).iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(before, after);
    remount("rw");
    assert_eq!(process::start(&run, None), Ended::Drained);
    assert_eq!(invariants::at_the_end(&run), Ok(()));
}

#[test]
fn a_checkpoint_belongs_to_one_process() {
    let folder = process::folder();
    input::write(folder.path());
    let run = Run::new(folder.path());
    let crash = Run { crash: Some(("epoch.prepared".to_owned(), 5)), ..run.clone() };
    assert_eq!(process::start(&crash, None), Ended::Crashed);
    let lock = CheckpointLock::acquire(&run.checkpoint()).unwrap();
    let before: Vec<_> = process::files(&run.checkpoint()).iter().map(|file| std::fs::read(file).unwrap()).collect();
    let Ended::Stopped(error) = process::start(&run, None) else { panic!("somebody else has the checkpoint") };
    assert!(error.contains("FS-T004"), "{error}");
    let after: Vec<_> = process::files(&run.checkpoint()).iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(before, after);
    // Without the lock there would be two.
    assert_eq!(process::start(&run, Some("no-lock")), Ended::Drained);
    drop(lock);
    assert_eq!(process::start(&run, None), Ended::Drained);
    assert_eq!(invariants::at_the_end(&run), Ok(()));
}
