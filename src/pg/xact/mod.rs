//! Transactions: which is under way, what it sees, what it locks, how it ends.

pub mod failure;
pub mod lock;
pub mod place;
pub mod role;
pub mod snapshot;
pub mod transaction;
pub mod transaction_end;
