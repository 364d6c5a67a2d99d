//! What is remembered of Postgres's catalogs, until Postgres invalidates it.
//!
//! Invalidations arrive at any moment when Postgres looks anything up; what is called then must look nothing up itself.

use pgrx::pg_sys;
use std::cell::Cell;

/// What was looked up in the catalogs, until Postgres invalidates it.
pub struct Remembered<T> {
    value: Cell<Option<T>>,
    /// How often it was forgotten.
    forgotten: Cell<u64>,
}

impl<T: Copy> Remembered<T> {
    /// Nothing is known yet.
    pub const fn nothing() -> Self {
        Self {
            value: Cell::new(None),
            forgotten: Cell::new(0),
        }
    }

    /// What is known, if anything is.
    pub fn get(&self) -> Option<T> {
        self.value.get()
    }

    /// Forgets it: it may have become wrong.
    pub fn forget(&self) {
        self.forgotten.set(self.forgotten.get() + 1);
        self.value.set(None);
    }

    /// Looks up, and remembers what was found, unless an invalidation came meanwhile: the first part of it may have
    /// been read before the change.
    pub fn look_up<E>(&self, look: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let before = self.forgotten.get();
        let found = look()?;
        if self.forgotten.get() == before {
            self.value.set(Some(found));
        }
        Ok(found)
    }
}

/// Calls `forget` when a relation may have changed; with `None`, any may have. For the rest of the
/// session: call it once.
pub fn on_relation(forget: fn(Option<pg_sys::Oid>)) {
    #[pgrx::pg_guard]
    extern "C-unwind" fn callback(forget: pg_sys::Datum, relation: pg_sys::Oid) {
        // SAFETY: the function that was registered below.
        let forget =
            unsafe { std::mem::transmute::<usize, fn(Option<pg_sys::Oid>)>(forget.value()) };
        forget((relation != pg_sys::InvalidOid).then_some(relation));
    }

    // SAFETY: functions of this library, which is never unloaded.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(callback), pg_sys::Datum::from(forget as usize));
    }
}

/// Calls `forget` when a row of the catalog that `cache` holds may have changed. For the rest of the
/// session: call it once.
pub fn on_cached_row(cache: pg_sys::SysCacheIdentifier::Type, forget: fn()) {
    #[pgrx::pg_guard]
    extern "C-unwind" fn callback(forget: pg_sys::Datum, _cache: i32, _hash: u32) {
        // SAFETY: the function that was registered below.
        let forget = unsafe { std::mem::transmute::<usize, fn()>(forget.value()) };
        forget();
    }

    // SAFETY: functions of this library, which is never unloaded.
    unsafe {
        pg_sys::CacheRegisterSyscacheCallback(
            cache as i32,
            Some(callback),
            pg_sys::Datum::from(forget as usize),
        );
    }
}
