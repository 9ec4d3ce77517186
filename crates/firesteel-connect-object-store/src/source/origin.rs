//! Records with where they come from.

use firesteel_formats::{ByPath, Format, OnBoth, WithOrigin};

use super::{Objects, Policy};

impl<F: Format> Objects<F> {
    /// Records with their [`Origin`](firesteel_formats::Origin): the key of their object, where in it they stand, when it was stored,
    /// and the columns in the key. Who does not ask for it pays nothing.
    #[must_use]
    pub fn with_origin(self) -> Objects<WithOrigin<F>> {
        self.change_format(WithOrigin::of)
    }

    /// Changes what the format is set to.
    #[must_use]
    pub fn change_format<G: Format>(self, change: impl FnOnce(F) -> G) -> Objects<G> {
        let Self { bucket, pattern, policy, look_every, longest, format, catalog: _, looks: _ } = self;
        let changed = Objects::in_format(&bucket, "", change(format));
        let policy = Policy {
            by_lines: changed.policy.by_lines,
            rows: changed.policy.rows,
            picks_rows: changed.policy.picks_rows,
            ..policy
        };
        Objects { pattern, look_every, longest, ..changed }.with_policy(policy)
    }
}

impl<F: Format + ByPath> Objects<F> {
    /// Fields of a record may come from the key of its object, where parts of it are called `name=value` (as Hive has it, and
    /// [`ObjectSink::partitioned_by`](crate::ObjectSink::partitioned_by)). See [`ByPath`] for what is read, and what is refused. A column that
    /// is in the object, too, has to say the same there; [`with_path_columns_by`](Self::with_path_columns_by) chooses.
    #[must_use]
    pub fn with_path_columns(self) -> Self {
        self.with_path_columns_by(OnBoth::Compare)
    }

    /// As [`with_path_columns`](Self::with_path_columns), and says what holds where a column is in the key and in the object.
    #[must_use]
    pub fn with_path_columns_by(self, both: OnBoth) -> Self {
        self.change_format(|format| format.with_path_columns(both))
    }
}
