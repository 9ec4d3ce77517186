//! What becomes of orders: each line of a shop's orders with its cancellation within 14 days, or with none.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin order-payments
//! cat out/orders/*.ndjson
//! ```
//!
//! Orders and cancellations are two streams, here from one file. They are joined by customer and article over event time: an
//! order waits for its cancellation until the invoices are 14 days further, and is then known to be kept.

use std::path::PathBuf;

use clap::Parser;
use firesteel::file::{FileSink, TextFiles};
use firesteel::prelude::*;
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::{INVOICES, Sale};
use serde::{Deserialize, Serialize};

/// Joins orders with their cancellations.
#[derive(Parser)]
#[command(name = "order-payments", version)]
struct Options {
    /// Sales: files, folders or patterns; plain, gzip or zstd
    #[arg(default_value = INVOICES)]
    paths: Vec<PathBuf>,
    /// The folder for the orders and what has become of them
    #[arg(long, value_name = "FOLDER", default_value = "out/orders")]
    out: PathBuf,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// An order's line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    customer: u32,
    article: String,
    invoice: String,
    at: Timestamp,
    mils: i64,
    /// The invoice that cancels it, and when.
    cancelled_by: Option<String>,
    cancelled_at: Option<Timestamp>,
}

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(5_000);
    options.launch.with(|job| job.limits(limits)).run("order-payments", |job| {
        let sales = job
            .read(TextFiles::all(&options.paths))
            .named("sales")
            .filter(|line: &String| !line.starts_with("InvoiceNo,")) // the names of the columns
            .try_map(|line: String| line.parse::<Sale>())
            .event_time(|sale| sale.at, Watermark::bounded(minutes(0))) // the sales are in order
            .flat_map(|sale| sale.customer.map(|customer| ((customer, sale.article.clone()), sale)));
        let orders = sales.clone().filter(|(_, sale)| !sale.is_cancellation());
        let cancellations = sales.filter(|(_, sale)| sale.is_cancellation());

        let orders = orders
            .interval_join(cancellations, minutes(0)..=days(14))
            .left_outer(|order, cancellation| (order.clone(), cancellation.cloned()))
            .named("orders")
            .map(|((customer, article), (order, cancellation))| Order {
                customer,
                article,
                invoice: order.invoice,
                at: order.at,
                mils: order.mils,
                cancelled_at: cancellation.as_ref().map(|sale| sale.at),
                cancelled_by: cancellation.map(|sale| sale.invoice),
            });
        orders
            .clone()
            .map(|order| {
                let outcome = if order.cancelled_by.is_some() { "cancelled" } else { "kept" };
                (outcome.to_owned(), order.mils)
            })
            .running_aggregate((Count, Sum))
            .named("outcomes")
            .map(|(outcome, (lines, mils))| (outcome, Total { lines, pounds: mils / 1_000 }))
            .write(Console::table().columns(["orders", "lines", "pounds"]).latest());
        orders.write(FileSink::json::<Order>(&options.out)).named("orders");
        Ok(())
    })
}

/// What lines amount to.
#[derive(Debug, Clone, Serialize)]
struct Total {
    lines: u64,
    pounds: i64,
}
