//! Counters, written by the threads and read by anyone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::TransportId;

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name { $($(#[$field_doc])* pub $field: Counter,)* }

        impl $name {
            /// Names and values as they are now.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.get()),)*]
            }
        }
    };
}

/// One number, written by one thread. Nothing is ordered by it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

counters!(
    /// Of one thread; the last five are gauges.
    ThreadStats {
        packets_received,
        packets_sent,
        bytes_received,
        bytes_sent,
        packets_forwarded,
        /// Sent again because a subscriber asked, or reported that it was missing.
        packets_retransmitted,
        /// Asked for again, and neither sent: not here, or more than the subscriber's share. What the publisher's network
        /// has lost is not here either, and all its subscribers ask for it, several times each.
        repairs_missed,
        repairs_refused,
        /// Packets that we asked a publisher for again, once for each time, beside what str0m asks for.
        repairs_requested,
        /// Frames given to pipelines, lost on the way there, and taken from them.
        tap_frames,
        tap_frames_dropped,
        output_frames,
        /// Lost to a full queue or a full socket.
        packets_dropped,
        /// Nobody's: garbage, strangers, late datagrams of the departed.
        packets_unknown,
        /// Media of which no section can be told.
        packets_unroutable,
        /// STUN that names a peer of ours and was not signed by it.
        stun_forged,
        /// Checks whether a peer is where it says that it is, and the answers.
        checks_sent,
        checks_answered,
        /// RTCP that was not authentic, a replay, or not what it said it was.
        rtcp_refused,
        keyframe_requests,
        /// What subscribers asked for beyond their share, and publishers were not asked for.
        keyframe_requests_refused,
        /// Subscribers that were given the key frame that had just come.
        catch_ups,
        /// Short bursts to find out whether more gets through, and what was sent for them besides media.
        probes,
        padding_bytes,
        /// Packets that would have had to wait for too long.
        pacing_dropped,
        /// Subscribers went from one layer to another.
        layer_switches,
        receive_calls,
        send_calls,
        panics,
        events_dropped,
        /// Messages of data channels that were passed on, once per listener.
        channel_messages,
        /// Messages beyond a bound: too many, too long, or for a listener that is behind.
        channel_dropped,
        channels_refused,
        tcp_accepted,
        /// Turned away: too many strangers from one host, or no descriptors left.
        tcp_refused,
        /// Shown out: what came first was not authentic, or did not come in time.
        tcp_rejected,
        /// Closed because the peer took nothing any more.
        tcp_stuck,
        /// Packets dropped for peers that read too slowly.
        tcp_dropped,
        tcp_connections,
        transports,
        producers,
        consumers,
        /// Videos that are not sent for want of bandwidth.
        videos_paused,
    }
);

counters!(
    /// Of one transport; the last two are gauges. What is from `packets_lost` to `round_trip_us` is known of plain RTP only.
    TransportStats {
        packets_received,
        packets_sent,
        bytes_received,
        bytes_sent,
        /// What was not sent, or not at once, as the peer had not proven to be there.
        packets_withheld,
        probes,
        /// Never came; came after their turn; came from elsewhere, were forged, or not what was agreed on.
        packets_lost,
        packets_late,
        packets_refused,
        jitter_us,
        /// What the peer says of what we send: how much of the last it lost, in 256ths; and the way there and back.
        reported_lost,
        round_trip_us,
        /// What may be sent; 0 while nothing limits it.
        target_bps,
        /// Videos that are not sent for want of bandwidth.
        videos_paused,
    }
);

/// The counters of every transport alive, on all threads.
#[derive(Debug, Default)]
pub struct Registry(Mutex<HashMap<TransportId, Arc<TransportStats>>>);

impl Registry {
    pub fn insert(&self, transport: TransportId) -> Arc<TransportStats> {
        let stats = Arc::new(TransportStats::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(transport, stats.clone());
        stats
    }

    pub fn remove(&self, transport: TransportId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&transport);
    }

    pub fn get(&self, transport: TransportId) -> Option<Arc<TransportStats>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&transport).cloned()
    }
}
