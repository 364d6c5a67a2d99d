//! The background worker's part: it listens, asks, and tells what it hears. It runs no SQL, and nobody's code.
//!
//! Between two questions of its session it listens to nothing and has no transaction, so that nobody who emits notices it.

use crate::delivery::text::c_string;
use crate::delivery::transport::notify::attachments;
use crate::pg::background::{self, Desk, Duty};
use crate::pg::listen;
use crate::pg::notify;
use crate::pg::process::{alloc, interrupt};
use crate::pg::table::varlena::{self, Varlena};
use crate::pg::xact::place::Seat;
use crate::pg::xact::transaction;
use crate::pg::{encoding, table};
use crate::settings;
use pgrx::pg_sys::{
    Oid,
    panic::{ErrorReport, ErrorReportable},
};
use socketio_emitter_protocol::header;
use socketio_emitter_questions::hear::{self, What};
use socketio_emitter_questions::letters::{self, News, Order};
use socketio_emitter_questions::{Answer, Heard, Sign, Wanted};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// What it needs, whatever somebody has set for the database, in addition to what each of our processes needs.
const SETTINGS: &[(&CStr, &CStr)] = &[
    // No conversion: a text that has none would be FATAL within Postgres's reading of its queue.
    (c"client_encoding", c"SQL_ASCII"),
    // Nobody else is kept from anything: who asks waits no longer than they said.
    (c"lock_timeout", c"0"),
];

/// For how long it stays for the session's next question. `DROP DATABASE` and their like wait for 5 s for others to leave
/// (`CountOtherDBBackends` in `src/backend/storage/ipc/procarray.c`).
const LINGER: Duration = Duration::from_secs(1);

/// How often it then looks whether others need its place.
const PAUSE: Duration = Duration::from_millis(20);

/// The process, from its start to its end.
pub fn main(desk: &Desk) {
    background::connect(Some(desk.database()));
    for (name, value) in background::UNDISTURBED.iter().chain(SETTINGS) {
        background::set(name, value);
    }
    while let Some(duty) = next(desk) {
        background::report_activity(Some(c"asking Socket.IO servers"));
        let has_finished = serve(&duty);
        // Before it lets go of the errand, which ends the process if it is given up.
        if background::transaction(listen::unlisten).is_err() || !has_finished {
            return;
        }
        drop(duty);
        background::report_activity(None);
        background::report_statistics(false);
        background::reload_settings();
    }
}

fn next(desk: &Desk) -> Option<Duty> {
    let mut seat = None;
    desk.next(LINGER, PAUSE, || match &seat {
        None => {
            seat = Seat::take(settings::max_questions());
            seat.is_some()
        }
        Some(seat) => seat.is_free(),
    })
}

/// A question, from its order to its end. Whether there may be another one after it.
fn serve(duty: &Duty) -> bool {
    match letters::read::<Order<'_>>(duty.instructions()) {
        Ok(order) => Listener {
            duty,
            asked: Instant::now(),
            signs: HashSet::new(),
            order,
        }
        .run(),
        Err(error) => {
            let message = error.to_string().into();
            tell(duty, &News::Failed { message });
            false
        }
    }
}

struct Listener<'a> {
    duty: &'a Duty,
    order: Order<'a>,
    asked: Instant,
    /// Those that were told.
    signs: HashSet<(String, Sign)>,
}

/// False if nobody listens any more.
fn tell(duty: &Duty, news: &News<'_>) -> bool {
    duty.tell(&letters::write(news))
}

