//! Text lines from a TCP socket, as a receiver.
//!
//! ```no_run
//! use firesteel_connect::Buffered;
//! use firesteel_connect_socket::SocketText;
//!
//! // `nc -lk 9999` is the other side.
//! let lines = Buffered::new(SocketText::connect("127.0.0.1:9999"));
//! ```
//!
//! A socket forgets what it has sent: what is received and not committed when the process ends is gone, so a job
//! that reads from one is at-most-once across restarts. It is meant for trying things out and for feeds that can
//! bear that. A write-ahead log in front of it (`firesteel-connect-wal`) keeps what has been received.

mod lines;
mod receiver;

pub use lines::LineText;
pub use receiver::SocketText;
