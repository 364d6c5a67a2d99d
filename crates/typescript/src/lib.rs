//! Writes the events that clients receive as TypeScript: `export interface ServerToClientEvents { … }`, as the types of
//! socket.io-client and of the servers take it.
//!
//! An [`Event`] is a name, perhaps with parts that only a row knows, and its arguments, each of a [`Type`]. What is
//! sent under one name with different arguments becomes one union, because an interface has each name once.
//!
//! No Postgres, no I/O, no unsafe.

#![deny(missing_docs)]

mod event;
mod interface;
mod literal;
mod overlap;
mod types;

pub use event::{Argument, Event, NamePart};
pub use interface::interface;
pub use types::{Field, Record, Type};
