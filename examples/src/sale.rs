//! A sale: one line of an invoice, as the "Online Retail" data set lists them.

use std::str::FromStr;

use firesteel::prelude::*;
use serde::{Deserialize, Serialize};

/// One line of an invoice, or of its cancellation.
///
/// ```
/// use firesteel_examples::Sale;
///
/// let line = r#"536381,82567,"AIRLINE LOUNGE,METAL SIGN",2,2010-12-01 09:41:00,2.1,15311.0,United Kingdom"#;
/// let sale: Sale = line.parse()?;
/// assert_eq!((sale.customer, &*sale.invoice, &*sale.article), (Some(15311), "536381", "82567"));
/// assert_eq!((sale.at.to_string().as_str(), sale.mils), ("2010-12-01T09:41:00Z", 4_200));
/// assert!(!sale.is_cancellation());
/// # Ok::<(), firesteel_examples::ParseSaleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Who bought, if it is known.
    pub customer: Option<u32>,
    /// The invoice's number; that of a cancellation begins with `C`.
    pub invoice: String,
    /// What was bought.
    pub article: String,
    /// When, to the minute.
    pub at: Timestamp,
    /// The price of all pieces, in thousandths of a pound. Negative for a cancellation.
    pub mils: i64,
}

impl Sale {
    /// Whether it cancels an earlier one.
    #[must_use]
    pub fn is_cancellation(&self) -> bool {
        self.invoice.starts_with('C')
    }
}

/// Why a line is no sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSaleError {
    /// Not eight columns, or quotes that are not closed.
    #[error("a sale has eight columns with commas between them")]
    Columns,
    /// The quantity is no whole number.
    #[error("the fourth column is the number of pieces")]
    Quantity,
    /// Not of the form `2010-12-01 08:26:00`.
    #[error("the fifth column is a time such as 2010-12-01 08:26:00")]
    Time,
    /// The price is no decimal number, or has more than three places.
    #[error("the sixth column is the price of a piece, with three decimal places at most")]
    Price,
    /// The customer's number is none.
    #[error("the seventh column is the number of the customer, or empty")]
    Customer,
}

impl FromStr for Sale {
    type Err = ParseSaleError;

    fn from_str(line: &str) -> Result<Self, ParseSaleError> {
        let columns = columns(line).ok_or(ParseSaleError::Columns)?;
        let [invoice, article, _, quantity, at, price, customer, _country] = &columns[..] else {
            return Err(ParseSaleError::Columns);
        };
        let quantity: i64 = quantity.parse().map_err(|_| ParseSaleError::Quantity)?;
        let at = at.split_once(' ').and_then(|(day, clock)| format!("{day}T{clock}Z").parse().ok());
        let customer = match customer.split_once('.').map_or(&**customer, |(number, _)| number) {
            "" => None,
            number => Some(number.parse().map_err(|_| ParseSaleError::Customer)?),
        };
        Ok(Self {
            customer,
            invoice: invoice.clone(),
            article: article.clone(),
            at: at.ok_or(ParseSaleError::Time)?,
            mils: quantity * mils(price).ok_or(ParseSaleError::Price)?,
        })
    }
}

/// A price in thousandths.
fn mils(price: &str) -> Option<i64> {
    let (whole, places) = price.split_once('.').unwrap_or((price, ""));
    let thousandths: i64 = match places.len() {
        0..=3 => format!("{places:0<3}").parse().ok()?,
        _ => return None,
    };
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    Some(whole.parse::<i64>().ok()? * 1000 + sign * thousandths)
}

/// The columns of a line of comma-separated values; within quotes, a comma separates nothing and `""` is a quote.
fn columns(line: &str) -> Option<Vec<String>> {
    let (mut columns, mut column, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                column.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(std::mem::take(&mut column)),
            other => column.push(other),
        }
    }
    columns.push(column);
    (!quoted).then_some(columns)
}

#[cfg(test)]
mod tests {
    use super::{ParseSaleError, Sale};

    const LINE: &str =
        r#"C536477,22041,"RECORD FRAME 7"" SINGLE, SIZE ",-48,2010-12-01 12:27:00,2.125,,United Kingdom"#;

    #[test]
    fn every_field_is_read() {
        let sale: Sale = LINE.parse().unwrap();
        assert_eq!((sale.customer, &*sale.article, sale.mils), (None, "22041", -102_000));
        assert!(sale.is_cancellation());
        assert_eq!(sale.at.to_string(), "2010-12-01T12:27:00Z");
    }

    #[track_caller]
    fn refused(from: &str, to: &str, error: ParseSaleError) {
        assert!(LINE.contains(from), "the line has no {from}");
        assert_eq!(LINE.replacen(from, to, 1).parse::<Sale>(), Err(error));
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        assert_eq!("".parse::<Sale>(), Err(ParseSaleError::Columns));
        refused("SIZE \"", "SIZE ", ParseSaleError::Columns);
        refused("-48", "many", ParseSaleError::Quantity);
        refused("2010-12-01", "2010-12-32", ParseSaleError::Time);
        refused("2.125", "2.1255", ParseSaleError::Price);
        refused(",,United", ",nobody,United", ParseSaleError::Customer);
    }
}
