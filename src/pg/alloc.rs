//! Memory of Rust's that the system refuses.
//!
//! Rust aborts the process when an allocation fails, and Postgres then ends every session of the server
//! (`HandleChildCrash` in `src/backend/postmaster/postmaster.c`). So no failed allocation may get that far: what has
//! a size that a caller chooses is reserved [`fallibly`] and becomes an error, 53200; any other ends this session
//! alone.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_char, c_int};

/// The system's allocator, which ends the session where it would abort the server.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Bytes from which on an allocation may fail within [`fallibly`]. Smaller ones are those that nobody reserves: the digits
/// of a number, for one, are up to 150 kB.
const LARGE: usize = 1 << 20;

thread_local! {
    /// Whether what runs reserves what is large.
    static FALLIBLE: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: the system's allocator; where that has no memory, either null, as the trait says, or no return at all.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe { checked(System.alloc(layout), layout.size()) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe { checked(System.alloc_zeroed(layout), layout.size()) }
    }

    #[inline]
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller says.
        unsafe { checked(System.realloc(old, layout, size), size) }
    }

    #[inline]
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(old, layout) }
    }
}

#[inline]
fn checked(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() {
        refused(size);
    }
    memory
}

/// Runs `work`, which reserves what is large with `try_reserve` and its like.
pub fn fallibly<R>(work: impl FnOnce() -> R) -> R {
    while_fallible(true, work)
}

/// Runs `work`, which may come back to us by a trigger, and is none of what [`fallibly`] around it vouches for.
pub(super) fn infallibly<R>(work: impl FnOnce() -> R) -> R {
    while_fallible(false, work)
}

fn while_fallible<R>(fallible: bool, work: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            // It calls nothing of Postgres.
            FALLIBLE.set(self.0);
        }
    }
    let _restore = Restore(FALLIBLE.replace(fallible));
    work()
}

/// Makes room for `more` elements, or raises 53200.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize) {
    if fallibly(|| vec.try_reserve_exact(more)).is_err() {
        out_of_memory();
    }
}

/// A copy, or 53200.
pub fn copy<T: Copy>(values: &[T]) -> Vec<T> {
    let mut copy = Vec::new();
    reserve(&mut copy, values.len());
    copy.extend_from_slice(values);
    copy
}

/// All of `values`, which say how many they are, or 53200.
pub fn collect<T>(values: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut collected = Vec::new();
    reserve(&mut collected, values.len());
    collected.extend(values);
    collected
}

/// Raises 53200.
#[cold]
pub fn out_of_memory() -> ! {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
        "out of memory",
        "socketio_emitter",
    )
    .report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

unsafe extern "C-unwind" {
    // src/include/utils/elog.h. Without pgrx's guard: FATAL doesn't come back.
    fn errstart(level: c_int, domain: *const c_char) -> bool;
    fn errcode(sqlstate: c_int) -> c_int;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

/// Ends the session with FATAL, unless the caller deals with it, or there is no session.
#[cold]
#[inline(never)]
fn refused(size: usize) {
    let is_dealt_with = size >= LARGE && FALLIBLE.try_with(Cell::get) == Ok(true);
    // SAFETY: variables of the process. The postmaster has no session to end; it aborts, as it does for lack of
    // memory of its own.
    if is_dealt_with || unsafe { !pg_sys::IsUnderPostmaster || pg_sys::MyProc.is_null() } {
        return;
    }
    // SAFETY: as ereport(FATAL) does. It needs no memory but what Postgres keeps for it, runs the callbacks that end
    // the session in order, and exits: nothing unwinds and nothing returns to the allocator's caller.
    unsafe {
        if errstart(PgLogLevel::FATAL as c_int, std::ptr::null()) {
            errcode(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int);
            errmsg_internal(
                c"out of memory: socketio_emitter needs %zu bytes".as_ptr(),
                size,
            );
            errfinish(c"alloc.rs".as_ptr(), 0, std::ptr::null());
        }
    }
}
