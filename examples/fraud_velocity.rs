//! Invoices that deserve a second look, from the sales of a shop: far above what the customer has paid so far, or
//! cancelled within the hour.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin fraud-velocity
//! cargo run --release -p firesteel-examples --bin fraud-velocity -- --checkpoint /tmp/fraud --stop-after 4
//! cargo run --release -p firesteel-examples --bin fraud-velocity -- --checkpoint /tmp/fraud
//! ```
//!
//! The second and the third command together find what the first finds: what is known of the customers, the timers of
//! their open invoices and the place in the file are in the checkpoint.
//!
//! An invoice is judged an hour after it was made, by a timer: by then all of its lines are there, and whatever was
//! cancelled at once.

use std::fmt;
use std::path::PathBuf;

use clap::Parser;
use firesteel::file::{TextFileSink, TextFiles};
use firesteel::prelude::*;
use firesteel::rdd::Records;
use firesteel::state::{Declaration, Fired, Map, StateError, Timers, Value};
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::{INVOICES, Sale};
use serde::{Deserialize, Serialize};

/// Finds invoices far above a customer's mean, and those that are cancelled within the hour.
#[derive(Parser)]
#[command(name = "fraud-velocity", version)]
struct Options {
    /// Sales: files, folders or patterns; plain, gzip or zstd
    #[arg(default_value = INVOICES)]
    paths: Vec<PathBuf>,
    /// Write the alerts into files in this folder, instead of printing them
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print one JSON object per alert and line, instead of tables
    #[arg(long)]
    json: bool,
    /// Take N lines into one micro-batch
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    batch: u64,
    #[command(flatten)]
    launch: LaunchOptions,
}

fn main() -> Exit {
    let options = Options::parse();
    let limits = BatchLimits::default().records(options.batch);
    options.launch.with(|job| job.limits(limits)).run("fraud-velocity", |job| {
        let alerts = job
            .read(TextFiles::all(&options.paths))
            .named("sales")
            .filter(|line| !line.starts_with("InvoiceNo,")) // the names of the columns
            .try_map(|line| line.parse::<Sale>())
            .event_time(|sale| sale.at, Watermark::bounded(minutes(0))) // the sales are in order
            .flat_map(|sale| sale.customer.map(|customer| (customer, sale)))
            .key_by(|(customer, _)| *customer)
            .map_values(|(_, sale)| sale)
            .process(VelocityCheck)
            .named("velocity")
            .repartition(1)
            .map_partitions(in_order);
        match &options.output {
            Some(folder) => alerts.write(TextFileSink::new(folder)),
            None => alerts.write(if options.json { Console::json() } else { Console::table() }),
        };
        Ok(())
    })
}

/// An invoice is judged so long after it was made.
const DELAY: Duration = hours(1);
/// An invoice is far above the mean of the customer's earlier ones if it is more than this many times as high …
const FAR: i64 = 3;
/// … and there are this many earlier ones at least.
const ENOUGH: i64 = 2;

/// Looks at the invoices of each customer.
struct VelocityCheck;

/// What is remembered of a customer.
struct Customer {
    /// Invoices of the last hour, by time and number.
    open: Map<(Timestamp, String), Invoice>,
    /// The invoices before: how many, and what they amount to.
    paid: Value<(i64, i64)>,
    judge: Timers,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Invoice {
    mils: i64,
    articles: Vec<String>,
    cancelled: i64,
}

impl KeyedProcess for VelocityCheck {
    type Key = u32;
    type In = Sale;
    type Out = Alert;
    type State = Customer;

    fn declare(&self, states: &mut Declaration<u32>) -> Customer {
        Customer { open: states.map("open"), paid: states.value("paid"), judge: states.event_timers("judge") }
    }

    fn on_record(&self, state: &Customer, sale: Sale, ctx: &mut ProcessContext<'_, Self>) -> Result<(), StateError> {
        // A timer fires after the batch, so what is due may still be here.
        let is_open = |made: &Timestamp| sale.at < *made + DELAY;
        if sale.is_cancellation() {
            let bought = state
                .open
                .iter(ctx)?
                .filter(|((made, _), invoice)| is_open(made) && invoice.articles.contains(&sale.article));
            let last = bought.map(|(place, _)| place.clone()).next_back();
            if let Some(last) = last {
                state.open.update(ctx, last, |invoice| {
                    invoice.get_or_insert_default().cancelled -= sale.mils;
                })?;
            }
            return Ok(());
        }
        let same = state
            .open
            .iter(ctx)?
            .map(|(place, _)| place)
            .find(|(made, number)| is_open(made) && *number == sale.invoice);
        let place = same.cloned().unwrap_or_else(|| (sale.at, sale.invoice.clone()));
        state.judge.register(ctx, place.0 + DELAY)?;
        state.open.update(ctx, place, |invoice| {
            let invoice = invoice.get_or_insert_default();
            invoice.mils += sale.mils;
            invoice.articles.push(sale.article);
        })
    }

    fn on_timer(
        &self,
        state: &Customer,
        timer: &Fired<u32>,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> Result<(), StateError> {
        let made = timer.time - DELAY;
        let due = state.open.iter(ctx)?.filter(|((at, _), _)| *at == made);
        let due: Vec<_> = due.map(|(place, invoice)| (place.clone(), invoice.clone())).collect();
        for (place, invoice) in due {
            state.open.remove(ctx, &place)?;
            let (count, sum) = state.paid.get(ctx)?.copied().unwrap_or_default();
            let alert = |reason, mean| Alert {
                made,
                customer: timer.key,
                invoice: place.1.clone(),
                reason,
                pence: invoice.mils / 10,
                mean,
            };
            if count >= ENOUGH && invoice.mils * count > FAR * sum {
                ctx.emit(alert(Reason::FarAboveMean, Some(sum / count / 10)));
            }
            if invoice.cancelled > 0 {
                ctx.emit(alert(Reason::Cancelled, None));
            }
            state.paid.set(ctx, (count + 1, sum + invoice.mils))?;
        }
        Ok(())
    }
}

/// An invoice that deserves a second look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Alert {
    made: Timestamp,
    customer: u32,
    invoice: String,
    reason: Reason,
    pence: i64,
    /// What the customer's earlier invoices came to on the average, in pence.
    mean: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    FarAboveMean,
    Cancelled,
}

impl fmt::Display for Alert {
    /// Columns with tabs between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, customer, invoice, reason, pence, mean } = self;
        let reason = match reason {
            Reason::FarAboveMean => "far_above_mean",
            Reason::Cancelled => "cancelled",
        };
        let mean = mean.map(|mean| mean.to_string()).unwrap_or_default();
        write!(f, "{made}\t{customer}\t{invoice}\t{reason}\t{pence}\t{mean}")
    }
}

/// The alerts of a batch in the order of time.
fn in_order(alerts: Records<'_, Alert>) -> Records<'_, Alert> {
    let mut alerts: Vec<_> = alerts.collect();
    alerts.sort();
    Box::new(alerts.into_iter())
}
