//! Memory that is kept for the moment in which there is none.
//!
//! When Postgres raises an ERROR, pgrx copies it before it takes its own handler down: an ERROR in that, for want of memory,
//! comes back to the same handler, again and again, until Postgres has no room for one more and ends the whole server
//! (`ERRORDATA_STACK_SIZE exceeded`, a PANIC). So there is something to let go of when memory has run out: addresses that
//! nothing was ever written to, which cost no memory themselves.

use pgrx::{PgSqlErrorCode, pg_sys};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// Bytes. A memory context that has grown asks for a megabyte at least (`AllocSetAlloc` in
/// `src/backend/utils/mmgr/aset.c`), and the error is copied more than once on its way up.
const SIZE: usize = 8 << 20;

static BALLAST: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// What Postgres calls for each message, after all callbacks of what is running.
struct Last(pg_sys::ErrorContextCallback);

// SAFETY: the process has one thread.
unsafe impl Sync for Last {}

static LAST: Last = Last(pg_sys::ErrorContextCallback {
    previous: ptr::null_mut(),
    callback: Some(on_error),
    arg: ptr::null_mut(),
});

unsafe extern "C-unwind" {
    // src/include/utils/elog.h; it may be called in such a callback.
    fn geterrcode() -> c_int;
}

unsafe extern "C" {
    // The C library's, which Postgres allocates with, too.
    fn malloc(size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

/// Called before the first that may go wrong in a call. Cheap when all is there.
#[inline]
pub fn keep() {
    // SAFETY: a variable of the process. Each callback of what is running, up the stack, says which was there before, and
    // puts that one back when it is done; the last one has nothing to put back, and puts ours there from now on. It is
    // never written to.
    unsafe {
        let ours = ptr::from_ref(&LAST.0).cast_mut();
        let mut last = &raw mut pg_sys::error_context_stack;
        while !(*last).is_null() {
            if *last == ours {
                break;
            }
            last = &raw mut (**last).previous;
        }
        *last = ours;
    }
    if BALLAST.load(Relaxed).is_null() {
        // SAFETY: null if there is none.
        BALLAST.store(unsafe { malloc(SIZE) }, Relaxed);
    }
}

/// Called by Postgres for each message, of whatever level, that is about to be reported.
unsafe extern "C-unwind" fn on_error(_argument: *mut c_void) {
    // SAFETY: a question that such a callback may ask; what is freed was allocated by `keep`, and is freed once.
    unsafe {
        if geterrcode() == PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int {
            free(BALLAST.swap(ptr::null_mut(), Relaxed));
        }
    }
}
