//! `socketio_emitter`: Socket.IO events from inside Postgres, within the transaction.
//!
//! A message passes, in this order: `api` (an SQL function) or `live_tables` (a trigger) → `delivery` (encoded, given a
//! way, given to a transport) → `pg` (handed to Postgres). docs/ARCHITECTURE.md tells more.

mod api;
mod delivery;
mod error;
mod extension;
mod live_tables;
mod payload;
mod pg;
mod questions;
mod roster;
mod settings;
mod worker;

use pg::process::interrupt;
use pgrx::prelude::*;

// Written out: by the short form of pgrx 0.18.1, `version` becomes the name that pg_get_loaded_modules() of Postgres 18 shows.
pgrx::pg_module_magic!(name = extension::C_NAME, version = extension::C_VERSION);

extension_sql_file!("../sql/attachments.sql", name = "attachments", bootstrap);
extension_sql_file!(
    "../sql/comments.sql",
    name = "comments",
    requires = [
        api::emit::sio_emit,
        api::emit::sio_emit_args,
        api::emit::sio_emit_binary,
        api::housekeeping::sio_cleanup,
        api::inspect::sio_buffer,
        api::inspect::sio_encode,
        api::questions::sio_fetch_sockets,
        api::questions::sio_fetch_sockets_with_handshake,
        api::questions::sio_is_online,
        api::questions::sio_server_side_emit_with_ack,
        api::questions::sio_servers,
        api::queue::sio_deliver,
        api::queue::sio_discard,
        api::queue::sio_retry,
        api::queue::sio_wait_delivered,
        api::rows::sio_row,
        api::rows::sio_snapshot,
        api::schema::sio_check,
        api::server_side::sio_server_side_emit,
        api::server_side::sio_server_side_emit_args,
        api::sockets::sio_disconnect_sockets,
        api::sockets::sio_sockets_join,
        api::sockets::sio_sockets_leave,
        api::typescript::sio_typescript,
        api::watch::sio_unwatch_of_0_5,
        api::watch::sio_watch_of_0_5,
        live_tables::function::sio_emit_changes,
        "watches",
        "status",
    ]
);
extension_sql_file!(
    "../sql/json.sql",
    name = "json",
    requires = [api::_sio, api::emit::sio_emit]
);
extension_sql_file!(
    "../sql/watches.sql",
    name = "watches",
    requires = [
        live_tables::function::sio_emit_changes,
        api::schema::_sio_problem,
        api::watches::_sio_declaration_of_0_5
    ]
);
extension_sql_file!(
    "../sql/schema.sql",
    name = "schema",
    requires = [
        api::schema::_sio_altered,
        api::schema::_sio_dropped,
        api::schema::_sio_protect
    ]
);
extension_sql_file!(
    "../sql/queue.sql",
    name = "queue",
    requires = ["attachments", api::_sio]
);
extension_sql_file!(
    "../sql/status.sql",
    name = "status",
    requires = [
        "queue",
        api::queue::_sio_worker,
        api::queue::_sio_waiting,
        api::queue::_sio_attachments,
        api::queue::_sio_library_version,
    ]
);
extension_sql_file!(
    "../sql/doctor.sql",
    name = "doctor",
    requires = [
        "status",
        "watches",
        api::doctor::_sio_attachments_table,
        api::inspect::sio_encode,
        api::questions::sio_servers,
    ]
);
extension_sql_file!("../sql/rights.sql", name = "rights", finalize);

/// Called by Postgres when it loads the library.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    // A library that wasn't loaded to the end is loaded again, and can't define the same settings twice. Postgres looks for
    // interrupts after its warning of a setting that isn't known.
    interrupt::held(|| {
        settings::register();
        worker::register();
        questions::register();
    });
}

#[cfg(any(test, feature = "pg_test"))]
#[allow(
    clippy::disallowed_types,
    reason = "a test that fails may take its server with it"
)]
#[path = "../pgrx-tests/in_server.rs"]
mod in_server;
#[cfg(test)]
pub use in_server::pg_test;
