//! Which file it is: what the file system says of it, and what is in it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::{SystemTime, UNIX_EPOCH};

use firesteel_results::{PRINTED, hash};
use serde::{Deserialize, Serialize};

/// How many bytes at the beginning and before a position tell a content apart from others. Logs that begin with the same lines
/// differ in what comes last.
pub(crate) const STRETCH: u64 = PRINTED;

/// Device and number, where the file system has them.
pub(crate) type Inode = Option<(u64, u64)>;

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Inode {
    None
}

/// Nanoseconds since 1970, at which a file was changed or made; nothing where the file system does not say.
fn nanos(at: io::Result<SystemTime>) -> Option<u64> {
    let since = at.ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// What the file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub(crate) modified: Option<u64>,
    pub(crate) inode: Inode,
    /// When it was made, where the file system knows: it gives the number of a file that is removed to another one.
    created: Option<u64>,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let (modified, created) = (nanos(metadata.modified()), nanos(metadata.created()));
        Self { size: metadata.len(), modified, inode: inode(metadata), created }
    }

    /// That of a file of which only the size is known.
    pub(crate) fn of_size(size: u64) -> Self {
        Self { size, modified: None, inode: None, created: None }
    }

    /// That of a file of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { size: 0, modified: None, inode: None, created: Some(0) }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::unknown()
    }

    /// Whether both are of one file of the file system, as far as it tells.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.inode == other.inode && self.created == other.created
    }

    /// When it was made, in nanoseconds since 1970; when it was changed last where that is not known.
    pub(crate) fn created(&self) -> Option<u64> {
        self.created.or(self.modified)
    }
}

/// What bytes `[0, at)` begin and end with. Equal for two files that have these bytes in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Print {
    pub(crate) at: u64,
    head: u64,
    tail: u64,
}

impl Print {
    /// That of no bytes at all, which every file has.
    pub(crate) fn nothing() -> Self {
        Self::new(0, &[], &[])
    }

    fn new(at: u64, head: &[u8], tail: &[u8]) -> Self {
        Self { at, head: hash(head), tail: hash(tail) }
    }

    /// That of all bytes of something of `at` bytes that is read here and there.
    pub(crate) fn of_all_at<E>(at: u64, mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut head = vec![0; at.min(STRETCH) as usize];
        read(0, &mut head)?;
        let mut tail = head.clone();
        if at > STRETCH {
            read(at - STRETCH, &mut tail)?;
        }
        Ok(Self::new(at, &head, &tail))
    }

    /// The hashes of what the first `at` bytes begin and end with.
    pub(crate) fn hashes(&self) -> [u64; 2] {
        [self.head, self.tail]
    }

    /// The one with these hashes.
    pub(crate) fn of_hashes(at: u64, [head, tail]: [u64; 2]) -> Self {
        Self { at, head, tail }
    }

    /// That of the first `at` bytes of a file.
    pub(crate) fn of_file(file: &mut File, at: u64) -> io::Result<Self> {
        let mut head = vec![0; at.min(STRETCH) as usize];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut head)?;
        if at <= STRETCH {
            return Ok(Self::new(at, &head, &head));
        }
        let mut tail = vec![0; STRETCH as usize];
        file.seek(SeekFrom::Start(at - STRETCH))?;
        file.read_exact(&mut tail)?;
        Ok(Self::new(at, &head, &tail))
    }

    /// That of the first `at` bytes of a text that can only be read from its beginning; tells whether more follows.
    pub(crate) fn of_text(text: &mut impl Read, at: u64) -> io::Result<(Self, bool)> {
        let mut head = Vec::new();
        text.take(at.min(STRETCH)).read_to_end(&mut head)?;
        let mut tail = head.clone();
        let mut position = head.len() as u64;
        let mut chunk = vec![0; 64 << 10];
        while position < at {
            let wanted = chunk.len().min(usize::try_from(at - position).unwrap_or(usize::MAX));
            let count = text.read(&mut chunk[..wanted])?;
            if count == 0 {
                break;
            }
            tail.extend_from_slice(&chunk[..count]);
            let surplus = tail.len().saturating_sub(STRETCH as usize);
            tail.drain(..surplus);
            position += count as u64;
        }
        if position < at {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let more = text.read(&mut chunk[..1])? > 0;
        Ok((Self::new(at, &head, &tail), more))
    }

    /// That of all of a text, as far as it can be read.
    pub(crate) fn of_all(text: &mut impl Read) -> Self {
        let (mut head, mut tail, mut at) = (Vec::new(), Vec::new(), 0);
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = text.read(&mut chunk) {
            let wanted = (STRETCH as usize).saturating_sub(head.len());
            head.extend_from_slice(&chunk[..count.min(wanted)]);
            tail.extend_from_slice(&chunk[..count]);
            let surplus = tail.len().saturating_sub(STRETCH as usize);
            tail.drain(..surplus);
            at += count as u64;
        }
        Self::new(at, &head, &tail)
    }

    /// Whether the file begins with the bytes that this is the print of.
    pub(crate) fn is_of(&self, file: &mut File) -> io::Result<bool> {
        match Self::of_file(file, self.at) {
            Ok(print) => Ok(print == *self),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_last_tells_contents_with_the_same_beginning_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let text = [vec![b'h'; 10_000], b"first".to_vec(), vec![b't'; 1_000]].concat();
        std::fs::write(&path, &text).unwrap();
        for at in [0, 1, 4_095, 4_096, 4_097, 9_000, text.len() as u64] {
            let print = Print::of_file(&mut File::open(&path).unwrap(), at).unwrap();
            assert!(print.is_of(&mut File::open(&path).unwrap()).unwrap(), "{at}");
            let (of_text, more) = Print::of_text(&mut &text[..], at).unwrap();
            assert_eq!((of_text, more), (print, at < text.len() as u64), "{at}");
            assert_eq!(Print::of_all(&mut &text[..at as usize]), print, "{at}");
        }
        let print = Print::of_file(&mut File::open(&path).unwrap(), text.len() as u64).unwrap();
        std::fs::write(&path, [vec![b'h'; 10_000], b"other".to_vec(), vec![b't'; 1_000]].concat()).unwrap();
        let is_there = |print: Print| print.is_of(&mut File::open(&path).unwrap()).unwrap();
        assert!(!is_there(print));
        std::fs::write(&path, b"short").unwrap();
        assert!(!is_there(print));
        assert!(Print::of_text(&mut &b"short"[..], 6).is_err());
        assert!(is_there(Print::nothing()));
    }
}
