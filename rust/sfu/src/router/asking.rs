//! Asks publishers again for what their network has lost.

use std::time::Instant;

use super::{Owner, Router};
use crate::id::ProducerId;
use crate::outlet::Outlet;
use crate::producer::Origin;

impl Router {
    /// The time of a producer's gaps has come.
    pub(super) fn ask_again(&mut self, id: ProducerId, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id).filter(|producer| producer.active) else {
            return;
        };
        let Origin::Home(home) = &mut producer.origin else { return };
        let Some(transport) = self.transports.get_mut(&home.transport) else { return };
        let Some(egress) = &mut transport.common.egress else { return };
        egress.set_path(transport.common.paths.proven());
        for (ssrc, lost) in home.lost(now) {
            egress.ask(ssrc, &lost, out);
            self.stats.repairs_requested.add(lost.len() as u64);
        }
        if let Some(deadline) = home.asks_at() {
            self.timers.set(Owner::Gaps(id), deadline);
        }
    }
}
