//! A number for each message of a transaction.

use crate::pg::xact::transaction;
use std::cell::Cell;

thread_local! {
    /// The transaction's start and the number of its next message.
    static NEXT: Cell<(i64, u64)> = const { Cell::new((i64::MIN, 0)) };
}

/// The number that the next message of the transaction gets, from 0.
///
/// Postgres collapses equal notifications of one transaction (`AsyncExistsPendingNotify` in
/// async.c); numbers make equal messages differ. They restart with each transaction, known by its
/// start. Two transactions of the same microsecond would share a row of numbers: still no two equal.
pub fn peek() -> u64 {
    next(transaction::start())
}

fn next(now: i64) -> u64 {
    let (start, next) = NEXT.get();
    if start == now { next } else { 0 }
}

/// Takes that number; neither an error nor a rolled back savepoint gives it back.
pub fn take() -> u64 {
    let now = transaction::start();
    let number = next(now);
    NEXT.set((now, number + 1));
    number
}
