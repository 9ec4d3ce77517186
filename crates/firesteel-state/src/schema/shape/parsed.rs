//! A recorded shape, read back from its text.

use std::fmt;
use std::str::FromStr;

use firesteel_error::{Class, codes};

/// What bytes of a type look like, as far as the type told: a [`TypeTag`](super::super::TypeTag)'s shape, taken apart.
///
/// ```
/// use firesteel_state::schema::Shape;
///
/// let shape: Shape = "{card: u64, note=: ?str}".parse()?;
/// assert!(shape.is_whole());
/// # Ok::<(), firesteel_state::schema::NoShape>(())
/// ```
///
/// How a shape is written is in `docs/formats.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Without contents.
    Unit,
    /// A number, a text, a truth value, bytes: by its name.
    Plain(Plain),
    /// A value or none.
    Option(Box<Shape>),
    /// Any number of elements.
    Sequence(Box<Shape>),
    /// Keys with values.
    Map(Box<Shape>, Box<Shape>),
    /// Parts without names.
    Tuple(Vec<Shape>),
    /// Fields, and the name of the type if it contains itself.
    Struct(String, Vec<Field>),
    /// Variants with their contents, and the name of the type if it contains itself.
    Enum(String, Vec<(String, Option<Shape>)>),
    /// The struct or enum of this name around it.
    Recursive(String),
    /// The type did not tell.
    Unknown,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Other names under which it is read.
    pub aliases: Vec<String>,
    /// Whether a value without it can be read: it has a default, or is an option.
    pub optional: bool,
    /// What it holds.
    pub shape: Shape,
}

macro_rules! plain {
    ($($name:ident $text:literal,)*) => {
        /// A type that has no parts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is named after its type")]
        pub enum Plain { $($name,)* }

        impl Plain {
            /// Its name in a shape.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            fn named(name: &str) -> Option<Self> {
                Some(match name { $($text => Self::$name,)* _ => return None })
            }
        }
    };
}

plain! {
    Bool "bool", U8 "u8", U16 "u16", U32 "u32", U64 "u64", U128 "u128", I8 "i8", I16 "i16", I32 "i32", I64 "i64",
    I128 "i128", F32 "f32", F64 "f64", Char "char", Text "str", Bytes "bytes", Time "time", Span "span",
}

impl Shape {
    /// Whether everything about the type is known.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Unit | Self::Plain(_) | Self::Recursive(_) => true,
            Self::Option(inner) | Self::Sequence(inner) => inner.is_whole(),
            Self::Map(key, value) => key.is_whole() && value.is_whole(),
            Self::Tuple(parts) => parts.iter().all(Self::is_whole),
            Self::Struct(_, fields) => fields.iter().all(|field| field.shape.is_whole()),
            Self::Enum(_, variants) => variants.iter().flat_map(|(_, contents)| contents).all(Self::is_whole),
        }
    }

    /// Whether bytes of the one mean the same as bytes of the other. Defaults and other names do not matter.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unit, Self::Unit) | (Self::Unknown, Self::Unknown) => true,
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Recursive(one), Self::Recursive(other)) => one == other,
            (Self::Option(one), Self::Option(other)) | (Self::Sequence(one), Self::Sequence(other)) => {
                one.is_same(other)
            }
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                key.is_same(other_key) && value.is_same(other_value)
            }
            (Self::Tuple(one), Self::Tuple(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same(other))
            }
            (Self::Struct(name, one), Self::Struct(other_name, other)) => {
                let same = |(one, other): (&Field, &Field)| one.name == other.name && one.shape.is_same(&other.shape);
                name == other_name && one.len() == other.len() && one.iter().zip(other).all(same)
            }
            (Self::Enum(name, one), Self::Enum(other_name, other)) => {
                let contents = |one: &Option<Self>, other: &Option<Self>| match (one, other) {
                    (Some(one), Some(other)) => one.is_same(other),
                    (one, other) => one.is_none() && other.is_none(),
                };
                let mut pairs = one.iter().zip(other);
                name == other_name
                    && one.len() == other.len()
                    && pairs.all(|((name, one), (other_name, other))| name == other_name && contents(one, other))
            }
            _ => false,
        }
    }

    /// Whether it says nothing of what is around it.
    pub(in super::super) fn is_closed(&self) -> bool {
        self.is_closed_in(&mut vec![])
    }

    fn is_closed_in<'a>(&'a self, around: &mut Vec<&'a str>) -> bool {
        match self {
            Self::Unit | Self::Plain(_) | Self::Unknown => true,
            Self::Recursive(name) => around.contains(&name.as_str()),
            Self::Option(inner) | Self::Sequence(inner) => inner.is_closed_in(around),
            Self::Map(key, value) => key.is_closed_in(around) && value.is_closed_in(around),
            Self::Tuple(parts) => parts.iter().all(|part| part.is_closed_in(around)),
            Self::Struct(name, fields) => {
                around.push(name);
                let closed = fields.iter().all(|field| field.shape.is_closed_in(around));
                around.pop();
                closed
            }
            Self::Enum(name, variants) => {
                around.push(name);
                let closed = variants.iter().flat_map(|(_, contents)| contents).all(|some| some.is_closed_in(around));
                around.pop();
                closed
            }
        }
    }

    /// What it is, in a word or two.
    pub(in super::super) fn kind(&self) -> String {
        match self {
            Self::Unit => "()".into(),
            Self::Plain(plain) => plain.name().into(),
            Self::Option(inner) => format!("Option of {}", inner.kind()),
            Self::Sequence(_) => "a sequence".into(),
            Self::Map(..) => "a map".into(),
            Self::Tuple(parts) => format!("a tuple of {}", parts.len()),
            Self::Struct(..) => "a struct".into(),
            Self::Enum(..) => "an enum".into(),
            Self::Recursive(name) => name.clone(),
            Self::Unknown => "unknown".into(),
        }
    }
}

