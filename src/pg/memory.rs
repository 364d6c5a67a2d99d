//! Memory contexts of our own.

use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys;
use std::ffi::CStr;

/// A memory context that is deleted with its owner.
#[derive(Debug)]
pub struct Memory(pg_sys::MemoryContext);

unsafe extern "C-unwind" {
    // src/include/utils/memutils.h. Without pgrx's guard: it moves pointers and raises nothing, so that it may be
    // called while an ERROR unwinds.
    fn MemoryContextSetParent(context: pg_sys::MemoryContext, parent: pg_sys::MemoryContext);
}

impl Memory {
    /// One that may outlive transactions.
    pub fn of_session(name: &'static CStr) -> Self {
        // SAFETY: the context exists throughout the session.
        Self::below(unsafe { pg_sys::TopMemoryContext }, name)
    }

    /// One for the current call.
    pub fn of_call(name: &'static CStr) -> Self {
        // SAFETY: there always is a current context.
        Self::below(unsafe { pg_sys::CurrentMemoryContext }, name)
    }

    fn below(parent: pg_sys::MemoryContext, name: &'static CStr) -> Self {
        // SAFETY: a live parent; the context keeps the pointer to the name, which is static.
        Self(unsafe {
            pg_sys::AllocSetContextCreateInternal(
                parent,
                name.as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_SMALL_INITSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as pg_sys::Size,
            )
        })
    }

    /// As Postgres takes it.
    pub(super) fn context(&self) -> pg_sys::MemoryContext {
        self.0
    }

    /// Runs `work` with this context as the current one, and frees what `work` allocated in it:
    /// what Postgres handed out there must not be carried away, so there is no result.
    pub fn run(&self, work: impl FnOnce()) {
        // SAFETY: the context is live. After an ERROR in `work`, Postgres sets the current context
        // itself.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(self.0);
            work();
            pg_sys::MemoryContextSwitchTo(before);
            // What MemoryContextReset asks first; asked here, it costs no guarded call.
            if !(*self.0).isReset || !(*self.0).firstchild.is_null() {
                pg_sys::MemoryContextReset(self.0);
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: ours, deleted once. While an ERROR unwinds, it is Postgres that deletes it, when it aborts the
        // transaction: it may be the current one, and what is registered with it is called at its deletion.
        unsafe {
            if unwinding() {
                let transaction = pg_sys::CurTransactionContext;
                if !transaction.is_null() {
                    MemoryContextSetParent(self.0, transaction);
                }
            } else {
                pg_sys::MemoryContextDelete(self.0);
            }
        }
    }
}
