//! What fields of structs are called, and which of them may be missing: found out by handing over some of them by name.
//!
//! A type that is derived says `missing_field` of the first field it cannot do without, and `duplicate_field` of one
//! that comes twice, under whichever of its names.

use std::cell::Cell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::probe::{bytes, text};
use super::{Names, Node};

/// So often a type is asked, at most.
const RUNS: usize = 4_000;

/// Finds the names of all fields in a type whose shape is known otherwise.
pub(super) fn find<T: DeserializeOwned>(root: &mut Node) {
    // How it ended is told where the fields were handed over.
    find_by(root, &|guide| _ = T::deserialize(guide));
}

/// The same, by what reads the type.
fn find_by(root: &mut Node, read: &dyn Fn(Guide<'_>)) {
    let mut paths = vec![];
    collect(root, &mut vec![], &mut paths);
    let mut left = RUNS;
    for path in paths {
        let mut ask = |keys: &[Key]| {
            left = left.checked_sub(1)?;
            let answer = Cell::new(Answer::Nothing);
            let trial = Trial { keys, answer: &answer };
            read(Guide { node: root, path: Some(&path), trial });
            Some(answer.get())
        };
        let Some(fields) = names_at(root, &path) else { continue };
        let Some(found) = groups(&fields, &mut ask).and_then(|groups| required(groups, &mut ask)) else { continue };
        if let Some(known) = node_mut(root, &path) {
            // As many as there are: other names stood beside the fields as if they were fields.
            let nodes = std::mem::take(known).into_iter().map(|(_, node)| node);
            *known = found.into_iter().zip(nodes).collect();
        }
    }
}

/// A field to be handed over: its name, and where it is among the fields; nowhere if it is only named.
type Key = (&'static str, Option<usize>);

/// The ways to all structs.
fn collect(node: &Node, path: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    let mut child = |at: usize, node: &Node| {
        path.push(at);
        collect(node, path, found);
        path.pop();
    };
    match node {
        Node::Option(some) => child(0, &some.node),
        Node::Sequence(element) => child(0, element),
        Node::Map(entry) => {
            child(0, &entry.0);
            child(1, &entry.1.node);
        }
        Node::Tuple(parts) => parts.iter().enumerate().for_each(|(at, part)| child(at, part)),
        Node::Struct(_, fields) => {
            fields.iter().enumerate().for_each(|(at, (_, field))| child(at, field));
            found.push(path.clone());
        }
        Node::Enum(_, variants) => variants.iter().enumerate().for_each(|(at, (_, some))| child(at, &some.node)),
        Node::Unseen | Node::Plain(..) | Node::Nothing | Node::Recursive(_) => {}
    }
}

/// The fields of the struct at the end of the way: their names, and whether they were seen.
fn names_at(node: &Node, path: &[usize]) -> Option<Vec<(&'static str, bool)>> {
    match (node, path) {
        (Node::Struct(_, fields), []) => {
            Some(fields.iter().map(|(names, node)| (names.name, !matches!(node, Node::Unseen))).collect())
        }
        (_, [at, rest @ ..]) => names_at(node.child(*at)?, rest),
        _ => None,
    }
}

fn node_mut<'a>(node: &'a mut Node, path: &[usize]) -> Option<&'a mut Vec<(Names, Node)>> {
    match (node, path) {
        (Node::Struct(_, fields), []) => Some(fields),
        (node, [at, rest @ ..]) => node_mut(node.child_mut(*at)?, rest),
        _ => None,
    }
}

