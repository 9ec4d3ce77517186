//! Receivers: data that is pushed at us.
//!
//! ```
//! use firesteel_connect::{Buffered, Receiver, Result, Store};
//!
//! /// Counts to three.
//! struct Count;
//!
//! impl Receiver for Count {
//!     type Item = u32;
//!
//!     fn describe(&self) -> String {
//!         "three numbers".into()
//!     }
//!
//!     fn receive(&mut self, store: &Store<u32>) -> Result<()> {
//!         // `Stopped` is no failure: the job is over, and so is the receiver.
//!         let _ = store.push_all(1..=3);
//!         Ok(())
//!     }
//! }
//!
//! let source = Buffered::new(Count).capacity(100);
//! ```

use std::fmt;
use std::sync::Arc;

use firesteel_error::{Class, codes};
use firesteel_window::Duration;

use crate::offer::LONGEST_TOKEN;
use crate::{Decoded, Refused, Result};

/// The engine has told the receiver to stop; what was pushed is not taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("FS-N009: the receiver has been told to stop: return from it")]
pub struct Stopped;

codes!(Stopped = "FS-N009");

impl Stopped {
    /// What may be done about it: nothing, the job ends.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Closed
    }
}

/// Where a receiver puts what it gets. Its buffer is bounded, in records and in bytes: a push waits while it is full, which
/// slows the sender down instead of filling the memory. What the receiver itself holds meanwhile (the records of the push,
/// bytes that are no whole record yet) nobody bounds but the receiver.
///
/// When a push returns `Ok`, its records are as safe as this store makes them: in memory with
/// [`Buffered`](crate::Buffered), on disk with a write-ahead log. A receiver whose peer wants to be told does so then,
/// and not after [`Stopped`]: of those records nothing is certain.
pub struct Store<T> {
    buffer: Arc<dyn StoreBuffer<T>>,
}

/// What a [`Store`] hands its records to: implemented by what makes a receiver a source. The methods are those of the
/// store.
pub trait StoreBuffer<T>: Send + Sync {
    /// See [`Store::push`].
    ///
    /// # Errors
    /// [`Stopped`] when the receiver is to end.
    fn push_one(&self, record: T) -> std::result::Result<(), Stopped>;

    /// See [`Store::push_all`].
    ///
    /// # Errors
    /// [`Stopped`] when the receiver is to end.
    fn push_all(&self, records: &mut dyn Iterator<Item = T>) -> std::result::Result<(), Stopped>;

    /// See [`Store::push_decoded`].
    ///
    /// # Errors
    /// [`Stopped`] when the receiver is to end.
    fn push_decoded(&self, records: &mut dyn Iterator<Item = Decoded<T>>) -> std::result::Result<(), Stopped>;

    /// See [`Store::offer_decoded`]. It is asked for a batch with records or a token, and the token is not too long.
    ///
    /// # Errors
    /// As those of [`Store::offer_decoded`].
    fn offer(
        &self,
        batch: Vec<Decoded<T>>,
        token: Option<&[u8]>,
        within: Duration,
    ) -> std::result::Result<(), Refused<Decoded<T>>>;

    /// See [`Store::token`].
    fn token(&self) -> Option<Vec<u8>>;

    /// See [`Store::is_stopped`].
    fn is_stopped(&self) -> bool;

    /// See [`Store::wait_stopped`].
    fn wait_stopped(&self, at_most: Duration) -> bool;
}

impl<T> Store<T> {
    /// A store in front of `buffer`.
    #[must_use]
    pub fn new(buffer: Arc<dyn StoreBuffer<T>>) -> Self {
        Self { buffer }
    }

    /// Stores one record; waits while the buffer is full, and until the record is safe.
    ///
    /// # Errors
    /// [`Stopped`] when the receiver is to end; the record is not taken.
    pub fn push(&self, record: T) -> std::result::Result<(), Stopped> {
        self.buffer.push_one(record)
    }

    /// Stores many records at the cost of one; waits while the buffer is full. They become readable a thousand at a
    /// time: where records come slowly, [`push`](Self::push) each when it is there.
    ///
    /// # Errors
    /// [`Stopped`] when the receiver is to end; the records not yet taken stay in `records`.
    pub fn push_all(&self, mut records: impl Iterator<Item = T>) -> std::result::Result<(), Stopped> {
        self.buffer.push_all(&mut records)
    }

