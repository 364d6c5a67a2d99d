//! The place of a row.

use pgrx::pg_sys;

/// Where a row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tid(pg_sys::BlockNumber, pg_sys::OffsetNumber);

#[cfg(test)]
impl Tid {}

impl Tid {
    /// From Postgres's form.
    pub(in crate::pg) fn of(pointer: &pg_sys::ItemPointerData) -> Self {
        let block = pointer.ip_blkid;
        Self(
            u32::from(block.bi_hi) << 16 | u32::from(block.bi_lo),
            pointer.ip_posid,
        )
    }

    /// Whether a table of so many pages has its page.
    pub(in crate::pg) fn is_within(self, pages: u32) -> bool {
        self.0 < pages
    }

    /// In Postgres's form.
    pub(in crate::pg) fn pointer(self) -> pg_sys::ItemPointerData {
        pg_sys::ItemPointerData {
            ip_blkid: pg_sys::BlockIdData {
                bi_hi: (self.0 >> 16) as u16,
                bi_lo: self.0 as u16,
            },
            ip_posid: self.1,
        }
    }
}
