//! Rows that are written.

mod fields;

use firesteel_connect::Unencodable;
use serde::Serialize;

use super::dialect::Dialect;
use crate::format::Writing;
use fields::Fields;

/// Writes a file of CSV.
#[derive(Debug)]
pub struct WritingCsv {
    dialect: Dialect,
    /// The names of the columns, once there is a row.
    names: Option<Vec<&'static str>>,
    /// The header, as it is written.
    header: Vec<u8>,
    row: Vec<u8>,
    /// The names of the row's fields.
    found: Vec<&'static str>,
}

impl WritingCsv {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, names: None, header: Vec::new(), row: Vec::new(), found: Vec::new() }
    }
}

impl<T: Serialize> Writing<T> for WritingCsv {
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        self.row.clear();
        self.found.clear();
        let mut fields = Fields::new(&self.dialect, &mut self.row, &mut self.found);
        record.serialize(&mut fields).map_err(|error| Unencodable::new(format_args!("CSV: {error}")))?;
        if fields.count() == 0 {
            return Err(Unencodable::new("CSV: a row without a field has no form"));
        }
        if self.dialect.header && self.found.is_empty() {
            let reason = "CSV: the fields of a tuple have no names for a header; write a struct, or say `no_header`";
            return Err(Unencodable::new(reason));
        }
        match &self.names {
            Some(names) if *names == self.found => {}
            Some(names) => {
                let (has, before) = (self.found.join(", "), names.join(", "));
                return Err(Unencodable::new(format_args!("CSV: a row with the fields {has} in a file of {before}")));
            }
            None => {
                if self.dialect.header {
                    self.header.clear();
                    let mut none = Vec::new();
                    let mut names = Fields::new(&self.dialect, &mut self.header, &mut none);
                    for name in &self.found {
                        names.name(name).map_err(|error| Unencodable::new(format_args!("CSV: {error}")))?;
                    }
                    out.extend_from_slice(&self.header);
                    out.push(b'\n');
                }
                self.names = Some(self.found.clone());
            }
        }
        if self.row.is_empty() {
            // A blank line would be no row.
            self.row.extend_from_slice(&[self.dialect.quote; 2]);
        }
        if self.found.len() > 1 && self.row == self.header {
            self.tell_from_header()?;
        }
        out.extend_from_slice(&self.row);
        out.push(b'\n');
        Ok(())
    }
}

impl WritingCsv {
    /// Puts the first field of a row that is the same as the header in quotes: without, it would be taken for the header.
    #[cold]
    fn tell_from_header(&mut self) -> Result<(), Unencodable> {
        let Dialect { quote, delimiter, .. } = self.dialect;
        let end = self.row.iter().position(|byte| *byte == delimiter).filter(|_| self.row[0] != quote);
        let Some(end) = end else {
            return Err(Unencodable::new("CSV: a row that is the same as the header has no form"));
        };
        self.row.insert(end, quote);
        self.row.insert(0, quote);
        Ok(())
    }
}
