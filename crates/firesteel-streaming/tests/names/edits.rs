//! Edits at random: what a start makes of a changed program is what a model of the rules says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Error, Stream, StreamingContext, Trigger};
use proptest::prelude::*;

use crate::sink::Words;
use crate::{context, picture, push, show, words};

const SOURCES: [&str; 3] = ["s0", "s1", "s2"];

/// One version of a program. Everything is built in the order in which it stands here.
#[derive(Debug, Clone)]
struct Version {
    /// All sources that there are, by number; those that nothing reads are left out.
    sources: Vec<usize>,
    /// Whether the first source has a name.
    is_named: bool,
    states: Vec<State>,
    /// What is pushed to every source before it runs.
    pushed: [String; 3],
}

#[derive(Debug, Clone)]
struct State {
    name: Option<&'static str>,
    /// Sums instead of counting.
    sums: bool,
    /// The sources that it reads, united in this order.
    of: Vec<usize>,
    /// Operators without state in front of it.
    wraps: Vec<u8>,
    /// Its outputs, and whether each has a name or is called as its sink is.
    outputs: Vec<bool>,
}

/// What a state is stored under: its name, or its path.
type Stored = String;

impl State {
    fn kind(&self) -> &'static str {
        if self.sums { "running_sum" } else { "running_count" }
    }

    fn step(&self) -> u64 {
        if self.sums { 10 } else { 1 }
    }

    fn stored(&self, version: &Version) -> Stored {
        let path = || {
            let of: Vec<&str> = self.of.iter().map(|source| version.source_name(*source)).collect();
            format!("{}/{}", of.join("+"), self.kind())
        };
        self.name.map_or_else(path, str::to_owned)
    }
}

impl Version {
    fn source_name(&self, source: usize) -> &'static str {
        if source == 0 && !self.is_named { "a queue" } else { SOURCES[source] }
    }

    fn reads(&self) -> BTreeSet<usize> {
        self.states.iter().flat_map(|state| state.of.iter().copied()).collect()
    }
}

/// What is outside of the process.
struct World {
    sources: [QueueSource<String>; 3],
    /// What was ever pushed.
    pushed: [Vec<String>; 3],
    /// For each state the sinks that its outputs write to.
    sinks: BTreeMap<(Stored, usize), Words>,
}

