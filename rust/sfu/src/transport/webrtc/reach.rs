//! Whether the peer is where its datagrams come from: checks of our own, and their answers.

use std::time::Instant;

use str0m::net::Transmit;

use super::{WebRtc, unwind};
use crate::check;
use crate::demux;
use crate::outlet::Outlet;
use crate::path::Path;
use crate::paths::Paths;
use crate::transport::Common;

impl WebRtc {
    /// Ask the peer whether it is at the other end of `path`, where that is not known. True: it was asked.
    pub fn check(&mut self, paths: &mut Paths, path: Path, now: Instant, out: &mut dyn Outlet) -> bool {
        let Some(remote) = &self.remote else { return false };
        let Some(transaction) = paths.ask(path, now) else { return false };
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let request =
            unwind(|| Ok(check::request(&self.credentials, remote, transaction, hmac))).ok().flatten();
        let Some(request) = request else { return false };
        out.transmit(path, &request);
        true
    }

    /// Whether `datagram`, which came by `path`, answers that. If so, what waited for it is sent.
    pub fn answered(
        &mut self,
        paths: &mut Paths,
        path: Path,
        datagram: &[u8],
        now: Instant,
        out: &mut dyn Outlet,
    ) -> bool {
        let (Some(remote), Some(transaction)) = (&self.remote, paths.asked(path)) else { return false };
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        if !unwind(|| Ok(check::answers(datagram, remote, transaction, hmac))).unwrap_or(false) {
            return false;
        }
        paths.prove(path, now);
        for (_, datagram) in self.handshake.waiting.drain(..).filter(|(towards, _)| *towards == path) {
            out.transmit(path, &datagram);
        }
        true
    }

    /// Send what str0m has to say, or keep it while the peer has not proven to be there.
    pub(super) fn transmit(
        &mut self,
        common: &mut Common,
        packet: &Transmit,
        now: Instant,
        outlet: &mut dyn Outlet,
    ) {
        let mut path = Path::of(packet);
        if !demux::is_stun(&packet.contents) {
            path = common.paths.choose(path, now); // answers to checks go where those came from
            if !self.connected {
                self.handshake.goes_to(path);
            }
            if !common.paths.admits(path, packet.contents.len()) {
                common.stats.packets_withheld.add(1);
                self.handshake.keep(path, &packet.contents);
                return;
            }
        }
        common.stats.packets_sent.add(1);
        common.stats.bytes_sent.add(packet.contents.len() as u64);
        outlet.transmit(path, &packet.contents);
    }
}
