//! Whatever chance does: epochs, merging, followers that read a part, stop and start.

use firesteel_connect_object_store::Compaction;

use super::{Checkpoint, Follower, due, memory, reading, sink, sorted, write};

/// A sequence of numbers that is the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

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
        let (mut kept, mut read, mut written) = (Checkpoint::default(), vec![], write_some(2));
        let mut follower = Follower::start(source(), kept);
        for _ in 0..25 {
            match chance.below(6) {
                0 => written = write_some(1 + chance.below(4)),
                1 => _ = Compaction::of(&bucket, "out", 1 << (3 + chance.below(8))).run().unwrap(),
                2 | 3 => _ = follower.batch(1 + chance.below(4)),
                4 => {
                    // What was read and not committed is read again, in the same ranges.
                    let due = follower.due();
                    let before = follower.read.len();
                    due.iter().for_each(|range| follower.take(&range.clone().max_records(2)));
                    let first = follower.read.split_off(before);
                    let ranges: Vec<_> = follower.kept.positions.clone().into_iter().collect();
                    if chance.below(2) == 0 {
                        Compaction::of(&bucket, "out", 1 << 12).run().unwrap();
                    }
                    for range in &due {
                        let to = ranges.iter().find(|(split, _)| *split == range.split).unwrap().1;
                        let exact = firesteel_connect::ReadRange::exact(range.split.clone(), range.from, to);
                        follower.take(&exact);
                    }
                    assert_eq!(follower.read[before..], first, "seed {seed}");
                    follower.commit();
                }
                _ => {
                    (kept, read) = {
                        let (kept, mut more) = follower.stop();
                        read.append(&mut more);
                        (kept, read)
                    };
                    follower = Follower::start(source(), kept);
                }
            }
        }
        let (kept, mut more) = follower.stop();
        read.append(&mut more);
        // One that does not follow reads what came after its start in its next run.
        let mut follower = Follower::start(source(), kept);
        follower.all();
        read.append(&mut follower.stop().1);
        let read = sorted(read);
        assert_eq!(
            read,
            due(1..=written),
            "seed {seed}, gzip {gzip}, by folder {by_folder}, follow {follow}, {compacts:?}"
        );
    }
}
