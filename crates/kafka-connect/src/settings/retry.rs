//! How often and how patiently a request is tried again.

use std::time::Duration;

use kafka_core::error::ConfigErrors;
use serde::Deserialize;

/// The longest wait before a try, whatever the factor or the server says.
const LONGEST: Duration = Duration::from_secs(120);

/// When a request to Kafka Connect is tried again. All of its requests may be repeated: they say what shall be, not what to add.
///
/// A worker that answers 409, or 500 with such words, because its group is just sharing out the work, is asked again too.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ConnectRetry {
    /// Tries after no connection was had. Default 5.
    pub connect: u32,
    /// Tries after a connection broke or no answer came in time. Default 5.
    pub read: u32,
    /// Tries after an answer with one of `status_forcelist`, or during a rebalance. Default 5.
    pub status: u32,
    /// The wait before the first repetition in seconds, doubled for each further one, up to 2 minutes. Default 0.5. A `Retry-After` of
    /// the server counts instead.
    pub backoff_factor: f64,
    /// The statuses after which a request is tried again. Default 502, 503, 504.
    pub status_forcelist: Vec<u16>,
}

impl Default for ConnectRetry {
    fn default() -> Self {
        Self { connect: 5, read: 5, status: 5, backoff_factor: 0.5, status_forcelist: vec![502, 503, 504] }
    }
}

/// What went wrong with a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Connect,
    Read,
    Status,
}

/// The tries that one request has left.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    retry: &'a ConnectRetry,
    connect: u32,
    read: u32,
    status: u32,
    taken: u32,
}

impl ConnectRetry {
    pub(crate) fn budget(&self) -> Budget<'_> {
        Budget { retry: self, connect: self.connect, read: self.read, status: self.status, taken: 0 }
    }

    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        if !self.backoff_factor.is_finite() || self.backoff_factor < 0.0 {
            errors.push("connect_retry.backoff_factor", "is not a number of seconds; write 0.5 for half a second");
        }
        if let Some(status) = self.status_forcelist.iter().find(|status| !(400..600).contains(*status)) {
            errors.push("connect_retry.status_forcelist", format!("{status} is not the status of an error; write 400 to 599"));
        }
    }
}

impl Budget<'_> {
    /// How long to wait before the next try; `None` when there is none left for such trouble.
    pub(crate) fn take(&mut self, trouble: Trouble, said_by_server: Option<Duration>) -> Option<Duration> {
        let left = match trouble {
            Trouble::Connect => &mut self.connect,
            Trouble::Read => &mut self.read,
            Trouble::Status => &mut self.status,
        };
        *left = left.checked_sub(1)?;
        let doubled = self.retry.backoff_factor * 2_f64.powi(i32::try_from(self.taken).unwrap_or(i32::MAX));
        self.taken += 1;
        let own = Duration::try_from_secs_f64(doubled).unwrap_or(LONGEST);
        Some(said_by_server.unwrap_or(own).min(LONGEST))
    }
}

/// Reads a `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = http_date(text)?.saturating_sub(now_ms.div_euclid(1_000));
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Seconds since the epoch of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let mut clock = time.split(':').map(|part| part.parse::<i64>().ok());
    let seconds = clock.next()?? * 3_600 + clock.next()?? * 60 + clock.next()??;
    // Days since the epoch by the civil calendar, with the year beginning in March.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted_year + shifted_year.div_euclid(4) - shifted_year.div_euclid(100)
        + shifted_year.div_euclid(400)
        + (153 * shifted_month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_each_trouble_has_its_own_tries() {
        let retry = ConnectRetry { connect: 2, status: 3, ..ConnectRetry::default() };
        let mut budget = retry.budget();
        let mut take = |trouble, said: Option<u64>| budget.take(trouble, said.map(Duration::from_secs)).map(|wait| wait.as_millis());
        assert_eq!(take(Trouble::Connect, None), Some(500));
        assert_eq!(take(Trouble::Status, None), Some(1_000));
        assert_eq!(take(Trouble::Connect, None), Some(2_000));
        assert_eq!(take(Trouble::Connect, None), None);
        assert_eq!(take(Trouble::Status, Some(7)), Some(7_000));
        assert_eq!(take(Trouble::Status, Some(3_600)), Some(120_000));
        assert_eq!(take(Trouble::Status, None), None);
    }

    #[test]
    fn servers_say_when_in_two_ways() {
        let now = 784_111_777_000;
        for (text, seconds) in [
            ("3", Some(3)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400 - 784_111_777)),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
