//! Which part of which epoch a file holds.

use std::borrow::Cow;

use firesteel_connect::{Epoch, Scope};

/// Which part of which epoch a file holds, as its name tells it.
///
/// ```
/// use firesteel_connect::{Epoch, Scope};
/// use firesteel_results::PartName;
///
/// let name = PartName::new(Epoch(7), 3, Scope::whole(), "ndjson").in_folder("day=2026-11-28").gzip(true);
/// assert_eq!(name.published(), "day=2026-11-28/part-0000000007-00003.ndjson.gz");
/// assert_eq!(PartName::parse(&name.published()), Some(name));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartName {
    /// The folder below that of the results, with slashes; empty for that folder itself.
    pub folder: String,
    /// The epoch; the first one where the files of several were merged.
    pub epoch: Epoch,
    /// The last epoch, where it holds what several files held: `part-0000000001to0000000120-00007.txt`. The partition is the number of
    /// the merging then.
    pub until: Option<Epoch>,
    /// The partition of the output.
    pub partition: usize,
    /// Which of the files that the partition has, in all folders, counting from 0.
    pub serial: u32,
    /// The part of the job.
    pub scope: Scope,
    /// Which start of a job has written it, counted in the place of the results, and which of its attempts, where several may write at the
    /// same time and nothing may be overwritten.
    pub run: Option<(u64, u64)>,
    /// How names of files of the format end.
    pub extension: Cow<'static, str>,
    /// Whether the file is compressed.
    pub gzip: bool,
}

impl PartName {
    /// The first file of a partition, not compressed.
    #[must_use]
    pub fn new(epoch: Epoch, partition: usize, scope: Scope, extension: &'static str) -> Self {
        let (folder, extension) = (String::new(), Cow::Borrowed(extension));
        Self { folder, epoch, until: None, partition, serial: 0, scope, run: None, extension, gzip: false }
    }

    /// The same in a folder.
    #[must_use]
    pub fn in_folder(self, folder: &str) -> Self {
        Self { folder: folder.to_owned(), ..self }
    }

    /// The same, compressed or not.
    #[must_use]
    pub fn gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }

    /// The same of a start of a job and one of its attempts.
    #[must_use]
    pub fn of_run(self, run: u64, attempt: u64) -> Self {
        Self { run: Some((run, attempt)), ..self }
    }

    /// That of a file which holds what those of the epochs up to this one held; `number` is larger than that of any such file before it,
    /// so that no name is ever given twice.
    #[must_use]
    pub fn merged_until(self, until: Epoch, number: usize) -> Self {
        Self { until: Some(until), partition: number, serial: 0, run: None, ..self }
    }

    /// The path below the folder of the results when it is published. The numbers are padded, so that the order of names is that
    /// of the data.
    #[must_use]
    pub fn published(&self) -> String {
        let file = self.file();
        if self.folder.is_empty() { file } else { format!("{}/{file}", self.folder) }
    }

    fn file(&self) -> String {
        let (extension, end) = (&self.extension, if self.gzip { ".gz" } else { "" });
        let serial = if self.serial == 0 { String::new() } else { format!("_{:04}", self.serial) };
        let scope = self.scope.part().map_or_else(String::new, |part| format!("-{part}"));
        let run = self.run.map_or_else(String::new, |(run, attempt)| format!(".r{run}-{attempt}"));
        let until = self.until.map_or_else(String::new, |until| format!("to{:010}", until.0));
        format!("part-{:010}{until}-{:05}{serial}{scope}{run}.{extension}{end}", self.epoch.0, self.partition)
    }

    /// The hidden name before that, which is in the folder of the results itself; `unique` tells apart the attempts of one process.
    #[must_use]
    pub fn temporary(&self, attempt: u32, unique: u64) -> String {
        format!(".{}.{attempt}-{unique}.tmp", self.file())
    }

    /// What a published file of a sink holds, by its path below the folder of the results.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (plain, gzip) = name.strip_suffix(".gz").map_or((name, false), |plain| (plain, true));
        let (numbers, extension) = plain.strip_prefix("part-")?.rsplit_once('.')?;
        let is_extension = !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (numbers, run) = match numbers.rsplit_once(".r") {
            None => (numbers, None),
            Some((numbers, run)) => {
                let (run, attempt) = run.split_once('-')?;
                (numbers, Some((number(run)?, number(attempt)?)))
            }
        };
        let mut parts = numbers.splitn(3, '-');
        let (epochs, place) = (parts.next()?, parts.next()?);
        let (epoch, until) = epochs.split_once("to").map_or((epochs, None), |(first, last)| (first, Some(last)));
        let epoch = number(epoch)?;
        let until = until.map_or(Some(None), |until| number(until).map(|until| Some(Epoch(until))))?;
        let (partition, serial) = place.split_once('_').map_or((place, None), |(place, serial)| (place, Some(serial)));
        let serial =
            serial.map_or(Some(0), |serial| u32::try_from(number(serial)?).ok().filter(|serial| *serial > 0))?;
        let scope = parts.next().map_or_else(|| Some(Scope::whole()), |part| Scope::of_part(part).ok())?;
        let partition = usize::try_from(number(partition)?).ok()?;
        let extension = Cow::Owned(extension.to_owned());
        let name = Self {
            folder: folder.to_owned(),
            epoch: Epoch(epoch),
            until,
            partition,
            serial,
            scope,
            run,
            extension,
            gzip,
        };
        // What is not padded as ours was written by somebody else.
        (is_extension && name.published() == path).then_some(name)
    }

    /// Whether it is the path of a part in the folder of results, or in one for a value of a column: it leads nowhere else.
    #[must_use]
    pub fn is_below_results(path: &str) -> bool {
        let is_value = |folder: &str| folder.contains('=');
        Self::parse(path).is_some_and(|part| part.folder.is_empty() || part.folder.split('/').all(is_value))
    }

    /// Whether a published file of a sink is packed as a whole, by its path below the folder of the results.
    #[must_use]
    pub fn is_gzip(path: &str) -> bool {
        Self::parse(path).is_some_and(|name| name.gzip)
    }

    /// What a temporary file of a sink is to become, but for its folder.
    #[must_use]
    pub fn parse_temporary(name: &str) -> Option<Self> {
        let (published, unique) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
        let (attempt, unique) = unique.split_once('-')?;
        number(attempt).and(number(unique)).and_then(|_| Self::parse(published))
    }
}

