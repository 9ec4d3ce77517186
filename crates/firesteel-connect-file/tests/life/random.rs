//! Lives of logs that chance makes up, against what a writer knows to have written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use firesteel_connect::Result;
use firesteel_connect_file::{AfterReading, TextFiles};

use crate::common::{gzip, zstd};
use crate::follower::Follower;

/// Xorshift: the same numbers for the same seed, everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// A log, what is left of it in its folder, and what a reader has to have seen of it.
struct Life {
    folder: PathBuf,
    chance: Chance,
    next: u64,
    /// Whether the writer has left a line without its end.
    is_half: bool,
    /// How it is rotated: renamed or copied; numbers or dates; compressed or not.
    copies: bool,
    dates: bool,
    with: Option<&'static str>,
    day: u32,
    time: std::time::SystemTime,
    story: Vec<String>,
}

impl Life {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Bytes without meaning at the start, the same for all pieces: longer than what identifies a file.
    fn header(&self) -> String {
        "#\n".repeat(if self.next.is_multiple_of(2) { 0 } else { 3_000 })
    }

    fn append(&mut self) {
        let path = self.at("a.log");
        let begins = !path.exists() || fs::metadata(&path).unwrap().len() == 0;
        let mut text = if begins && !self.is_half { self.header() } else { String::new() };
        // The file may have been archived in the middle of a line, as one that is silent for long.
        if std::mem::take(&mut self.is_half) && path.exists() {
            text.push('\n');
        }
        for _ in 0..=self.chance.below(40) {
            text.push_str(&format!("{}\n", self.next));
            self.next += 1;
        }
        if self.chance.below(4) == 0 {
            text.pop();
            self.is_half = true;
        }
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.touch("a.log");
        self.story.push(format!("append up to {}", self.next - 1));
    }

    /// Gives a file a time of its own: what happens here at once takes a while elsewhere.
    fn touch(&mut self, name: &str) {
        self.time += std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(self.at(name)).unwrap().set_modified(self.time).unwrap();
    }

    /// The line that is left without its end gets it: a writer ends its line before it turns to another file.
    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_half) && self.at("a.log").exists() {
            let mut file = fs::OpenOptions::new().append(true).open(self.at("a.log")).unwrap();
            file.write_all(b"\n").unwrap();
            self.touch("a.log");
        }
    }

    fn rotate(&mut self) {
        if !self.at("a.log").exists() {
            return;
        }
        self.end_line();
        self.day += 1;
        let piece = if self.dates {
            format!("a.log-{}", 20_240_100 + self.day)
        } else {
            self.shift();
            "a.log.1".to_owned()
        };
        if self.copies {
            fs::copy(self.at("a.log"), self.at(&piece)).unwrap();
            self.touch(&piece);
            fs::File::options().write(true).open(self.at("a.log")).unwrap().set_len(0).unwrap();
            self.touch("a.log");
        } else {
            fs::rename(self.at("a.log"), self.at(&piece)).unwrap();
        }
        self.story.push(format!("rotate to {piece}"));
    }

    /// The names of older pieces move on.
    fn shift(&self) {
        for number in (1..50).rev() {
            for end in ["", ".gz", ".zst"] {
                let from = self.at(&format!("a.log.{number}{end}"));
                if from.exists() {
                    fs::rename(from, self.at(&format!("a.log.{}{end}", number + 1))).unwrap();
                }
            }
        }
    }

    fn pieces(&self) -> Vec<PathBuf> {
        let mut pieces: Vec<PathBuf> = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        pieces.retain(|path| path.file_name().unwrap() != "a.log");
        pieces.sort();
        pieces
    }

    fn is_packed(path: &Path) -> bool {
        path.extension().is_some_and(|end| end == "gz" || end == "zst")
    }

    fn pack(&mut self) {
        let Some(with) = self.with else { return };
        let pieces: Vec<_> = self.pieces().into_iter().filter(|path| !Self::is_packed(path)).collect();
        if pieces.is_empty() {
            return;
        }
        let piece = &pieces[self.chance.below(pieces.len() as u64) as usize];
        let text = fs::read(piece).unwrap();
        let modified = fs::metadata(piece).unwrap().modified().unwrap();
        let to = PathBuf::from(format!("{}.{with}", piece.display()));
        fs::write(&to, if with == "gz" { gzip(&text) } else { zstd(&text) }).unwrap();
        fs::File::options().write(true).open(&to).unwrap().set_modified(modified).unwrap();
        fs::remove_file(piece).unwrap();
        self.story.push(format!("pack {}", to.display()));
    }

    /// A piece is removed that has been read.
    fn remove(&mut self) {
        let pieces = self.pieces();
        if let Some(piece) = pieces.first().filter(|_| self.chance.below(2) == 0) {
            fs::remove_file(piece).unwrap();
            self.story.push(format!("remove {}", piece.display()));
        }
    }

    /// The log is put back from a copy.
    fn restore(&mut self) {
        let path = self.at("a.log");
        if path.exists() {
            let copy = self.at(".copy");
            fs::copy(&path, &copy).unwrap();
            fs::rename(&copy, &path).unwrap();
            self.touch("a.log");
            self.story.push("restore".to_owned());
        }
    }
}

