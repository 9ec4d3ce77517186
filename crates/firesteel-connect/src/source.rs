//! Sources: data that can be read again by position.

use firesteel_budget::Pool;
use firesteel_window::Timestamp;

use crate::{Place, ReadRange, Replay, Result, SourceContext, Split, SplitId, SplitNote};

/// What a source found when it looked around: all splits that there are, or those that are new or not as they were.
///
/// Both are answers to the same question, and a source may give the one or the other at any time. [`changes`](Self::changes)
/// are for sources with very many splits: the engine passes over those that nothing is said of and that have been read.
///
/// | | |
/// |---|---|
/// | changes since when? | since the last answer that was `Ok`; what an answer that failed would have told comes with the next |
/// | the first answer after a start | names all splits that there are, whichever way it is given: of those that it does not name and the checkpoint knows, the engine thinks that they are gone |
/// | a split that is gone | is forgotten; under the same name another one may come later, to be read from its start |
/// | a split that [is finished](Split::finished) | need not be told of again. It is gone only when that is said |
/// | `complete` | holds for this answer and says nothing of the next |
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Discovery {
    /// Splits. New ones are read in this order.
    pub splits: Vec<Split>,
    /// Whether a split that is not among them is gone.
    pub is_all: bool,
    /// Splits that are gone, where it is not.
    pub gone: Vec<SplitId>,
    /// Whether no further split will ever appear. Together with [`Split::finished`] on every split it means that the
    /// source has an end, which an available-now run reports as the end of event time.
    pub complete: bool,
    /// Whether there are splits already that this answer does not name and later ones will: a run over what is there now asks for
    /// them, too.
    pub more: bool,
}

impl Discovery {
    /// All splits that there are now.
    ///
    /// ```
    /// use firesteel_connect::{Discovery, PositionUnit, Split, SplitId};
    ///
    /// let found = Discovery::all([Split::new(SplitId::new("0"), PositionUnit::Records).available(3)]).complete(true);
    /// assert!(found.is_all && found.complete);
    /// ```
    #[must_use]
    pub fn all(splits: impl IntoIterator<Item = Split>) -> Self {
        Self { splits: splits.into_iter().collect(), is_all: true, ..Self::default() }
    }

    /// The splits that have appeared or changed since the last answer, and those that are gone since.
    #[must_use]
    pub fn changes(splits: impl IntoIterator<Item = Split>, gone: impl IntoIterator<Item = SplitId>) -> Self {
        Self { splits: splits.into_iter().collect(), gone: gone.into_iter().collect(), ..Self::default() }
    }

    /// Says whether there are splits already that later answers will name.
    #[must_use]
    pub fn more(self, more: bool) -> Self {
        Self { more, ..self }
    }

    /// Says whether no further split will ever appear.
    #[must_use]
    pub fn complete(self, complete: bool) -> Self {
        Self { complete, ..self }
    }
}

/// Data that can be read by position, in parallel, as often as needed.
///
/// The engine calls [`discover`](Self::discover) on the job's thread before each batch, cuts what is there into
/// ranges, and [`open`](Self::open)s each range in a task, possibly several times and on several threads at once.
/// Reading the same exact range again yields the same records in the same order.
///
/// No call can be broken off. One that does not return is told after ten seconds, and abandoned when it has taken longer than the
/// limits of the job: the job then ends without it and calls no source or sink any more. So give each request a time limit of its own.
pub trait Source: Send + Sync + 'static {
    /// A record.
    type Item: Send + 'static;
    /// Reads one range.
    type Reader: SourceReader<Item = Self::Item> + Send + 'static;

    /// What is read, for messages: `text files in logs/`.
    fn describe(&self) -> String;

    /// For how long the same range can be read again.
    fn replay(&self) -> Replay;

    /// Whether what is [`committed`](Self::committed) cannot be read any more afterwards, although the source can be read
    /// again after a restart. The engine makes certain first that no restart will ask for it.
    fn forgets(&self) -> bool {
        false
    }

    /// Whether it would read what a sink of the same job puts there: the job is refused then, since it would read its own
    /// results.
    fn would_read(&self, place: &Place) -> bool {
        let _ = place;
        false
    }

    /// Told before [`start`](Self::start) of the memory for what the source holds although no batch has asked for it, as a
    /// receiver's buffer does: it takes a [share](Pool::join), counts in it the bytes that it holds, and waits while there
    /// are no more. A source that reads when it is asked has no use for it.
    fn buffer_within(&self, pool: &Pool) {
        let _ = pool;
    }

    /// Called once before the first [`discover`](Self::discover), to check settings and to start what must run.
    ///
    /// # Errors
    /// When the source cannot work at all: a missing file, a wrong setting, an unreachable server.
    fn start(&self, context: &SourceContext) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// What can be read now: see [`Discovery`]. `now` is the engine's processing time: a source asks no clock of its own.
    ///
    /// # Errors
    /// When the place cannot be inspected; the engine repeats the call if the error is retryable.
    fn discover(&self, now: Timestamp) -> Result<Discovery>;

    /// A reader of the range.
    ///
    /// # Errors
    /// When the range cannot be read.
    fn open(&self, range: &ReadRange) -> Result<Self::Reader>;

    /// A reader of the range, out of one that has read the same split up to where the range begins: what it holds open (a
    /// file, a connection, records that it has fetched in advance) need not be fetched again.
    ///
    /// The engine keeps a reader that [is reusable](SourceReader::is_reusable) once it has read its range to the end, a few of
    /// them at a time, until the next range of its split comes. It opens a new one for every other range, as for those that
    /// are read again.
    ///
    /// # Errors
    /// As those of [`open`](Self::open).
    fn reopen(&self, reader: Self::Reader, range: &ReadRange) -> Result<Self::Reader> {
        drop(reader);
        self.open(range)
    }

    /// Told of a stretch of a split that could not be read ([`ConnectError::Later`](crate::ConnectError::Later)), while what comes after it was, in
    /// the same batch: it cannot be left for later, since a split has one position. Tells whether the source passes over it, as over what is
    /// damaged: it counts and tells that, then, and nothing of it is asked for again. Otherwise the job ends, and nothing is lost. After a
    /// restart it is told again of stretches in an epoch that is run again.
    ///
    /// # Errors
    /// Those that end the job.
    fn pass_over(&self, stretch: &ReadRange) -> Result<bool> {
        let _ = stretch;
        Ok(false)
    }

    /// What is to be kept of splits in the checkpoint, beside their positions: what identifies the data that the positions are
    /// in. After a restart the source gets it back with them ([`Resumed::note`](crate::Resumed::note)). Asked at the end of
    /// each epoch, before anything of it is committed, with the splits that have got further since the last answer that was
    /// `Ok` and where they stand now.
    ///
    /// A note stays until another takes its place, or the split is gone: so a source that wants to know a split again longer
    /// names it longer. Notes of splits that have not got further may be told as well, where they have changed.
    ///
    /// # Errors
    /// When nothing can be noted; the job ends then.
    fn notes(&self, moved: &[(SplitId, u64)]) -> Result<Vec<(SplitId, SplitNote)>> {
        let _ = moved;
        Ok(Vec::new())
    }

    /// Told after a commit up to where splits are done with, so that the source may forget what is before: those that have
    /// got further since the last call that was `Ok`, and, after a restart, those that the job resumes from.
    ///
    /// # Errors
    /// When the note cannot be taken; the engine logs it, continues, and tells the same with the next commit.
    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        let _ = positions;
        Ok(())
    }

    /// Called once when the job ends: stop what runs, release what is held.
    fn stop(&self) {}
}

