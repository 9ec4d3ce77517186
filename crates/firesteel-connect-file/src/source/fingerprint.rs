//! Whether a name still means the same file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

/// First bytes that are compared: enough to tell two logs apart that begin at different times.
const HEAD: u64 = 64;

/// What is known of a file from looking at it from outside and at its first bytes.
#[derive(Debug, Clone)]
pub(crate) struct Fingerprint {
    size: u64,
    modified: Option<SystemTime>,
    inode: Inode,
    head: Vec<u8>,
}

/// Device and number, where the file system has them; equal for all files where it has not.
type Inode = (u64, u64);

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Inode {
    (0, 0)
}

impl Fingerprint {
    /// Looks at the file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut head = Vec::new();
        file.take(HEAD.min(metadata.len())).read_to_end(&mut head)?;
        Ok(Self { size: metadata.len(), modified: metadata.modified().ok(), inode: inode(&metadata), head })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether the file looks untouched since.
    pub(crate) fn is_untouched(&self, now: &Metadata) -> bool {
        self.size == now.len() && self.modified == now.modified().ok() && self.is_file(now)
    }

    /// Whether it is the same file of the file system, whatever is in it.
    pub(crate) fn is_file(&self, now: &Metadata) -> bool {
        self.inode == inode(now)
    }

    /// Whether `later` may be this file after it has grown. The first bytes tell where the file system has used the
    /// number of a removed file again.
    pub(crate) fn may_have_become(&self, later: &Self) -> bool {
        self.inode == later.inode && later.head.starts_with(&self.head)
    }
}
