//! The shape of a type: what its `Deserialize` asks for, as text.
//!
//! Stored values do not describe themselves, so a field added to a struct would be read out of the bytes of the next
//! one. The shape makes such a change visible: a deserializer that has no data notes what it is asked for and answers
//! with zeros and empty collections. It does so again until each variant of each enum has had its turn.
//!
//! Then it asks once more for each struct, by the names of its fields: what may be missing has a default, and what is
//! there twice has two names.
//!
//! Of a collection it tells the type of the elements. A type whose `Deserialize` refuses zeros, and whatever
//! else it is offered, is described up to there. How a shape reads is in `docs/formats.md`.

mod names;
mod parsed;
mod probe;

use std::fmt::{self, Write};

use serde::de::DeserializeOwned;

pub use self::parsed::{Field, NoShape, Plain, Shape};
use self::probe::{Probe, Walk};

/// Beyond this many bytes, no more is described.
const LONGEST: usize = 16_000;
/// So often a type is asked, at most.
const RUNS: usize = 1_000;

/// The shape of a type.
pub(super) fn of<T: DeserializeOwned>() -> String {
    // An error tells that the type refuses what it got: the shape ends there, or another run gets round it.
    let probe = |node: &mut Node, walk: &mut Walk| _ = T::deserialize(Probe { node, walk });
    shape(&probe, &names::find::<T>)
}

fn shape(probe: &dyn Fn(&mut Node, &mut Walk), name: &dyn Fn(&mut Node)) -> String {
    let mut root = Node::Unseen;
    let mut walk = Walk::default();
    for _ in 0..RUNS {
        let before = walk.progress;
        probe(&mut root, &mut walk);
        if walk.progress == before {
            break;
        }
    }
    name(&mut root);
    let mut shape = root.to_string();
    if shape.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| shape.is_char_boundary(*at)).unwrap_or(0);
        shape.truncate(end);
        shape.push('…');
    }
    shape
}

/// What is known of a type.
#[derive(Debug, Default)]
enum Node {
    /// Not asked for yet, or never reached.
    #[default]
    Unseen,
    /// By its name, and which of the small values it took.
    Plain(&'static str, usize),
    Option(Box<Choice>),
    Sequence(Box<Node>),
    Map(Box<(Node, Choice)>),
    Tuple(Vec<Node>),
    Struct(&'static str, Vec<(Names, Node)>),
    Enum(&'static str, Vec<(&'static str, Choice)>),
    /// No contents: those of a variant that has none.
    Nothing,
    /// A type that contains itself.
    Recursive(&'static str),
}

/// What a field of a struct is called.
#[derive(Debug)]
struct Names {
    name: &'static str,
    /// Under which it is read, too.
    aliases: Vec<&'static str>,
    /// Whether a value without it can be read.
    optional: bool,
}

impl Names {
    const fn one(name: &'static str) -> Self {
        Self { name, aliases: Vec::new(), optional: false }
    }
}

/// One way in which a value may continue.
#[derive(Debug, Default)]
struct Choice {
    node: Node,
    /// There is no such way: a variant that is another name of one before it.
    invalid: bool,
    /// Nothing more can be found out about it.
    settled: bool,
    /// The type took it, the last time it was tried.
    taken: bool,
}

impl Choice {
    /// Takes note of how a try ended, and whether anything was learned by it.
    fn tried(&mut self, taken: bool, learned: bool, walk: &mut Walk) {
        self.taken = taken;
        if !self.settled && (!learned || (taken && !self.node.is_open())) {
            self.settled = true;
            walk.progress += 1;
        }
    }
}

impl Node {
    /// Whether there is a choice below that has not been settled.
    fn is_open(&self) -> bool {
        let open = |choice: &Choice| !choice.settled || choice.node.is_open();
        match self {
            Self::Unseen | Self::Plain(..) | Self::Nothing | Self::Recursive(_) => false,
            Self::Option(some) => open(some),
            Self::Sequence(element) => element.is_open(),
            Self::Map(entry) => entry.0.is_open() || open(&entry.1),
            Self::Tuple(parts) => parts.iter().any(Self::is_open),
            Self::Struct(_, fields) => fields.iter().any(|(_, field)| field.is_open()),
            Self::Enum(_, variants) => variants.iter().any(|(_, variant)| open(variant)),
        }
    }

    /// Whether a type of this name is said to be contained again.
    fn repeats(&self, name: &str) -> bool {
        match self {
            Self::Unseen | Self::Plain(..) | Self::Nothing => false,
            Self::Recursive(again) => *again == name,
            Self::Option(some) => some.node.repeats(name),
            Self::Sequence(element) => element.repeats(name),
            Self::Map(entry) => entry.0.repeats(name) || entry.1.node.repeats(name),
            Self::Tuple(parts) => parts.iter().any(|part| part.repeats(name)),
            Self::Struct(_, fields) => fields.iter().any(|(_, field)| field.repeats(name)),
            Self::Enum(_, variants) => variants.iter().any(|(_, variant)| variant.node.repeats(name)),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unseen => f.write_char('…'),
            Self::Plain(name, _) => f.write_str(name),
            Self::Option(some) => write!(f, "?{}", some.node),
            Self::Sequence(element) => write!(f, "[{element}]"),
            Self::Map(entry) => write!(f, "[{}: {}]", entry.0, entry.1.node),
            Self::Tuple(parts) => {
                f.write_char('(')?;
                for (at, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if at == 0 { "" } else { ", " })?;
                }
                f.write_char(')')
            }
            Self::Struct(name, fields) => {
                let name = if fields.iter().any(|(_, field)| field.repeats(name)) { name } else { "" };
                write!(f, "{name}{{")?;
                for (at, (names, node)) in fields.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", " }, names.name)?;
                    names.aliases.iter().try_for_each(|alias| write!(f, "/{alias}"))?;
                    write!(f, "{}: {node}", if names.optional { "=" } else { "" })?;
                }
                f.write_char('}')
            }
            // Which names are those of one variant cannot be found out.
            Self::Enum(_, variants) if variants.iter().any(|(_, variant)| variant.invalid) => f.write_char('…'),
            Self::Enum(name, variants) => {
                let name = if variants.iter().any(|(_, variant)| variant.node.repeats(name)) { name } else { "" };
                write!(f, "{name}<")?;
                for (at, (variant, choice)) in variants.iter().enumerate() {
                    write!(f, "{}{variant}", if at == 0 { "" } else { "|" })?;
                    if !matches!(choice.node, Self::Nothing) {
                        write!(f, ": {}", choice.node)?;
                    }
                }
                f.write_char('>')
            }
            Self::Nothing => Ok(()),
            Self::Recursive(name) => write!(f, "{name}…"),
        }
    }
}

#[cfg(test)]
mod tests;