fn live(seed: u64, path: &str, is_notified: bool, archives: bool) -> Result<(Life, Vec<u64>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..8).for_each(|_| _ = chance.below(2));
    let (copies, dates) = (chance.below(3) == 0, chance.below(2) == 0);
    let with = [None, Some("gz"), Some("zst")][chance.below(3) as usize];
    let folder_path = folder.path().to_owned();
    let mut life = Life {
        folder: folder_path.clone(),
        chance,
        next: 1,
        is_half: false,
        copies,
        dates,
        with,
        day: 0,
        time: std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000),
        story: vec![],
    };
    let read = folder_path.join(path);
    let archive = tempfile::tempdir().unwrap();
    let mut follower = if archives {
        let after = AfterReading::archive(archive.path());
        Follower::new(move || TextFiles::new(&read).follow().notified(is_notified).after_reading(after.clone()))?
    } else {
        Follower::told(&read, is_notified)?
    };
    for _ in 0..60 {
        match life.chance.below(12) {
            0..=3 => life.append(),
            // What is cut by its writer may not have been copied as a whole: so rotation comes when it is idle.
            4 => life.rotate(),
            5 => life.pack(),
            6 => {
                follower.drain()?;
                life.remove();
            }
            7 => life.restore(),
            8 => {
                life.story.push("restart".to_owned());
                follower.restart()?;
            }
            9 => {
                follower.most = [None, Some(1), Some(7)][life.chance.below(3) as usize];
                follower.step()?;
            }
            _ => {
                life.story.push("look".to_owned());
                follower.step()?;
            }
        }
        // Of a log of which nothing was ever seen, nobody knows which pieces are to be read.
        if life.day == 0 {
            follower.step()?;
        }
    }
    if life.at("a.log").exists() {
        life.end_line();
    }
    follower.most = None;
    follower.drain()?;
    if archives {
        // An empty one that may have been a copy of another is seen when that is gone.
        for _ in 0..2 {
            follower.now += 301;
            follower.drain()?;
        }
        let left: Vec<_> = fs::read_dir(&folder_path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "seed {seed}: left {left:?} of {:?}; {:?}", follower.splits(), life.story);
    }
    let lines = follower.lines.iter().filter(|line| *line != "#");
    let mut lines: Vec<u64> = lines.map(|line| line.parse().unwrap_or(0)).collect();
    lines.sort_unstable();
    Ok((life, lines))
}

#[test]
fn whatever_chance_does_to_a_log_every_line_is_read_once() {
    let seeds: std::ops::Range<u64> =
        match std::env::var("FIRESTEEL_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()) {
            Some(seed) => seed..seed + std::env::var("FIRESTEEL_SEEDS").map_or(1, |count| count.parse().unwrap()),
            None => 0..60,
        };
    let mut failures = Vec::new();
    for seed in seeds {
        for path in ["a.log", "", "a.log*"] {
            match live(seed, path, seed.is_multiple_of(2), seed.is_multiple_of(3) && path.is_empty()) {
                Ok((life, lines)) => {
                    let expected: Vec<u64> = (1..life.next).collect();
                    if lines != expected {
                        let lost: Vec<_> = expected.iter().filter(|line| !lines.contains(line)).collect();
                        let mut doubled = lines.clone();
                        doubled.dedup();
                        failures.push(format!(
                            "seed {seed}, {path:?}: lost {lost:?}, {} doubled; {:?} of {:?}",
                            lines.len() - doubled.len(),
                            life.story,
                            (life.copies, life.dates, life.with)
                        ));
                    }
                }
                Err(error) => failures.push(format!("seed {seed}, {path:?}: {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures[..failures.len().min(5)].join("\n"));
}
