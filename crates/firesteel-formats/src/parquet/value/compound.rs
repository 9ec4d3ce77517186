//! Values that consist of others.

use arrow_buffer::OffsetBuffer;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess};

use super::{Cell, Reading, Result};
use crate::parquet::column::Column;
use crate::parquet::error::CellError;

/// The elements of a list.
pub(super) struct Elements<'a> {
    column: &'a Column,
    next: usize,
    end: usize,
    reading: Reading,
}

impl<'a> Elements<'a> {
    pub(super) fn of(column: &'a Column, offsets: &OffsetBuffer<i32>, row: usize, reading: Reading) -> Self {
        Self { column, next: offsets[row] as usize, end: offsets[row + 1] as usize, reading }
    }

    /// A list is taken whole: into a tuple of fewer elements it does not go.
    pub(super) fn end<T>(self, value: T) -> Result<T> {
        if self.next == self.end {
            return Ok(value);
        }
        Err(CellError::value(format_args!("the list has {} elements more than the type takes", self.end - self.next)))
    }
}

impl<'a> SeqAccess<'a> for &mut Elements<'a> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.next == self.end {
            return Ok(None);
        }
        let row = self.next;
        self.next += 1;
        let value = seed.deserialize(Cell { column: self.column, row, reading: self.reading });
        value.map(Some).map_err(|error| error.within("element"))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.end - self.next)
    }
}

/// Bytes as a list of numbers.
pub(super) struct Octets<'a>(pub(super) std::slice::Iter<'a, u8>);

impl<'a> SeqAccess<'a> for Octets<'_> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.0.next().map(|byte| seed.deserialize((*byte).into_deserializer())).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The entries of a map.
pub(super) struct Entries<'a> {
    entries: &'a [Column; 2],
    next: usize,
    end: usize,
    reading: Reading,
}

impl<'a> Entries<'a> {
    pub(super) fn of(entries: &'a [Column; 2], offsets: &OffsetBuffer<i32>, row: usize, reading: Reading) -> Self {
        Self { entries, next: offsets[row] as usize, end: offsets[row + 1] as usize, reading }
    }
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = CellError;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.next == self.end {
            return Ok(None);
        }
        self.next += 1;
        let key = seed.deserialize(Cell { column: &self.entries[0], row: self.next - 1, reading: self.reading });
        key.map(Some).map_err(|error| error.within("key"))
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value> {
        let value = seed.deserialize(Cell { column: &self.entries[1], row: self.next - 1, reading: self.reading });
        value.map_err(|error| error.within("value"))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.end - self.next)
    }
}

/// The fields of a struct.
pub(super) struct Fields<'a> {
    pub(super) columns: &'a [(String, Column)],
    pub(super) next: usize,
    pub(super) row: usize,
    pub(super) reading: Reading,
}

impl<'a> Fields<'a> {
    /// The value of the field before the next one.
    #[inline]
    fn value<S: DeserializeSeed<'a>>(&self, seed: S) -> Result<S::Value> {
        let (name, column) = &self.columns[self.next - 1];
        seed.deserialize(Cell { column, row: self.row, reading: self.reading }).map_err(|error| error.within(name))
    }
}

impl<'a> MapAccess<'a> for Fields<'a> {
    type Error = CellError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some((name, _)) = self.columns.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value> {
        self.value(seed)
    }
}

impl<'a> SeqAccess<'a> for Fields<'a> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.next == self.columns.len() {
            return Ok(None);
        }
        self.next += 1;
        self.value(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len() - self.next)
    }
}
