//! Reads what Postgres would write, and what a broken disk makes of it.

mod damage;
mod documents;
mod numbers;
mod stored_document;
mod stored_number;
