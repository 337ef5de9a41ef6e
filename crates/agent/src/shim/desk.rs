//! What becomes of what a worker reports: an event, something to be shown, and for a question an answer.
//!
//! What must hold: a report that the worker was told is recorded is in the log; a question is asked once, however
//! often the worker asks it, and has one answer.

use std::io;

use camino::Utf8Path;
use coord_core::report::{Report, Verdict};
use coord_proto::event::EventKind;
use coord_proto::run::Question;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::child::Child;
use super::report::Reported;
use super::socket::Wanted;
use super::supervise::Supervision;
use super::{ShimError, now};
use crate::log::RawLine;
use crate::order::{self, Command};
use crate::report::Reply;

/// How many reports a run may make.
const REPORTS: u32 = 1000;
/// How many questions of a run may be open.
const QUESTIONS: usize = 20;

/// What a run's worker has reported so far.
#[derive(Debug, Default)]
pub(super) struct Desk {
    taken: u32,
    asked: Vec<Asked>,
    /// What last kept it from going on.
    pub(super) stuck: Option<String>,
    /// What it said of the change.
    pub(super) verdict: Option<Verdict>,
}

/// A question, and who waits for its answer.
#[derive(Debug)]
struct Asked {
    question: Question,
    answer: Option<String>,
    waiting: Vec<mpsc::Sender<Reply>>,
}

/// What became of an answer.
enum Answered {
    /// A worker waited for it, or will find it when it asks again.
    Handed(EventKind),
    /// There is no such question, or it has its answer.
    Unasked(String),
}

impl Desk {
    /// Takes a report in. The event it is, if it is one, and what to reply.
    fn take(&mut self, reported: &Reported, report: Report, now: Timestamp) -> (Option<EventKind>, Reply) {
        let again = matches!(&report, Report::Question { text, .. } if self.asked.iter().any(|it| it.question.text == *text));
        if self.taken >= REPORTS && !again {
            return (None, Reply::Refused { reason: format!("a run reports at most {REPORTS} times") });
        }
        self.taken += 1;
        match report {
            Report::Status { text, confidence } => {
                (Some(EventKind::Status { text, confidence }), Reply::Recorded)
            }
            Report::Stuck { why } => {
                self.stuck = Some(why.clone());
                (Some(EventKind::Stuck { why }), Reply::Recorded)
            }
            Report::Question { text, options } => self.ask(reported, text, options, now),
            Report::Artifact { name, bytes } => match place(reported.file.as_deref(), &name) {
                Ok(()) => (Some(EventKind::Artifact { name, bytes }), Reply::Recorded),
                Err(error) => {
                    (None, Reply::Refused { reason: format!("the artifact cannot be kept: {error}") })
                }
            },
            Report::Verdict(verdict) => {
                self.verdict = Some(verdict.clone());
                (Some(EventKind::Verdict(verdict)), Reply::Recorded)
            }
            Report::Unknown => (None, Reply::Refused { reason: "there is no such report".to_owned() }),
        }
    }

    fn ask(
        &mut self,
        reported: &Reported,
        text: String,
        options: Vec<String>,
        at: Timestamp,
    ) -> (Option<EventKind>, Reply) {
        if let Some(known) = self.asked.iter_mut().find(|it| it.question.text == text) {
            let question = known.question.question;
            return match &known.answer {
                Some(text) => (None, Reply::Answered { text: text.clone() }),
                None => {
                    known.waiting.extend(reported.wait.then(|| reported.replies.clone()));
                    (None, Reply::Asked { question })
                }
            };
        }
        if self.open().count() >= QUESTIONS {
            let reason = format!("{QUESTIONS} questions of this run are open; wait for an answer first");
            return (None, Reply::Refused { reason });
        }
        let question = u32::try_from(self.asked.len()).unwrap_or(u32::MAX).saturating_add(1);
        let waiting = reported.wait.then(|| reported.replies.clone()).into_iter().collect();
        let known = Question { question, text: text.clone(), options: options.clone(), at };
        self.asked.push(Asked { question: known, answer: None, waiting });
        (Some(EventKind::Question { question, text, options }), Reply::Asked { question })
    }

