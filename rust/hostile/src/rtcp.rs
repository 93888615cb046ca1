//! RTCP comes from subscribers: any bytes are read or refused, and feedback that can be read can be written again.

use palaver_sfu::rtcp::{Packet, SenderInfo, TransportFeedback, packets, write};

use crate::Target;

pub const TARGET: Target = Target { name: "rtcp", run, seeds, inputs: 100_000 };

pub fn run(datagram: &[u8]) -> bool {
    let Ok(packets) = packets(datagram) else { return false };
    let mut taken = false;
    for packet in packets.flatten() {
        taken = true;
        match packet {
            Packet::SenderReport { receptions, .. } | Packet::ReceiverReport { receptions, .. } => {
                assert!(receptions.count() < 32);
            }
            Packet::Nack { lost, .. } => assert!(lost.count() <= datagram.len() / 4 * 17),
            Packet::Fir { requests } => assert!(requests.count() <= datagram.len() / 8),
            Packet::TransportCc(body) => {
                let mut feedback = TransportFeedback::default();
                if feedback.read(body).is_ok() {
                    rewrite(&feedback);
                }
            }
            _ => {}
        }
    }
    taken
}

/// A message that was written again says of the same packets that they arrived.
fn rewrite(feedback: &TransportFeedback) {
    let mut datagram = Vec::new();
    write::transport_cc(&mut datagram, 1, 2, feedback);
    let mut again = TransportFeedback::default();
    for packet in packets(&datagram).unwrap() {
        let Packet::TransportCc(body) = packet.unwrap() else { panic!("another packet") };
        again.read(body).unwrap();
    }
    assert_eq!((again.base, again.count), (feedback.base, feedback.count));
    assert!(again.iter().map(|(_, at)| at.is_some()).eq(feedback.iter().map(|(_, at)| at.is_some())));
}

fn seeds() -> Vec<Vec<u8>> {
    let (mut reports, mut feedback) = (Vec::new(), Vec::new());
    write::sender_report(&mut reports, 1, &SenderInfo { ntp: 1 << 40, rtp: 2, packets: 3, octets: 4 });
    write::cname(&mut reports, 1, "somebody");
    reports.extend([0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 4, 0, 0, 1]);
    reports.extend([0; 16]);
    write::nack(&mut feedback, 1, 2, &[10, 12, 27, 65_535, 0]);
    write::pli(&mut feedback, 1, 2);
    write::fir(&mut feedback, 1, 2, 3);
    write::remb(&mut feedback, 1, 1_000_000, &[2]);
    let mut transport = Vec::new();
    let arrivals =
        (0..60).map(|n| (n % 9 != 0 && !(20..40).contains(&n)).then_some(n * 70_000 - 500)).collect();
    write::transport_cc(&mut transport, 1, 2, &TransportFeedback { base: 65_530, count: 7, arrivals });
    write::goodbye(&mut transport, &[1]);
    vec![reports, feedback, transport]
}
