//! What is kept of an object in the checkpoint, beside the position in it.

use firesteel_connect::{Result, SplitNote};
use firesteel_object_store::Pin;
use firesteel_object_store::object_store::path::Path;
use serde::{Deserialize, Serialize};

/// The first byte: which release can read the rest.
const VERSION: u8 = 1;
/// The same of an object that was merged before it was read.
const OF_PART: u8 = 2;
/// The same of one of which something was passed over since it is damaged.
const OF_DAMAGED: u8 = 3;
/// The same of one that does not fit.
const OF_MISFIT: u8 = 4;

/// What an object is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    key: String,
    e_tag: Option<String>,
    version: Option<String>,
    size: u64,
    /// When it was stored, in microseconds since 1970.
    modified: i64,
    /// Where it ends, in the unit of positions, once that is known.
    pub(super) end: Option<u64>,
    /// A hash of what the store called its content, where nothing else of that is known.
    #[serde(skip)]
    pub(super) tag: Option<u64>,
    /// Whether something of it was passed over.
    #[serde(skip)]
    pub(super) is_damaged: bool,
    /// Why it does not fit, as a hash, and up to where it was read before, if it does not.
    #[serde(skip)]
    pub(super) misfit: Option<(u64, u64)>,
}

impl Note {
    pub(super) fn of(
        pin: &Pin,
        end: Option<u64>,
        tag: Option<u64>,
        is_damaged: bool,
        misfit: Option<(u64, u64)>,
    ) -> Self {
        let Pin { key, e_tag, version, size, modified } = pin.clone();
        Self { key: key.to_string(), e_tag, version, size, modified, end, tag, is_damaged, misfit }
    }

    pub(super) fn pin(&self) -> Option<Pin> {
        let Self { key, e_tag, version, size, modified, .. } = self.clone();
        Some(Pin { key: Path::parse(key).ok()?, e_tag, version, size, modified })
    }

    /// As bytes: one for the version, and the postcard of the rest.
    pub(super) fn encode(&self) -> Result<SplitNote> {
        if let Some(misfit) = self.misfit {
            let encoded = postcard::to_extend(&(self, self.tag, misfit, self.is_damaged), vec![OF_MISFIT]);
            return SplitNote::new(encoded.unwrap_or_default());
        }
        let encoded = match self.tag {
            tag if self.is_damaged => postcard::to_extend(&(self, tag), vec![OF_DAMAGED]),
            None => postcard::to_extend(self, vec![VERSION]),
            Some(tag) => postcard::to_extend(&(self, tag), vec![OF_PART]),
        };
        SplitNote::new(encoded.unwrap_or_default())
    }

    /// From bytes; nothing of what makes no sense.
    pub(super) fn decode(note: &SplitNote) -> Option<Self> {
        match note.as_bytes().split_first() {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).ok(),
            Some((&OF_PART, rest)) => {
                let (note, tag): (Self, u64) = postcard::from_bytes(rest).ok()?;
                Some(Self { tag: Some(tag), ..note })
            }
            Some((&OF_DAMAGED, rest)) => {
                let (note, tag): (Self, Option<u64>) = postcard::from_bytes(rest).ok()?;
                Some(Self { tag, is_damaged: true, ..note })
            }
            Some((&OF_MISFIT, rest)) => {
                let (note, tag, misfit, is_damaged): (Self, Option<u64>, (u64, u64), bool) =
                    postcard::from_bytes(rest).ok()?;
                Some(Self { tag, misfit: Some(misfit), is_damaged, ..note })
            }
            _ => None,
        }
    }
}
