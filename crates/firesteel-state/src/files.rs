//! Files as durable state needs them: written whole, synced with their folder, and never mistaken for another kind.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use firesteel_disk::sync_folder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Result, StateError};
use crate::wire::{Bytes, checksum};

/// Turns an error of the operating system into one that names the file.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    move |source| StateError::File { action, path: path.to_owned(), source }
}

/// The whole contents of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut file = File::open(path).map_err(failed("open", path))?;
    file.read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(bytes)
}

/// A folder in which files appear whole or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, which must not exist.
    pub(crate) fn create_new(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
        }
        fs::create_dir(path).map_err(failed("create", path))?;
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Writes a file under another name, syncs it, gives it its name, and syncs the folder.
    pub(crate) fn write_durably(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.tmp"));
        let mut file = File::create(&temporary).map_err(failed("create", &temporary))?;
        file.write_all(bytes).map_err(failed("write", &temporary))?;
        file.sync_all().map_err(failed("sync", &temporary))?;
        fs::rename(&temporary, &path).map_err(failed("rename", &temporary))?;
        Ok(sync_folder(&self.path)?)
    }
}

/// Bytes of a checksum.
const SUM: usize = 8;

/// The first twenty bytes of every file: which kind it is, of which format, and a checksum over both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
}

impl Header {
    pub(crate) const LENGTH: usize = 20;

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.magic);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        let sum = checksum(&bytes[..12]);
        bytes[12..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The bytes of a file that holds one value: header, value, and a checksum over both. `state` says what cannot be encoded.
    pub(crate) fn seal(self, value: &impl Serialize, state: impl FnOnce() -> String) -> Result<Vec<u8>> {
        let mut bytes = self.encode().to_vec();
        codec::encode(value, &mut bytes).map_err(|source| StateError::Encode { state: state(), source })?;
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        Ok(bytes)
    }

    /// What [`seal`](Self::seal) has written, of this format or an older one. `it` is what errors call it, and `lost` what they say is in it.
    pub(crate) fn unseal<T: DeserializeOwned>(self, path: &Path, bytes: &[u8], it: &str, lost: &str) -> Result<T> {
        let mut rest = Self::check(path, bytes, self.magic, self.version)?;
        let body = rest.take(rest.remaining().saturating_sub(SUM)).unwrap_or_default();
        let damaged = |reason: String| StateError::damaged(path, Self::LENGTH as u64, reason);
        if rest.u64() != Some(checksum(&bytes[..bytes.len().saturating_sub(SUM)])) {
            return Err(damaged(format!("{it} does not match its checksum{lost}")));
        }
        codec::decode(body).map_err(|error| damaged(format!("{it} is invalid: {error}")))
    }

    /// Checks the header of a file and yields what follows it.
    pub(crate) fn check<'a>(path: &Path, bytes: &'a [u8], magic: [u8; 8], newest: u32) -> Result<Bytes<'a>> {
        let mut rest = Bytes::new(bytes);
        let damaged = |reason: &str| StateError::damaged(path, 0, reason);
        let header = rest.take(Self::LENGTH).ok_or_else(|| damaged("it is too short to have a header"))?;
        let mut fields = Bytes::new(header);
        let found = fields.take(8).unwrap_or_default();
        let version = fields.u32().unwrap_or_default();
        if fields.u64() != Some(checksum(&header[..12])) {
            return Err(damaged("its header's checksum does not match, or it is no file of this kind"));
        }
        if found != magic {
            return Err(damaged("it is a file of another kind"));
        }
        if version == 0 || version > newest {
            return Err(StateError::Version { path: path.to_owned(), found: version, supported: newest });
        }
        Ok(rest)
    }
}
