//! The session's part: it has a question asked, and collects answers until they are complete.

use crate::delivery::encode::{Body, Encoded, encode};
use crate::delivery::transport::notify::attachments;
use crate::error::{Error, QuestionError};
use crate::payload::{Argument, Context};
use crate::pg::background::{Errand, Received};
use crate::pg::process::interrupt;
use crate::pg::xact::place::{Place, Want};
use crate::pg::xact::transaction;
use crate::settings;
use socketio_emitter_protocol::Action;
use socketio_emitter_questions::hear::Kind;
use socketio_emitter_questions::letters::{self, News, Order, Text};
use socketio_emitter_questions::roll::{Roll, Tally, Verdict};
use socketio_emitter_questions::{Sign, Socket};
use std::time::{Duration, Instant};

/// Between two looks for a free place, or for a free background worker.
const PATIENCE: Duration = Duration::from_millis(10);

/// For how much longer than the caller the listener lives, if nobody ends it.
const GRACE: Duration = Duration::from_secs(1);

/// What is asked, and for how long.
#[derive(Debug)]
pub struct Question<'a> {
    /// With its slash.
    pub namespace: &'a str,
    pub request_id: &'a str,
    /// `None`: only who is there.
    pub kind: Option<Kind>,
    /// Which parts of a socket are wanted.
    pub data: bool,
    pub handshakes: bool,
    /// Whether the first socket of all is enough; no other is told.
    pub only_any: bool,
    /// How many servers there are, if the caller knows.
    pub servers: Option<usize>,
    /// For how long to wait, from now on.
    pub timeout: Duration,
    /// For how long after the question servers may be heard from for the first time.
    pub settle: Duration,
}

/// What the servers have answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// In the order in which they were heard.
    pub servers: Vec<Server>,
    /// Each with the server's uid.
    pub sockets: Vec<(String, Socket)>,
    /// JSON, each with the server's uid.
    pub acknowledgements: Vec<(String, Option<String>)>,
    /// Whether any server has a socket.
    pub has_any: bool,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    pub tally: Option<Tally>,
}

/// A server that answered the roll call.
#[derive(Debug)]
pub struct Server {
    pub uid: String,
    /// The primary process of its Node cluster.
    pub node: Option<String>,
    /// After the question.
    pub after: Duration,
}

#[derive(Debug)]
pub struct Unreadable {
    /// Whose.
    pub server: String,
    /// How many values; `None`: all of it.
    pub values: Option<u64>,
    /// The row that it should be in, if it is an attachment.
    pub attachment: Option<i64>,
}

impl Answers {
    /// An error unless all that were expected have answered.
    pub fn check_complete(&self) -> Result<(), Error> {
        match self.tally {
            Some(Tally { answered, expected }) if answered < expected => {
                Err(QuestionError::Incomplete { answered, expected }.into())
            }
            _ => Ok(()),
        }
    }
}

/// Asks, and waits for the answers: until all have come, or the time is over.
///
/// `action`: `None` for a roll call, which every question begins with.
pub fn ask(
    question: &Question<'_>,
    action: Option<Action<'_, Argument<'_>>>,
    context: &Context<'_>,
) -> Result<Answers, Error> {
    let began = Instant::now();
    let roll_call = encode(
        question.namespace,
        Action::<Argument<'_>>::InitialHeartbeat,
        &Context::new("ns", []),
        0,
    )?;
    let encoded = action
        .map(|action| encode(question.namespace, action, context, 1))
        .transpose()?;
    let order = order(question, &roll_call, encoded.as_ref())?;
    let deadline = began + question.timeout;
    let place = until(deadline, || Place::take(settings::max_questions())).ok_or(
        QuestionError::TooMany {
            max: settings::max_questions().into(),
        },
    )?;
    let mut errand = start(&order, deadline).ok_or(QuestionError::NoWorker)?;
    let answers = Collector {
        question,
        deadline,
        asked: None,
        roll: Roll::default(),
        pending: Vec::new(),
        answers: Answers::default(),
    }
    .collect(&mut errand)?;
    // In this order: the process that is left alone looks for a place to be idle in.
    drop(place);
    errand.finish();
    Ok(answers)
}

/// `None`: there is no process for it in time.
fn start(order: &[u8], deadline: Instant) -> Option<Errand> {
    let mut want = None;
    until(deadline, || {
        let errand = Errand::start(order);
        if errand.is_none() && want.is_none() {
            want = Want::express();
        }
        errand
    })
}

/// Tries until it has something, at least once.
fn until<R>(deadline: Instant, mut attempt: impl FnMut() -> Option<R>) -> Option<R> {
    loop {
        let result = attempt();
        let rest = deadline.saturating_duration_since(Instant::now());
        if result.is_some() || rest.is_zero() {
            return result;
        }
        interrupt::sleep(rest.min(PATIENCE));
    }
}

