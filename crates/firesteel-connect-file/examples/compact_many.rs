//! What merging many small files costs: `compact_many FILES [gzip] [sink]`.
//!
//! Makes results of that many files of ten lines, merges them, and prints how long that takes, and how much memory the process has had at
//! most. With `sink` the sink merges them by itself, too.

use std::error::Error;

use firesteel_connect::{Epoch, Sink, SinkContext, WriteTask};
use firesteel_connect_file::{Compaction, TextFileSink};

/// Most memory that the process has had, in MB.
fn most_memory() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_000)
}

#[allow(clippy::disallowed_methods, reason = "it measures")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let files = arguments.first().map_or(Ok(30_000), |text| text.parse::<u64>())?;
    let tasks = 100;
    let folder = std::env::temp_dir().join(format!("firesteel-compact-{}", std::process::id()));
    let sink = TextFileSink::new(&folder);
    let sink = if arguments.iter().any(|text| text == "gzip") { sink.gzip() } else { sink };
    let sink = if arguments.iter().any(|text| text == "sink") { sink.compact_to(128 << 20) } else { sink };
    let begun = std::time::Instant::now();
    Sink::<String>::start(&sink, &SinkContext::default())?;
    for epoch in 1..=files / tasks {
        let lines = |task| (0..10).map(move |line| format!("line {line} of task {task} in epoch {epoch}"));
        let write = |task| sink.write(WriteTask::new(Epoch(epoch), task as usize), lines(task));
        let mut written = (0..tasks).map(write).collect::<Result<Vec<_>, _>>()?;
        Sink::<String>::commit(&sink, Epoch(epoch), &mut written)?;
    }
    Sink::<String>::stop(&sink)?;
    println!(
        "{files} files written in {:.1} s, {} MB of memory at most",
        begun.elapsed().as_secs_f64(),
        most_memory()?
    );
    let begun = std::time::Instant::now();
    let report = Compaction::of(&folder, 128 << 20).run()?;
    println!("{report}\nin {:.1} s, {} MB of memory at most", begun.elapsed().as_secs_f64(), most_memory()?);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
