//! What the C++ inside of a crate needs: a compiler, and libclang, by which bindings are made. And the programs that tests let loose on
//! logs.
//!
//! Only `firesteel-state-rocksdb` and the tests of `firesteel-connect-file` need them. What is missing is installed where apt can do that, since a test that is
//! not run is worth nothing; elsewhere it is named together with the way to get it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::Outcome;

/// Programs that rotate, pack and copy logs, and Debian's packages with them.
const LOG_TOOLS: [Need; 6] = [
    Need { name: "logrotate", package: "logrotate" },
    Need { name: "gzip", package: "gzip" },
    Need { name: "zstd", package: "zstd" },
    Need { name: "xz", package: "xz-utils" },
    Need { name: "bzip2", package: "bzip2" },
    Need { name: "rsync", package: "rsync" },
];

/// Finds the compiler and libclang, or installs them and says so.
pub(crate) fn ensure() -> Outcome {
    ensure_all(missing)
}

/// Finds the programs that tests let loose on logs, or installs them and says so.
pub(crate) fn ensure_log_tools() -> Outcome {
    ensure_all(|| LOG_TOOLS.into_iter().filter(|tool| !is_program(tool.name)).collect())
}

/// What a broker of Kafka for tests is fetched and run by, and Debian's packages with it.
const BROKER_TOOLS: [Need; 2] =
    [Need { name: "java", package: "openjdk-17-jre-headless" }, Need { name: "mvn", package: "maven" }];

/// Finds Java and Maven, or installs them and says so.
pub(crate) fn ensure_broker_tools() -> Outcome {
    ensure_all(|| BROKER_TOOLS.into_iter().filter(|tool| !is_program(tool.name)).collect())
}

/// Whether a program is in one of the folders where programs are, also those for superusers.
fn is_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).any(|program| program.is_file())
}

fn ensure_all(missing: impl Fn() -> Vec<Need>) -> Outcome {
    let found = missing();
    let (missing, again) = (found, missing);
    if missing.is_empty() {
        return Outcome::Passed("found".to_owned());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    let (names, command) = (names.join(" and "), format!("apt-get install {}", packages.join(" ")));
    eprintln!("    no {names} on this machine: installing with {command}");
    if let Err(why) = install(&packages) {
        return Outcome::Failed(format!("{names} missing, and {why}; {command}, or what does the same here"));
    }
    match again().first() {
        None => Outcome::Passed(format!("installed {}", packages.join(" and "))),
        Some(need) => Outcome::Failed(format!("{} is still missing after {command}", need.name)),
    }
}

/// Something that has to be there, and Debian's package with it.
struct Need {
    name: &'static str,
    package: &'static str,
}

fn missing() -> Vec<Need> {
    let mut missing = Vec::new();
    if !has_compiler() {
        missing.push(Need { name: "C++ compiler", package: "g++" });
    }
    if !has_libclang(&library_folders()) {
        missing.push(Need { name: "libclang", package: "libclang-dev" });
    }
    missing
}

/// Whether the compiler that Cargo's build scripts take can be started.
fn has_compiler() -> bool {
    let chosen = env::var("CXX").unwrap_or_default();
    // `CXX` may hold a wrapper and arguments.
    let program = chosen.split_whitespace().next().unwrap_or("c++");
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Where `clang-sys` looks for libclang: the folder that is named, the one that LLVM names, and the usual ones.
fn library_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(named) = env::var_os("LIBCLANG_PATH") {
        let named = PathBuf::from(named);
        folders.extend(named.parent().map(Path::to_owned));
        folders.push(named);
    }
    if let Ok(output) = Command::new("llvm-config").arg("--libdir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for folder in [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/opt/homebrew/opt/llvm/lib",
        "/usr/local/opt/llvm/lib",
        "/Library/Developer/CommandLineTools/usr/lib",
        "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
    ] {
        folders.push(folder.into());
    }
    // Debian keeps each release of LLVM in a folder of its own.
    for entry in fs::read_dir("/usr/lib").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("llvm") {
            folders.push(entry.path().join("lib"));
        }
    }
    folders
}

fn has_libclang(folders: &[PathBuf]) -> bool {
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    files.map(|file| file.file_name()).any(|name| is_libclang(&name.to_string_lossy()))
}

/// Whether a file is the shared library and not a part of it, such as `libclang-cpp.so`.
fn is_libclang(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("libclang").or_else(|| (name == "clang.dll").then_some(".dll")) else {
        return false;
    };
    let version = rest.trim_start_matches(|c: char| c == '-' || c == '.' || c.is_ascii_digit());
    let suffix = version.strip_prefix("so").map(|rest| rest.trim_matches(|c: char| c == '.' || c.is_ascii_digit()));
    suffix == Some("") || rest == ".dylib" || rest == ".dll"
}

/// Installs Debian's packages, as the superuser or through a `sudo` that asks for no password.
fn install(packages: &[&str]) -> Result<(), String> {
    let runs = |program: &str, arguments: &[&str]| {
        let quiet = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    if !runs("apt-get", &["--version"]) {
        return Err("there is no apt-get here to install it".to_owned());
    }
    let is_superuser = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut prefix: Vec<OsString> = Vec::new();
    if !is_superuser {
        if !runs("sudo", &["--non-interactive", "true"]) {
            return Err("only the superuser can install it".to_owned());
        }
        prefix = ["sudo", "--non-interactive"].map(OsString::from).to_vec();
    }
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend_from_slice(packages);
    for arguments in [&["update"][..], &install] {
        let mut words = prefix.clone();
        words.push("apt-get".into());
        words.extend(arguments.iter().map(OsString::from));
        let (program, rest) = words.split_first().ok_or("no command")?;
        let status = Command::new(program).args(rest).env("DEBIAN_FRONTEND", "noninteractive").status();
        if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Err(format!("apt-get {} failed", arguments.first().unwrap_or(&"")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_told_from_its_parts() {
        for name in ["libclang.so", "libclang.so.1", "libclang-14.so", "libclang-14.so.14.0.6", "libclang.dylib"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclangAST.a", "libclang_rt.asan.so", "libLLVM.so", "libclang.a", "x"] {
            assert!(!is_libclang(name), "{name}");
        }
    }

    #[test]
    fn a_folder_without_the_library_does_not_do() {
        assert!(!has_libclang(&[PathBuf::from("/nowhere"), PathBuf::from(env!("CARGO_MANIFEST_DIR"))]));
    }
}
