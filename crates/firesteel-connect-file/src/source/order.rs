//! In which order files come.

#[cfg(feature = "pattern")]
mod in_name;

use std::cmp::Ordering;

#[cfg(feature = "pattern")]
use in_name::TimeInName;

use super::listing::Listed;

/// In which order files come that appear together: see [`Files::order`](crate::Files::order).
///
/// ```
/// use firesteel_connect_file::{FileOrder, TextFiles};
///
/// let files = TextFiles::new("sales").follow().order(FileOrder::by_change().newest_first()).max_files(10);
/// # #[cfg(feature = "pattern")] {
/// // sales-31.01.2024-17.csv
/// let order = FileOrder::by_time_in_name(r"-(?<day>\d+)\.(?<month>\d+)\.(?<year>\d+)-(?<hour>\d+)\.");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FileOrder {
    by: By,
    is_reversed: bool,
}

#[derive(Debug, Clone)]
enum By {
    Name,
    Change,
    #[cfg(feature = "pattern")]
    TimeInName(TimeInName),
}

impl FileOrder {
    /// By their paths. The default.
    #[must_use]
    pub fn by_name() -> Self {
        Self { by: By::Name, is_reversed: false }
    }

    /// By the time at which they were changed last, the oldest first. Of those changed at the same time, by their paths.
    #[must_use]
    pub fn by_change() -> Self {
        Self { by: By::Change, is_reversed: false }
    }

    /// By a time in their names, the oldest first. A regular expression says where it is: by groups that are called `year`,
    /// `month`, `day`, `hour`, `minute`, `second`, in any order, or by one that is called `time` where its text sorts as the
    /// time does. Numbers are compared by their values. Files whose names do not match come last. Needs the feature `pattern`.
    #[cfg(feature = "pattern")]
    #[must_use]
    pub fn by_time_in_name(pattern: &str) -> Self {
        Self { by: By::TimeInName(TimeInName::new(pattern)), is_reversed: false }
    }

    /// The other way round: the newest first, or the last name.
    #[must_use]
    pub fn newest_first(self) -> Self {
        Self { is_reversed: true, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.by {
            #[cfg(feature = "pattern")]
            By::TimeInName(time) => time.check(),
            _ => Ok(()),
        }
    }

    /// Whether files come as they are listed.
    pub(crate) fn is_as_listed(&self) -> bool {
        matches!(self.by, By::Name) && !self.is_reversed
    }

    /// Sorts files that are in the order in which they are listed.
    pub(crate) fn sort(&self, files: &mut Vec<Listed>) {
        match &self.by {
            By::Name if self.is_reversed => files.reverse(),
            By::Name => {}
            By::Change => self.sort_by(files, |file| file.stamp().modified),
            #[cfg(feature = "pattern")]
            By::TimeInName(time) => self.sort_by(files, |file| time.of(&file.path)),
        }
    }

    fn sort_by<K: Ord>(&self, files: &mut Vec<Listed>, key: impl Fn(&Listed) -> Option<K>) {
        let mut keyed: Vec<(Option<K>, Listed)> = files.drain(..).map(|file| (key(&file), file)).collect();
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) if self.is_reversed => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            // What has none comes last.
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        files.extend(keyed.into_iter().map(|(_, file)| file));
    }
}

impl Default for FileOrder {
    fn default() -> Self {
        Self::by_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(order: &FileOrder, names: &[(&str, u64)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut files: Vec<Listed> = Vec::new();
        for (name, seconds) in names {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(*seconds);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
            let metadata = std::fs::metadata(&path).unwrap();
            files.push(Listed::new(path, metadata));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        order.sort(&mut files);
        let name = |file: Listed| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        files.into_iter().map(name).collect()
    }

    #[test]
    fn files_come_by_name_or_by_change() {
        let files = [("a-9.1.2024", 30), ("b-10.1.2024", 10), ("c-2.12.2023", 30), ("d", 20)];
        let by_name = FileOrder::by_name();
        assert_eq!(sorted(&by_name, &files), ["a-9.1.2024", "b-10.1.2024", "c-2.12.2023", "d"]);
        assert_eq!(sorted(&by_name.newest_first(), &files), ["d", "c-2.12.2023", "b-10.1.2024", "a-9.1.2024"]);
        let by_change = FileOrder::by_change();
        assert_eq!(sorted(&by_change, &files), ["b-10.1.2024", "d", "a-9.1.2024", "c-2.12.2023"]);
        assert_eq!(sorted(&by_change.newest_first(), &files), ["a-9.1.2024", "c-2.12.2023", "d", "b-10.1.2024"]);
    }

    #[cfg(feature = "pattern")]
    #[test]
    fn files_come_by_a_time_in_their_names() {
        let files = [("a-9.1.2024", 30), ("b-10.1.2024", 10), ("c-2.12.2023", 30), ("d", 20)];
        let in_name = FileOrder::by_time_in_name(r"(?<day>\d+)\.(?<month>\d+)\.(?<year>\d+)");
        assert_eq!(sorted(&in_name, &files), ["c-2.12.2023", "a-9.1.2024", "b-10.1.2024", "d"]);
        assert_eq!(sorted(&in_name.newest_first(), &files), ["b-10.1.2024", "a-9.1.2024", "c-2.12.2023", "d"]);
        let parts = FileOrder::by_time_in_name(r"part-(?<time>\d+)");
        assert_eq!(sorted(&parts, &[("part-10", 1), ("part-9", 2)]), ["part-9", "part-10"]);
    }

    #[cfg(feature = "pattern")]
    #[test]
    fn a_pattern_without_a_time_is_refused() {
        assert!(FileOrder::by_time_in_name("(").check().is_err());
        let error = FileOrder::by_time_in_name(r"(?<date>\d+)").check().unwrap_err();
        assert!(error.contains("none of its groups is called one of year"), "{error}");
    }
}
