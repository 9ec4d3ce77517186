//! When small files are merged, and how much is done at a time.

use firesteel_connect::{ConnectError, Result};

/// This many small files are merged unless a test says otherwise.
const COMPACT_AT: usize = 100;

/// How much is done at most.
#[derive(Debug)]
pub struct Limits {
    /// How many lines of manifests are looked at, the newest ones.
    pub(super) lines: usize,
    /// How many bytes are merged.
    pub(super) bytes: u64,
    /// Whether each file is merged, also those to which little comes.
    all: bool,
}

impl Limits {
    /// All that there is.
    #[must_use]
    pub fn none() -> Self {
        Self { lines: usize::MAX, bytes: u64::MAX, all: true }
    }

    /// Of what is done after a commit: merges about as much as a file is to have, and no file for the sake of others that are smaller in all.
    #[must_use]
    pub fn of_one_step(wanted: u64) -> Self {
        Self { lines: 20_000, bytes: wanted.max(1), all: false }
    }

    /// What is merged at least doubles, so that no byte is written more often than there are doublings.
    pub(super) fn is_worth(&self, sizes: &[u64]) -> bool {
        self.all || sizes.iter().sum::<u64>() >= 2 * sizes.iter().max().copied().unwrap_or(0)
    }
}

/// Whether a sink merges small files, and when.
#[derive(Debug)]
pub struct Compacting {
    /// How large files are to become; `None` where they are left as they are.
    pub wanted: Option<u64>,
    /// How many small ones are waited for.
    pub at: usize,
}

impl Default for Compacting {
    /// It does not. Where it does, a hundred are waited for.
    fn default() -> Self {
        Self { wanted: None, at: COMPACT_AT }
    }
}

impl Compacting {
    /// Refuses to merge files that nothing here can merge, in the name of a connector.
    ///
    /// # Errors
    /// A [`ConnectError::Setting`].
    pub fn check(&self, connector: &'static str, format: &str, may_be_joined: bool) -> Result<()> {
        let reason = match self.wanted {
            Some(0) => "it is 0; a file has more".to_owned(),
            Some(_) if !may_be_joined => format!("nothing here merges files of {format}; leave it away"),
            _ => return Ok(()),
        };
        Err(ConnectError::Setting { connector, setting: "compact_to", reason })
    }

    /// How large files are to become, if there is enough to be merged; counts from the beginning then.
    pub fn due(&self, loose: &mut Loose) -> Option<u64> {
        let wanted = self.wanted.filter(|wanted| loose.files >= self.at || loose.bytes >= *wanted)?;
        *loose = Loose::default();
        Some(wanted)
    }
}

/// What has come since files were merged last.
#[derive(Debug, Default)]
pub struct Loose {
    files: usize,
    bytes: u64,
}

impl Loose {
    /// A number of files that were there before.
    #[must_use]
    pub fn of(files: usize) -> Self {
        Self { files, ..Self::default() }
    }

    /// Takes note of files of these sizes, which are about to be committed.
    pub fn add(&mut self, sizes: impl Iterator<Item = u64>) {
        for bytes in sizes {
            self.files += 1;
            self.bytes += bytes;
        }
    }
}
