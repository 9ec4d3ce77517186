//! Which side output is filled from which: the order in which outputs have to run.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// What a side output is filled from.
pub(crate) struct Feeds {
    name: Arc<str>,
    /// The side outputs that are read by the operators which fill this one.
    from: Mutex<Vec<Arc<Feeds>>>,
    /// Filled by the batch loop itself, behind all outputs but those that read it.
    last: bool,
}

/// The level of what is filled behind everything else.
const LAST: usize = usize::MAX / 2;

impl Feeds {
    pub(crate) fn new(name: &str, last: bool) -> Arc<Self> {
        Arc::new(Self { name: name.into(), from: Mutex::default(), last })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Notes that an operator which reads these fills this one.
    pub(crate) fn add(&self, sides: Vec<Arc<Self>>) {
        self.from.lock().extend(sides);
    }

    /// The level of outputs that read these side outputs: above all that is needed to fill them. The program has to be
    /// complete, since a side output may be read before it is said who fills it.
    pub(crate) fn level(sides: &[Arc<Self>]) -> Result<usize, Arc<str>> {
        Self::level_above(sides, &mut Vec::new())
    }

    fn level_above(sides: &[Arc<Self>], path: &mut Vec<Arc<Self>>) -> Result<usize, Arc<str>> {
        let mut level = 0;
        for side in sides {
            if path.iter().any(|below| Arc::ptr_eq(below, side)) {
                return Err(Arc::clone(&side.name));
            }
            path.push(Arc::clone(side));
            let from = side.from.lock().clone();
            let below = Self::level_above(&from, path)?;
            path.pop();
            level = level.max(1 + if side.last { below.max(LAST) } else { below });
        }
        Ok(level)
    }
}

impl fmt::Debug for Feeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
