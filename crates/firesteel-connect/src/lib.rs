//! The traits between the engine and the outside world.
//!
//! A connector author depends on this crate alone. Three traits cover what a stream processor needs:
//!
//! - [`Source`]: data that can be read again by position, in parallel splits.
//! - [`Receiver`]: data that is pushed at us.
//! - [`Sink`]: a place for results; what a task writes stays invisible until the epoch commits.
//!
//! [`Decode`] and [`Encode`] say how bytes become records and records bytes, whatever carries them.
//!
//! [`Buffered`] makes a receiver a source ([`ReceiverThread`] and [`StoreBuffer`] help to make one in another way),
//! [`Blocks`] helps sources over memory, and the `conformance` feature brings the suites every connector's own tests
//! should run.
//!
//! The guide for authors is `docs/connectors.md` of the repository. The crate holds no client, no runtime and no engine type.

mod blocks;
mod buffer;
mod buffered;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod decode;
mod epoch;
mod error;
mod guarantee;
mod note;
mod offer;
mod payload;
mod place;
mod receiver;
mod redact;
mod secret;
mod sink;
mod source;
mod split;
mod supervise;
mod text;
mod undecoded;
mod wake;

pub use blocks::{BlockReader, Blocks};
pub use buffered::{Buffered, DEFAULT_CAPACITY};
pub use context::{CheckpointId, Counter, Counters, Resumed, RunId, Scope, SinkContext, SourceContext};
pub use decode::{Decode, Decoding, Encode, Undecodable, Unencodable};
pub use epoch::Epoch;
pub use error::{ConnectError, Result};
pub use firesteel_budget::{Pool, Request, Share, measure};
pub use firesteel_error::Class;
pub use guarantee::{Guarantee, Replay, Retention};
pub use note::SplitNote;
pub use offer::{LONGEST_TOKEN, Refused};
pub use payload::Payload;
pub use place::Place;
pub use receiver::{Receiver, Stopped, Store, StoreBuffer};
pub use redact::redact;
pub use secret::Secret;
pub use sink::{AppliesChanges, Mark, Sink, WriteTask};
pub use source::{Choose, Discovery, Source, SourceReader};
pub use split::{PositionUnit, ReadRange, Split, SplitId};
pub use supervise::ReceiverThread;
pub use text::InvalidUtf8;
pub use undecoded::{Decoded, Undecoded};
pub use wake::Wake;

#[cfg(all(doctest, feature = "conformance"))]
#[doc = include_str!("../../../docs/connectors.md")]
struct Guide;
