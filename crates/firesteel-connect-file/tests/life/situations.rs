//! What happens to files, in every way of reading them.

use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use firesteel_connect::{ConnectError, Result};
use firesteel_connect_file::{OnMissing, TextFiles};
use firesteel_window::Duration;

use crate::follower::Follower;

/// A folder in which things happen.
struct World(tempfile::TempDir);

impl World {
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join("logs").join(name)
    }

    fn append(&self, name: &str, lines: RangeInclusive<u32>) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.at(name)).unwrap();
        lines.for_each(|line| writeln!(file, "{line}").unwrap());
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.at(from), self.at(to)).unwrap();
    }

    fn cut(&self, name: &str) {
        fs::OpenOptions::new().write(true).open(self.at(name)).unwrap().set_len(0).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.at(name)).unwrap();
    }

    /// As gzip does: the compressed file keeps the time of the other one, which is removed then.
    fn pack(&self, name: &str, with: &str) {
        self.pack_as(name, &format!("{name}.{with}"));
        self.remove(name);
    }

    fn pack_as(&self, name: &str, to: &str) {
        let text = fs::read(self.at(name)).unwrap();
        let packed = if to.ends_with("gz") { crate::common::gzip(&text) } else { crate::common::zstd(&text) };
        fs::write(self.at(to), packed).unwrap();
        let modified = fs::metadata(self.at(name)).unwrap().modified().unwrap();
        fs::File::options().write(true).open(self.at(to)).unwrap().set_modified(modified).unwrap();
    }
}

type Stage = Box<dyn Fn(&World)>;

/// Stages between which a job looks, or is stopped; and which lines there are, from 1 on.
struct Situation {
    name: &'static str,
    stages: Vec<Stage>,
    lines: u32,
    /// Whether the pieces are still there where only the log itself is followed.
    is_for_one: bool,
}

fn situation(name: &'static str, lines: u32, stages: Vec<Stage>) -> Situation {
    Situation { name, stages, lines, is_for_one: true }
}

fn stage(run: impl Fn(&World) + 'static) -> Stage {
    Box::new(run)
}

