//! CSV and Parquet by hand.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Error, Found, Query};

/// The columns of a query, in the order in which they are read by hand.
const COLUMNS: [&str; 4] = ["ts", "id.orig_h", "query", "rcode_name"];

/// One record of bytes for all rows, of which four fields are taken.
pub(super) fn csv_by_hand(path: &Path) -> Result<Found, Error> {
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(256 << 10).from_path(path)?;
    let headers = reader.byte_headers()?;
    let at = |name: &str| headers.iter().position(|header| header == name.as_bytes()).ok_or("a column is missing");
    let [ts, client, query, rcode] = COLUMNS.map(at);
    let (ts, client, query, rcode) = (ts?, client?, query?, rcode?);
    let (mut record, mut found) = (csv::ByteRecord::new(), (0, 0, 0));
    let text = |field: &[u8]| std::str::from_utf8(field).map(str::to_owned);
    let maybe = |field: &[u8]| if field.is_empty() { Ok(None) } else { text(field).map(Some) };
    while reader.read_byte_record(&mut record)? {
        let query = Query {
            ts: text(&record[ts])?,
            client: text(&record[client])?,
            query: maybe(&record[query])?,
            rcode_name: maybe(&record[rcode])?,
        };
        query.count(&mut found);
    }
    Ok(found)
}

/// Batches of four columns, and a record of each row.
pub(super) fn parquet_by_hand(path: &Path) -> Result<Found, Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let fields = builder.schema().fields().iter().enumerate();
    let wanted = fields.filter(|(_, field)| COLUMNS.contains(&field.name().as_str())).map(|(at, _)| at);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let mut found = (0, 0, 0);
    for batch in builder.with_projection(mask).with_batch_size(4_096).build()? {
        let batch = batch?;
        let column = |name: &str| batch.column_by_name(name).map(|column| column.as_string::<i32>()).ok_or("a column");
        let [ts, client, query, rcode] = COLUMNS.map(column);
        let (ts, client, query, rcode) = (ts?, client?, query?, rcode?);
        let maybe = |column: &StringArray, row| column.is_valid(row).then(|| column.value(row).to_owned());
        for row in 0..batch.num_rows() {
            let query = Query {
                ts: ts.value(row).to_owned(),
                client: client.value(row).to_owned(),
                query: maybe(query, row),
                rcode_name: maybe(rcode, row),
            };
            query.count(&mut found);
        }
    }
    Ok(found)
}
