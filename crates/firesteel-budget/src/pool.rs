//! A budget that several fill at the same time, and that makes them wait where it is full.
//!
//! Half of the limit is divided among those who share it: that much is theirs, whatever the others hold. The other half
//! goes to whoever asks first. So nobody can be kept out, one alone has all of it, and all together stay within the limit.
//!
//! What is larger than all that is still granted, to who holds nothing else: otherwise one large record would stand in the
//! way for good.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{MemoryBudget, Reservation};

type Wake = Arc<dyn Fn() + Send + Sync>;

/// A budget for several who can only wait where it is full, each with a part that is certain. A clone is the same pool.
///
/// ```
/// use firesteel_budget::Pool;
///
/// let pool = Pool::new(100);
/// let (fast, slow) = (pool.join(|| ()), pool.join(|| ()));
/// assert!(fast.request(75).is_granted(), "a quarter is its own, and half is anybody's");
/// assert!(!fast.request(1).is_granted());
/// assert!(slow.request(25).is_granted(), "a quarter is left for the other, whoever was first");
/// assert_eq!(pool.budget().used(), 100);
/// ```
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    budget: MemoryBudget,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    next: u64,
    list: Vec<Member>,
}

/// What the pool knows of a share.
struct Member {
    id: u64,
    held: Reservation,
    /// Requests that were refused so far, the oldest first.
    waiting: VecDeque<u64>,
    wake: Wake,
}

impl Pool {
    /// A pool of this many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Shared { budget: MemoryBudget::new(limit), members: Mutex::default() }) }
    }

    /// The limit, and what is taken of it now.
    #[must_use]
    pub fn budget(&self) -> &MemoryBudget {
        &self.shared.budget
    }

    /// One more to share the pool. `wake` is called, from any thread, when a request of it that was refused may be granted:
    /// it may not ask the pool itself, nor take a lock that somebody holds who does.
    #[must_use]
    pub fn join(&self, wake: impl Fn() + Send + Sync + 'static) -> Share {
        let mut members = self.lock();
        let id = members.next;
        members.next += 1;
        let held = self.shared.budget.reserve();
        members.list.push(Member { id, held, waiting: VecDeque::new(), wake: Arc::new(wake) });
        Share { pool: self.clone(), id }
    }

    /// As [`join`](Self::join), for a member that shares ownership of itself: the pool does not keep it alive.
    #[must_use]
    pub fn join_weakly<T: Send + Sync + 'static>(
        &self,
        member: &Arc<T>,
        wake: impl Fn(&T) + Send + Sync + 'static,
    ) -> Share {
        let member = Arc::downgrade(member);
        self.join(move || {
            if let Some(member) = member.upgrade() {
                wake(&member);
            }
        })
    }

    /// No code of a user runs under the lock, so a poisoned lock still guards a consistent state.
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.shared.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what a member holds or wants, and wakes those who wait, for whom that may make room.
    fn change(&self, change: impl FnOnce(&mut Members)) {
        let mut members = self.lock();
        change(&mut members);
        let waiting = members.list.iter().filter(|member| !member.waiting.is_empty());
        let wakes: Vec<Wake> = waiting.map(|member| Arc::clone(&member.wake)).collect();
        drop(members);
        wakes.iter().for_each(|wake| wake());
    }
}

impl Members {
    fn member(&mut self, id: u64) -> &mut Member {
        // A share is gone from the list only when it is dropped, and requests borrow it.
        self.list.iter_mut().find(|member| member.id == id).expect("a share is a member as long as it is there")
    }

    /// Whether a member may hold this much, given what the others hold.
    fn fits(&self, id: u64, bytes: u64, limit: u64) -> bool {
        let count = self.list.len() as u64;
        let own = limit / 2 / count.max(1);
        if bytes <= own {
            return true;
        }
        let others = self.list.iter().filter(|member| member.id != id);
        let common = others.map(|member| member.held.bytes().saturating_sub(own)).fold(0, u64::saturating_add);
        common.saturating_add(bytes - own) <= limit - own * count
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("budget", self.budget()).field("shares", &self.lock().list.len()).finish()
    }
}

