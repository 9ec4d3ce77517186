//! Which rows are wanted, by the values of their columns.

mod bounds;
mod compare;
mod pages;

use std::cmp::Ordering;

use firesteel_window::Timestamp;

use super::column::Column;
pub(super) use bounds::Bounds;
use compare::compare;
pub(super) use pages::wanted;

/// A column by its name, of which something is to be true.
///
/// ```
/// use firesteel_formats::{Parquet, column};
///
/// #[derive(serde::Deserialize)]
/// struct Sale {
///     shop: String,
///     price: f64,
/// }
///
/// let dear = Parquet::<Sale>::new().rows_where(column("price").at_least(100.0).and(column("country").is("NO")));
/// # let _ = dear;
/// ```
#[must_use]
pub fn column(name: impl Into<String>) -> ColumnName {
    ColumnName(name.into())
}

/// The name of a column: see [`column()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnName(String);

/// What is to be true of a row, so that it is read: see [`column()`].
///
/// A comparison with a null is neither true nor false, and so is its opposite: the row is left out. NaN is equal to nothing, not
/// greater and not less, and [`is_not`](ColumnName::is_not) anything; `-0.0` is equal to `0.0`. Numbers are compared by their value,
/// whatever their types, and texts by their bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Compare(String, Comparison, Literal),
    IsNull(String),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    /// Whether it is true of a value that compares so with the literal; `None`: not at all, as NaN.
    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Is => ordering == Some(Ordering::Equal),
            Self::IsNot => ordering != Some(Ordering::Equal),
            Self::Less => ordering == Some(Ordering::Less),
            Self::AtMost => ordering.is_some_and(Ordering::is_le),
            Self::More => ordering == Some(Ordering::Greater),
            Self::AtLeast => ordering.is_some_and(Ordering::is_ge),
        }
    }
}

/// What a column is compared with: a truth value, a number, a text, bytes, a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal(Constant);

#[derive(Debug, Clone, PartialEq)]
enum Constant {
    Bool(bool),
    Int(i128),
    Float(f64),
    Bytes(Vec<u8>),
    Time(Timestamp),
}

/// Declares what literals are made of.
macro_rules! literals {
    ($($type:ty, $value:ident => $constant:expr;)*) => {$(
        impl From<$type> for Literal {
            fn from($value: $type) -> Self {
                Self($constant)
            }
        }
    )*};
}

literals! {
    bool, value => Constant::Bool(value);
    i32, value => Constant::Int(value.into());
    i64, value => Constant::Int(value.into());
    u32, value => Constant::Int(value.into());
    u64, value => Constant::Int(value.into());
    f64, value => Constant::Float(value);
    &str, value => Constant::Bytes(value.as_bytes().to_vec());
    String, value => Constant::Bytes(value.into_bytes());
    &[u8], value => Constant::Bytes(value.to_vec());
    Timestamp, value => Constant::Time(value);
}

