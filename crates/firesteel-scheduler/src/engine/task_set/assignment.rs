//! Tasks that one executor runs one after the other.

/// Tasks to be run one after the other by whoever took them.
pub(crate) struct Assignment {
    /// Positions in the order of the wave.
    next: u32,
    end: u32,
    /// A task to be retried before the next.
    again: Option<u32>,
    /// A task of which a second attempt is to be made.
    copy: Option<u32>,
}

/// What comes next in an assignment.
pub(super) enum Next {
    /// The task at a position of the order.
    At(u32),
    /// A task that failed.
    Retry(u32),
    /// A task that runs elsewhere, too slowly.
    Copy(u32),
}

impl Assignment {
    /// The tasks from one position of the order up to another.
    pub(super) fn new(next: u32, end: u32) -> Self {
        Self { next, end, again: None, copy: None }
    }

    /// A second attempt of a task.
    pub(super) fn copy_of(task: u32) -> Self {
        Self { next: 0, end: 0, again: None, copy: Some(task) }
    }

    pub(super) fn next(&mut self) -> Option<Next> {
        let again = self.again.take().map(Next::Retry);
        again.or_else(|| self.copy.take().map(Next::Copy)).or_else(|| {
            let at = self.next;
            (at < self.end).then(|| {
                self.next += 1;
                Next::At(at)
            })
        })
    }

    /// Puts a task that failed in front.
    pub(super) fn repeat(&mut self, task: u32) {
        self.again = Some(task);
    }

    /// Whether there are tasks that have not been begun.
    pub(super) fn has_more(&self) -> bool {
        self.next < self.end && self.again.is_none()
    }

    /// How many tasks there are that have not been begun.
    pub(super) fn len(&self) -> usize {
        (self.end - self.next) as usize
    }

    /// Leaves no task; returns how many open ones there were.
    pub(super) fn abandon(&mut self) -> usize {
        let open = self.len() + usize::from(self.again.is_some());
        *self = Self::new(self.end, self.end);
        open
    }

    /// The tasks that have not been begun, each by itself.
    pub(super) fn split(&mut self) -> impl DoubleEndedIterator<Item = Self> + use<> {
        let rest = self.next..self.end;
        self.next = self.end;
        rest.map(|at| Self::new(at, at + 1))
    }
}
