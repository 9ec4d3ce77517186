//! The requests of a web site that its clients make too fast, from its access log, and what is left without them.
//!
//! ```sh
//! cargo run --release -p rate-limiter
//! ```

use std::str::FromStr;

use firesteel::file::TextFiles;
use firesteel::prelude::*;
use rate_limiter::RateLimiter;

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/access.log.gz");

/// A request: who made it, and when.
struct Request {
    client: String,
    at: Timestamp,
}

impl FromStr for Request {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let stamp = line.split(['[', ']']).nth(1).filter(|stamp| stamp.len() > 20).ok_or("it is cut off")?;
        let (day, clock) = (&stamp[..2], &stamp[12..20]);
        let at = format!("2015-05-{day}T{clock}Z").parse().map_err(|_| "it has no time")?;
        Ok(Self { client: line.split(' ').next().unwrap_or_default().to_owned(), at })
    }
}

fn main() -> firesteel::Exit {
    firesteel::launch("rate-limiter", |job| {
        let refused = job.side_output("refused");
        job.read(TextFiles::new(LOG))
            .try_map(|line| line.parse::<Request>())
            .event_time(|request| request.at, Watermark::bounded(minutes(1)))
            .map(|request| (request.client, request.at))
            .apply(RateLimiter::new(30, minutes(10)).refused_to(&refused))
            .named("30 in 10 minutes")
            .window(Tumbling::of(days(1)))
            .count()
            .map(|row| (row.key, row.window.start(), row.value))
            .write(Console::table());
        refused.stream().map(|(client, _)| client).count_by_value().named("refused").write(Console::table());
        Ok(())
    })
}
