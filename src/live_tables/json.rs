//! What the values of a table's columns are once they have arrived.

use crate::pg::catalog::{self, JsonType};
use crate::pg::encoding;
use crate::pg::table::definition::{ColumnHandle, Table};
use pgrx::pg_sys;
use socketio_emitter_typescript::{Field, Record, Type};

/// Objects within objects that are described. What is deeper is any JSON.
const MOST_LEVELS: usize = 16;

/// How values of a kind travel, by their types.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    /// Whether large numbers are texts, also those in an array.
    bigints: bool,
    levels: usize,
}

impl Values {
    /// Those of a table's columns and of functions of its rows. `bigints`: whether large numbers travel as texts.
    pub fn that_travel(bigints: bool) -> Self {
        Self {
            bigints,
            levels: MOST_LEVELS,
        }
    }

    /// A column's.
    pub fn column(self, column: &ColumnHandle) -> Type {
        let of = self.with_dimensions(column.type_oid, column.dimensions);
        if column.is_not_null { of } else { of.or_null() }
    }

    /// Those of a type, but for NULL.
    pub fn of(self, type_oid: pg_sys::Oid) -> Type {
        self.with_dimensions(type_oid, 1)
    }

    /// `dimensions`: of an array, as it was declared; Postgres doesn't hold values to it.
    fn with_dimensions(self, type_oid: pg_sys::Oid, dimensions: usize) -> Type {
        match catalog::json_type(type_oid) {
            JsonType::Boolean => Type::Boolean,
            JsonType::Number => Type::Number,
            JsonType::BigNumber if self.bigints => Type::String,
            JsonType::BigNumber => Type::Number,
            JsonType::String => Type::String,
            JsonType::Enum(labels) => Type::Union(labels.into_iter().map(Type::Literal).collect()),
            JsonType::Any => Type::Json,
            JsonType::Array(element) => {
                let mut of = self.of(element).or_null();
                for _ in 0..dimensions.max(1) {
                    of = Type::Array(Box::new(of));
                }
                of
            }
            JsonType::Record(_) if self.levels == 0 => Type::Json,
            JsonType::Record(relation) => self.object(relation),
        }
    }

    /// Within it nothing is made a text.
    fn object(self, relation: pg_sys::Oid) -> Type {
        let within = Self {
            bigints: false,
            levels: self.levels - 1,
        };
        let Some((schema, name)) = catalog::names(relation) else {
            return Type::Json;
        };
        let (schema, name) = (encoding::display(&schema), encoding::display(&name));
        let fields = Table::with_open(relation, |table| {
            let columns = table.columns().into_iter();
            columns
                .map(|column| Field {
                    name: encoding::display_bytes(&column.name),
                    of: within
                        .with_dimensions(column.type_oid, column.dimensions)
                        .or_null(),
                })
                .collect()
        });
        Type::Record(Record {
            about: format!("A value of type {schema}.{name}."),
            name,
            fields,
        })
    }
}
