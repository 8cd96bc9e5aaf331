//! Time and environment. This is the only file that may look at the clock or at an environment variable; everything
//! else is told.

#![expect(clippy::disallowed_methods, reason = "the one home of the clock and of the environment")]

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use time::{Date, Month, OffsetDateTime, Time};

use crate::error::{Error, Result};

/// An instant in UTC, in whole seconds since 1970-01-01T00:00:00Z, up to the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

/// 9999-12-31T23:59:59Z: the last instant that X.509 and RFC 3339 can write.
const LAST: u64 = 253_402_300_799;

impl Epoch {
    /// 1980-01-01T00:00:00Z, the default modification time of every file in an archive: old enough for every clock,
    /// and an instant that FAT and zip can represent too.
    pub const FILES: Epoch = Epoch(315_532_800);

    /// This many seconds after 1970.
    pub fn from_seconds(seconds: u64) -> Result<Epoch> {
        if seconds > LAST {
            return Err(Error::usage(format!("{seconds} seconds after 1970 is beyond the year 9999")));
        }
        Ok(Epoch(seconds))
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// This instant plus whole days, at the latest the end of the year 9999.
    pub fn plus_days(self, days: u32) -> Epoch {
        Epoch((self.0 + u64::from(days) * 86_400).min(LAST))
    }

    /// What the host's clock says. For `verify`, which judges by default as of now; never for anything written.
    pub fn now() -> Result<Epoch> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Epoch::from_seconds(since.map_err(|_| Error::environment("the host's clock is before 1970"))?.as_secs())
    }

    /// `SOURCE_DATE_EPOCH` (reproducible-builds.org): unset is none, malformed is an error, as its specification asks.
    pub fn from_environment() -> Result<Option<Epoch>> {
        // Not `variable`: set and empty is malformed too.
        let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
        let digits = text.to_str().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        let seconds = digits.and_then(|digits| digits.parse().ok());
        let error = || Error::usage(format!("SOURCE_DATE_EPOCH is {text:?}: it takes decimal seconds since 1970"));
        Epoch::from_seconds(seconds.ok_or_else(error)?).map(Some)
    }

    fn calendar(self) -> OffsetDateTime {
        // Checked at construction: `time` covers -9999 to 9999.
        OffsetDateTime::from_unix_timestamp(self.0 as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC: `2026-11-01T00:00:00Z`.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.calendar();
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", at.hour(), at.minute(), at.second())
    }
}

/// Reads what [`fmt::Display`] writes, and nothing else: an offset or a fraction has no place in a release.
impl FromStr for Epoch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Epoch> {
        let parse = || -> Option<Epoch> {
            let fixed = text.len() == 20 && text.is_ascii() && text.ends_with('Z');
            let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
            let month = Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
            let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, number(8, 10)? as u8).ok()?;
            let time = Time::from_hms(number(11, 13)? as u8, number(14, 16)? as u8, number(17, 19)? as u8).ok()?;
            let seconds = date.with_time(time).assume_utc().unix_timestamp();
            let epoch = Epoch(u64::try_from(seconds).ok()?);
            (fixed && epoch.to_string() == text).then_some(epoch)
        };
        parse().ok_or_else(|| {
            Error::usage(format!(
                "`{text}` is not an instant; write it like 2026-11-01T00:00:00Z, in UTC, from 1970 on"
            ))
        })
    }
}

/// A length of time in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(u64);

/// What a length of time is counted in, the greatest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

impl Duration {
    /// So many days.
    pub const fn of_days(days: u32) -> Duration {
        Duration(days as u64 * 86_400)
    }

    /// So many seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

/// As it is read, in the greatest unit that says it in a whole number.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, seconds) =
            UNITS.into_iter().find(|(_, seconds)| self.0.is_multiple_of(*seconds)).unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

/// A whole number with its unit: `30d`, `12h`, `90m`, `45s`.
impl FromStr for Duration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Duration> {
        let parse = || -> Option<Duration> {
            let (digits, seconds) =
                UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
            let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok())??;
            number.checked_mul(seconds).filter(|seconds| *seconds <= LAST).map(Duration)
        };
        parse().ok_or_else(|| {
            Error::usage(format!("`{text}` is not a length of time; write it like 30d, 12h, 90m or 45s, as one number"))
        })
    }
}

impl<'de> serde::Deserialize<'de> for Epoch {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Epoch, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Epoch {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // TOML's own instants reach an editor's schema as strings of this format.
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// Where files lie that nobody needs after this run: `TMPDIR`, or `/tmp`.
pub fn temporary_directory() -> std::path::PathBuf {
    variable("TMPDIR").unwrap_or_else(|| "/tmp".into()).into()
}

/// An environment variable, if it is set and not empty.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The user's home directory.
pub fn home() -> Result<std::path::PathBuf> {
    let home = variable("HOME").map(std::path::PathBuf::from).filter(|path| path.is_absolute());
    home.ok_or_else(|| {
        Error::environment("HOME is not set, so `~` leads nowhere").advise("set it, or give whole paths")
    })
}

/// The directory that relative paths start from.
pub fn working_directory() -> Result<std::path::PathBuf> {
    std::env::current_dir().map_err(|error| Error::environment(format!("finding the working directory: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        for (seconds, text) in
            [(0, "1970-01-01T00:00:00Z"), (315_532_800, "1980-01-01T00:00:00Z"), (LAST, "9999-12-31T23:59:59Z")]
        {
            assert_eq!(Epoch(seconds).to_string(), text);
            assert_eq!(text.parse::<Epoch>().unwrap(), Epoch(seconds));
        }
    }

    #[test]
    fn lengths() {
        for (text, seconds, shown) in [
            ("30d", 2_592_000, "30d"),
            ("24h", 86_400, "1d"),
            ("36h", 129_600, "36h"),
            ("90m", 5400, "90m"),
            ("0s", 0, "0d"),
            ("61s", 61, "61s"),
        ] {
            let length: Duration = text.parse().unwrap();
            assert_eq!((length.seconds(), length.to_string().as_str()), (seconds, shown));
        }
        for text in
            ["", "d", "30", "-1d", "+1d", "1.5d", "1d12h", "30 d", "1w", "99999999999d", "99999999999999999999s"]
        {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "2026-11-01",
            "2026-02-30T00:00:00Z",
            "2026-11-01T00:00:00+01:00",
            "2026-11-01 00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-01T00:00:60Z",
            "+026-11-01T00:00:00Z",
        ] {
            assert!(text.parse::<Epoch>().is_err(), "{text}");
        }
    }
}
