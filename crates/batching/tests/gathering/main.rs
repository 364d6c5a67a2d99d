//! Batches as a stranger uses the crate.

mod events;
mod examples;
mod memory;
mod properties;
mod support;
