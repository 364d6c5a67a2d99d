//! The decisions of queued delivery.

mod back_off;
mod backlog;
mod blame;
mod launch;
mod pace;
mod ranges;
