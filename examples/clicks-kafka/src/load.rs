//! Puts the clicks of an access log into a topic of Kafka, as JSON: what `clicks-kafka` reads.
//!
//! ```sh
//! cargo run --release -p clicks-kafka --bin load-clicks -- --brokers localhost:9092 examples/data/access.log.gz --available-now --set-aside
//! ```

use std::path::PathBuf;

use clap::Parser;
use firesteel::file::Files;
use firesteel::kafka::Kafka;
use firesteel::prelude::*;
use firesteel::{Exit, LaunchOptions};
use serde::Serialize;

/// Puts the clicks of an access log into a topic of Kafka.
#[derive(Parser)]
#[command(name = "load-clicks", version)]
struct Options {
    /// The access log, in the combined format
    log: PathBuf,
    /// Brokers of the cluster, HOST:PORT with commas between them
    #[arg(long, default_value = "localhost:9092")]
    brokers: String,
    /// The topic
    #[arg(long, default_value = "clicks")]
    topic: String,
    /// Put N clicks into it at a time; with `--every 1s`, N a second
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    batch: u64,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A click.
#[derive(Debug, Clone, Serialize)]
struct Click {
    client: String,
    page: String,
    at: Timestamp,
}

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(options.batch);
    options.launch.with(|job| job.limits(limits)).run("load-clicks", |job| {
        let topic = Kafka::at(&options.brokers).topic(&options.topic).json::<Click>();
        job.read(Files::combined_log(&options.log))
            .named("log")
            .flat_map(|access| {
                let path = access.path()?;
                let page = path.split_once('?').map_or(path, |(page, _)| page).to_owned();
                Some(Click { page, client: access.client.clone(), at: access.at })
            })
            .write(topic.keyed_by(|click, key| key.extend_from_slice(click.client.as_bytes())))
            .named("clicks");
        Ok(())
    })
}
