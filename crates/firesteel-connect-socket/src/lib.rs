//! Text lines from a TCP socket, as a receiver.
