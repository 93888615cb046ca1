//! What was agreed on for plain RTP, as a Python class: checked when it is made.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use palaver_sfu::srtp::{SDES_KEY, Sdes, Suite};
use palaver_sfu::transport::rtp::{Direction, EventFormat, Feedback, Section};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The longest silence that can be waited for.
const MOST_TIMEOUT_S: f64 = 86_400.0;

#[pyclass(frozen, module = "palaver.media._core")]
pub struct RtpSection(pub Section);

fn wrong(argument: &str, what: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{argument} {what}"))
}

#[pymethods]
impl RtpSection {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are named where it is called")]
    #[expect(clippy::needless_pass_by_value, reason = "arguments are converted, hence owned")]
    #[pyo3(signature = (codec, payload_type, address, port, *, receive_payload_type=None, direction="sendrecv",
        rtcp_port=None, mux=false, packetization_mode=1, events=vec![], send_events=None, comfort_noise=None,
        feedback=vec![], srtp=None, timeout_s=0.0))]
    fn new(
        codec: &str,
        payload_type: u8,
        address: &str,
        port: u16,
        receive_payload_type: Option<u8>,
        direction: &str,
        rtcp_port: Option<u16>,
        mux: bool,
        packetization_mode: u8,
        events: Vec<(u8, u32)>,
        send_events: Option<(u8, u32)>,
        comfort_noise: Option<u8>,
        feedback: Vec<String>,
        srtp: Option<(String, Vec<u8>, Vec<u8>)>,
        timeout_s: f64,
    ) -> PyResult<Self> {
        if packetization_mode > 1 {
            return Err(wrong("packetization_mode", "has to be 0 or 1"));
        }
        let format = palaver_sfu::codec::produced(codec, packetization_mode == 1)
            .filter(|_| matches!(codec, "opus" | "pcmu" | "pcma" | "g722" | "vp8" | "h264"))
            .ok_or_else(|| wrong("codec", format!("is none of plain RTP: {codec:?}")))?;
        let events =
            events.into_iter().map(|event| event_format("events", event)).collect::<PyResult<Vec<_>>>()?;
        let send_events = send_events.map(|event| event_format("send_events", event)).transpose()?;
        let (remote, control) = remotes(address, port, rtcp_port, mux)?;
        let timeout = Duration::try_from_secs_f64(timeout_s)
            .ok()
            .filter(|_| timeout_s <= MOST_TIMEOUT_S)
            .ok_or_else(|| wrong("timeout_s", "has to be 0 to a day"))?;
        Ok(Self(Section {
            format,
            payload_type: number("payload_type", payload_type)?,
            receive_payload_type: number(
                "receive_payload_type",
                receive_payload_type.unwrap_or(payload_type),
            )?,
            direction: parse_direction(direction)?,
            remote,
            control,
            events,
            send_events,
            comfort_noise: comfort_noise.map(|noise| number("comfort_noise", noise)).transpose()?,
            feedback: parse_feedback(&feedback)?,
            srtp: srtp.map(parse_srtp).transpose()?,
            timeout,
        }))
    }
}

/// A payload type; 64 to 95 would be taken for RTCP (RFC 5761 §4).
fn number(argument: &str, value: u8) -> PyResult<u8> {
    if value < 64 || (96..128).contains(&value) {
        return Ok(value);
    }
    Err(wrong(argument, format!("has to be 0 to 63 or 96 to 127: {value}")))
}

fn event_format(argument: &str, (payload_type, clock_rate): (u8, u32)) -> PyResult<EventFormat> {
    if !(8000..=192_000).contains(&clock_rate) {
        return Err(wrong(argument, format!("has a clock rate of {clock_rate} Hz; 8000 to 192000 can be")));
    }
    Ok(EventFormat { payload_type: number(argument, payload_type)?, clock_rate })
}

type Remotes = (Option<SocketAddr>, Option<SocketAddr>);

/// Where RTP goes, if that is known, and RTCP, if that goes elsewhere.
fn remotes(address: &str, port: u16, rtcp_port: Option<u16>, mux: bool) -> PyResult<Remotes> {
    let ip: IpAddr =
        address.parse().map_err(|_| wrong("address", format!("is no IP address: {address:?}")))?;
    if ip.is_multicast() {
        return Err(wrong("address", format!("is of a group: {ip}")));
    }
    let remote = (port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip, port));
    let control = rtcp_port.or_else(|| port.checked_add(1)).filter(|_| !mux);
    Ok((remote, remote.and(control).map(|port| SocketAddr::new(ip, port))))
}

fn parse_direction(name: &str) -> PyResult<Direction> {
    let (sends, receives) = match name {
        "sendrecv" => (true, true),
        "sendonly" => (true, false),
        "recvonly" => (false, true),
        "inactive" => (false, false),
        _ => return Err(wrong("direction", format!("is none: {name:?}"))),
    };
    Ok(Direction { sends, receives })
}

fn parse_feedback(names: &[String]) -> PyResult<Feedback> {
    let mut feedback = Feedback::default();
    for name in names {
        match name.as_str() {
            "nack" => feedback.nack = true,
            "pli" => feedback.pli = true,
            "fir" => feedback.fir = true,
            other => {
                return Err(wrong("feedback", format!("is of \"nack\", \"pli\" and \"fir\": {other:?}")));
            }
        }
    }
    Ok(feedback)
}

fn parse_srtp((suite, ours, theirs): (String, Vec<u8>, Vec<u8>)) -> PyResult<(Sdes, Sdes)> {
    let suite =
        Suite::named(&suite).ok_or_else(|| wrong("srtp", format!("has an unknown suite: {suite:?}")))?;
    let key = |bytes: Vec<u8>| -> PyResult<Sdes> {
        let length = bytes.len();
        let key = bytes.try_into().map_err(|_| {
            wrong("srtp", format!("has a key of {length} bytes; with its salt it has to have {SDES_KEY}"))
        })?;
        Ok(Sdes::new(suite, key))
    };
    Ok((key(ours)?, key(theirs)?))
}