impl fmt::Display for Shape {
    /// As people read it: without defaults and other names, which say nothing of what is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = |at: usize, separator: &'static str| if at == 0 { "" } else { separator };
        match self {
            Self::Unit => f.write_str("()"),
            Self::Plain(plain) => f.write_str(plain.name()),
            Self::Option(some) => write!(f, "?{some}"),
            Self::Sequence(element) => write!(f, "[{element}]"),
            Self::Map(key, value) => write!(f, "[{key}: {value}]"),
            Self::Tuple(parts) => {
                f.write_str("(")?;
                for (at, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", separator(at, ", "))?;
                }
                f.write_str(")")
            }
            Self::Struct(name, fields) => {
                write!(f, "{name}{{")?;
                for (at, field) in fields.iter().enumerate() {
                    write!(f, "{}{}: {}", separator(at, ", "), field.name, field.shape)?;
                }
                f.write_str("}")
            }
            Self::Enum(name, variants) => {
                write!(f, "{name}<")?;
                for (at, (variant, contents)) in variants.iter().enumerate() {
                    write!(f, "{}{variant}", separator(at, "|"))?;
                    if let Some(contents) = contents {
                        write!(f, ": {contents}")?;
                    }
                }
                f.write_str(">")
            }
            Self::Recursive(name) => write!(f, "{name}…"),
            Self::Unknown => f.write_str("…"),
        }
    }
}

/// A text that is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FS-T016: `{shape}` cannot be read as a shape from byte {at} on: write it as a checkpoint shows it")]
pub struct NoShape {
    shape: String,
    at: usize,
}

codes!(NoShape = "FS-T016");

impl NoShape {
    /// What may be done about it: this text is at fault.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Record
    }

    /// The first byte that fits no shape.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl FromStr for Shape {
    type Err = NoShape;

    fn from_str(text: &str) -> Result<Self, NoShape> {
        let mut parser = Parser { text, at: 0 };
        match parser.shape(0) {
            Some(shape) if parser.rest().is_empty() => Ok(shape),
            _ => Err(NoShape { shape: text.to_owned(), at: parser.at }),
        }
    }
}

