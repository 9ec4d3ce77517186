//! What a shop has sold to each country, from invoices in CSV to results in JSON.
//!
//! ```sh
//! cargo run --release -p firesteel-examples --bin sales-by-country -- --out sales
//! ```
//!
//! Columns go by their names; a row that is not as the type says stops the job with its place, or is set aside with
//! `--set-aside`. Each micro-batch writes the totals that have changed, one JSON object a line. With `--checkpoint` a job that is
//! started again resumes where it stood, and each total is written once.

use std::path::PathBuf;

use clap::Parser;
use firesteel::file::{FileSink, Files};
use firesteel::{Exit, LaunchOptions};
use firesteel_examples::INVOICES;
use serde::{Deserialize, Serialize};

/// Totals per country of a shop's invoices.
#[derive(Parser)]
#[command(name = "sales-by-country", version)]
struct Options {
    /// Invoices as CSV: a file, a folder or a pattern; plain, gzip or zstd
    #[arg(default_value = INVOICES)]
    invoices: PathBuf,
    /// The folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "sales-by-country")]
    out: PathBuf,
    #[command(flatten)]
    launch: LaunchOptions,
}

/// A row of an invoice.
#[derive(Deserialize)]
struct Sale {
    #[serde(rename = "Quantity")]
    pieces: i64,
    #[serde(rename = "Country")]
    country: String,
    /// Empty where it is not known.
    #[serde(rename = "CustomerID")]
    customer: Option<f64>,
}

/// All that has been sold to a country so far.
#[derive(Serialize)]
struct Total {
    country: String,
    pieces: i64,
    rows: u64,
    without_customer: u64,
}

fn main() -> Exit {
    let options = Options::parse();
    options.launch.with(|job| job).run("sales-by-country", |job| {
        job.read(Files::csv::<Sale>(&options.invoices))
            .named("invoices")
            .map(|sale| (sale.country, (sale.pieces, 1, u64::from(sale.customer.is_none()))))
            .running_reduce(|sum, sale| (sum.0 + sale.0, sum.1 + sale.1, sum.2 + sale.2))
            .map(|(country, (pieces, rows, without_customer))| Total { country, pieces, rows, without_customer })
            .write(FileSink::json::<Total>(&options.out))
            .named("totals");
        Ok(())
    })
}
