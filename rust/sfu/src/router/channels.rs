//! Data channels: what is said on one is heard on the others of its label in the group, on this thread and elsewhere.

use std::time::Instant;

use str0m::channel::{ChannelData, ChannelId};

use super::Router;
use crate::channel::Saying;
use crate::id::{GroupId, TransportId};
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::transport::{Transport, TransportEvent};

impl Router {
    pub(super) fn open_channel(
        &mut self,
        id: TransportId,
        channel: ChannelId,
        label: &str,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        if transport.common.channels.add(channel, label) {
            let group = transport.common.group;
            let members = self.groups.entry(group).or_default();
            if members.is_empty() {
                self.setup.groups.join(group, self.thread);
            }
            if !members.contains(&id) {
                members.push(id);
            }
            return;
        }
        self.stats.channels_refused.add(1);
        let Some((session, _)) = transport.as_webrtc() else { return };
        match session.close_channel(channel) {
            Ok(()) => self.poll(id, now, out),
            Err(fault) => self.transport_events.push_back((id, TransportEvent::Ended(fault))),
        }
    }

    pub(super) fn end_channel(&mut self, id: TransportId, channel: ChannelId) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        transport.common.channels.remove(channel);
        if transport.common.channels.is_empty() {
            let group = transport.common.group;
            self.leave_group(id, group);
        }
    }

    /// A transport has no open channel any more.
    pub(super) fn leave_group(&mut self, id: TransportId, group: GroupId) {
        let Some(members) = self.groups.get_mut(&group) else { return };
        members.retain(|member| *member != id);
        if members.is_empty() {
            self.groups.remove(&group);
            self.setup.groups.leave(group, self.thread);
        }
    }

    /// Somebody has said something.
    pub(super) fn hear(
        &mut self,
        id: TransportId,
        message: &ChannelData,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let group = transport.common.group;
        let elsewhere = self.setup.groups.elsewhere(group, self.thread);
        // How many listen on other threads is not known here: as many on each.
        let listeners = self.groups.get(&group).map_or(1, Vec::len) * (1 + elsewhere.len());
        let Some(saying) = transport.common.channels.hear(message, listeners, now) else {
            self.stats.channel_dropped.add(1);
            return;
        };
        for thread in elsewhere {
            if !out.relay(thread, Relay::Said { group, saying: saying.clone() }) {
                self.stats.channel_dropped.add(1);
            }
        }
        self.repeat(group, Some(id), &saying, now, out);
    }

    /// Let everybody on this thread hear it, apart from who said it.
    pub(super) fn repeat(
        &mut self,
        group: GroupId,
        speaker: Option<TransportId>,
        saying: &Saying,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let members = self.groups.get(&group).cloned().unwrap_or_default();
        for id in members.into_iter().filter(|id| Some(*id) != speaker) {
            let transport = self.transports.get_mut(&id);
            let Some((session, common)) = transport.and_then(Transport::as_webrtc) else { continue };
            match session.say(&common.channels, saying) {
                Ok((said, dropped)) => {
                    self.stats.channel_messages.add(said);
                    self.stats.channel_dropped.add(dropped);
                    if said > 0 {
                        self.poll(id, now, out);
                    }
                }
                Err(fault) => self.transport_events.push_back((id, TransportEvent::Ended(fault))),
            }
        }
    }
}
