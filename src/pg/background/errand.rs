//! Having one thing done by a process of the moment: it gets its instructions, tells what it finds, and ends with who has
//! started it, however that ends.
//!
//! Needs no `shared_preload_libraries`: the process loads the library by itself, and shared memory is that of
//! `src/backend/storage/ipc/dsm.c`, which Postgres takes apart when the transaction, or the session, ends in whatever way.

use crate::pg::background::registration::{description, register_dynamic};
use crate::pg::background::signals::take_signals;
use crate::pg::process::interrupt;
use crate::pg::process::unwinding::unwinding;
use pgrx::pg_sys;
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

/// Bytes of the queue that letters come through. A longer letter goes through in parts.
const QUEUE: usize = 64 * 1024;

/// What the shared memory begins with. Instructions and queue follow, each aligned as Postgres aligns memory.
#[repr(C)]
struct Header {
    database: pg_sys::Oid,
    instructions: usize,
}

const INSTRUCTIONS_AT: usize = aligned(size_of::<Header>());

/// As `MAXALIGN` in `src/include/c.h`.
const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(pg_sys::MAXIMUM_ALIGNOF as usize)
}

/// A process that does something for this one.
#[derive(Debug)]
pub struct Errand {
    segment: *mut pg_sys::dsm_segment,
    queue: *mut pg_sys::shm_mq_handle,
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
    /// Has a process started that runs what [`on_errand`] was told, in this session's database. `None`:
    /// `max_worker_processes` are there already.
    pub fn start(instructions: &[u8]) -> Option<Self> {
        let queue_at = INSTRUCTIONS_AT + aligned(instructions.len());
        // SAFETY: the segment has room for all three, and nobody else knows it yet. An ERROR frees it, as the resource owner
        // has it by now; a worker that is registered then finds no segment, and ends. The handle outlives the segment's
        // description, at whose end it is freed.
        unsafe {
            let segment = pg_sys::dsm_create(queue_at + QUEUE, 0);
            let memory = pg_sys::dsm_segment_address(segment).cast::<u8>();
            memory.cast::<Header>().write(Header {
                database: pg_sys::MyDatabaseId,
                instructions: instructions.len(),
            });
            let to = memory.add(INSTRUCTIONS_AT);
            ptr::copy_nonoverlapping(instructions.as_ptr(), to, instructions.len());
            let queue = pg_sys::shm_mq_create(memory.add(queue_at).cast(), QUEUE);
            pg_sys::shm_mq_set_receiver(queue, pg_sys::MyProc);

            let mut worker = description(
                c"socketio_emitter question",
                c"socketio_emitter_question_main",
            );
            worker.bgw_main_arg = pg_sys::Datum::from(pg_sys::dsm_segment_handle(segment));
            let Some(handle) = register_dynamic(&mut worker) else {
                pg_sys::dsm_detach(segment);
                return None;
            };
            pg_sys::on_dsm_detach(segment, Some(end_worker), pg_sys::Datum::from(handle));
            let queue = pg_sys::shm_mq_attach(queue, segment, handle);
            Some(Self { segment, queue })
        }
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
}

impl Drop for Errand {
    fn drop(&mut self) {
        // While an ERROR unwinds, Postgres does it, when it aborts the transaction.
        if !unwinding() {
            // SAFETY: created by `start`, detached once.
            unsafe { pg_sys::dsm_detach(self.segment) };
        }
    }
}

/// Called by Postgres when this process lets go of the segment: on its own, after an ERROR, or when it ends.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn end_worker(_segment: *mut pg_sys::dsm_segment, handle: pg_sys::Datum) {
    let handle = handle.cast_mut_ptr::<pg_sys::BackgroundWorkerHandle>();
    // SAFETY: as `start` has registered it, called once. Both raise nothing.
    unsafe {
        pg_sys::TerminateBackgroundWorker(handle);
        pg_sys::pfree(handle.cast());
    }
}

/// What the process has to do, as it sees it.
#[derive(Debug)]
pub struct Duty {
    database: pg_sys::Oid,
    instructions: &'static [u8],
    queue: *mut pg_sys::shm_mq_handle,
}

impl Duty {
    /// `None` if who asked has gone.
    fn attach(segment: pg_sys::dsm_handle) -> Option<Self> {
        // SAFETY: as `Errand::start` has laid it out. There is no resource owner yet, so the memory stays until the process
        // ends.
        unsafe {
            let segment = pg_sys::dsm_attach(segment);
            if segment.is_null() {
                return None;
            }
            let memory = pg_sys::dsm_segment_address(segment).cast::<u8>();
            let header = memory.cast::<Header>().read();
            let instructions =
                std::slice::from_raw_parts(memory.add(INSTRUCTIONS_AT), header.instructions);
            let queue = memory.add(INSTRUCTIONS_AT + aligned(header.instructions));
            pg_sys::shm_mq_set_sender(queue.cast(), pg_sys::MyProc);
            Some(Self {
                database: header.database,
                instructions,
                queue: pg_sys::shm_mq_attach(queue.cast(), segment, ptr::null_mut()),
            })
        }
    }

    /// The database of who asked.
    pub fn database(&self) -> pg_sys::Oid {
        self.database
    }

    /// As they were given.
    pub fn instructions(&self) -> &'static [u8] {
        self.instructions
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

static MAIN: OnceLock<fn(&Duty)> = OnceLock::new();

/// What such a process does. Told in each process that loads the library.
pub fn on_errand(main: fn(&Duty)) {
    let _ = MAIN.set(main);
}

/// Where Postgres begins to run such a process.
///
/// # Safety
/// For Postgres only.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn socketio_emitter_question_main(segment: pg_sys::Datum) {
    take_signals();
    if let Some(main) = MAIN.get()
        && let Some(duty) = Duty::attach(segment.value() as pg_sys::dsm_handle)
    {
        main(&duty);
    }
}