impl Listener<'_> {
    /// Returns whether who asked has had enough, and not given up.
    fn run(&mut self) -> bool {
        if self.ask() && tell(self.duty, &News::Asked) {
            while !self.duty.is_finished() && !background::is_told_to_end() && self.hear() {
                let rest = self.order.deadline - transaction::clock();
                match u64::try_from(rest) {
                    Ok(rest) if rest > 0 => background::wait(Duration::from_micros(rest)),
                    _ => break,
                }
            }
        }
        self.duty.is_finished()
    }

    /// Listens and asks, in one transaction: Postgres begins to listen before it hands out what the transaction has notified
    /// (`PreCommit_Notify` and `AtCommit_Notify` in `src/backend/commands/async.c`). False if that failed, which it tells.
    fn ask(&mut self) -> bool {
        let channel = c_string(alloc::copy(self.order.channel));
        self.asked = Instant::now();
        let asked = background::transaction(|| {
            listen::listen(&channel);
            self.notify(&channel);
        });
        if let Err(failure) = asked {
            let message = Cow::Borrowed(failure.message.as_str());
            tell(self.duty, &News::Failed { message });
            return false;
        }
        true
    }

    fn notify(&self, channel: &CStr) {
        let Order {
            notifications,
            attachment,
            table,
            ..
        } = &self.order;
        let texts = notifications.iter().map(|text| alloc::copy(text.0));
        let stored = attachment
            .iter()
            .zip(*table)
            .map(|((start, payload), table)| {
                let mut bytes = vec![0; varlena::HEADER];
                alloc::reserve(&mut bytes, payload.0.len());
                bytes.extend_from_slice(payload.0);
                let payload = Varlena::with_header(bytes);
                let id = attachments::store_into(Oid::from_u32(table), &payload)
                    .map_err(ErrorReport::from)
                    .unwrap_or_report();
                header(start.as_bytes(), id)
            });
        for text in texts.chain(stored) {
            notify::notify(channel, &c_string(text));
        }
    }

    /// Tells what has come. False if nobody listens any more.
    fn hear(&mut self) -> bool {
        let Order {
            channel,
            request_id,
            ..
        } = self.order;
        let wanted = Wanted {
            request_id,
            kind: self.order.kind,
            data: self.order.data,
            handshakes: self.order.handshakes,
        };
        let mut heard: Vec<(Heard<'static>, Duration)> = Vec::new();
        let (signs, asked) = (&mut self.signs, self.asked);
        listen::hear(&mut |on, text| {
            // Postgres has not read its queue to the end yet.
            let text = interrupt::held(|| encoding::to_utf8(text))
                .unwrap_or_else(|_| String::from_utf8_lossy(text));
            let Some(news) = hear::notification(&text, &wanted).filter(|_| on == channel) else {
                return;
            };
            // At two thousand messages a second, each server is new but once.
            if let What::Sign(sign) = news.what
                && !is_new(signs, &news.uid, sign)
            {
                return;
            }
            heard.push((owned(news), asked.elapsed()));
        });
        heard
            .into_iter()
            .all(|(heard, after)| self.tell_heard(heard, after, &wanted))
    }

    fn tell_heard(&self, heard: Heard<'_>, after: Duration, wanted: &Wanted<'_>) -> bool {
        let Heard { uid, node, what } = heard;
        match what {
            What::Sign(sign) => tell(
                self.duty,
                &News::Sign {
                    uid,
                    node,
                    sign,
                    after: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
                },
            ),
            What::Attachment(id) => self.tell_attachment(uid, id, wanted),
            What::Answer(answer) => self.tell_answer(uid, answer),
            What::Unreadable => tell(
                self.duty,
                &News::Unreadable {
                    uid,
                    attachment: None,
                },
            ),
        }
    }

    fn tell_attachment(&self, uid: Cow<'_, str>, id: i64, wanted: &Wanted<'_>) -> bool {
        let table = self.order.table.map(Oid::from_u32);
        let read = || {
            background::transaction(|| table.and_then(|table| table::attachments::read(table, id)))
        };
        let Some(payload) = self.duty.wait_for(read) else {
            return false;
        };
        let answer = payload
            .ok()
            .flatten()
            .map(|payload| hear::attachment(&payload, wanted));
        match answer {
            Some(Ok(Some(answer))) => self.tell_answer(uid, answer),
            // Somebody else's.
            Some(Ok(None)) => true,
            Some(Err(hear::Unreadable)) | None => tell(
                self.duty,
                &News::Unreadable {
                    uid,
                    attachment: Some(id),
                },
            ),
        }
    }

    fn tell_answer(&self, uid: Cow<'_, str>, answer: Answer) -> bool {
        match answer {
            Answer::Sockets {
                sockets,
                unreadable,
            } => {
                let count = sockets.len() as u64;
                let told = if self.order.only_count {
                    Vec::new()
                } else {
                    sockets
                };
                let news = News::Sockets {
                    uid,
                    count,
                    unreadable: unreadable as u64,
                };
                told.into_iter()
                    .all(|socket| tell(self.duty, &News::Socket(socket)))
                    && tell(self.duty, &news)
            }
            Answer::Acknowledgement(answer) => {
                let answer = answer.map(Cow::Owned);
                tell(self.duty, &News::Acknowledgement { uid, answer })
            }
        }
    }
}

/// Whether that sign of the server's wasn't heard before.
fn is_new(signs: &mut HashSet<(String, Sign)>, uid: &str, sign: Sign) -> bool {
    signs.insert((uid.to_owned(), sign))
}

/// What outlives the notification.
fn owned(heard: Heard<'_>) -> Heard<'static> {
    Heard {
        uid: Cow::Owned(heard.uid.into_owned()),
        node: heard.node.map(|node| Cow::Owned(node.into_owned())),
        what: heard.what,
    }
}
