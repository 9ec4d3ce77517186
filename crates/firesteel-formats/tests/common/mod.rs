//! Reads bytes in a format as a source does, piece by piece.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel_formats::{Format, Found, Head, Reading};

/// What became of a record: the record, or its bytes and what is said of them; and the position after it.
pub(crate) type Read<T> = (Result<T, (Vec<u8>, String)>, usize);

/// All records, when `piece` bytes come at a time and a record may have `longest`.
pub(crate) fn in_pieces<F: Format>(format: &F, bytes: &[u8], piece: usize, longest: usize) -> Vec<Read<F::Item>> {
    read_from(format, bytes, None, piece, longest)
}

/// The same from a record's beginning on, as after a restart.
pub(crate) fn resumed<F: Format>(format: &F, bytes: &[u8], at: usize, piece: usize) -> Vec<Read<F::Item>> {
    read_from(format, bytes, Some(at), piece, usize::MAX)
}

fn read_from<F: Format>(
    format: &F,
    bytes: &[u8],
    at: Option<usize>,
    piece: usize,
    longest: usize,
) -> Vec<Read<F::Item>> {
    let mut reading = format.begin();
    let (mut from, mut to, mut found) = (0, piece.min(bytes.len()), vec![]);
    let end = bytes.len();
    while format.has_head() {
        match reading.head(&bytes[from..to], to == end).unwrap() {
            Head::Length(length) => {
                from += length;
                break;
            }
            Head::More => to = (to + piece).min(end),
        }
    }
    if let Some(at) = at {
        from = at.max(from);
        to = to.max(from);
    }
    let mut dry = false;
    while from < end {
        let told = |bytes: &[u8], reason: String| Err((bytes.to_vec(), reason));
        match reading.find(&bytes[from..to], dry) {
            Found::Record { record, after } => {
                let whole = &bytes[from..from + after];
                let item = if record.len() > longest {
                    told(whole, reading.too_long(longest))
                } else {
                    let record = &whole[record];
                    reading.decode(record).or_else(|error| told(record, error.reason().to_owned()))
                };
                from += after;
                found.push((item, from));
            }
            Found::Skip(after) => from += after,
            Found::Broken { after, reason } => {
                let item = told(&bytes[from..from + after], reason);
                from += after;
                found.push((item, from));
            }
            Found::More(least) if least > longest => {
                let begin = from;
                pass(&mut reading, bytes, &mut from, &mut to, piece);
                found.push((told(&bytes[begin..from], reading.too_long(longest)), from));
            }
            Found::More(_) => {
                assert!(!dry, "it asks for more, and there is no more");
                (to, dry) = ((to + piece).min(end), to == end);
            }
        }
    }
    found
}

fn pass<P: Reading>(reading: &mut P, bytes: &[u8], from: &mut usize, to: &mut usize, piece: usize) {
    loop {
        *from += reading.pass();
        let dry = *to == bytes.len();
        *to = (*to + piece).min(bytes.len());
        match reading.find(&bytes[*from..*to], dry) {
            Found::Record { after, .. } | Found::Broken { after, .. } | Found::Skip(after) => {
                *from += after;
                return;
            }
            Found::More(_) if dry => return,
            Found::More(_) => {}
        }
    }
}

/// The records alone, by their values or what is said of them.
pub(crate) fn items<T>(read: Vec<Read<T>>) -> Vec<Result<T, String>> {
    read.into_iter().map(|(item, _)| item.map_err(|(_, reason)| reason)).collect()
}
