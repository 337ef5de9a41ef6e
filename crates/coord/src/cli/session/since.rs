//! `--since`: a moment as people say it.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The moment that `text` means, in the time zone of whoever says it: the beginning of a day (`today`, `yesterday`,
/// `thursday`, `2026-11-20`), a while ago (`3d`, `2h 30m`, `90` seconds), or a moment in RFC 3339. A day of the week
/// is the last one before today.
///
/// # Errors
/// When it is none of these, or has not come yet.
pub(super) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let unknown = || {
        format!(
            "`{text}` is no moment; write `today`, `yesterday`, `thursday`, `2026-11-20`, `3d` or RFC 3339"
        )
    };
    let here = now.to_zoned(zone.clone());
    let word = text.trim().to_lowercase();
    let moment = if let Some(date) = day(&word, &here) {
        date.map_err(|_| unknown())?.to_zoned(zone.clone()).map_err(|_| unknown())?.timestamp()
    } else if let Some(ago) = span(&word) {
        here.checked_sub(ago).map_err(|_| unknown())?.timestamp()
    } else {
        text.trim().parse().map_err(|_| unknown())?
    };
    if moment > now { Err(format!("`{text}` has not come yet")) } else { Ok(moment) }
}

/// The day that a word names; `None` when it names none.
fn day(word: &str, here: &Zoned) -> Option<Result<Date, jiff::Error>> {
    let today = here.date();
    if word.len() >= 3
        && let Some((_, day)) = DAYS.iter().find(|(name, _)| name.starts_with(word))
    {
        return Some(today.nth_weekday(-1, *day));
    }
    match word {
        "today" => Some(Ok(today)),
        "yesterday" => Some(today.yesterday()),
        // A date and nothing else: with a time behind it, it is a moment.
        _ if word.len() == "2026-11-20".len() => word.parse().ok().map(Ok),
        _ => None,
    }
}

/// A while; `None` when it is none, or reaches into the future.
fn span(word: &str) -> Option<Span> {
    let span = match word.parse::<i64>() {
        Ok(seconds) => Span::new().try_seconds(seconds).ok()?,
        Err(_) => word.parse().ok()?,
    };
    (!span.is_negative()).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Saturday, early enough that it is still Friday in New York.
    const NOW: &str = "2026-11-28T03:30:00Z";

    #[test]
    fn moments_are_what_people_mean_by_them() {
        let east = TimeZone::fixed(jiff::tz::offset(1));
        let west = TimeZone::fixed(jiff::tz::offset(-5));
        for (text, zone, moment) in [
            ("today", &TimeZone::UTC, "2026-11-28T00:00:00Z"),
            ("today", &east, "2026-11-27T23:00:00Z"),
            ("today", &west, "2026-11-27T05:00:00Z"),
            ("yesterday", &east, "2026-11-26T23:00:00Z"),
            ("thursday", &TimeZone::UTC, "2026-11-26T00:00:00Z"),
            ("Thu", &TimeZone::UTC, "2026-11-26T00:00:00Z"),
            ("saturday", &TimeZone::UTC, "2026-11-21T00:00:00Z"),
            ("2026-11-20", &west, "2026-11-20T05:00:00Z"),
            ("2026-11-20T10:00:00+01:00", &west, "2026-11-20T09:00:00Z"),
            ("3d", &TimeZone::UTC, "2026-11-25T03:30:00Z"),
            ("1w 2h", &TimeZone::UTC, "2026-11-21T01:30:00Z"),
            ("90", &TimeZone::UTC, "2026-11-28T03:28:30Z"),
            ("15m", &TimeZone::UTC, "2026-11-28T03:15:00Z"),
        ] {
            let parsed = parse(text, NOW.parse().unwrap(), zone).unwrap();
            assert_eq!(parsed, moment.parse().unwrap(), "{text} in {zone:?}");
        }
    }

    #[test]
    fn a_day_begins_where_the_clocks_say_so() {
        // The clocks of this zone go back an hour on the first Sunday of November.
        let zone = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        let now = "2026-11-02T12:00:00Z".parse().unwrap();
        assert_eq!(parse("yesterday", now, &zone).unwrap(), "2026-11-01T04:00:00Z".parse().unwrap());
        assert_eq!(parse("today", now, &zone).unwrap(), "2026-11-02T05:00:00Z".parse().unwrap());
        assert_eq!(parse("2d", now, &zone).unwrap(), "2026-10-31T11:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_no_moment_or_not_yet_is_refused() {
        for bad in ["", "soon", "th", "2026-13-01", "-3d", "noon", "2026-11-29", "2030-01-01T00:00:00Z"] {
            assert!(parse(bad, NOW.parse().unwrap(), &TimeZone::UTC).is_err(), "{bad:?}");
        }
    }
}
