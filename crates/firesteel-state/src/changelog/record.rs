//! What one record of the changelog holds.

use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::frame::{Frame, Shard, StoreId};
use crate::key_group::KeyGroup;
use crate::wire::Bytes;

/// One epoch: what was read, how far event time had come, and what changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochRecord {
    /// The epoch; epochs follow each other without gaps.
    pub epoch: u64,
    /// Its micro-batches, in their order.
    pub batches: Vec<BatchBoundary>,
    /// How far event time had come at its end.
    pub watermarks: Vec<OperatorWatermark>,
    /// What else the engine wants to find again: not looked at here.
    pub extra: Vec<u8>,
    /// What changed, by operator and key group; at most one frame for each.
    pub frames: Vec<Frame>,
}

/// What one micro-batch read: a repetition reads exactly the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchBoundary {
    /// The batch's number.
    pub batch: u64,
    /// The processing time at which it was admitted.
    pub time: Timestamp,
    /// The ranges it read.
    pub inputs: Vec<InputRange>,
}

/// A range of one split of one input: `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRange {
    /// The input's name.
    pub input: String,
    /// The split's name.
    pub split: String,
    /// The first position, in the unit of the split.
    pub from: u64,
    /// The position after the last one.
    pub to: u64,
}

/// How far event time had come for one operator, or in one split for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorWatermark {
    /// The operator that follows event time.
    pub operator: String,
    /// The split's name, or nothing for the watermark of the operator itself.
    pub split: String,
    /// The watermark.
    pub watermark: Timestamp,
}

#[derive(Serialize)]
struct HeadRef<'a> {
    batches: &'a [BatchBoundary],
    watermarks: &'a [OperatorWatermark],
    extra: &'a [u8],
}

#[derive(Deserialize)]
struct Head {
    batches: Vec<BatchBoundary>,
    watermarks: Vec<OperatorWatermark>,
    extra: Vec<u8>,
}

/// The bytes before each frame: store, key group, length.
const FRAME_HEADER: usize = 12;

impl EpochRecord {
    /// What stands before the frames. The epoch is not part of it: it stands in the header of the record.
    pub(super) fn encode_head(&self) -> postcard::Result<Vec<u8>> {
        let mut out = vec![0; 8];
        let head = HeadRef { batches: &self.batches, watermarks: &self.watermarks, extra: &self.extra };
        codec::encode(&head, &mut out)?;
        let length = (out.len() - 8) as u64;
        out[..8].copy_from_slice(&length.to_le_bytes());
        Ok(out)
    }

    /// How many bytes the frames are.
    pub(super) fn frames_length(&self) -> usize {
        self.frames.iter().map(|frame| FRAME_HEADER + frame.bytes().len()).sum()
    }

    /// Hands the frames to `each`, piece by piece: they are many, and nobody needs them in one place.
    pub(super) fn frames<E>(&self, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.frames.iter().try_for_each(|frame| {
            let mut header = [0; FRAME_HEADER];
            header[..2].copy_from_slice(&frame.shard().store.0.to_le_bytes());
            header[2..4].copy_from_slice(&frame.shard().group.0.to_le_bytes());
            header[4..].copy_from_slice(&(frame.bytes().len() as u64).to_le_bytes());
            each(&header)?;
            each(frame.bytes())
        })
    }

    /// The record without its frames, of the bytes of its head.
    pub(super) fn decode_head(epoch: u64, head: &[u8]) -> Option<Self> {
        let Head { batches, watermarks, extra } = codec::decode(head).ok()?;
        Some(Self { epoch, batches, watermarks, extra, frames: vec![] })
    }

    pub(super) fn decode(epoch: u64, payload: &[u8]) -> Option<Self> {
        let mut bytes = Bytes::new(payload);
        let length = usize::try_from(bytes.u64()?).ok()?;
        let head = bytes.take(length)?;
        Self::decode_parts(epoch, head, bytes)
    }

    /// The record of the bytes of its head and those of its frames.
    pub(super) fn decode_parts(epoch: u64, head: &[u8], mut bytes: Bytes<'_>) -> Option<Self> {
        let mut record = Self::decode_head(epoch, head)?;
        while !bytes.is_empty() {
            let shard = Shard { store: StoreId(bytes.u16()?), group: KeyGroup(bytes.u16()?) };
            let length = usize::try_from(bytes.u64()?).ok()?;
            record.frames.push(Frame::from_bytes(shard, bytes.take(length)?.to_vec())?);
        }
        Some(record)
    }
}
