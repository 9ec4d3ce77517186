//! The packages of this workspace, as Cargo describes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The package's code uses it.
    Normal,
    /// Its tests, examples or benchmarks use it.
    Dev,
    /// Its build script uses it.
    Build,
}

/// A dependency as a package's manifest declares it.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The package depended on.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The folder of its manifest.
    pub folder: PathBuf,
    /// All it declares to depend on, optional or not, on every platform.
    pub dependencies: Vec<Dependency>,
}

impl Package {
    /// The names of the dependencies of one kind, sorted, each once.
    #[must_use]
    pub fn names(&self, kind: Kind) -> Vec<&str> {
        let of_kind = self.dependencies.iter().filter(|dependency| dependency.kind == kind);
        let mut names: Vec<&str> = of_kind.map(|dependency| dependency.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The folder of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the workspace")
}

/// Runs Cargo at the root of the workspace and returns what it prints.
///
/// # Panics
/// When it cannot be run or fails, with what it says.
#[must_use]
pub fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("Cargo runs this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("Cargo prints UTF-8")
}

/// The packages of this workspace, by name.
///
/// # Panics
/// When Cargo does not describe them as expected.
#[must_use]
pub fn packages() -> Vec<Package> {
    let text = cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
    let list = |value: &Value, key: &str| value[key].as_array().cloned().expect("cargo metadata has this list");
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let mut packages: Vec<Package> = list(&metadata, "packages")
        .iter()
        .map(|package| Package {
            name: text(package, "name").expect("a package has a name"),
            folder: text(package, "manifest_path")
                .and_then(|path| Path::new(&path).parent().map(Path::to_owned))
                .expect("a manifest lies in a folder"),
            dependencies: list(package, "dependencies")
                .iter()
                .map(|dependency| Dependency {
                    name: text(dependency, "name").expect("a dependency has a name"),
                    kind: match dependency["kind"].as_str() {
                        None => Kind::Normal,
                        Some("dev") => Kind::Dev,
                        Some("build") => Kind::Build,
                        Some(other) => panic!("an unknown kind of dependency: {other}"),
                    },
                })
                .collect(),
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}
