//! How the records of a task become files.

use std::io::{self, Write};

use firesteel_connect::{Class, ConnectError, Result};
use firesteel_formats::{WriteFormat, Writing};

use crate::name::PartName;
use crate::packed::Packed;
use crate::partitions::{BadColumn, ByColumn, Partitions, Unpartitioned};

/// How many files a task has open unless told otherwise.
const MOST_OPEN: usize = 100;

/// Where the parts of a sink are while they are not published.
pub trait PartStore {
    /// A part that is being written. Dropping it throws it away.
    type Part: Write;
    /// A part that is whole.
    type Whole;

    /// Begins a part.
    ///
    /// # Errors
    /// When it cannot be made.
    fn create(&self, name: &PartName) -> Result<Self::Part>;

    /// Makes a part durable, which is still invisible.
    ///
    /// # Errors
    /// When that is not certain.
    fn finish(&self, part: Self::Part, name: PartName, size: Size) -> Result<Self::Whole>;

    /// The error of a part that could not be written.
    fn failed(&self, name: &PartName, error: io::Error) -> ConnectError;
}

/// How large a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// As it is stored, compressed or not.
    pub bytes: u64,
    /// How many records it has.
    pub records: u64,
}

/// How the records of a task become files.
#[derive(Debug, Clone)]
pub struct Layout<P> {
    /// To which folder a record belongs.
    pub partitions: P,
    /// Whether files are compressed.
    pub gzip: bool,
    /// At how many bytes a file is full; it has a few more then.
    pub full_at: Option<u64>,
    /// How many files a task has open at most: another one ends the one that was written to least recently.
    pub most_open: usize,
}

impl Default for Layout<Unpartitioned> {
    /// One folder, no compression, files that end with their epoch.
    fn default() -> Self {
        Self { partitions: Unpartitioned, gzip: false, full_at: None, most_open: MOST_OPEN }
    }
}

impl<P> Layout<P> {
    /// The same, with one folder for each value of a column in each of its folders.
    #[must_use]
    pub fn by_column<G>(self, column: impl Into<String>, value: G) -> Layout<ByColumn<P, G>> {
        let Self { partitions, gzip, full_at, most_open } = self;
        Layout { partitions: ByColumn::below(partitions, column, value), gzip, full_at, most_open }
    }

    /// Whether records can be written in this format, by a connector of this name.
    ///
    /// # Errors
    /// A [`ConnectError::Setting`]: which setting cannot work.
    pub fn check<T, F>(&self, connector: &'static str, format: &F) -> Result<()>
    where
        P: Partitions<T>,
        F: WriteFormat<T>,
    {
        let refused = |setting, reason| Err(ConnectError::Setting { connector, setting, reason });
        if self.gzip && !format.may_be_compressed() {
            let name = format.name();
            let reason = format!("{name} compresses its own pages, and cannot be read where gzip has packed it");
            return refused("gzip", reason);
        }
        self.partitions.columns().map_or_else(|BadColumn { reason }| refused("column", reason), |_| Ok(()))
    }

    /// A folder as one of its own may be called: `day=value/country=value`.
    #[must_use]
    pub fn example_folder<T>(&self) -> String
    where
        P: Partitions<T>,
    {
        let columns = self.partitions.columns().unwrap_or_default();
        columns.iter().map(|column| format!("{column}=value")).collect::<Vec<_>>().join("/")
    }

    /// Writes the records of a task, whose first part has the name in the folder of the results itself; returns its parts in the
    /// order of their names. A task without records has none.
    ///
    /// # Errors
    /// The first of the store's, or that a record has no form. Nothing is left then.
    pub fn write<T, F, S>(
        &self,
        format: &F,
        store: &S,
        name: &PartName,
        records: impl Iterator<Item = T>,
    ) -> Result<Vec<S::Whole>>
    where
        P: Partitions<T>,
        F: WriteFormat<T>,
        S: PartStore,
    {
        let mut parts = Parts {
            layout: self,
            format,
            store,
            name,
            folder: String::new(),
            open: vec![],
            last: 0,
            clock: 0,
            ended: vec![],
            begun: 0,
        };
        let mut bytes = Vec::new();
        for record in records {
            parts.write(&record, &mut bytes)?;
        }
        parts.end(&mut bytes)
    }
}

/// The files of a task.
struct Parts<'a, P, F, W, S: PartStore> {
    layout: &'a Layout<P>,
    format: &'a F,
    store: &'a S,
    /// That of the first part in the folder of the results.
    name: &'a PartName,
    /// That of the record.
    folder: String,
    open: Vec<Open<W, S::Part>>,
    /// The place of the file that was written to last.
    last: usize,
    /// Counts changes from one file to another.
    clock: u64,
    ended: Vec<(PartName, S::Whole)>,
    /// How many files it has begun. No two have the same name, in whatever folders they are: some file systems take two folders for
    /// one, whose names differ in capital letters, in how letters are composed, or in a dot at the end.
    begun: u32,
}

