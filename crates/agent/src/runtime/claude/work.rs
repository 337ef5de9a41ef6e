//! What the worker has under way: calls of tools, and tasks of its own, which can outlive the result of a turn.

use std::collections::BTreeSet;

use coord_proto::event::EventKind;

use super::line::TaskLine;
use crate::runtime::Phase;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Work {
    calls: BTreeSet<String>,
    tasks: BTreeSet<String>,
    /// Those of them that are agents, whose end begins another turn.
    agents: BTreeSet<String>,
    /// Whether the last turn has had its result, and no other has begun.
    has_result: bool,
}

impl Work {
    /// A line of this type has been read, and these events were made of it.
    pub(super) fn follow(&mut self, line: &str, events: &[EventKind]) {
        for event in events {
            if let EventKind::Tool { id, .. } = event {
                self.calls.insert(id.clone());
            } else if let EventKind::ToolResult { id, .. } = event {
                self.calls.remove(id);
            }
        }
        match line {
            // No call outlives its turn; one that was broken off is never answered.
            "result" => {
                self.calls.clear();
                self.has_result = true;
            }
            "assistant" | "user" => self.has_result = false,
            _ => {}
        }
    }

    pub(super) fn begins(&mut self, task: Option<String>, is_agent: bool) {
        self.agents.extend(task.clone().filter(|_| is_agent));
        self.tasks.extend(task);
    }

    pub(super) fn ends(&mut self, task: Option<&str>) {
        if let Some(task) = task {
            self.tasks.remove(task);
            self.agents.remove(task);
        }
    }

    /// These are all the tasks that are in the background. Newer versions say so at each change.
    pub(super) fn is_now(&mut self, tasks: Vec<TaskLine>) {
        self.tasks = tasks.into_iter().map(|it| it.task_id).collect();
        self.agents.retain(|it| self.tasks.contains(it));
    }

    /// Whether no turn is under way and none will begin by itself. A command in the background begins none: claude ends
    /// it when it hears that nothing more will come.
    pub(super) fn rests(&self) -> bool {
        self.has_result && self.agents.is_empty()
    }

    pub(super) fn phase(&self) -> Phase {
        match (self.tasks.is_empty() && self.calls.is_empty(), self.has_result) {
            (false, _) => Phase::Tool,
            (true, true) => Phase::Over,
            (true, false) => Phase::Model,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Reader as _;
    use crate::runtime::claude::Reader;

    const CALL: &str = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Agent","input":{}}]}}"#;
    const ANSWER: &str =
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"ok"}]}}"#;
    const WORDS: &str = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"on"}]}}"#;
    const BEGUN: &str = r#"{"type":"system","subtype":"task_started","task_id":"a1"}"#;
    const ENDED: &str =
        r#"{"type":"system","subtype":"task_notification","task_id":"a1","status":"completed"}"#;
    const RESULT: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"ok"}"#;
    const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"s"}"#;

    /// The phase after each line.
    fn phases(lines: &[&str]) -> Vec<Phase> {
        let (mut reader, mut events) = (Reader::default(), Vec::new());
        let phase = |line: &&str| {
            reader.line(line, &mut events);
            reader.phase()
        };
        lines.iter().map(phase).collect()
    }

    #[test]
    fn a_tool_is_at_work_from_its_call_to_its_answer() {
        assert_eq!(
            phases(&[INIT, WORDS, CALL, ANSWER, RESULT]),
            [Phase::Model, Phase::Model, Phase::Tool, Phase::Model, Phase::Over]
        );
    }

    #[test]
    fn a_call_that_was_broken_off_does_not_outlive_its_turn() {
        assert_eq!(phases(&[CALL, RESULT]), [Phase::Tool, Phase::Over]);
    }

    #[test]
    fn a_task_in_the_background_outlives_a_result_and_begins_another_turn() {
        assert_eq!(
            phases(&[CALL, BEGUN, ANSWER, RESULT, ENDED, INIT, WORDS, RESULT]),
            [
                Phase::Tool,
                Phase::Tool,
                Phase::Tool,
                Phase::Tool,
                Phase::Over,
                Phase::Over,
                Phase::Model,
                Phase::Over
            ]
        );
    }

    #[test]
    fn a_list_of_what_is_in_the_background_is_the_whole_of_it() {
        let now = |tasks: &str| {
            format!(r#"{{"type":"system","subtype":"background_tasks_changed","tasks":[{tasks}]}}"#)
        };
        let (one, none) = (now(r#"{"task_id":"a1","task_type":"local_agent"}"#), now(""));
        assert_eq!(phases(&[&one, RESULT, &none]), [Phase::Tool, Phase::Tool, Phase::Over]);
        assert_eq!(phases(&[BEGUN, RESULT, &none]), [Phase::Tool, Phase::Tool, Phase::Over]);
    }
}
