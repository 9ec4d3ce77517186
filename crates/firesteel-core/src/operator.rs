//! What an operator is called and where the user wrote it, for messages and lineage.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// One operator of a program: its kind (`map`), the name the user gave it, and the place in the source code.
#[derive(Clone, Debug)]
pub struct Operator {
    kind: &'static str,
    name: Option<Arc<str>>,
    at: &'static Location<'static>,
}

impl Operator {
    /// An operator of the given kind, called from the caller's place in the source.
    ///
    /// ```
    /// use firesteel_core::Operator;
    /// let operator = Operator::here("map").named("parse");
    /// assert!(operator.to_string().starts_with("parse (map at "));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn here(kind: &'static str) -> Self {
        Self { kind, name: None, at: Location::caller() }
    }

    /// The same operator under a name of the user's.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same place and name with another kind, for an operator that is built from several.
    #[must_use]
    pub fn as_kind(&self, kind: &'static str) -> Self {
        Self { kind, ..self.clone() }
    }

    /// The kind, as the method is called.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The user's name for it, or else the kind.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kind)
    }

    /// Whether the user gave it a name.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Whether both have one name and stand in one place of the source code, whatever their kinds: an operator that is
    /// built from several fails under the kind of one of them.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.at == other.at && self.name == other.name
    }

    /// The place in the source code.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.at.file(), self.at.line());
        match &self.name {
            Some(name) => write!(f, "{name} ({} at {file}:{line})", self.kind),
            None => write!(f, "{} at {file}:{line}", self.kind),
        }
    }
}
