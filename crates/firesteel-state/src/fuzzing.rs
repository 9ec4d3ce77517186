//! The decoders, opened to fuzz targets: whatever the bytes, they end with a value, nothing, or an error.
//!
//! Checksums keep damage away from most of this code, and would keep a fuzzer away from it too: where there is one,
//! it is left out here. The targets are in `fuzz/`; a test runs the same functions over changed inputs.

use std::path::Path;

use crate::backend::decode_memory_snapshot;
use crate::changelog::{decode_payload, look_through};
use crate::frame::{Frame, Shard, StoreId};
use crate::key_group::KeyGroup;
use crate::schema::evolution::read_evolved;
use crate::snapshot::decode_manifest;

/// The bytes of a frame.
pub fn frame(bytes: &[u8]) {
    let shard = Shard { store: StoreId(0), group: KeyGroup(0) };
    if let Some(frame) = Frame::from_bytes(shard, bytes.to_vec()) {
        assert_eq!(frame.changes().count() as u64, frame.len());
        assert_eq!(frame.bytes(), bytes);
    }
}

/// A record's payload, compressed or not.
pub fn record(bytes: &[u8]) {
    if let Some((flags, payload)) = bytes.split_first() {
        decode_payload(*flags, payload);
    }
}

/// A segment of the changelog, as the last one and as another.
pub fn segment(bytes: &[u8]) {
    for last in [false, true] {
        look_through(Path::new("fuzz.log"), bytes, last);
    }
}

/// The body of a manifest.
pub fn manifest(bytes: &[u8]) {
    decode_manifest(bytes);
}

/// Values of earlier types, read as other ones: a shape, a line feed, and bytes of it.
pub fn evolved(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(shape), Some(value)) = (parts.next(), parts.next()) else { return };
    if let Ok(shape) = std::str::from_utf8(shape) {
        // Refusing the bytes is as good as taking them.
        _ = read_evolved(shape, value);
    }
}

/// The snapshot of the memory backend.
pub fn memory_snapshot(bytes: &[u8]) {
    // Refusing the bytes is as good as taking them.
    _ = decode_memory_snapshot(Path::new("fuzz.mem"), bytes);
}

#[cfg(test)]
mod tests {
    use crate::backend::{MemoryBackend, StateBackend};
    use crate::changelog::{Changelog, ChangelogOptions, EpochRecord};
    use crate::frame::FrameWriter;
    use crate::key_group::KeyGroups;
    use crate::schema::Catalog;
    use crate::snapshot::{RunId, Snapshots};

    use super::*;

    /// Changes to `seeds`, the same ones in each run, go through `target`.
    fn smoke(target: fn(&[u8]), seeds: &[Vec<u8>]) {
        let mut random = 0x2545_F491_4F6C_DD1Du64;
        let mut below = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 16) as usize % bound.max(1)
        };
        for seed in seeds {
            target(seed);
            for _ in 0..3_000 {
                let mut bytes = seed.clone();
                for _ in 0..=below(5) {
                    let at = below(bytes.len());
                    match below(6) {
                        0 if !bytes.is_empty() => bytes[at] = below(256) as u8,
                        1 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
                        2 => bytes.truncate(at),
                        3 => bytes.insert(at, [0, 1, 0x7F, 0x80, 0xFF][below(5)]),
                        4 if !bytes.is_empty() => bytes[at..].fill(0xFF),
                        _ => bytes.extend_from_within(at..),
                    }
                }
                target(&bytes);
            }
        }
    }

    #[test]
    fn every_decoder_survives_changed_inputs() {
        let shard = Shard { store: StoreId(0), group: KeyGroup(3) };
        let mut writer = FrameWriter::new();
        (0..20u64).for_each(|key| writer.put(&key.to_le_bytes(), b"a value of some length"));
        writer.remove(b"gone");
        let image = writer.finish(shard);
        smoke(frame, &[image.bytes().to_vec(), vec![]]);

        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::new(KeyGroups::default());
        let mut log = Changelog::open(&folder.path().join("log"), ChangelogOptions::default()).unwrap();
        for epoch in 1..=3 {
            let extra = b"again ".repeat(100 * (epoch as usize - 1));
            log.prepare(&EpochRecord { epoch, extra, frames: vec![image.clone()], ..EpochRecord::default() }).unwrap();
        }
        let bytes = std::fs::read(folder.path().join("log/00000000000000000001.log")).unwrap();
        // The payload of the first record is not compressed, that of the second is.
        let second = log.records(2).count();
        assert_eq!(second, 2);
        let plain = [&[0][..], &bytes[76..76 + 400]].concat();
        let packed = [&[1][..], &lz4_flex::block::compress(&bytes[76..76 + 400])].concat();
        smoke(record, &[plain, packed]);
        smoke(segment, &[bytes]);

        let snapshots = Snapshots::in_folder(&folder.path().join("snapshots")).unwrap().written_by(RunId(7));
        let mut writer = snapshots.begin(3, &catalog, None).unwrap();
        writer.add(3, &image).unwrap();
        writer.finish(vec![1, 2, 3]).unwrap();
        let bytes =
            std::fs::read(folder.path().join("snapshots/00000000000000000001-0000000000000007.manifest")).unwrap();
        smoke(manifest, &[bytes[20..bytes.len() - 8].to_vec()]);

        let backend = MemoryBackend::new();
        backend.apply(1, &[image]).unwrap();
        backend.snapshot(&folder.path().join("memory")).unwrap();
        let shapes = [
            "{street: str, zip: u32, floor: i8, kinds: [<A|B: (u8, u16)|C: {x: f32}>], by: [str: ?u8]}",
            "Tree{value: u32, children: [Tree…], name: str}",
            "{a: (u8, i16, ?[u64]), b: bytes, c: char, d: time}",
        ];
        for shape in shapes {
            let value = [4, b'M', b'a', b'i', b'n', 0xB9, 0x60, 0xFE, 2, 1, 7, 8, 0, 1, 1, b'k', 1, 9];
            smoke(
                evolved,
                &[[shape.as_bytes(), b"\n", &value].concat(), [shape.as_bytes(), b"\n\x01\x01\x01\0\0\0"].concat()],
            );
        }

        smoke(memory_snapshot, &[std::fs::read(folder.path().join("memory/state.mem")).unwrap()]);
    }
}
