//! How files are read, followed, ordered and left behind.

use firesteel_formats::Format;
use firesteel_frames::TextEncoding;
use firesteel_window::Duration;
use parking_lot::Mutex;

use super::Files;
use super::after::AfterReading;
use super::catalog::Catalog;
use super::order::FileOrder;
use super::policy::{Borders, OnMissing, OnUnreadable, Policy};

impl<F: Format> Files<F> {
    /// Follows the files: reads what appears and is appended, without end.
    ///
    /// A line counts when its newline is there, a record of another format when it is complete, or when the file is
    /// [finished](Self::finish_after). A file that was read to its end
    /// may be removed. A path where nothing is yet is waited for. A compressed file that is still being written is read as far as
    /// it goes, and read on when it has grown.
    #[must_use]
    pub fn follow(self) -> Self {
        let policy = Policy { follow: true, ..self.policy.clone() };
        self.with_policy(policy)
    }

    pub(super) fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self.catalog = Mutex::new(Catalog::new(self.paths.clone(), self.policy.clone()));
        self
    }

    /// After which time without a change a followed file is taken for finished; five minutes unless set. All of it counts then,
    /// also a last line without a newline, and the watermark does not wait for it any more. A file is finished sooner where a
    /// newer piece of its log is there. One that grows all the same is read on.
    ///
    /// Zero is for folders into which whole files are moved: they are finished when they appear.
    #[must_use]
    pub fn finish_after(self, span: Duration) -> Self {
        let policy = Policy { finish_after: span, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// What becomes of a file that is gone before all of it was read. The default is [`OnMissing::Fail`]: what is lost is not
    /// lost in silence.
    #[must_use]
    pub fn on_missing(self, policy: OnMissing) -> Self {
        let policy = Policy { on_missing: policy, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// What becomes of files and folders that cannot be read, or not to their end. By default one bad file does not keep the
    /// others from being read: it is told and counted, and where files are followed it is retried. So is a known file that cannot be read for
    /// some time. Of a table, and of files that were [merged](crate::Compaction), what is damaged is passed over; so is a file as a whole that is
    /// [not what the program expects](firesteel_connect::ConnectError::Mismatch), until a program is started that it fits, as long as any file fits. Four things end a job
    /// that does not follow: a path that was given as it is and cannot be read, a file that is damaged or ends in
    /// the middle, one that does not fit, and one that can no longer be read when it is opened.
    #[must_use]
    pub fn on_unreadable(self, policy: OnUnreadable) -> Self {
        let policy = Policy { on_unreadable: Some(policy), ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// How the text of the files is encoded; UTF-8 unless told otherwise, and a file with a mark of UTF-16 is
    /// [refused](Self::on_unreadable) then. Text in another encoding can be read from its beginning only, by one task at a time, and
    /// positions count the bytes of its UTF-8. Needs the feature `encodings`.
    #[must_use]
    pub fn encoding(self, encoding: TextEncoding) -> Self {
        let borders = Borders::of(&self.format, Some(encoding));
        let policy = Policy { encoding: Some(encoding), borders, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// In which order files come that appear together; by their paths unless told otherwise. Which of them are read side by side is
    /// the engine's affair, unless [`max_files`](Self::max_files) says how many there are.
    #[must_use]
    pub fn order(self, order: FileOrder) -> Self {
        let policy = Policy { order, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// How many new files may be under way: at most that number is taken in for a batch, and further ones when these have been
    /// read up to where they ended then. A run over what there is (`Trigger::AvailableNow`) takes in all of them, one batch after the
    /// other. What is gone before it was its turn is told and counted. The
    /// watermark does not wait for files that wait: let them come in the [order](Self::order) of their events.
    #[must_use]
    pub fn max_files(self, files: usize) -> Self {
        let policy = Policy { max_files: Some(files), ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// How long ago a file may have been changed when it is seen first. Older ones are passed over, which is told and counted, and
    /// taken in when they are changed. A file that is known is read on, however old it is; each file is judged by itself, and not
    /// by others. After a restart, files that were passed over, or waited, are judged anew.
    #[must_use]
    pub fn max_age(self, span: Duration) -> Self {
        let policy = Policy { max_age: Some(span), ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// What becomes of a file when all of it was read, that is committed, and the file is [finished](Self::finish_after): it is
    /// kept, deleted, or moved to an archive. That is done to the file as it was read; one that has changed since is read on
    /// first. Let nobody write to a file that is silent for as long as [`finish_after`](Self::finish_after): what is written to a file that
    /// is removed then is lost. Files that are damaged or were not read to their ends, pieces of a log beside a path that was
    /// given, targets of links, and files of results, which a manifest lists, are left alone; of the last two that is told.
    #[must_use]
    pub fn after_reading(self, after: AfterReading) -> Self {
        let policy = Policy { after_reading: after, ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// Whether to rely on the system's notifications of changes, where they are to be had (inotify of Linux, on local file
    /// systems). By default that is so where more than 64 files are followed; of fewer, each is looked at whenever the engine
    /// asks. What the system tells of is seen at once, all of the rest within a minute; without notifications, which a warning
    /// tells, all files are looked at again and again.
    #[must_use]
    pub fn notified(self, wanted: bool) -> Self {
        let policy = Policy { is_notified: Some(wanted), ..self.policy.clone() };
        self.with_policy(policy)
    }

    /// How long to leave the file system alone between two looks for new files and lines. By default it is asked
    /// whenever the engine asks, unless looking takes more than a twentieth of the time.
    #[must_use]
    pub fn look_every(mut self, span: Duration) -> Self {
        self.look_every = span;
        self
    }

    /// How many bytes a record may have; 16 MiB unless told otherwise. A longer one is an error that concerns one
    /// record, and is passed over without being held in memory.
    #[must_use]
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }
}
