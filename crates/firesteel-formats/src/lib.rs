//! Formats: how bytes become records, and records bytes.
//!
//! A [`Format`] says where the records of a file end and what they are; a decoder ([`firesteel_connect::Decode`]) makes one
//! record of its bytes, whatever carries them.
//!
//! | | |
//! |---|---|
//! | [`Lines`] | lines of text, by any decoder |
//! | [`Json`] | one value a line; a decoder, too |
//! | [`Csv`] | rows of fields after a header |
//!
//! It reads no file and no socket: sources hand it the bytes of their own buffers.

mod csv;
mod format;
mod json;
mod lines;
mod text;

pub use csv::{Csv, ReadingCsv, WritingCsv};
pub use format::{BadFormat, Format, Found, Head, Mismatch, Reading, WriteFormat, Writing};
pub use json::Json;
pub use lines::{Lines, ReadingLines, WriteLines, WritingLines};
