//! The classifier, outcome by outcome.

use super::*;
use crate::limits::Resource;

fn clean() -> GitFacts {
    GitFacts {
        ahead: Some(1),
        added: Some(1),
        pushed: Some(true),
        dirty: Some(Vec::new()),
        ..GitFacts::default()
    }
}

fn stream(result: ResultFacts) -> StreamFacts {
    StreamFacts { result: Some(result), result_expected: true, ..StreamFacts::default() }
}

fn work(exit: WorkerExit, stream: &StreamFacts, git: &GitFacts) -> Outcome {
    classify(RunKind::Work, exit, None, stream, git, false)
}

#[test]
fn done_needs_commits_on_origin_and_a_clean_tree() {
    let good = stream(ResultFacts::default());
    assert_eq!(work(WorkerExit::Code(0), &good, &clean()), Outcome::Done);
    let unpushed = GitFacts { pushed: Some(false), ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &good, &unpushed).as_str(), "push-failed");
    let unread = GitFacts { pushed: None, ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &good, &unread).as_str(), "push-failed");
    let nothing = GitFacts { ahead: Some(0), added: Some(0), ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &good, &nothing), Outcome::NoChange);
    let idle_retry = GitFacts { ahead: Some(2), added: Some(0), ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &good, &idle_retry), Outcome::NoChange);
    let unknown = GitFacts { ahead: None, ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &good, &unknown).as_str(), "lost");
    assert_eq!(classify(RunKind::Work, WorkerExit::Code(0), None, &good, &clean(), true), Outcome::Dirty);
}

#[test]
fn an_error_result_is_never_done_whatever_its_subtype_and_exit_status_say() {
    let overloaded = StreamFacts {
        error: Some(ErrorClass::Overloaded),
        ..stream(ResultFacts {
            is_error: true,
            subtype: "success".to_owned(),
            api_status: Some(529),
            ..ResultFacts::default()
        })
    };
    assert_eq!(work(WorkerExit::Code(0), &overloaded, &clean()).as_str(), "transient");
    let aborted = stream(ResultFacts {
        subtype: "error_during_execution".to_owned(),
        terminal_reason: Some("aborted_tools".to_owned()),
        ..ResultFacts::default()
    });
    assert_eq!(work(WorkerExit::Code(0), &aborted, &clean()), Outcome::Interrupted);
}

#[test]
fn each_class_of_error_has_its_outcome() {
    let cases = [
        (Some(ErrorClass::AuthenticationFailed), Some(401), "", "auth"),
        (Some(ErrorClass::OauthOrgNotAllowed), None, "", "auth"),
        (Some(ErrorClass::BillingError), Some(400), "", "credit"),
        (Some(ErrorClass::RateLimit), Some(429), "", "limited"),
        (Some(ErrorClass::ServerError), Some(500), "", "transient"),
        (Some(ErrorClass::InvalidRequest), Some(400), "prompt_too_long", "context"),
        (Some(ErrorClass::InvalidRequest), Some(400), "", "failed"),
        (Some(ErrorClass::ModelNotFound), Some(404), "", "failed"),
        (Some(ErrorClass::MaxOutputTokens), None, "", "truncated"),
        (Some(ErrorClass::Unknown), Some(503), "", "transient"),
        (None, Some(402), "", "credit"),
        (None, None, "", "failed"),
    ];
    for (class, api_status, terminal, wanted) in cases {
        let facts = StreamFacts {
            error: class,
            ..stream(ResultFacts {
                is_error: true,
                api_status,
                subtype: "success".to_owned(),
                terminal_reason: Some(terminal.to_owned()),
                ..ResultFacts::default()
            })
        };
        assert_eq!(work(WorkerExit::Code(1), &facts, &clean()).as_str(), wanted, "{class:?} {api_status:?}");
    }
}