/// What the listener is told.
fn order(
    question: &Question<'_>,
    roll_call: &Encoded,
    encoded: Option<&Encoded>,
) -> Result<Vec<u8>, Error> {
    let mut notifications = Vec::new();
    let mut attachment = None;
    // The roll call first: a server that then has its hands full with the question has been heard. But who waits for the first
    // answer only gets it sooner if nothing is ahead of it.
    let mut bodies = [Some(roll_call), encoded];
    if question.only_any {
        bodies.reverse();
    }
    for body in bodies.into_iter().flatten().map(|encoded| &encoded.body) {
        match body {
            Body::Text(text) => notifications.push(Text(text)),
            Body::Attachment { header, payload } => {
                attachment = Some((header.as_str(), Text(payload.payload())));
            }
        }
    }
    // A question that is stored needs a table that it can be stored in; answers are read from whatever is there.
    let table = match attachment {
        Some(_) => Some(attachments::current_table()?),
        None => question.kind.and_then(|_| attachments::existing()),
    };
    let lifetime = question
        .timeout
        .saturating_add(question.settle)
        .saturating_add(GRACE);
    let lifetime = i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX);
    Ok(letters::write(&Order {
        channel: roll_call.channel.as_bytes(),
        notifications,
        attachment,
        table: table.map(|table| table.to_u32()),
        request_id: question.request_id,
        kind: question.kind,
        data: question.data,
        handshakes: question.handshakes,
        only_count: question.only_any,
        deadline: transaction::clock().saturating_add(lifetime),
    }))
}

struct Collector<'a> {
    question: &'a Question<'a>,
    deadline: Instant,
    /// When the question went out.
    asked: Option<Instant>,
    roll: Roll,
    /// Sockets of a server that hasn't told all of them yet.
    pending: Vec<Socket>,
    answers: Answers,
}

impl Collector<'_> {
    fn collect(mut self, errand: &mut Errand) -> Result<Answers, Error> {
        loop {
            interrupt::check();
            match errand.receive() {
                Received::Letter(letter) => {
                    let news = letters::read(letter).map_err(|error| QuestionError::Failed {
                        message: error.to_string(),
                    })?;
                    self.hear(news)?;
                }
                Received::Ended => return Err(QuestionError::WorkerEnded.into()),
                Received::Nothing => match self.time_to_wait() {
                    Some(time) => errand.wait(time),
                    None => break,
                },
            }
            if self.question.only_any && self.answers.has_any {
                break;
            }
        }
        if self.asked.is_none() {
            return Err(QuestionError::NotAsked.into());
        }
        self.answers.tally = Some(self.roll.tally(self.question.servers));
        // A server that has said goodbye takes its sockets along.
        let roll = &self.roll;
        let answers = &mut self.answers;
        answers.sockets.retain(|(uid, _)| roll.has_answered(uid));
        answers
            .acknowledgements
            .retain(|(uid, _)| roll.has_answered(uid));
        Ok(self.answers)
    }

    /// `None`: no longer.
    fn time_to_wait(&self) -> Option<Duration> {
        let now = Instant::now();
        let rest = self.deadline.saturating_duration_since(now);
        let time = match (self.asked, self.question.kind) {
            (None, _) => rest,
            // A roll call is over when it has lasted so long, whenever it began.
            (Some(asked), None) => (asked + self.question.settle).saturating_duration_since(now),
            (Some(asked), Some(_)) => {
                let Question {
                    servers, settle, ..
                } = *self.question;
                match self.roll.verdict(servers, now - asked, settle) {
                    Verdict::Complete => Duration::ZERO,
                    Verdict::Missing => rest,
                    Verdict::Settles(time) => rest.min(time),
                }
            }
        };
        (!time.is_zero()).then_some(time)
    }

    fn hear(&mut self, news: News<'_>) -> Result<(), Error> {
        match news {
            News::Asked => self.asked = Some(Instant::now()),
            News::Failed { message } => {
                let message = message.into_owned();
                return Err(QuestionError::Failed { message }.into());
            }
            News::Sign {
                uid,
                node,
                sign,
                after,
            } => {
                self.roll.sign(&uid, sign);
                match sign {
                    Sign::Heartbeat => self.answers.servers.push(Server {
                        uid: uid.into_owned(),
                        node: node.map(|node| node.into_owned()),
                        after: Duration::from_micros(after),
                    }),
                    Sign::Closed => self.answers.servers.retain(|server| server.uid != uid),
                    Sign::Started | Sign::Other => {}
                }
            }
            News::Socket(socket) => self.pending.push(socket),
            News::Sockets {
                uid,
                count,
                unreadable,
            } => {
                let sockets = std::mem::take(&mut self.pending);
                if self.roll.answer(&uid) {
                    self.answers.has_any |= count > 0;
                    let sockets = sockets.into_iter().map(|socket| (uid.to_string(), socket));
                    self.answers.sockets.extend(sockets);
                    if unreadable > 0 {
                        self.answers.unreadable.push(Unreadable {
                            server: uid.into_owned(),
                            values: Some(unreadable),
                            attachment: None,
                        });
                    }
                }
            }
            News::Acknowledgement { uid, answer } => {
                if self.roll.answer(&uid) {
                    let answer = answer.map(|answer| answer.into_owned());
                    self.answers
                        .acknowledgements
                        .push((uid.into_owned(), answer));
                }
            }
            News::Unreadable { uid, attachment } => {
                self.roll.sign(&uid, Sign::Other);
                self.answers.unreadable.push(Unreadable {
                    server: uid.into_owned(),
                    values: None,
                    attachment,
                });
            }
        }
        Ok(())
    }
}
