//! Waiting for facts.
//!
//! A test never sleeps for a while and hopes: it says which fact it waits for, and when the fact does not come
//! the failure shows what was there instead. The wait is level-triggered: the closure looks at the world as it
//! is now, so nothing can be missed between two looks.

use std::time::Duration;

use tokio::time::Instant;

/// How long a fact may take before its test fails: far more than a loaded machine with two cores needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `look` is `Ok`, and returns what it found; `Err` describes what is there instead.
///
/// It blocks the thread. A test that runs a server of its own on a tokio runtime gives that runtime more than
/// one worker thread.
///
/// # Panics
/// When `within` has passed, with `what` and the last description.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look() {
            Ok(found) => return found,
            Err(status) if Instant::now() >= deadline => {
                panic!("waited {within:?} for {what}; the last look said: {status}")
            }
            Err(_) => pause(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at a fact of another process there is nothing to block on"
)]
fn pause() {
    std::thread::sleep(INTERVAL);
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn looks_again_until_the_fact_is_there() {
        let mut looks = 0;
        let found = wait_for("the third look", PATIENCE, || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("look {looks}")) }
        });
        assert_eq!(found, 3);
    }

    #[test]
    fn says_what_it_saw_last() {
        let panic =
            catch_unwind(|| wait_for::<()>("a unicorn", Duration::ZERO, || Err("only a horse".into())));
        let message = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("a unicorn") && message.contains("only a horse"), "{message}");
    }
}
