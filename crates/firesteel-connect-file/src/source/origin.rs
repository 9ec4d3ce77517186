//! Records with where they come from.

use firesteel_formats::{ByPath, Format, OnBoth, WithOrigin};

use super::Files;

impl<F: Format> Files<F> {
    /// Records with their [`Origin`](firesteel_formats::Origin): the path of their file, where in it they stand, when it was changed
    /// last, and the columns in the path. What says how text is decoded comes before. Who does not ask for it pays nothing.
    ///
    /// ```
    /// use firesteel_connect::{ReadRange, Source, SourceContext, SourceReader};
    /// use firesteel_connect_file::Files;
    /// use firesteel_window::Timestamp;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::create_dir(folder.path().join("day=2026-11-30"))?;
    /// # let path = folder.path().join("day=2026-11-30/app.log");
    /// std::fs::write(&path, "started\nstopped\n")?;
    /// let files = Files::new(&path).with_origin();
    /// files.start(&SourceContext::default())?;
    /// let split = files.discover(Timestamp::from_secs(0))?.splits.remove(0);
    /// let mut reader = files.open(&ReadRange::exact(split.id, 0, split.available.unwrap()))?;
    /// reader.next_record()?;
    /// let stopped = reader.next_record()?.unwrap();
    /// assert_eq!(stopped.record, "stopped");
    /// assert_eq!((stopped.origin.file_name(), stopped.origin.byte(), stopped.origin.line()), ("app.log", Some(8), Some(2)));
    /// assert_eq!(stopped.origin.column("day"), Some("2026-11-30"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_origin(self) -> Files<WithOrigin<F>> {
        self.change_format(WithOrigin::of)
    }
}

impl<F: Format + ByPath> Files<F> {
    /// Fields of a record may come from the path of its file, where folders are called `name=value` (as Hive has it, and
    /// [`FileSink::partitioned_by`](crate::FileSink::partitioned_by)). See [`ByPath`] for what is read, and what is refused. A column that is
    /// in the file, too, has to say the same there; [`with_path_columns_by`](Self::with_path_columns_by) chooses.
    ///
    /// ```
    /// use firesteel_connect::{ReadRange, Source, SourceContext, SourceReader};
    /// use firesteel_connect_file::Files;
    /// use firesteel_window::Timestamp;
    /// use serde::Deserialize;
    ///
    /// #[derive(Debug, PartialEq, Deserialize)]
    /// struct Sale {
    ///     day: String,
    ///     amount: f64,
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// let sales = folder.path().join("sales");
    /// std::fs::create_dir_all(sales.join("day=2026-11-30"))?;
    /// std::fs::write(sales.join("day=2026-11-30/part-0.ndjson"), "{\"amount\": 7.5}\n")?;
    ///
    /// let files = Files::json::<Sale>(sales.join("**/*.ndjson")).with_path_columns();
    /// files.start(&SourceContext::default())?;
    /// let split = files.discover(Timestamp::from_secs(0))?.splits.remove(0);
    /// let mut reader = files.open(&ReadRange::starting_at(split.id, 0))?;
    /// assert_eq!(reader.next_record()?, Some(Sale { day: "2026-11-30".into(), amount: 7.5 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_path_columns(self) -> Self {
        self.with_path_columns_by(OnBoth::Compare)
    }

    /// As [`with_path_columns`](Self::with_path_columns), and says what holds where a column is in the path and in the file.
    #[must_use]
    pub fn with_path_columns_by(self, both: OnBoth) -> Self {
        self.change_format(|format| format.with_path_columns(both))
    }
}
