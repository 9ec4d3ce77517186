//! W1 on Renoir (De Martini et al., "The Renoir dataflow platform", 2024).
//!
//! Three programs, because Renoir leaves the choice to its user:
//!
//! - [`run_shuffled`] shuffles every counted event by campaign and counts in
//!   event-time windows;
//! - [`run_combined`] counts in such windows before the shuffle as well;
//! - [`run_batch`] aggregates by campaign and window over the whole input. It
//!   knows no watermark and emits nothing before the input has ended, so it
//!   answers an easier question.
//!
//! Renoir's own event-time windows start at the first timestamp of each key.
//! Those of W1 are aligned to the epoch, so this module brings its own
//! [`WindowDescription`], the extension point that Renoir has for it.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use renoir::Stream;
use renoir::operator::window::{WindowAccumulator, WindowDescription, WindowManager, WindowResult};
use renoir::operator::{Data, Operator, StreamElement};
use renoir::prelude::*;

use crate::ad_events::{AdEvent, AdEvents, COUNTED_KIND, DELAY, WINDOW, window_start};
use crate::keys::OwnedKey;
use crate::measured::{Measured, Outcome};
use crate::stopwatch::Stopwatch;
use crate::workload::Setting;

/// Elements that Renoir moves between threads at once.
const BATCH: BatchMode = BatchMode::Fixed(NonZeroUsize::new(4096).expect("4096 is not zero"));

/// Campaign, start of the window, count.
type Row<K> = (K, i64, u64);

/// Runs W1 with every counted event shuffled.
#[must_use]
pub fn run_shuffled<K: OwnedKey>(data: &'static AdEvents<K>, setting: Setting) -> Measured {
    run(data, setting, |context| {
        let counts = events(context, data, setting).group_by(|&(ad, _)| data.campaign(ad)).window(AlignedWindows).fold(
            (0, 0),
            |(start, count), &(_, ts)| {
                *start = window_start(ts);
                *count += 1;
            },
        );
        tally(counts.unkey().map(|(campaign, (start, count))| (campaign, start, count)))
    })
}

/// Runs W1 with counts combined before the shuffle.
#[must_use]
pub fn run_combined<K: OwnedKey>(data: &'static AdEvents<K>, setting: Setting) -> Measured {
    run(data, setting, |context| {
        let counts = events(context, data, setting)
            .key_by(|&(ad, _)| data.campaign(ad))
            .window(AlignedWindows)
            .fold((0, 0), |(start, count), &(_, ts)| {
                *start = window_start(ts);
                *count += 1;
            })
            .unkey()
            .group_by(|(campaign, _)| campaign.clone())
            .window(AlignedWindows)
            .fold((0, 0), |(start, count), &(_, (local_start, local_count))| {
                *start = local_start;
                *count += local_count;
            });
        tally(counts.unkey().map(|(campaign, (start, count))| (campaign, start, count)))
    })
}

/// Runs W1 as an aggregation of the whole input.
#[must_use]
pub fn run_batch<K: OwnedKey>(data: &'static AdEvents<K>, setting: Setting) -> Measured {
    run(data, setting, |context| {
        let counts = read(context, data, setting)
            .filter(|event| event.kind == COUNTED_KIND)
            .map(|event| (event.ad, event.ts))
            .group_by_count(|&(ad, ts)| (data.campaign(ad), window_start(ts)));
        tally(counts.unkey().map(|((campaign, start), count)| (campaign, start, count as u64)))
    })
}

fn run<K: OwnedKey>(
    data: &'static AdEvents<K>,
    setting: Setting,
    build: impl FnOnce(&StreamContext) -> StreamOutput<Vec<Outcome>>,
) -> Measured {
    let watch = Stopwatch::start();
    let config = RuntimeConfig::local(setting.threads as u64).expect("there is a thread");
    let context = StreamContext::new(config);
    let output = build(&context);
    context.execute_blocking();
    let outcomes = output.get().expect("the job has ended");
    let outcome = outcomes.into_iter().next().unwrap_or_default();
    Measured { events: data.events.len(), seconds: watch.seconds(), outcome }
}

