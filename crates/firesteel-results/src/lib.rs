//! What sinks of files and of objects share.
//!
//! | | |
//! |---|---|
//! | [`PartName`] | which part of which epoch a file holds |
//! | [`Manifest`], [`Covered`] | which files the committed epochs consist of |
//! | [`Part`], [`apart`], [`Shift`] | which files a merged one stands for, where they stand in it, and how they are read there |
//! | [`compact`], [`Compacting`] | which small files are merged, when, and what they become |
//! | [`Partitions`] | to which folder a record belongs: `day=2026-11-28` |
//! | [`Layout`] | how the records of a task become files: folders, compression, when a file is full |
//!
//! It does no I/O: what a part is written to is a [`PartStore`] of the sink's, and what is merged is in a [`MergingStore`].

mod compact;
mod layout;
mod manifest;
mod merged;
mod name;
mod packed;
mod partitions;
mod shift;

pub use compact::{
    Compacting, CompactionReport, Grouping, LeftFiles, Limits, Loose, MergingStore, Seen, Switch, WhyLeft, Written,
    compact, groups,
};
pub use layout::{Layout, PartStore, Size};
pub use manifest::{Covered, Entry, Manifest, current, merge, singles, split_merged};
pub use merged::{PRINTED, Part, Stretch, apart, hash};
pub use name::PartName;
pub use partitions::{BadColumn, ByColumn, Partitions, Unpartitioned};
pub use shift::Shift;
