//! Results of many small parts, and what a process takes to make and merge them.

use std::error::Error;

use firesteel_connect::{Epoch, Sink, SinkContext, WriteTask};

/// Writes this many parts of ten lines, and prints how long that takes.
#[allow(clippy::disallowed_methods, reason = "it measures")]
pub(crate) fn write<S: Sink<String>>(sink: &S, parts: u64, are_called: &str) -> Result<(), Box<dyn Error>> {
    let tasks = 100;
    let begun = std::time::Instant::now();
    sink.start(&SinkContext::default())?;
    for epoch in 1..=parts / tasks {
        let lines = |task| (0..10).map(move |line| format!("line {line} of task {task} in epoch {epoch}"));
        let write = |task| sink.write(WriteTask::new(Epoch(epoch), task as usize), lines(task));
        let mut written = (0..tasks).map(write).collect::<Result<Vec<_>, _>>()?;
        sink.commit(Epoch(epoch), &mut written)?;
    }
    sink.stop()?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{parts} {are_called} written in {seconds:.1} s, {} MB of memory at most", most_memory()?);
    Ok(())
}

/// Merges them, and prints what that says and how long it takes.
#[allow(clippy::disallowed_methods, reason = "it measures")]
pub(crate) fn merge<R: std::fmt::Display, E: Error + 'static>(
    merge: impl FnOnce() -> Result<R, E>,
) -> Result<(), Box<dyn Error>> {
    let begun = std::time::Instant::now();
    let report = merge()?;
    println!("{report}\nin {:.1} s, {} MB of memory at most", begun.elapsed().as_secs_f64(), most_memory()?);
    Ok(())
}

/// Most memory that the process has had, in MB.
fn most_memory() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_000)
}
