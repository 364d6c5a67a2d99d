//! Reads what Postgres would write, and what a broken disk makes of it.

mod numbers;
mod stored_number;
