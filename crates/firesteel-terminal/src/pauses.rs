//! When something that repeats is told.

use firesteel_window::Duration;

/// How soon after it was told first, something may be told again. It doubles, up to the longest.
const FIRST: Duration = Duration::secs(10);
const LONGEST: Duration = Duration::secs(600);

/// Tells something that repeats at once, and then at growing intervals: 10 s, 20 s, up to 10 minutes.
///
/// ```
/// use firesteel_terminal::Pauses;
/// use firesteel_window::seconds;
///
/// let mut pauses = Pauses::default();
/// let told = (0..100).filter(|second| pauses.is_due(seconds(*second)));
/// assert_eq!(told.collect::<Vec<_>>(), [0, 10, 30, 70]);
/// ```
#[derive(Debug, Default)]
pub struct Pauses {
    due: Option<Duration>,
    pause: Duration,
}

impl Pauses {
    /// Whether it is to be told now; then the next pause begins.
    pub fn is_due(&mut self, now: Duration) -> bool {
        if self.due.is_some_and(|due| now < due) {
            return false;
        }
        self.pause = if self.due.is_none() { FIRST } else { (self.pause * 2).min(LONGEST) };
        self.due = Some(now + self.pause);
        true
    }
}
