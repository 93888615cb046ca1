//! Offers come from anyone who may join: two in a row on one transport are answered or refused, and never harm the hub.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use palaver_sfu::TransportId;
use palaver_sfu::event::Event;
use palaver_sfu::hub::Hub;
use palaver_sfu::message::{Command, Message, Relay};
use palaver_sfu::outlet::Outlet;
use palaver_sfu::stats::Registry;
use palaver_sfu::transport::Setup;
use str0m::config::DtlsCert;
use str0m::net::Transmit;

#[derive(Default)]
struct Answers(usize);

impl Outlet for Answers {
    fn transmit(&mut self, _: Transmit) {}

    fn event(&mut self, event: Event) {
        self.0 += usize::from(matches!(event, Event::Negotiated { .. } | Event::Refused { .. }));
    }

    fn relay(&mut self, _: usize, _: Relay) -> bool {
        true
    }
}

fn certificate() -> DtlsCert {
    static CERTIFICATE: OnceLock<DtlsCert> = OnceLock::new();
    let generate =
        || str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().expect("a certificate");
    CERTIFICATE.get_or_init(generate).clone()
}

fuzz_target!(|offers: (&str, &str)| {
    let setup = Setup {
        certificate: certificate(),
        addresses: vec!["127.0.0.1:5000".parse().expect("an address")],
        connect_timeout: Duration::from_secs(30),
    };
    let (registry, now) = (Arc::<Registry>::default(), Instant::now());
    let (mut hub, mut answers) = (Hub::new(0, setup, Arc::default(), registry), Answers::default());
    let transport = TransportId(1);
    for (request, offer) in [(1, offers.0), (2, offers.1)] {
        let offer = offer.to_owned();
        let command = Command::Negotiate { transport, request, offer, first: request == 1 };
        hub.handle(now, Message::Command(command), &mut answers);
    }
    assert_eq!(answers.0, 2);
    hub.handle(now, Message::Command(Command::CloseTransport { transport }), &mut answers);
    assert_eq!(hub.census().transports, 0);
});
