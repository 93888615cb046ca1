//! Packets sent in one go are one group. What counts is how much further apart two groups arrived than they were sent:
//! that is by how much the queue between grew (draft-ietf-rmcat-gcc-02 §5.1, §5.2).

/// Packets sent within this time are one group.
const BURST_US: i64 = 5_000;
/// A group that arrives in one go (a wireless link that saves packets up) is not extended beyond this.
const MAX_BURST_US: i64 = 100_000;
/// So many groups that arrive before their predecessors mean that the peer's clock has jumped.
const MAX_REORDERED: u8 = 3;

/// Two consecutive groups: how far apart they were sent, and arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spacing {
    pub sent_us: i64,
    pub arrived_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
}

#[derive(Debug, Default)]
pub struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u8,
}

impl Groups {
    /// Take in a packet, in the order of sending; the result is there when a group is complete and another came before.
    pub fn add(&mut self, sent: i64, arrived: i64) -> Option<Spacing> {
        let fresh =
            Group { first_sent: sent, last_sent: sent, first_arrived: arrived, last_arrived: arrived };
        let Some(group) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if sent < group.first_sent {
            return None; // reported late; its group is closed
        }
        if group.takes(sent, arrived) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrived = group.last_arrived.max(arrived);
            return None;
        }
        let complete = *group;
        self.current = Some(fresh);
        let before = self.previous.replace(complete)?;
        let spacing = Spacing {
            sent_us: complete.last_sent - before.last_sent,
            arrived_us: complete.last_arrived - before.last_arrived,
        };
        if spacing.arrived_us >= 0 {
            self.reordered = 0;
            return Some(spacing);
        }
        self.reordered += 1;
        if self.reordered >= MAX_REORDERED {
            *self = Self::default();
        } else {
            self.previous = Some(before);
        }
        None
    }
}

impl Group {
    fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent - self.first_sent <= BURST_US {
            return true;
        }
        let since = arrived - self.last_arrived;
        let closed_up = since < sent - self.last_sent;
        closed_up && (0..=BURST_US).contains(&since) && arrived - self.first_arrived < MAX_BURST_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_compared_by_their_last_packets() {
        let mut groups = Groups::default();
        for (sent, arrived) in [(0, 50_000), (1_000, 52_000), (30_000, 80_000), (31_000, 90_000)] {
            assert_eq!(groups.add(sent, arrived), None);
        }
        let spacing = groups.add(60_000, 110_000);
        assert_eq!(spacing, Some(Spacing { sent_us: 30_000, arrived_us: 38_000 }));
    }

    #[test]
    fn packets_saved_up_on_the_way_are_one_group() {
        let mut groups = Groups::default();
        for n in 0..5 {
            assert_eq!(groups.add(n * 10_000, 200_000 + n * 100), None);
        }
        assert_eq!(groups.add(60_000, 230_000), None, "the first group has no predecessor");
        assert_eq!(groups.add(90_000, 260_000), Some(Spacing { sent_us: 20_000, arrived_us: 29_600 }));
    }

    #[test]
    fn a_jump_of_the_peers_clock_is_forgotten() {
        let mut groups = Groups::default();
        let mut seen = Vec::new();
        for n in 0..20 {
            let clock = if n < 8 { 1_000_000_000 } else { 0 };
            seen.extend(groups.add(n * 20_000, clock + n * 20_000));
        }
        assert!(seen.len() > 10);
        assert!(seen.iter().all(|s| s.sent_us == s.arrived_us), "{seen:?}");
    }
}
