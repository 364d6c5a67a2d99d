//! This process and the others: memory, interrupts, latches, settings, shared memory.

#[cfg_attr(test, allow(dead_code, reason = "tests have no such allocator"))]
pub mod alloc;
pub mod ballast;
pub mod interrupt;
pub mod latch;
pub mod random;
pub mod settings;
pub mod shared;
pub mod unwinding;
