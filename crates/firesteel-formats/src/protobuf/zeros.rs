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

/// Refuses a record that does not come back as it is shown, and tells which field does not.
#[cold]
pub(super) fn check<T: Message + Default + Debug>(record: &T) -> Result<(), Unencodable> {
    let bytes = record.encode_to_vec();
    let back = T::decode(&bytes[..]).map_err(|error| Unencodable::new(format_args!("Protobuf: {error}")))?;
    let (written, read) = (format!("{record:#?}"), format!("{back:#?}"));
    let mut path: Vec<&str> = Vec::new();
    for (written, read) in written.lines().zip(read.lines()) {
        let depth = (written.len() - written.trim_start().len()) / INDENT;
        path.truncate(depth.saturating_sub(1));
        let name = written.trim().split(':').next().unwrap_or_default();
        if depth > 0 {
            path.resize(depth - 1, "");
            path.push(name);
        }
        if written != read {
            let path: Vec<&str> = path.iter().copied().filter(|name| is_name(name)).collect();
            return Err(Unencodable::new(format_args!(
                "Protobuf: field {}: it is -0.0, which is left out of a message as 0.0 is, and would come back as that; make the field \
                 `optional`, write 0.0, or allow it with `zeros_have_no_sign`",
                path.join(".")
            )));
        }
    }
    Ok(())
}

/// How far `Debug` indents what is within something else.
const INDENT: usize = 4;

/// Whether this is a field, and not a list or an option around it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.ends_with(['(', '[', '{'])
}
