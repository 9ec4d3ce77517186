//! What records and keys have to be.

/// What can be kept, cloned and shared between threads: records that are persisted, shuffled or broadcast.
///
/// Implemented for every type that fits; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept or shared between executors",
    note = "derive `Clone` and use owned, thread-safe fields (`Arc` instead of `Rc`, `String` instead of `&str`)"
)]
pub trait Data: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Data for T {}

/// What can cross a shuffle: data that can also be written to disk or to another process.
///
/// A `&'static str` cannot: read back, it would have to borrow from something that lives forever. Of that the compiler
/// says that "`Deserialize` is not general enough"; the way out is `to_owned`.
///
/// Implemented for every type that fits; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross a shuffle",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Exchange: Data + serde::Serialize + serde::de::DeserializeOwned {}
impl<T: Data + serde::Serialize + serde::de::DeserializeOwned> Exchange for T {}

/// What records can be grouped by.
///
/// Implemented for every type that fits; never implement it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key",
    note = "derive `Hash`, `PartialEq`, `Eq`, `Clone`, `serde::Serialize` and `serde::Deserialize` for it; \
            a floating-point number is no key: round it to an integer first"
)]
pub trait Key: Exchange + Eq + std::hash::Hash {}
impl<T: Exchange + Eq + std::hash::Hash> Key for T {}

/// The records of a partition, behind one type: what functions over whole partitions take and return.
pub type Records<'a, T> = Box<dyn Iterator<Item = T> + 'a>;
