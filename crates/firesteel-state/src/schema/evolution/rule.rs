//! The rule by which types evolve: from the shape that is stored and the one that is declared to how values are read.

use crate::schema::shape::{Field, Plain, Shape};

/// How bytes of a stored shape are read as a declared type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// As they are.
    Same(Shape),
    /// As a wider number.
    Number {
        stored: Plain,
        declared: Plain,
    },
    /// A value becomes an option.
    Some(Box<Plan>),
    Option(Box<Plan>),
    Sequence(Box<Plan>),
    /// Keys are read as they are.
    Map(Shape, Box<Plan>),
    Tuple(Vec<Plan>),
    /// The stored fields in their order.
    Struct(Vec<Part>),
    /// The stored variants in their order.
    Enum(Vec<(String, Option<Plan>)>),
    /// The struct or enum that is at this place among those around it, counted from the outermost.
    Recursive(usize),
}

/// A stored field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// `None` if it is not declared any more.
    pub(crate) plan: Option<Plan>,
    pub(crate) stored: Shape,
}

/// What is found while two shapes are compared.
#[derive(Debug, Default)]
pub(crate) struct Comparison<'a> {
    /// What is different.
    pub(crate) changes: Vec<String>,
    /// Where it is: `address.zip`.
    path: Vec<String>,
    /// The names of the structs and enums around, stored and declared.
    around: Vec<(&'a str, &'a str)>,
}

impl<'a> Comparison<'a> {
    /// How `stored` is read as `declared`; what does not fit otherwise.
    pub(crate) fn plan(&mut self, stored: &'a Shape, declared: &'a Shape) -> Result<Plan, String> {
        if stored.is_same(declared) && stored.is_whole() && stored.is_closed() {
            return Ok(Plan::Same(stored.clone()));
        }
        match (stored, declared) {
            (Shape::Unknown, _) | (_, Shape::Unknown) => Err(self.at("the type cannot be described in full")),
            (Shape::Plain(one), Shape::Plain(other)) if fits(*one, *other) => {
                self.change(format!("{} widened to {}", one.name(), other.name()));
                Ok(Plan::Number { stored: *one, declared: *other })
            }
            (Shape::Plain(one), Shape::Plain(other)) => {
                Err(self.at(&format!("{} does not fit {}", one.name(), other.name())))
            }
            (Shape::Option(one), Shape::Option(other)) => Ok(Plan::Option(Box::new(self.plan(one, other)?))),
            (one, Shape::Option(other)) => {
                self.change("became an Option".to_owned());
                Ok(Plan::Some(Box::new(self.plan(one, other)?)))
            }
            (Shape::Sequence(one), Shape::Sequence(other)) => {
                Ok(Plan::Sequence(Box::new(self.inside("[]", one, other)?)))
            }
            (Shape::Map(key, one), Shape::Map(other_key, other)) => {
                // What is equal, ordered or hashed alike under one type need not be so under another.
                if !key.is_same(other_key) || !key.is_whole() || !key.is_closed() {
                    return Err(self.at("keys of a map do not evolve"));
                }
                Ok(Plan::Map((**key).clone(), Box::new(self.inside("[]", one, other)?)))
            }
            (Shape::Tuple(one), Shape::Tuple(other)) if one.len() == other.len() => {
                let pairs = one.iter().zip(other).enumerate();
                let parts = pairs.map(|(at, (one, other))| self.inside(&at.to_string(), one, other));
                Ok(Plan::Tuple(parts.collect::<Result<_, _>>()?))
            }
            (Shape::Struct(name, one), Shape::Struct(other_name, other)) => {
                self.around.push((name, other_name));
                let plan = self.fields(one, other)?;
                self.around.pop();
                Ok(plan)
            }
            (Shape::Enum(name, one), Shape::Enum(other_name, other)) => {
                self.around.push((name, other_name));
                let plan = self.variants(one, other)?;
                self.around.pop();
                Ok(plan)
            }
            (Shape::Recursive(one), Shape::Recursive(other)) => {
                let stored = self.around.iter().rposition(|(name, _)| name == one);
                let declared = self.around.iter().rposition(|(_, name)| name == other);
                match stored.filter(|_| stored == declared) {
                    Some(at) => Ok(Plan::Recursive(at)),
                    None => Err(self.at(&format!("{one} is not {other}"))),
                }
            }
            _ => Err(self.at(&format!("{} does not fit {}", stored.kind(), declared.kind()))),
        }
    }

