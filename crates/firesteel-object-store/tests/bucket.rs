//! Objects in memory and in a folder.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{Read, Write};
use std::sync::Arc;

use firesteel_object_store::object_store::local::LocalFileSystem;
use firesteel_object_store::object_store::memory::InMemory;
use firesteel_object_store::object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use firesteel_object_store::{Bucket, Pin, Stretch, Upload, is_missing};

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

fn pin(bucket: &Bucket, key: &str) -> Pin {
    let listed = bucket.list("").unwrap();
    Pin::of(listed.objects.iter().find(|object| object.location.as_ref() == key).unwrap())
}

fn stores(folder: &std::path::Path) -> [Arc<dyn ObjectStore>; 2] {
    [Arc::new(InMemory::new()), Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap())]
}

#[test]
fn an_object_is_there_when_it_is_completed_and_its_parts_are_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let bucket = Bucket::new(store).unwrap();
        for bytes in [0, 1, 8 << 20, (8 << 20) + 1, 45 << 20] {
            let text = text(bytes);
            let mut upload = Upload::to(&bucket, "a/b").unwrap();
            for piece in text.chunks(1 << 20) {
                upload.write_all(piece).unwrap();
            }
            let mut uploaded = upload.finish().unwrap();
            assert!(bucket.list("a").unwrap().objects.is_empty(), "{bytes} bytes");
            uploaded.complete().unwrap();
            uploaded.complete().unwrap();
            let pin = pin(&bucket, "a/b");
            assert_eq!(pin.size, bytes as u64);
            let mut read = vec![];
            Stretch::of(&bucket, &pin, 0, pin.size).read_to_end(&mut read).unwrap();
            assert!(read == text, "{bytes} bytes");
            let (from, to) = (bytes as u64 / 3, bytes as u64 / 2);
            read.clear();
            Stretch::of(&bucket, &pin, from, to).read_to_end(&mut read).unwrap();
            assert!(read == text[from as usize..to as usize], "{bytes} bytes");
            uploaded.remove().unwrap();
            assert!(bucket.list("a").unwrap().objects.is_empty(), "{bytes} bytes");
        }
    }
}

#[test]
fn what_is_not_completed_never_is() {
    let bucket = Bucket::new(Arc::new(InMemory::new())).unwrap();
    for bytes in [5, 20 << 20] {
        let mut upload = Upload::to(&bucket, "a").unwrap();
        upload.write_all(&text(bytes)).unwrap();
        drop(upload);
        let mut upload = Upload::to(&bucket, "a").unwrap();
        upload.write_all(&text(bytes)).unwrap();
        drop(upload.finish().unwrap());
        assert!(bucket.list("").unwrap().objects.is_empty());
    }
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_an_error_and_never_a_mixture() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let bucket = Bucket::new(Arc::clone(&store)).unwrap();
        let put = |byte: u8| {
            let payload = PutPayload::from(vec![byte; 40 << 20]);
            bucket.call(|store| async move { store.put(&"a".into(), payload).await }).unwrap();
        };
        put(b'1');
        let mut reader = Stretch::of(&bucket, &pin(&bucket, "a"), 0, 40 << 20);
        let mut buffer = [0; 100];
        reader.read_exact(&mut buffer).unwrap();
        put(b'2');
        let mut rest = vec![];
        let error = reader.read_to_end(&mut rest).unwrap_err();
        assert!(is_missing(&error), "{error}");
        assert!(rest.iter().chain(&buffer).all(|byte| *byte == b'1'));
    }
}

#[test]
fn of_many_that_put_an_object_one_succeeds() {
    let bucket = Bucket::new(Arc::new(InMemory::new())).unwrap();
    let put = |n: u8| bucket.put_new("claim", vec![n]).unwrap();
    let winners: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|n| std::thread::Builder::new().spawn_scoped(scope, move || put(n)).unwrap()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(winners.iter().filter(|won| **won).count(), 1);
    let winner = winners.iter().position(|won| *won).unwrap();
    assert_eq!(bucket.get("claim").unwrap()[..], [winner as u8]);
}
