//! Records out of streams of bytes, for sources of files and of objects.
//!
//! | | |
//! |---|---|
//! | [`Compression`] | how bytes are packed, by what they begin with |
//! | [`Unpacked`] | what is inside |
//! | [`TextEncoding`] | how text is encoded that is not UTF-8 |
//! | [`Frames`] | the records of a stream, in place, in any [`Format`](firesteel_formats::Format) |
//! | [`RangeFrames`] | those of a range, within limits |
//! | [`Gaps`] | what was damaged, and passed over |
//! | [`Withheld`] | what cannot be read for now |
//! | [`Misfits`] | what is not what the program expects |
//!
//! It opens no file: whoever reads hands it an [`io::Read`](std::io::Read). No type of the crates that decompress is shown.
//!
//! ```
//! use firesteel_formats::{Format, Json};
//! use firesteel_frames::{Frames, Next, Unpacked, Compression};
//!
//! let text = &b"{\"user\":\"ada\"}\n{\"user\":\"bo\"}\n"[..];
//! let compression = Compression::of(text).unwrap_or(Compression::Plain);
//! let format = Json::<std::collections::BTreeMap<String, String>>::new().lines();
//! let mut frames = Frames::new(Unpacked::of(text, compression), format.begin(), 0, 4_096);
//! let mut users = vec![];
//! while let Next::Record(record) = frames.next(1_000)? {
//!     users.extend(frames.decode(record).map(|record| record["user"].clone()));
//! }
//! assert_eq!(users, ["ada", "bo"]);
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(feature = "bzip2")]
mod bzip2;
mod compression;
#[cfg(feature = "encodings")]
mod encoded;
mod frames;
mod gaps;
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
mod members;
mod misfits;
mod range;
mod rows;
mod source_errors;
mod unpacked;
mod withheld;
#[cfg(feature = "xz")]
mod xz;
mod zstd;

pub use compression::{Compression, TextEncoding};
pub use frames::{Frames, Next};
pub use gaps::{Gap, Gaps};
pub use misfits::{Looks, Misfit, Misfits, Tell, may_differ, some_of};
pub use range::{Fault, RangeFrames};
pub use rows::RangeRows;
pub use unpacked::Unpacked;
pub use withheld::{Met, Wait, Withheld};
