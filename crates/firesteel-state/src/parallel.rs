//! Work that is shared among threads: reading what a restart needs.
//!
//! It knows nothing of state. Threads live as long as the call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use parking_lot::Mutex;

use crate::error::{Result, StateError};

/// Does `work` on every item, on up to `threads` threads, this one among them; items are begun in their order. After an
/// error, no further item is begun; of several errors, that of the first item is returned.
pub(crate) fn each<T: Sync>(threads: usize, items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    if threads < 2 || items.len() < 2 {
        return items.iter().try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, StateError)>> = Mutex::new(None);
    let take = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            if let Err(error) = work(item) {
                next.store(items.len(), Ordering::Relaxed);
                let mut failed = failed.lock();
                if failed.as_ref().is_none_or(|(first, _)| at < *first) {
                    *failed = Some((at, error));
                }
            }
        }
    };
    thread::scope(|scope| {
        for number in 1..threads.min(items.len()) {
            // Where no thread can be had, the others do the work.
            _ = thread::Builder::new().name(format!("firesteel-restore-{number}")).spawn_scoped(scope, take);
        }
        take();
    });
    failed.into_inner().map_or(Ok(()), |(_, error)| Err(error))
}

/// Does `work` on every item that `items` yields, in their order. The next item is made by another thread meanwhile.
pub(crate) fn ahead<T: Send>(
    items: impl Iterator<Item = T> + Send,
    mut work: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let items = &Mutex::new(items);
    // Without room for any: one item is made while another is worked on, and no more.
    let (send, made) = sync_channel(0);
    let make = move || {
        let mut items = items.lock();
        while let Some(item) = items.next()
            && send.send(item).is_ok()
        {}
    };
    thread::scope(|scope| match thread::Builder::new().name("firesteel-ahead".to_owned()).spawn_scoped(scope, make) {
        Ok(_) => made.into_iter().try_for_each(work),
        Err(_) => items.lock().try_for_each(&mut work),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn refused(item: usize) -> StateError {
        StateError::InvalidState { what: format!("item {item}"), reason: String::new() }
    }

    #[test]
    fn every_item_is_worked_on_once_and_at_the_same_time_as_others() {
        let (items, meet) = ((0..8).collect::<Vec<usize>>(), Barrier::new(2));
        let seen = Mutex::new(vec![]);
        let work = |item: &usize| {
            // Ends only if another thread is here, too.
            meet.wait();
            seen.lock().push(*item);
            Ok(())
        };
        each(2, &items, work).unwrap();
        let mut seen = seen.into_inner();
        seen.sort_unstable();
        assert_eq!(seen, items);
    }

    #[test]
    fn an_item_is_made_while_another_is_worked_on() {
        let meet = Barrier::new(2);
        let items = (0..4).inspect(|item| {
            if *item > 0 {
                meet.wait();
            }
        });
        let mut seen = vec![];
        let work = |item| {
            // Ends only if the next item is being made.
            if item < 3 {
                meet.wait();
            }
            seen.push(item);
            Ok(())
        };
        ahead(items, work).unwrap();
        assert_eq!(seen, [0, 1, 2, 3]);
        let made = AtomicUsize::new(0);
        let items = (0..100).inspect(|_| _ = made.fetch_add(1, Ordering::Relaxed));
        ahead(items, |item| if item == 5 { Err(refused(item)) } else { Ok(()) }).unwrap_err();
        assert!((6..=8).contains(&made.into_inner()), "it ends with the first error");
    }

    #[test]
    fn the_first_error_ends_it() {
        let items: Vec<usize> = (0..1_000).collect();
        for threads in [1, 4] {
            let done = AtomicUsize::new(0);
            let work = |item: &usize| {
                done.fetch_add(1, Ordering::Relaxed);
                if *item >= 3 { Err(refused(*item)) } else { Ok(()) }
            };
            let error = each(threads, &items, work).unwrap_err();
            assert!(error.to_string().contains("item 3"), "{error}");
            assert!(done.into_inner() < 100);
        }
    }
}
