//! The hashtags that most posts have had in the last five minutes, told every minute, and what leads so far.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin trending-hashtags
//! cargo run --release -p firesteel-examples --bin trending-hashtags -- --json
//! ```
//!
//! Windows overlap: each is five minutes long, and one begins each minute. What is said of them comes twice: early, each time that a
//! hashtag has been counted another twenty times, into a table that changes on the screen; and on time, when a window is over, as the ten
//! most frequent ones, which stay.

use std::cmp::Reverse;
use std::path::PathBuf;

use clap::Parser;
use firesteel::file::Files;
use firesteel::prelude::*;
use firesteel::window::TimeError;
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::TWEETS;
use serde::{Deserialize, Serialize};

/// The ten most frequent hashtags of five minutes, every minute.
#[derive(Parser)]
#[command(name = "trending-hashtags", version)]
struct Options {
    /// Posts as CSV with the columns created_at and text: a file, a folder or a pattern; plain, gzip or zstd
    #[arg(default_value = TWEETS)]
    posts: PathBuf,
    /// Print what is final alone, one JSON object per row and line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A post; the file has more columns.
#[derive(Deserialize)]
struct Post {
    created_at: String,
    text: String,
}

/// A row of the result.
#[derive(Debug, Clone, Serialize)]
struct Trend {
    from: Timestamp,
    to: Timestamp,
    rank: usize,
    hashtag: String,
    posts: u64,
}

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(250);
    options.launch.with(|job| job.limits(limits)).run("trending-hashtags", |job| {
        let counts = job
            .read(Files::csv::<Post>(&options.posts))
            .named("posts")
            .try_map(|post| Ok::<_, TimeError>((local_time(&post.created_at)?, post.text)))
            .event_time(|(at, _)| *at, Watermark::bounded(seconds(0))) // posts are in order
            .flat_map(|(_, text)| hashtags(&text))
            .map(|hashtag| (hashtag, ()))
            .window(Sliding::of(minutes(5)).every(minutes(1)))
            .trigger(Early::every_records(20))
            .count();

        if !options.json {
            let most_first = |_: &String, posts: &u64| Reverse(*posts);
            let console = Console::table().title("so far").columns(["from", "to", "hashtag", "posts"]).rows(10);
            counts.clone().write(console.latest().order_by(most_first)).named("so far");
        }
        counts
            .on_time()
            .top(10)
            .flat_map(|(window, tags)| {
                let row = move |(rank, (hashtag, posts)): (usize, (String, u64))| {
                    let (from, to) = (window.start(), window.end());
                    Trend { from, to, rank: rank + 1, hashtag, posts }
                };
                tags.into_iter().enumerate().map(row).collect::<Vec<_>>()
            })
            .write(if options.json { Console::json() } else { Console::table().title("trending") })
            .named("trending");
        Ok(())
    })
}

/// The posts were collected in New York, in summer.
fn local_time(text: &str) -> Result<Timestamp, TimeError> {
    format!("{text}-04:00").parse()
}

/// The hashtags of a text, in small letters: `#` and the letters, digits and `_` after it.
fn hashtags(text: &str) -> Vec<String> {
    let tags = text.split('#').skip(1);
    let tags = tags.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default());
    tags.filter(|tag| !tag.is_empty()).map(str::to_lowercase).collect()
}