/// What one of several holds of a [`Pool`]; given back when dropped.
pub struct Share {
    pool: Pool,
    id: u64,
}

impl Share {
    /// Asks for bytes. Requests of one share are granted in the order in which they were first refused, so that a large one
    /// is not passed by small ones forever.
    pub fn request(&self, bytes: u64) -> Request<'_> {
        Request { share: self, bytes, granted: false, ticket: None }
    }

    /// Takes bytes that are not needed yet, so that not every need has to be asked for; only where they are there, and no
    /// request of this share waits.
    #[must_use]
    pub fn take_ahead(&self, bytes: u64) -> bool {
        let mut members = self.pool.lock();
        let member = members.member(self.id);
        let (waits, bytes) = (!member.waiting.is_empty(), member.held.bytes().saturating_add(bytes));
        let takes = !waits && members.fits(self.id, bytes, self.pool.budget().limit());
        if takes {
            members.member(self.id).held.set(bytes);
        }
        takes
    }

    /// Gives back what was granted.
    pub fn give_back(&self, bytes: u64) {
        if bytes > 0 {
            self.pool.change(|members| {
                let held = &mut members.member(self.id).held;
                held.set(held.bytes().saturating_sub(bytes));
            });
        }
    }

    /// The bytes that it holds.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.pool.lock().member(self.id).held.bytes()
    }

    /// What it is a share of.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.change(|members| members.list.retain(|member| member.id != self.id));
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("held", &self.held()).field("of", self.pool.budget()).finish()
    }
}

/// Bytes that are wanted; withdrawn when dropped before they are granted.
#[must_use = "a request asks for nothing until it is asked whether it is granted"]
pub struct Request<'s> {
    share: &'s Share,
    bytes: u64,
    granted: bool,
    /// Its place among those of its share that were refused.
    ticket: Option<u64>,
}

