//! The SQL functions: thin, a file per group. They check their arguments and hand on a message.

mod emit;
mod housekeeping;
mod inspect;
mod params;
mod queue;
mod server_side;
mod sockets;
mod watch;
