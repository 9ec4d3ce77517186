//! Whatever chance does: epochs, merging, followers that read a part, stop and start.

use firesteel_connect_object_store::Compaction;

use super::common::followers::{Chance, by_chance};
use super::common::job;
use super::{due, memory, reading, sink, sorted, write};

#[test]
fn every_record_is_read_once_whatever_chance_merges_and_whenever_it_stops() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let (_, bucket) = memory();
        let [gzip, by_folder, follow] = [0; 3].map(|_| chance.below(2) == 0);
        // The sink merges by itself in some runs, often.
        let compacts = (chance.below(3) == 0).then_some(60);
        let mut wrote = 0;
        let mut write_some = |more: u64| {
            let mut sink = sink(&bucket);
            sink = if gzip { sink.gzip() } else { sink };
            sink = if let Some(wanted) = compacts { sink.compact_to(wanted) } else { sink };
            wrote += more;
            if by_folder {
                write(&sink.partitioned_by("n", |(_, n): &(u64, u64)| n % 2), wrote).unwrap();
            } else {
                write(&sink, wrote).unwrap();
            }
            wrote
        };
        let source = || if follow { reading(&bucket).follow() } else { reading(&bucket).most_at_once(3) };
        let history = format!("seed {seed}, gzip {gzip}, by folder {by_folder}, follow {follow}, {compacts:?}");
        let compact = |bytes| _ = Compaction::of(&bucket, "out", bytes).run().unwrap();
        let start = |kept| job(source(), kept);
        let (read, written) = by_chance(&mut chance, &history, start, &mut write_some, compact);
        let read = sorted(read);
        assert_eq!(read, due(1..=written), "{history}");
    }
}
