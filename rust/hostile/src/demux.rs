//! Any datagram may come from anyone: whose it is has to be found without harm.

use palaver_sfu::demux;
use str0m::ice::StunMessage;

use crate::Target;

pub const TARGET: Target = Target { name: "demux", run, seeds, inputs: 100_000 };

pub fn run(datagram: &[u8]) -> bool {
    let ufrag = demux::local_ufrag(datagram);
    assert!(!demux::nominates(datagram) || demux::is_stun(datagram));
    let _ = StunMessage::parse(datagram); // the library's reader, which gets what names a peer of ours
    if let Some(ufrag) = ufrag {
        assert!(demux::is_stun(datagram) && !ufrag.is_empty());
    }
    ufrag.is_some()
}

fn seeds() -> Vec<Vec<u8>> {
    let header = [0, 1, 0, 36, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let username = b"\x00\x06\x00\x0alocal:peer\x00\x00";
    let priority = b"\x00\x24\x00\x04\x6e\x00\x00\xff";
    let software = b"\x80\x22\x00\x05hello\x00\x00\x00";
    vec![
        [&header[..], username, priority, software].concat(),
        [&header[..], software, priority, username].concat(),
    ]
}
