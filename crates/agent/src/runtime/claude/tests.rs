use super::*;

fn launch(order: &Order) -> Launch {
    Claude.launch(order).unwrap()
}

fn order(config: &RuntimeConfig, environment: &[(&str, &str)]) -> Order {
    let sha = "0".repeat(40);
    let order = serde_json::json!({
        "spec": {
            "run": "a000000000000001", "kind": "work", "task": "api#1", "attempt": 1, "fence": 1,
            "start_before": "2030-01-01T00:00:00Z", "runtime": "claude", "model": "opus",
            "base_branch": "main", "branch": "issue-1", "checkout": {"at": "base"}, "prompt": "secret task",
            "permissions": {"allow": ["Bash(make lint)"], "deny": ["Bash(git push:*)", "Bash(gh:*)"]},
            "deadline_seconds": 60
        },
        "home": "/h", "origin": "/o", "clone": null, "worktree": "/w", "base": sha, "start": sha,
        "runtime": config,
    });
    let mut order: Order = serde_json::from_value(order).unwrap();
    order.environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    order
}

#[test]
fn the_command_line_has_every_rule_and_never_the_prompt() {
    let mut config = RuntimeConfig {
        allowed_tools: Some(["Read", "Bash"].map(str::to_owned).into()),
        ..Claude.settings()
    };
    let first = launch(&order(&config, &[]));
    assert_eq!(
        first.argv,
        [
            "claude",
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "--input-format",
            "stream-json",
            "--replay-user-messages",
            "--setting-sources",
            "project",
            "--model",
            "opus",
            "--permission-mode",
            "acceptEdits",
            "--allowedTools",
            "Read",
            "Bash",
            "Bash(make lint)",
            "--disallowedTools",
            "Bash(git push:*)",
            "Bash(gh:*)",
        ]
    );
    let message: serde_json::Value = serde_json::from_str(&first.stdin).unwrap();
    assert_eq!(message["message"]["content"], "secret task");

    config.allowed_tools = Some(Vec::new());
    let mut without = order(&config, &[]);
    without.spec.permissions = coord_core::repo::Permissions::default();
    let argv = launch(&without).argv;
    assert!(!argv.iter().any(|it| it.ends_with("Tools")), "no rule was given: {argv:?}");

    without.spec.resume =
        Some(coord_proto::run::Resume { session: "s-1".to_owned(), from: None, prompt: None });
    without.spec.budget_usd = Some(0.25);
    let argv = launch(&without).argv;
    for wanted in [["--resume", "s-1"], ["--max-budget-usd", "0.25"]] {
        assert!(argv.windows(2).any(|it| it == wanted), "{argv:?}");
    }
}

#[test]
fn only_passed_variables_of_claude_code_get_through_and_they_win_over_ours() {
    let config = RuntimeConfig {
        pass_env: vec!["CLAUDE_CODE_OAUTH_TOKEN".to_owned(), "CLAUDE_CODE_MAX_RETRIES".to_owned()],
        ..RuntimeConfig::default()
    };
    let launch = launch(&order(
        &config,
        &[
            ("PATH", "/bin"),
            ("CLAUDECODE", "1"),
            ("CLAUDE_CODE_ENTRYPOINT", "cli"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "t"),
            ("CLAUDE_CODE_MAX_RETRIES", "9"),
        ],
    ));
    let names: Vec<_> = launch.environment.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "CLAUDE_CODE_DISABLE_TERMINAL_TITLE",
            "CLAUDE_CODE_MAX_RETRIES",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "DISABLE_AUTOUPDATER",
            "GIT_EDITOR",
            "GIT_PAGER",
            "GIT_TERMINAL_PROMPT",
            "PAGER",
            "PATH",
        ]
    );
    assert_eq!(launch.environment["CLAUDE_CODE_MAX_RETRIES"], "9");
}
