//! What is shown of a run only while its worker lives: what the worker says, what it waits for, who has its session.

use coord_proto::run as proto;
use serde::Serialize;

use super::RunView;

impl RunView {
    /// The run with what its machine sees of it.
    #[must_use]
    pub fn seen(self, seen: &proto::RunView) -> Self {
        let run = self.id.clone();
        let questions = seen.questions.iter().map(|it| QuestionView::of(&run, it)).collect();
        let (status, stuck) = (seen.status.clone(), seen.stuck.clone());
        let held = seen.held.as_ref();
        let held = held.map(|it| HolderView { who: it.who.clone(), since: it.since.to_string() });
        Self { status, confidence: seen.confidence, stuck, questions, held, ..self }
    }
}

/// A person who has taken the session of a worker over.
#[derive(Debug, Clone, Serialize)]
pub struct HolderView {
    /// Who.
    pub who: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// What a worker wants to know from a person.
#[derive(Debug, Clone, Serialize)]
pub struct QuestionView {
    /// Which question of its run it is, counting from 1.
    pub question: u32,
    /// What it wants to know.
    pub text: String,
    /// Answers to choose from; empty when any will do.
    pub options: Vec<String>,
    /// When it was asked, RFC 3339.
    pub asked_at: String,
    /// The command that answers it.
    pub command: String,
}

impl QuestionView {
    fn of(run: &str, it: &proto::Question) -> Self {
        let answer = it.options.first().map_or("…", String::as_str).replace(['"', '$', '`', '\\'], "");
        Self {
            question: it.question,
            text: it.text.clone(),
            options: it.options.clone(),
            asked_at: it.at.to_string(),
            command: format!("coord answer {run} --question {} \"{answer}\"", it.question),
        }
    }
}
