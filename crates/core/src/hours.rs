//! When work may go on by itself: spans of the day, on days of the week, in a time zone.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The hours in which work may go on by itself; without any, that is always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hours(Vec<Span>);

/// A span of the day on some days: `22:00-07:00`, `mon-fri 18:00-08:00`, `sat,sun 00:00-24:00`. One that ends before
/// it begins ends on the day after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    text: String,
}

/// A text that is no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no span of hours: write `22:00-07:00` or `mon-fri 18:00-08:00`")]
pub struct InvalidSpan(String);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        parse(text.trim()).ok_or_else(|| InvalidSpan(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse(text: &str) -> Option<Span> {
    let (named, hours) = text.rsplit_once(' ').unwrap_or(("", text));
    let (from, to) = hours.split_once('-')?;
    let mut days = Vec::new();
    for part in named.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let around = DAYS.iter().cycle().skip(first).take((last + 7 - first) % 7 + 1);
        days.extend(around.map(|(_, day)| *day));
    }
    if named.trim().is_empty() {
        days = DAYS.map(|(_, day)| day).into();
    }
    Some(Span { days, from: time(from)?, to: end(to)?, text: text.to_owned() })
}

fn day(name: &str) -> Option<usize> {
    DAYS.iter().position(|(it, _)| name.trim().eq_ignore_ascii_case(it))
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// When a span ends, which may be with the day: that is the beginning of the next.
fn end(text: &str) -> Option<Time> {
    if text.trim() == "24:00" { Some(Time::midnight()) } else { time(text) }
}

impl Hours {
    /// All of these.
    #[must_use]
    pub const fn new(spans: Vec<Span>) -> Self {
        Self(spans)
    }

    /// The spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The first moment from `at` on that lies in them.
    #[must_use]
    pub fn next(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let today = at.to_zoned(zone.clone()).date();
        // A span of yesterday may go on today, and that of a weekday comes again within a week.
        let days = (-1..=7).filter_map(|it| today.checked_add(jiff::Span::new().days(it)).ok());
        let open = days.flat_map(|day| self.0.iter().filter_map(move |span| span.on(day, zone)));
        let open = open.filter(|(_, to)| *to > at).map(|(from, _)| from.max(at));
        open.min().unwrap_or(at)
    }
}

impl Span {
    /// From when to when it is on a day.
    fn on(&self, day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let ends_on = if self.to > self.from { day } else { day.tomorrow().ok()? };
        let moment = |day: Date, time| Some(zone.to_zoned(day.to_datetime(time)).ok()?.timestamp());
        let whole = (moment(day, self.from)?, moment(ends_on, self.to)?);
        self.days.contains(&day.weekday()).then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(spans: &[&str], at: &str) -> String {
        let hours = Hours::new(spans.iter().map(|it| it.parse().unwrap()).collect());
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at: Timestamp = format!("{at}Z").parse().unwrap();
        hours.next(at, &zone).to_string()
    }

    #[test]
    fn work_goes_on_within_its_hours_and_otherwise_when_they_begin() {
        // 2026-01-05 is a Monday; the zone is an hour ahead of UTC.
        let night = ["22:00-07:00"];
        for (at, goes_on) in [
            ("2026-01-05T12:00:00", "2026-01-05T21:00:00Z"),
            ("2026-01-05T23:30:00", "2026-01-05T23:30:00Z"),
            ("2026-01-06T05:59:59", "2026-01-06T05:59:59Z"),
            ("2026-01-06T06:00:00", "2026-01-06T21:00:00Z"),
        ] {
            assert_eq!(next(&night, at), goes_on, "{at}");
        }
        assert_eq!(next(&[], "2026-01-05T12:00:00"), "2026-01-05T12:00:00Z");
    }

    #[test]
    fn a_span_belongs_to_the_days_that_it_names() {
        let week = ["mon-fri 18:00-08:00", "sat,sun 00:00-24:00"];
        assert_eq!(next(&week, "2026-01-05T12:00:00"), "2026-01-05T17:00:00Z");
        assert_eq!(next(&week, "2026-01-10T12:00:00"), "2026-01-10T12:00:00Z");
        assert_eq!(next(&["fri-mon 09:00-10:00"], "2026-01-05T12:00:00"), "2026-01-09T08:00:00Z");
        assert_eq!(next(&["mon 09:00-10:00"], "2026-01-05T09:00:00"), "2026-01-12T08:00:00Z");
    }

    #[test]
    fn days_are_named_one_by_one_or_from_one_to_another_also_over_the_end_of_the_week() {
        // From the 5th, a Monday, on: the days of that week on which there is work at noon.
        let days = |named: &str| {
            let span = format!("{named} 12:00-13:00");
            let noon = |day: u32| format!("2026-01-{day:02}T11:00:00");
            let open = (5..12).filter(|day| next(&[&span], &noon(*day)) == noon(*day) + "Z");
            open.map(|it| DAYS[it as usize - 5].0).collect::<Vec<_>>().join(" ")
        };
        for (named, open) in [
            ("", "mon tue wed thu fri sat sun"),
            ("wed", "wed"),
            ("tue-thu", "tue wed thu"),
            ("SAT - tue", "mon tue sat sun"),
            ("mon-sun", "mon tue wed thu fri sat sun"),
            ("sun-sat", "mon tue wed thu fri sat sun"),
            ("mon, wed-thu , sun", "mon wed thu sun"),
        ] {
            assert_eq!(days(named), open, "{named}");
        }
    }

    #[test]
    fn a_span_that_ends_when_it_begins_lasts_for_a_day() {
        let day = ["mon 09:00-09:00"];
        assert_eq!(next(&day, "2026-01-05T20:00:00"), "2026-01-05T20:00:00Z");
        assert_eq!(next(&day, "2026-01-06T07:59:00"), "2026-01-06T07:59:00Z");
        assert_eq!(next(&day, "2026-01-06T08:00:00"), "2026-01-12T08:00:00Z");
    }

    #[test]
    fn a_span_is_written_as_a_person_wrote_it() {
        let text = "mon-fri 18:00-08:00";
        let span: Span = text.parse().unwrap();
        assert_eq!(span.to_string(), text);
        assert_eq!(serde_json::to_value(&span).unwrap(), text);
        assert_eq!(serde_json::from_value::<Span>(text.into()).unwrap(), span);
        assert_eq!(Hours::new(vec![span.clone()]).spans(), [span]);
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "22:00",
            "25:00-01:00",
            "moo 09:00-10:00",
            "mon- 09:00-10:00",
            "9-17",
            "24:30-01:00",
            "09:60-10:00",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