/// What the checkpoint holds, by the rules.
#[derive(Debug, Default, Clone)]
struct Model {
    /// The end of what has been read, by the names of sources.
    positions: BTreeMap<&'static str, usize>,
    /// Kinds and counts, by the names of states.
    states: BTreeMap<Stored, (&'static str, BTreeMap<String, u64>)>,
}

impl Model {
    /// Whether the program is to start, and what it makes of the checkpoint then.
    fn start(&self, version: &Version, world: &World) -> Option<Self> {
        let names: BTreeSet<Stored> = version.states.iter().map(|state| state.stored(version)).collect();
        let read: BTreeSet<&str> = version.reads().iter().map(|source| version.source_name(*source)).collect();
        let is_lost = self.states.keys().any(|name| !names.contains(name))
            || self.positions.keys().any(|name| !read.contains(name))
            || names.len() < version.states.len();
        if is_lost {
            return None;
        }
        let mut after = self.clone();
        for state in &version.states {
            let (kind, counts) = after.states.entry(state.stored(version)).or_insert((state.kind(), BTreeMap::new()));
            if *kind != state.kind() {
                return None;
            }
            for source in &state.of {
                let from = self.positions.get(version.source_name(*source)).copied().unwrap_or(0);
                for word in &world.pushed[*source][from..] {
                    *counts.entry(word.clone()).or_default() += state.step();
                }
            }
        }
        for source in version.reads() {
            after.positions.insert(version.source_name(source), world.pushed[source].len());
        }
        Some(after)
    }
}

fn wrapped(words: Stream<String>, wrap: u8) -> Stream<String> {
    match wrap {
        0 => words.map(|word| word),
        1 => words.filter(|_| true),
        2 => words.flat_map(Some).named("x"),
        _ => words.clone().union(words.filter(|_| false)),
    }
}

fn build(job: &StreamingContext, version: &Version, world: &mut World) {
    let (mut streams, reads) = (BTreeMap::new(), version.reads());
    for source in version.sources.iter().copied().filter(|source| reads.contains(source)) {
        let stream = job.read(world.sources[source].clone());
        let name = version.source_name(source);
        streams.insert(source, if name == "a queue" { stream } else { stream.named(name) });
    }
    for state in &version.states {
        let united = state.of.iter().map(|source| streams[source].clone()).reduce(Stream::union).unwrap();
        let pairs = state.wraps.iter().copied().fold(united, wrapped).map(|word| (word, 10u64));
        let counts = if state.sums { pairs.running_sum() } else { pairs.running_count() };
        let counts = state.name.into_iter().fold(counts, Stream::named);
        for (number, is_named) in state.outputs.iter().enumerate() {
            let name = format!("{} {number}", state.stored(version));
            let sink = world.sinks.entry((state.stored(version), number));
            let output = show(counts.clone(), sink.or_insert_with(|| Words::exactly_once(name.clone().leak())));
            if *is_named {
                drop(output.named(&format!("named {name}")));
            }
        }
    }
}

/// The last count of each word in the epochs that a run has brought.
fn shown(sink: &Words, before: usize) -> BTreeMap<String, u64> {
    let of = |text: &String| {
        let (word, count) = text.split_at(1);
        (word.to_owned(), count.parse().unwrap())
    };
    sink.all()[before..].iter().map(of).collect()
}

fn check(folder: &Path, versions: &[Version]) -> Result<(), TestCaseError> {
    let mut world = World { sources: [words(), words(), words()], pushed: Default::default(), sinks: BTreeMap::new() };
    let mut model = Model::default();
    for version in versions {
        for (source, batch) in version.pushed.iter().enumerate() {
            push(&world.sources[source], batch);
            world.pushed[source].extend(batch.split_whitespace().map(str::to_owned));
        }
        let had: BTreeMap<_, _> = world.sinks.iter().map(|(of, sink)| (of.clone(), sink.all().len())).collect();
        let starts = |world: &World| world.sinks.values().map(Words::starts).sum::<usize>();
        let (before, started) = (picture(folder), starts(&world));
        let job = context(Some(folder));
        build(&job, version, &mut world);
        let ran = job.run(Trigger::AvailableNow);
        let Some(after) = model.start(version, &world) else {
            let is_told = matches!(ran, Err(Error::Changed { .. } | Error::Setting { .. }));
            prop_assert!(is_told, "a start that loses something is not refused: {:?}", ran);
            prop_assert!(picture(folder) == before, "a refused start has changed something");
            prop_assert_eq!(starts(&world), started, "a refused start has started a sink");
            continue;
        };
        prop_assert!(ran.is_ok(), "a start that loses nothing was refused: {:?}", ran);
        for state in &version.states {
            let name = state.stored(version);
            let (_, counts) = &after.states[&name];
            let old = model.states.get(&name).map(|(_, counts)| counts);
            let changed = counts.iter().filter(|(word, count)| old.and_then(|old| old.get(*word)) != Some(*count));
            let changed: BTreeMap<String, u64> = changed.map(|(word, count)| (word.clone(), *count)).collect();
            for number in 0..state.outputs.len() {
                let of = (name.clone(), number);
                let before = had.get(&of).copied().unwrap_or(0);
                prop_assert_eq!(&shown(&world.sinks[&of], before), &changed, "{:?}", of);
            }
        }
        model = after;
    }
    Ok(())
}

fn state() -> impl Strategy<Value = State> {
    let name = prop_oneof![3 => Just(None), 2 => Just(Some("x")), 2 => Just(Some("y")), 1 => Just(Some("z"))];
    let of = Just(vec![0, 1, 2]).prop_shuffle().prop_flat_map(|of| (1..3usize).prop_map(move |n| of[..n].to_vec()));
    (
        name,
        prop::bool::weighted(0.3),
        of,
        prop::collection::vec(0..4u8, 0..3),
        prop::collection::vec(any::<bool>(), 1..3),
    )
        .prop_map(|(name, sums, of, wraps, outputs)| State { name, sums, of, wraps, outputs })
}

fn version() -> impl Strategy<Value = Version> {
    let sources = Just(vec![0, 1, 2]).prop_shuffle();
    let batch = "[abc]( [abc]){0,3}";
    (sources, any::<bool>(), prop::collection::vec(state(), 1..4), [batch, batch, batch])
        .prop_map(|(sources, is_named, states, pushed)| Version { sources, is_named, states, pushed })
}

/// What somebody does to a program between two starts.
#[derive(Debug, Clone)]
enum Edit {
    Reorder(Vec<usize>),
    ReverseStates,
    Wrap(usize, Vec<u8>),
    Add(State, bool),
    Remove(usize),
    Rename(usize, Option<&'static str>),
    SwapNames,
    Outputs(usize, Vec<bool>),
    OtherKind(usize),
    NameSource,
}

fn edit() -> impl Strategy<Value = Edit> {
    let wraps = prop::collection::vec(0..4u8, 0..3);
    let outputs = prop::collection::vec(any::<bool>(), 1..3);
    prop_oneof![
        3 => Just(vec![0, 1, 2]).prop_shuffle().prop_map(Edit::Reorder),
        2 => Just(Edit::ReverseStates),
        3 => (0..3usize, wraps).prop_map(|(at, wraps)| Edit::Wrap(at, wraps)),
        3 => (state(), any::<bool>()).prop_map(|(state, first)| Edit::Add(state, first)),
        1 => (0..3usize).prop_map(Edit::Remove),
        1 => (0..3usize, prop::option::of(Just("x"))).prop_map(|(at, name)| Edit::Rename(at, name)),
        1 => Just(Edit::SwapNames),
        3 => (0..3usize, outputs).prop_map(|(at, outputs)| Edit::Outputs(at, outputs)),
        1 => (0..3usize).prop_map(Edit::OtherKind),
        1 => Just(Edit::NameSource),
    ]
}

fn edited(version: &Version, edits: &[Edit], pushed: [String; 3]) -> Version {
    let mut version = Version { pushed, ..version.clone() };
    for edit in edits {
        let count = version.states.len();
        match edit.clone() {
            Edit::Reorder(order) => version.sources = order,
            Edit::ReverseStates => version.states.reverse(),
            Edit::Wrap(at, wraps) => version.states[at % count].wraps = wraps,
            Edit::Add(state, true) => version.states.insert(0, state),
            Edit::Add(state, false) => version.states.push(state),
            Edit::Remove(at) if count > 1 => drop(version.states.remove(at % count)),
            Edit::Remove(_) => {}
            Edit::Rename(at, name) => version.states[at % count].name = name,
            Edit::SwapNames => {
                let last = version.states[count - 1].name;
                version.states[count - 1].name = version.states[0].name;
                version.states[0].name = last;
            }
            Edit::Outputs(at, outputs) => version.states[at % count].outputs = outputs,
            Edit::OtherKind(at) => version.states[at % count].sums ^= true,
            Edit::NameSource => version.is_named ^= true,
        }
    }
    version
}

fn versions() -> impl Strategy<Value = Vec<Version>> {
    let batch = "[abc]( [abc]){0,3}";
    let turn = (prop::collection::vec(edit(), 0..3), [batch, batch, batch]);
    (version(), prop::collection::vec(turn, 2..5)).prop_map(|(first, turns)| {
        let mut all = vec![first];
        for (edits, pushed) in turns {
            all.push(edited(&all[all.len() - 1], &edits, pushed));
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_program_keeps_what_its_names_say_or_is_refused(versions in versions()) {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), &versions)?;
    }
}
