//! Having one thing done by another process: it gets its instructions, tells what it finds, and stops when who has asked for it
//! has had enough, or is no more.
//!
//! Needs no `shared_preload_libraries`: the process loads the library by itself, and its instructions, and what it tells, go
//! through a segment of the moment.

use crate::pg::background::runner::{self, Runner};
use crate::pg::background::segment::Segment;
use crate::pg::process::interrupt;
use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// Bytes of the queue that letters come through. A longer letter goes through in parts.
const QUEUE: usize = 64 * 1024;

/// What the shared memory begins with. Instructions and queue follow, each aligned as Postgres aligns memory.
#[repr(C)]
struct Header {
    /// Who asked has had enough, and the process may do something else.
    is_finished: AtomicBool,
    /// The process may be waiting for a lock.
    is_waiting: AtomicBool,
    instructions: usize,
}

const INSTRUCTIONS_AT: usize = aligned(size_of::<Header>());

/// As `MAXALIGN` in `src/include/c.h`.
const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(pg_sys::MAXIMUM_ALIGNOF as usize)
}

/// What a process does for this one.
#[derive(Debug)]
pub struct Errand {
    segment: Segment,
    queue: *mut pg_sys::shm_mq_handle,
    runner: Runner,
    /// Of a process that was started for this.
    _mailbox: Option<Segment>,
}

/// What has come.
#[derive(Debug)]
pub enum Received<'a> {
    /// It stays until the next one is looked for.
    Letter(&'a [u8]),
    /// Nothing yet.
    Nothing,
    /// The process has ended, and will tell no more.
    Ended,
}

impl Errand {
    /// Has the session's process run what [`on_errand`](super::on_errand) was told, in this session's database: the one that has
    /// done the last errand, or else a new one. `None`: `max_worker_processes` are there already.
    ///
    /// Dropped, or given up by an ERROR, it ends the process.
    pub fn start(instructions: &[u8]) -> Option<Self> {
        let queue_at = INSTRUCTIONS_AT + aligned(instructions.len());
        let segment = Segment::create(queue_at + QUEUE);
        let memory = segment.memory();
        // SAFETY: the segment has room for all three, and nobody else knows it yet.
        let queue = unsafe {
            memory.cast::<Header>().write(Header {
                is_finished: AtomicBool::new(false),
                is_waiting: AtomicBool::new(false),
                instructions: instructions.len(),
            });
            let to = memory.add(INSTRUCTIONS_AT);
            ptr::copy_nonoverlapping(instructions.as_ptr(), to, instructions.len());
            let queue = pg_sys::shm_mq_create(memory.add(queue_at).cast(), QUEUE);
            pg_sys::shm_mq_set_receiver(queue, pg_sys::MyProc);
            queue
        };
        let (runner, mailbox) = match Runner::take_idle(&segment) {
            Some(runner) => (runner, None),
            None => {
                let (runner, mailbox) = Runner::start(&segment)?;
                (runner, Some(mailbox))
            }
        };
        // SAFETY: attached. After an ERROR in one of these, the process finds no segment. The handle of the queue belongs to the
        // call's memory.
        let queue = unsafe {
            let handle = runner.handle();
            pg_sys::on_dsm_detach(
                segment.as_ptr(),
                Some(end_unless_finished),
                pg_sys::Datum::from(handle),
            );
            pg_sys::shm_mq_attach(queue, segment.as_ptr(), handle)
        };
        Some(Self {
            segment,
            queue,
            runner,
            _mailbox: mailbox,
        })
    }

