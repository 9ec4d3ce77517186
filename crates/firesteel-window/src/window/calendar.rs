//! Windows by the calendar of a time zone. Needs the feature `calendar`.

use std::fmt;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::{DisjointWindows, Window, WindowAssigner};
use crate::error::WindowError;
use crate::time::Timestamp;

/// Days, weeks or months of a time zone: as long as they are there, be it 23, 24, 24½ or 25 hours, 28 or 31 days.
///
/// The zone is one of the IANA database, by its name. The database is a part of the program, so that all its processes have the
/// same; a new one comes with a new version of the crate `jiff`.
///
/// A day begins at its first instant, which is midnight unless the clocks are changed there; a day that a zone has left out is
/// in no window. Where clocks are set back over midnight, what is repeated belongs to the new day.
///
/// ```
/// use firesteel_window::{Calendar, Timestamp, WindowAssigner, hours};
///
/// let days = Calendar::days("Europe/Berlin");
/// // Clocks were set forward.
/// let day = days.window_of("2025-03-30T10:00:00Z".parse()?);
/// assert_eq!((day.start(), day.size()), ("2025-03-29T23:00:00Z".parse()?, hours(23)));
/// # Ok::<(), firesteel_window::TimeError>(())
/// ```
///
/// Calendars reach from the year -9999 to the year 9999. What lies before or after is in one window each.
#[derive(Clone, PartialEq, Eq)]
pub struct Calendar {
    unit: Unit,
    name: Arc<str>,
    /// Nothing where there is no such zone.
    zone: Option<TimeZone>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    /// With this day it begins.
    Week(Weekday),
    Month,
}

impl Calendar {
    /// Days of a zone, such as `Europe/Berlin`.
    ///
    /// An unknown zone is reported by [`validate`](WindowAssigner::validate), which a job calls before it starts; until
    /// then it is UTC.
    #[must_use]
    pub fn days(zone: &str) -> Self {
        Self::of(Unit::Day, zone)
    }

    /// Weeks of a zone, from Monday to Sunday.
    #[must_use]
    pub fn weeks(zone: &str) -> Self {
        Self::of(Unit::Week(Weekday::Monday), zone)
    }

    /// Weeks of a zone, from Sunday to Saturday.
    #[must_use]
    pub fn weeks_from_sunday(zone: &str) -> Self {
        Self::of(Unit::Week(Weekday::Sunday), zone)
    }

    /// Months of a zone.
    #[must_use]
    pub fn months(zone: &str) -> Self {
        Self::of(Unit::Month, zone)
    }

    fn of(unit: Unit, zone: &str) -> Self {
        Self { unit, name: zone.into(), zone: TimeZone::get(zone).ok() }
    }

    /// When a day begins in the zone.
    fn begins(&self, date: Date) -> Option<Timestamp> {
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        // Where there is no midnight, the first instant after it; where there are two, the first.
        let start = date.to_zoned(zone).ok()?;
        Timestamp::from_micros(start.timestamp().as_microsecond()).into()
    }

    /// The first day of the unit that a day is in.
    fn first_of(&self, date: Date) -> Option<Date> {
        match self.unit {
            Unit::Day => Some(date),
            Unit::Week(first) => date.checked_sub(i64::from(date.weekday().since(first)).days()).ok(),
            Unit::Month => Some(date.first_of_month()),
        }
    }

    /// The first day of the unit after the one that begins with a day.
    fn after(&self, first: Date) -> Option<Date> {
        let next = match self.unit {
            Unit::Day => 1.day(),
            Unit::Week(_) => 7.days(),
            Unit::Month => 1.month(),
        };
        first.checked_add(next).ok()
    }

    /// The window of an instant; nothing where it is too near to the end of the calendar.
    fn find(&self, at: Timestamp) -> Option<Window> {
        let instant = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        let mut first = self.first_of(instant.to_zoned(zone).date())?;
        let mut start = self.begins(first)?;
        loop {
            let next = self.after(first)?;
            let end = self.begins(next)?;
            // A unit that the zone has left out holds nothing; what is repeated before a midnight is after the first one.
            if at < end {
                return Some(Window::new(start, end));
            }
            (first, start) = (next, end);
        }
    }

    /// The units that are whole: from where on, and up to where.
    fn whole(&self) -> (Timestamp, Timestamp) {
        // A month is enough at each end.
        let edge = |date: Date| self.first_of(date).and_then(|first| self.begins(first)).unwrap_or(Timestamp::EPOCH);
        (edge(jiff::civil::date(-9998, 1, 1)), edge(jiff::civil::date(9998, 12, 1)))
    }
}

impl WindowAssigner for Calendar {
    fn window_of(&self, at: Timestamp) -> Window {
        let (from, to) = self.whole();
        if at < from {
            return Window::new(Timestamp::MIN, from);
        }
        if at >= to {
            return Window::new(to, Timestamp::MAX);
        }
        self.find(at).unwrap_or(Window::new(from, to))
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", self.to_string())]
    }

    fn validate(&self) -> Result<(), WindowError> {
        match &self.zone {
            Some(_) => Ok(()),
            None => Err(WindowError::Zone { zone: self.name.to_string() }),
        }
    }
}

