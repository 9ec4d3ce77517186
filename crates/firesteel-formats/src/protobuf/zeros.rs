//! Zeros with a sign, which `prost` leaves out of messages where they stand for nothing.

use std::fmt::{self, Debug, Write as _};

use firesteel_connect::Unencodable;
use prost::Message;

/// How `Debug` shows one.
const ZERO: &[u8] = b"-0.0";

/// Whether a record shows a zero with a sign, in whatever field.
pub(super) fn shows_one(record: &impl Debug) -> bool {
    let mut search = Search::default();
    // It has nothing to complain of.
    _ = write!(search, "{record:?}");
    search.is_found || search.matched == ZERO.len()
}

/// Looks for one in what is shown, apart from texts.
#[derive(Default)]
struct Search {
    /// How many bytes of it the last ones are.
    matched: usize,
    in_text: bool,
    is_escaped: bool,
    is_found: bool,
}

impl fmt::Write for Search {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.in_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            if self.matched == ZERO.len() {
                // It is one, unless it continues.
                self.is_found |= !byte.is_ascii_digit() && byte != b'e';
                self.matched = 0;
            }
            self.in_text = byte == b'"';
            self.matched = match ZERO[self.matched] == byte {
                true => self.matched + 1,
                false => usize::from(byte == ZERO[0]),
            };
        }
        Ok(())
    }
}

/// Refuses a record of which a zero with a sign does not come back, and tells in which field.
#[cold]
pub(super) fn check<T: Message + Default + Debug>(record: &T) -> Result<(), Unencodable> {
    let bytes = record.encode_to_vec();
    let back = T::decode(&bytes[..]).map_err(|error| Unencodable::new(format_args!("Protobuf: {error}")))?;
    let (written, read) = (format!("{record:#?}"), format!("{back:#?}"));
    // Entries of maps may come in another order.
    let mut read = fields_of_zeros(&read);
    let lost = fields_of_zeros(&written).into_iter().find(|field| {
        let found = read.iter().position(|read| read == field);
        found.map(|at| read.swap_remove(at)).is_none()
    });
    let Some(field) = lost else { return Ok(()) };
    Err(Unencodable::new(format_args!(
        "Protobuf: field {field}: it is -0.0, which is left out of a message as 0.0 is, and would come back as that; make the field \
         `optional`, write 0.0, or allow it with `zeros_have_no_sign`"
    )))
}

/// The fields in which a record shows a zero with a sign, with those around them.
fn fields_of_zeros(shown: &str) -> Vec<String> {
    let (mut path, mut fields): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for line in shown.lines() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / INDENT;
        path.truncate(depth.saturating_sub(1));
        if depth > 0 {
            path.resize(depth - 1, "");
            path.push(text.split(':').next().unwrap_or_default());
        }
        let value = text.trim_end_matches(',');
        if value == "-0.0" || value.ends_with(": -0.0") {
            let names: Vec<&str> = path.iter().copied().filter(|name| is_name(name)).collect();
            fields.push(names.join("."));
        }
    }
    fields
}

/// How far `Debug` indents what is within something else.
const INDENT: usize = 4;

/// Whether this is a field, and not a list or an option around it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.ends_with(['(', '[', '{', ','])
}
