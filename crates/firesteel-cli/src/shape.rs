//! The recorded shape of a type, read back from its text.
//!
//! ```
//! use firesteel_cli::Shape;
//!
//! let shape: Shape = "{card: u64, note: ?str}".parse()?;
//! let bytes = [7, 1, 2, b'o', b'k'];
//! assert_eq!(shape.decode(&bytes).to_string(), r#"{card: 7, note: "ok"}"#);
//! # Ok::<(), firesteel_cli::NoShape>(())
//! ```
//!
//! How a shape is written is in `docs/formats.md`.

use std::str::FromStr;

/// What bytes of a type look like, as far as the type told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Without contents.
    Unit,
    /// A number, a text, a truth value, bytes: by its name.
    Plain(Plain),
    /// A value or none.
    Option(Box<Shape>),
    /// So many elements as there are.
    Sequence(Box<Shape>),
    /// Keys with values.
    Map(Box<Shape>, Box<Shape>),
    /// Parts without names.
    Tuple(Vec<Shape>),
    /// Fields, and the name of the type if it contains itself.
    Struct(String, Vec<(String, Shape)>),
    /// Variants with their contents, and the name of the type if it contains itself.
    Enum(String, Vec<(String, Option<Shape>)>),
    /// The struct or enum of this name around it.
    Again(String),
    /// The type did not tell.
    Unknown,
}

/// A type that has no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// `bool`
    Bool,
    /// `u8`: one byte as it is.
    U8,
    /// `i8`: one byte as it is.
    I8,
    /// `u16` to `u128`.
    Unsigned,
    /// `i16` to `i128`.
    Signed,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `str`
    Text,
    /// `bytes`
    Bytes,
    /// `time`: microseconds since 1970, of a [`Timestamp`](firesteel_window::Timestamp).
    Time,
    /// `span`: microseconds, of a [`Duration`](firesteel_window::Duration).
    Span,
}

/// A text that is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shape}` cannot be read as a shape from byte {at} on")]
pub struct NoShape {
    shape: String,
    at: usize,
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
            return Some(Shape::Again(name.to_owned()));
        }
        Some(Shape::Plain(match name {
            "bool" => Plain::Bool,
            "u8" => Plain::U8,
            "i8" => Plain::I8,
            "u16" | "u32" | "u64" | "u128" => Plain::Unsigned,
            "i16" | "i32" | "i64" | "i128" => Plain::Signed,
            "f32" => Plain::F32,
            "f64" => Plain::F64,
            "char" => Plain::Char,
            "str" => Plain::Text,
            "bytes" => Plain::Bytes,
            "time" => Plain::Time,
            "span" => Plain::Span,
            _ => return None,
        }))
    }

    fn fields(&mut self, name: &str, depth: usize) -> Option<Shape> {
        let mut fields = vec![];
        while !self.takes("}") {
            if !fields.is_empty() && !self.takes(", ") {
                return None;
            }
            let field = self.until(&[':', '}'])?.to_owned();
            if !self.takes(": ") {
                return None;
            }
            fields.push((field, self.shape(depth + 1)?));
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
            assert_eq!(text.parse::<Shape>().unwrap_err().at, at, "{text}");
        }
        assert!("?".repeat(100_000).parse::<Shape>().is_err());
    }

    #[test]
    fn a_shape_that_was_cut_is_known_up_to_there() {
        assert_eq!("?…".parse(), Ok(Shape::Unknown));
        let known = Shape::Struct(String::new(), vec![("a".into(), Shape::Unit), ("b".into(), Shape::Unknown)]);
        assert_eq!("{a: (), b: …}".parse(), Ok(known));
    }
}
