//! What RocksDB says, as errors of state.

use std::path::Path;

use firesteel_state::{Class, StateError};
use rocksdb::ErrorKind;

/// What RocksDB says, and the way out.
#[derive(Debug, thiserror::Error)]
#[error("{message}{way_out}")]
struct Failure {
    message: String,
    way_out: String,
}

/// Turns an error of RocksDB into one that names the place and the way out.
pub(crate) fn failed(path: &Path, action: &str) -> impl FnOnce(rocksdb::Error) -> StateError {
    move |error| translate(path, action, error.kind(), error.into_string())
}

/// Bytes that are no page or directory, although RocksDB's checksums fit.
pub(crate) fn malformed(path: &Path, what: &str) -> StateError {
    translate(path, "read", ErrorKind::Corruption, format!("{what} cannot be understood"))
}

fn translate(path: &Path, action: &str, kind: ErrorKind, message: String) -> StateError {
    let is_locked = message.contains("lock hold by current process") || message.contains("While lock file");
    if is_locked {
        return StateError::Locked { path: path.join("LOCK") };
    }
    let full =
        message.contains("No space left") || message.contains("disk quota") || message.contains("Quota exceeded");
    // A file that is missing, or a folder without a database, is damage like flipped bits.
    let damaged = kind == ErrorKind::Corruption || message.contains("No such file or directory");
    let (class, way_out) = if full {
        (Class::Retryable, "; make room there".to_owned())
    } else if damaged {
        let hint = "; its files are damaged or missing: remove the folder, and the state is built again from the last \
                    snapshot and the changelog";
        (Class::Fatal, hint.to_owned())
    } else {
        match kind {
            ErrorKind::Busy | ErrorKind::TimedOut | ErrorKind::TryAgain | ErrorKind::Incomplete => {
                (Class::Retryable, String::new())
            }
            ErrorKind::IOError => (Class::Fatal, "; is the folder writable, and its disk sound?".to_owned()),
            _ => (Class::Fatal, String::new()),
        }
    };
    let source = Box::new(Failure { message, way_out });
    StateError::Backend { backend: describe(path), action: action.to_owned(), class, source }
}

pub(crate) fn describe(path: &Path) -> String {
    format!("RocksDB in {}", path.display())
}

/// An error of the operating system with a file of the backend.
pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    move |source| StateError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_can_be_done() {
        let path = Path::new("state");
        let translate = |kind, message: &str| translate(path, "write", kind, message.to_owned());
        let full = translate(ErrorKind::IOError, "IO error: No space left on device: While appending to file");
        assert_eq!((full.class(), full.code()), (Class::Retryable, "FS-T013"));
        assert!(full.to_string().contains("RocksDB in state cannot write"), "{full}");
        assert!(full.to_string().ends_with("make room there"), "{full}");
        let damaged = translate(ErrorKind::Corruption, "Corruption: block checksum mismatch");
        assert_eq!(damaged.class(), Class::Fatal);
        assert!(damaged.to_string().contains("remove the folder"), "{damaged}");
        let locked = translate(ErrorKind::IOError, "IO error: lock hold by current process, acquire time 1");
        assert_eq!(locked.code(), "FS-T004");
        assert_eq!(translate(ErrorKind::Busy, "Resource busy").class(), Class::Retryable);
    }
}
