//! Random shapes, random values of them, random legal edits: what the reader makes of the bytes is what the edits make of
//! the value.

// Long file: a type whose shape is a value, with all that serde asks of a type, and the edits of it.

use std::fmt;

use proptest::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::super::read::read_seed;
use super::super::rule::Comparison;
use crate::schema::shape::{Field, Plain, Shape};
use crate::wire::put_varint;

/// A value of any shape.
#[derive(Debug, Clone, PartialEq)]
enum Dynamic {
    Unsigned(u128),
    Signed(i128),
    F32(f32),
    F64(f64),
    Text(String),
    None,
    Some(Box<Dynamic>),
    List(Vec<Dynamic>),
    Map(Vec<(Dynamic, Dynamic)>),
    Struct(Vec<(String, Dynamic)>),
    Variant(String, Option<Box<Dynamic>>),
}

/// Shapes and values are made of random numbers, so that one strategy does for both.
struct Dice<'a>(std::slice::Iter<'a, u32>);

impl Dice<'_> {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0.next().map_or(0, |number| number % sides)
    }
}

const NUMBERS: [Plain; 11] = [
    Plain::U8,
    Plain::U16,
    Plain::U32,
    Plain::U64,
    Plain::U128,
    Plain::I8,
    Plain::I16,
    Plain::I32,
    Plain::I64,
    Plain::I128,
    Plain::F32,
];

fn shape(dice: &mut Dice<'_>, depth: u32) -> Shape {
    let inner = |dice: &mut Dice<'_>| Box::new(shape(dice, depth - 1));
    match dice.roll(if depth == 0 { 2 } else { 9 }) {
        0 => Shape::Plain(NUMBERS[dice.roll(11) as usize]),
        1 => Shape::Plain(Plain::Text),
        2 => Shape::Option(inner(dice)),
        3 => Shape::Sequence(inner(dice)),
        4 => Shape::Map(Box::new(Shape::Plain(Plain::Text)), inner(dice)),
        5 => Shape::Tuple((0..=dice.roll(3)).map(|_| *inner(dice)).collect()),
        6 => {
            let contents = |dice: &mut Dice<'_>| (dice.roll(2) == 0).then(|| *inner(dice));
            let variants = (0..=dice.roll(3)).map(|at| (format!("V{at}"), contents(dice)));
            Shape::Enum(String::new(), variants.collect())
        }
        _ => Shape::Struct(String::new(), (0..dice.roll(5)).map(|at| field(&format!("f{at}"), *inner(dice))).collect()),
    }
}

fn field(name: &str, shape: Shape) -> Field {
    Field { name: name.to_owned(), aliases: vec![], optional: false, shape }
}

fn value(shape: &Shape, dice: &mut Dice<'_>) -> Dynamic {
    match shape {
        Shape::Plain(Plain::Text) => Dynamic::Text("x".repeat(dice.roll(3) as usize)),
        Shape::Plain(Plain::F32) => Dynamic::F32(dice.roll(1_000) as f32 / 8.0),
        Shape::Plain(Plain::F64) => Dynamic::F64(f64::from(dice.roll(1_000)) / 8.0),
        Shape::Plain(plain) => {
            let bits = match plain {
                Plain::U8 | Plain::I8 => 8,
                Plain::U16 | Plain::I16 => 16,
                Plain::U32 | Plain::I32 => 32,
                Plain::U64 | Plain::I64 => 64,
                _ => 128,
            };
            let random = (0..4).fold(0u128, |all, _| all << 32 | u128::from(dice.roll(u32::MAX)));
            match plain {
                Plain::U8 | Plain::U16 | Plain::U32 | Plain::U64 | Plain::U128 => {
                    Dynamic::Unsigned(random >> (128 - bits))
                }
                _ => Dynamic::Signed(random.cast_signed() >> (128 - bits)),
            }
        }
        Shape::Option(_) if dice.roll(3) == 0 => Dynamic::None,
        Shape::Option(some) => Dynamic::Some(Box::new(value(some, dice))),
        Shape::Sequence(element) => Dynamic::List((0..dice.roll(4)).map(|_| value(element, dice)).collect()),
        Shape::Map(key, of) => {
            let entries = (0..dice.roll(3)).map(|_| (value(key, dice), value(of, dice)));
            Dynamic::Map(entries.collect())
        }
        Shape::Tuple(parts) => Dynamic::List(parts.iter().map(|part| value(part, dice)).collect()),
        Shape::Struct(_, fields) => {
            Dynamic::Struct(fields.iter().map(|field| (field.name.clone(), value(&field.shape, dice))).collect())
        }
        Shape::Enum(_, variants) => {
            let (name, contents) = &variants[dice.roll(variants.len() as u32) as usize];
            Dynamic::Variant(name.clone(), contents.as_ref().map(|contents| Box::new(value(contents, dice))))
        }
        Shape::Unit | Shape::Recursive(_) | Shape::Unknown => unreachable!("no such shape is made"),
    }
}

