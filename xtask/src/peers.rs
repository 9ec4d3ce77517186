//! The systems on the JVM that the benchmarks compare with: a Python environment for each, from PyPI.
//!
//! Java is the machine's own: where it is missing that is told.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::python;
use crate::steps::Outcome;
use crate::workspace;

/// The peers by name; the file `benches/peers/NAME.txt` says what to install.
pub(crate) const PEERS: [&str; 2] = ["flink", "spark"];

/// The oldest Java on which both run.
const OLDEST_JAVA: u32 = 17;

/// The Python of an environment that has the peer, made if it is not there.
///
/// # Errors
/// What is missing on the machine or went wrong, in words.
pub(crate) fn python_of(peer: &str) -> Result<PathBuf, String> {
    python::environment(peer, &workspace::root().join("benches/peers").join(peer).with_extension("txt"))
}

/// That there is a Java which both peers can use.
pub(crate) fn java() -> Outcome {
    let home = env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let java = home.map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"));
    let way_out = format!(
        "Java {OLDEST_JAVA} or newer is needed: on Debian, apt-get install openjdk-17-jre-headless; \
         another place of it goes into JAVA_HOME"
    );
    // It writes its version to standard error.
    match Command::new(&java).arg("-version").stdin(Stdio::null()).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            match java_version(&text) {
                Some(version) if version >= OLDEST_JAVA => Outcome::Passed(format!("Java {version}")),
                Some(version) => Outcome::Failed(format!("{} is Java {version}; {way_out}", java.display())),
                None => Outcome::Failed(format!("{} does not tell its version; {way_out}", java.display())),
            }
        }
        Err(error) => Outcome::Failed(format!("{} cannot be run ({error}); {way_out}", java.display())),
    }
}

/// The major version in what `java -version` writes: `openjdk version "17.0.15" 2025-04-15`, `"1.8.0_392"`.
fn java_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("version \"")?;
    let mut numbers = rest.split(['.', '"', '-', '_', '+']).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn versions_of_java_old_and_new_are_read() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(java_version("openjdk version \"25-ea\" 2025-09-16"), Some(25));
        assert_eq!(java_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(java_version("bash: java: command not found"), None);
    }

    #[test]
    fn every_peer_has_a_pinned_requirement_and_a_program() {
        for peer in PEERS {
            let folder = workspace::root().join("benches/peers");
            let text = fs::read_to_string(folder.join(peer).with_extension("txt")).expect(peer);
            let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
            assert!(lines.iter().all(|line| line.contains("==")), "{peer}: {lines:?}");
            assert!(folder.join(format!("{peer}_totals.py")).is_file(), "{peer}");
        }
    }
}