    /// What has come, without waiting.
    pub fn receive(&mut self) -> Received<'_> {
        let (mut length, mut letter) = (0, ptr::null_mut());
        // SAFETY: the queue is attached. Its memory, or a copy in the call's, stays until the next call of this.
        unsafe {
            match pg_sys::shm_mq_receive(self.queue, &mut length, &mut letter, true) {
                pg_sys::shm_mq_result::SHM_MQ_SUCCESS => {
                    Received::Letter(std::slice::from_raw_parts(letter.cast(), length))
                }
                pg_sys::shm_mq_result::SHM_MQ_WOULD_BLOCK => Received::Nothing,
                _ => Received::Ended,
            }
        }
    }

    /// Waits for a letter, or the process's end, or so long; an ERROR if the statement is cancelled or the session ended.
    pub fn wait(&self, timeout: Duration) {
        interrupt::sleep(timeout);
    }

    /// Lets the process be, once it is known to be at work: for the session's next errand, unless it may be waiting for a lock,
    /// for the next one would wait with it.
    pub fn finish(self) {
        let header = header(self.segment.as_ptr());
        header.is_finished.store(true, SeqCst);
        if header.is_waiting.load(SeqCst) {
            runner::end(self.runner.handle());
        } else {
            self.runner.keep();
        }
    }
}

fn header<'a>(segment: *mut pg_sys::dsm_segment) -> &'a Header {
    // SAFETY: `Errand::start` has written it; what changes in it may be changed together. Whoever calls this is attached, for
    // longer than it uses it.
    unsafe { &*pg_sys::dsm_segment_address(segment).cast::<Header>() }
}

/// Called by Postgres when this process lets go of the segment: on its own, after an ERROR, or when it ends.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn end_unless_finished(
    segment: *mut pg_sys::dsm_segment,
    handle: pg_sys::Datum,
) {
    if !header(segment).is_finished.load(SeqCst) {
        runner::end(handle.cast_mut_ptr());
    }
}

/// What the process has to do, as it sees it.
#[derive(Debug)]
pub struct Duty {
    queue: *mut pg_sys::shm_mq_handle,
    segment: Segment,
}

impl Duty {
    /// `None` if who asked has gone.
    pub(super) fn attach(segment: pg_sys::dsm_handle) -> Option<Self> {
        let segment = Segment::attach(segment)?.of_process();
        // SAFETY: as `Errand::start` has laid it out.
        let queue = unsafe {
            let instructions = aligned(header(segment.as_ptr()).instructions);
            let queue = segment.memory().add(INSTRUCTIONS_AT + instructions).cast();
            pg_sys::shm_mq_set_sender(queue, pg_sys::MyProc);
            pg_sys::shm_mq_attach(queue, segment.as_ptr(), ptr::null_mut())
        };
        Some(Self { queue, segment })
    }

    /// As they were given.
    pub fn instructions(&self) -> &[u8] {
        // SAFETY: as `Errand::start` has laid it out, and nobody changes it. It stays as long as the segment is attached.
        unsafe {
            std::slice::from_raw_parts(
                self.segment.memory().add(INSTRUCTIONS_AT),
                header(self.segment.as_ptr()).instructions,
            )
        }
    }

    /// Whether who asked has had enough.
    pub fn is_finished(&self) -> bool {
        header(self.segment.as_ptr()).is_finished.load(SeqCst)
    }

    /// Does what may wait for a lock. `None`: who asked has had enough.
    pub fn wait_for<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        let Header {
            is_finished,
            is_waiting,
            ..
        } = header(self.segment.as_ptr());
        // Both sides write first and read then: this sees that it is too late, or who asked sees that this waits.
        is_waiting.store(true, SeqCst);
        let result = (!is_finished.load(SeqCst)).then(work);
        is_waiting.store(false, SeqCst);
        result
    }

    /// Sends a letter, and waits while the queue is full. False if nobody is there to read it.
    pub fn tell(&self, letter: &[u8]) -> bool {
        // SAFETY: the queue is attached; Postgres copies the letter.
        let result = unsafe {
            pg_sys::shm_mq_send(
                self.queue,
                letter.len(),
                letter.as_ptr().cast(),
                false,
                true,
            )
        };
        result == pg_sys::shm_mq_result::SHM_MQ_SUCCESS
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if !unwinding() {
            // SAFETY: attached, and let go of once; before the segment, which is dropped after this. It frees what it has in
            // this process, which may run many errands.
            unsafe { pg_sys::shm_mq_detach(self.queue) };
        }
    }
}
