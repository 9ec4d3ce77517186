//! What the engine tells a source or a sink when it starts.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firesteel_window::Timestamp;

use crate::{SplitId, SplitNote, Wake};

/// Which part of a job a source or a sink works for.
///
/// A job in one process is [whole](Self::whole). Where several processes run one job, each runs a part of it, and what
/// they keep outside (marks of commits, files, locks) must not meet: a sink puts the scope's name into the names of what it
/// keeps, and cleans up nothing but what is its own.
///
/// ```
/// use firesteel_connect::Scope;
/// assert_eq!(Scope::whole().part(), None);
/// assert_eq!(Scope::of_part("3")?.part(), Some("3"));
/// assert!(Scope::of_part("a/b").is_err());
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope(Option<Arc<str>>);

impl Scope {
    /// All of the job.
    #[must_use]
    pub fn whole() -> Self {
        Self(None)
    }

    /// One part of it.
    ///
    /// # Errors
    /// When the name is not made of letters, digits, `-` and `_` of ASCII, or has none or more than 64 of them: sinks use it
    /// in names of files and in keys.
    pub fn of_part(name: &str) -> crate::Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            let reason = format!("`{name}` does not consist of 1 to 64 letters, digits, `-` and `_`");
            return Err(crate::ConnectError::Setting { connector: "Scope", setting: "part", reason });
        }
        Ok(Self(Some(name.into())))
    }

    /// The name of the part; `None` for the whole.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// An id of 128 random bits.
macro_rules! random_id {
    ($(#[$documentation:meta])* $id:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(u128);

        impl $id {
            /// The id with these bits.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// Its bits.
            #[must_use]
            pub const fn to_bits(self) -> u128 {
                self.0
            }

            /// A new one, equal to no other: from the random keys that the operating system gives to hash maps.
            #[must_use]
            pub fn random() -> Self {
                let half = |salt: u64| u128::from(RandomState::new().hash_one(salt));
                Self(half(0) << 64 | half(1))
            }
        }

        impl fmt::Display for $id {
            /// 32 hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $id {
            type Err = ParseIntError;

            /// What `Display` has written.
            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                u128::from_str_radix(text, 16).map(Self)
            }
        }
    };
}

random_id! {
    /// Which checkpoint epochs are counted in: epoch 7 of one is not epoch 7 of another.
    ///
    /// It is made with the checkpoint and stays the same as long as that is resumed from. A job without a checkpoint has a
    /// new one each time it starts.
    ///
    /// ```
    /// use firesteel_connect::CheckpointId;
    /// let id = CheckpointId::random();
    /// assert_eq!(id.to_string().parse(), Ok(id));
    /// ```
    CheckpointId
}

random_id! {
    /// Which start of a program it is: a process that was started later has another one.
    RunId
}

/// Counts events of a connector, such as reconnects. Cheap to clone, callable anywhere.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts `events` more.
    pub fn add(&self, events: u64) {
        self.0.fetch_add(events, Ordering::Relaxed);
    }

    /// How many have been counted.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a source or a sink: progress records show them under their names.
///
/// ```
/// use firesteel_connect::Counters;
///
/// let counters = Counters::default();
/// let reconnects = counters.counter("reconnects");
/// reconnects.add(1);
/// assert_eq!(counters.values(), [("reconnects", 1)]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Mutex<Vec<(&'static str, Counter)>>>);

impl Counters {
    /// How often what a source holds without having been asked has had to wait for room. Whoever pushes waits meanwhile.
    pub const WAITS: &'static str = "waits";

    /// The counter of this name, which is made when it is asked for first.
    #[must_use]
    pub fn counter(&self, name: &'static str) -> Counter {
        let mut counters = self.lock();
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == name) {
            return counter.clone();
        }
        let counter = Counter::default();
        counters.push((name, counter.clone()));
        counter
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, Counter)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been counted, in the order in which the counters were made.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, u64)> {
        self.lock().iter().map(|(name, counter)| (*name, counter.value())).collect()
    }
}

