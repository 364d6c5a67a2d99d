/// When rows no longer wait for others. Bytes are of the rows' copies, with what is stored out of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a batch: with so many it goes out.
    pub rows: usize,
    /// Bytes of a batch: with more it goes out, so that large values don't make a message that is larger than any can be,
    /// or than servers like.
    pub batch_bytes: usize,
    /// Bytes that all batches take, and what is remembered of their rows: with more all go out as they are, so that a
    /// statement of any size, into any number of rooms, takes no more memory than this.
    pub waiting_bytes: usize,
}

impl Limits {
    /// 16 MB in a batch of at most so many rows, 64 MB in all.
    pub const fn of_rows(rows: usize) -> Self {
        Self {
            rows,
            batch_bytes: 16 * 1024 * 1024,
            waiting_bytes: 64 * 1024 * 1024,
        }
    }
}
