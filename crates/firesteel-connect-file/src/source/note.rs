//! What is kept of a file in the checkpoint, beside the position in it.

use firesteel_connect::{Result, SplitNote};
use firesteel_frames::Compression;
use serde::{Deserialize, Serialize};

use super::identity::{Print, Stamp};

/// The first byte: which release can read the rest.
const VERSION: u8 = 1;
/// The same of a file of which something was passed over since it is damaged.
const OF_DAMAGED: u8 = 2;
/// The same of a file that does not fit.
const OF_MISFIT: u8 = 3;

/// What a file is known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Where it was last, and where it was first.
    pub(crate) path: String,
    pub(crate) home: String,
    pub(crate) stamp: Stamp,
    /// Of its text, as far as it is known.
    pub(crate) text: Print,
    /// Of all bytes of a compressed file.
    pub(crate) packed: Option<Print>,
    /// What has packed it, by a number: see [`PACKERS`].
    pub(crate) packer: u8,
    /// The position after the last line known to be there.
    pub(crate) known: Option<u64>,
    /// Whether positions may lie within lines, as those in files that are or were plain.
    pub(crate) was_plain: bool,
    /// Whether its last line was read without a newline.
    pub(crate) is_closed: bool,
    /// Whether it was gone, and all of it read.
    pub(crate) is_gone: bool,
    /// Whether something of it was passed over.
    #[serde(skip)]
    pub(crate) is_damaged: bool,
    /// Why it does not fit, as a hash, and up to where it was read before, if it does not.
    #[serde(skip)]
    pub(crate) misfit: Option<(u64, u64)>,
}

/// What a packed file may be packed by, at the number that stands for it.
pub(crate) const PACKERS: [Compression; 5] =
    [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz, Compression::Lz4];

impl Note {
    /// As bytes: one for the version, and the postcard of the rest.
    pub(crate) fn encode(&self) -> Result<SplitNote> {
        if let Some(misfit) = self.misfit {
            let bytes = postcard::to_extend(&(self, misfit, self.is_damaged), vec![OF_MISFIT]).unwrap_or_default();
            return SplitNote::new(bytes);
        }
        let version = if self.is_damaged { OF_DAMAGED } else { VERSION };
        let bytes = postcard::to_extend(self, vec![version]).unwrap_or_default();
        SplitNote::new(bytes)
    }

    /// From bytes; nothing of what makes no sense.
    pub(crate) fn decode(note: &SplitNote) -> Option<Self> {
        match note.as_bytes().split_first() {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).ok(),
            Some((&OF_DAMAGED, rest)) => {
                let note: Self = postcard::from_bytes(rest).ok()?;
                Some(Self { is_damaged: true, ..note })
            }
            Some((&OF_MISFIT, rest)) => {
                let (note, misfit, is_damaged): (Self, (u64, u64), bool) = postcard::from_bytes(rest).ok()?;
                Some(Self { misfit: Some(misfit), is_damaged, ..note })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_small_and_comes_back_as_it_was() {
        let stamp = Stamp::of(&std::fs::metadata(".").unwrap());
        let note = Note {
            path: "/var/log/apache2/access.log.1".to_owned(),
            home: "/var/log/apache2/access.log".to_owned(),
            stamp,
            text: Print::nothing(),
            packed: Some(Print::nothing()),
            packer: 1,
            known: Some(1 << 40),
            was_plain: true,
            is_closed: false,
            is_gone: false,
            is_damaged: false,
            misfit: None,
        };
        let bytes = note.encode().unwrap();
        assert!(bytes.as_bytes().len() < 200, "{}", bytes.as_bytes().len());
        assert_eq!(Note::decode(&bytes).as_ref(), Some(&note));
        let damaged = Note { is_damaged: true, ..note };
        assert_eq!(Note::decode(&damaged.encode().unwrap()).as_ref(), Some(&damaged));
        let misfit = Note { misfit: Some((7, 9)), ..damaged };
        assert_eq!(Note::decode(&misfit.encode().unwrap()), Some(misfit));
        assert_eq!(Note::decode(&SplitNote::new(*b"\x63abc").unwrap()), None);
    }
}
