//! The sessions of a key, in the order of time: those that touch become one.

use std::cmp::Reverse;

use firesteel_core::{Accumulator, Exchange, Key};
use firesteel_state::{KeyContext, Result, SortedMap};
use firesteel_window::{Session, Timestamp, Window};

use crate::state::GroupBatch;
use crate::windows::session_side::{Passed, Piece};

/// A session in the state, by its beginning.
pub(super) trait Kept: Exchange {
    /// What it has gathered.
    type Acc: Send + 'static;

    fn end(&self) -> Timestamp;

    /// Takes in what has come for it, which reaches up to `end`.
    fn gather(&mut self, end: Timestamp, acc: Self::Acc, merge: &impl Fn(&mut Self::Acc, Self::Acc));

    /// Takes in a session after it.
    fn take_in(&mut self, later: Self, merge: &impl Fn(&mut Self::Acc, Self::Acc));
}

/// The last session that another one touches, by its beginning.
pub(super) fn last_touched<K: Key, S: Kept>(
    sessions: &SortedMap<Timestamp, S>,
    key: &mut KeyContext<'_, K>,
    window: Window,
) -> Result<Option<Timestamp>> {
    let mut last = sessions.last_of(key, ..=window.end(), 1)?;
    Ok(last.next().filter(|(_, session)| session.end() >= window.start()).map(|(start, _)| *start))
}

/// Takes what a session has gathered into those that it touches; gives it back if there is none.
fn join<K: Key, S: Kept>(
    sessions: &SortedMap<Timestamp, S>,
    key: &mut KeyContext<'_, K>,
    window: Window,
    acc: S::Acc,
    merge: &impl Fn(&mut S::Acc, S::Acc),
) -> Result<Option<S::Acc>> {
    let Some(start) = last_touched(sessions, key, window)? else { return Ok(Some(acc)) };
    if start <= window.start() {
        // Those before it do not touch it, and so do not touch this one.
        sessions.update(key, start, |session| {
            if let Some(session) = session {
                session.gather(window.end(), acc, merge);
            }
        })?;
        return Ok(None);
    }
    let (mut touched, mut first) = (Vec::new(), window.start());
    while let Some(start) = last_touched(sessions, key, window)? {
        let Some(session) = sessions.update(key, start, Option::take)? else { break };
        first = first.min(start);
        touched.push(session);
    }
    let mut touched = touched.into_iter().rev();
    let Some(mut session) = touched.next() else { return Ok(Some(acc)) };
    touched.for_each(|later| session.take_in(later, merge));
    session.gather(window.end(), acc, merge);
    sessions.put(key, first, session)?;
    Ok(None)
}

/// Takes what a batch has brought to a key group into its sessions; `open` begins one that touches no other, and `taken` is told of
/// each piece. Late is what touches no session, nor anything that does, and happened before this time.
pub(super) fn take<K: Key + Ord, S: Kept>(
    sessions: &SortedMap<Timestamp, S>,
    group: &mut GroupBatch<'_, K, Piece<S::Acc>>,
    (before, late): (Timestamp, &Accumulator<u64>),
    merge: impl Fn(&mut S::Acc, S::Acc),
    open: impl Fn(&mut KeyContext<'_, K>, Window, S::Acc) -> Result<()>,
    mut taken: impl FnMut(u64, K, Window),
) -> Result<()> {
    let (times, mut passed) = (group.times(), Vec::new());
    let (records, state) = group.records();
    for (hash, key, piece) in records {
        if piece.passed.is_some() {
            passed.push((hash, key, piece));
            continue;
        }
        let (window, mut context) = (piece.window, state.key(hash, &key, times.now()));
        if let Some(acc) = join(sessions, &mut context, window, piece.acc, &merge)? {
            open(&mut context, window, acc)?;
        }
        taken(hash, key, window);
    }
    // Whatever is in time is here.
    for stretch in stretches(passed) {
        let Some((hash, key, window)) = stretch.first().map(|first| (first.0, first.1.clone(), whole(&stretch))) else {
            continue;
        };
        let mut context = state.key(hash, &key, times.now());
        let mut belongs = last_touched(sessions, &mut context, window)?.is_some();
        let is_closed = Session::is_closed(window, before);
        for (hash, key, piece) in stretch {
            if belongs {
                join(sessions, &mut context, window, piece.acc, &merge)?;
            } else {
                if !is_closed {
                    open(&mut context, window, piece.acc)?;
                    belongs = true;
                }
                // One that begins a session is told, too: a session before it may have gone without it.
                late.add(1);
                if let Some(Passed(Some(told))) = piece.passed {
                    told();
                }
            }
            taken(hash, key, piece.window);
        }
    }
    Ok(())
}

/// What has come of one key.
type Came<K, A> = (u64, K, Piece<A>);

/// Puts together what belongs to one session whatever else is there: pieces of one key that touch each other, be it by way of others. Those that
/// reach furthest come first.
fn stretches<K: Key + Ord, A>(mut pieces: Vec<Came<K, A>>) -> Vec<Vec<Came<K, A>>> {
    pieces.sort_by(|one, other| (&one.1, one.2.window.start()).cmp(&(&other.1, other.2.window.start())));
    let mut stretches: Vec<Vec<Came<K, A>>> = Vec::new();
    let mut end = Timestamp::MIN;
    for piece in pieces {
        let (start, reaches) = (piece.2.window.start(), piece.2.window.end());
        match stretches.last_mut().filter(|stretch| stretch[0].1 == piece.1 && start <= end) {
            Some(stretch) => {
                stretch.push(piece);
                end = end.max(reaches);
            }
            None => {
                stretches.push(vec![piece]);
                end = reaches;
            }
        }
    }
    for stretch in &mut stretches {
        stretch.sort_by_key(|(_, _, piece)| Reverse(piece.window.end()));
    }
    stretches
}

/// From where to where pieces that touch reach.
fn whole<K, A>(stretch: &[Came<K, A>]) -> Window {
    let starts = stretch.iter().map(|(_, _, piece)| piece.window.start()).min();
    let ends = stretch.iter().map(|(_, _, piece)| piece.window.end()).max();
    Window::new(starts.unwrap_or(Timestamp::MAX), ends.unwrap_or(Timestamp::MAX))
}
