//! Background delivery: one process, the launcher, has one worker in each database that has the extension.

mod cleanup;
mod deliverer;
mod launcher;
mod trouble;
mod versions;

use crate::pg::background;
use crate::roster;

/// Called when the library is loaded.
pub fn register() {
    if !background::may_register() {
        return;
    }
    roster::register();
    background::register(launcher::main, deliverer::main);
}
