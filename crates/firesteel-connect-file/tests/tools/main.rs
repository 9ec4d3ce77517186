//! The programs by which logs are rotated, packed and copied elsewhere, at work on a log that is followed. A program that is missing
//! fails the test: `cargo xtask test` installs them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../life/follower.rs"]
#[allow(dead_code, reason = "these tests use some of it")]
mod follower;

use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use follower::Follower;

/// Runs a program, which also those find that are no superuser.
fn run(program: &str, arguments: &[&str], folder: &Path) {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(arguments).current_dir(folder).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is needed ({error}): on Debian, apt-get install it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

fn append(path: &Path, lines: RangeInclusive<u32>) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    lines.for_each(|line| writeln!(file, "{line}").unwrap());
}

fn numbers(follower: &mut Follower) -> Vec<u32> {
    let mut lines: Vec<u32> = follower.lines.iter().map(|line| line.parse().unwrap()).collect();
    lines.sort_unstable();
    lines
}

/// A folder for logs, and one for what is no log.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::create_dir(folder.path().join("origin")).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Rotates the log as logrotate does by these rules, whether it is time for it or not.
    fn rotate(&self, rules: &str, round: u32) {
        let log = self.at("logs/a.log");
        let rules = rules.replace("ROUND", &format!("{round:02}"));
        let config = format!("{} {{\n{rules}\n}}\n", log.display());
        fs::write(self.at("rules"), config).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(self.at("rules"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        run("logrotate", &["--force", "--state", "state", "rules"], self.0.path());
    }
}

/// The ways to follow the log.
const PATHS: [&str; 3] = ["logs/a.log", "logs", "logs/a.log*"];

#[test]
fn a_log_that_logrotate_rotates_is_read_once_by_whatever_rules() {
    let rules = [
        ("create", "rotate 9\ncreate"),
        ("gone until the writer makes it", "rotate 9\nnocreate\nmissingok"),
        ("compressed", "rotate 9\ncreate\ncompress"),
        ("compressed a round later", "rotate 9\ncreate\ncompress\ndelaycompress"),
        ("copied and cut", "rotate 9\ncopytruncate"),
        ("copied, cut and compressed", "rotate 9\ncopytruncate\ncompress"),
        ("copied, cut and compressed later", "rotate 9\ncopytruncate\ncompress\ndelaycompress"),
        ("dated", "rotate 9\ncreate\ndateext\ndateformat -ROUND-%Y%m%d"),
        ("dated and compressed", "rotate 9\ncreate\ndateext\ndateformat -ROUND-%Y%m%d\ncompress\ndelaycompress"),
        ("few are kept", "rotate 1\ncreate\ncompress"),
        ("none is kept", "rotate 0\ncreate"),
        ("by zstd", "rotate 9\ncreate\ncompress\ncompresscmd /usr/bin/zstd\ncompressext .zst\ncompressoptions -q"),
        ("by xz", "rotate 9\ncreate\ncompress\ncompresscmd /usr/bin/xz\ncompressext .xz"),
        ("by bzip2", "rotate 9\ncreate\ncompress\ncompresscmd /usr/bin/bzip2\ncompressext .bz2"),
    ];
    let mut failures = Vec::new();
    for (name, rules) in rules {
        for path in PATHS {
            for is_stopped in [false, true] {
                for most in [None, Some(5)] {
                    let world = World::new();
                    let log = world.at("logs/a.log");
                    let mut follower = Follower::told(&world.at(path), most.is_some()).unwrap();
                    let mut next = 1;
                    for round in 1..=6 {
                        append(&log, next..=next + 9);
                        follower.most = most;
                        follower.step().unwrap();
                        if !rules.contains("rotate 9") {
                            // What is removed has to have been read.
                            follower.drain().unwrap();
                        } else {
                            append(&log, next + 10..=next + 14);
                            next += 5;
                        }
                        next += 10;
                        world.rotate(rules, round);
                        append(&log, next..=next + 2);
                        next += 3;
                        if is_stopped {
                            follower.restart().unwrap();
                        }
                        if let Err(error) = follower.step() {
                            failures.push(format!("{name}, {path}, stopped: {is_stopped}, {most:?}: {error}"));
                        }
                    }
                    follower.most = None;
                    if let Err(error) = follower.drain() {
                        failures.push(format!("{name}, {path}, stopped: {is_stopped}, {most:?}: {error}"));
                    }
                    let lines = numbers(&mut follower);
                    if !lines.iter().copied().eq(1..next) {
                        let lost: Vec<u32> = (1..next).filter(|line| !lines.contains(line)).collect();
                        let case = format!("{name}, {path}, stopped: {is_stopped}, {most:?}");
                        failures.push(format!("{case}: {} of {} lines, lost {lost:?}", lines.len(), next - 1));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_piece_that_a_packer_packs_in_place_is_read_once() {
    let packers: [(&str, &[&str]); 5] =
        [("gzip", &[]), ("gzip", &["-9"]), ("zstd", &["--rm", "-q"]), ("xz", &["-1"]), ("bzip2", &[])];
    for (packer, arguments) in packers {
        for path in PATHS {
            for is_stopped in [false, true] {
                let world = World::new();
                let log = world.at("logs/a.log");
                append(&log, 1..=5_000);
                let mut follower = Follower::of(&world.at(path)).unwrap();
                follower.most = Some(100);
                follower.step().unwrap();
                append(&log, 5_001..=6_000);
                fs::rename(&log, world.at("logs/a.log.1")).unwrap();
                append(&log, 6_001..=6_010);
                run(packer, &[arguments, &["logs/a.log.1"]].concat(), world.0.path());
                if is_stopped {
                    follower.restart().unwrap();
                }
                follower.most = None;
                follower.drain().unwrap();
                let case = format!("{packer} {arguments:?}, {path}, stopped: {is_stopped}");
                assert!(numbers(&mut follower).into_iter().eq(1..=6_010), "{case}: {}", follower.lines.len());
            }
        }
    }
}

#[test]
fn a_log_that_rsync_copies_is_read_once_however_it_does_it() {
    let ways: [(&str, &[&str], bool); 5] = [
        ("under another name, then renamed", &["-a"], true),
        ("without times", &["-r"], true),
        ("in place", &["-a", "--inplace"], true),
        ("in place, only what differs", &["-a", "--inplace", "--no-whole-file"], true),
        // What is shorter than before is not copied at all.
        ("appended", &["-a", "--append"], false),
    ];
    for (name, arguments, is_rotated) in ways {
        for path in PATHS {
            for is_stopped in [false, true] {
                let world = World::new();
                let origin = world.at("origin/a.log");
                let mut follower = Follower::of(&world.at(path)).unwrap();
                let mut next = 1;
                for round in 1..=6 {
                    append(&origin, next..=next + 99);
                    next += 100;
                    // More than before: rsync takes a file of the same size and second for the same.
                    if is_rotated && round % 3 == 0 {
                        fs::rename(&origin, world.at(&format!("origin/a.log.{round}"))).unwrap();
                        append(&origin, next..=next + 9);
                        next += 10;
                    }
                    run("rsync", &[arguments, &["origin/", "logs/"]].concat(), world.0.path());
                    if is_stopped {
                        follower.restart().unwrap();
                    }
                    follower.drain().unwrap();
                }
                let case = format!("{name}, {path}, stopped: {is_stopped}");
                let lines = numbers(&mut follower);
                assert!(lines.iter().copied().eq(1..next), "{case}: {} of {} lines", lines.len(), next - 1);
            }
        }
    }
}
