//! A write-ahead log that makes any receiver a source which can be read again after a crash.
//!
//! A receiver's data comes once: what a process has in memory when it ends is gone. [`WriteAheadLog`] puts every record
//! on disk before the receiver is told that it is safe, and hands it to the engine by position, as often as asked and
//! also after a restart, until the job has committed it.
//!
//! ```
//! use firesteel_connect::{Receiver, Replay, Result, Source, Store};
//! use firesteel_connect_wal::WriteAheadLog;
//!
//! struct Count;
//! impl Receiver for Count {
//!     type Item = u32;
//!     fn describe(&self) -> String {
//!         "three numbers".into()
//!     }
//!     fn receive(&mut self, store: &Store<u32>) -> Result<()> {
//!         if store.push_all(1..=3).is_ok() {
//!             // On disk: now, and not before, a peer may be told.
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let source = WriteAheadLog::new("wal", Count);
//! assert_eq!(source.replay(), Replay::Always);
//! ```
//!
//! In a job, in front of a socket: `job.read(WriteAheadLog::new("wal", SocketText::connect("localhost:9999")))`.
//!
//! # What is promised
//!
//! - A push returns `Ok` when its records are on disk, synced. Records of all threads that push meanwhile are synced
//!   together, once for the whole group.
//! - A batch that is [offered](firesteel_connect::Store::offer) is one piece of one frame: after a crash it is there whole,
//!   with its token, or not at all. The newest token outlives the records that it came with.
//! - Reading begins only after that. The same range holds the same records in every run.
//! - What [`committed`](firesteel_connect::Source::committed) names is never handed to a later job, and the files that
//!   hold nothing else are removed. The note of it is written with the next group, or alone where none comes; a crash
//!   before that shows some committed records again to a job that does not know its position.
//! - A sync that fails is never repeated in the hope of a better answer: it ends the job, and the next start writes what is in
//!   doubt once more before it shows it.
//! - A disk that is full makes the receiver wait and its peer with it; what is in the log can be read, and committing it
//!   makes room. The reason is told to [`on_retry`](WriteAheadLog::on_retry).
//! - A write that a crash has torn is cut off. It was never acknowledged. Any other damage is an error
//!   ([`ConnectError::Damaged`](firesteel_connect::ConnectError::Damaged)), until somebody chooses to
//!   [`skip_damage`](WriteAheadLog::skip_damage).
//! - A folder belongs to one log at a time: a lock sees to that.
//!
//! # What it does not do
//!
//! It cannot know whether a peer sends again what it was never told is safe: such a record is there twice. What a peer
//! without acknowledgments, such as a socket, has sent and the process has not yet read is lost with the process.
//!
//! The files are described in `docs/formats.md`.

#![forbid(unsafe_code)]

mod codec;
mod error;
mod files;
mod frame;
mod frames;
mod group;
mod reader;
mod scan;
mod shared;
mod source;
mod stretch;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::LogReader;
pub use source::WriteAheadLog;
