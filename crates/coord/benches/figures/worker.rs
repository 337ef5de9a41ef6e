//! What stands in for claude: this very program under that name. It says when it began, and then does what its
//! prompt asks for, so that nothing between the prompt and the first event is left out of a measurement.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;

/// How long a worker that talks stays silent between two lines.
const PAUSE: Duration = Duration::from_millis(4);

/// Says when it began; then `talk N` says N times what time it is, and `stay` does not end by itself.
pub(crate) fn work() -> anyhow::Result<()> {
    say(wall())?;
    let mut prompt = String::new();
    std::io::stdin().read_to_string(&mut prompt)?;
    let mut words = prompt.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "talk" => {
                for _ in 0..words.next().context("how often?")?.parse::<u32>()? {
                    pause();
                    say(wall())?;
                }
            }
            "stay" => loop {
                std::thread::park();
            },
            other => anyhow::bail!("a worker was asked to {other}"),
        }
    }
    Ok(())
}

/// Milliseconds since 1970, to be compared between processes of this machine.
#[expect(clippy::disallowed_methods, reason = "a measurement is the edge of its world")]
pub(crate) fn wall() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(f64::NAN, |it| it.as_secs_f64() * 1000.0)
}

#[expect(clippy::disallowed_methods, reason = "a worker that thinks in between")]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn say(time: f64) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{time:.4}"}}]}}}}"#)
}

/// The time that a line of a worker tells.
pub(crate) fn told(line: &str) -> Option<f64> {
    line.rsplit_once(r#""text":""#)?.1.split_once('"')?.0.parse().ok()
}
