//! Declarations as a stranger uses the crate.

mod examples;
mod properties;
mod strategies;
mod summaries;
