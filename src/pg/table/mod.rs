//! Tables, read and written without SQL.

pub mod attachments;
mod attributes;
pub mod column;
pub mod comparison;
pub mod definition;
pub mod expression;
pub mod heap;
pub mod index;
pub mod row;
pub mod sequence;
pub mod varlena;
