//! A broker of Apache Kafka for tests: its jars, from Maven's registry.
//!
//! They lie in the user's cache, beside the environments of Python, so that other clones find them. Java and Maven are the machine's
//! own: where they are missing that is told.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::python;
use crate::workspace;

/// The folder of the jars, filled if it is not.
///
/// # Errors
/// What is missing on the machine or went wrong, in words.
pub(crate) fn jars() -> Result<PathBuf, String> {
    let pom = workspace::root().join("tests/integration/kafka/pom.xml");
    let wanted = fs::read_to_string(&pom).map_err(|error| format!("{} cannot be read: {error}", pom.display()))?;
    let folder = python::cache()?.join("kafka");
    // Written last: a folder without it was not finished.
    let installed = folder.join("installed.xml");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    let is_there = Command::new("mvn").arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    if let Err(error) = is_there {
        return Err(format!(
            "Maven cannot be run ({error}), which fetches the broker: on Debian, apt-get install maven"
        ));
    }
    eprintln!("    fetching a Kafka broker into {} (55 MB, half a minute)", folder.display());
    let _ = fs::remove_dir_all(&folder);
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).arg("dependency:copy-dependencies");
    maven.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", folder.display()));
    python::call(&mut maven)?;
    fs::write(&installed, wanted).map_err(|error| format!("{} cannot be written: {error}", installed.display()))?;
    Ok(folder)
}
