//! What a type asks for, learned from its `Deserialize`: the columns and fields that it reads, and those that it is written as.
//!
//! The type is asked again and again, each time one step further into it, and never gets a value: so nothing depends on whether
//! a value that is made up would pass.

mod anything;
mod probe;

use serde::de::DeserializeOwned;

use probe::{Probe, Step, Told};

/// How deep a type is looked into: one that contains itself has no end.
const DEEPEST: usize = 24;
/// How many parts of a type are looked at.
const MOST: usize = 10_000;

/// A type, as a format is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It cannot be learned: too deep, or after something that has to be read first.
    Unknown,
    /// It asks what there is.
    Any,
    Bool,
    Int {
        bits: u8,
        signed: bool,
    },
    F32,
    F64,
    Char,
    Text,
    Bytes,
    Unit,
    /// A `Timestamp`.
    Time,
    /// A time as a number: of this many microseconds.
    Epoch(i64),
    Option(Box<Shape>),
    Seq(Box<Shape>),
    Tuple(Vec<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Struct(Vec<Member>),
    Enum {
        /// The names of the variants, also their other names.
        names: &'static [&'static str],
        has_data: bool,
    },
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// Whether it is another name of a field.
    pub(crate) is_alias: bool,
}

impl Shape {
    /// Of a type.
    pub(crate) fn of<T: DeserializeOwned>() -> Self {
        Learner { learn: Probe::told::<T>, parts: 0 }.at(&mut Vec::new())
    }

    /// The names of the fields, where they are named.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(members) => members.iter().find(|member| member.name == name).map(|member| &member.shape),
            _ => None,
        }
    }

    /// Without what may be missing around it.
    pub(crate) fn inner(&self) -> &Self {
        match self {
            Self::Option(inner) => inner.inner(),
            shape => shape,
        }
    }
}

struct Learner {
    learn: fn(&[Step]) -> Told,
    parts: usize,
}

impl Learner {
    fn at(&mut self, path: &mut Vec<Step>) -> Shape {
        self.parts += 1;
        if path.len() > DEEPEST || self.parts > MOST {
            return Shape::Unknown;
        }
        match (self.learn)(path) {
            Told::Nothing | Told::Variant { .. } | Told::Name(_) => Shape::Unknown,
            Told::Plain(shape) => shape,
            Told::Option => Shape::Option(Box::new(self.within(path, Step::Some))),
            Told::Seq => Shape::Seq(Box::new(self.within(path, Step::Element))),
            Told::Map => {
                let key = self.within(path, Step::Key);
                Shape::Map(Box::new(key), Box::new(self.within(path, Step::Value)))
            }
            Told::Tuple(count) => Shape::Tuple((0..count).map(|at| self.within(path, Step::Item(at))).collect()),
            Told::Struct(names) => {
                let member = |(at, name): (usize, &&'static str)| {
                    let shape = self.within(path, Step::Field(at));
                    path.push(Step::Twice(at));
                    let told = (self.learn)(path);
                    path.pop();
                    let is_alias = matches!(told, Told::Name(own) if own != *name);
                    Member { name, shape, is_alias }
                };
                Shape::Struct(names.iter().enumerate().map(member).collect())
            }
            Told::Enum(names) => {
                let mut has_data = |at| {
                    path.push(Step::Variant(at));
                    let told = (self.learn)(path);
                    path.pop();
                    !matches!(told, Told::Variant { is_unit: true })
                };
                Shape::Enum { names, has_data: (0..names.len()).any(&mut has_data) }
            }
        }
    }

    fn within(&mut self, path: &mut Vec<Step>, step: Step) -> Shape {
        path.push(step);
        let shape = self.at(path);
        path.pop();
        shape
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use firesteel_window::Timestamp;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Everything {
        #[serde(alias = "who", alias = "name")]
        user: String,
        small: u8,
        maybe: Option<i64>,
        address: IpAddr,
        after: f32,
        at: Timestamp,
        #[serde(with = "crate::epoch_time::millis")]
        seen: Timestamp,
        pair: (String, Vec<bool>),
        map: BTreeMap<String, Option<u128>>,
        kind: Kind,
        data: Data,
        inner: Inner,
        #[serde(default)]
        wrapped: Wrapped,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    enum Kind {
        One,
        Two,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    enum Data {
        One,
        Two(u8),
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Inner {
        again: Vec<Option<Box<Inner>>>,
    }

    #[derive(Deserialize, Default)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Wrapped(u64);

    #[test]
    fn a_type_tells_what_it_asks_for() {
        let Shape::Struct(members) = Shape::of::<Everything>() else { panic!("it is a struct") };
        let known: Vec<&str> = members.iter().filter(|member| !member.is_alias).map(|member| member.name).collect();
        let names = [
            "user", "small", "maybe", "address", "after", "at", "seen", "pair", "map", "kind", "data", "inner",
            "wrapped",
        ];
        assert_eq!((members.len(), &known[..]), (15, &names[..]));
        let of = |name: &str| &members.iter().find(|member| member.name == name).unwrap().shape;
        let int = |bits, signed| Shape::Int { bits, signed };
        assert_eq!((of("user"), of("who")), (&Shape::Text, &Shape::Text));
        assert_eq!((of("small"), of("after"), of("at")), (&int(8, false), &Shape::F32, &Shape::Time));
        assert_eq!((of("seen"), of("address")), (&Shape::Epoch(1_000), &Shape::Text));
        assert_eq!(of("maybe"), &Shape::Option(Box::new(int(64, true))));
        assert_eq!(of("pair"), &Shape::Tuple(vec![Shape::Text, Shape::Seq(Box::new(Shape::Bool))]));
        let value = Shape::Option(Box::new(int(128, false)));
        assert_eq!(of("map"), &Shape::Map(Box::new(Shape::Text), Box::new(value)));
        let variants = |has_data| Shape::Enum { names: &["One", "Two"], has_data };
        assert_eq!((of("kind"), of("data")), (&variants(false), &variants(true)));
        assert_eq!(of("wrapped"), &int(64, false));
        assert!(matches!(of("inner"), Shape::Struct(_)));
    }
}
