//! The lines that go in and out, as JSON. Every request has an id, and every answer the id of its request.

use serde_json::{Value, json};

/// Six packets a frame.
const VIDEO_BPS: u32 = 1_500_000;

#[derive(Debug, PartialEq)]
pub enum Request {
    /// A new publisher, named by the request's id; answered by its offer.
    Publish { stream: u16, feedback: bool, video_bps: u32 },
    /// A new subscriber, named by the request's id; answered by its offer, or by its answer to the `offer` given.
    /// One in `lose_every` packets is thrown away before it is looked at, to be asked for again; 0: none.
    Subscribe { stream: u16, feedback: bool, lose_every: u32, offer: Option<String> },
    /// The server's answer to a peer's offer; None if the peer was the one that answered.
    /// Acknowledged when the peer is connected.
    Connect { peer: u64, answer: Option<String> },
    /// Acknowledged when every publisher is connected and every subscriber has had audio and video.
    Receiving,
    /// Forget a peer.
    Leave { peer: u64 },
    /// Measure from now on the load of a process and its descendants; answered by a report.
    Measure { seconds: f64, server: u32 },
}

impl Request {
    /// The id and the request of a line such as `{"id": 1, "request": "publish", "stream": 0}`; or the id, if it could be
    /// read, and what is wrong.
    pub fn parse(line: &str) -> Result<(u64, Self), (u64, String)> {
        let value: Value = serde_json::from_str(line).map_err(|error| (0, error.to_string()))?;
        let id = value["id"].as_u64().ok_or((0, "id: not a number".to_owned()))?;
        let number =
            |name: &str| value[name].as_u64().ok_or_else(|| (id, format!("{name}: not a natural number")));
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let feedback = value["feedback"].as_bool().unwrap_or(false);
        let request = match value["request"].as_str().unwrap_or_default() {
            "publish" => Self::Publish {
                stream: number("stream")? as u16,
                feedback,
                video_bps: value["video_bps"].as_u64().map_or(VIDEO_BPS, |given| given as u32),
            },
            "subscribe" => Self::Subscribe {
                stream: number("stream")? as u16,
                feedback,
                lose_every: value["lose_every"].as_u64().unwrap_or(0) as u32,
                offer: text("offer"),
            },
            "connect" => Self::Connect { peer: number("peer")?, answer: text("answer") },
            "receiving" => Self::Receiving,
            "leave" => Self::Leave { peer: number("peer")? },
            "measure" => Self::Measure {
                seconds: value["seconds"].as_f64().ok_or((id, "seconds: not a number".to_owned()))?,
                server: number("server")? as u32,
            },
            other => return Err((id, format!("request: {other:?} is unknown"))),
        };
        Ok((id, request))
    }
}

#[derive(Debug)]
pub enum Answer {
    Sdp(String),
    Done,
    Report(Report),
    Error(String),
}

impl Answer {
    pub fn line(&self, id: u64) -> String {
        match self {
            Self::Sdp(sdp) => json!({"id": id, "sdp": sdp}),
            Self::Done => json!({"id": id}),
            Self::Report(report) => json!({"id": id, "report": report.value()}),
            Self::Error(error) => json!({"id": id, "error": error}),
        }
        .to_string()
    }
}

/// What a window came to. A packet is expected if it was *sent* in the window; CPU per packet is per media packet that
/// *arrived* in it, retransmissions and padding not counted.
#[derive(Debug, Default)]
pub struct Report {
    pub seconds: f64,
    pub expected: u64,
    pub received: u64,
    /// Of `received`: those that a retransmission brought.
    pub repaired: u64,
    /// Later than a later one, or twice; retransmissions excepted.
    pub reordered: u64,
    /// Numbers that the server skipped.
    pub gaps: u64,
    pub arrived: u64,
    pub retransmitted: u64,
    pub padding: u64,
    /// Thrown away on purpose.
    pub refused: u64,
    /// Not decrypted.
    pub unopened: u64,
    /// NACK and transport-wide feedback.
    pub requests: u64,
    /// Half, 95 % and 99 % of the packets took less.
    pub latency_ms: [f64; 3],
    pub server_cpu_s: f64,
    pub server_threads: u64,
    pub client_cores: f64,
    pub idle_cores: f64,
    pub keyframe_requests: u64,
    /// What encrypts the media of the first subscriber.
    pub profile: String,
}

impl Report {
    fn value(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "expected": self.expected,
            "received": self.received,
            "lost": self.expected.saturating_sub(self.received),
            "repaired": self.repaired,
            "reordered": self.reordered,
            "gaps": self.gaps,
            "arrived": self.arrived,
            "retransmitted": self.retransmitted,
            "padding": self.padding,
            "refused": self.refused,
            "unopened": self.unopened,
            "requests": self.requests,
            "latency_ms": self.latency_ms,
            "server_cpu_s": self.server_cpu_s,
            "server_us_per_packet": self.server_cpu_s * 1e6 / self.arrived.max(1) as f64,
            "server_threads": self.server_threads,
            "client_cores": self.client_cores,
            "idle_cores": self.idle_cores,
            "keyframe_requests": self.keyframe_requests,
            "profile": self.profile,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_or_refused_by_name() {
        let line = r#"{"id": 3, "request": "connect", "peer": 1, "answer": "v=0"}"#;
        assert_eq!(Request::parse(line), Ok((3, Request::Connect { peer: 1, answer: Some("v=0".into()) })));
        let unknown = Request::parse(r#"{"id": 4, "request": "dance"}"#).unwrap_err();
        assert_eq!(unknown, (4, "request: \"dance\" is unknown".into()));
        assert_eq!(Request::parse(r#"{"id": 5, "request": "leave"}"#).unwrap_err().0, 5);
        assert_eq!(Request::parse("{").unwrap_err().0, 0);
    }
}
