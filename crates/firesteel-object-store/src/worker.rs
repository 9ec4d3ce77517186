//! A thread with an async runtime, for callers that have none.
//!
//! Callers may be inside of a runtime of their own, which must not block on another one: so the work is done on a thread
//! of ours, and callers wait for it as for any other.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs futures, several at a time, on one thread.
pub(crate) struct Worker {
    /// `None` once it ends.
    tasks: Option<UnboundedSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (tasks, ahead) = unbounded_channel();
        let run = move || runtime.block_on(serve(ahead));
        let thread = std::thread::Builder::new().name("firesteel-object-store".into()).spawn(run)?;
        Ok(Self { tasks: Some(tasks), thread: Some(thread) })
    }

    /// Begins a future. Its outcome comes through what is returned, which is closed without one if it panicked.
    pub(crate) fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Receiver<T> {
        let (done, outcome) = std::sync::mpsc::sync_channel(1);
        let task = async move {
            // Whoever began it may have lost interest.
            _ = done.send(work.await);
        };
        if let Some(tasks) = &self.tasks {
            // It ends only when this is dropped.
            _ = tasks.send(Box::pin(task));
        }
        outcome
    }
}

async fn serve(mut ahead: UnboundedReceiver<Task>) {
    while let Some(task) = ahead.recv().await {
        tokio::spawn(task);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // Callers have their outcomes, so nothing is under way; a panic was theirs to hear of.
            _ = thread.join();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn work_is_done_side_by_side_and_a_panic_is_told() {
        let worker = Arc::new(Worker::start().unwrap());
        let barrier = Arc::new(tokio::sync::Barrier::new(3));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let (worker, barrier) = (Arc::clone(&worker), Arc::clone(&barrier));
                let run = move || worker.begin(async move { _ = barrier.wait().await }).recv().unwrap();
                std::thread::Builder::new().spawn_scoped(scope, run).unwrap();
            }
        });
        assert!(worker.begin::<()>(async { std::panic::resume_unwind(Box::new(())) }).recv().is_err());
        assert_eq!(worker.begin(async { 7 }).recv(), Ok(7), "it keeps running");
    }

    #[test]
    fn it_may_be_used_and_dropped_inside_of_another_runtime() {
        let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = outer.block_on(async { Worker::start().unwrap().begin(async { 7 }).recv() });
        assert_eq!(found, Ok(7));
    }
}