impl Request<'_> {
    /// Whether the bytes are there, which are taken then. Who is refused is woken when it may be worth to ask again: by
    /// the pool, or, after another request of the same share, by whoever made that one.
    pub fn is_granted(&mut self) -> bool {
        if self.granted {
            return true;
        }
        let Share { pool, id } = self.share;
        let mut members = pool.lock();
        let held = members.member(*id).held.bytes();
        let bytes = held.saturating_add(self.bytes);
        let fits = held == 0 || members.fits(*id, bytes, pool.budget().limit());
        let member = members.member(*id);
        let is_first = member.waiting.front().copied() == self.ticket;
        if fits && is_first {
            if self.ticket.take().is_some() {
                member.waiting.pop_front();
            }
            member.held.set(bytes);
            self.granted = true;
        } else if self.ticket.is_none() {
            let ticket = members.next;
            members.next += 1;
            members.member(*id).waiting.push_back(ticket);
            self.ticket = Some(ticket);
        }
        self.granted
    }

    /// Takes the bytes, whether they are there or not: for what has nowhere else to be.
    pub fn take(mut self) {
        if !std::mem::replace(&mut self.granted, true) {
            let held = &mut self.share.pool.lock();
            let held = &mut held.member(self.share.id).held;
            held.set(held.bytes().saturating_add(self.bytes));
        }
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let members = &mut self.share.pool.lock();
        members.member(self.share.id).waiting.retain(|waiting| *waiting != ticket);
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("bytes", &self.bytes).field("granted", &self.granted).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn get(share: &Share, bytes: u64) -> bool {
        share.request(bytes).is_granted()
    }

    #[test]
    fn one_alone_has_all_of_it_and_no_more() {
        let pool = Pool::new(100);
        let share = pool.join(|| ());
        assert!(get(&share, 60) && get(&share, 40) && !get(&share, 1));
        share.give_back(60);
        assert!(!get(&share, 61) && get(&share, 60));
        drop(share);
        assert_eq!(pool.budget().used(), 0);
    }

    #[test]
    fn nobody_is_kept_out_and_all_together_stay_within_the_limit() {
        let pool = Pool::new(120);
        let shares: Vec<Share> = (0..3).map(|_| pool.join(|| ())).collect();
        while get(&shares[0], 1) {}
        assert_eq!(shares[0].held(), 80, "its own 20, and the 60 that are anybody's");
        for share in &shares[1..] {
            while get(share, 1) {}
            assert_eq!(share.held(), 20);
        }
        assert_eq!(pool.budget().used(), 120);
        shares[0].give_back(30);
        while get(&shares[2], 1) {}
        assert_eq!(shares[2].held(), 50, "what one gives back another can have");
        assert_eq!(pool.budget().used(), 120);
    }

    #[test]
    fn what_is_larger_than_all_goes_through_alone() {
        for limit in [0, 10] {
            let pool = Pool::new(limit);
            let (full, share) = (pool.join(|| ()), pool.join(|| ()));
            assert!(get(&full, 1_000), "it holds nothing else");
            assert!(!get(&full, 1) && get(&share, 500), "one for each, whatever the others hold");
            assert_eq!(pool.budget().used(), 1_500);
            full.give_back(1_000);
            assert!(get(&full, 1));
        }
        let unlimited = Pool::new(u64::MAX);
        let shares = [unlimited.join(|| ()), unlimited.join(|| ())];
        assert!(shares.iter().all(|share| get(share, 1 << 60) && get(share, 1 << 60)));
    }

    #[test]
    fn small_requests_do_not_pass_by_a_large_one_of_their_share() {
        let pool = Pool::new(10);
        let share = pool.join(|| ());
        assert!(get(&share, 1));
        let mut large = share.request(50);
        assert!(!large.is_granted());
        let mut small = share.request(1);
        assert!(!small.is_granted(), "there is room, but it came later");
        share.give_back(1);
        assert!(!small.is_granted() && large.is_granted() && large.is_granted());
        assert_eq!(share.held(), 50, "granted once");
        share.give_back(50);
        assert!(small.is_granted());
        let (mut withdrawn, mut last) = (share.request(50), share.request(1));
        assert!(!withdrawn.is_granted() && !last.is_granted());
        drop(withdrawn);
        assert!(last.is_granted(), "who has left stands in nobody's way");
        let mut forced = share.request(100);
        assert!(!forced.is_granted());
        forced.take();
        assert_eq!(share.held(), 102);
        assert!(!get(&share, 1));
    }

    #[test]
    fn what_is_taken_ahead_takes_nothing_from_who_waits_and_exceeds_nothing() {
        let pool = Pool::new(10);
        let share = pool.join(|| ());
        assert!(!share.take_ahead(11) && share.take_ahead(8), "not even by who holds nothing");
        let mut request = share.request(5);
        assert!(!request.is_granted() && !share.take_ahead(1), "somebody waits");
        share.give_back(8);
        assert!(request.is_granted() && share.take_ahead(1));
        assert_eq!(share.held(), 6);
    }

    #[test]
    fn who_waits_is_woken_when_another_gives_back_or_leaves() {
        let pool = Pool::new(100);
        let woken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&woken);
        let (waits, other) = (pool.join(move || _ = count.fetch_add(1, Ordering::SeqCst)), pool.join(|| ()));
        assert!(get(&other, 75) && get(&waits, 25));
        other.give_back(1);
        assert_eq!(woken.load(Ordering::SeqCst), 0, "nobody waits");
        assert!(get(&other, 1));
        let mut request = waits.request(10);
        assert!(!request.is_granted());
        other.give_back(10);
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(request.is_granted());
        let mut request = waits.request(10);
        assert!(!request.is_granted());
        drop(other);
        assert_eq!(woken.load(Ordering::SeqCst), 2);
        assert!(request.is_granted());
    }
}
