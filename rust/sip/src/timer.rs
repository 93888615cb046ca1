//! Session timers (RFC 4028): who refreshes a call, how often, and when it counts as dead.

use std::time::Duration;

use rsipstack::sip::{HasHeaders, Header, HeadersExt};

/// The least interval that is accepted, in seconds.
pub const LEAST_S: u32 = 90;
/// What our own calls ask for, in seconds.
pub const WANTED_S: u32 = 1800;

/// The agreement about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub interval_s: u32,
    pub ours: bool,
}

/// What a message says of its session timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub interval_s: Option<u32>,
    pub refresher: Option<String>,
    pub least_s: u32,
    pub supported: bool,
}

impl Said {
    pub fn of(message: &impl HeadersExt) -> Self {
        let value = named(message, &["Session-Expires", "x"]);
        let mut parts = value.as_deref().unwrap_or_default().split(';').map(str::trim);
        let interval_s = parts.next().and_then(|first| first.parse().ok());
        let refresher = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("refresher").then(|| value.trim().to_ascii_lowercase())
        });
        let least = named(message, &["Min-SE"]).unwrap_or_default();
        let least_s = least.split(';').next().and_then(|first| first.trim().parse().ok()).unwrap_or(0);
        let supported = ["Supported", "k", "Require"].iter().any(|name| has_token(message, name, "timer"));
        Self { interval_s, refresher, least_s, supported }
    }

    /// Whether the interval is shorter than we accept.
    pub fn too_short(&self) -> bool {
        self.interval_s.is_some_and(|interval| interval < LEAST_S)
    }

    /// What we agree to as the one that answers; None: the call has no timer.
    pub fn agreed(&self) -> Option<Session> {
        let interval_s = self.interval_s?.max(self.least_s).max(LEAST_S);
        // Only who knows of timers can be asked to refresh.
        let ours = !self.supported || self.refresher.as_deref() == Some("uas");
        Some(Session { interval_s, ours })
    }

    /// What the answer to our own request means; None: the call has no timer.
    pub fn answered(&self) -> Option<Session> {
        let interval_s = self.interval_s?.max(LEAST_S);
        Some(Session { interval_s, ours: self.refresher.as_deref() != Some("uas") })
    }
}

impl Session {
    /// The headers of an answer that agrees to this.
    pub fn headers(self) -> Vec<Header> {
        let refresher = if self.ours { "uas" } else { "uac" };
        let value = format!("{};refresher={refresher}", self.interval_s);
        let mut headers = vec![Header::Other("Session-Expires".into(), value)];
        if !self.ours {
            headers.push(Header::Require("timer".into()));
        }
        headers
    }

    /// The headers of a request of ours that refreshes.
    pub fn refreshing(self) -> Vec<Header> {
        let refresher = if self.ours { "uac" } else { "uas" };
        vec![
            Header::Supported("timer".into()),
            Header::Other("Session-Expires".into(), format!("{};refresher={refresher}", self.interval_s)),
        ]
    }

    /// How long to wait before refreshing, or before giving the peer up (section 10).
    pub fn wait(self) -> Duration {
        let seconds =
            if self.ours { self.interval_s / 2 } else { self.interval_s - (self.interval_s / 3).min(32) };
        Duration::from_secs(u64::from(seconds))
    }
}

/// The headers of a call of ours.
pub fn asking(interval_s: u32) -> Vec<Header> {
    vec![
        Header::Supported("timer".into()),
        Header::Other("Session-Expires".into(), interval_s.to_string()),
        Header::Other("Min-SE".into(), LEAST_S.to_string()),
    ]
}

fn named(message: &impl HeadersExt, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| message.header_value(name))
}

/// Whether a header called `name` lists `token`.
pub fn has_token(message: &impl HasHeaders, name: &str, token: &str) -> bool {
    let headers = message.headers().iter().filter(|header| header.name().eq_ignore_ascii_case(name));
    let mut values = headers.map(Header::value);
    values.any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(interval: Option<u32>, refresher: Option<&str>, supported: bool) -> Said {
        Said { interval_s: interval, refresher: refresher.map(str::to_owned), least_s: 0, supported }
    }

    #[test]
    fn the_caller_refreshes_if_it_can_and_did_not_ask_us_to() {
        assert_eq!(said(None, None, true).agreed(), None);
        let by_caller = Some(Session { interval_s: 1800, ours: false });
        assert_eq!(said(Some(1800), None, true).agreed(), by_caller);
        assert_eq!(said(Some(1800), Some("uac"), true).agreed(), by_caller);
        let by_us = Some(Session { interval_s: 1800, ours: true });
        assert_eq!(said(Some(1800), Some("uas"), true).agreed(), by_us);
        assert_eq!(said(Some(1800), None, false).agreed(), by_us);
    }

    #[test]
    fn an_interval_is_never_shorter_than_the_least() {
        assert!(said(Some(60), None, true).too_short());
        assert!(!said(Some(90), None, true).too_short());
        assert_eq!(said(Some(5), None, true).answered(), Some(Session { interval_s: 90, ours: true }));
    }

    #[test]
    fn the_refresher_acts_at_half_time_and_the_other_waits_until_shortly_before_the_end() {
        assert_eq!(Session { interval_s: 90, ours: true }.wait().as_secs(), 45);
        assert_eq!(Session { interval_s: 90, ours: false }.wait().as_secs(), 60);
        assert_eq!(Session { interval_s: 1800, ours: false }.wait().as_secs(), 1768);
    }
}