/// A file that is being written.
struct Open<W, O: Write> {
    name: PartName,
    writing: W,
    /// `None` before the first record is known to have a form.
    output: Option<Packed<O>>,
    records: u64,
    used: u64,
}

impl<P, F, W, S: PartStore> Parts<'_, P, F, W, S> {
    fn write<T>(&mut self, record: &T, bytes: &mut Vec<u8>) -> Result<()>
    where
        P: Partitions<T>,
        F: WriteFormat<T, Writing = W>,
        W: Writing<T>,
    {
        self.folder.clear();
        if P::IS_PARTITIONED {
            let named = self.layout.partitions.folder(record, &mut self.folder);
            named.map_err(|BadColumn { reason }| self.no_form::<T>(&reason))?;
        }
        let at = self.place::<T>(bytes)?;
        bytes.clear();
        let written = self.open[at].writing.write(record, bytes);
        written.map_err(|unencodable| self.no_form::<T>(unencodable.reason()))?;
        let (store, gzip) = (self.store, self.layout.gzip);
        let open = &mut self.open[at];
        let output = match &mut open.output {
            Some(output) => output,
            empty => empty.insert(Packed::new(store.create(&open.name)?, gzip)),
        };
        output.write_all(bytes).map_err(|error| store.failed(&open.name, error))?;
        open.records += 1;
        if self.layout.full_at.is_some_and(|full| output.bytes() >= full) {
            self.end_one::<T>(at, bytes)?;
        }
        Ok(())
    }

    /// The place of the open file of the record's folder.
    fn place<T>(&mut self, bytes: &mut Vec<u8>) -> Result<usize>
    where
        F: WriteFormat<T, Writing = W>,
        W: Writing<T>,
    {
        if self.open.get(self.last).is_some_and(|open| open.name.folder == self.folder) {
            return Ok(self.last);
        }
        self.clock += 1;
        let found = self.open.iter().position(|open| open.name.folder == self.folder);
        if found.is_none() {
            if self.open.len() >= self.layout.most_open.max(1) {
                let oldest = self.open.iter().enumerate().min_by_key(|(_, open)| open.used).map_or(0, |(at, _)| at);
                self.end_one::<T>(oldest, bytes)?;
            }
            let serial = self.begun;
            self.begun += 1;
            let name = PartName { serial, ..self.name.clone().in_folder(&self.folder) }.gzip(self.layout.gzip);
            self.open.push(Open { name, writing: self.format.begin(), output: None, records: 0, used: 0 });
        }
        self.last = found.unwrap_or(self.open.len() - 1);
        self.open[self.last].used = self.clock;
        Ok(self.last)
    }

    /// Ends a file.
    fn end_one<T>(&mut self, at: usize, bytes: &mut Vec<u8>) -> Result<()>
    where
        F: WriteFormat<T, Writing = W>,
        W: Writing<T>,
    {
        let Open { name, mut writing, output, records, .. } = self.open.swap_remove(at);
        let Some(mut output) = output else { return Ok(()) };
        bytes.clear();
        writing.end(bytes).map_err(|unencodable| self.no_form::<T>(unencodable.reason()))?;
        let failed = |error| self.store.failed(&name, error);
        if !bytes.is_empty() {
            output.write_all(bytes).map_err(failed)?;
        }
        let (part, bytes) = output.finish().map_err(failed)?;
        let whole = self.store.finish(part, name.clone(), Size { bytes, records })?;
        self.ended.push((name, whole));
        Ok(())
    }

    fn end<T>(mut self, bytes: &mut Vec<u8>) -> Result<Vec<S::Whole>>
    where
        F: WriteFormat<T, Writing = W>,
        W: Writing<T>,
    {
        while !self.open.is_empty() {
            self.end_one::<T>(self.open.len() - 1, bytes)?;
        }
        self.ended.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(self.ended.into_iter().map(|(_, whole)| whole).collect())
    }

    #[cold]
    fn no_form<T>(&self, reason: &str) -> ConnectError
    where
        F: WriteFormat<T>,
    {
        ConnectError::Other {
            context: format!("writing a record of epoch {} as {}", self.name.epoch, self.format.name()),
            class: Class::Record,
            source: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use firesteel_connect::{Epoch, Scope};
    use firesteel_formats::Csv;

    use super::*;

    /// Parts in memory.
    struct InMemory;

    impl PartStore for InMemory {
        type Part = Vec<u8>;
        type Whole = (String, String, Size);

        fn create(&self, _: &PartName) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }

        fn finish(&self, part: Vec<u8>, name: PartName, size: Size) -> Result<Self::Whole> {
            assert_eq!(size.bytes, part.len() as u64);
            Ok((name.published(), String::from_utf8_lossy(&part).into_owned(), size))
        }

        fn failed(&self, name: &PartName, error: io::Error) -> ConnectError {
            panic!("{name:?}: {error}")
        }
    }

    #[derive(serde::Serialize)]
    struct Row {
        number: u32,
        text: &'static str,
    }

    fn written<P: Partitions<Row>>(layout: &Layout<P>, records: &[(u32, &'static str)]) -> Vec<(String, String, u64)> {
        let records = records.iter().map(|(number, text)| Row { number: *number, text });
        let name = PartName::new(Epoch(1), 0, Scope::whole(), "csv");
        let format = Csv::<Row>::new();
        let parts = layout.write(&format, &InMemory, &name, records).unwrap();
        parts.into_iter().map(|(name, text, size)| (name, text, size.records)).collect()
    }

    #[test]
    fn a_task_without_records_has_no_part() {
        let layout = Layout { partitions: Unpartitioned, gzip: false, full_at: Some(1), most_open: 1 };
        assert_eq!(written(&layout, &[]), []);
    }

    #[test]
    fn each_folder_and_each_full_file_is_a_file_of_its_own_with_all_that_the_format_wants() {
        let by = ByColumn::below(Unpartitioned, "even", |row: &Row| row.number.is_multiple_of(2));
        let records: Vec<(u32, &'static str)> = (0..100).map(|number| (number, "some text")).collect();
        for most_open in [1, 2, 100] {
            for full_at in [None, Some(1), Some(60), Some(1 << 20)] {
                let layout = Layout { partitions: by.clone(), gzip: false, full_at, most_open };
                let parts = written(&layout, &records);
                assert!(parts.is_sorted());
                let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
                for (name, text, records) in parts {
                    let mut lines = text.lines();
                    assert_eq!(lines.next(), Some("number,text"), "{name}");
                    let numbers = lines.map(|line| line.split(',').next().unwrap().parse().unwrap());
                    let numbers: Vec<u32> = numbers.collect();
                    assert_eq!(numbers.len() as u64, records);
                    found.entry(name.split('/').next().unwrap().to_owned()).or_default().extend(numbers);
                }
                assert_eq!(found["even=true"], (0..100).step_by(2).collect::<Vec<_>>());
                assert_eq!(found["even=false"], (1..100).step_by(2).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn no_two_files_of_a_task_have_one_name_whatever_a_file_system_makes_of_their_folders() {
        let by = ByColumn::below(Unpartitioned, "text", |row: &Row| row.text);
        let texts = ["de", "DE", "a", "a.", "\u{e9}", "e\u{301}"];
        let records: Vec<(u32, &'static str)> = texts.iter().cycle().take(60).map(|text| (1, *text)).collect();
        for (most_open, full_at) in [(1, None), (100, None), (100, Some(60))] {
            let layout = Layout { partitions: by.clone(), gzip: false, full_at, most_open };
            let parts = written(&layout, &records);
            let names: BTreeSet<&str> = parts.iter().filter_map(|(name, _, _)| name.rsplit('/').next()).collect();
            assert_eq!(names.len(), parts.len(), "{names:?}");
            assert_eq!(parts.iter().map(|(_, _, records)| records).sum::<u64>(), 60);
        }
    }

    #[test]
    fn a_file_is_full_at_its_size() {
        let records: Vec<(u32, &'static str)> = (0..100).map(|_| (1, "12345678")).collect();
        let layout = Layout { partitions: Unpartitioned, gzip: false, full_at: Some(110), most_open: 1 };
        let parts = written(&layout, &records);
        assert_eq!(parts.len(), 12, "nine rows each, and the last one");
        assert_eq!(parts[3].0, "part-0000000001-00000_0003.csv");
    }
}