#[test]
fn a_person_is_told_what_the_runtime_said_in_so_many_words_and_what_it_means_where_it_said_nothing() {
    let told = |text: &str| {
        let result = ResultFacts { is_error: true, text: text.to_owned(), ..ResultFacts::default() };
        let facts = StreamFacts { error: Some(ErrorClass::AuthenticationFailed), ..stream(result) };
        let ended = work(WorkerExit::Code(1), &facts, &clean());
        let Outcome::Auth { message } = ended else { panic!("{ended}") };
        message
    };
    assert_eq!(told(" Invalid API key · Please run /login\n"), "Invalid API key · Please run /login");
    assert_eq!(told(" \n"), "the runtime is not logged in");
    assert_eq!(told(&"é".repeat(1000)), "é".repeat(300));
}

#[test]
fn every_ending_that_claude_has_a_word_for_is_told_apart() {
    let cases = [
        ("error_max_turns", "max_turns", "budget"),
        ("error_max_budget_usd", "", "budget"),
        ("error_max_structured_output_retries", "", "failed"),
        ("error_during_execution", "aborted_streaming", "interrupted"),
        ("error_during_execution", "aborted_tools", "interrupted"),
        ("error_during_execution", "", "failed"),
        ("error_of_a_later_version", "", "failed"),
        ("success", "prompt_too_long", "context"),
        ("success", "blocking_limit", "failed"),
        ("success", "rapid_refill_breaker", "failed"),
        ("success", "image_error", "failed"),
        ("success", "model_error", "failed"),
        ("success", "a word of a later version", "failed"),
    ];
    for (subtype, terminal, wanted) in cases {
        let facts = stream(ResultFacts {
            is_error: true,
            subtype: subtype.to_owned(),
            terminal_reason: Some(terminal.to_owned()),
            ..ResultFacts::default()
        });
        for exit in [WorkerExit::Code(0), WorkerExit::Code(1)] {
            assert_eq!(work(exit, &facts, &clean()).as_str(), wanted, "{subtype} {terminal}");
        }
    }
    for terminal in
        ["completed", "stop_hook_prevented", "hook_stopped", "tool_deferred", "background_requested"]
    {
        let facts = stream(ResultFacts {
            subtype: "success".to_owned(),
            terminal_reason: Some(terminal.to_owned()),
            ..ResultFacts::default()
        });
        assert_eq!(work(WorkerExit::Code(0), &facts, &clean()), Outcome::Done, "{terminal}");
        assert_eq!(work(WorkerExit::Code(1), &facts, &clean()).as_str(), "crashed", "{terminal}");
    }
}

#[test]
fn a_spending_limit_is_told_by_the_answer_of_the_server_and_by_no_words_of_the_worker() {
    let text = "API Error: 400 You have reached your specified API usage limits. You will regain access on 2099-12-01.";
    let said = |is_error, api_status| {
        let facts =
            stream(ResultFacts { is_error, api_status, text: text.to_owned(), ..ResultFacts::default() });
        work(WorkerExit::Code(i32::from(is_error)), &facts, &clean())
    };
    assert_eq!(said(true, Some(400)).as_str(), "credit");
    assert_eq!(said(true, Some(404)).as_str(), "failed");
    assert_eq!(said(false, None), Outcome::Done);
}

#[test]
fn a_worker_without_a_result_crashed() {
    let silent = StreamFacts { result_expected: true, ..StreamFacts::default() };
    for exit in [WorkerExit::Code(0), WorkerExit::Code(1), WorkerExit::Signal(9)] {
        assert_eq!(work(exit, &silent, &clean()).as_str(), "crashed");
    }
}

#[test]
fn an_exit_status_that_tells_of_an_error_which_was_got_over_tells_nothing() {
    let after = |result, overcame| StreamFacts { overcame, ..stream(result) };
    let ended = |overcame, exit| work(exit, &after(ResultFacts::default(), overcame), &clean());
    assert_eq!(ended(false, WorkerExit::Code(1)).as_str(), "crashed");
    assert_eq!(ended(true, WorkerExit::Code(1)), Outcome::Done);
    assert_eq!(ended(true, WorkerExit::Signal(9)).as_str(), "crashed");
    let failed = ResultFacts { is_error: true, ..ResultFacts::default() };
    assert_eq!(work(WorkerExit::Code(1), &after(failed, true), &clean()).as_str(), "failed");
}

