//! Spark Streaming's model in Rust: typed micro-batch streams over RDDs, with event time, in one binary.
//!
//! Clicks per client and hour of a web site, from its access log:
//!
#![cfg_attr(all(feature = "file", feature = "launch"), doc = "```")]
#![cfg_attr(not(all(feature = "file", feature = "launch")), doc = "```ignore")]
//! use firesteel::file::TextFiles;
//! use firesteel::prelude::*;
//!
//! # struct Click { client: String, at: Timestamp }
//! # impl std::str::FromStr for Click {
//! #     type Err = &'static str;
//! #     fn from_str(line: &str) -> Result<Self, Self::Err> {
//! #         let stamp = line.split(['[', ']']).nth(1).filter(|_| line.ends_with('"')).ok_or("cut off")?;
//! #         let (day, clock) = (&stamp[..2], &stamp[12..20]);
//! #         let at = format!("2015-05-{day}T{clock}Z").parse().map_err(|_| "no time")?;
//! #         Ok(Self { client: line.split(' ').next().unwrap_or_default().to_owned(), at })
//! #     }
//! # }
//! fn main() -> firesteel::Exit {
//! #   std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).expect("the root is there");
//!     firesteel::launch("hourly-clicks", |job| {
//!         job.read(TextFiles::new("examples/data/access.log.gz"))
//!             .try_map(|line| line.parse::<Click>()) // what does not parse is left out, counted and told
//!             .event_time(|click| click.at, Watermark::bounded(minutes(1)))
//!             .key_by(|click| click.client.clone())
//!             .window(Tumbling::of(hours(1)))
//!             .count()
//!             .write(Console::table());
//!         Ok(())
//!     })
//! }
//! ```
//!
//! The same without a stream, as batch work over an RDD:
//!
#![cfg_attr(feature = "file", doc = "```")]
#![cfg_attr(not(feature = "file"), doc = "```ignore")]
//! use firesteel::file::TextFiles;
//! use firesteel::prelude::*;
//!
//! # fn main() -> firesteel::Result<()> {
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).expect("the root is there");
//! let context = firesteel::scheduler::local(2)?;
//! let lines = context.read(TextFiles::new("examples/data/access.log.gz"))?;
//! let posts = lines.filter(|line| line.contains("\"POST ")).count()?;
//! assert_eq!(posts, 5);
//! # Ok(())
//! # }
//! ```
//!
//! What a socket sends comes once. With a write-ahead log in front of it, what was received survives the end of the
//! process, and a job that is started again resumes after what it has committed:
//!
#![cfg_attr(all(feature = "socket", feature = "terminal", feature = "wal"), doc = "```no_run")]
#![cfg_attr(not(all(feature = "socket", feature = "terminal", feature = "wal")), doc = "```ignore")]
//! use firesteel::prelude::*;
//! use firesteel::socket::SocketText;
//! use firesteel::wal::WriteAheadLog;
//!
//! # fn main() -> firesteel::Result<()> {
//! let job = StreamingContext::builder("words").build()?;
//! job.read(WriteAheadLog::new("wal", SocketText::connect("localhost:9999")))
//!     .flat_map(|line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!     .count_by_value()
//!     .write(Console::table());
//! job.run(Trigger::AsSoonAsPossible)
//! # }
//! ```
//!
//! # Where things are
//!
//! This crate holds no code of its own: it puts the others under one name. Whoever needs only a part depends on that
//! part.
//!
//! | module | crate | what is in it |
//! |---|---|---|
//! | the root | `firesteel-streaming`, `firesteel-budget` | contexts, streams and their shapes, windows, operators with state, triggers, checkpoints; the memory of a job |
//! | [`operator`] | `firesteel-streaming` | for those who write operators with state: the trait of the library's own |
//! | [`progress`], [`explain`] | `firesteel-streaming` | what a job tells of itself, batch by batch and before it starts |
//! | [`rdd`] | `firesteel-core` | RDDs, their operators and actions, broadcast variables, accumulators; below it [`rdd::runner`] for those who run jobs, [`rdd::block`] for those who write operators |
//! | [`scheduler`] | `firesteel-scheduler` | executors, stages, retries, job events |
//! | [`state`] | `firesteel-state` | declarations and handles of keyed state, timers, TTL |
//! | [`window`] | `firesteel-window` | timestamps, windows, watermarks, aggregators |
//! | [`budget`] | `firesteel-budget` | the memory that a process lets its jobs take, and its parts |
//! | [`connect`] | `firesteel-connect` | the traits of sources, receivers and sinks |
//! | `file` | `firesteel-connect-file` | files of text, JSON and other formats; feature `file` |
//! | `formats` | `firesteel-formats` | formats of records, whatever carries them; feature `file` |
//! | `socket` | `firesteel-connect-socket` | lines from a TCP socket; feature `socket` |
//! | `wal` | `firesteel-connect-wal` | a write-ahead log in front of any receiver; feature `wal` |
//! | `memory` | `firesteel-connect-memory` | slices, queues, rates, a collector; feature `memory` |
//! | `launch`, `LaunchOptions` | `firesteel-launch` | options, signals, exit code; feature `launch` |
//! | `terminal` | `firesteel-terminal` | result tables and progress; feature `terminal` |
//! | `schema_registry` | `firesteel-schema-registry` | schemas of Avro messages out of a registry; feature `schema-registry` |
//! | `kafka` | `firesteel-connect-kafka` | topics of Apache Kafka as a source and as a sink; feature `kafka` |
//! | `objects` | `firesteel-connect-object-store` | objects as a source and as a sink; feature `object-store` |
//! | `object_store` | `firesteel-state-object-store` | snapshots of keyed state in an object store; feature `object-store` |
//! | `rocksdb` | `firesteel-state-rocksdb` | keyed state that need not fit into memory; feature `rocksdb` |
//!
//! All features are on by default but for `avro`, `schema-registry` and `protobuf`, which are formats and what belongs to them, `calendar`, which brings the database of time zones, `object-store` and `kafka`, which not everybody needs, and `rocksdb`: building
//! that takes a C++ compiler, libclang and some minutes.

