//! Programs that put logs aside while somebody looks: what they are about to make is no file of its own.

use std::fs;
use std::path::Path;

use crate::common::gzip;
use crate::follower::Follower;

/// How much of a file is there when somebody looks.
const SHARES: [f64; 4] = [0.0, 0.3, 0.7, 1.0];

fn write_share(path: &Path, bytes: &[u8], share: f64) {
    fs::write(path, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
}

fn numbers(from: u64, to: u64) -> String {
    (from..=to).map(|number| format!("{number}\n")).collect()
}

/// Puts the log aside and compresses the piece at once, with a look whenever something has changed.
fn rotate(folder: &Path, follower: &mut Follower, copies: bool) {
    let (log, piece, packed) = (folder.join("a.log"), folder.join("a.log.1"), folder.join("a.log.1.gz"));
    if packed.exists() {
        fs::rename(&packed, folder.join("a.log.2.gz")).unwrap();
        follower.step().unwrap();
    }
    let text = fs::read(&log).unwrap();
    if copies {
        for share in SHARES {
            write_share(&piece, &text, share);
            follower.step().unwrap();
        }
        fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    } else {
        fs::rename(&log, &piece).unwrap();
        follower.step().unwrap();
        fs::write(&log, "").unwrap();
    }
    follower.step().unwrap();
    let modified = fs::metadata(&piece).unwrap().modified().unwrap();
    for share in SHARES {
        write_share(&packed, &gzip(&text), share);
        follower.step().unwrap();
    }
    fs::File::options().write(true).open(&packed).unwrap().set_modified(modified).unwrap();
    follower.step().unwrap();
    fs::remove_file(&piece).unwrap();
    follower.step().unwrap();
}

#[test]
fn a_piece_that_is_compressed_while_somebody_looks_is_read_once() {
    for path in ["a.log", "", "a.log*"] {
        for copies in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("a.log");
            fs::write(&log, numbers(1, 1_000)).unwrap();
            let mut follower = Follower::of(&folder.path().join(path)).unwrap();
            follower.step().unwrap();
            for round in 1..=2 {
                rotate(folder.path(), &mut follower, copies);
                let text = numbers(round * 1_000 + 1, round * 1_000 + 1_000);
                fs::write(&log, text).unwrap();
                follower.step().unwrap();
            }
            follower.drain().unwrap();
            let mut lines: Vec<u64> = follower.lines.iter().map(|line| line.parse().unwrap()).collect();
            lines.sort_unstable();
            assert_eq!(lines, (1..=3_000).collect::<Vec<_>>(), "{path:?}, copied: {copies}");
        }
    }
}