/// Shapes nest less deep than this.
const DEPTH: usize = 200;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether this comes next; if so, it is passed over.
    fn takes(&mut self, token: &str) -> bool {
        let next = self.rest().starts_with(token);
        if next {
            self.at += token.len();
        }
        next
    }

    /// Everything before the first of these characters, which is not taken.
    fn until(&mut self, ends: &[char]) -> Option<&'a str> {
        let rest = self.rest();
        let taken = &rest[..rest.find(ends)?];
        self.at += taken.len();
        Some(taken)
    }

    fn shape(&mut self, depth: usize) -> Option<Shape> {
        if depth > DEPTH {
            return None;
        }
        if self.takes("…") {
            return Some(Shape::Unknown);
        }
        if self.takes("?") {
            return Some(match self.shape(depth + 1)? {
                // What the type asked for was whatever comes.
                Shape::Unknown => Shape::Unknown,
                some => Shape::Option(Box::new(some)),
            });
        }
        if self.takes("[") {
            let first = Box::new(self.shape(depth + 1)?);
            let value = if self.takes(": ") { Some(Box::new(self.shape(depth + 1)?)) } else { None };
            let shape = match value {
                Some(value) => Shape::Map(first, value),
                None => Shape::Sequence(first),
            };
            return self.takes("]").then_some(shape);
        }
        if self.takes("()") {
            return Some(Shape::Unit);
        }
        if self.takes("(") {
            let mut parts = vec![self.shape(depth + 1)?];
            while self.takes(", ") {
                parts.push(self.shape(depth + 1)?);
            }
            return self.takes(")").then_some(Shape::Tuple(parts));
        }
        self.named(depth)
    }

    /// What begins with a name, or could.
    fn named(&mut self, depth: usize) -> Option<Shape> {
        let rest = self.rest();
        let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        self.at += name.len();
        if self.takes("{") {
            return self.fields(name, depth);
        }
        if self.takes("<") {
            return self.variants(name, depth);
        }
        if !name.is_empty() && self.takes("…") {
            return Some(Shape::Recursive(name.to_owned()));
        }
        Plain::named(name).map(Shape::Plain)
    }

    fn fields(&mut self, name: &str, depth: usize) -> Option<Shape> {
        let mut fields = vec![];
        while !self.takes("}") {
            if !fields.is_empty() && !self.takes(", ") {
                return None;
            }
            let names = self.until(&[':', '}'])?;
            if !self.takes(": ") {
                return None;
            }
            let (names, optional) = names.strip_suffix('=').map_or((names, false), |names| (names, true));
            let mut names = names.split('/').map(str::to_owned);
            let name = names.next()?;
            fields.push(Field { name, aliases: names.collect(), optional, shape: self.shape(depth + 1)? });
        }
        Some(Shape::Struct(name.to_owned(), fields))
    }

    fn variants(&mut self, name: &str, depth: usize) -> Option<Shape> {
        let mut variants = vec![];
        while !self.takes(">") {
            if !variants.is_empty() && !self.takes("|") {
                return None;
            }
            let variant = self.until(&[':', '|', '>'])?.to_owned();
            let contents = if self.takes(": ") { Some(self.shape(depth + 1)?) } else { None };
            variants.push((variant, contents));
        }
        Some(Shape::Enum(name.to_owned(), variants))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_shape_is_refused_where_it_ceases_to_be_one() {
        for (text, at) in [
            ("", 0),
            ("u7", 2),
            ("{a: u8", 6),
            ("{a u8}", 5),
            ("[u8: u8", 7),
            ("<A|B: >", 6),
            ("(u8,u8)", 3),
            ("u8 ", 2),
            ("Name", 4),
        ] {
            assert_eq!(text.parse::<Shape>().unwrap_err().at(), at, "{text}");
        }
        assert!("?".repeat(100_000).parse::<Shape>().is_err());
    }

    #[test]
    fn a_shape_that_was_cut_is_known_up_to_there() {
        assert_eq!("?…".parse(), Ok(Shape::Unknown));
        let field = |name: &str, shape| Field { name: name.to_owned(), aliases: vec![], optional: false, shape };
        let known = Shape::Struct(String::new(), vec![field("a", Shape::Unit), field("b", Shape::Unknown)]);
        assert_eq!("{a: (), b: …}".parse(), Ok(known));
    }

    #[test]
    fn a_field_tells_its_other_names_and_whether_it_may_be_missing() {
        let shape: Shape = "{zip/code/plz=: u64}".parse().unwrap();
        let aliases = vec!["code".to_owned(), "plz".to_owned()];
        let zip = Field { name: "zip".into(), aliases, optional: true, shape: Shape::Plain(Plain::U64) };
        assert_eq!(shape, Shape::Struct(String::new(), vec![zip]));
        assert!(shape.is_same(&"{zip: u64}".parse().unwrap()), "bytes are the same");
        let text = "([Tree{value=: u8, by: [str: [Tree…]], kind/sort: <A|B: (?f32, ())>}], time)";
        let shown = "([Tree{value: u8, by: [str: [Tree…]], kind: <A|B: (?f32, ())>}], time)";
        assert_eq!(text.parse::<Shape>().unwrap().to_string(), shown);
    }
}
