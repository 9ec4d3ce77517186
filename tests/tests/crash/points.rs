//! The fail points: their list, and what a process does at them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::program::Run;

/// The names of all points, as the documentation lists them.
pub(crate) fn names() -> Vec<&'static str> {
    documented("# Fail points")
}

/// The names of all values that a fault may change, as the documentation lists them.
pub(crate) fn values() -> Vec<&'static str> {
    documented("## Values")
}

fn documented(section: &str) -> Vec<&'static str> {
    let document = include_str!("../../../docs/fail-points.md");
    let lines = document.lines().skip_while(|line| *line != section).skip(1);
    lines
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect()
}

/// Has this process counted how often it passes each point, and end at the one it is told.
pub(crate) fn watch(run: &Run, counts: &Arc<Mutex<BTreeMap<String, u64>>>) {
    if run.count {
        for name in names() {
            let counts = Arc::clone(counts);
            let count = move || *counts.lock().entry(name.to_owned()).or_insert(0) += 1;
            fail::cfg_callback(name, count).expect("a callback is no text that could be wrong");
        }
    }
    if let Some((name, hit)) = run.crash.clone() {
        let passed = AtomicU64::new(0);
        let end = move || {
            if passed.fetch_add(1, Ordering::SeqCst) + 1 == hit {
                std::process::abort();
            }
        };
        fail::cfg_callback(name, end).expect("a callback is no text that could be wrong");
    }
}

/// The names that stand in such a call in the sources of the workspace.
pub(crate) fn in_sources(call: &str) -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the workspace");
    let mut names = Vec::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            if path.ends_with("firesteel-faults") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).expect("sources are text");
                let calls = text.split(call).skip(1);
                names.extend(calls.filter_map(|call| Some(call.split('"').next()?.to_owned())));
            }
        }
    }
    names.sort();
    names
}
