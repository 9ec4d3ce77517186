//! Jobs that run at the same time share the executors.

use firesteel_core::{Error, JobOptions};
use firesteel_scheduler::{Adaptive, Builder, Mode, Pool, Scheduler};

use crate::common::{Turnstile, join, on_thread};

/// Two jobs of twelve tasks, the second submitted when the first has all four executors. Lets tasks of the first job go
/// until the second has started this many, and returns how many of each then run.
fn share(builder: Builder, pools: [Option<&'static str>; 2], releases: usize) -> [usize; 2] {
    let scheduler = builder.threads(4).adaptive(Adaptive::off()).build().expect("threads are left");
    let turnstile = Turnstile::default();
    let submit = |job: usize| {
        let options = JobOptions { pool: pools[job].map(Into::into), ..JobOptions::default() };
        let context = scheduler.context(Default::default()).with_options(options);
        let turnstile = turnstile.clone();
        on_thread(move || -> Result<(), Error> {
            let rdd = context.parallelize_with(12, 0..12u32);
            context.run(&rdd, move |_, _, _| turnstile.pass(job)).map(drop)
        })
    };
    let first = submit(0);
    assert_eq!(turnstile.wait_for(4).running(), [4, 0]);
    let second = submit(1);
    while scheduler.queued() < 20 {
        std::thread::yield_now();
    }
    for release in 0..releases {
        turnstile.permit(0, 1);
        turnstile.wait_for(5 + release);
    }
    let running = turnstile.wait_for(0).running();
    turnstile.permit(0, 12);
    turnstile.permit(1, 12);
    join(first).expect("nothing fails");
    join(second).expect("nothing fails");
    running
}

#[test]
fn first_in_first_out_finishes_the_first_job_first() {
    assert_eq!(share(Scheduler::builder(), [None, None], 8), [4, 0]);
    assert_eq!(share(Scheduler::builder(), [None, None], 10), [2, 2]);
}

#[test]
fn pools_share_by_weight() {
    let fair = || Scheduler::builder().mode(Mode::Fair).pool("b", Pool { weight: 3, min_share: 0 });
    assert_eq!(share(fair(), [Some("a"), Some("b")], 3), [1, 3]);
    assert_eq!(share(fair(), [Some("a"), Some("b")], 5), [1, 3]);
    assert_eq!(share(fair(), [None, Some("unknown")], 4), [2, 2]);
    // Within one pool, the first job comes first.
    assert_eq!(share(fair(), [Some("b"), Some("b")], 6), [4, 0]);
}

#[test]
fn a_pool_gets_its_minimum_before_others_get_more() {
    let heavy = Pool { weight: 10, min_share: 0 };
    let builder = || Scheduler::builder().mode(Mode::Fair).pool("a", heavy).pool("b", Pool { weight: 1, min_share: 2 });
    assert_eq!(share(builder(), [Some("a"), Some("b")], 2), [2, 2]);
    assert_eq!(share(builder(), [Some("a"), Some("b")], 6), [2, 2]);
}
