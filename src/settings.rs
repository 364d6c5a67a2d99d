//! The settings, each with its unit, default and effect. Read anew by every call.

use crate::pg::guc::{self, TextSetting, check_channel_prefix, check_table_name, reserve_prefix};
use crate::pg::notify::PAYLOAD_LIMIT;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::ffi::CString;
use std::time::Duration;

/// First part of the channel's name; the servers' `channelPrefix`. Default `socket.io`.
static CHANNEL_PREFIX: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"socket.io"));

/// Bytes, 1 to what NOTIFY takes (8,000 in a usual build, the default): a message of this size or
/// more goes through the attachments table; the servers' `payloadThreshold`.
static PAYLOAD_THRESHOLD: GucSetting<i32> = GucSetting::<i32>::new(PAYLOAD_LIMIT as i32);

/// The attachments table; the servers' `tableName`. Without a schema, or by default (empty, which
/// means `socket_io_attachments`), it lies in the extension's schema.
static TABLE_NAME: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// Whether an empty list of rooms, which reaches every client of the namespace, is an error.
/// Default off.
static REQUIRE_ROOMS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Binaries in an event to clients; 0 for any number. Default 10: clients since socket.io-parser 4.2.6 disconnect at a
/// packet with more (`maxAttachments` in its decoder).
static MAX_BINARIES: GucSetting<i32> = GucSetting::<i32>::new(10);

/// How messages leave the transaction. Default `notify`.
static DELIVERY: GucSetting<Delivery> = GucSetting::<Delivery>::new(Delivery::Notify);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum Delivery {
    /// Within the transaction, which notifies when it commits.
    #[name = c"notify"]
    Notify,
    /// Through a table, from which they are sent after the commit.
    #[name = c"queue"]
    Queue,
}

/// Milliseconds between two cleanups of the attachments table by the background worker; 0 for none.
/// Default 30 seconds, as the servers'.
static CLEANUP_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(30_000);

/// Milliseconds after the start of the server in which the background worker sends nothing. Default 5
/// seconds: adapters of all releases whose connection was cut try again after 1 to 3 seconds
/// (`scheduleReconnection` in the adapter).
static RESTART_DELAY: GucSetting<i32> = GucSetting::<i32>::new(5_000);

/// Questions to the servers that may be under way at the same time, each with a background worker, in all databases. Default
/// 4: `max_worker_processes` is 8 by default, and others need some.
static MAX_QUESTIONS: GucSetting<i32> = GucSetting::<i32>::new(4);

/// Called once, when the library is loaded.
pub fn register() {
    TextSetting {
        name: guc::CHANNEL_PREFIX,
        short: c"Sets the prefix of notification channel names.",
        long: c"The value must equal the option channelPrefix of the servers' adapter.",
        setting: &CHANNEL_PREFIX,
        context: GucContext::Userset,
        check: check_channel_prefix,
    }
    .register();
    GucRegistry::define_int_guc(
        c"socketio_emitter.payload_threshold",
        c"Sets the minimum size of messages that go through the attachments table.",
        c"The size is that of the encoded message in the database encoding. The maximum value is the limit of NOTIFY.",
        &PAYLOAD_THRESHOLD,
        1,
        PAYLOAD_LIMIT as i32,
        GucContext::Userset,
        GucFlags::UNIT_BYTE,
    );
    TextSetting {
        name: guc::TABLE_NAME,
        short: c"Sets the table for binary and long messages.",
        long: c"It must be the table of the option tableName of the servers' adapter. An empty value means socket_io_attachments. An unqualified name is looked up in the extension's schema only.",
        setting: &TABLE_NAME,
        context: GucContext::Suset,
        check: check_table_name,
    }
    .register();
    GucRegistry::define_bool_guc(
        c"socketio_emitter.require_rooms",
        c"Rejects an empty list of rooms.",
        c"This prevents a wrongly computed list from reaching every client.",
        &REQUIRE_ROOMS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"socketio_emitter.max_binaries",
        c"Sets the maximum number of binaries in one event to clients.",
        c"The value must not exceed the option maxAttachments of the clients' parser. 0 means no limit.",
        &MAX_BINARIES,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"socketio_emitter.delivery",
        c"Selects how messages leave a transaction.",
        c"With \"notify\", the transaction notifies when it commits. With \"queue\", it stores messages in a table, from which the background worker or sio_deliver sends them after the commit.",
        &DELIVERY,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"socketio_emitter.cleanup_interval",
        c"Sets the time between cleanups of the attachments table by the background worker.",
        c"0 disables cleanups.",
        &CLEANUP_INTERVAL,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"socketio_emitter.restart_delay",
        c"Sets the time after server start during which the background worker sends nothing.",
        c"Messages sent before the Socket.IO servers listen again reach nobody.",
        &RESTART_DELAY,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"socketio_emitter.max_questions",
        c"Sets the maximum number of questions to Socket.IO servers at the same time.",
        c"Each occupies one of max_worker_processes. Further questions wait within their timeout.",
        &MAX_QUESTIONS,
        1,
        i32::from(u16::MAX),
        GucContext::Sighup,
        GucFlags::default(),
    );
    reserve_prefix();
}

/// In the database's encoding, never empty.
pub fn channel_prefix() -> CString {
    CHANNEL_PREFIX
        .get()
        .expect("the setting has a default and never becomes null")
}

/// Bytes in the database's encoding.
pub fn payload_threshold() -> usize {
    PAYLOAD_THRESHOLD.get() as usize
}

/// An SQL name, possibly qualified; empty for the default.
pub fn table_name() -> CString {
    TABLE_NAME
        .get()
        .expect("the setting has a default and never becomes null")
}

pub fn require_rooms() -> bool {
    REQUIRE_ROOMS.get()
}

/// `usize::MAX` where there is no limit.
pub fn max_binaries() -> usize {
    match MAX_BINARIES.get() {
        0 => usize::MAX,
        max => max as usize,
    }
}

pub fn delivery() -> Delivery {
    DELIVERY.get()
}

pub fn max_questions() -> u16 {
    u16::try_from(MAX_QUESTIONS.get()).unwrap_or(u16::MAX)
}

pub fn restart_delay() -> Duration {
    Duration::from_millis(RESTART_DELAY.get() as u64)
}

/// `None`: no cleanups.
pub fn cleanup_interval() -> Option<Duration> {
    match CLEANUP_INTERVAL.get() {
        0 => None,
        milliseconds => Some(Duration::from_millis(milliseconds as u64)),
    }
}
