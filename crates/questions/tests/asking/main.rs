//! Questions as a stranger uses the crate.

mod hearing;
mod letters;
mod odd_values;
mod rolls;
