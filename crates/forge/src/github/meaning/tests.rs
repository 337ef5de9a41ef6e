use super::*;
use bytes::Bytes;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| {
        (header::HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
    });
    Reply {
        sent: true,
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.collect(),
        body: Bytes::from(body.to_owned()),
    }
}

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[test]
fn a_used_up_limit_lasts_until_its_reset_by_our_clock() {
    let left = |reset: &str, date: &str| {
        let headers = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", reset),
            ("date", date),
        ];
        reply(403, &headers, r#"{"message":"API rate limit exceeded for user ID 1."}"#).sign(now())
    };
    let primary = |wait| Sign::Limited(LimitKind::Primary, wait);
    // 1,800,000,000 is Fri, 15 Jan 2027 08:00:00 GMT.
    assert_eq!(left("1800000600", "Fri, 15 Jan 2027 08:00:00 GMT"), primary(Some(minutes(10))));
    assert_eq!(left("1800000600", "Fri, 15 Jan 2027 08:05:00 GMT"), primary(Some(minutes(5))));
    assert_eq!(left("1800000600", "nonsense"), primary(Some(minutes(10))));
    assert_eq!(left("99999999999", ""), primary(Some(minutes(60))));
    assert_eq!(left("", ""), primary(None));
}

#[test]
fn a_secondary_limit_is_known_by_its_words_its_header_or_its_status() {
    let secondary = |wait| Sign::Limited(LimitKind::Secondary, wait);
    let words = r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#;
    assert_eq!(reply(403, &[], words).sign(now()), secondary(None));
    assert_eq!(reply(403, &[("x-ratelimit-remaining", "0")], words).sign(now()), secondary(None));
    assert_eq!(reply(403, &[("retry-after", "120")], "").sign(now()), secondary(Some(minutes(2))));
    assert_eq!(reply(429, &[], "").sign(now()), secondary(None));
    assert_eq!(reply(403, &[("x-ratelimit-remaining", "7")], "{}").sign(now()), Sign::Well);
}

#[test]
fn a_refusal_is_told_with_its_details_and_with_what_it_needs() {
    let failed = |reply: Reply| {
        let (outcome, _) = understand("POST /x", true, Ok(reply), now());
        outcome.unwrap_err().to_string()
    };
    let invalid = r#"{"message":"Validation Failed","errors":["text",{"resource":"Issue","field":"title","code":"missing_field"},{"message":"A pull request already exists for acme:x."},[1]]}"#;
    assert_eq!(
        failed(reply(422, &[], invalid)),
        "GitHub refuses `POST /x` as invalid: Validation Failed; text; title missing_field; \
         A pull request already exists for acme:x."
    );
    let forbidden = r#"{"message":"Resource not accessible by personal access token"}"#;
    assert_eq!(
        failed(reply(403, &[("x-accepted-github-permissions", "issues=write")], forbidden)),
        "GitHub forbids `POST /x`: Resource not accessible by personal access token (needs issues=write)"
    );
    let archived = r#"{"message":"Repository was archived so is read-only."}"#;
    assert!(failed(reply(403, &[], archived)).contains("is archived"));
    assert!(failed(reply(418, &[], "<html>")).contains("418"));
}

#[test]
fn the_next_page_is_where_the_link_says() {
    let link =
        "<https://api.github.com/x?page=1>; rel=\"prev\", <https://api.github.com/x?page=3>; rel=\"next\"";
    assert_eq!(reply(200, &[("link", link)], "").next(), Some("https://api.github.com/x?page=3"));
    assert_eq!(reply(200, &[("link", "<https://api.github.com/x>; rel=\"last\"")], "").next(), None);
    assert_eq!(reply(200, &[], "").next(), None);
}

#[test]
fn scopes_are_known_for_the_kind_of_token_that_has_some() {
    let scopes = |value| {
        reply(200, &[("x-oauth-scopes", value)], "").scopes().unwrap().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(scopes("workflow, repo"), ["repo", "workflow"]);
    assert!(scopes("").is_empty());
    assert_eq!(reply(200, &[], "").scopes(), None);
}

#[test]
fn a_write_without_a_proper_answer_may_have_been_done_and_a_read_has_failed() {
    type Outcome = fn() -> Result<Reply, Failure>;
    let cases: [(Outcome, &str, &str); 6] = [
        (|| Err(Failure::NeverLeft("refused".to_owned())), "cannot be reached", "cannot be reached"),
        (
            || Err(Failure::Lost("reset".to_owned())),
            "cannot be reached",
            "may or may not have been done: reset",
        ),
        (
            || Ok(reply(200, &[], r#"{"a":"#)),
            "broke off",
            "may or may not have been done: the answer broke off",
        ),
        (|| Ok(reply(200, &[], "<html>")), "makes no sense", "may or may not have been done"),
        (|| Ok(reply(502, &[], "<html>")), "status 502", "may or may not have been done: status 502"),
        (|| Ok(Reply { sent: false, ..reply(502, &[], "{}") }), "status 502", "failed at"),
    ];
    for (outcome, read, write) in cases {
        for (is_write, wanted) in [(false, read), (true, write)] {
            let (result, _) = understand("x", is_write, outcome(), now());
            let error = result.unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
            let unsure = matches!(error, GitHubError::Unanswered { .. });
            assert_eq!(unsure, wanted.contains("may or may not"), "{error}");
        }
    }
}
