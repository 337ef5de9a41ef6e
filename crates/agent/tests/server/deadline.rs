//! That the end of a run does not move with the server's.

use std::time::Duration;

use coord_core::outcome::{Outcome, TimeoutPhase};
use tokio::time::{Instant, sleep_until};

use crate::site::{Site, id, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_started_again_gives_nobody_more_time() {
    let site = Site::new();
    let server = site.serve().await;
    let mut spec = spec(1, "exec sleep 1000");
    spec.deadline_seconds = 6;
    let started = Instant::now();
    assert!(server.client.start(&spec).await.is_ok());
    server.until_running(id(1)).await;
    // Late enough that whoever counts from here on would be seen to.
    sleep_until(started + Duration::from_secs(5)).await;
    server.stop().await;
    let server = site.serve().await;
    let end = server.end(id(1)).await;
    assert_eq!(end.outcome, Outcome::Timeout { phase: TimeoutPhase::Absolute });
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
    server.stop().await;
}
