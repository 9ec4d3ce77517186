//! Python environments with programs from PyPI: those that the benchmarks compare with, and servers of tests.
//!
//! They lie in the user's cache (`$XDG_CACHE_HOME/firesteel/peers`, or `~/.cache/…`), so that other clones find them. Python is the
//! machine's own: where it is missing that is told.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The versions of Python for which all that is installed here is published.
const PYTHONS: [(u32, u32); 4] = [(3, 12), (3, 11), (3, 10), (3, 9)];
/// The Python of an environment of this name with what a file of requirements lists, made if it is not there.
///
/// # Errors
/// What is missing on the machine or went wrong, in words.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let wanted = fs::read_to_string(requirements)
        .map_err(|error| format!("{} cannot be read: {error}", requirements.display()))?;
    let folder = cache()?.join(name);
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
    call(pip.arg("--requirement").arg(requirements))?;
    fs::write(&installed, wanted).map_err(|error| format!("{} cannot be written: {error}", installed.display()))?;
    Ok(python)
}

/// A Python of the machine for which all that is installed here is published.
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
            "there is no Python 3.9 to 3.12 {tried}, for which Spark, Flink and the test servers are published: on Debian, apt-get \
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

/// The folder of the environments, and of other things that are installed.
pub(crate) fn cache() -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(base.ok_or("neither XDG_CACHE_HOME nor HOME is set: there is no place for a cache")?.join("firesteel/peers"))
}

/// Shows a command, and runs it.
///
/// # Errors
/// When it fails, in words.
pub(crate) fn call(command: &mut Command) -> Result<(), String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy);
    let line = words.collect::<Vec<_>>().join(" ");
    eprintln!("    {line}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed: {status}")),
        Err(error) => Err(format!("`{line}` could not be run: {error}")),
    }
}
