//! What sinks of files and of objects share.
//!
//! | | |
//! |---|---|
//! | [`PartName`] | which part of which epoch a file holds |
//! | [`Manifest`], [`Covered`] | which files the committed epochs consist of |
//! | [`Part`], [`apart`] | which files a merged one stands for, and where they stand in it |
//! | [`groups`] | which small files are to be merged |
//! | [`Partitions`] | to which folder a record belongs: `day=2026-11-28` |
//! | [`Layout`] | how the records of a task become files: folders, compression, when a file is full |
//!
//! It does no I/O: what a part is written to is a [`PartStore`] of the sink's.

mod groups;
mod layout;
mod manifest;
mod merged;
mod name;
mod partitions;

pub use groups::{Grouping, groups};
pub use layout::{Layout, PartStore, Size};
pub use manifest::{Covered, Entry, Manifest, current, merge, singles, split_merged};
pub use merged::{Part, Stretch, apart};
pub use name::PartName;
pub use partitions::{BadColumn, ByColumn, Partitions, Unpartitioned};