    /// The questions that nobody has answered yet, oldest first.
    fn open(&self) -> impl Iterator<Item = &Question> {
        self.asked.iter().filter(|it| it.answer.is_none()).map(|it| &it.question)
    }

    /// Whether a worker does nothing until a person has answered.
    pub(super) fn is_waited_for(&self) -> bool {
        self.asked.iter().any(|it| it.waiting.iter().any(|it| !it.is_closed()))
    }

    /// Hands an answer to whoever waits for it.
    fn answer(&mut self, number: Option<u32>, text: String) -> Answered {
        let found = self.asked.iter_mut().find(|it| match number {
            Some(number) => it.question.question == number,
            None => it.answer.is_none(),
        });
        let Some(asked) = found else {
            return Answered::Unasked(match number {
                Some(number) => format!("there is no question {number}"),
                None => "no question is open".to_owned(),
            });
        };
        let question = asked.question.question;
        if let Some(given) = &asked.answer {
            return Answered::Unasked(format!("question {question} was answered already: {given}"));
        }
        asked.answer = Some(text.clone());
        for waiting in asked.waiting.drain(..) {
            // Who waits no longer asks again, and finds it.
            waiting.try_send(Reply::Answered { text: text.clone() }).ok();
        }
        Answered::Handed(EventKind::Answer { question, text })
    }
}

impl Supervision {
    /// Takes a report of the worker in: an event first, then a reply.
    pub(super) fn reported(&mut self, reported: &Reported) -> Result<(), ShimError> {
        // Secrets are struck out of the whole report at once: as JSON, which stays JSON.
        let whole = serde_json::to_vec(&reported.report).expect("a report is made of strings and numbers");
        let struck = serde_json::from_slice(&self.log.secrets().strike(&whole));
        let at = now();
        let (event, reply) = self.desk.take(reported, struck.unwrap_or(Report::Unknown), at);
        self.events.clear();
        self.events.extend(event);
        self.log.append(at, &self.events, RawLine::None);
        self.announce_progress();
        self.announce_questions();
        self.commit()?;
        reported.reply(reply);
        Ok(())
    }

    /// Does what somebody wants of the run, and says what became of it.
    pub(super) fn wanted(&mut self, wanted: Wanted, child: &Child) -> Result<(), ShimError> {
        let reply = match wanted.command.clone() {
            Command::Attach { who } => {
                self.attach(who, wanted);
                return Ok(());
            }
            Command::Message(message) => {
                self.told(message, child)?;
                order::Reply::Done
            }
            Command::Answer { question, text } => self.answer(question, &text)?,
            Command::Stop { .. } | Command::Unknown => order::Reply::Unknown,
        };
        // Who asked may be gone; the log has what was done.
        wanted.reply.send(reply).ok();
        Ok(())
    }

    pub(super) fn answer(&mut self, question: Option<u32>, text: &str) -> Result<order::Reply, ShimError> {
        let text = self.log.secrets().strike_text(text).into_owned();
        let event = match self.desk.answer(question, text) {
            Answered::Handed(event) => event,
            Answered::Unasked(why) => return Ok(order::Reply::Declined { why }),
        };
        self.log.append(now(), &[event], RawLine::None);
        self.announce_questions();
        self.commit()?;
        Ok(order::Reply::Done)
    }

    fn announce_questions(&self) {
        self.announce.send_if_modified(|it| {
            let open: Vec<_> = self.desk.open().cloned().collect();
            let changed = it.questions != open;
            it.questions = open;
            changed
        });
    }
}

/// Gives a received file its name. One of the same name was an earlier state of it.
fn place(file: Option<&Utf8Path>, name: &str) -> io::Result<()> {
    let file = file.ok_or(io::ErrorKind::NotFound)?;
    fs_err::rename(file, file.with_file_name(name))
}
