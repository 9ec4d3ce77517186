//! Clicks of a web site from a topic of Kafka, counted per client, page and hour: as tables on the console, and exactly once into another topic.
//!
//! ```sh
//! cargo run --release -p clicks-kafka -- --brokers localhost:9092 --checkpoint clicks.checkpoint
//! ```
//!
//! Clicks are JSON, `{"client": "83.149.9.216", "page": "/blog", "at": "2015-05-17T10:05:03Z"}`, as `load-clicks` writes them.

use clap::Parser;
use firesteel::kafka::{Compression, Kafka, Start};
use firesteel::prelude::*;
use firesteel::{Exit, LaunchOptions};
use serde::{Deserialize, Serialize};

/// Clicks of a web site from a topic of Kafka, counted exactly once into another one.
#[derive(Parser)]
#[command(name = "clicks-kafka", version)]
struct Options {
    /// Brokers of the cluster, HOST:PORT with commas between them
    #[arg(long, default_value = "localhost:9092")]
    brokers: String,
    /// The topic with clicks
    #[arg(long, default_value = "clicks")]
    clicks: String,
    /// The topic that gets a count for each client, page and hour
    #[arg(long, default_value = "hourly-clicks")]
    counts: String,
    /// Begin with what comes from now on, where there is no checkpoint yet
    #[arg(long)]
    latest: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A click.
#[derive(Debug, Clone, Deserialize)]
struct Click {
    client: String,
    page: String,
    at: Timestamp,
}

/// A row of the result.
#[derive(Debug, Clone, Serialize)]
struct HourlyClicks {
    start: Timestamp,
    client: String,
    page: String,
    clicks: u64,
}

fn main() -> Exit {
    let options = Options::parse();
    options.launch.run("clicks-kafka", |job| {
        let kafka = Kafka::at(&options.brokers);
        let start = if options.latest { Start::Latest } else { Start::Earliest };
        let counts = job
            .read(kafka.topics([&options.clicks]).starting(start).json::<Click>())
            .named("clicks")
            .event_time(|click| click.at, Watermark::bounded(minutes(1)))
            .key_by(|click| (click.client.clone(), click.page.clone()))
            .window(Tumbling::of(hours(1)))
            .count()
            .named("clicks per hour")
            .map(|count: WindowResult<(String, String), u64>| {
                let (client, page) = count.key;
                HourlyClicks { start: count.window.start(), client, page, clicks: count.value }
            });
        counts.clone().write(Console::table()).named("table");
        let topic = kafka.topic(&options.counts).json::<HourlyClicks>().compressed_by(Compression::Lz4);
        let by_client = topic.keyed_by(|count, key| key.extend_from_slice(count.client.as_bytes()));
        counts.write(by_client).named("counts");
        Ok(())
    })
}
