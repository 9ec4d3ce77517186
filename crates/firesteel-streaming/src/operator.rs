//! For those who write operators with state: the trait that the library's own are written on, and what it takes.
//!
//! [`KeyedOperator`] says what an operator does with the records of one key group in one batch;
//! [`Stream::apply`](crate::Stream::apply) puts a stream through it. Its documentation has an example, the guide is
//! `docs/operators.md` of the repository.

pub use crate::state::{
    BatchTimes, Combined, GroupBatch, InTime, KeyedOperator, NewState, OperatorInfo, Results, Route, WithTimes,
    WithoutTimes,
};
