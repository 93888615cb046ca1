//! Addresses as people write them.

use rsipstack::sip::{Auth, Param, Scheme, Transport, Uri};

/// The longest address that is read at all.
const MAX_URI: usize = 512;

/// Reads `text` as a SIP address; a bare host is one as well.
pub fn parse(text: &str) -> Result<Uri, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_URI {
        return Err(format!("an address has 1 to {MAX_URI} characters"));
    }
    if text.chars().any(|one| one.is_control() || one.is_whitespace() || "<>\"".contains(one)) {
        return Err("an address has no spaces, quotes or angle brackets".into());
    }
    let lower = text.to_ascii_lowercase();
    let whole = if lower.starts_with("sip:") || lower.starts_with("sips:") {
        text.to_owned()
    } else {
        format!("sip:{text}")
    };
    Uri::try_from(whole.as_str()).map_err(|problem| problem.to_string())
}

/// The transport that an address asks for; TLS for `sips:`.
pub fn transport(uri: &Uri) -> Transport {
    if uri.scheme == Some(Scheme::Sips) {
        return Transport::Tls;
    }
    let named = uri.params.iter().find_map(|param| match param {
        Param::Transport(transport) => Some(*transport),
        _ => None,
    });
    named.unwrap_or(Transport::Udp)
}

/// The address of `user` in the domain of `server`, without what says how to get there.
pub fn of_user(server: &Uri, user: &str) -> Uri {
    let mut uri = server.clone();
    uri.auth = Some(Auth { user: user.to_owned(), password: None });
    uri.params.clear();
    uri.headers.clear();
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_is_an_address() {
        let uri = parse("sip.example.org:5080").expect("it reads");
        assert_eq!(uri.to_string(), "sip:sip.example.org:5080");
        assert_eq!(transport(&uri), Transport::Udp);
    }

    #[test]
    fn the_transport_is_named_or_follows_from_the_scheme() {
        assert_eq!(transport(&parse("sip:host;transport=tcp").expect("it reads")), Transport::Tcp);
        assert_eq!(transport(&parse("sips:host").expect("it reads")), Transport::Tls);
    }

    #[test]
    fn what_would_break_a_header_is_refused() {
        for text in ["", "a b", "sip:a@b\r\nVia: x", "<sip:a@b>", "sip:a\"@b"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&"a".repeat(600)).is_err());
    }

    #[test]
    fn an_account_is_of_its_servers_domain() {
        let server = parse("sip:host:5070;transport=tcp").expect("it reads");
        assert_eq!(of_user(&server, "ann").to_string(), "sip:ann@host:5070");
    }
}