/// Tells the processing time. Cheap to clone, callable anywhere.
#[derive(Clone)]
struct Now(Arc<dyn Fn() -> Timestamp + Send + Sync>);

/// What a source and a sink are both told.
#[derive(Clone)]
struct Common {
    job: Arc<str>,
    name: Arc<str>,
    scope: Scope,
    run: RunId,
    now: Now,
    counters: Counters,
}

/// Methods that both contexts have.
macro_rules! common_methods {
    () => {
        /// The context of a program of this name, in which the source or sink has that one. The engine makes it; tests of
        /// a connector do, too.
        #[must_use]
        pub fn new(job: &str, name: &str) -> Self {
            Self::of(Common {
                job: job.into(),
                name: name.into(),
                scope: Scope::whole(),
                run: RunId::random(),
                now: Now(Arc::new(|| Timestamp::EPOCH)),
                counters: Counters::default(),
            })
        }

        /// The same for a part of the job.
        #[must_use]
        pub fn with_scope(mut self, scope: Scope) -> Self {
            self.common.scope = scope;
            self
        }

        /// The same, with another clock.
        #[must_use]
        pub fn with_clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
            self.common.now = Now(Arc::new(now));
            self
        }

        /// The same, with an id of the run that is known elsewhere.
        #[must_use]
        pub fn with_run(mut self, run: RunId) -> Self {
            self.common.run = run;
            self
        }

        /// The same, with counters that somebody reads.
        #[must_use]
        pub fn with_counters(mut self, counters: Counters) -> Self {
            self.common.counters = counters;
            self
        }

        /// The job's name.
        #[must_use]
        pub fn job(&self) -> &str {
            &self.common.job
        }

        /// The name that it has in the program: equal for no two sources or sinks of a job, and the same after a restart.
        #[must_use]
        pub fn name(&self) -> &str {
            &self.common.name
        }

        /// Which part of the job it works for.
        #[must_use]
        pub fn scope(&self) -> &Scope {
            &self.common.scope
        }

        /// Which start of the program it is.
        #[must_use]
        pub fn run(&self) -> RunId {
            self.common.run
        }

        /// The processing time. A connector asks no clock of its own for what results depend on.
        #[must_use]
        pub fn now(&self) -> Timestamp {
            (self.common.now.0)()
        }

        /// What it counts for progress records.
        #[must_use]
        pub fn counters(&self) -> &Counters {
            &self.common.counters
        }
    };
}

/// Where a job stands in a split when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resumed {
    /// The split.
    pub split: SplitId,
    /// The next position that will be asked for. Where the last epoch has to be run again, ranges before it are, too.
    pub position: u64,
    /// Whether the job has read it to its end, as the source had said.
    pub ended: bool,
    /// What the source has [noted](crate::Source::notes) of it.
    pub note: Option<SplitNote>,
}

impl Resumed {
    /// At this position of the split, which had not ended.
    #[must_use]
    pub fn at(split: SplitId, position: u64) -> Self {
        Self { split, position, ended: false, note: None }
    }

    /// The same split, read to its end.
    #[must_use]
    pub fn ended(self) -> Self {
        Self { ended: true, ..self }
    }

