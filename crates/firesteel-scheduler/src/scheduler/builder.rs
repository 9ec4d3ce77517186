//! Setting up a scheduler.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use firesteel_core::{Clock, Result, SystemClock};

use crate::adaptive::Adaptive;
use crate::bus::{Bus, Listener};
use crate::costs::Costs;
use crate::engine::{Engine, Executors, Mode, Pool};
use crate::in_flight::InFlight;
use crate::scheduler::Scheduler;
use crate::speculation::Speculation;

/// Sets up a [`Scheduler`].
#[must_use]
pub struct Builder {
    threads: usize,
    max_attempts: u32,
    speculation: Option<Speculation>,
    adaptive: Adaptive,
    deterministic: Option<u64>,
    mode: Mode,
    pools: Vec<(Arc<str>, Pool)>,
    listeners: Vec<Box<dyn Listener>>,
    clock: Option<Arc<dyn Clock>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            threads: 0,
            max_attempts: 4,
            speculation: None,
            adaptive: Adaptive::default(),
            deterministic: None,
            mode: Mode::default(),
            pools: Vec::new(),
            listeners: Vec::new(),
            clock: None,
        }
    }
}

impl Builder {
    /// How many tasks run at once; 0, the default, means as many as the machine has cores.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// How often a task is tried before its job fails; 4 by default, at least 1. Input that was lost does not count.
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: attempts.max(1), ..self }
    }

    /// Gives stragglers a second attempt. Off by default.
    pub fn speculation(self, speculation: Speculation) -> Self {
        Self { speculation: Some(speculation), ..self }
    }

    /// How tasks are spread over the executors.
    pub fn adaptive(self, adaptive: Adaptive) -> Self {
        Self { adaptive, ..self }
    }

    /// Runs every task on the thread that submits its job, one after the other, in an order drawn from `seed`; 0
    /// keeps the order of the partitions. For tests: a failing order can be repeated. [`threads`](Self::threads) then
    /// only says what the contexts take for the default number of partitions: 1 unless it is set.
    pub fn deterministic(self, seed: u64) -> Self {
        Self { deterministic: Some(seed), ..self }
    }

    /// How jobs that run at the same time share the executors.
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Sets up a pool for [`Mode::Fair`].
    pub fn pool(mut self, name: &str, pool: Pool) -> Self {
        self.pools.retain(|(known, _)| **known != *name);
        self.pools.push((name.into(), pool));
        self
    }

    /// Adds a listener: it is called for each [`Event`](crate::Event), by the thread on which it happens.
    /// [`Queued`](crate::Queued) makes one that never holds up a job.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// The clock that durations and time stamps are taken from; the machine's by default.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Some(Arc::new(clock)), ..self }
    }

    /// Starts the executors.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn build(self) -> Result<Scheduler> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = match (self.threads, self.deterministic) {
            (0, Some(_)) => 1,
            (0, None) => cores(),
            (threads, _) => threads,
        };
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let look = self.speculation.as_ref().map(|speculation| speculation.interval);
        let pool = Executors::new(self.mode, self.pools, threads, self.adaptive.patience, look, Arc::clone(&clock));
        if self.deterministic.is_none() {
            pool.resize(threads)?;
        }
        let engine = Engine {
            pool,
            adaptive: self.adaptive,
            costs: Costs::default(),
            max_attempts: self.max_attempts,
            speculation: self.speculation,
            deterministic: self.deterministic,
            bus: Bus::new(self.listeners),
            clock,
            in_flight: InFlight::default(),
            jobs: parking_lot::Mutex::default(),
            next_job: AtomicU64::new(0),
        };
        Ok(Scheduler::new(engine))
    }
}
