//! Answers that GitHub does not give, and that whoever stands in between may: they lead nowhere, and the
//! credential goes nowhere with them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coord_forge::github::GitHub;
use coord_forge::github::broker::{Broker, Settings};
use coord_forge::github::error::GitHubError;
use coord_forge::github::write::Search;
use jiff::Timestamp;

use crate::site::{NOW, token};

/// Something that answers every request alike. Its thread ends with the process.
struct Parrot {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Parrot {
    /// `answer` is made out of the parrot's own address: status line and headers, and a body.
    fn new(answer: impl Fn(&str) -> (String, String)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (head, body) = answer(&url);
        let length = body.len();
        let whole = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.windows(4).any(|it| it == b"\r\n\r\n") {
                    let mut chunk = [0; 1024];
                    let read = stream.read(&mut chunk).unwrap();
                    request.extend_from_slice(&chunk[..read]);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                heard.lock().unwrap().push(request);
                stream.write_all(whole.as_bytes()).unwrap();
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn client(&self) -> (GitHub, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            api_url: self.url.clone(),
            directory: directory.path().to_owned().try_into().unwrap(),
            clock: Arc::new(|| Timestamp::UNIX_EPOCH),
            patience: Duration::ZERO,
        };
        let broker = Arc::new(Broker::open(&token("ghp_secret"), settings).unwrap());
        (GitHub::new(broker, "acme/api".parse().unwrap()), directory)
    }
}

fn redirect(to: &str) -> (String, String) {
    (format!("307 Temporary Redirect\r\nlocation: {to}"), "{}".to_owned())
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed_by_reads_or_writes() {
    let thief = Parrot::new(|_| ("200 OK".to_owned(), "{}".to_owned()));
    let parrot = Parrot::new(|_| redirect(&format!("{}/repos/acme/api/issues/1/comments", thief.url)));
    let (client, _held) = parrot.client();
    for error in [
        client.access(NOW).await.unwrap_err(),
        client.comment_once(1, "<!-- coord:x -->", "Hello", Search::Not).await.unwrap_err(),
    ] {
        assert!(matches!(error, GitHubError::Moved { .. }), "{error}");
        assert!(!error.to_string().contains("ghp_secret"));
    }
    assert_eq!(thief.asked(), [""; 0]);
    let asked = parrot.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|it| it.to_lowercase().contains("authorization: bearer ghp_secret")));
}

#[tokio::test]
async fn a_redirect_that_never_ends_is_given_up() {
    let parrot = Parrot::new(|url| redirect(&format!("{url}/repos/acme/api")));
    let (client, _held) = parrot.client();
    let error = client.access(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Moved { .. }), "{error}");
    assert_eq!(parrot.asked().len(), 4, "one request and three redirects");
}

#[tokio::test]
async fn a_next_page_on_another_host_is_not_asked_for() {
    let thief = Parrot::new(|_| ("200 OK".to_owned(), "[]".to_owned()));
    let next = format!("link: <{}/repos/acme/api/issues?page=2>; rel=\"next\"", thief.url);
    let parrot = Parrot::new(|_| (format!("200 OK\r\n{next}"), "[]".to_owned()));
    let (client, _held) = parrot.client();
    let error = client.open_issues(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Moved { .. }), "{error}");
    assert_eq!(thief.asked(), [""; 0]);
}

#[tokio::test]
async fn a_list_without_an_end_is_too_many_and_never_silently_cut() {
    let parrot = Parrot::new(|url| {
        let next = format!("link: <{url}/repos/acme/api/issues?page=2>; rel=\"next\"");
        (format!("200 OK\r\n{next}"), "[]".to_owned())
    });
    let (client, _held) = parrot.client();
    let error = client.open_issues(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::TooMany { pages: 100, .. }), "{error}");
}

#[tokio::test]
async fn a_page_that_is_no_json_is_told_from_an_answer_that_is_other_than_described() {
    let portal = Parrot::new(|_| ("200 OK".to_owned(), "<html>Please log in</html>".to_owned()));
    let (client, _held) = portal.client();
    let error = client.access(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Malformed { .. }), "{error}");
    assert_eq!(portal.asked().len(), 3);

    let other = Parrot::new(|_| ("200 OK".to_owned(), r#"{"full_name":7}"#.to_owned()));
    let (client, _held) = other.client();
    let error = client.access(NOW).await.unwrap_err();
    assert!(matches!(error, GitHubError::Malformed { .. }), "{error}");
    assert_eq!(other.asked().len(), 1, "it would say the same again");
    let error = client.add_labels(1, &["bug".to_owned()]).await;
    error.expect("what was added is not read");
    let error = client.comment_once(1, "<!-- coord:x -->", "Hello", Search::Not).await.unwrap_err();
    assert!(matches!(error, GitHubError::Unanswered { .. }), "it may well be there: {error}");
}