/// A number of decimal digits and nothing else.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_from_those_of_others() {
        let name = PartName::new(Epoch(7), 3, Scope::whole(), "txt");
        assert_eq!(name.published(), "part-0000000007-00003.txt");
        let zipped = name.clone().gzip(true);
        let json = PartName { extension: "ndjson".into(), ..zipped.clone() };
        assert_eq!(json.published(), "part-0000000007-00003.ndjson.gz");
        let of_part = PartName { scope: Scope::of_part("a-1").unwrap(), ..name.clone() };
        assert_eq!(of_part.published(), "part-0000000007-00003-a-1.txt");
        let second = PartName { serial: 1, ..of_part.clone() };
        assert_eq!(second.published(), "part-0000000007-00003_0001-a-1.txt");
        let own = PartName { extension: "xml".into(), ..name.clone() };
        let of_run = second.clone().of_run(12, 3);
        assert_eq!(of_run.published(), "part-0000000007-00003_0001-a-1.r12-3.txt");
        let merged = of_part.clone().merged_until(Epoch(12), 4);
        assert_eq!(merged.published(), "part-0000000007to0000000012-00004-a-1.txt");
        for ours in [name, zipped, of_part, json, second, own, of_run, merged] {
            assert_eq!(PartName::parse(&ours.published()), Some(ours.clone()));
            let temporary = ours.temporary(0, 1);
            assert_eq!(
                (PartName::parse_temporary(&temporary), PartName::parse(&temporary)),
                (Some(ours.clone()), None)
            );
            assert_eq!(PartName::parse_temporary(&ours.published()), None);
            let within = ours.in_folder("day=2026-11-28/country=%2F");
            assert_eq!(PartName::parse(&within.published()), Some(within.clone()));
        }
        for foreign in [
            "part-00000-1f2e.snappy.parquet",
            "part-00000",
            "part-1-.txt",
            "part-x-1.txt",
            "party.txt",
            "part-1-1.parquet",
            "part-0000000007-00003_0000.txt",
            "part-0000000007-00003.t t",
            "part-0000000007to12-00003.txt",
            "part-0000000007to-00003.txt",
        ] {
            assert_eq!(PartName::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_order_of_names_is_that_of_the_data() {
        let name = |epoch, partition, serial| {
            PartName { serial, ..PartName::new(Epoch(epoch), partition, Scope::whole(), "txt") }.published()
        };
        let names = [name(1, 0, 0), name(1, 0, 1), name(1, 0, 10), name(1, 1, 0), name(2, 0, 0), name(10, 0, 0)];
        assert!(names.is_sorted(), "{names:?}");
    }
}