fn situations(with: &'static str) -> Vec<Situation> {
    let begin = || stage(|world| world.append("a.log", 1..=5));
    vec![
        situation(
            "renamed and made anew",
            9,
            vec![
                begin(),
                stage(|world| {
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 6..=9);
                }),
            ],
        ),
        situation(
            "renamed, written to, made anew later",
            12,
            vec![
                begin(),
                stage(|world| world.rename("a.log", "a.log.1")),
                stage(|world| world.append("a.log.1", 6..=7)),
                stage(|world| world.append("a.log", 8..=12)),
            ],
        ),
        situation(
            "rotated with lines that nobody has seen",
            20,
            vec![
                begin(),
                stage(|world| {
                    world.append("a.log", 6..=8);
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 9..=20);
                }),
            ],
        ),
        situation(
            "rotated twice, with names that move on",
            14,
            vec![
                begin(),
                stage(|world| {
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 6..=9);
                }),
                stage(|world| {
                    world.rename("a.log.1", "a.log.2");
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 10..=14);
                }),
            ],
        ),
        situation(
            "rotated twice at once",
            14,
            vec![
                begin(),
                stage(|world| {
                    world.append("a.log", 6..=6);
                    world.rename("a.log", "a.log.2");
                    world.append("a.log", 7..=9);
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 10..=14);
                }),
            ],
        )
        .whole(),
        situation(
            "copied and cut",
            12,
            vec![
                begin(),
                stage(|world| {
                    world.append("a.log", 6..=7);
                    world.copy("a.log", "a.log.1");
                    world.cut("a.log");
                    world.append("a.log", 8..=12);
                }),
            ],
        ),
        situation(
            "copied and cut, with time between",
            13,
            vec![
                begin(),
                stage(|world| world.copy("a.log", "a.log.1")),
                stage(|world| world.cut("a.log")),
                stage(|world| world.append("a.log", 6..=13)),
            ],
        ),
        situation(
            "copied and cut, and longer than before at once",
            40,
            vec![
                begin(),
                stage(|world| {
                    world.copy("a.log", "a-20240131.log");
                    world.cut("a.log");
                    world.append("a.log", 6..=40);
                }),
            ],
        ),
        situation(
            "cut, all of it having been read",
            9,
            vec![
                begin(),
                stage(|world| {
                    world.cut("a.log");
                    world.append("a.log", 6..=9);
                }),
            ],
        ),
        situation("compressed in place", 5, vec![begin(), stage(move |world| world.pack("a.log", with))]),
        situation(
            "compressed in place, with time between",
            5,
            vec![
                begin(),
                stage(move |world| world.pack_as("a.log", &format!("a.log.{with}"))),
                stage(|world| world.remove("a.log")),
            ],
        ),
        situation(
            "compressed in place, with lines that nobody has seen",
            9,
            vec![
                begin(),
                stage(move |world| {
                    world.append("a.log", 6..=9);
                    world.pack("a.log", with);
                }),
            ],
        ),
        situation(
            "rotated and compressed later, as logrotate does",
            15,
            vec![
                begin(),
                stage(|world| {
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 6..=9);
                }),
                stage(move |world| {
                    world.rename("a.log.1", "a.log.2");
                    world.pack("a.log.2", with);
                    world.rename("a.log", "a.log.1");
                    world.append("a.log", 10..=15);
                }),
                stage(move |world| world.rename(&format!("a.log.2.{with}"), &format!("a.log.3.{with}"))),
            ],
        ),
        situation(
            "rotated and compressed at once",
            12,
            vec![
                begin(),
                stage(move |world| {
                    world.append("a.log", 6..=7);
                    world.rename("a.log", "a.log.1");
                    world.pack("a.log.1", with);
                    world.append("a.log", 8..=12);
                }),
            ],
        ),
        situation(
            "restored from a copy",
            8,
            vec![
                begin(),
                stage(|world| {
                    world.copy("a.log", ".copy");
                    world.remove("a.log");
                    world.rename(".copy", "a.log");
                }),
                stage(|world| world.append("a.log", 6..=8)),
            ],
        ),
        situation(
            "removed when it was read, and made anew",
            9,
            vec![begin(), stage(|world| world.remove("a.log")), stage(|world| world.append("a.log", 6..=9))],
        ),
        situation(
            "away for a moment, having been read",
            7,
            vec![
                begin(),
                stage(|world| fs::rename(world.at("a.log"), world.0.path().join("away")).unwrap()),
                stage(|world| fs::rename(world.0.path().join("away"), world.at("a.log")).unwrap()),
                stage(|world| world.append("a.log", 6..=7)),
            ],
        ),
        situation("not there yet", 5, vec![stage(|_| {}), begin()]),
        #[cfg(unix)]
        situation(
            "a link that moves on",
            9,
            vec![
                stage(|world| {
                    world.append("a-1.log", 1..=5);
                    std::os::unix::fs::symlink(world.at("a-1.log"), world.at("a.log")).unwrap();
                }),
                stage(|world| {
                    world.append("a-1.log", 6..=6);
                    world.append("a-2.log", 7..=9);
                    world.remove("a.log");
                    std::os::unix::fs::symlink(world.at("a-2.log"), world.at("a.log")).unwrap();
                }),
            ],
        ),
        #[cfg(unix)]
        situation(
            "a second name",
            6,
            vec![
                stage(|world| {
                    world.append("a.log", 1..=5);
                    fs::hard_link(world.at("a.log"), world.at("a.log.same")).unwrap();
                }),
                stage(|world| world.remove("a.log.same")),
                stage(|world| world.append("a.log", 6..=6)),
            ],
        ),
    ]
}

impl Situation {
    /// One in which a piece was never seen under the name that is followed.
    fn whole(self) -> Self {
        Self { is_for_one: false, ..self }
    }

    fn run(&self, path: &str, is_stopped: bool, most: Option<u64>, is_notified: bool) -> Result<Vec<String>> {
        let world = World(tempfile::tempdir().unwrap());
        fs::create_dir(world.0.path().join("logs")).unwrap();
        let mut follower = Follower::told(&world.at(path), is_notified)?;
        follower.most = most;
        for stage in &self.stages {
            stage(&world);
            if is_stopped {
                follower.restart()?;
            }
            // A read of what there is, or of some of it.
            follower.step()?;
            if most.is_none() {
                follower.step()?;
            }
        }
        follower.drain()?;
        if is_stopped {
            follower.restart()?;
            follower.drain()?;
        }
        Ok(follower.lines)
    }
}

