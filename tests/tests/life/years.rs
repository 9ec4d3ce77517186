//! A job that counts the clicks of each hour over a folder in which a log is rotated, for a thousand days.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration as StdDuration, SystemTime};

use firesteel_connect_file::TextFiles;
use firesteel_testkit::TestJob;
use firesteel_window::{Timestamp, Tumbling, Watermark, hours, minutes};
use flate2::Compression;
use flate2::write::GzEncoder;

const DAYS: u64 = 1_000;
const DAY: u64 = 86_400;
/// The first day, in seconds since 1970.
const BEGIN: u64 = 1_000_000_000 / DAY * DAY;

/// A log, and the pieces that were put aside of it.
struct Log {
    folder: PathBuf,
    day: u64,
}

impl Log {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Gives a file the time at which it would have been written.
    fn date(&self, name: &str, seconds: u64) {
        let at = SystemTime::UNIX_EPOCH + StdDuration::from_secs(seconds);
        fs::File::options().write(true).open(self.at(name)).unwrap().set_modified(at).unwrap();
    }

    /// The clicks of some hours of this day: as many as the hour says, and one more on odd days.
    fn write(&self, hours: std::ops::Range<u64>) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.at("access.log")).unwrap();
        let end = hours.end;
        for hour in hours {
            for click in 0..hour % 3 + self.day % 2 {
                writeln!(file, "{}", BEGIN + self.day * DAY + hour * 3_600 + click).unwrap();
            }
        }
        self.date("access.log", BEGIN + self.day * DAY + end * 3_600 - 1);
    }

    /// As logrotate does each day: seven pieces are kept, and the newest is not yet compressed; on every third day by copying and cutting.
    fn rotate(&self) {
        let midnight = BEGIN + self.day * DAY + DAY - 1;
        for number in (2..=7).rev() {
            let from = self.at(&format!("access.log.{number}.gz"));
            if number == 7 {
                fs::remove_file(from).ok();
            } else if from.exists() {
                fs::rename(from, self.at(&format!("access.log.{}.gz", number + 1))).unwrap();
            }
        }
        if self.at("access.log.1").exists() {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&fs::read(self.at("access.log.1")).unwrap()).unwrap();
            fs::write(self.at("access.log.2.gz"), encoder.finish().unwrap()).unwrap();
            self.date("access.log.2.gz", midnight - DAY);
            fs::remove_file(self.at("access.log.1")).unwrap();
        }
        if self.day.is_multiple_of(3) {
            fs::copy(self.at("access.log"), self.at("access.log.1")).unwrap();
            fs::File::options().write(true).open(self.at("access.log")).unwrap().set_len(0).unwrap();
        } else {
            fs::rename(self.at("access.log"), self.at("access.log.1")).unwrap();
            fs::write(self.at("access.log"), "").unwrap();
        }
        self.date("access.log.1", midnight);
        self.date("access.log", midnight);
    }
}

/// The clicks of each hour, by its number.
fn live(path: &Path, folder: &Path) -> BTreeMap<i64, u64> {
    let job = TestJob::new();
    let files = TextFiles::new(path).follow().notified(true);
    let counts = job
        .context()
        .read(files)
        .named("log")
        .map(|line| line.parse::<i64>().unwrap())
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(minutes(1)))
        .key_by(|_| ())
        .window(Tumbling::of(hours(1)))
        .count()
        .map(|row| (row.window.start().as_secs() / 3_600, row.value));
    let counts = job.record(counts);
    let start = Timestamp::from_secs(BEGIN as i64);
    job.advance(start.since(job.now()));
    for day in 0..DAYS {
        let log = Log { folder: folder.to_owned(), day };
        for (from, to) in [(0, 8), (8, 16), (16, 24)] {
            log.write(from..to);
            job.advance(hours(8));
            job.batch().unwrap();
        }
        log.rotate();
        job.batch().unwrap();
    }
    // A click of the next day, by which the last hour closes.
    let log = Log { folder: folder.to_owned(), day: DAYS };
    log.write(2..3);
    job.advance(hours(8));
    job.batch().unwrap();
    let mut all = BTreeMap::new();
    for (hour, count) in counts.take() {
        assert_eq!(all.insert(hour, count), None, "hour {hour} came twice");
    }
    all
}

#[test]
fn the_clicks_of_each_hour_are_counted_once_while_logs_are_rotated_for_a_thousand_days() {
    for path in ["", "access.log"] {
        let folder = tempfile::tempdir().unwrap();
        let counted = live(&folder.path().join(path), folder.path());
        let clicks = |hour: u64| hour % 24 % 3 + (hour / 24) % 2;
        let first = BEGIN / 3_600;
        let expected: BTreeMap<i64, u64> =
            (0..DAYS * 24).filter(|hour| clicks(*hour) > 0).map(|hour| ((first + hour) as i64, clicks(hour))).collect();
        let wrong = expected.iter().find(|(hour, count)| counted.get(hour) != Some(count));
        assert_eq!((wrong, counted.len()), (None, expected.len()), "{path:?}");
    }
}
