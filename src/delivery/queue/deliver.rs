//! `sio_deliver`: a session delivers.

use crate::delivery::queue::drain::{Drain, Step, Transactions, be_the_deliverer};
use crate::delivery::queue::tables::Relations;
use crate::delivery::transport::outlet::Outlet;
use crate::error::Error;
use crate::pg::process::interrupt;
use crate::pg::xact::failure::{Failure, in_subtransaction};
use crate::pg::xact::lock::Wait;
use crate::pg::xact::transaction;
use socketio_emitter_scheduling::pace::Progress;

/// A batch in a subtransaction of the caller's transaction.
struct Subtransactions;

impl Transactions for Subtransactions {
    fn run<R>(work: impl FnOnce() -> R) -> Result<R, Failure> {
        let result = in_subtransaction(work);
        // The next batch sees what this one has done.
        transaction::next_command();
        result
    }

    fn is_to_stop(failure: &Failure) -> bool {
        // The session is told to stop; the next batch would not be.
        failure.is_cancellation()
    }
}

/// Sends up to `max` messages within the caller's transaction and returns how many.
pub fn deliver<O: Outlet + Default>(max: usize) -> Result<i64, Error> {
    let relations = Relations::required()?;
    be_the_deliverer::<O>(&relations, Wait::Yes);
    // What the transaction has queued itself is sent, too.
    transaction::next_command();
    let mut drain = Drain::<O>::of_session(max);
    loop {
        interrupt::check();
        match drain.step::<Subtransactions>() {
            Step::Done(Progress::Sent { more: true }) | Step::Retry | Step::SetAside(_) => {}
            Step::Done(Progress::ListenersBehind) => {
                pgrx::warning!("{}; messages sent: {}", O::NOT_READY, drain.delivered());
                return Ok(drain.delivered());
            }
            Step::Done(_) => return Ok(drain.delivered()),
            Step::Failed(failure) => failure.raise(),
        }
    }
}