#[test]
fn every_line_is_read_once_whatever_happens_to_the_file() {
    let mut failures = Vec::new();
    for with in ["gz", "zst"] {
        for situation in situations(with) {
            for path in ["a.log", "", "a*", "**/a*"] {
                for is_stopped in [false, true] {
                    for (most, is_notified) in [(None, false), (None, true), (Some(2), false), (Some(2), true)] {
                        if path == "a.log" && !situation.is_for_one {
                            continue;
                        }
                        // Of what is cut or removed, all has to have been read.
                        if most.is_some() && (situation.name.contains("read")) {
                            continue;
                        }
                        let how = format!(
                            "{}, {with}, {path:?}, stopped: {is_stopped}, {most:?}, notified: {is_notified}",
                            situation.name
                        );
                        let expected: Vec<String> = (1..=situation.lines).map(|line| line.to_string()).collect();
                        match situation.run(path, is_stopped, most, is_notified) {
                            Ok(mut lines) => {
                                lines.sort_by_key(|line| line.parse::<u32>().unwrap());
                                if lines != expected {
                                    failures.push(format!("{how}: {lines:?}"));
                                }
                            }
                            Err(error) => failures.push(format!("{how}: {error}")),
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_gone_before_it_was_read_ends_the_job_unless_that_is_wanted() {
    for is_stopped in [false, true] {
        let world = World(tempfile::tempdir().unwrap());
        fs::create_dir(world.0.path().join("logs")).unwrap();
        world.append("a.log", 1..=100);
        world.append("b.log", 1..=2);
        let run = |on_missing| {
            let folder = world.at("");
            let mut follower = Follower::new(move || TextFiles::new(&folder).follow().on_missing(on_missing)).unwrap();
            follower.most = Some(10);
            follower.step().unwrap();
            let text = fs::read(world.at("a.log")).unwrap();
            world.remove("a.log");
            let outcome = if is_stopped { follower.restart() } else { Ok(()) };
            let outcome = outcome.and_then(|()| follower.drain());
            fs::write(world.at("a.log"), text).unwrap();
            (outcome, follower.lines.len())
        };
        let (outcome, _) = run(OnMissing::Fail);
        let error = outcome.unwrap_err();
        assert!(matches!(error, ConnectError::Lost { position: 21, .. }), "{error}");
        assert!(error.to_string().contains("--allow-loss 'split:log/"), "{error}");
        let (outcome, lines) = run(OnMissing::Skip);
        outcome.unwrap();
        assert_eq!(lines, 12);
    }
}

#[test]
fn logs_that_begin_alike_are_told_apart() {
    let header = "# fields: a b c\n".repeat(1_000);
    for is_stopped in [false, true] {
        let world = World(tempfile::tempdir().unwrap());
        fs::create_dir(world.0.path().join("logs")).unwrap();
        fs::write(world.at("a.log"), format!("{header}1\n2\n")).unwrap();
        let mut follower = Follower::of(&world.at("a.log")).unwrap();
        follower.drain().unwrap();
        fs::remove_file(world.at("a.log")).unwrap();
        fs::write(world.at("a.log"), format!("{header}3\n4\n5\n")).unwrap();
        if is_stopped {
            follower.restart().unwrap();
        }
        follower.drain().unwrap();
        follower.lines.retain(|line| !line.starts_with('#'));
        assert_eq!(follower.lines, ["1", "2", "3", "4", "5"], "stopped: {is_stopped}");
    }
}

#[test]
fn a_last_line_without_a_newline_counts_when_the_file_is_finished() {
    let world = World(tempfile::tempdir().unwrap());
    fs::create_dir(world.0.path().join("logs")).unwrap();
    fs::write(world.at("a.txt"), "a1\na2").unwrap();
    let folder = world.at("");
    let whole = folder.clone();
    let mut follower = Follower::new(move || TextFiles::new(&whole).follow().finish_after(Duration::ZERO)).unwrap();
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["a1", "a2"]);
    assert!(follower.splits()[0].2);

    let mut follower = Follower::of(&folder).unwrap();
    follower.drain().unwrap();
    assert_eq!((follower.lines.clone(), follower.splits()[0].2), (vec!["a1".to_owned()], false));
    // Seen to change once, it is silent for five minutes.
    fs::write(world.at("a.txt"), "a1\na2x").unwrap();
    follower.drain().unwrap();
    assert!(!follower.splits()[0].2);
    follower.now += 300;
    follower.drain().unwrap();
    assert_eq!((follower.lines.clone(), follower.splits()[0].2), (vec!["a1".to_owned(), "a2x".to_owned()], true));
    // What comes all the same is read on.
    fs::write(world.at("a.txt"), "a1\na2x\na3\n").unwrap();
    follower.drain().unwrap();
    assert_eq!(follower.lines, ["a1", "a2x", "a3"]);
}
