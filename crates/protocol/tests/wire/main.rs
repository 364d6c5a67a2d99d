//! The wire format as a stranger uses the crate.

mod golden;
mod limits;
mod properties;
mod questions;
mod strategies;
mod support;