/// Declares the comparisons.
macro_rules! comparisons {
    ($($(#[$docs:meta])* $name:ident $comparison:ident;)*) => {$(
        $(#[$docs])*
        #[must_use]
        pub fn $name(self, value: impl Into<Literal>) -> Condition {
            Condition(Node::Compare(self.0, Comparison::$comparison, value.into()))
        }
    )*};
}

impl ColumnName {
    comparisons! {
        /// It is equal to the value.
        is Is;
        /// It is not equal to the value, and not null.
        is_not IsNot;
        /// It is less.
        less_than Less;
        /// It is less or equal.
        at_most AtMost;
        /// It is more.
        more_than More;
        /// It is more or equal.
        at_least AtLeast;
    }

    /// It has no value.
    #[must_use]
    pub fn is_null(self) -> Condition {
        Condition(Node::IsNull(self.0))
    }
}

impl Condition {
    /// Both are true.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Node::And(Box::new([self.0, other.0])))
    }

    /// One of them is true, or both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Node::Or(Box::new([self.0, other.0])))
    }

    /// It is false, and known to be.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a word beside `and` and `or`")]
    pub fn not(self) -> Self {
        Self(Node::Not(Box::new(self.0)))
    }

    /// The columns that it looks at.
    pub(super) fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.0.names(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Which of the rows of a batch are wanted.
    pub(super) fn keep(&self, columns: &Column, rows: usize, local_is_utc: bool) -> Result<Vec<bool>, String> {
        let known = self.0.evaluate(columns, rows, local_is_utc)?;
        Ok(known.into_iter().map(|known| known == Some(true)).collect())
    }

    /// Whether there may be a wanted row among those that these bounds are of.
    pub(super) fn may_hold(&self, bounds: &dyn Fn(&str) -> Option<(Bounds, usize)>, local_is_utc: bool) -> bool {
        self.0.may(bounds, local_is_utc).0
    }
}

impl Node {
    fn names<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Compare(name, ..) | Self::IsNull(name) => names.push(name),
            Self::And(both) | Self::Or(both) => both.iter().for_each(|node| node.names(names)),
            Self::Not(node) => node.names(names),
        }
    }

    /// True, false or neither, of each row.
    fn evaluate(&self, columns: &Column, rows: usize, local_is_utc: bool) -> Result<Vec<Option<bool>>, String> {
        let column = |name: &str| {
            let found = columns.columns().iter().find(|(known, _)| known == name);
            found.map(|(_, column)| column).ok_or_else(|| format!("has no column {name:?}, by which rows are wanted"))
        };
        match self {
            Self::Compare(name, comparison, literal) => {
                let column = column(name)?;
                let mut known = vec![None; rows];
                let unfit = compare(column, &literal.0, 0..rows, local_is_utc, &mut |row, ordering| {
                    known[row] = (!column.is_null(row)).then(|| comparison.holds(ordering));
                });
                unfit.map_err(|what| {
                    format!("has a column {name:?} of {}, which is compared with {what}", column.name())
                })?;
                Ok(known)
            }
            Self::IsNull(name) => {
                let column = column(name)?;
                Ok((0..rows).map(|row| Some(column.is_null(row))).collect())
            }
            Self::Not(node) => {
                let known = node.evaluate(columns, rows, local_is_utc)?;
                Ok(known.into_iter().map(|known| known.map(|known| !known)).collect())
            }
            Self::And(both) | Self::Or(both) => {
                // What decides by itself: one that is false, or one that is true.
                let decides = matches!(self, Self::Or(_));
                let [one, other] = &**both;
                let one = one.evaluate(columns, rows, local_is_utc)?;
                let other = other.evaluate(columns, rows, local_is_utc)?;
                let join = |(one, other)| match (one, other) {
                    (Some(known), _) | (_, Some(known)) if known == decides => Some(decides),
                    (Some(_), Some(_)) => Some(!decides),
                    _ => None,
                };
                Ok(one.into_iter().zip(other).map(join).collect())
            }
        }
    }

    /// Whether it may be true, and whether it may be false, of some row.
    fn may(&self, bounds: &dyn Fn(&str) -> Option<(Bounds, usize)>, local_is_utc: bool) -> (bool, bool) {
        match self {
            Self::Compare(name, comparison, literal) => match bounds(name) {
                Some((bounds, at)) => bounds.may(at, *comparison, &literal.0, local_is_utc),
                None => (true, true),
            },
            Self::IsNull(name) => bounds(name).map_or((true, true), |(bounds, at)| bounds.may_be_null(at)),
            Self::Not(node) => {
                let (may, may_not) = node.may(bounds, local_is_utc);
                (may_not, may)
            }
            Self::And(both) => {
                let [one, other] = [both[0].may(bounds, local_is_utc), both[1].may(bounds, local_is_utc)];
                (one.0 && other.0, one.1 || other.1)
            }
            Self::Or(both) => {
                let [one, other] = [both[0].may(bounds, local_is_utc), both[1].may(bounds, local_is_utc)];
                (one.0 || other.0, one.1 && other.1)
            }
        }
    }
}
