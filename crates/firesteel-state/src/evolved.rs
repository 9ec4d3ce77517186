//! Values that were stored under earlier types, and how they are read as those of the declared one.

mod migrations;
mod table;

pub use self::migrations::Migrations;
pub use self::table::TableCodec;
