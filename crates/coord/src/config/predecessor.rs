//! The keys of a predecessor's `coordinator.yml`, and what becomes of them.
//!
//! `init` reads such a file and carries over what has an effect here; everything else it names, with the
//! reason. Nothing is converted silently, and the file itself is kept.

/// Keys of the predecessor's file that are no keys here, and why a conversion drops each.
pub const DROPPED: [(&str, &str); 21] = [
    ("github", "repos are reached by their git URL; tasks and pull requests are on the board"),
    ("housekeeping", "nothing runs commands in your clones"),
    ("coordinator_only_files", "`rules` tells workers what to leave alone"),
    ("hooks", "there are no rounds or sessions to hook into"),
    ("on_round_complete", "there are no rounds"),
    ("on_session_end", "there are no sessions"),
    ("reviews", "no reviews are dispatched; `gates: [person]` asks for a person's word"),
    ("auto_dispatch", "no reviews are dispatched"),
    ("require_approval", "`gates: [person]` asks for a person's word"),
    ("reviewer_prompt", "no reviews are dispatched"),
    ("checklist", "no reviews are dispatched"),
    ("repo_overrides", "no reviews are dispatched"),
    ("stagger_seconds", "runs start when there is a free slot"),
    ("backoff_base", "nothing is retried by itself"),
    ("max_retries", "nothing is retried by itself"),
    ("auto_reassign", "nothing is reassigned by itself"),
    ("stale_threshold", "a machine either answers or does not"),
    ("smoke_tests", "`test_command` is what tests a change"),
    ("capability_rules", "`coord assign` names the machine"),
    ("default_command", "`test_command` is what tests a change"),
    ("escalation", "a model is chosen by label or by `--model`"),
];

/// Whether a key is one of the predecessor's that is not known here.
#[must_use]
pub fn is_key(key: &str) -> bool {
    DROPPED.iter().any(|(known, _)| *known == key)
}