    /// As [`push_all`](Self::push_all), of records of which some could not be decoded. Those keep their place among the
    /// others, and whoever reads the store meets them there.
    ///
    /// ```
    /// use firesteel_connect::{ConnectError, Payload, Receiver, Store, Undecoded};
    ///
    /// /// Numbers as text.
    /// struct Numbers(Vec<&'static str>);
    ///
    /// impl Receiver for Numbers {
    ///     type Item = u32;
    ///     fn describe(&self) -> String {
    ///         "numbers".into()
    ///     }
    ///     fn receive(&mut self, store: &Store<u32>) -> Result<(), ConnectError> {
    ///         let decode = |text: &str| {
    ///             text.parse().map_err(|error| Undecoded::new(format!("{error}"), Payload::of(text.as_bytes())))
    ///         };
    ///         let _ = store.push_decoded(self.0.drain(..).map(decode));
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] when the receiver is to end; the records not yet taken stay in `records`.
    pub fn push_decoded(&self, mut records: impl Iterator<Item = Decoded<T>>) -> std::result::Result<(), Stopped> {
        self.buffer.push_decoded(&mut records)
    }

    /// Stores a batch whole or not at all, and says which within a time: for a peer that waits for an answer, and sends the
    /// batch again if none comes.
    ///
    /// With the batch goes a token: where in its peer's data the receiver stands after it, in bytes that only the receiver
    /// understands. It is stored together with the records, in one piece: after a crash both are there, or neither.
    /// An empty batch stores just its token. See [`token`](Self::token).
    ///
    /// The time is that for all of it: for room in the store, and until the batch is as safe as this store makes it. With none
    /// at all, a batch is taken for which there is room at once; on disk that is [`Refused::Unsure`], always. Who waits
    /// for room gets it in the order of coming: later offers and pushes do not pass by.
    ///
    /// ```
    /// use firesteel_connect::{ConnectError, Receiver, Refused, Store};
    /// use firesteel_window::seconds;
    ///
    /// /// Batches of a peer that sends again what was not acknowledged within 20 s.
    /// struct Batches(Vec<Vec<String>>);
    ///
    /// impl Receiver for Batches {
    ///     type Item = String;
    ///     fn describe(&self) -> String {
    ///         "batches".into()
    ///     }
    ///     fn receive(&mut self, store: &Store<String>) -> Result<(), ConnectError> {
    ///         for batch in self.0.drain(..) {
    ///             match store.offer(batch, None, seconds(15)) {
    ///                 Ok(()) => println!("acknowledged"),
    ///                 Err(Refused::Full(_)) => println!("try later"),
    ///                 Err(Refused::Stopped(_)) => break,
    ///                 Err(Refused::Unsure) => println!("no answer: it comes again, perhaps for the second time"),
    ///                 Err(refused) => println!("failed for good: {refused}"),
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Refused`], which says whether anything is stored, and gives the records back where nothing is.
    pub fn offer(&self, batch: Vec<T>, token: Option<&[u8]>, within: Duration) -> std::result::Result<(), Refused<T>> {
        let offered = self.offer_decoded(batch.into_iter().map(Ok).collect(), token, within);
        // What comes back is what was offered: none of it is undecoded.
        offered.map_err(|refused| refused.flat_map(std::result::Result::ok))
    }

    /// As [`offer`](Self::offer), of a batch of which some records could not be decoded. Those keep their place among the
    /// others, as with [`push_decoded`](Self::push_decoded).
    ///
    /// # Errors
    /// As those of [`offer`](Self::offer).
    pub fn offer_decoded(
        &self,
        batch: Vec<Decoded<T>>,
        token: Option<&[u8]>,
        within: Duration,
    ) -> std::result::Result<(), Refused<Decoded<T>>> {
        match token {
            Some(token) if token.len() > LONGEST_TOKEN => {
                Err(Refused::TokenTooLong { records: batch, length: token.len() })
            }
            None if batch.is_empty() && self.is_stopped() => Err(Refused::Stopped(batch)),
            None if batch.is_empty() => Ok(()),
            _ => self.buffer.offer(batch, token, within),
        }
    }

    /// The token of the newest offer that is as safe as this store makes it, also from before a restart where the store
    /// survives one: where the receiver resumes. Of offers from several threads it is that of the one stored last, so
    /// who gives tokens from several threads has to give them in the order of what they stand for. A push changes nothing
    /// about it.
    ///
    /// ```
    /// use firesteel_connect::{ConnectError, Receiver, Refused, Store};
    /// use firesteel_window::seconds;
    ///
    /// /// A feed that resumes after the number of the last message.
    /// struct Feed;
    ///
    /// impl Receiver for Feed {
    ///     type Item = String;
    ///     fn describe(&self) -> String {
    ///         "a feed".into()
    ///     }
    ///     fn receive(&mut self, store: &Store<String>) -> Result<(), ConnectError> {
    ///         let last: u64 = store.token().and_then(|token| String::from_utf8(token).ok()?.parse().ok()).unwrap_or(0);
    ///         for number in last + 1.. {
    ///             let mut batch = vec![format!("message {number}")];
    ///             while let Err(refused) = store.offer(batch, Some(number.to_string().as_bytes()), seconds(10)) {
    ///                 match refused {
    ///                     Refused::Full(again) => batch = again,
    ///                     // The next attempt resumes where the store stands then.
    ///                     _ => return Ok(()),
    ///                 }
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn token(&self) -> Option<Vec<u8>> {
        self.buffer.token()
    }

    /// Whether the receiver is to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.buffer.is_stopped()
    }

    /// Waits until the receiver is to end, `at_most` so long; tells whether it is. For pauses between attempts to
    /// connect, which then do not delay the end of the job.
    #[must_use]
    pub fn wait_stopped(&self, at_most: Duration) -> bool {
        self.buffer.wait_stopped(at_most)
    }
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { buffer: Arc::clone(&self.buffer) }
    }
}

impl<T> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("stopped", &self.is_stopped()).finish()
    }
}

/// Data that comes without being asked for: a socket, a subscription, a callback.
///
/// The engine runs the receiver on a thread of its own. [`Buffered`](crate::Buffered) makes it a source.
pub trait Receiver: Send + 'static {
    /// A record.
    type Item: Send + 'static;

    /// What is received, for messages: `lines from 127.0.0.1:9999`.
    fn describe(&self) -> String;

    /// Receives into `store` until there is nothing more or the store says stop. Called again after a retryable
    /// error, waiting longer each time.
    ///
    /// # Errors
    /// When receiving fails. A clean end of the data is `Ok`.
    fn receive(&mut self, store: &Store<Self::Item>) -> Result<()>;
}