/// Reads one range of one split, record by record.
///
/// A record that cannot be decoded is an error of [`Class::Record`](crate::Class::Record), with its place, its
/// [payload](crate::Payload) and what is wrong with it. It concerns that record alone: the reader stands after it then, and is
/// used again if the job sets such records aside. After any other error it is not used again.
pub trait SourceReader: Sized {
    /// A record.
    type Item;

    /// The next record, or `None` after the last one of the range.
    ///
    /// # Errors
    /// When the record cannot be read or decoded.
    fn next_record(&mut self) -> Result<Option<Self::Item>>;

    /// Where the next read would resume: the position after the last record handed out. Once `None` has come because
    /// the end of the range is reached, at least that end, so that nobody asks for the same stretch again.
    fn position(&self) -> u64;

    /// The position of the record handed out last, for error messages. Only meaningful after a record.
    fn last_position(&self) -> u64 {
        self.position().saturating_sub(1)
    }

    /// Whether reading stopped because nothing more is there, rather than at a limit.
    fn at_end(&self) -> bool;

    /// Whether it holds something, after its last record, that the reader of the next range would have to fetch again: the
    /// engine keeps it then for [`reopen`](Source::reopen).
    fn is_reusable(&self) -> bool {
        false
    }

    /// Appends up to `most` of the remaining records to `block`, and tells whether there may be more. The engine reads
    /// this way, and looks between two calls whether the task is still wanted. Readers with a quicker way than record by
    /// record override it.
    ///
    /// # Errors
    /// When a record cannot be read; those before it are in the block.
    fn read_block(&mut self, most: usize, block: &mut Vec<Self::Item>) -> Result<bool> {
        for _ in 0..most {
            match self.next_record()? {
                Some(record) => block.push(record),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads up to `most` of the remaining records as [`read_block`](Self::read_block) does, but appends only those that
    /// `choose` picks. `None` says that the reader has no quicker way than to read all, and has read nothing. Readers over
    /// records in memory override it: what the first filter drops is then never copied.
    ///
    /// # Errors
    /// As those of [`read_block`](Self::read_block).
    fn read_chosen(
        &mut self,
        most: usize,
        choose: &mut Choose<'_, Self::Item>,
        block: &mut Vec<Self::Item>,
    ) -> Result<Option<bool>> {
        let _ = (most, choose, block);
        Ok(None)
    }

    /// Hands all remaining records to `each`: for tests and small programs.
    ///
    /// # Errors
    /// When a record cannot be read; those before it have been handed out.
    fn for_each(&mut self, mut each: impl FnMut(Self::Item)) -> Result<()> {
        while let Some(record) = self.next_record()? {
            each(record);
        }
        Ok(())
    }
}

/// Picks records: writes the indices of those that are wanted, in their order, to the beginning of a list that is at least
/// as long as the records, and returns how many they are.
pub type Choose<'c, T> = dyn FnMut(&[T], &mut [u32]) -> usize + 'c;
