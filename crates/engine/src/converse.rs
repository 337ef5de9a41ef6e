//! What a person has to say to a worker under way.

use std::time::Duration;

use coord_core::id::{MessageId, RunId};
use coord_proto::client::ClientError;
use coord_proto::event::EventKind;
use coord_proto::run::{Answer, Message, Receipt};

use crate::error::Error;
use crate::follow::PATIENCE;
use crate::view::RunView;
use crate::{Engine, clock, machine_of};

impl Engine {
    /// Has a worker told something while it works, and waits at most `limit` until it has taken that in. How far the
    /// message has come by then.
    ///
    /// # Errors
    /// When the run takes no message, or its machine does not answer: then nothing is known of the message.
    pub async fn message(
        &self,
        id: RunId,
        text: &str,
        limit: Duration,
    ) -> Result<(MessageId, Receipt), Error> {
        let run = self.settle_run(id).await?;
        let machine = machine_of(&run)?;
        let client = self.client(machine)?;
        let message = Message { id: clock::new_message_id(), text: text.to_owned() };
        let accepted = match client.message(id, &message).await {
            // It may have arrived: the same message arrives once.
            Err(ClientError::Unreachable { .. }) => client.message(id, &message).await,
            answered => answered,
        };
        let accepted = accepted.map_err(Error::agent(machine))?;
        let mut receipt = accepted.receipt;
        let mut stream = client.follow(id, accepted.after, PATIENCE);
        let reading = async {
            while let Ok(Some(event)) = stream.next().await {
                if let EventKind::Receipt { message: of, receipt: news } = event.event
                    && of == message.id
                {
                    receipt = news;
                }
                if matches!(receipt, Receipt::Read | Receipt::Unread) {
                    return;
                }
            }
            // It ended without a word about it.
            receipt = Receipt::Unread;
        };
        // What was heard until then is all there is to say.
        tokio::time::timeout(limit, reading).await.ok();
        Ok((message.id, receipt))
    }

    /// Answers a question of a run's worker; the oldest that is open when `question` is not said. Returns the run as
    /// it stands then.
    ///
    /// # Errors
    /// When the run has no such question open, or its machine does not answer.
    pub async fn answer(&self, id: RunId, question: Option<u32>, text: &str) -> Result<RunView, Error> {
        let run = self.settle_run(id).await?;
        let machine = machine_of(&run)?;
        let answer = Answer { question, text: text.to_owned() };
        let seen = self.client(machine)?.answer(id, &answer).await.map_err(Error::agent(machine))?;
        Ok(RunView::from(&run).seen(&seen))
    }
}
