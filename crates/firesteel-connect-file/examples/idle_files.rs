//! What following many files costs: `idle_files FILES SECONDS [looks]`.
//!
//! Makes a folder of files of a line each, reads them to their ends, then asks for news a hundred times a second as a job does,
//! and prints the share of a core; and the same while one of them is written to. Then it starts as a job that had read them all, and prints how long that takes. With `looks`
//! it does without notifications.

use std::error::Error;
use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use firesteel_connect::{ReadRange, Resumed, Source, SourceContext, SourceReader, SplitId};
use firesteel_connect_file::TextFiles;
use firesteel_window::Timestamp;

/// The time that this process has computed for, in seconds.
fn computed() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(stat.split(' ').next().unwrap_or("0").parse::<f64>()? / 1e9)
}

#[allow(clippy::disallowed_methods, reason = "it measures")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, or: u64| arguments.get(at).map_or(Ok(or), |text| text.parse::<u64>());
    let (count, seconds, by_looks) = (number(0, 10_000)?, number(1, 10)?, arguments.len() > 2);
    let folder = std::env::temp_dir().join(format!("firesteel-idle-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    for file in 0..count {
        std::fs::write(folder.join(format!("{file:06}.log")), format!("line of {file}\n"))?;
    }
    let begun = std::time::Instant::now();
    let now = move || Timestamp::from_micros(1_900_000_000_000_000 + begun.elapsed().as_micros() as i64);
    let follow = || {
        let files = TextFiles::new(&folder).follow();
        if by_looks { files.notified(false) } else { files }
    };
    let files = follow();
    files.start(&SourceContext::new("job", "log").with_clock(now))?;
    let mut moved = Vec::new();
    for split in files.discover(now())?.splits {
        let mut reader = files.open(&ReadRange::starting_at(split.id.clone(), 0))?;
        while reader.next_record()?.is_some() {}
        moved.push((split.id, reader.position()));
    }
    let notes = files.notes(&moved)?;
    files.committed(&moved)?;
    println!("{} files read in {:.2} s", moved.len(), begun.elapsed().as_secs_f64());
    for _ in 0..100 {
        files.discover(now())?;
        sleep(Duration::from_millis(10));
    }
    let (before, idle) = (computed()?, std::time::Instant::now());
    while idle.elapsed() < Duration::from_secs(seconds) {
        files.discover(now())?;
        sleep(Duration::from_millis(10));
    }
    println!("idle: {:.2} % of a core", 100.0 * (computed()? - before) / idle.elapsed().as_secs_f64());
    // One of them is written to a hundred times a second.
    let mut log = std::fs::File::options().append(true).open(folder.join("000001.log"))?;
    let (before, busy, mut seen, mut told) = (computed()?, std::time::Instant::now(), 0, 0);
    while busy.elapsed() < Duration::from_secs(seconds) {
        log.write_all(b"one more line\n")?;
        let found = files.discover(now())?;
        (seen, told) = (seen + usize::from(!found.splits.is_empty()), told + found.splits.len());
        sleep(Duration::from_millis(10));
    }
    let share = 100.0 * (computed()? - before) / busy.elapsed().as_secs_f64();
    println!("one is written to: {share:.2} % of a core, seen {seen} times, {told} splits told");
    files.stop();
    drop(files);

    let mut noted: std::collections::HashMap<SplitId, _> = notes.into_iter().collect();
    let resumed: Vec<Resumed> =
        moved.into_iter().map(|(split, at)| Resumed::at(split.clone(), at).noted(noted.remove(&split))).collect();
    for _ in 0..3 {
        let files = follow();
        let context = SourceContext::new("job", "log").with_clock(now).resumed_at(resumed.clone());
        let (before, start) = (computed()?, std::time::Instant::now());
        files.start(&context)?;
        let found = files.discover(now())?;
        println!(
            "start: {:.3} s, of which {:.3} s computed; {} splits",
            start.elapsed().as_secs_f64(),
            computed()? - before,
            found.splits.len()
        );
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
