//! Times and durations as people say them. Programs get RFC 3339.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How long it was from one moment to another: `8 s`, `12 min`, `3 h 05 min`.
#[must_use]
pub fn took(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) if minutes < 10 => format!("{minutes} min {seconds:02} s"),
        (0, minutes, _) => format!("{minutes} min"),
        (hours, minutes, _) if hours < 48 => format!("{hours} h {minutes:02} min"),
        (hours, ..) => format!("{} days", hours / 24),
    }
}

/// How long ago a moment in RFC 3339 was; what is none stays as it is.
#[must_use]
pub fn since(at: &str, now: Timestamp) -> String {
    at.parse().map_or_else(|_| at.to_owned(), |at| took(at, now))
}

/// A moment on the clock of this place: `2026-11-21 08:15:02`. What is no RFC 3339 stays as it is.
#[must_use]
pub fn local(at: &str) -> String {
    let Ok(moment) = at.parse::<Timestamp>() else { return at.to_owned() };
    moment.to_zoned(TimeZone::system()).strftime("%F %T").to_string()
}

/// A moment of today on the clock of this place: `08:15`. What is no RFC 3339 stays as it is.
#[must_use]
pub fn clock_time(at: &str) -> String {
    let Ok(moment) = at.parse::<Timestamp>() else { return at.to_owned() };
    moment.to_zoned(TimeZone::system()).strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_precise_as_people_want_them() {
        let took = |seconds| took(Timestamp::UNIX_EPOCH, Timestamp::from_second(seconds).unwrap());
        let said = [-5, 8, 71, 720, 11_100, 400_000].map(took);
        assert_eq!(said, ["0 s", "8 s", "1 min 11 s", "12 min", "3 h 05 min", "4 days"]);
    }

    #[test]
    fn what_is_no_time_is_left_alone() {
        assert_eq!(local("soon"), "soon");
    }
}
