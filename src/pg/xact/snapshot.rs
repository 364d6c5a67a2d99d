//! What a transaction sees of others.

use pgrx::pg_sys;
use socketio_emitter_scheduling::backlog::Seen;
use std::collections::BTreeSet;
use std::slice;

/// A snapshot of now, whatever the isolation level of the transaction.
#[derive(Debug)]
pub struct Snapshot(pg_sys::Snapshot);

impl Snapshot {
    /// Takes one for the time of `work`.
    pub fn with_latest<R>(work: impl FnOnce(&Snapshot) -> R) -> R {
        // SAFETY: registered and unregistered in pairs; after an ERROR Postgres does the latter.
        unsafe {
            let snapshot = Self(pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()));
            let result = work(&snapshot);
            pg_sys::UnregisterSnapshot(snapshot.0);
            result
        }
    }

    /// As Postgres takes it.
    pub(in crate::pg) fn raw(&self) -> pg_sys::Snapshot {
        self.0
    }

    /// The lists of the snapshot, with 64-bit numbers.
    pub fn seen(&self) -> Seen {
        // SAFETY: a live snapshot with as many transactions as it says.
        unsafe {
            let next = pg_sys::ReadNextFullTransactionId().value;
            let snapshot = &*self.0;
            let running = match snapshot.xcnt {
                0 => &[],
                count => slice::from_raw_parts(snapshot.xip, count as usize),
            };
            // A snapshot doesn't list the transaction that takes it.
            let own = Some(pg_sys::GetTopTransactionIdIfAny())
                .filter(|own| *own != pg_sys::InvalidTransactionId);
            Seen {
                next: widen(snapshot.xmax, next),
                running: running
                    .iter()
                    .chain(&own)
                    .map(|xid| widen(*xid, next))
                    .collect(),
            }
        }
    }
}

/// Which transactions a statement sees, with 64-bit numbers of whole transactions.
#[derive(Debug, PartialEq, Eq)]
pub struct Sight {
    /// All below it are seen.
    pub least: u64,
    /// None from here on is.
    pub next: u64,
    /// Those in between that are not, in their order.
    pub running: BTreeSet<u64>,
}

impl Sight {
    /// That of the running statement; none if its snapshot was taken on a standby, where it lists no transactions.
    ///
    /// The transaction that asks counts as running, although it sees what it has done so far: it may do more.
    pub fn of_statement() -> Option<Self> {
        // SAFETY: the snapshot of the statement that called us, with as many transactions as it says.
        unsafe {
            assert!(
                pg_sys::ActiveSnapshotSet(),
                "a function runs with a snapshot"
            );
            let snapshot = &*pg_sys::GetActiveSnapshot();
            if snapshot.takenDuringRecovery {
                return None;
            }
            let next = pg_sys::ReadNextFullTransactionId().value;
            let running = match snapshot.xcnt {
                0 => &[],
                count => slice::from_raw_parts(snapshot.xip, count as usize),
            };
            let own = Some(pg_sys::GetTopTransactionIdIfAny())
                .filter(|own| *own != pg_sys::InvalidTransactionId);
            let end = widen(snapshot.xmax, next);
            Some(Self {
                least: widen(snapshot.xmin, next),
                next: end,
                running: running
                    .iter()
                    .chain(&own)
                    .map(|xid| widen(*xid, next))
                    .filter(|xid| *xid < end)
                    .collect(),
            })
        }
    }
}

/// The current transaction's number, of the whole and not of a savepoint. Gives it one if it has none.
pub fn current_xid() -> u64 {
    // SAFETY: within a transaction. The first reads a variable of the backend, and is asked for each event: without pgrx's
    // guard, which costs more than that. Giving one is an ERROR on a standby.
    unsafe {
        match raw::GetTopFullTransactionIdIfAny().value {
            0 => pg_sys::GetTopFullTransactionId().value,
            xid => xid,
        }
    }
}

mod raw {
    use pgrx::pg_sys::FullTransactionId;

    unsafe extern "C-unwind" {
        pub fn GetTopFullTransactionIdIfAny() -> FullTransactionId;
    }
}

/// `next`: any number that no transaction up to `xid` exceeds. A 32-bit number is one of the last 2^31
/// (`FullXidRelativeTo` in `src/backend/utils/adt/xid8funcs.c`).
fn widen(xid: pg_sys::TransactionId, next: u64) -> u64 {
    let xid = u64::from(xid.into_inner());
    let epoch = next >> 32;
    let epoch = if xid > (next & 0xFFFF_FFFF) {
        epoch.wrapping_sub(1)
    } else {
        epoch
    };
    epoch << 32 | xid
}
