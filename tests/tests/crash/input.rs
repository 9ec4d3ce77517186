//! What the program reads, and what a program without a checkpoint would make of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::program::{LIMIT, PASSED, Record, Total, WINDOW, parse, reminder};

/// Lines in each of the files.
const LINES: u64 = 36;
pub(crate) const FILES: u64 = 3;

/// Writes the input into a folder: always the same.
pub(crate) fn write(folder: &Path) {
    let folder = folder.join("in");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let mut seed = 88_172_645_463_325_252_u64;
    for file in 0..FILES {
        let mut text = String::new();
        for line in 0..LINES {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            // Some records in the middle are of times that have passed, as far as the watermark waits for them.
            let late = if (15..20).contains(&line) { 12 } else { 0 };
            let time = line * 2 + (seed >> 40) % 5 - late;
            text += &format!("{file}-{line:02} key{} {} {time}\n", seed % 13, (seed >> 20) % 1000);
        }
        std::fs::write(folder.join(format!("{file}.txt")), text).expect("a file can be written");
    }
}

/// An archive on another file system.
pub(crate) fn elsewhere(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    std::env::temp_dir().join(format!("firesteel-archive-{name}"))
}

/// All lines, in the order of the files.
pub(crate) fn lines(folder: &Path) -> Vec<String> {
    // Where it was, or where it is archived.
    let places = [folder.join("in"), folder.join("done"), elsewhere(folder)];
    let read = |file| {
        let mut texts =
            places.iter().filter_map(|place| std::fs::read_to_string(place.join(format!("{file}.txt"))).ok());
        texts.next().expect("the input is there")
    };
    (0..FILES).flat_map(|file| read(file).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The totals of some lines, added to what was there before.
pub(crate) fn add<'a>(totals: &mut BTreeMap<String, Total>, lines: impl IntoIterator<Item = &'a str>) {
    for line in lines {
        let (_, key, number, _): Record = parse(line);
        let (count, sum) = totals.entry(key).or_default();
        *count += 1;
        *sum += number;
    }
}

/// The lines that windows yield: key, start, count.
pub(crate) fn windows(lines: &[String]) -> Vec<String> {
    let mut counts = BTreeMap::<(String, i64), u64>::new();
    for (_, key, _, time) in lines.iter().map(|line| parse(line)) {
        *counts.entry((key, time / WINDOW * WINDOW)).or_default() += 1;
    }
    sorted(counts.into_iter().map(|((key, start), count)| format!("{key} {start} {count}")))
}

/// The lines that timers yield: key, time, records until then.
pub(crate) fn reminders(lines: &[String]) -> Vec<String> {
    let records: Vec<Record> = lines.iter().map(|line| parse(line)).collect();
    let times: BTreeSet<(&str, i64)> =
        records.iter().map(|(_, key, _, time)| (key.as_str(), reminder(*time))).collect();
    sorted(times.into_iter().map(|(key, time)| {
        let count = records.iter().filter(|record| record.1 == key && record.3 <= time).count();
        format!("{key} {time} {count}")
    }))
}

/// The lines of what the limiter lets pass of these, in the order in which they were read: key, place.
pub(crate) fn passed<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<String> {
    let (burst, period) = LIMIT;
    // In whole seconds: how long a token takes to come.
    let token = period / i64::from(burst);
    let mut full_at = BTreeMap::<String, i64>::new();
    let mut passed = Vec::new();
    for (place, key, _, time) in lines.map(|line| parse(line)) {
        let full = full_at.get(&key).map_or(time, |full| time.max(*full)) + token;
        if full <= time + period {
            passed.push(format!("{PASSED} {key} {place}"));
            full_at.insert(key, full);
        }
    }
    sorted(passed.into_iter())
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}