/// The names of each field; `None` if it cannot be found out.
fn groups(names: &[(&'static str, bool)], ask: &mut impl FnMut(&[Key]) -> Option<Answer>) -> Option<Vec<Names>> {
    let mut groups: Vec<Names> = vec![];
    let mut first = None;
    let has_aliases = names.iter().any(|(_, seen)| !seen);
    for (name, _) in names {
        if let (Some(first), Some(group)) = (first, groups.len().checked_sub(1))
            && has_aliases
        {
            match ask(&[(first, Some(group)), (name, None)])? {
                Answer::Duplicate(canonical) => {
                    let group = &mut groups[group];
                    group.aliases.push(name);
                    if group.name != canonical {
                        group.aliases.push(std::mem::replace(&mut group.name, canonical));
                        group.aliases.retain(|alias| *alias != canonical);
                    }
                    continue;
                }
                Answer::Asked => {}
                _ => return None,
            }
        }
        groups.push(Names::one(name));
        first = Some(*name);
    }
    Some(groups)
}

/// The fields with a note of which may be missing.
fn required(mut fields: Vec<Names>, ask: &mut impl FnMut(&[Key]) -> Option<Answer>) -> Option<Vec<Names>> {
    let mut keys: Vec<Key> = vec![];
    loop {
        match ask(&keys)? {
            Answer::Taken => break,
            Answer::Missing(name) => {
                let at = fields.iter().position(|field| field.name == name)?;
                if keys.iter().any(|(known, _)| *known == name) {
                    return None;
                }
                keys.push((name, Some(at)));
            }
            _ => return None,
        }
    }
    for field in &mut fields {
        field.optional = !keys.iter().any(|(name, _)| *name == field.name);
    }
    Some(fields)
}

impl Node {
    fn child(&self, at: usize) -> Option<&Self> {
        match (self, at) {
            (Self::Option(some), 0) => Some(&some.node),
            (Self::Sequence(element), 0) => Some(element),
            (Self::Map(entry), 0) => Some(&entry.0),
            (Self::Map(entry), 1) => Some(&entry.1.node),
            (Self::Tuple(parts), at) => parts.get(at),
            (Self::Struct(_, fields), at) => fields.get(at).map(|(_, field)| field),
            (Self::Enum(_, variants), at) => variants.get(at).map(|(_, some)| &some.node),
            _ => None,
        }
    }

    fn child_mut(&mut self, at: usize) -> Option<&mut Self> {
        match (self, at) {
            (Self::Option(some), 0) => Some(&mut some.node),
            (Self::Sequence(element), 0) => Some(element),
            (Self::Map(entry), 0) => Some(&mut entry.0),
            (Self::Map(entry), 1) => Some(&mut entry.1.node),
            (Self::Tuple(parts), at) => parts.get_mut(at),
            (Self::Struct(_, fields), at) => fields.get_mut(at).map(|(_, field)| field),
            (Self::Enum(_, variants), at) => variants.get_mut(at).map(|(_, some)| &mut some.node),
            _ => None,
        }
    }
}

/// What a struct said to the fields it got.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    /// It was not reached, or refused a value.
    Nothing,
    /// It wanted the value of the field that was only named.
    Asked,
    Taken,
    Missing(&'static str),
    Duplicate(&'static str),
}

#[derive(Debug)]
struct Told(Answer);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that is not there cannot be read")
    }
}

impl std::error::Error for Told {}

impl serde::de::Error for Told {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Answer::Nothing)
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Answer::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(Answer::Duplicate(field))
    }
}

const NOTHING: Told = Told(Answer::Nothing);

#[derive(Clone, Copy)]
struct Trial<'a> {
    keys: &'a [Key],
    answer: &'a Cell<Answer>,
}

/// Stands for the value at one place: small, and on the way to the struct that is asked, if it is that way.
#[derive(Clone, Copy)]
struct Guide<'a> {
    node: &'a Node,
    path: Option<&'a [usize]>,
    trial: Trial<'a>,
}

impl<'a> Guide<'a> {
    fn child(self, at: usize) -> Result<Self, Told> {
        let path = match self.path {
            Some([next, rest @ ..]) if *next == at => Some(rest),
            _ => None,
        };
        Ok(Self { node: self.node.child(at).ok_or(NOTHING)?, path, ..self })
    }

