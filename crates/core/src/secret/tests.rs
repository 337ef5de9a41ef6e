use proptest::prelude::*;

use super::*;

/// A value of each shape, made of this filling, which is long enough for all of them. None stands in this file as
/// it is: whoever scans the repository would take it for one.
fn tokens(filling: &str) -> Vec<(Rule, String)> {
    let capitals = filling.to_ascii_uppercase();
    let token = |rule, prefix: &str, length: usize| (rule, format!("{prefix}{}", &filling[..length]));
    let jwt = format!("eyJ{}.eyJ{}.{}", &filling[..20], &filling[..30], &filling[..40]);
    vec![
        token(Rule::GitHub, "ghp_", 36),
        token(Rule::GitHub, "github_pat_", 60),
        token(Rule::GitLab, "glpat-", 20),
        token(Rule::Anthropic, "sk-ant-api03-", 60),
        token(Rule::OpenAi, "sk-proj-", 48),
        token(Rule::OpenAi, "sk-", 48),
        (Rule::Aws, format!("AKIA{}", &capitals[..16])),
        token(Rule::Google, "AIza", 35),
        token(Rule::Google, "GOCSPX-", 28),
        token(Rule::Slack, "xoxb-", 40),
        token(Rule::Slack, "https://hooks.slack.com/services/T0/B0/", 24),
        token(Rule::Stripe, "sk_live_", 24),
        token(Rule::Npm, "npm_", 36),
        token(Rule::PyPi, "pypi-AgEIcHlwaS5vcmc", 60),
        (Rule::Jwt, jwt),
    ]
}

fn rules(text: &str) -> Vec<Rule> {
    scan(text.as_bytes(), &[]).into_iter().map(|it| it.rule).collect()
}

proptest! {
    #[test]
    fn a_token_is_found_wherever_it_stands_and_nothing_that_is_said_of_it_gives_it_away(
        filling in "[a-zA-Z0-9]{60}",
        before in "[ -~]{0,30}[ =:\"'(,]",
        after in "[ \"'),;]?",
        above in 0_u64..5,
    ) {
        for (rule, token) in tokens(&filling) {
            let text = format!("{}{before}{token}{after}\n", "nothing here\n".repeat(usize::try_from(above).unwrap()));
            let found = scan(text.as_bytes(), &[]);
            prop_assert!(found.contains(&Finding { line: above + 1, rule }), "{rule:?} in {text:?}: {found:?}");
            let said: Vec<_> = found.iter().map(|it| format!("{} {} {it:?}", it.line, it.rule)).collect();
            let said = format!("{} {}", said.join(" "), serde_json::to_string(&found).unwrap());
            prop_assert!(!said.contains(&filling[..12]), "{said}");
        }
    }

    #[test]
    fn what_the_environment_calls_secret_is_found_whatever_it_looks_like(
        value in "[ -~]{8,20}",
        before in "[ -~]{0,20}",
    ) {
        let text = format!("one\n{before}{value}\nthree");
        let found = scan(text.as_bytes(), &[value.as_bytes()]);
        let wanted = Finding { line: 2, rule: Rule::Environment };
        prop_assert!(found.contains(&wanted), "{found:?}");
    }
}

#[test]
fn private_keys_and_passwords_are_found() {
    let kinds = ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "];
    for kind in kinds {
        assert_eq!(rules(&format!("x\n-----BEGIN {kind}PRIVATE KEY-----\nMII")), [Rule::PrivateKey]);
    }
    assert_eq!(rules("-----BEGIN PGP PRIVATE KEY BLOCK-----"), [Rule::PrivateKey]);
    let value = ["q7Zk", "19xB", "w0Lm"].concat();
    for line in [
        format!("password = \"{value}\""),
        format!("DB_PASSWORD={value}"),
        format!("  \"apiKey\": \"{value}\","),
        format!("client_secret: '{value}'"),
        format!("config[\"auth_token\"] = '{value}'"),
        format!("secret_key := `{value}`"),
    ] {
        assert_eq!(rules(&line), [Rule::Assignment], "{line}");
    }
    assert_eq!(rules(&format!("postgres://app:{value}@db/main")), [Rule::UrlPassword]);
}

#[test]
fn what_only_talks_of_secrets_is_left_alone() {
    for line in [
        "password = os.environ[\"DB_PASSWORD\"]",
        "let token = next_token(input, 42);",
        "token: String,",
        "api_key = \"${API_KEY_42}\"",
        "password: changeme-please-123",
        "# the password is told to you by Ann, room 12",
        "-----BEGIN PUBLIC KEY-----",
        "https://github.com/team/api/tree/main/token_2024",
        "https://ann@example.org/x",
        "task-skeleton-with-a-long-name-of-more-than-32-letters",
        "sha256:0123456789abcdef0123456789abcdef",
        "secret = \"a plain sentence of 5 words\"",
        "mask-abcdefghijklmnopqrstuvwxyz0123456789",
    ] {
        assert_eq!(rules(line), [], "{line}");
    }
}

#[test]
fn what_is_too_large_to_look_through_is_no_clean_bill() {
    let large = vec![b'\n'; LARGEST + 1];
    assert_eq!(scan(&large, &[]), [Finding { line: 1, rule: Rule::TooLarge }]);
}
