//! Whether a job can work with the memory that it is given.

use firesteel_budget::{Memory, MemoryBudget, Part, mib};

use crate::error::{Error, Result};

/// Refuses parts that are too small for anything: most likely they were meant in another unit.
pub(crate) fn check(memory: &Memory) -> Result<()> {
    let parts =
        [(Part::Shuffle, "shuffle"), (Part::Storage, "storage"), (Part::State, "state"), (Part::Buffers, "buffers")];
    for (part, name) in parts {
        let bytes = memory.part(part).limit();
        if (1..mib(1)).contains(&bytes) {
            let reason = format!(
                "{bytes} bytes are too few to work with: give it at least a mebibyte, such as Memory::{name}(mib(64)), \
                 or 0 for the least that is possible; of a total, state gets half, shuffles a quarter, storage and buffers an \
                 eighth each"
            );
            return Err(too_small(name, reason));
        }
    }
    Ok(())
}

/// Refuses a backend that leaves nothing of the memory of state, of which it has taken its share by now.
pub(crate) fn check_backend(share: &MemoryBudget) -> Result<()> {
    let (takes, limit) = (share.used(), share.limit());
    if takes == 0 || takes < limit {
        return Ok(());
    }
    let reason = format!(
        "the backend takes {takes} bytes for itself, and state may take {limit} in all, so that every batch would have \
         to end its epoch: give state more with Memory::state, or the backend less in its own options"
    );
    Err(too_small("state", reason))
}

fn too_small(part: &str, reason: String) -> Error {
    Error::Setting { what: format!("memory for {part}"), reason }
}
