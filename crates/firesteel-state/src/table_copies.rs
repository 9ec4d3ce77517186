//! Copies of the tables that batches have met, as files of a checkpoint.
//!
//! An epoch that was prepared may have to be run again in another process, and has to meet the same rows then. What a table was loaded from
//! may have changed by that time, so a version of it is [kept](TableCopies::keep) before the epoch is prepared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_disk::{Disk, OsDisk, write_whole};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::files::Header;
use crate::wire::checksum;

const HEADER: Header = Header { magic: *b"FSTTABLE", version: 1 };
const EXTENSION: &str = "table";

/// The versions of tables that a checkpoint keeps, each by the name of the table and a number of its own.
#[derive(Debug, Clone)]
pub struct TableCopies {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl TableCopies {
    /// Those in a folder, which is made when the first is kept.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self::on(OsDisk::shared(), folder)
    }

    /// The same on a disk of the caller's choice, such as one that crashes.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, folder: folder.to_owned() }
    }

    /// What the files of a table begin with: no name of a table is one of a file.
    fn prefix(table: &str) -> String {
        format!("{:016x}-", checksum(table.as_bytes()))
    }

    /// Where a version is.
    #[must_use]
    pub fn path(&self, table: &str, version: u64) -> PathBuf {
        self.folder.join(format!("{}{version:016x}.{EXTENSION}", Self::prefix(table)))
    }

    /// Keeps a version: on return, it survives a crash.
    ///
    /// # Errors
    /// When its rows have no form, or it cannot be written.
    pub fn keep(&self, table: &str, version: u64, rows: &impl Serialize) -> Result<()> {
        let bytes = HEADER.seal(&(table, rows), || format!("table {table}"))?;
        self.disk.make_folder(&self.folder)?;
        Ok(write_whole(&*self.disk, &self.path(table, version), &bytes)?)
    }

    /// The rows of a version.
    ///
    /// # Errors
    /// When it is not there, or is damaged.
    pub fn read<R: DeserializeOwned>(&self, table: &str, version: u64) -> Result<R> {
        let path = self.path(table, version);
        let bytes = self.disk.read(&path)?;
        let (_, rows): (String, R) = HEADER.unseal(
            &path,
            &bytes,
            "it",
            ": the rows that an epoch has met, which may be run again, are in it",
        )?;
        Ok(rows)
    }

    /// The versions of a table that are kept.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn versions(&self, table: &str) -> Result<Vec<u64>> {
        let prefix = Self::prefix(table);
        let number = |name: &String| {
            let (number, extension) = name.strip_prefix(&prefix)?.split_once('.')?;
            u64::from_str_radix(number, 16).ok().filter(|_| extension == EXTENSION)
        };
        Ok(self.disk.list(&self.folder)?.iter().filter_map(number).collect())
    }

    /// No epoch that uses a version can be run again. One that is not kept is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, table: &str, version: u64) -> Result<()> {
        Ok(self.disk.remove(&self.path(table, version))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_kept_whole_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let copies = TableCopies::in_folder(&folder.path().join("tables"));
        assert_eq!(copies.versions("zones").unwrap(), []);
        copies.keep("zones", 7, &vec![(1, "a"), (2, "b")]).unwrap();
        copies.keep("zones", 9, &vec![(1, "c")]).unwrap();
        copies.keep("users/of the week", 7, &Vec::<(u8, String)>::new()).unwrap();
        assert_eq!(copies.versions("zones").unwrap(), [7, 9]);
        let rows: Vec<(i32, String)> = copies.read("zones", 7).unwrap();
        assert_eq!(rows, [(1, "a".to_owned()), (2, "b".to_owned())]);
        copies.remove("zones", 7).unwrap();
        copies.remove("zones", 7).unwrap();
        assert_eq!(copies.versions("zones").unwrap(), [9]);
        assert!(copies.read::<Vec<(i32, String)>>("zones", 7).is_err());

        let path = copies.path("zones", 9);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let said = copies.read::<Vec<(i32, String)>>("zones", 9).unwrap_err().to_string();
        assert!(said.contains("checksum"), "{said}");
    }
}
