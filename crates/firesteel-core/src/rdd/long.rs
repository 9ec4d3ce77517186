//! Lineages that are longer than a stack is deep.
//!
//! RDDs that are made one from another are computed, asked and dropped one from within another. Where the loop of a program
//! makes them, nothing else bounds how many that are, and the end of the stack is the end of the process.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::block::{Blocks, Open};
use crate::error::{Error, Result};
use crate::link::Link;
use crate::operator::Operator;
use crate::rdd::{Context, Dependency, Lineage, Node};
use crate::task::{TaskContext, in_task};

/// How many RDDs are made one from another at most. Without optimization each takes several times as much of the stack.
pub(crate) const LONGEST: u32 = if cfg!(debug_assertions) { 4_000 } else { 10_000 };

/// A lineage of this length is run by a thread with a large stack; any thread has enough for a shorter one.
const LONG: u32 = 1_000;

/// The stack of a thread that computes RDDs, in bytes. What is not used takes no memory.
pub const STACK_SIZE: usize = 32 << 20;

/// Refuses a lineage that is too long to be run.
pub(crate) fn check(rdd: &dyn Lineage) -> Result<()> {
    if rdd.length() <= LONGEST {
        return Ok(());
    }
    Err(Error::Argument {
        operator: rdd.node().operator().to_string(),
        reason: format!(
            "it stands on more than {LONGEST} RDDs made one from another, and there is too little stack to run them: make \
             one union of all with Context::union, and end a lineage that grows in a loop with checkpoint now and then"
        ),
    })
}

/// Does what walks along the lineage of `rdd`, on a thread with enough stack.
pub(crate) fn with_stack<T: Send>(rdd: &dyn Lineage, work: impl FnOnce() -> T + Send) -> T {
    // A task has its place on its own thread.
    if rdd.length() <= LONG || in_task() {
        return work();
    }
    let work = Mutex::new(Some(work));
    let take = || work.lock().take();
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("firesteel-long".to_owned()).stack_size(STACK_SIZE);
        let thread = thread.spawn_scoped(scope, || take().map(|work| work())).ok()?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    // Where no thread could be had, with the stack that is there.
    done.or_else(|| take().map(|work| work())).expect("it is taken once, and done where it is taken")
}

/// Stands for an RDD whose lineage is too long. No job over it is run.
pub(crate) struct Beyond {
    node: Node,
    partitions: usize,
}

impl Beyond {
    pub(crate) fn new(context: &Context, operator: Operator, partitions: usize) -> Self {
        Self { node: Node::beyond(context, operator), partitions }
    }
}

impl Lineage for Beyond {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.partitions
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
}

/// The records of that.
pub(crate) struct NoRecords;

impl<T: 'static> Open<T> for NoRecords {
    fn open<'a>(&'a self, _: usize, task: &'a TaskContext) -> Box<dyn Blocks<T> + 'a> {
        let what = "records of a lineage that is too long: a job over it is refused before".to_owned();
        task.fail_with(Error::Misuse { what }, false)
    }
}

impl Link<dyn Lineage> {
    /// The lineage of an RDD, which owns that of the one before. Its length is asked for now, so that it is remembered, and
    /// nobody has to go all the way back for it.
    pub(crate) fn to(lineage: Arc<dyn Lineage>) -> Self {
        lineage.length();
        Self::new(lineage)
    }
}