#[test]
fn a_worker_that_owes_no_result_is_judged_by_its_exit_and_git() {
    let quiet = StreamFacts::default();
    assert_eq!(work(WorkerExit::Code(0), &quiet, &clean()), Outcome::Done);
    assert_eq!(work(WorkerExit::Code(1), &quiet, &clean()).as_str(), "crashed");
}

#[test]
fn an_answer_that_was_cut_off_counts_only_where_nothing_came_of_it() {
    let cut = stream(ResultFacts { stop_reason: Some("max_tokens".to_owned()), ..ResultFacts::default() });
    let nothing = GitFacts { ahead: Some(0), added: Some(0), ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &cut, &nothing), Outcome::Truncated);
    assert_eq!(work(WorkerExit::Code(0), &cut, &clean()), Outcome::Done);
}

#[test]
fn a_worktree_that_nobody_could_look_at_is_not_a_clean_one() {
    let unseen = GitFacts { dirty: None, ..clean() };
    assert_eq!(work(WorkerExit::Code(0), &stream(ResultFacts::default()), &unseen).as_str(), "lost");
}

#[test]
fn a_limit_says_until_when_and_a_stop_is_ours_before_anything_else() {
    let until = Timestamp::from_second(1_800_000_000).unwrap();
    let limited = StreamFacts {
        rejected_until: Some(Some(until)),
        error: Some(ErrorClass::RateLimit),
        ..stream(ResultFacts { is_error: true, ..ResultFacts::default() })
    };
    assert_eq!(work(WorkerExit::Code(1), &limited, &clean()), Outcome::Limited { until: Some(until) });
    let stopped =
        classify(RunKind::Work, WorkerExit::Signal(9), Some(StopCause::Asked), &limited, &clean(), true);
    assert_eq!(stopped, Outcome::STOPPED);
}

#[test]
fn what_was_told_to_go_after_its_result_is_judged_by_that_and_a_timeout_by_nothing() {
    let ended = |stopped, result| {
        classify(RunKind::Work, WorkerExit::Signal(15), Some(stopped), &stream(result), &clean(), false)
    };
    assert_eq!(ended(StopCause::Lingered, ResultFacts::default()), Outcome::Done);
    let failed = ResultFacts { is_error: true, ..ResultFacts::default() };
    assert_eq!(ended(StopCause::Lingered, failed).as_str(), "failed");
    for phase in [TimeoutPhase::FirstOutput, TimeoutPhase::Idle, TimeoutPhase::Absolute] {
        let outcome = ended(StopCause::Overdue(phase), ResultFacts::default());
        assert_eq!(outcome, Outcome::Timeout { phase });
    }
    let limit = Limit { of: Resource::Memory, at: 128 << 20 };
    let cap = "the limit of its machine on memory 128 MiB".to_owned();
    assert_eq!(ended(StopCause::OverLimit(limit), ResultFacts::default()), Outcome::Budget { cap });
}

#[test]
fn a_test_is_judged_by_its_exit_status_and_a_missing_program_is_not_a_red_suite() {
    let test =
        |exit| classify(RunKind::Test, exit, None, &StreamFacts::default(), &GitFacts::default(), false);
    assert_eq!(test(WorkerExit::Code(0)), Outcome::Done);
    assert_eq!(test(WorkerExit::Code(1)).as_str(), "failed");
    assert_eq!(test(WorkerExit::Code(127)).as_str(), "setup-failed");
    assert_eq!(test(WorkerExit::Signal(15)).as_str(), "crashed");
}

#[test]
fn an_outcome_of_a_newer_version_is_unknown_and_not_an_error() {
    let outcome: Outcome = serde_json::from_str(r#"{"kind":"abducted","by":"aliens"}"#).unwrap();
    assert_eq!(outcome, Outcome::Unknown);
}
