//! Who is let in, who is not, and in which words.

use coord_core::id::RunId;
use coord_proto::PROTOCOL_HEADER;
use coord_proto::problem::{Problem, ProblemKind};
use fs_err as fs;
use reqwest::Method;

use crate::site::{Site, id, spec};

async fn call(url: &str, method: Method, headers: &[(&str, &str)]) -> (u16, Option<Problem>) {
    let mut request = reqwest::Client::builder().no_proxy().build().unwrap().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers().get(PROTOCOL_HEADER).unwrap(), "1", "{url}");
    let status = answer.status().as_u16();
    let is_problem = answer.headers().get("content-type").is_some_and(|it| it == "application/problem+json");
    assert_eq!(is_problem, status >= 400, "{url}: {status}");
    let problem: Option<Problem> = if is_problem { Some(answer.json().await.unwrap()) } else { None };
    assert!(problem.as_ref().is_none_or(|it| it.status == status), "{url}: {problem:?}");
    (status, problem)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_but_health_wants_the_token_and_says_its_errors_as_problems() {
    let site = Site::new();
    let server = site.serve().await;
    let run = id(1);
    let bearer = format!("Bearer {}", server.token);
    let short = format!("Bearer {}", &server.token[..server.token.len() - 1]);
    let wrong = format!("Bearer {}", "0".repeat(server.token.len()));
    let basic = format!("Basic {}", server.token);
    for (method, path, known) in [
        (Method::GET, "/v1/repos".to_owned(), 200),
        (Method::GET, "/v1/runs".to_owned(), 200),
        (Method::GET, format!("/v1/runs/{run}"), 404),
        (Method::PUT, format!("/v1/runs/{run}"), 400),
        (Method::POST, format!("/v1/runs/{run}/stop"), 404),
        (Method::GET, format!("/v1/runs/{run}/events"), 404),
        (Method::GET, format!("/v1/runs/{run}/log"), 404),
        (Method::GET, "/v1/events".to_owned(), 200),
        (Method::GET, "/v1/nowhere".to_owned(), 404),
        (Method::GET, "/".to_owned(), 404),
        (Method::DELETE, "/v1/runs".to_owned(), 405),
        (Method::GET, "/v1/runs/..%2f..%2fetc".to_owned(), 400),
        (Method::GET, "/v1/runs/A000000000000000/log".to_owned(), 400),
        (Method::GET, "/v1/runs?before=x".to_owned(), 400),
        (Method::GET, format!("/v1/runs/{run}/events?after=-1"), 400),
    ] {
        let url = format!("{}{path}", server.base);
        for header in [None, Some(&wrong), Some(&short), Some(&basic)] {
            let headers: Vec<_> = header.iter().map(|it| ("authorization", it.as_str())).collect();
            let (status, problem) = call(&url, method.clone(), &headers).await;
            // A method that the path does not know is no secret, and nothing was done.
            if (status, known) != (405, 405) {
                assert_eq!(
                    (status, problem.unwrap().kind),
                    (401, ProblemKind::Unauthorized),
                    "{url} {header:?}"
                );
            }
        }
        let (status, _) = call(&url, method.clone(), &[("authorization", &bearer)]).await;
        assert_eq!(status, known, "{method} {url}");
        let web = [("authorization", bearer.as_str()), ("origin", "http://127.0.0.1")];
        assert_eq!(call(&url, method, &web).await.0, 403, "{url}");
    }
    let health = format!("{}/health", server.base);
    assert_eq!(call(&health, Method::GET, &[]).await.0, 200);
    assert_eq!(call(&health, Method::GET, &[("origin", "http://evil.example")]).await.0, 403);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_megabyte_of_task_is_taken_and_a_body_without_end_is_not() {
    let site = Site::new();
    let server = site.serve().await;
    let mut long = spec(1, "true");
    long.prompt = "\u{1F980}\"\n".repeat(1_000_000 / 6);
    assert!(server.client.start(&long).await.is_ok());
    let mut endless = spec(2, "true");
    endless.prompt = "x".repeat(9 * 1024 * 1024);
    assert_eq!(server.refused(&endless).await.status, 413);
    let view = server.client.run(id(1)).await.unwrap().unwrap();
    assert!(serde_json::to_vec(&view).unwrap().len() < 10_000, "a view holds the prompt");
    server.end(id(1)).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_one_directory_is_refused_and_told_who_is_there() {
    let site = Site::new();
    let server = site.serve().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = coord_agent::server::run(site.options(), listener, std::future::pending());
    let error = second.await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {} at 127.0.0.1:", std::process::id())), "{error}");
    assert!(server.client.health().await.is_ok());
    server.stop().await;
    site.serve().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_token_or_a_configuration_does_not_start() {
    let site = Site::new();
    site.serve().await.stop().await;
    fs::write(site.home.token(), "").unwrap();
    let error = site.try_serve(site.options()).await.err().unwrap().to_string();
    assert!(error.contains("holds no token"), "{error}");
    fs::remove_file(site.home.token()).unwrap();
    *site.config.lock().unwrap() = Err("line 3: unknown key `slot`".to_owned());
    let error = site.try_serve(site.options()).await.err().unwrap().to_string();
    assert!(error.contains("unknown key `slot`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_runs_is_bounded_and_the_pages_hold_each_run_once_newest_first() {
    let site = Site::new();
    let wanted: Vec<RunId> = (1..=230_u64).map(|n| id(n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    for (n, run) in wanted.iter().enumerate() {
        let dir = site.run_dir(*run);
        fs::create_dir_all(dir.path()).unwrap();
        let mut made = spec(7, "true");
        made.run = *run;
        made.prompt = "secret".to_owned();
        let file = fs::File::create(dir.spec()).unwrap();
        serde_json::to_writer(&file, &made).unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + n as u64);
        file.file().set_modified(at).unwrap();
        fs::write(dir.collected(), "").unwrap();
    }
    let server = site.serve().await;
    let (mut found, mut before, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let page = server.client.runs(before).await.unwrap();
        assert!(!serde_json::to_string(&page).unwrap().contains("secret"));
        sizes.push(page.runs.len());
        found.extend(page.runs.into_iter().map(|it| it.run));
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [100, 100, 30]);
    assert!(found.iter().eq(wanted.iter().rev()));
    server.stop().await;
}
