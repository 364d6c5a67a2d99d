//! Who is expected to answer, and whether all have.
//!
//! Nobody knows how many servers there are. So a question goes out together with a roll call, which every server answers at
//! once, and each server that is heard from is expected to answer the question, too.

use crate::hear::Sign;
use std::collections::HashMap;
use std::time::Duration;

/// The servers that were heard from.
#[derive(Debug, Default)]
pub struct Roll {
    servers: HashMap<String, Server>,
}

#[derive(Debug)]
struct Server {
    /// Whether it heard the question: one that has been started since may not have.
    is_expected: bool,
    has_answered: bool,
}

/// How many of how many have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Servers that have answered.
    pub answered: usize,
    /// Servers that were heard from, or how many the caller says there are, if that is more.
    pub expected: usize,
}

/// Whether to wait for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All have answered.
    Complete,
    /// At least one is missing.
    Missing,
    /// All that were heard from have answered, but others may not have been heard yet for so long.
    Settles(Duration),
}

impl Roll {
    /// A server has given a sign of life.
    pub fn sign(&mut self, uid: &str, sign: Sign) {
        match sign {
            // Its sockets have gone with it.
            Sign::Closed => {
                self.servers.remove(uid);
            }
            Sign::Heartbeat | Sign::Other => {
                self.server(uid, true);
            }
            Sign::Started => {
                self.server(uid, false);
            }
        }
    }

    /// A server has answered. False if it had already.
    pub fn answer(&mut self, uid: &str) -> bool {
        !std::mem::replace(&mut self.server(uid, true).has_answered, true)
    }

    /// Whether the server is one that has answered and hasn't said goodbye since.
    pub fn has_answered(&self, uid: &str) -> bool {
        self.servers
            .get(uid)
            .is_some_and(|server| server.has_answered)
    }

    fn server(&mut self, uid: &str, is_expected: bool) -> &mut Server {
        if !self.servers.contains_key(uid) {
            let server = Server {
                is_expected,
                has_answered: false,
            };
            self.servers.insert(uid.to_owned(), server);
        }
        self.servers.get_mut(uid).expect("it is there by now")
    }

    /// How many of how many have answered. `servers`: how many there are, if the caller knows.
    pub fn tally(&self, servers: Option<usize>) -> Tally {
        let servers_now = self.servers.values();
        let heard = servers_now.filter(|server| server.is_expected || server.has_answered);
        Tally {
            answered: self
                .servers
                .values()
                .filter(|server| server.has_answered)
                .count(),
            expected: heard.count().max(servers.unwrap_or_default()),
        }
    }

    /// Whether all have answered.
    ///
    /// * `servers`: how many there are, if the caller knows; then nobody else is waited for.
    /// * `settle`: for how long after the question others may be heard from for the first time. `asked`: since when it is under
    ///   way.
    pub fn verdict(&self, servers: Option<usize>, asked: Duration, settle: Duration) -> Verdict {
        let Tally { answered, expected } = self.tally(servers);
        match settle.checked_sub(asked) {
            _ if answered < expected => Verdict::Missing,
            Some(rest) if servers.is_none() && !rest.is_zero() => Verdict::Settles(rest),
            _ => Verdict::Complete,
        }
    }
}
