//! Timers as they are stored: by time, and over a backend by key as well.

use super::{At, Few, Timers};
use crate::codec::{self, StateKey};
use crate::error::Result;
use crate::frame::{FrameWriter, TableId};
use crate::timers_by_key::{by_key, ordered, time};

impl<K: StateKey + Ord> Timers<K> {
    /// The key under which a place is stored by time.
    pub(super) fn encode(&self, place: &At<K>, out: &mut Vec<u8>) -> postcard::Result<()> {
        out.extend_from_slice(&ordered(place.0));
        codec::encode(&place.1, out)
    }

    /// The place that is stored by time under a key.
    pub(super) fn decode(&self, key: &[u8]) -> Result<At<K>> {
        let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
        let (at, key) = key.split_first_chunk().ok_or_else(bad)?;
        Ok((time(*at), codec::decode(key).map_err(|source| self.setup.undecodable(source))?))
    }

    /// The names that a value has; nothing if it is empty.
    pub(super) fn decode_names(&self, value: &[u8]) -> Result<Option<Few<TableId>>> {
        let (names, rest) = value.as_chunks();
        if !rest.is_empty() {
            return Err(self.setup.undecodable(postcard::Error::DeserializeBadEncoding));
        }
        Ok(Few::of(names.iter().map(|name| TableId(u16::from_le_bytes(*name))).collect()))
    }

    fn write(&self, place: &At<K>, by_key: bool, out: &mut FrameWriter) -> Result<()> {
        let key = |out: &mut Vec<u8>| {
            if by_key {
                codec::encode(&place.1, out)?;
                out.extend_from_slice(&ordered(place.0));
                return Ok(());
            }
            self.encode(place, out)
        };
        let value = self.queue.get(place).map(|timers| {
            |out: &mut Vec<u8>| {
                for timer in timers.as_slice() {
                    out.extend_from_slice(&timer.0.to_le_bytes());
                }
                Ok(())
            }
        });
        out.encode(key, value).map_err(|source| self.setup.unencodable(source))
    }

    /// Writes places in the orders that are stored.
    pub(super) fn write_places<'a>(
        &self,
        mut places: impl Iterator<Item = &'a At<K>> + Clone,
        out: &mut FrameWriter,
    ) -> Result<()>
    where
        K: 'a,
    {
        out.begin_table(self.setup.table);
        places.clone().try_for_each(|place| self.write(place, false, out))?;
        if let Some(table) = by_key(self.setup.table).filter(|_| self.setup.backend.is_some()) {
            out.begin_table(table);
            places.try_for_each(|place| self.write(place, true, out))?;
        }
        Ok(())
    }
}
