//! The packages that Cargo really builds for some members, with the features they really have.

use crate::workspace::cargo;

/// One package in the tree of dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its name.
    pub name: String,
    /// How it is reached, beginning with a member of the workspace and ending with the package itself.
    pub path: Vec<String>,
}

/// Crates that compile C or look for an installed C library while they are built.
const NATIVE: [&str; 7] = ["autotools", "bindgen", "cc", "cmake", "nasm-rs", "pkg-config", "vcpkg"];

/// Crates that are, or start, an executor of asynchronous tasks.
const ASYNC_RUNTIMES: [&str; 8] =
    ["async-executor", "async-global-executor", "async-std", "compio", "futures-executor", "glommio", "smol", "tokio"];

/// All that is built on this platform for what `arguments` of `cargo tree` choose: members, and their features beyond
/// the default ones. The default members without any choice.
#[must_use]
pub fn built(arguments: &[&str]) -> Vec<Built> {
    let mut all = vec!["tree", "--locked", "--prefix", "depth", "--format", " {p}"];
    all.extend_from_slice(arguments);
    parse(&cargo(&all))
}

/// How the packages that need a C compiler or a C library are reached.
#[must_use]
pub fn native(built: &[Built]) -> Vec<String> {
    paths_to(&NATIVE, built)
}

/// How asynchronous runtimes are reached.
#[must_use]
pub fn async_runtimes(built: &[Built]) -> Vec<String> {
    paths_to(&ASYNC_RUNTIMES, built)
}

fn paths_to(names: &[&str], built: &[Built]) -> Vec<String> {
    let found = built.iter().filter(|package| names.contains(&package.name.as_str()));
    found.map(|package| package.path.join(" > ")).collect()
}

/// Reads lines such as `2 serde v1.0.228 (*)`: depth, name, version.
fn parse(tree: &str) -> Vec<Built> {
    let mut path: Vec<String> = Vec::new();
    let mut built = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next().and_then(|word| word.parse::<usize>().ok()), words.next()) else {
            continue;
        };
        path.truncate(depth);
        path.push(name.to_owned());
        built.push(Built { name: name.to_owned(), path: path.clone() });
    }
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0 firesteel-examples v0.1.0 (/somewhere/examples)
1 clap v4.6.9
2 clap_derive v4.6.9 (proc-macro)
1 zstd v0.13.3
2 zstd-sys v2.0.15+zstd.1.5.7
3 cc v1.2.30

0 firesteel-core v0.1.0 (/somewhere/crates/firesteel-core)
1 tokio v1.54.0 (*)
";

    #[test]
    fn each_package_knows_how_it_is_reached() {
        let built = parse(TREE);
        assert_eq!(built.len(), 8);
        assert_eq!(built[2].path, ["firesteel-examples", "clap", "clap_derive"]);
        assert_eq!(built[3].path, ["firesteel-examples", "zstd"]);
    }

    #[test]
    fn what_compiles_c_is_found_with_whoever_asks_for_it() {
        assert_eq!(native(&parse(TREE)), ["firesteel-examples > zstd > zstd-sys > cc"]);
        assert_eq!(async_runtimes(&parse(TREE)), ["firesteel-core > tokio"]);
        assert_eq!(native(&parse("0 serde v1.0.0\n")), Vec::<String>::new());
    }
}
