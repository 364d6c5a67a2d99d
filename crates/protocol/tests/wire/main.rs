//! The wire format as a stranger uses the crate.

mod golden;
mod properties;
mod support;
