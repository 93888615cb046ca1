//! Header extensions of packets from anybody: what is found lies in the packet, whatever its numbers mean.

use palaver_sfu::extensions::{Known, Table, elements};

use crate::Target;

pub const TARGET: Target = Target { name: "extensions", run, seeds, inputs: 100_000 };

pub fn run(packet: &[u8]) -> bool {
    let mut table = Table::default();
    for (id, known) in (1..).zip([Known::Mid, Known::Rid, Known::TransportSeq, Known::Dependency]) {
        table.set(id, known);
    }
    let total: usize = elements(packet).map(|(_, value)| value.len() + 1).sum();
    assert!(total <= packet.len());
    let first = elements(packet).find(|(id, _)| *id == 1).map(|(_, value)| value);
    assert_eq!(table.find(packet, Known::Mid), first);
    total > 0
}

fn seeds() -> Vec<Vec<u8>> {
    let header = [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    let short = [0xbe, 0xde, 0, 2, 0x10, b'0', 0x31, 1, 2, 0, 0x20, b'q'];
    let long = [0x10, 0, 0, 2, 1, 1, b'0', 0, 4, 3, 1, 2];
    vec![[&header[..], &short].concat(), [&header[..], &long, &[3, 0, 0, 0]].concat()]
}
