//! The schema that a type is written by.

use std::fmt::Write;

use crate::shape::{Member, Shape};

/// The schema of records of this shape, as text: the same for a type, whatever is in its records.
///
/// # Errors
/// The field that has no form, and why.
pub(super) fn schema(shape: &Shape, name: Option<&str>) -> Result<String, String> {
    let Shape::Struct(members) = shape else {
        return Err(
            "a record is a struct, with a field for each of its own; else write by a schema (`written_as`)".to_owned()
        );
    };
    let name = name.filter(|name| is_name(name)).unwrap_or("Record");
    record(members, &mut Path(vec![name.to_owned()]))
}

/// Where in a record something is. What needs a name takes it from there: so it has one of its own, and the same one whatever
/// else the type has.
struct Path(Vec<String>);

impl Path {
    fn within<R>(&mut self, name: &str, inside: impl FnOnce(&mut Self) -> R) -> R {
        self.0.push(name.to_owned());
        let inside = inside(self);
        self.0.pop();
        inside
    }

    /// The name, and the namespace below the record's own.
    fn name(&self) -> String {
        match self.0.split_last() {
            Some((name, [])) => format!("\"name\":\"{name}\""),
            Some((name, before)) => format!("\"name\":\"{name}\",\"namespace\":\"{}\"", before.join(".")),
            None => String::new(),
        }
    }

    fn no_form(&self, what: &str) -> String {
        let place = if self.0.len() > 1 { format!("field {}: ", self.0[1..].join(".")) } else { String::new() };
        format!("{place}{what} has no form; else write by a schema (`written_as`)")
    }
}

/// Whether Avro takes it for a name.
fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_letter) && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn record(members: &[Member], path: &mut Path) -> Result<String, String> {
    let own: Vec<_> = members.iter().filter(|member| !member.is_alias).collect();
    if own.is_empty() {
        return Err(path.no_form("a struct without fields"));
    }
    if let Some(other) = own.iter().find(|member| !is_name(member.name)) {
        let name = format!("{:?} is no name for Avro (letters, digits and `_`): rename the field; it", other.name);
        return Err(path.no_form(&name));
    }
    let fields: Vec<_> = own.iter().map(|member| (member.name.to_owned(), &member.shape)).collect();
    fields_of(&fields, path)
}

fn fields_of(fields: &[(String, &Shape)], path: &mut Path) -> Result<String, String> {
    let mut text = format!("{{\"type\":\"record\",{},\"fields\":[", path.name());
    for (at, (name, shape)) in fields.iter().enumerate() {
        let of = path.within(name, |path| or_null(shape, path))?;
        let default = if matches!(shape, Shape::Option(_)) { ",\"default\":null" } else { "" };
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{{\"name\":\"{name}\",\"type\":{of}{default}}}");
    }
    text.push_str("]}");
    Ok(text)
}

/// A union with null if the shape is an `Option`.
fn or_null(shape: &Shape, path: &mut Path) -> Result<String, String> {
    match shape {
        Shape::Option(inner) => Ok(format!("[\"null\",{}]", present(inner, path)?)),
        shape => present(shape, path),
    }
}

fn instants(unit: &str) -> String {
    format!("{{\"type\":\"long\",\"logicalType\":\"timestamp-{unit}\"}}")
}

fn present(shape: &Shape, path: &mut Path) -> Result<String, String> {
    const OCTET: Shape = Shape::Int { bits: 8, signed: false };
    let simple = match shape {
        Shape::Bool => "\"boolean\"",
        Shape::Int { bits: 8 | 16, .. } | Shape::Int { bits: 32, signed: true } => "\"int\"",
        // What is beyond a long is refused record by record.
        Shape::Int { bits: 32 | 64, .. } => "\"long\"",
        Shape::F32 => "\"float\"",
        Shape::F64 => "\"double\"",
        Shape::Char | Shape::Text => "\"string\"",
        Shape::Bytes => "\"bytes\"",
        Shape::Seq(element) if **element == OCTET => "\"bytes\"",
        Shape::Time | Shape::Epoch(1) => return Ok(instants("micros")),
        Shape::Epoch(_) => return Ok(instants("millis")),
        Shape::Seq(element) => return array(element, path),
        Shape::Tuple(parts) => return tuple(parts, path),
        Shape::Map(key, value) => {
            if !matches!(**key, Shape::Text | Shape::Char | Shape::Enum { has_data: false, .. }) {
                return Err(path.no_form("a map whose keys are no texts (take a list of structs)"));
            }
            let value = path.within("value", |path| or_null(value, path))?;
            return Ok(format!("{{\"type\":\"map\",\"values\":{value}}}"));
        }
        Shape::Struct(members) => return record(members, path),
        // Symbols are names; variants with other ones are texts.
        Shape::Enum { names, has_data: false } if names.iter().all(|name| is_name(name)) && !names.is_empty() => {
            let symbols = names.join("\",\"");
            return Ok(format!("{{\"type\":\"enum\",{},\"symbols\":[\"{symbols}\"]}}", path.name()));
        }
        Shape::Enum { has_data: false, .. } => "\"string\"",
        Shape::Int { .. } => return Err(path.no_form("an integer of 128 bits (take an i64, or a text)")),
        Shape::Enum { has_data: true, .. } => return Err(path.no_form("an enum with data in its variants")),
        Shape::Option(_) => return Err(path.no_form("an Option in an Option")),
        Shape::Unit => return Err(path.no_form("the empty type")),
        Shape::Any => return Err(path.no_form("a type that takes what there is (`untagged`, `flatten`)")),
        Shape::Unknown => return Err(path.no_form("a type that has no end, or cannot be told,")),
    };
    Ok(simple.to_owned())
}

fn array(element: &Shape, path: &mut Path) -> Result<String, String> {
    let items = path.within("element", |path| or_null(element, path))?;
    Ok(format!("{{\"type\":\"array\",\"items\":{items}}}"))
}

/// A record whose fields are called `_0`, `_1` and so on.
fn tuple(parts: &[Shape], path: &mut Path) -> Result<String, String> {
    if parts.is_empty() {
        return Err(path.no_form("an empty tuple"));
    }
    let parts: Vec<_> = parts.iter().enumerate().map(|(at, part)| (format!("_{at}"), part)).collect();
    fields_of(&parts, path)
}
