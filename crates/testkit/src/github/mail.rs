//! Carrying deliveries to webhooks.
//!
//! <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>. Only plain HTTP: receivers
//! are on loopback as well.

use std::io;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::shared::Shared;
use super::world::Delivery;

/// GitHub gives a receiver ten seconds.
/// <https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#respond-within-10-seconds>
const PATIENCE: Duration = Duration::from_secs(10);

/// Carries what is in the outbox, for ever.
pub(super) async fn carry(shared: Shared) {
    loop {
        shared.mail().notified().await;
        let outbox = shared.look(|world| std::mem::take(&mut world.outbox));
        for (repo, delivery) in outbox {
            let again = {
                let mut desk = shared.desk();
                let again = desk.duplicates > 0;
                desk.duplicates = desk.duplicates.saturating_sub(1);
                again
            };
            for _ in 0..=usize::from(again) {
                attempt(&shared, repo, &delivery).await;
            }
        }
    }
}

async fn attempt(shared: &Shared, repo: u64, delivery: &Delivery) {
    let hook = shared.look(|world| {
        let hook = world.repo(repo).hooks.iter().find(|it| it.id == delivery.hook)?;
        Some((hook.url.clone(), hook.secret.clone()))
    });
    let Some((url, secret)) = hook else { return };
    let head = head(delivery, secret.as_deref());
    let sent = tokio::time::timeout(PATIENCE, post(&url, &head, &delivery.body));
    let status = match sent.await {
        Ok(Ok(status)) => status,
        Ok(Err(_)) | Err(_) => 0,
    };
    shared.look(|world| {
        let hook = world.repo_mut(repo).hooks.iter_mut().find(|it| it.id == delivery.hook);
        let mut deliveries = hook.into_iter().flat_map(|hook| &mut hook.deliveries);
        if let Some(delivery) = deliveries.find(|it| it.id == delivery.id) {
            delivery.status = Some(status);
        }
    });
}

/// The headers of a delivery. <https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers>
fn head(delivery: &Delivery, secret: Option<&str>) -> String {
    let signature = secret.map_or_else(String::new, |secret| {
        format!("X-Hub-Signature-256: sha256={}\r\n", sign(secret, &delivery.body))
    });
    format!(
        "X-GitHub-Event: {}\r\nX-GitHub-Delivery: {}\r\nX-GitHub-Hook-ID: {}\r\n{signature}\
         User-Agent: GitHub-Hookshot/044aadd\r\nContent-Type: application/json\r\n",
        delivery.event, delivery.guid, delivery.hook,
    )
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(body.as_bytes());
    let signature = mac.finalize().into_bytes();
    signature.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Posts and returns the status of the answer.
async fn post(url: &str, head: &str, body: &str) -> io::Result<u16> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {url}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| broken("not a plain URL"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer).into_owned();
    let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.ok_or_else(|| broken("no HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_documentation() {
        let signature = sign("It's a Secret to Everybody", "Hello, World!");
        assert_eq!(signature, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }
}
