//! A schema, ready to read by.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordField, UuidSchema};

/// A schema as a list of its parts, the first of which is the whole: parts name others by their place, so that one may contain itself.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Node>);

/// A part of a schema.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Box<[String]>),
    Array(usize),
    Map(usize),
    Union(Box<[usize]>),
    Record(Record),
    /// An instant as a number, of which there are this many in a second.
    Time(i64),
    /// A decimal with this many digits after the point, in as many bytes as there are or in this many.
    Decimal(usize, Option<usize>),
    /// A UUID as 16 bytes.
    Uuid,
    /// Another part.
    Same(usize),
}

/// The fields of a record, in their order.
#[derive(Debug)]
pub(super) struct Record {
    /// What it is called, without its namespace.
    pub(super) name: String,
    pub(super) fields: Box<[Field]>,
}

/// A field of a record.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// The part of the schema that it is of.
    pub(super) place: usize,
    pub(super) default: Option<serde_json::Value>,
}

impl Nodes {
    /// The parts of a schema, which may name those of others.
    pub(super) fn of(schema: &Schema, others: &[Schema]) -> Result<Self, String> {
        let mut making = Making { nodes: Vec::new(), named: HashMap::new(), unknown: Vec::new() };
        let root = making.node(schema, None)?;
        debug_assert_eq!(root, 0, "the whole comes first");
        for other in others {
            // What is named twice was parsed once.
            if other.name().is_none_or(|name| !making.named.contains_key(&name.fullname(None))) {
                making.node(other, None)?;
            }
        }
        for (place, name) in std::mem::take(&mut making.unknown) {
            let Some(known) = making.named.get(&name) else {
                return Err(format!("it names {name}, which is not among the schemas that it refers to"));
            };
            making.nodes[place] = Node::Same(*known);
        }
        Ok(Self(making.nodes))
    }

    /// The names of the fields, where the whole is a record.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        match self.at(0) {
            Node::Record(record) => Some(record.fields.iter().map(|field| field.name.clone()).collect()),
            _ => None,
        }
    }

    /// The part at this place.
    #[inline]
    pub(super) fn at(&self, place: usize) -> &Node {
        match &self.0[place] {
            Node::Same(other) => &self.0[*other],
            node => node,
        }
    }
}

struct Making {
    nodes: Vec<Node>,
    named: HashMap<String, usize>,
    /// Where a name stands that was not known there yet.
    unknown: Vec<(usize, String)>,
}

impl Making {
    fn node(&mut self, schema: &Schema, namespace: Option<&str>) -> Result<usize, String> {
        let place = self.nodes.len();
        self.nodes.push(Node::Null);
        let named = |name: &Name| name.fullname(namespace);
        if let Some(name) = schema.name()
            && !matches!(schema, Schema::Ref { .. })
        {
            self.named.insert(named(name), place);
        }
        let fixed = |size: usize| Node::Fixed(size);
        let node = match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Bool,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long | Schema::TimeMicros => Node::Long,
            Schema::LocalTimestampMillis | Schema::LocalTimestampMicros | Schema::LocalTimestampNanos => Node::Long,
            Schema::TimestampMillis => Node::Time(1_000),
            Schema::TimestampMicros => Node::Time(1_000_000),
            Schema::TimestampNanos => Node::Time(1_000_000_000),
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes | Schema::BigDecimal => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::Text,
            Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::Uuid(UuidSchema::Fixed(_)) => Node::Uuid,
            Schema::Fixed(schema) | Schema::Duration(schema) => fixed(schema.size),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Decimal(decimal.scale, None),
                InnerDecimalSchema::Fixed(schema) => {
                    self.named.insert(named(&schema.name), place);
                    Node::Decimal(decimal.scale, Some(schema.size))
                }
            },
            Schema::Enum(schema) => Node::Enum(schema.symbols.clone().into()),
            Schema::Array(schema) => Node::Array(self.node(&schema.items, namespace)?),
            Schema::Map(schema) => Node::Map(self.node(&schema.types, namespace)?),
            Schema::Union(schema) => {
                let branches = schema.variants().iter().map(|branch| self.node(branch, namespace));
                Node::Union(branches.collect::<Result<_, String>>()?)
            }
            Schema::Record(schema) => {
                let namespace = schema.name.namespace().or(namespace);
                let field = |field: &RecordField| {
                    let place = self.node(&field.schema, namespace)?;
                    Ok(Field { name: field.name.clone(), place, default: field.default.clone() })
                };
                let fields = schema.fields.iter().map(field).collect::<Result<_, String>>()?;
                Node::Record(Record { name: schema.name.name().to_owned(), fields })
            }
            Schema::Ref { name } => {
                self.unknown.push((place, named(name)));
                Node::Null
            }
        };
        self.nodes[place] = node;
        Ok(place)
    }
}