pub mod explain;
pub mod prelude;
pub mod progress;
pub mod rdd;

pub use firesteel_budget as budget;
pub use firesteel_connect as connect;
#[cfg(feature = "file")]
pub use firesteel_connect_file as file;
#[cfg(feature = "kafka")]
pub use firesteel_connect_kafka as kafka;
#[cfg(feature = "memory")]
pub use firesteel_connect_memory as memory;
#[cfg(feature = "object-store")]
pub use firesteel_connect_object_store as objects;
#[cfg(feature = "socket")]
pub use firesteel_connect_socket as socket;
#[cfg(feature = "wal")]
pub use firesteel_connect_wal as wal;
#[cfg(any(feature = "file", feature = "kafka", feature = "object-store"))]
pub use firesteel_formats as formats;
#[cfg(feature = "launch")]
pub use firesteel_launch::{Exit, ExplainFormat, Launch, LaunchOptions, ProgressMode, launch, show_warnings};
pub use firesteel_scheduler as scheduler;
#[cfg(feature = "schema-registry")]
pub use firesteel_schema_registry as schema_registry;
pub use firesteel_state as state;
#[cfg(feature = "object-store")]
pub use firesteel_state_object_store as object_store;
#[cfg(feature = "rocksdb")]
pub use firesteel_state_rocksdb as rocksdb;
pub use firesteel_streaming::operator;
// A job: how it is built, how it is run and stopped, what it tells.
pub use firesteel_streaming::{
    Batch, BatchLimits, BatchProgress, Builder, CallLimits, Checkpoint, Class, Error, Handover, JobRun, OutputHandle,
    ReadRdd, Result, RunningJob, Stop, Stopper, StreamingContext, StreamingListener, Summary, Trigger,
};
// The memory of a job and its parts.
pub use firesteel_budget::{Memory, Part, gib, mib};
// Streams, and what says which.
pub use firesteel_streaming::{
    AsOfJoin, Changes, ChangingWindows, CountedStream, Deduplication, EventTime, IntervalJoin, JoinSide, Late, LateFor,
    LatestJoin, MovedBy, Pair, PatternMatching, Plain, PurgedWindows, SessionBy, Shape, SideOutput, Stream,
    StreamTable, Table, TableJoin, Timed, TriggeredWindows, WindowJoin, WindowKind, WindowResult, WindowedStream,
};
// Records that do not get through.
pub use firesteel_streaming::{Rejected, RejectedBy, RejectedLimit, Undecodable};
// Operators with state.
pub use firesteel_streaming::{
    EventTimeout, FlatMapSpec, KeyState, KeyedProcess, MapSpec, NoTimeout, OutputMode, ProcessContext, ProcessSpec,
    ProcessingTimeout, RunningSpec, UpdateSpec,
};
#[cfg(feature = "terminal")]
pub use firesteel_terminal as terminal;
pub use firesteel_window as window;
