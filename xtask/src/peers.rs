//! The systems on the JVM that the benchmarks compare with: a Python environment for each, from PyPI.
//!
//! The environments lie in the user's cache (`$XDG_CACHE_HOME/firesteel/peers`, or `~/.cache/…`), so that other clones
//! find them. Python and Java are the machine's own: what is missing is named, and nothing but the environments is
//! installed.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::Outcome;
use crate::workspace;

/// The peers by name; the file `benches/peers/NAME.txt` says what to install.
pub(crate) const PEERS: [&str; 2] = ["flink", "spark"];

/// The versions of Python for which both peers are published.
const PYTHONS: [(u32, u32); 4] = [(3, 12), (3, 11), (3, 10), (3, 9)];
/// The oldest Java on which both run.
const OLDEST_JAVA: u32 = 17;

/// The Python of an environment that has the peer, made if it is not there.
///
/// # Errors
/// What is missing on the machine or went wrong, in words.
pub(crate) fn python_of(peer: &str) -> Result<PathBuf, String> {
    let requirements = workspace::root().join("benches/peers").join(peer).with_extension("txt");
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| format!("{} cannot be read: {error}", requirements.display()))?;
    let folder = cache()?.join(peer);
    let python = folder.join("bin/python");
    // Written last: an environment without it was not finished.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    let base = base_python()?;
    eprintln!("    installing {} into {} (takes a minute or two)", wanted.trim(), folder.display());
    let _ = fs::remove_dir_all(&folder);
    call(Command::new(&base).args(["-m", "venv"]).arg(&folder)).map_err(|error| {
        format!("{error}\nan environment needs Python's module venv: on Debian, apt-get install python3-venv")
    })?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"]);
    call(pip.arg("--requirement").arg(&requirements))?;
    fs::write(&installed, wanted).map_err(|error| format!("{} cannot be written: {error}", installed.display()))?;
    Ok(python)
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

/// A Python of the machine for which both peers are published.
fn base_python() -> Result<PathBuf, String> {
    let named = env::var_os("PYTHON").filter(|python| !python.is_empty()).map(PathBuf::from);
    let candidates = named.clone().map_or_else(
        || {
            let numbered = PYTHONS.iter().map(|(major, minor)| PathBuf::from(format!("python{major}.{minor}")));
            std::iter::once(PathBuf::from("python3")).chain(numbered).collect()
        },
        |python| vec![python],
    );
    let found = candidates.iter().find(|python| version_of(python).is_some_and(|version| PYTHONS.contains(&version)));
    found.cloned().ok_or_else(|| {
        let tried = named.map_or_else(|| "on this machine".to_owned(), |python| format!("at {}", python.display()));
        format!(
            "there is no Python 3.9 to 3.12 {tried}, for which Spark and Flink are published: on Debian, apt-get \
             install python3 python3-venv; another place of it goes into PYTHON"
        )
    })
}

fn version_of(python: &Path) -> Option<(u32, u32)> {
    let code = "import sys; print(*sys.version_info[:2])";
    let output = Command::new(python).args(["-c", code]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The folder of the environments.
fn cache() -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(base.ok_or("neither XDG_CACHE_HOME nor HOME is set: there is no place for a cache")?.join("firesteel/peers"))
}

fn call(command: &mut Command) -> Result<(), String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy);
    let line = words.collect::<Vec<_>>().join(" ");
    eprintln!("    {line}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed: {status}")),
        Err(error) => Err(format!("`{line}` could not be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
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
