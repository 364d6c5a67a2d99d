//! Checks that Postgres runs when a setting gets a value.

use crate::extension;
use crate::pg::catalog;
use crate::pg::encoding;
use crate::pg::notify::CHANNEL_LIMIT;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;
use std::ffi::{CStr, CString, c_char, c_void};

/// The setting of what names of channels begin with.
pub const CHANNEL_PREFIX: &CStr = c"socketio_emitter.channel_prefix";
/// The setting of the attachments table's name.
pub const TABLE_NAME: &CStr = c"socketio_emitter.table_name";

/// A text setting with a check of each new value.
pub struct TextSetting {
    /// With the extension's prefix.
    pub name: &'static CStr,
    /// What `pg_settings` says of it, in a line.
    pub short: &'static CStr,
    /// The rest of that.
    pub long: &'static CStr,
    /// Where its value is kept.
    pub setting: &'static GucSetting<Option<CString>>,
    /// Who may set it, and when.
    pub context: GucContext,
    /// What refuses a value.
    pub check: CheckHook,
}

/// As `GucStringCheckHook` in `src/include/utils/guc.h`.
type CheckHook = unsafe extern "C-unwind" fn(
    *mut *mut c_char,
    *mut *mut c_void,
    pg_sys::GucSource::Type,
) -> bool;

impl TextSetting {
    /// Makes it known to Postgres.
    pub fn register(self) {
        // SAFETY: the hooks below are guarded.
        unsafe {
            GucRegistry::define_string_guc_with_hooks(
                self.name,
                self.short,
                self.long,
                self.setting,
                self.context,
                GucFlags::default(),
                Some(self.check),
                None,
                None,
            );
        }
    }
}

/// From now on, `SET socketio_emitter.unknown` is an error instead of a new setting.
pub fn reserve_prefix() {
    // SAFETY: a static C string.
    unsafe { pg_sys::MarkGUCPrefixReserved(extension::C_NAME.as_ptr()) };
}

/// Refuses a prefix that leaves no room for the shortest channel, or that servers would not take.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn check_channel_prefix(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: Postgres hands a C string.
    let prefix = unsafe { CStr::from_ptr(*value) };
    if prefix.is_empty() {
        return refuse(CHANNEL_PREFIX, prefix, c"The prefix must not be empty: the servers' adapter replaces an empty prefix by its default.");
    }
    if prefix.count_bytes() + b"#/".len() > CHANNEL_LIMIT {
        return refuse(CHANNEL_PREFIX, prefix, c"The prefix followed by \"#/\" must fit into the name of a channel, 63 bytes in a default build.");
    }
    true
}

/// Refuses what isn't a possibly qualified SQL name. Whether the table exists is seen when it is used.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn check_table_name(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: Postgres hands a C string.
    let name = unsafe { CStr::from_ptr(*value) };
    match catalog::split_name(name) {
        Some(parts) if parts.len() <= 2 => true,
        _ => refuse(
            TABLE_NAME,
            name,
            c"The value must be a table name in SQL syntax, optionally qualified with a schema.",
        ),
    }
}

/// Leaves the error for Postgres to raise: it names the setting and repeats the start of the value.
fn refuse(setting: &CStr, value: &CStr, detail: &'static CStr) -> bool {
    // Escaped, because settings are also checked where there is no database and no encoding yet.
    let value = encoding::shorten(&value.to_bytes().escape_ascii().to_string());
    let message = CString::new(format!(
        "invalid value for parameter \"{}\": \"{value}\"",
        setting.to_string_lossy()
    ))
    .expect("a C string has no NUL");
    // SAFETY: Postgres copies both texts when it raises the error; the message is copied into
    // Postgres's memory for that, the detail is static.
    unsafe {
        pg_sys::GUC_check_errmsg_string = pg_sys::pstrdup(message.as_ptr());
        pg_sys::GUC_check_errdetail_string = detail.as_ptr().cast_mut();
    }
    false
}