impl DisjointWindows for Calendar {}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Day => "days",
            Unit::Week(Weekday::Sunday) => "weeks from Sunday",
            Unit::Week(_) => "weeks",
            Unit::Month => "months",
        };
        write!(f, "{unit} in {}", self.name)
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Duration, hours, minutes};

    #[track_caller]
    fn check(windows: &Calendar, at: &str, start: &str, size: Duration) {
        let window = windows.window_of(at.parse().unwrap());
        assert_eq!((window.start().to_string().as_str(), window.size()), (start, size), "{windows}, {at}");
    }

    #[test]
    fn days_are_as_long_as_they_are() {
        let berlin = Calendar::days("Europe/Berlin");
        check(&berlin, "2025-01-31T22:59:59Z", "2025-01-30T23:00:00Z", hours(24));
        check(&berlin, "2025-01-31T23:00:00Z", "2025-01-31T23:00:00Z", hours(24));
        check(&berlin, "2025-03-30T12:00:00Z", "2025-03-29T23:00:00Z", hours(23));
        check(&berlin, "2025-10-26T12:00:00Z", "2025-10-25T22:00:00Z", hours(25));
        // Half an hour, in autumn.
        check(
            &Calendar::days("Australia/Lord_Howe"),
            "2025-04-05T20:00:00Z",
            "2025-04-05T13:00:00Z",
            minutes(24 * 60 + 30),
        );
        check(&berlin, "2024-02-29T12:00:00Z", "2024-02-28T23:00:00Z", hours(24));
    }

    #[test]
    fn a_day_may_begin_at_no_midnight() {
        // In São Paulo, summer time began at midnight: the day has no first hour.
        check(&Calendar::days("America/Sao_Paulo"), "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", hours(23));
        // Samoa has left out the 30th of December 2011, and was on the other side of the date line then.
        let samoa = Calendar::days("Pacific/Apia");
        check(&samoa, "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", hours(24));
        check(&samoa, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", hours(24));
        // Clocks that are set back from one minute past midnight: the last hour of the day comes again, and is of the next.
        let newfoundland = Calendar::days("America/St_Johns");
        check(&newfoundland, "2010-11-07T03:00:00Z", "2010-11-07T02:30:00Z", hours(25));
    }

    #[test]
    fn weeks_and_months() {
        let week = hours(7 * 24);
        check(&Calendar::weeks("Etc/UTC"), "2025-01-01T12:00:00Z", "2024-12-30T00:00:00Z", week);
        check(&Calendar::weeks_from_sunday("Etc/UTC"), "2025-01-01T12:00:00Z", "2024-12-29T00:00:00Z", week);
        check(&Calendar::weeks("Europe/Berlin"), "2025-03-30T12:00:00Z", "2025-03-23T23:00:00Z", week - hours(1));
        check(&Calendar::months("Asia/Tokyo"), "2024-02-29T16:00:00Z", "2024-02-29T15:00:00Z", hours(31 * 24));
        check(&Calendar::months("Asia/Tokyo"), "2024-02-29T14:00:00Z", "2024-01-31T15:00:00Z", hours(29 * 24));
    }

    #[test]
    fn every_instant_has_one_window_however_clocks_are_changed() {
        let zones = ["America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Monrovia"];
        for windows in
            zones.iter().flat_map(|zone| [Calendar::days(zone), Calendar::weeks(zone), Calendar::months(zone)])
        {
            let mut at: Timestamp = "2010-01-01T00:00:00Z".parse().unwrap();
            let mut last = windows.window_of(at);
            while at < "2012-06-01T00:00:00Z".parse().unwrap() {
                at += minutes(10);
                let window = windows.window_of(at);
                assert!(window.contains(at), "{windows}: {at} in {window}");
                assert!(window == last || window.start() == last.end(), "{windows}: {window} after {last}");
                last = window;
            }
        }
    }

    #[test]
    fn a_zone_that_is_not_there_is_reported_and_never_panics() {
        let bad = Calendar::days("Europe/Atlantis");
        let message = bad.validate().unwrap_err().to_string();
        assert_eq!(
            message,
            "FS-W007: there is no time zone `Europe/Atlantis`; give one of the IANA database, such as `Europe/Berlin`"
        );
        assert_eq!(bad.window_of(Timestamp::EPOCH).start(), Timestamp::EPOCH);
        assert_eq!(Calendar::days("Europe/Berlin").validate(), Ok(()));
    }

    #[test]
    fn beyond_the_calendar_is_one_window() {
        for windows in [Calendar::days("Europe/Berlin"), Calendar::weeks("Asia/Tokyo"), Calendar::months("Etc/UTC")] {
            let (first, last) = (windows.window_of(Timestamp::MIN), windows.window_of(Timestamp::MAX));
            assert_eq!((first.start(), last.end()), (Timestamp::MIN, Timestamp::MAX));
            assert_eq!(windows.window_of(first.end()).start(), first.end());
            let before = last.start() - Duration::micros(1);
            assert_eq!(windows.window_of(before).end(), last.start());
        }
    }
}
