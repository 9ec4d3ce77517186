//! Executors become more and fewer while jobs run.

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, Sender, channel};

use firesteel_core::JobRunner;
use firesteel_scheduler::{Adaptive, Event, Scheduler};
use parking_lot::Mutex;

use crate::common::{Recorder, Turnstile, join, on_thread};

#[test]
fn threads_come_and_go_while_tasks_run() {
    let recorder = Recorder::default();
    let builder = Scheduler::builder().threads(1).adaptive(Adaptive::off()).listener(recorder.clone());
    let scheduler = builder.build().unwrap();
    let (context, turnstile) = (scheduler.context(Default::default()), Turnstile::default());
    let turns = turnstile.clone();
    let job = on_thread(move || {
        let rdd = context.parallelize_with(9, 0..9u32);
        context.run(&rdd, move |_, _, _| turns.pass(0))
    });
    assert_eq!(turnstile.wait_for(1).running(), [1, 0]);
    scheduler.resize(3).unwrap();
    assert_eq!(turnstile.wait_for(3).running(), [3, 0]);
    assert_eq!((scheduler.threads(), scheduler.parallelism()), (3, 3));
    scheduler.resize(0).unwrap();
    assert_eq!(scheduler.threads(), 1, "there is always one");
    turnstile.permit(0, 9);
    let came = join(job).unwrap();
    let mut crowds: Vec<usize> = came.iter().map(|turns| turns.running()[0]).collect();
    crowds.sort_unstable();
    // Three came while there were three executors; each of the others found nobody else.
    assert_eq!(crowds, [1, 1, 1, 1, 1, 1, 1, 2, 3]);
    let sizes = recorder.pick(|event| match event {
        Event::ExecutorsResized { from, to } => Some((from, to)),
        _ => None,
    });
    assert_eq!(sizes, [(1, 3), (3, 1)]);
}

/// Says when its thread ends.
struct Alive(Sender<()>);

impl Drop for Alive {
    fn drop(&mut self) {
        // Nobody may be listening any more.
        let _ = self.0.send(());
    }
}

thread_local! {
    static ALIVE: RefCell<Option<Alive>> = const { RefCell::new(None) };
}

/// Makes every executor that takes part in a job say when it ends. The calling thread is one of the four that do.
fn mark_three_executors(scheduler: &Scheduler) -> Receiver<()> {
    let (alive, ended) = channel();
    let context = scheduler.context(Default::default());
    let rdd = context.parallelize_with(4, 0..4u32);
    let (meet, alive, caller) = (std::sync::Barrier::new(4), Mutex::new(alive), std::thread::current().id());
    let marked = context.run(&rdd, move |_, _, _| {
        meet.wait();
        if std::thread::current().id() != caller {
            ALIVE.set(Some(Alive(alive.lock().clone())));
        }
    });
    marked.expect("nothing fails");
    ended
}

#[test]
fn threads_that_are_too_many_end() {
    let scheduler = Scheduler::builder().threads(4).adaptive(Adaptive::off()).build().unwrap();
    let ended = mark_three_executors(&scheduler);
    scheduler.resize(1).unwrap();
    // Of the four threads at most one of the three is left.
    ended.recv().unwrap();
    ended.recv().unwrap();
    scheduler.resize(4).unwrap();
    let ended = mark_three_executors(&scheduler);
    drop(scheduler);
    for _ in 0..3 {
        ended.recv().unwrap();
    }
}

#[test]
fn a_context_keeps_its_scheduler() {
    use firesteel_core::Actions;
    let context = firesteel_scheduler::local(2).unwrap();
    assert_eq!(context.parallelize_with(2, 0..100_000u32).count().unwrap(), 100_000);
    assert_eq!(context.executors(), 2);
}
