//! The SQL functions: thin, a file per group. They check their arguments and hand on a message.

mod doctor;
mod earlier;
mod emit;
mod housekeeping;
mod inspect;
mod params;
mod questions;
mod queue;
mod rows;
pub mod schema;
mod server_side;
mod sockets;
mod typescript;
mod watch;
mod watches;

/// The schema of all that is internal: tools that compare schemas with an application's models (Prisma, Drizzle) look at the
/// application's, which the functions may share. `sql/queue.sql` puts its tables there.
#[pgrx::pg_schema]
mod _sio {}
