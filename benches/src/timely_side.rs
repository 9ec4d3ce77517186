//! W1 on timely dataflow (Murray et al., "Naiad: a timely dataflow system",
//! 2013).
//!
//! The timestamp of the dataflow is the watermark: a worker sends its share of
//! a micro-batch under the watermark that held before it, so the frontier of
//! the dataflow says which windows are complete. The rest comes in two shapes,
//! because which one is faster depends on the number of keys:
//!
//! - [`run_combined`] counts per micro-batch on the worker that reads, and
//!   exchanges the counts;
//! - [`run_exchanged`] exchanges every event that passes the filter.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::{Operator, source};
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{Scope, StreamVec};

use crate::ad_events::{AdEvent, AdEvents, COUNTED_KIND, DELAY, window_start};
use crate::keys::OwnedKey;
use crate::measured::{Measured, Outcome};
use crate::open_windows::OpenWindows;
use crate::stopwatch::Stopwatch;
use crate::workload::Setting;

/// Events that the source sends before it lets the operators after it run:
/// they find them in the cache.
const QUANTUM: usize = 16 * 1024;

/// Campaign, start of the window, count.
type Partial<K> = (K, i64, u64);
type Events<'scope> = StreamVec<'scope, u64, AdEvent>;
type Partials<'scope, K> = StreamVec<'scope, u64, Partial<K>>;

/// Runs W1 with counts combined before the exchange.
#[must_use]
pub fn run_combined<K: OwnedKey>(data: &'static AdEvents<K>, setting: Setting) -> Measured {
    run(data, setting, move |events| combine(data, events))
}

/// Runs W1 with every counted event exchanged.
#[must_use]
pub fn run_exchanged<K: OwnedKey>(data: &'static AdEvents<K>, setting: Setting) -> Measured {
    run(data, setting, move |events| single(data, events))
}

fn run<K: OwnedKey>(
    data: &'static AdEvents<K>,
    setting: Setting,
    prepare: impl for<'scope> Fn(Events<'scope>) -> Partials<'scope, K> + Send + Sync + 'static,
) -> Measured {
    let watch = Stopwatch::start();
    let config = match setting.threads {
        1 => timely::Config::thread(),
        threads => timely::Config::process(threads),
    };
    let workers = timely::execute(config, move |worker| {
        let outcome = Rc::new(RefCell::new(Outcome::default()));
        let index = worker.index();
        worker.dataflow(|scope| {
            let events = read(scope, data, setting, index);
            count(data, prepare(events), Rc::clone(&outcome));
        });
        while worker.has_dataflows() {
            worker.step_or_park(None);
        }
        *outcome.borrow()
    })
    .expect("timely refuses its configuration");
    let mut outcome = Outcome::default();
    for worker in workers.join() {
        outcome += worker.expect("a worker panicked");
    }
    Measured { events: data.events.len(), seconds: watch.seconds(), outcome }
}

/// No event has a timestamp below this one.
fn earliest<K>(data: &AdEvents<K>) -> i64 {
    data.events.first().map_or(0, |event| event.ts - DELAY)
}

/// The source: the worker's share of every micro-batch, under the watermark.
fn read<'scope, K: OwnedKey>(
    scope: Scope<'scope, u64>,
    data: &'static AdEvents<K>,
    setting: Setting,
    index: usize,
) -> Events<'scope> {
    source(scope, "read", |capability, info| {
        let activator = scope.activator_for(info.address);
        let mut capability = Some(capability);
        let mut batches = setting.batches(data.events.len());
        let mut batch = [].as_slice();
        let mut watermark = earliest(data);
        move |output| {
            let Some(held) = &mut capability else {
                return;
            };
            if batch.is_empty() {
                let Some(next) = batches.next() else {
                    capability = None;
                    return;
                };
                batch = &data.events[setting.share(&next, index)];
                held.downgrade(&watermark.cast_unsigned());
            }
            let (now, later) = batch.split_at(batch.len().min(QUANTUM));
            batch = later;
            output.session(held).give_iterator(now.iter().map(|event| {
                watermark = watermark.max(event.ts - DELAY);
                *event
            }));
            activator.activate();
        }
    })
    .container::<Vec<_>>()
}

/// Filters, looks up and counts per micro-batch, without an exchange.
fn combine<'scope, K: OwnedKey>(data: &'static AdEvents<K>, events: Events<'scope>) -> Partials<'scope, K> {
    events.unary_frontier::<CapacityContainerBuilder<_>, _, _, _>(Pipeline, "combine", |_, _| {
        let mut batches = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each_stamp(|stamp, buffers| {
                let Some(held) = stamp.retain_least(output.output_index()) else {
                    return;
                };
                let watermark = *held.time();
                let (_, open) =
                    batches.entry(watermark).or_insert_with(|| (held, OpenWindows::from(watermark.cast_signed())));
                for event in buffers.flatten() {
                    if event.kind == COUNTED_KIND {
                        *open.counts(event.ts).entry(data.campaign(event.ad)).or_insert(0) += 1;
                    }
                }
            });
            while let Some(batch) = batches.first_entry() {
                if frontier.less_equal(batch.key()) {
                    break;
                }
                let (held, mut open) = batch.remove();
                let mut session = output.session(&held);
                while let Some((start, counts)) = open.pop() {
                    let partials = counts.into_iter();
                    session.give_iterator(partials.map(|(key, count)| (key, start, count)));
                }
            }
        }
    })
}

/// Filters and looks up; every event becomes a count of one.
fn single<'scope, K: OwnedKey>(data: &'static AdEvents<K>, events: Events<'scope>) -> Partials<'scope, K> {
    events.flat_map(|event| (event.kind == COUNTED_KIND).then(|| (data.campaign(event.ad), window_start(event.ts), 1)))
}

/// Exchanges by campaign, adds up per window, and emits the windows that the
/// frontier has passed.
fn count<K: OwnedKey>(data: &'static AdEvents<K>, partials: Partials<'_, K>, outcome: Rc<RefCell<Outcome>>) {
    let mut open = OpenWindows::from(earliest(data));
    let by_campaign = Exchange::new(|partial: &Partial<K>| u64::from(partial.0.spread()));
    partials.sink(by_campaign, "count", move |(input, frontier)| {
        input.for_each(|_, buffer| {
            for (campaign, start, count) in buffer.drain(..) {
                *open.counts(start).entry(campaign).or_insert(0) += count;
            }
        });
        let watermark = frontier.frontier().first().map_or(i64::MAX, |time| time.cast_signed());
        while let Some((start, counts)) = open.close(watermark) {
            let mut outcome = outcome.borrow_mut();
            for (campaign, &count) in &counts {
                outcome.add_window(campaign, start, count);
            }
            open.recycle(counts);
        }
    });
}
