//! Offers come from anyone who may join: two in a row on one transport, with a NUL between them, are answered or refused
//! and never harm the router.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use palaver_sfu::clock::Clock;
use palaver_sfu::event::Event;
use palaver_sfu::message::{Command, Message, Relay};
use palaver_sfu::outlet::Outlet;
use palaver_sfu::path::Path;
use palaver_sfu::router::Router;
use palaver_sfu::stats::Registry;
use palaver_sfu::transport::Setup;
use palaver_sfu::{GroupId, TransportId};
use str0m::config::DtlsCert;

use crate::Target;

pub const TARGET: Target = Target { name: "negotiate", run, seeds, inputs: 2_000 };

#[derive(Default)]
struct Answers {
    negotiated: usize,
    refused: usize,
}

impl Outlet for Answers {
    fn send(&mut self, _: Path, _: usize, _: &mut dyn FnMut(&mut [u8]) -> bool) {}

    fn hang_up(&mut self, _: Path) {}

    fn event(&mut self, event: Event) {
        self.negotiated += usize::from(matches!(event, Event::Negotiated { .. }));
        self.refused += usize::from(matches!(event, Event::Refused { .. }));
    }

    fn relay(&mut self, _: usize, _: Relay) -> bool {
        true
    }
}

fn certificate() -> DtlsCert {
    static CERTIFICATE: OnceLock<DtlsCert> = OnceLock::new();
    let generate = || str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().unwrap();
    CERTIFICATE.get_or_init(generate).clone()
}

pub fn run(offers: &[u8]) -> bool {
    let Ok(offers) = std::str::from_utf8(offers) else { return false };
    let (first, second) = offers.split_once('\0').unwrap_or((offers, ""));
    let setup = Setup {
        certificate: certificate(),
        crypto: palaver_sfu::srtp::crypto_provider(),
        addresses: vec!["127.0.0.1:5000".parse().unwrap()],
        tcp: true,
        groups: Arc::default(),
        connect_timeout: Duration::from_secs(30),
        clock: Clock::new(Instant::now(), SystemTime::now()),
    };
    let (registry, now) = (Arc::<Registry>::default(), Instant::now());
    let (mut router, mut answers) = (Router::new(0, setup, Arc::default(), registry), Answers::default());
    let transport = TransportId(1);
    for (request, offer) in [(1, first), (2, second)] {
        let offer = offer.to_owned();
        let command =
            Command::Negotiate { transport, request, offer, first: (request == 1).then_some(GroupId(1)) };
        router.handle(now, Message::Command(command), &mut answers);
    }
    assert_eq!(answers.negotiated + answers.refused, 2);
    router.handle(now, Message::Command(Command::CloseTransport { transport }), &mut answers);
    assert_eq!(router.census().transports, 0);
    answers.negotiated > 0
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (first, second) = (offer("0", AUDIO), offer("0 1 2", &[AUDIO, VIDEO, DATA].concat()));
    vec![format!("{first}\0{second}").into_bytes(), format!("{second}\0{first}").into_bytes()]
}

fn offer(bundle: &str, sections: &str) -> String {
    let credentials = "a=ice-ufrag:ufrg\r\na=ice-pwd:passwordpasswordpassword\r\na=setup:actpass\r\n";
    let fingerprint = format!("a=fingerprint:sha-256 {}\r\n", ["5A"; 32].join(":"));
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {bundle}\r\n{credentials}{fingerprint}{sections}"
    )
}

const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=msid:s a\r\na=ssrc:1001 cname:c\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendrecv\r\na=rtcp-mux\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\na=ssrc-group:FID 2001 2002\r\na=ssrc:2001 cname:c\r\na=ssrc:2002 cname:c\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=sctp-port:5000\r\n\
    a=max-message-size:262144\r\n";