/// The source: the thread's share of every micro-batch.
fn read<K: OwnedKey>(
    context: &StreamContext,
    data: &'static AdEvents<K>,
    setting: Setting,
) -> Stream<impl Operator<Out = AdEvent> + use<K>> {
    context
        .stream_par_iter(move |index, _threads| {
            setting
                .batches(data.events.len())
                .flat_map(move |batch| &data.events[setting.share(&batch, index as usize)])
                .copied()
        })
        .batch_mode(BATCH)
}

/// Ad and timestamp of the counted events, with watermarks. A watermark
/// costs Renoir a visit to every key, so only those that end a window are sent.
fn events<K: OwnedKey>(
    context: &StreamContext,
    data: &'static AdEvents<K>,
    setting: Setting,
) -> Stream<impl Operator<Out = (u32, i64)> + use<K>> {
    let mut passed = i64::MIN;
    read(context, data, setting)
        .add_timestamps(
            |event| event.ts,
            move |_, &ts| {
                let ended = window_start(ts - DELAY);
                let advances = ended > passed;
                passed = passed.max(ended);
                advances.then_some(ended)
            },
        )
        .filter(|event| event.kind == COUNTED_KIND)
        .map(|event| (event.ad, event.ts))
}

/// Condenses the result rows on the threads that made them.
fn tally<K: OwnedKey>(rows: Stream<impl Operator<Out = Row<K>> + 'static>) -> StreamOutput<Vec<Outcome>> {
    rows.fold_assoc(
        Outcome::default(),
        |outcome, (campaign, start, count)| outcome.add_window(&campaign, start, count),
        |outcome, part| *outcome += part,
    )
    .collect_vec()
}

/// Tumbling windows of event time that start at multiples of their length.
#[derive(Debug, Clone)]
struct AlignedWindows;

impl<T: Data> WindowDescription<T> for AlignedWindows {
    type Manager<A: WindowAccumulator<In = T>> = AlignedWindowManager<A>;

    fn build<A: WindowAccumulator<In = T>>(&self, accumulator: A) -> AlignedWindowManager<A> {
        AlignedWindowManager { empty: accumulator, open: VecDeque::new() }
    }
}

/// The open windows of one key, by their start; there are one or two.
#[derive(Debug, Clone)]
struct AlignedWindowManager<A> {
    empty: A,
    open: VecDeque<(i64, A)>,
}

impl<A: WindowAccumulator> AlignedWindowManager<A> {
    fn window(&mut self, start: i64) -> &mut A {
        let index = self.open.partition_point(|&(other, _)| other < start);
        if self.open.get(index).is_none_or(|&(other, _)| other != start) {
            self.open.insert(index, (start, self.empty.clone()));
        }
        &mut self.open[index].1
    }

    /// A result carries the last timestamp of its window, so that a window
    /// after it puts it into the same place.
    fn close(&mut self, watermark: i64) -> Vec<WindowResult<A::Out>> {
        let ended = self.open.partition_point(|&(start, _)| start + WINDOW <= watermark);
        self.open
            .drain(..ended)
            .map(|(start, counted)| WindowResult::new(counted.output(), Some(start + WINDOW - 1)))
            .collect()
    }
}

impl<A: WindowAccumulator> WindowManager for AlignedWindowManager<A> {
    type In = A::In;
    type Out = A::Out;
    type Output = Vec<WindowResult<A::Out>>;

    fn process(&mut self, element: StreamElement<A::In>) -> Self::Output {
        match element {
            StreamElement::Timestamped(item, ts) => {
                self.window(window_start(ts)).process(&item);
                Vec::new()
            }
            StreamElement::Watermark(watermark) => self.close(watermark),
            StreamElement::FlushAndRestart | StreamElement::Terminate => self.close(i64::MAX),
            StreamElement::Item(_) => panic!("an event-time window needs timestamps"),
            StreamElement::FlushBatch => Vec::new(),
        }
    }

    fn recycle(&self) -> bool {
        self.open.is_empty()
    }
}
