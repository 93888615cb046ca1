//! A packet of media that has arrived, whatever session it came by.

use std::sync::Arc;
use std::time::SystemTime;

use crate::layers::dependency;

#[derive(Clone, Debug)]
pub struct RtpPacket {
    pub ssrc: u32,
    pub payload_type: u8,
    pub marker: bool,
    /// Extended.
    pub seq: u64,
    /// Extended timestamp, in ticks of the codec's clock.
    pub timestamp: u64,
    pub payload: Arc<[u8]>,
    pub level_dbov: Option<i8>,
    pub voice: Option<bool>,
    /// The dependency descriptor, if it has one.
    pub dependency: Option<Arc<[u8]>>,
    /// What its stream's last sender report said: microseconds since 1970 by the sender's clock, and its timestamp then.
    pub reported: Option<(i64, u32)>,
    /// It does not follow what came of its stream before.
    pub fresh: bool,
}

impl RtpPacket {
    /// When it was captured by the sender's clock, in microseconds since 1970.
    pub fn captured_us(&self, clock_rate: u32) -> Option<i64> {
        let (at, timestamp) = self.reported?;
        let ticks = (self.timestamp as u32).wrapping_sub(timestamp).cast_signed();
        Some(at + i64::from(ticks) * 1_000_000 / i64::from(clock_rate))
    }
}

impl From<str0m::rtp::RtpPacket> for RtpPacket {
    fn from(packet: str0m::rtp::RtpPacket) -> Self {
        let extensions = packet.header.ext_vals;
        let reported = packet.last_sender_info.and_then(|report| {
            let since = report.ntp_time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            Some((since.as_micros() as i64, report.rtp_time.numer() as u32))
        });
        Self {
            ssrc: *packet.header.ssrc,
            payload_type: *packet.header.payload_type,
            marker: packet.header.marker,
            seq: *packet.seq_no,
            timestamp: packet.time.numer(),
            payload: packet.payload,
            level_dbov: extensions.audio_level,
            voice: extensions.voice_activity,
            dependency: extensions.user_values.get::<dependency::Extension>().map(|known| known.0.clone()),
            reported,
            fresh: false,
        }
    }
}
