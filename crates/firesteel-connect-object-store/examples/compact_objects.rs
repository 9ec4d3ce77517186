//! What merging many small objects costs: `compact_objects OBJECTS [memory | folder | far] [gzip]`.
//!
//! Makes results of that many objects of ten lines, in memory, in a folder, or in memory with calls of 20 ms each, as of a store in the same
//! region; merges them, and prints how long that takes, and how much memory the process has had at most, that of the store included.

#[path = "../../firesteel-connect-file/examples/common/small.rs"]
mod small;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use firesteel_connect_object_store::object_store::ObjectStore;
use firesteel_connect_object_store::object_store::local::LocalFileSystem;
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::object_store::throttle::{ThrottleConfig, ThrottledStore};
use firesteel_connect_object_store::{Bucket, Compaction, ObjectSink};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let objects = arguments.first().map_or(Ok(30_000), |text| text.parse::<u64>())?;
    let has = |word: &str| arguments.iter().any(|text| text == word);
    let folder = std::env::temp_dir().join(format!("firesteel-compact-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    // Objects are written without waiting, and merged over the same store with it.
    let (near, used) = if has("folder") {
        let store = Bucket::new(Arc::new(LocalFileSystem::new_with_prefix(&folder)?))?;
        (store.clone(), store)
    } else {
        let near = Bucket::new(Arc::clone(&memory))?;
        let wait = if has("far") { Duration::from_millis(20) } else { Duration::ZERO };
        let config = ThrottleConfig {
            wait_delete_per_call: wait,
            wait_get_per_call: wait,
            wait_list_per_call: wait,
            wait_list_with_delimiter_per_call: wait,
            wait_put_per_call: wait,
            ..ThrottleConfig::default()
        };
        (near, Bucket::new(Arc::new(ThrottledStore::new(memory, config)))?)
    };
    let sink = ObjectSink::json::<String>(&near, "out");
    let sink = if has("gzip") { sink.gzip() } else { sink };
    small::write(&sink, objects, "objects")?;
    small::merge(|| Compaction::of(&used, "out", 128 << 20).run())?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
