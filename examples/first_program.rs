//! The first program of the README, as it stands there.

use firesteel::file::TextFiles;
use firesteel::prelude::*;

fn main() -> firesteel::Exit {
    firesteel::launch("clicks-per-hour", |job| {
        job.read(TextFiles::new("examples/data/clicks.log"))
            .try_map(|line| line.parse::<Click>()) // what does not parse is left out, counted and told
            .event_time(|click| click.at, Watermark::bounded(minutes(1)))
            .key_by(|click| click.client.clone())
            .window(Tumbling::of(hours(1)))
            .count()
            .write(Console::table().rows(3));
        Ok(())
    })
}

struct Click {
    client: String,
    at: Timestamp,
}

impl std::str::FromStr for Click {
    type Err = &'static str;

    // A line is `client 2015-05-17T10:05:03Z`. The parser of whole access logs is in `examples/src/click.rs`.
    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (client, at) = line.split_once(' ').ok_or("a line without a space")?;
        Ok(Self { client: client.to_owned(), at: at.parse().map_err(|_| "no time")? })
    }
}
