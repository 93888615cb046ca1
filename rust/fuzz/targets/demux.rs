//! Any datagram may come from anyone: whose it is has to be found without harm.
#![no_main]

use libfuzzer_sys::fuzz_target;
use palaver_sfu::demux;

fuzz_target!(|datagram: &[u8]| {
    if let Some(ufrag) = demux::local_ufrag(datagram) {
        assert!(demux::is_stun(datagram) && !ufrag.is_empty());
    }
});
