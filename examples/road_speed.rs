//! Jams on the roads of Los Angeles: sensors with three slow readings in a row, and where it was slow for a quarter of an hour.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin road-speed
//! cat out/slow-roads/*.csv
//! ```
//!
//! The file has a row for each five minutes and a column for each sensor, and no time: that follows from the line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use firesteel::file::{FileSink, Files};
use firesteel::formats::Sourced;
use firesteel::prelude::*;
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::SPEEDS;
use serde::{Deserialize, Serialize};

/// Sensors with three slow readings in a row, and slow quarters of an hour.
#[derive(Parser)]
#[command(name = "road-speed", version)]
struct Options {
    /// Speeds in miles per hour as CSV, a column for each sensor: a file; plain, gzip or zstd
    #[arg(default_value = SPEEDS)]
    speeds: PathBuf,
    /// The folder for the averages
    #[arg(long, value_name = "FOLDER", default_value = "out/slow-roads")]
    averages: PathBuf,
    /// Slower is slow, in miles per hour
    #[arg(long, value_name = "MPH", default_value_t = 20.0)]
    slow: f64,
    /// Print one JSON object per row and line, instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A reading of a sensor.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    at: Timestamp,
    mph: f64,
}

/// A quarter of an hour in which it was slow.
#[derive(Debug, Clone, Serialize)]
struct Average {
    from: Timestamp,
    to: Timestamp,
    sensor: String,
    mph: f64,
}

fn main() -> Exit {
    let options = Options::parse();
    let (slow, limits) = (options.slow, BatchLimits::default().records(24));
    options.launch.with(|job| job.limits(limits)).run("road-speed", |job| {
        let readings = job
            .read(Files::csv::<BTreeMap<String, f64>>(&options.speeds).with_origin())
            .named("speeds")
            .try_map(readings)
            .flat_map(|readings| readings)
            .event_time(|reading| reading.at, Watermark::bounded(seconds(0))); // rows are in order

        readings
            .clone()
            .key_by(|reading| reading.sensor.clone())
            .map_with_state(move |_: &String, reading: Option<Reading>, row: &mut KeyState<u32>| {
                let reading = reading?;
                let slow_ones = if reading.mph < slow { row.get().unwrap_or(&0) + 1 } else { 0 };
                row.update(slow_ones);
                (slow_ones == 3).then_some(reading)
            })
            .named("three slow ones in a row")
            .write(if options.json { Console::json() } else { Console::table().title("jams") })
            .named("jams");

        readings
            .map(|reading| (reading.sensor, reading.mph))
            .window(Sliding::of(minutes(15)).every(minutes(5)))
            .mean()
            .filter(move |row| row.value < slow)
            .map(|row| Average { from: row.window.start(), to: row.window.end(), sensor: row.key, mph: row.value })
            .write(FileSink::csv::<Average>(&options.averages))
            .named("averages");
        Ok(())
    })
}

/// The readings of a row. The first is in line 2, of midnight on 1 March 2012.
fn readings(row: Sourced<BTreeMap<String, f64>>) -> Result<Vec<Reading>, &'static str> {
    const FIRST: Timestamp = Timestamp::from_secs(1_330_560_000);
    let line = row.origin.line().ok_or("the line of a row is not known, so that it has no time")?;
    let at = FIRST + minutes(5) * (line as i64 - 2);
    Ok(row.record.into_iter().map(|(sensor, mph)| Reading { sensor, at, mph }).collect())
}
