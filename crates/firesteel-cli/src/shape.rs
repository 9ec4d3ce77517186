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

use firesteel_state::schema;
pub use firesteel_state::schema::NoShape;

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

impl FromStr for Shape {
    type Err = NoShape;

    fn from_str(text: &str) -> Result<Self, NoShape> {
        text.parse::<schema::Shape>().map(|shape| Self::from(&shape))
    }
}

impl From<&schema::Shape> for Shape {
    /// What matters of a shape to who shows values: not which fields have defaults, nor their other names.
    fn from(shape: &schema::Shape) -> Self {
        let boxed = |shape: &schema::Shape| Box::new(Self::from(shape));
        match shape {
            schema::Shape::Unit => Self::Unit,
            schema::Shape::Plain(plain) => Self::Plain((*plain).into()),
            schema::Shape::Option(some) => Self::Option(boxed(some)),
            schema::Shape::Sequence(element) => Self::Sequence(boxed(element)),
            schema::Shape::Map(key, value) => Self::Map(boxed(key), boxed(value)),
            schema::Shape::Tuple(parts) => Self::Tuple(parts.iter().map(Self::from).collect()),
            schema::Shape::Struct(name, fields) => {
                let fields = fields.iter().map(|field| (field.name.clone(), Self::from(&field.shape)));
                Self::Struct(name.clone(), fields.collect())
            }
            schema::Shape::Enum(name, variants) => {
                let variants = variants.iter().map(|(name, some)| (name.clone(), some.as_ref().map(Self::from)));
                Self::Enum(name.clone(), variants.collect())
            }
            schema::Shape::Again(name) => Self::Again(name.clone()),
            schema::Shape::Unknown => Self::Unknown,
        }
    }
}

impl From<schema::Plain> for Plain {
    fn from(plain: schema::Plain) -> Self {
        match plain {
            schema::Plain::Bool => Self::Bool,
            schema::Plain::U8 => Self::U8,
            schema::Plain::I8 => Self::I8,
            schema::Plain::U16 | schema::Plain::U32 | schema::Plain::U64 | schema::Plain::U128 => Self::Unsigned,
            schema::Plain::I16 | schema::Plain::I32 | schema::Plain::I64 | schema::Plain::I128 => Self::Signed,
            schema::Plain::F32 => Self::F32,
            schema::Plain::F64 => Self::F64,
            schema::Plain::Char => Self::Char,
            schema::Plain::Text => Self::Text,
            schema::Plain::Bytes => Self::Bytes,
            schema::Plain::Time => Self::Time,
            schema::Plain::Span => Self::Span,
        }
    }
}
