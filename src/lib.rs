//! `socketio_emitter`: Socket.IO events from inside Postgres, within the transaction.
//!
//! A message passes, in this order: [`api`] (an SQL function) → [`payload`] and the protocol
//! crate (encoded) → [`delivery`] (routed) → [`pg`] (handed to Postgres). ARCHITECTURE.md tells
//! more.

mod api;
mod delivery;
mod error;
mod payload;
mod pg;
mod settings;

use pgrx::prelude::*;

pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/attachments.sql", name = "attachments", bootstrap);
extension_sql_file!("../sql/rights.sql", name = "rights", finalize);

/// Called by Postgres when it loads the library.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    settings::register();
}
