//! Memory and processor time of a process and all that it has started, where the system tells them in `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;

/// What a tree of processes uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Bytes of memory at this moment: the sum of the resident sets.
    pub resident: u64,
    /// Seconds of processor time so far, user and system, of processes that are there or were waited for.
    pub processor: f64,
}

/// Ticks of processor time in a second, the same on all Linux systems.
const TICKS: f64 = 100.0;

/// What the process `root` and its descendants use; `None` if the system does not tell, or has no such process.
#[must_use]
pub fn usage(root: u32) -> Option<Usage> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while this runs.
        let Some(stat) = Stat::of(id) else { continue };
        children.entry(stat.parent).or_default().push(id);
    }
    Stat::of(root)?;
    let (mut usage, mut ahead, mut seen) = (Usage::default(), vec![root], HashSet::new());
    while let Some(id) = ahead.pop().filter(|id| seen.insert(*id)) {
        if let Some(stat) = Stat::of(id) {
            usage.resident += resident(id).unwrap_or_default();
            usage.processor += stat.ticks as f64 / TICKS;
        }
        ahead.extend(children.get(&id).into_iter().flatten());
    }
    Some(usage)
}

/// What `/proc/ID/stat` tells.
struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The second field, the name in parentheses, may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let parent = fields.get(1)?.parse().ok()?;
        // User and system time, its own and that of the children it waited for.
        let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Self { parent, ticks })
    }
}

fn resident(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn memory_and_time_of_this_process_grow_with_their_use() {
        let id = std::process::id();
        let before = usage(id).unwrap();
        let bytes = vec![1_u8; 64 << 20];
        let mut sum = 0_u64;
        while usage(id).unwrap().processor < before.processor + 0.05 {
            sum = black_box(&bytes).iter().fold(sum, |sum, &byte| sum.wrapping_mul(31) + u64::from(byte));
        }
        let after = usage(id).unwrap();
        assert!(after.resident > before.resident + (32 << 20), "{before:?} {after:?} {sum}");
    }

    #[test]
    fn descendants_count_and_processes_that_are_gone_do_not() {
        // Both shells end when their standard input does.
        let script = ["-c", "sh -c 'read line'; read line"];
        let mut child = Command::new("sh").args(script).stdin(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        while usage(id).unwrap().resident < resident(id).unwrap() * 3 / 2 {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(usage(id), None);
    }
}