/// What postcard writes.
fn encode(shape: &Shape, value: &Dynamic, out: &mut Vec<u8>) {
    match (shape, value) {
        (Shape::Plain(Plain::U8), Dynamic::Unsigned(number)) => out.push(*number as u8),
        (Shape::Plain(Plain::I8), Dynamic::Signed(number)) => out.push(*number as u8),
        (_, Dynamic::Unsigned(number)) => *out = postcard::to_extend(number, std::mem::take(out)).unwrap(),
        (_, Dynamic::Signed(number)) => *out = postcard::to_extend(number, std::mem::take(out)).unwrap(),
        (_, Dynamic::F32(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (_, Dynamic::F64(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (_, Dynamic::Text(text)) => {
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        (_, Dynamic::None) => out.push(0),
        (Shape::Option(shape), Dynamic::Some(some)) => {
            out.push(1);
            encode(shape, some, out);
        }
        (Shape::Sequence(shape), Dynamic::List(elements)) => {
            put_varint(out, elements.len() as u64);
            elements.iter().for_each(|element| encode(shape, element, out));
        }
        (Shape::Tuple(shapes), Dynamic::List(parts)) => {
            shapes.iter().zip(parts).for_each(|(shape, part)| encode(shape, part, out));
        }
        (Shape::Map(key, of), Dynamic::Map(entries)) => {
            put_varint(out, entries.len() as u64);
            for (one, other) in entries {
                encode(key, one, out);
                encode(of, other, out);
            }
        }
        (Shape::Struct(_, fields), Dynamic::Struct(values)) => {
            fields.iter().zip(values).for_each(|(field, (_, value))| encode(&field.shape, value, out));
        }
        (Shape::Enum(_, variants), Dynamic::Variant(name, contents)) => {
            let at = variants.iter().position(|(other, _)| other == name).unwrap();
            put_varint(out, at as u64);
            if let (Some(shape), Some(contents)) = (&variants[at].1, contents) {
                encode(shape, contents, out);
            }
        }
        (shape, value) => unreachable!("{value:?} is no {shape:?}"),
    }
}

/// A legal edit of a type.
type Edit = Box<dyn Fn(&Dynamic) -> Dynamic>;

/// Another shape, and what becomes of values.
fn edit(shape: &Shape, dice: &mut Dice<'_>) -> (Shape, Edit) {
    // Dice that are used up show zeros: they must not lead here again and again.
    if dice.roll(8) == 7 && !matches!(shape, Shape::Option(_)) {
        let (shape, inner) = edit(shape, dice);
        // An option of an option does not tell which of the two is none.
        if !matches!(shape, Shape::Option(_)) {
            return (Shape::Option(Box::new(shape)), Box::new(move |value| Dynamic::Some(Box::new(inner(value)))));
        }
    }
    match shape {
        Shape::Plain(plain) => {
            let (plain, to) = wider(*plain, dice);
            (Shape::Plain(plain), to)
        }
        Shape::Option(some) => {
            let (some, inner) = edit(some, dice);
            let map = move |value: &Dynamic| match value {
                Dynamic::Some(some) => Dynamic::Some(Box::new(inner(some))),
                other => other.clone(),
            };
            (Shape::Option(Box::new(some)), Box::new(map))
        }
        Shape::Sequence(element) => {
            let (element, inner) = edit(element, dice);
            let map = move |value: &Dynamic| match value {
                Dynamic::List(elements) => Dynamic::List(elements.iter().map(&inner).collect()),
                other => other.clone(),
            };
            (Shape::Sequence(Box::new(element)), Box::new(map))
        }
        Shape::Map(key, of) => {
            let (of, inner) = edit(of, dice);
            let map = move |value: &Dynamic| match value {
                Dynamic::Map(entries) => {
                    Dynamic::Map(entries.iter().map(|(key, value)| (key.clone(), inner(value))).collect())
                }
                other => other.clone(),
            };
            (Shape::Map(key.clone(), Box::new(of)), Box::new(map))
        }
        Shape::Tuple(parts) => {
            let (parts, inner): (Vec<_>, Vec<_>) = parts.iter().map(|part| edit(part, dice)).unzip();
            let map = move |value: &Dynamic| match value {
                Dynamic::List(parts) => {
                    Dynamic::List(parts.iter().zip(&inner).map(|(part, edit)| edit(part)).collect())
                }
                other => other.clone(),
            };
            (Shape::Tuple(parts), Box::new(map))
        }
        Shape::Struct(_, fields) => edit_fields(fields, dice),
        Shape::Enum(_, variants) => edit_variants(variants, dice),
        Shape::Unit | Shape::Recursive(_) | Shape::Unknown => unreachable!("no such shape is made"),
    }
}

fn wider(plain: Plain, dice: &mut Dice<'_>) -> (Plain, Edit) {
    use Plain::{F32, F64, I8, I16, I32, I64, I128, U8, U16, U32, U64, U128};
    let wider: &[Plain] = match plain {
        U8 => &[U16, U32, U64, U128, I16, I32, I64, I128],
        U16 => &[U32, U64, U128, I32, I64, I128],
        U32 => &[U64, U128, I64, I128],
        U64 => &[U128, I128],
        I8 => &[I16, I32, I64, I128],
        I16 => &[I32, I64, I128],
        I32 => &[I64, I128],
        I64 => &[I128],
        F32 => &[F64],
        _ => &[],
    };
    let Some(to) = wider.get(dice.roll(10) as usize) else { return (plain, Box::new(Clone::clone)) };
    let signed = matches!(to, I16 | I32 | I64 | I128);
    let map = move |value: &Dynamic| match value {
        Dynamic::Unsigned(number) if signed => Dynamic::Signed(number.cast_signed()),
        Dynamic::F32(number) => Dynamic::F64((*number).into()),
        other => other.clone(),
    };
    (*to, Box::new(map))
}

fn edit_fields(fields: &[Field], dice: &mut Dice<'_>) -> (Shape, Edit) {
    let mut edited: Vec<(Field, Option<(String, Edit)>)> = vec![];
    for old in fields {
        if dice.roll(5) == 0 {
            continue;
        }
        let (shape, inner) = edit(&old.shape, dice);
        let mut new = field(&old.name, shape);
        if dice.roll(5) == 0 {
            new.aliases.push(std::mem::replace(&mut new.name, format!("{}_new", old.name)));
        }
        new.optional = dice.roll(2) == 0;
        edited.push((new, Some((old.name.clone(), inner))));
    }
    for number in 0..dice.roll(3) {
        let new = Field { optional: true, ..field(&format!("added{number}"), Shape::Plain(Plain::U8)) };
        edited.insert(dice.roll(edited.len() as u32 + 1) as usize, (new, None));
    }
    if edited.len() > 1 && dice.roll(3) == 0 {
        edited.rotate_left(1);
    }
    let shape = Shape::Struct(String::new(), edited.iter().map(|(field, _)| field.clone()).collect());
    let map = move |value: &Dynamic| {
        let Dynamic::Struct(values) = value else { return value.clone() };
        let fields = edited.iter().map(|(field, from)| {
            let value = match from {
                Some((name, inner)) => inner(&values.iter().find(|(other, _)| other == name).unwrap().1),
                None => Dynamic::Unsigned(77),
            };
            (field.name.clone(), value)
        });
        Dynamic::Struct(fields.collect())
    };
    (shape, Box::new(map))
}

fn edit_variants(variants: &[(String, Option<Shape>)], dice: &mut Dice<'_>) -> (Shape, Edit) {
    let mut edits: Vec<(String, Option<Edit>)> = vec![];
    let mut shapes = vec![];
    for (name, contents) in variants {
        let (contents, inner) = match contents.as_ref().map(|contents| edit(contents, dice)) {
            Some((contents, inner)) => (Some(contents), Some(inner)),
            None => (None, None),
        };
        edits.push((name.clone(), inner));
        shapes.push((name.clone(), contents));
    }
    for number in 0..dice.roll(3) {
        let at = dice.roll(shapes.len() as u32 + 1) as usize;
        shapes.insert(at, (format!("Added{number}"), None));
    }
    if dice.roll(3) == 0 {
        shapes.rotate_left(1);
    }
    let map = move |value: &Dynamic| {
        let Dynamic::Variant(name, contents) = value else { return value.clone() };
        let edit = edits.iter().find(|(other, _)| other == name).and_then(|(_, edit)| edit.as_ref());
        let contents =
            contents.as_ref().map(|contents| Box::new(edit.map_or(*contents.clone(), |edit| edit(contents))));
        Dynamic::Variant(name.clone(), contents)
    };
    (Shape::Enum(String::new(), shapes), Box::new(map))
}

/// Reads a value as a type of the shape does that was derived.
#[derive(Clone, Copy)]
struct As<'s>(&'s Shape);

impl<'de> DeserializeSeed<'de> for As<'_> {
    type Value = Dynamic;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Dynamic, D::Error> {
        match self.0 {
            Shape::Plain(plain) => match plain {
                Plain::U8 => from.deserialize_u8(self),
                Plain::U16 => from.deserialize_u16(self),
                Plain::U32 => from.deserialize_u32(self),
                Plain::U64 => from.deserialize_u64(self),
                Plain::U128 => from.deserialize_u128(self),
                Plain::I8 => from.deserialize_i8(self),
                Plain::I16 => from.deserialize_i16(self),
                Plain::I32 => from.deserialize_i32(self),
                Plain::I64 => from.deserialize_i64(self),
                Plain::I128 => from.deserialize_i128(self),
                Plain::F32 => from.deserialize_f32(self),
                Plain::F64 => from.deserialize_f64(self),
                _ => from.deserialize_string(self),
            },
            Shape::Option(_) => from.deserialize_option(self),
            Shape::Sequence(_) => from.deserialize_seq(self),
            Shape::Map(..) => from.deserialize_map(self),
            Shape::Tuple(parts) => from.deserialize_tuple(parts.len(), self),
            // Where bytes are read in order, it matters how many there are, not what they are called.
            Shape::Struct(_, fields) => from.deserialize_struct("", &["f"; 16][..fields.len()], self),
            Shape::Enum(..) => from.deserialize_enum("", &[], self),
            Shape::Unit | Shape::Recursive(_) | Shape::Unknown => unreachable!("no such shape is made"),
        }
    }
}

/// The name of a field or variant, or its number.
struct Name<'s>(Vec<&'s str>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<String, E> {
        Ok(name.to_owned())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
        let name = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        name.map(|name| (*name).to_owned()).ok_or_else(|| E::custom("there is no such variant"))
    }
}

macro_rules! numbers {
    ($($visit:ident $number:ty => $variant:ident,)*) => {
        $(fn $visit<E: serde::de::Error>(self, number: $number) -> Result<Dynamic, E> {
            Ok(Dynamic::$variant(number.into()))
        })*
    };
}

impl<'de> Visitor<'de> for As<'_> {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }

    numbers! {
        visit_u8 u8 => Unsigned,
        visit_u16 u16 => Unsigned,
        visit_u32 u32 => Unsigned,
        visit_u64 u64 => Unsigned,
        visit_u128 u128 => Unsigned,
        visit_i8 i8 => Signed,
        visit_i16 i16 => Signed,
        visit_i32 i32 => Signed,
        visit_i64 i64 => Signed,
        visit_i128 i128 => Signed,
        visit_f32 f32 => F32,
        visit_f64 f64 => F64,
        visit_str &str => Text,
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Dynamic, D::Error> {
        let Shape::Option(some) = self.0 else { unreachable!("only options are asked for as such") };
        Ok(Dynamic::Some(Box::new(As(some).deserialize(from)?)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Dynamic, A::Error> {
        let mut elements = vec![];
        match self.0 {
            Shape::Sequence(element) => {
                while let Some(element) = from.next_element_seed(As(element))? {
                    // Elements without bytes, of which changed bytes may say that there are any number.
                    if elements.len() > 20_000 {
                        return Err(serde::de::Error::custom("too many"));
                    }
                    elements.push(element);
                }
            }
            Shape::Tuple(parts) => {
                for part in parts {
                    elements.extend(from.next_element_seed(As(part))?);
                }
            }
            Shape::Struct(_, fields) => {
                let mut values = vec![];
                for field in fields {
                    let value = from.next_element_seed(As(&field.shape))?;
                    values.extend(value.map(|value| (field.name.clone(), value)));
                }
                return Ok(Dynamic::Struct(values));
            }
            _ => unreachable!("nothing else is asked for as a sequence"),
        }
        Ok(Dynamic::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Dynamic, A::Error> {
        match self.0 {
            Shape::Map(key, of) => {
                let mut entries = vec![];
                while let Some(key) = from.next_key_seed(As(key))? {
                    entries.push((key, from.next_value_seed(As(of))?));
                }
                Ok(Dynamic::Map(entries))
            }
            Shape::Struct(_, fields) => {
                let mut values: Vec<Option<Dynamic>> = vec![None; fields.len()];
                while let Some(name) = from.next_key_seed(Name(vec![]))? {
                    let at =
                        fields.iter().position(|field| field.name == name || field.aliases.contains(&name)).unwrap();
                    values[at] = Some(from.next_value_seed(As(&fields[at].shape))?);
                }
                let values = fields
                    .iter()
                    .zip(values)
                    .map(|(field, value)| (field.name.clone(), value.unwrap_or(Dynamic::Unsigned(77))));
                Ok(Dynamic::Struct(values.collect()))
            }
            _ => unreachable!("nothing else is asked for as a map"),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, from: A) -> Result<Dynamic, A::Error> {
        let Shape::Enum(_, variants) = self.0 else { unreachable!("only enums are asked for as such") };
        let (name, contents) = from.variant_seed(Name(variants.iter().map(|(name, _)| name.as_str()).collect()))?;
        let shape = variants.iter().find(|(other, _)| *other == name).and_then(|(_, shape)| shape.as_ref());
        let contents = match shape {
            None => {
                contents.unit_variant()?;
                None
            }
            Some(shape @ Shape::Tuple(parts)) => Some(contents.tuple_variant(parts.len(), As(shape))?),
            Some(shape @ Shape::Struct(_, fields)) => {
                Some(contents.struct_variant(&["f"; 16][..fields.len()], As(shape))?)
            }
            Some(shape) => Some(contents.newtype_variant_seed(As(shape))?),
        };
        Ok(Dynamic::Variant(name, contents.map(Box::new)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn values_survive_any_legal_edits(numbers in prop::collection::vec(any::<u32>(), 1..300)) {
        let dice = &mut Dice(numbers.iter());
        let stored = shape(dice, 3);
        let (declared, change) = edit(&stored, dice);
        let value = value(&stored, dice);
        let mut bytes = vec![];
        encode(&stored, &value, &mut bytes);
        let mut comparison = Comparison::default();
        let plan = comparison.plan(&stored, &declared);
        prop_assert!(plan.is_ok(), "{plan:?}: {stored:?} to {declared:?}");
        let plan = plan.unwrap();
        let read = read_seed(As(&declared), &plan, &stored, &bytes);
        prop_assert!(read.is_ok(), "{read:?}: {stored:?} to {declared:?}");
        prop_assert_eq!(read.unwrap(), change(&value));
        prop_assert_eq!(comparison.changes.is_empty(), stored.is_same(&declared), "{:?}", comparison.changes);
        // No bytes make it panic, or take long.
        for cut in 0..bytes.len() {
            prop_assert!(read_seed(As(&declared), &plan, &stored, &bytes[..cut]).is_err());
            let mut other = bytes.clone();
            other[cut] ^= 1 << (numbers[0] % 8);
            _ = read_seed(As(&declared), &plan, &stored, &other);
        }
    }
}
