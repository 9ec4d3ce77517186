//! An error with its causes, as people read it.

use std::error::Error;
use std::fmt;

/// Shows an error and, line by line, its causes, without saying again what has been said: a message often holds that of
/// its cause.
///
/// ```
/// use firesteel_core::Chain;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("cannot read a.log: {source}")]
/// struct Unreadable { source: std::io::Error }
///
/// let error = Unreadable { source: std::io::Error::other("no such disk") };
/// assert_eq!(Chain(&error).to_string(), "cannot read a.log: no such disk");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(
    /// The error.
    pub &'a (dyn Error + 'static),
);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, "\n  caused by: {text}")?;
                said.push('\n');
                said.push_str(&text);
            }
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::Chain;

    #[derive(Debug)]
    struct Said(&'static str, Option<Box<Said>>);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Said {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[track_caller]
    fn check(messages: &[&'static str], expected: &str) {
        let error = messages.iter().rev().fold(None, |cause, message| Some(Box::new(Said(message, cause))));
        assert_eq!(Chain(&*error.unwrap()).to_string(), expected);
    }

    #[test]
    fn causes_stand_below_each_other() {
        check(&["the job failed", "no disk", "code 5"], "the job failed\n  caused by: no disk\n  caused by: code 5");
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        check(
            &["source log: cannot read a: denied", "cannot read a: denied", "denied"],
            "source log: cannot read a: denied",
        );
        check(&["a", "b: c", "c", "d"], "a\n  caused by: b: c\n  caused by: d");
        check(&["a", "b: c", "x", "c"], "a\n  caused by: b: c\n  caused by: x");
    }
}
