//! A record with fields from the path of its file.

use std::cell::RefCell;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::by_path::{FromPath, Values};

thread_local! {
    /// The path of the file whose record is being read. The library makes the deserializer, and takes a type and no value.
    static PATH: RefCell<FromPath> = RefCell::default();
}

/// A record out of what is in the file and in its path.
pub(super) struct Joined<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Joined<T> {
    fn deserialize<D: Deserializer<'de>>(record: D) -> Result<Self, D::Error> {
        let path = PATH.with_borrow(FromPath::clone);
        path.record(record, Values::Typed).map(Self)
    }
}

/// Has records read with the columns of this path.
pub(super) fn within<R>(path: &FromPath, read: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            PATH.with_borrow_mut(|path| *path = FromPath::default());
        }
    }
    PATH.with_borrow_mut(|known| *known = path.clone());
    let _reset = Reset;
    read()
}
