//! Whom the kernel ends first when the machine runs out of memory: a worker, and neither its shim nor the server.

use fs_err as fs;

const SCORE: &str = "/proc/self/oom_score_adj";
/// What a worker is worse off by; a thousand is the most there is.
const WORSE: i32 = 500;

/// Makes this process, and so what it starts, one that goes first. Gives what it was before.
pub(super) fn expose() -> Option<i32> {
    let usual: i32 = fs::read_to_string(SCORE).ok()?.trim().parse().ok()?;
    fs::write(SCORE, (usual + WORSE).min(1000).to_string()).ok()?;
    Some(usual)
}

/// Makes it again what it was.
pub(super) fn restore(usual: Option<i32>) {
    if let Some(usual) = usual {
        // Who may raise it may lower it to what it was given at its start.
        fs::write(SCORE, usual.to_string()).ok();
    }
}
