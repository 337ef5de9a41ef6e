//! Messages to the worker: what it is told while it works, and how far each has come.
//!
//! What must hold: a message is handed over once, however often it comes; how far it has come is in the log, and only
//! ever further.

use coord_core::id::MessageId;
use coord_proto::event::EventKind;
use coord_proto::run::{Message, Receipt};

use super::child::Child;
use super::supervise::Supervision;
use super::{ShimError, now};
use crate::log::RawLine;
use crate::runtime::{self, Runtime};

/// How many messages a run takes.
const MESSAGES: usize = 100;

/// All that the worker was to be told.
#[derive(Debug, Default)]
pub(super) struct Mail(Vec<Letter>);

#[derive(Debug)]
struct Letter {
    message: Message,
    receipt: Receipt,
}

impl Mail {
    /// Keeps a message that is new. Returns whether it is.
    fn take(&mut self, message: Message) -> bool {
        if self.0.len() >= MESSAGES || self.0.iter().any(|it| it.message.id == message.id) {
            return false;
        }
        self.0.push(Letter { message, receipt: Receipt::Queued });
        true
    }

    /// Notes how far a message has come. Returns whether that is news.
    pub(super) fn came(&mut self, id: MessageId, receipt: Receipt) -> bool {
        let Some(letter) = self.0.iter_mut().find(|it| it.message.id == id) else { return false };
        let further = rank(receipt) > rank(letter.receipt);
        if further {
            letter.receipt = receipt;
        }
        further
    }

    fn queued(&self) -> impl Iterator<Item = &Message> {
        self.0.iter().filter(|it| it.receipt == Receipt::Queued).map(|it| &it.message)
    }
}

fn rank(receipt: Receipt) -> u8 {
    match receipt {
        Receipt::Unknown => 0,
        Receipt::Queued => 1,
        Receipt::Delivered => 2,
        Receipt::Read | Receipt::Unread => 3,
    }
}

impl Supervision {
    /// Keeps a message, and hands it over if there is a worker that listens.
    pub(super) fn told(&mut self, mut message: Message, child: &Child) -> Result<(), ShimError> {
        message.text = self.log.secrets().strike_text(&message.text).into_owned();
        if !self.mail.take(message.clone()) {
            return Ok(());
        }
        let event = EventKind::Message { message: message.id, text: message.text };
        self.log.append(now(), &[event], RawLine::None);
        self.hand_over(child)?;
        self.commit()
    }

    /// Writes to the worker's input what it has not been told yet.
    pub(super) fn hand_over(&mut self, child: &Child) -> Result<(), ShimError> {
        let dialogue = runtime::named(&self.order.spec.runtime).and_then(Runtime::dialogue);
        // What runs before the worker does is not spoken to.
        let Some(dialogue) = dialogue.filter(|_| self.announce.borrow().pid.is_some()) else { return Ok(()) };
        let mut over = Vec::new();
        for message in self.mail.queued() {
            if !child.say((dialogue.message)(message.id, &message.text), Some(message.id)) {
                over.push(message.id);
            }
        }
        for id in over {
            self.receipt(id, Receipt::Unread)?;
        }
        Ok(())
    }

    /// Writes down how far a message has come, if that is news.
    pub(super) fn receipt(&mut self, message: MessageId, receipt: Receipt) -> Result<(), ShimError> {
        if self.mail.came(message, receipt) {
            self.log.append(now(), &[EventKind::Receipt { message, receipt }], RawLine::None);
            self.commit()?;
        }
        Ok(())
    }

    /// The worker has gone: what it has not taken in, it never will.
    pub(super) fn nobody_reads(&mut self) -> Result<(), ShimError> {
        let ids: Vec<_> = self.mail.0.iter().map(|it| it.message.id).collect();
        ids.into_iter().try_for_each(|id| self.receipt(id, Receipt::Unread))
    }
}
