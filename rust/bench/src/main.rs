//! A load generator: publishes synthetic streams to a forwarding server and counts what comes back.
//!
//! It knows no server's signalling. Orders come as JSON lines on standard input and are answered on standard output;
//! whoever starts it carries offers and answers (see `bench/generator.py`).
//! Its only argument is the address of this machine that its sockets use.
//!
//! | module | what it is |
//! |---|---|
//! | [`request`] | the lines that go in and out |
//! | [`load_peers`] | all peers on one thread: sockets, timers, the measured window |
//! | [`peer`] | ICE, DTLS and SDP of one connection, by str0m |
//! | [`source`] | what a publisher sends, and when |
//! | [`listener`] | what a subscriber counts and reports, below str0m: it costs about a microsecond per packet |
//! | [`sequence`] | one SSRC as the server numbers it |
//! | [`feedback`] | receiver reports, NACK and transport-wide feedback |
//! | [`keys`], [`srtp`] | the keys that DTLS agreed on, and what they open and seal |
//! | [`stamp`] | what a packet carries to be recognised by |
//! | [`tally`] | counts and latencies of a window |
//! | [`usage`] | CPU time from /proc |
#![allow(clippy::cast_precision_loss, reason = "what is counted here is far below 2^52")]

mod feedback;
mod formats;
mod keys;
mod listener;
mod load_peers;
mod peer;
mod request;
mod sequence;
mod source;
mod srtp;
mod stamp;
mod tally;
mod usage;

use std::io::{self, BufRead};
use std::sync::{Arc, mpsc};

use palaver_sfu::io::EventFd;

fn main() -> io::Result<()> {
    let local = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1".into());
    let local = local.parse().map_err(io::Error::other)?;
    let (requests, inbox) = mpsc::sync_channel(1024);
    let bell = Arc::new(EventFd::new()?);
    let ringer = bell.clone();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if requests.send(line).is_err() {
                break;
            }
            ringer.notify();
        }
        drop(requests);
        ringer.notify(); // the end of the requests is the end of the program
    });
    load_peers::LoadPeers::new(local, bell)?.run(&inbox)
}