    /// The same, with what the source has noted of it.
    #[must_use]
    pub fn noted(self, note: impl Into<Option<SplitNote>>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// What a [`Source`](crate::Source) is told when it starts.
///
/// ```
/// use firesteel_connect::{Resumed, SourceContext, SplitId};
///
/// // As a test of a source makes it.
/// let context = SourceContext::new("clicks", "input").resumed_at([Resumed::at(SplitId::new("0"), 17)]);
/// assert_eq!(context.resumed()[0].position, 17);
/// ```
#[derive(Clone)]
pub struct SourceContext {
    common: Common,
    wake: Wake,
    resumed: Arc<[Resumed]>,
    losable: Arc<[String]>,
}

impl SourceContext {
    fn of(common: Common) -> Self {
        Self { common, wake: Wake::silent(), resumed: Arc::new([]), losable: Arc::new([]) }
    }

    common_methods!();

    /// The same, with a call that somebody hears.
    #[must_use]
    pub fn with_wake(mut self, wake: Wake) -> Self {
        self.wake = wake;
        self
    }

    /// The same, where the job does not begin.
    #[must_use]
    pub fn resumed_at(mut self, splits: impl IntoIterator<Item = Resumed>) -> Self {
        self.resumed = splits.into_iter().collect();
        self
    }

    /// The same, where what is lost of these splits is given up: by name, or by its beginning if the name ends with `*`.
    #[must_use]
    pub fn giving_up(mut self, splits: impl IntoIterator<Item = String>) -> Self {
        self.losable = splits.into_iter().collect();
        self
    }

    /// Whether the person who runs the job has said that what is lost of this split is given up. A source that finds that
    /// something is lost then tells so, and continues without it.
    #[must_use]
    pub fn gives_up(&self, split: &SplitId) -> bool {
        let is_meant = |name: &String| match name.strip_suffix('*') {
            Some(beginning) => split.as_str().starts_with(beginning),
            None => split.as_str() == name,
        };
        self.losable.iter().any(is_meant)
    }

    /// To be called when there is something to read, so that a waiting job need not poll.
    #[must_use]
    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    /// Where the job stood before a restart, split by split; nothing where it begins.
    #[must_use]
    pub fn resumed(&self) -> &[Resumed] {
        &self.resumed
    }
}

impl Default for SourceContext {
    /// A context for tests, and for reading without an engine.
    fn default() -> Self {
        Self::new("job", "source")
    }
}

impl fmt::Debug for SourceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Common { job, name, scope, .. } = &self.common;
        let mut shown = f.debug_struct("SourceContext");
        shown.field("job", job).field("name", name).field("scope", scope).field("resumed", &self.resumed).finish()
    }
}

/// What a [`Sink`](crate::Sink) is told when it starts.
///
/// ```
/// use firesteel_connect::{CheckpointId, SinkContext};
///
/// // As a test of a sink makes it.
/// let context = SinkContext::new("clicks", "output").with_checkpoint(CheckpointId::from_bits(7));
/// assert_eq!(context.checkpoint().to_bits(), 7);
/// ```
#[derive(Clone)]
pub struct SinkContext {
    common: Common,
    checkpoint: CheckpointId,
    resumes: bool,
}

impl SinkContext {
    fn of(common: Common) -> Self {
        Self { common, checkpoint: CheckpointId::random(), resumes: false }
    }

    common_methods!();

    /// The same, of another checkpoint.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: CheckpointId) -> Self {
        self.checkpoint = checkpoint;
        self
    }

    /// The checkpoint whose epochs will be committed: part of the [`Mark`](crate::Mark) of each.
    #[must_use]
    pub fn checkpoint(&self) -> CheckpointId {
        self.checkpoint
    }

    /// The same, of a job that resumes from its checkpoint.
    #[must_use]
    pub fn resuming(mut self, resumes: bool) -> Self {
        self.resumes = resumes;
        self
    }

    /// Whether the job resumes from a checkpoint: a sink that keeps rows in memory does not have those of the epochs before.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.resumes
    }
}

impl Default for SinkContext {
    /// A context for tests, and for writing without an engine.
    fn default() -> Self {
        Self::new("job", "sink")
    }
}

impl fmt::Debug for SinkContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Common { job, name, scope, .. } = &self.common;
        let mut shown = f.debug_struct("SinkContext");
        shown.field("job", job).field("name", name).field("scope", scope);
        shown.field("checkpoint", &self.checkpoint).field("resumes", &self.resumes).finish()
    }
}
