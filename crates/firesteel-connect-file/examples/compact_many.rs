//! What merging many small files costs: `compact_many FILES [gzip] [sink]`.
//!
//! Makes results of that many files of ten lines, merges them, and prints how long that takes, and how much memory the process has had at
//! most. With `sink` the sink merges them by itself, too.

#[path = "common/small.rs"]
mod small;

use std::error::Error;

use firesteel_connect_file::{Compaction, TextFileSink};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let files = arguments.first().map_or(Ok(30_000), |text| text.parse::<u64>())?;
    let folder = std::env::temp_dir().join(format!("firesteel-compact-{}", std::process::id()));
    let sink = TextFileSink::new(&folder);
    let sink = if arguments.iter().any(|text| text == "gzip") { sink.gzip() } else { sink };
    let sink = if arguments.iter().any(|text| text == "sink") { sink.compact_to(128 << 20) } else { sink };
    small::write(&sink, files, "files")?;
    small::merge(|| Compaction::of(&folder, 128 << 20).run())?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
