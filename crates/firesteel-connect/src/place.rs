//! Where results end up, so that a job does not read its own.

use std::path::{Path, PathBuf};

/// A place outside of a job to which a sink writes.
///
/// ```
/// use firesteel_connect::Place;
/// assert_eq!(Place::file("out/part-1.txt").to_string(), "out/part-1.txt");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// A file of the local file system.
    File(PathBuf),
    /// An object.
    Object {
        /// Its store, as that shows itself.
        store: String,
        /// Its key.
        key: String,
    },
    /// A topic of a message broker.
    Topic {
        /// Addresses of brokers, `host:port` with commas between them, as the program names them.
        brokers: String,
        /// Its name.
        topic: String,
    },
}

impl Place {
    /// A file of the local file system.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => Path::display(path).fmt(f),
            Self::Object { store, key } => write!(f, "{store}/{key}"),
            Self::Topic { brokers, topic } => write!(f, "topic {topic} at {brokers}"),
        }
    }
}
