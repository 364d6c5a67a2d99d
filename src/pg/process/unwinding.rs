//! What a destructor may do.

/// Whether an ERROR, or a panic, is on its way up.
///
/// Each `Drop` that calls Postgres asks this first, and then does nothing that could raise another one: that would
/// abort the process and with it the server. Postgres is in whatever state the ERROR left it in
/// (`lock_and_open_sequence` in `src/backend/commands/sequence.c`, for one, leaves another resource owner current), and
/// frees all of it itself when it aborts the transaction. `scripts/lint` finds a `Drop` that doesn't ask.
pub(in crate::pg) fn unwinding() -> bool {
    std::thread::panicking()
}
