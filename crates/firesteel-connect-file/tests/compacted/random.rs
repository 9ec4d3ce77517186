//! Whatever chance does: epochs, merging, followers that read a part, stop and start.

use firesteel_connect_file::{Compaction, FileSink, Files};

use super::followers::{Chance, Follower, by_chance};
use super::write;

fn records(epoch: u64) -> Vec<(u64, u64)> {
    (0..1 + epoch * 7 % 5).map(|n| (epoch, n)).collect()
}

#[test]
fn every_record_is_read_once_whatever_chance_merges_and_whenever_it_stops() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let [gzip, by_folder, follow] = [0; 3].map(|_| chance.below(2) == 0);
        // The sink merges by itself in some runs, often.
        let compacts = (chance.below(3) == 0).then_some(60);
        let mut wrote = 0;
        let mut write_some = |more: u64| {
            let mut sink = FileSink::json::<(u64, u64)>(out);
            sink = if gzip { sink.gzip() } else { sink };
            sink = if let Some(wanted) = compacts { sink.compact_to(wanted) } else { sink };
            let epochs = wrote + 1..=wrote + more;
            wrote += more;
            if by_folder {
                let sink = sink.partitioned_by("n", |(_, n): &(u64, u64)| n % 2);
                write(&sink, epochs, records);
            } else {
                write(&sink, epochs, records);
            }
            wrote
        };
        let source = || {
            let files = Files::json::<(u64, u64)>(out);
            if follow { files.follow() } else { files }
        };
        let history = format!("seed {seed}, gzip {gzip}, by folder {by_folder}, follow {follow}, {compacts:?}");
        let compact = |bytes| _ = Compaction::of(out, bytes).run().unwrap();
        let start = |kept| Follower::start(source(), kept);
        let (mut read, written) = by_chance(&mut chance, &history, start, &mut write_some, compact);
        read.sort_unstable();
        let due: Vec<(u64, u64)> = (1..=written).flat_map(records).collect();
        assert_eq!(read, due, "{history}");
    }
}
