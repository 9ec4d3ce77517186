//! The keys under which things are stored in the column family of a store.
//!
//! | key | value |
//! |---|---|
//! | group, `0` | the marker: the last epoch applied, and the term and number by which its commit is known, `u64` each |
//! | group, `1`, table | the [directory](crate::directory) of the table's pages, if it has more than one |
//! | group, `2`, table, first key | a [page](crate::page) |
//!
//! Groups and tables are big-endian, so that everything of a key group stands together, and its pages in the order of
//! their keys. The column family is named after the store, `store-00012`; `default` holds the number of the format.

use firesteel_state::{KeyGroup, StoreId, TableId};

/// The format of what is stored; see `docs/formats.md`.
pub(crate) const FORMAT: u32 = 2;
/// The format in which markers were epochs alone: it is read, too.
pub(crate) const EPOCHS_ALONE: u32 = 1;
/// Where the format stands, in the column family `default`.
pub(crate) const FORMAT_KEY: &[u8] = b"format";

const MARKER: u8 = 0;
const DIRECTORY: u8 = 1;
const PAGE: u8 = 2;

/// The name of a store's column family.
pub(crate) fn family(store: StoreId) -> String {
    format!("store-{:05}", store.0)
}

/// The store of a column family.
pub(crate) fn parse_family(name: &str) -> Option<StoreId> {
    name.strip_prefix("store-")?.parse().ok().map(StoreId)
}

/// What all keys of a group begin with.
pub(crate) fn group(group: KeyGroup) -> [u8; 2] {
    group.0.to_be_bytes()
}

/// What is after all keys of a group.
pub(crate) fn after(of: KeyGroup) -> [u8; 3] {
    let [a, b] = group(of);
    [a, b, PAGE + 1]
}

pub(crate) fn marker(of: KeyGroup) -> Vec<u8> {
    let [a, b] = group(of);
    vec![a, b, MARKER]
}

/// The group whose marker the key is.
pub(crate) fn parse_marker(key: &[u8]) -> Option<KeyGroup> {
    match *key {
        [a, b, MARKER] => Some(KeyGroup(u16::from_be_bytes([a, b]))),
        _ => None,
    }
}

/// What the directories of a group begin with.
pub(crate) fn directories(of: KeyGroup) -> Vec<u8> {
    let [a, b] = group(of);
    vec![a, b, DIRECTORY]
}

pub(crate) fn directory(of: KeyGroup, table: TableId) -> Vec<u8> {
    let mut key = directories(of);
    key.extend_from_slice(&table.0.to_be_bytes());
    key
}

/// The table whose directory the key is.
pub(crate) fn parse_directory(key: &[u8]) -> Option<TableId> {
    match *key {
        [_, _, DIRECTORY, a, b] => Some(TableId(u16::from_be_bytes([a, b]))),
        _ => None,
    }
}

/// The page of a table that begins with a key.
pub(crate) fn page(of: KeyGroup, table: TableId, first: &[u8]) -> Vec<u8> {
    let ([a, b], [c, d]) = (group(of), table.0.to_be_bytes());
    let mut key = Vec::with_capacity(5 + first.len());
    key.extend_from_slice(&[a, b, PAGE, c, d]);
    key.extend_from_slice(first);
    key
}

/// The table that the key of a page belongs to; `None` if it is the key of something else.
pub(crate) fn parse_page(key: &[u8]) -> Option<TableId> {
    match *key {
        [_, _, PAGE, a, b, ..] => Some(TableId(u16::from_be_bytes([a, b]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_a_group_is_between_its_bounds_and_in_order() {
        for number in [0, 1, 255, 256, u16::MAX] {
            let of = KeyGroup(number);
            let keys = [
                group(of).to_vec(),
                marker(of),
                directory(of, TableId(0)),
                directory(of, TableId(u16::MAX)),
                page(of, TableId(0), b""),
                page(of, TableId(0), b"\xFF\xFF"),
                page(of, TableId(1), b""),
                page(of, TableId(u16::MAX), b"\xFF"),
                after(of).to_vec(),
            ];
            assert!(keys.is_sorted());
            assert_eq!(parse_marker(&keys[1]), Some(of));
            assert_eq!(parse_directory(&keys[3]), Some(TableId(u16::MAX)));
            assert_eq!(parse_page(&keys[6]), Some(TableId(1)));
            assert!(keys.iter().filter(|key| parse_marker(key).is_some()).count() == 1);
        }
        assert_eq!(parse_family(&family(StoreId(700))), Some(StoreId(700)));
        assert_eq!(parse_family("default"), None);
    }
}
