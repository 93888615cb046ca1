//! Sender reports, the goodbye (RFC 3550 §6.4.1, §6.5, §6.6), and requests for what is missing (RFC 4585 §6.2.1).

use std::time::Duration;

use super::{Egress, SendStream};
use crate::clock::{self, Moment};
use crate::outlet::Outlet;
use crate::rtcp::{Reception, SenderInfo, write};

/// Between two reports on a stream that flows. Receivers need one to play audio and video together, so the first comes
/// soon after the first packet.
pub const INTERVAL: Duration = Duration::from_secs(1);
pub const FIRST: Duration = Duration::from_millis(100);
/// Our SSRC in requests; nothing is sent with it.
const ASKER: u32 = 1;
/// A datagram is closed when it has come to this.
const FULL: usize = 1000;

impl Egress {
    /// Whether there was nothing to report on until now.
    pub fn begins_to_report(&mut self) -> bool {
        !std::mem::replace(&mut self.reporting, true)
    }

    /// Report on a send stream if it has sent since the last time; false if it has not. `cname` names who records what it
    /// carries: streams of the same are played together. What is left unsent is sent by [`Self::end_report`].
    pub fn report(
        &mut self,
        now: Moment,
        send_stream: &mut SendStream,
        clock_rate: u32,
        cname: u64,
        out: &mut dyn Outlet,
    ) -> bool {
        let Some(last) = send_stream.last.filter(|_| std::mem::take(&mut send_stream.unreported)) else {
            return false;
        };
        let info = SenderInfo {
            ntp: now.ntp,
            rtp: last.timestamp.wrapping_add(clock::ticks(last.captured, now.ntp, clock_rate) as u32),
            packets: send_stream.packets,
            octets: send_stream.octets,
        };
        write::sender_report(&mut self.rtcp, send_stream.ssrc, &info);
        write::cname(&mut self.rtcp, send_stream.ssrc, &format!("{cname:016x}"));
        if self.rtcp.len() > FULL {
            self.send_rtcp(out);
        }
        true
    }

    /// Send what was reported; `any`: there will be more.
    pub fn end_report(&mut self, any: bool, out: &mut dyn Outlet) {
        self.reporting = any;
        self.send_rtcp(out);
    }

    /// Say that these streams end.
    pub fn goodbye(&mut self, ssrcs: &[u32], out: &mut dyn Outlet) {
        for ssrcs in ssrcs.chunks(31) {
            write::receiver_report(&mut self.rtcp, ssrcs[0]);
            write::goodbye(&mut self.rtcp, ssrcs);
            self.send_rtcp(out);
        }
    }

    /// Ask for packets of a stream that the peer sends, in order.
    pub fn ask(&mut self, media: u32, lost: &[u16], out: &mut dyn Outlet) {
        write::receiver_report(&mut self.rtcp, ASKER);
        write::nack(&mut self.rtcp, ASKER, media, lost);
        self.send_rtcp(out);
    }

    /// Say how a stream of the peer is received; `sender` and `cname` are ours.
    pub fn report_reception(&mut self, sender: u32, reception: &Reception, cname: u64, out: &mut dyn Outlet) {
        write::reception_report(&mut self.rtcp, sender, reception);
        write::cname(&mut self.rtcp, sender, &format!("{cname:016x}"));
        self.send_rtcp(out);
    }

    /// Ask for a key frame: by a picture loss indication, or a full intra request with its number.
    pub fn ask_for_picture(&mut self, sender: u32, media: u32, request: Option<u8>, out: &mut dyn Outlet) {
        write::receiver_report(&mut self.rtcp, sender);
        match request {
            None => write::pli(&mut self.rtcp, sender, media),
            Some(request) => write::fir(&mut self.rtcp, sender, media, request),
        }
        self.send_rtcp(out);
    }

    /// Seal and send what was written.
    fn send_rtcp(&mut self, out: &mut dyn Outlet) {
        if let Some(path) =
            self.path.map(|path| self.control.unwrap_or(path)).filter(|_| !self.rtcp.is_empty())
            && self.sealer.seal_rtcp(&mut self.rtcp).is_some()
        {
            let rtcp = &self.rtcp;
            out.send(path, rtcp.len(), &mut |space| {
                space.copy_from_slice(rtcp);
                true
            });
            self.count(rtcp.len());
        }
        self.rtcp.clear();
    }
}