    fn fields(&mut self, stored: &'a [Field], declared: &'a [Field]) -> Result<Plan, String> {
        let mut found = vec![false; declared.len()];
        let mut parts = vec![];
        for field in stored {
            let reads = |other: &Field| other.name == field.name || other.aliases.contains(&field.name);
            let plan = match declared.iter().position(reads) {
                Some(at) => {
                    let other = &declared[at];
                    if std::mem::replace(&mut found[at], true) {
                        return Err(self.at(&format!("two stored fields are read as `{}`", other.name)));
                    }
                    if other.name != field.name {
                        self.change(format!("field `{}` renamed `{}`", field.name, other.name));
                    }
                    Some(self.inside(&field.name, &field.shape, &other.shape)?)
                }
                None => {
                    self.change(format!("field `{}` removed", field.name));
                    None
                }
            };
            parts.push(Part { name: field.name.clone(), plan, stored: field.shape.clone() });
        }
        for (field, _) in declared.iter().zip(&found).filter(|(_, found)| !**found) {
            if !field.optional {
                let reason = "is new and has no default: mark it #[serde(default)]";
                return Err(self.at(&format!("field `{}` {reason}", field.name)));
            }
            let what = if matches!(field.shape, Shape::Option(_)) { "none" } else { "default" };
            self.change(format!("field `{}` added ({what})", field.name));
        }
        let common = |all: &'a [Field], others: &'a [Field]| {
            all.iter().filter(|field| others.iter().any(|other| other.name == field.name)).map(|field| &field.name)
        };
        if !common(stored, declared).eq(common(declared, stored)) {
            self.change("fields reordered".to_owned());
        }
        Ok(Plan::Struct(parts))
    }

    fn variants(
        &mut self,
        stored: &'a [(String, Option<Shape>)],
        declared: &'a [(String, Option<Shape>)],
    ) -> Result<Plan, String> {
        let mut plans = vec![];
        let mut order = vec![];
        for (name, contents) in stored {
            let Some(at) = declared.iter().position(|(other, _)| other == name) else {
                let reason = format!("variant `{name}` is not there any more, and stored values may be of it");
                return Err(self.at(&reason));
            };
            order.push(at);
            let plan = match (contents, &declared[at].1) {
                (None, None) => None,
                (Some(one), Some(other)) => Some(self.inside(name, one, other)?),
                (None, Some(_)) => return Err(self.at(&format!("variant `{name}` has contents now"))),
                (Some(_), None) => return Err(self.at(&format!("variant `{name}` has no contents any more"))),
            };
            plans.push((name.clone(), plan));
        }
        for (name, _) in declared.iter().filter(|(name, _)| !stored.iter().any(|(other, _)| other == name)) {
            self.change(format!("variant `{name}` added"));
        }
        if !order.is_sorted() {
            self.change("variants reordered".to_owned());
        }
        Ok(Plan::Enum(plans))
    }

    fn inside(&mut self, step: &str, stored: &'a Shape, declared: &'a Shape) -> Result<Plan, String> {
        self.path.push(step.to_owned());
        let plan = self.plan(stored, declared)?;
        self.path.pop();
        Ok(plan)
    }

    fn place(&self) -> String {
        self.path.join(".").replace(".[]", "[]")
    }

    fn at(&self, reason: &str) -> String {
        if self.path.is_empty() { reason.to_owned() } else { format!("`{}`: {reason}", self.place()) }
    }

    fn change(&mut self, what: String) {
        let what = self.at(&what);
        if !self.changes.contains(&what) {
            self.changes.push(what);
        }
    }
}

/// Whether each number of the one type is a number of the other.
fn fits(stored: Plain, declared: Plain) -> bool {
    /// Bits, and whether they are signed.
    const fn integer(plain: Plain) -> Option<(u32, bool)> {
        Some(match plain {
            Plain::U8 => (8, false),
            Plain::U16 => (16, false),
            Plain::U32 => (32, false),
            Plain::U64 => (64, false),
            Plain::U128 => (128, false),
            Plain::I8 => (8, true),
            Plain::I16 => (16, true),
            Plain::I32 => (32, true),
            Plain::I64 => (64, true),
            Plain::I128 => (128, true),
            _ => return None,
        })
    }
    match (integer(stored), integer(declared)) {
        // One that is signed needs a bit more than one that is not.
        (Some((from, signed)), Some((to, to_signed))) => to > from && (to_signed || !signed),
        _ => (stored, declared) == (Plain::F32, Plain::F64),
    }
}
