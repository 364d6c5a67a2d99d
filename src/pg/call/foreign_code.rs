//! Calling what may run code of users: casts, types, event triggers.

use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::ffi::{CStr, c_char, c_int, c_void};

/// An ERROR of the code, kept as it was raised, in memory that goes with the caller's.
#[repr(C)]
struct Kept {
    callback: pg_sys::ErrorContextCallback,
    memory: pg_sys::MemoryContext,
    /// The last one.
    error: *mut pg_sys::ErrorData,
    /// Whether it ended the code, and is on its way through Rust.
    has_left: bool,
    /// What its message is to begin with.
    prefix: *const c_char,
}

unsafe extern "C-unwind" {
    // src/include/utils/elog.h, without pgrx's guard: they run while Postgres raises an ERROR.
    fn geterrcode() -> c_int;
    fn errcode(sqlstate: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    #[link_name = "errhint"]
    fn errhint_raw(format: *const c_char, ...) -> c_int;
}

/// Runs `work`. An ERROR that it raises reaches the client as it was: pgrx, which makes it a panic and then an ERROR
/// again, takes its texts for UTF-8, and knows only Postgres's own SQLSTATEs.
///
/// For that, Postgres asks us twice for a context of the error, where it may still be changed: when it is raised, and
/// when it is raised again.
pub fn call<R>(work: impl FnOnce() -> R) -> R {
    call_named(c"", work)
}

/// [`call`], with a text in front of the message of its ERROR, which doesn't tell by itself what it is about.
///
/// `prefix`: in the database's encoding.
pub fn call_named<R>(prefix: &CStr, work: impl FnOnce() -> R) -> R {
    /// Tells that the code was left by an ERROR. It calls nothing.
    struct Left(*mut Kept);
    impl Drop for Left {
        fn drop(&mut self) {
            if std::thread::panicking() {
                // SAFETY: memory of the caller's context, which is there until Postgres aborts.
                unsafe { (*self.0).has_left = true };
            }
        }
    }

    // SAFETY: the callback is on Postgres's stack while `work` runs. After an ERROR it stays there, in memory that
    // isn't freed before Postgres puts back the stack that was there before this call, or
    // `failure::catch` does.
    unsafe {
        let memory = pg_sys::CurrentMemoryContext;
        let kept = pg_sys::palloc0(size_of::<Kept>()).cast::<Kept>();
        (*kept).memory = memory;
        // The caller's text is gone before the ERROR is raised again.
        (*kept).prefix = match prefix.is_empty() {
            true => c"".as_ptr(),
            false => pg_sys::pstrdup(prefix.as_ptr()),
        };
        (*kept).callback = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(on_error),
            arg: kept.cast(),
        };
        pg_sys::error_context_stack = &mut (*kept).callback;
        let left = Left(kept);
        let result = work();
        drop(left);
        pg_sys::error_context_stack = (*kept).callback.previous;
        pg_sys::pfree(kept.cast());
        result
    }
}

/// Called by Postgres for each message, of whatever level, that is about to be reported.
unsafe extern "C-unwind" fn on_error(argument: *mut c_void) {
    // SAFETY: as `call` has registered it. The functions are those that such a callback may call, and may copy with.
    unsafe {
        let kept = &mut *argument.cast::<Kept>();
        // There is no memory for a copy, and the text is one that pgrx carries.
        if geterrcode() == PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int {
            if !kept.has_left {
                kept.error = std::ptr::null_mut();
            }
            return;
        }
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = kept.memory;
        let error = raw::CopyErrorData();
        pg_sys::CurrentMemoryContext = before;
        if ((*error).elevel as u32) < PgLogLevel::ERROR as u32 {
            raw::FreeErrorData(error);
            return;
        }
        if !kept.has_left || kept.error.is_null() {
            // The code may have caught the last one.
            if !kept.error.is_null() {
                raw::FreeErrorData(kept.error);
            }
            kept.error = error;
            return;
        }
        raw::FreeErrorData(error);
        let original = &*kept.error;
        errcode(original.sqlerrcode);
        let set = |set: unsafe extern "C-unwind" fn(*const c_char, ...) -> c_int, text| {
            if !std::ptr::eq(text, std::ptr::null_mut::<c_char>()) {
                set(c"%s".as_ptr(), text);
            }
        };
        errmsg_internal(c"%s%s".as_ptr(), kept.prefix, original.message);
        set(errdetail_internal, original.detail);
        set(errhint_raw, original.hint);
    }
}

mod raw {
    use pgrx::pg_sys::ErrorData;

    unsafe extern "C-unwind" {
        pub fn CopyErrorData() -> *mut ErrorData;
        pub fn FreeErrorData(error: *mut ErrorData);
    }
}
