//! Where a caller is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderValue, USER_AGENT};

use crate::config::Config;
use crate::workflows::session::Origin;

/// The header in which proxies name who asked them.
const X_FORWARDED_FOR: &str = "X-Forwarded-For";

/// How much of what a program calls itself is kept.
const LONGEST_CLIENT: usize = 200;

/// The caller's address. What proxies say is believed only of those the operator trusts: from the nearest outwards, up
/// to the first that is none of them, or that cannot be read.
pub fn address(request: &HttpRequest, config: &Config) -> IpAddr {
    let is_proxy = |address: &IpAddr| {
        config
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    };
    let mut nearest = request
        .peer_addr()
        .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
    let mut hops = hops(request);
    while is_proxy(&nearest) {
        // Behind a hop that says nothing readable stands whatever the caller wrote.
        let Some(hop) = hops.next().flatten() else {
            break;
        };
        nearest = hop;
    }
    nearest
}

/// Where a log-in comes from, for the log.
pub fn origin(request: &HttpRequest, config: &Config) -> Origin {
    let client = request.headers().get(USER_AGENT);
    let client = client.and_then(|client| client.to_str().ok());
    Origin {
        address: address(request, config),
        client: client.map(|client| client.chars().take(LONGEST_CLIENT).collect()),
    }
}

/// What a caller is counted under: an address of IPv4, or a network of IPv6, of which every household has a whole one.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 => v4,
    }
}

/// From the nearest outwards; `None` for one that cannot be read.
fn hops(request: &HttpRequest) -> impl Iterator<Item = Option<IpAddr>> {
    let headers: Vec<&HeaderValue> = request.headers().get_all(X_FORWARDED_FOR).collect();
    let unreadable = "?";
    headers
        .into_iter()
        .rev()
        .flat_map(move |header| header.to_str().unwrap_or(unreadable).rsplit(',').map(hop))
}

/// `1.2.3.4`, `1.2.3.4:55`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:55`.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(with_port).or_else(bare);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(peer: &str, proxies: &str, forwarded: &[&str]) -> String {
        let config =
            Config::read(&|name| (name == "KAKEURI_TRUSTED_PROXIES").then(|| proxies.to_owned()))
                .unwrap();
        let request = TestRequest::default().peer_addr(peer.parse().unwrap());
        let request = forwarded.iter().fold(request, |request, value| {
            request.append_header((X_FORWARDED_FOR, *value))
        });
        address(&request.to_http_request(), &config).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_only_of_a_trusted_proxy() {
        assert_eq!(seen("10.0.0.1:99", "", &["1.2.3.4"]), "10.0.0.1");
        let behind = |forwarded: &[&str]| seen("10.0.0.1:99", "10.0.0.0/30, fd00::/8", forwarded);
        assert_eq!(behind(&["6.6.6.6, 1.2.3.4, 10.0.0.2"]), "1.2.3.4");
        assert_eq!(
            behind(&["6.6.6.6", "1.2.3.4, fd00::7", "10.0.0.2"]),
            "1.2.3.4"
        );
        assert_eq!(behind(&[]), "10.0.0.1");
        assert_eq!(
            seen("[::ffff:10.0.0.1]:99", "10.0.0.1", &["1.2.3.4"]),
            "1.2.3.4"
        );
    }

    #[test]
    fn a_hop_may_carry_a_port_and_brackets() {
        for (written, read) in [
            ("1.2.3.4:4711", "1.2.3.4"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:4711", "1.2.3.4"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ] {
            assert_eq!(
                seen("10.0.0.1:99", "10.0.0.1", &[written]),
                read,
                "{written}"
            );
        }
    }

    #[test]
    fn nothing_behind_a_hop_that_cannot_be_read_is_believed() {
        for bad in [
            "unknown",
            "",
            "1.2.3",
            "_hidden",
            "1.2.3.4.5",
            "\u{e9}",
            "fe80::1%eth0",
        ] {
            let forwarded = format!("6.6.6.6, {bad}");
            assert_eq!(
                seen("10.0.0.1:99", "10.0.0.1", &[&forwarded]),
                "10.0.0.1",
                "{bad}"
            );
            let forwarded = format!("6.6.6.6, {bad}, 10.0.0.1");
            assert_eq!(
                seen("10.0.0.1:99", "10.0.0.1", &[&forwarded]),
                "10.0.0.1",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let counted = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(counted("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(counted("1.2.3.4"), "1.2.3.4");
    }
}
