//! Allocations of Rust's, and what happens when one fails.
//!
//! Rust aborts the process when an allocation fails, and Postgres then ends every session of the server
//! (`HandleChildCrash` in `src/backend/postmaster/postmaster.c`). So no failed allocation may get that far: what has
//! a size that a caller chooses is reserved [`fallibly`] and becomes an error, 53200; any other ends this session
//! alone.

use crate::extension;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int};
use std::thread::LocalKey;

/// The system's allocator, which ends the session where it would abort the server.
struct Allocator;

// Not in the program that runs the tests within a server: that is linked without Postgres.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

thread_local! {
    /// Whether the code that allocates handles a failure.
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

/// Runs `reserve`, which is a single reservation that tells whether there was room, such as `try_reserve`. Nothing else may
/// run in it: an infallible allocation that fails there would abort the server.
pub fn fallibly<R>(reserve: impl FnOnce() -> R) -> R {
    FALLIBLE.set(true);
    let reserved = reserve();
    FALLIBLE.set(false);
    reserved
}

/// Makes room for more bytes, at least twice as many as there are. False if there is none.
pub fn grow(bytes: &mut Vec<u8>, more: usize) -> bool {
    fallibly(|| bytes.try_reserve(more)).is_ok()
}

/// Adds to a list of the session's, which is not borrowed while it grows: what ends the session then looks at the list.
pub fn push<T>(list: &'static LocalKey<RefCell<Vec<T>>>, value: T) {
    let (length, capacity) = list.with_borrow(|list| (list.len(), list.capacity()));
    if length == capacity {
        let mut larger = Vec::new();
        reserve(&mut larger, (2 * length).max(16));
        let smaller = list.with_borrow_mut(|list| {
            larger.append(list);
            std::mem::replace(list, larger)
        });
        drop(smaller);
    }
    list.with_borrow_mut(|list| list.push(value));
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
        extension::NAME,
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

/// Ends the session with FATAL, unless the caller handles the failure, or there is no session.
#[cold]
#[inline(never)]
fn refused(size: usize) {
    let is_dealt_with = FALLIBLE.try_with(Cell::get) == Ok(true);
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
