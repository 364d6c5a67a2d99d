//! What Postgres's catalogs say, and what of it has changed. Look-ups need no privilege and follow no search path.

pub mod database;
pub mod depend;
mod extension;
mod functions;
pub mod invalidation;
mod json_type;
mod names;
mod oid;
mod relations;
mod row;
pub mod triggers;
mod types;

pub use extension::{extension_schema, extension_version, is_member};
pub use functions::{RowFunction, function_name, function_of_row, function_without_arguments};
pub use json_type::{JsonType, json_type};
pub use names::{
    description, names, qualified_name, qualify, quote_identifier, quote_literal, split_name,
};
pub use oid::{relation_oid, schema_oid, table_of_index, temporary_schema};
pub use relations::*;
pub use types::{base_type, holds, is_pseudo_type, is_row_type, row_type};