    fn is_on_the_way(self) -> bool {
        self.path.is_some_and(|path| !path.is_empty())
    }

    /// Which of the small values the type takes here.
    const fn which(self) -> usize {
        match self.node {
            Node::Plain(_, which) => *which,
            _ => 0,
        }
    }

    fn parts(self) -> Parts<'a> {
        Parts { of: self, next: 0 }
    }
}

macro_rules! plain {
    ($($method:ident $visit:ident $small:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
            visitor.$visit($small)
        })*
    };
}

impl<'de> Deserializer<'de> for Guide<'_> {
    type Error = Told;

    plain! {
        deserialize_bool visit_bool false;
        deserialize_i8 visit_i8 0;
        deserialize_i16 visit_i16 0;
        deserialize_i32 visit_i32 0;
        deserialize_i64 visit_i64 0;
        deserialize_i128 visit_i128 0;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_u128 visit_u128 1;
        deserialize_f32 visit_f32 0.0;
        deserialize_f64 visit_f64 0.0;
        deserialize_char visit_char 'a';
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_str(text(self.which()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_str(text(self.which()))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_bytes(bytes(self.which()))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_bytes(bytes(self.which()))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Told> {
        Err(NOTHING)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        if self.is_on_the_way() { visitor.visit_some(self.child(0)?) } else { visitor.visit_none() }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        let next = usize::from(!self.is_on_the_way());
        visitor.visit_seq(Parts { of: self, next })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_seq(self.parts())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Told> {
        visitor.visit_seq(self.parts())
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_map(Entry { of: self, done: !self.is_on_the_way() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Told> {
        if self.path != Some(&[]) {
            return visitor.visit_seq(self.parts());
        }
        let answer = self.trial.answer;
        let result = visitor.visit_map(Fields { of: self, next: 0 });
        answer.set(match &result {
            Ok(_) => Answer::Taken,
            Err(Told(told)) => *told,
        });
        result
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Told> {
        let Node::Enum(_, variants) = self.node else { return Err(NOTHING) };
        let number = match self.path {
            Some([number, ..]) => *number,
            _ => variants.iter().position(|(_, variant)| variant.taken).ok_or(NOTHING)?,
        };
        visitor
            .visit_enum(Variant { number: u32::try_from(number).map_err(|_| NOTHING)?, contents: self.child(number)? })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_u64(0)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Parts<'a> {
    of: Guide<'a>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Told;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Told> {
        let Ok(part) = self.of.child(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(part).map(Some)
    }
}

struct Entry<'a> {
    of: Guide<'a>,
    done: bool,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Told;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Told> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        seed.deserialize(self.of.child(0)?).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Told> {
        seed.deserialize(self.of.child(1)?)
    }
}

/// The fields of the struct that is asked.
struct Fields<'a> {
    of: Guide<'a>,
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Told;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Told> {
        let Some((name, _)) = self.of.trial.keys.get(self.next) else { return Ok(None) };
        let name: StrDeserializer<'_, Told> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Told> {
        let key = self.of.trial.keys.get(self.next).ok_or(NOTHING)?;
        self.next += 1;
        match key.1 {
            // Small values of the fields stand off the way.
            Some(at) => seed.deserialize(Guide { path: None, ..self.of.child(at)? }),
            None => Err(Told(Answer::Asked)),
        }
    }
}

struct Variant<'a> {
    number: u32,
    contents: Guide<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Told;
    type Variant = Guide<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Guide<'a>), Told> {
        Ok((seed.deserialize(IntoDeserializer::<Told>::into_deserializer(self.number))?, self.contents))
    }
}

impl<'de> VariantAccess<'de> for Guide<'_> {
    type Error = Told;

    fn unit_variant(self) -> Result<(), Told> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Told> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Told> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Told> {
        self.deserialize_struct("", fields, visitor)
    }
}
