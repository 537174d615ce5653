//! Partners' programs: how they name themselves, how they show who they are, from where they may come.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ipnet::IpNet;

use super::{ClientId, StoreId};

text_enum! {
    /// How a client shows who it is (認証方式).
    ///
    /// - `client_secret`: クライアントシークレット (client secret)
    /// - `private_key_jwt`: 秘密鍵による署名 (signature of a private key)
    AuthMethod {
        /// By a secret that both sides know.
        ClientSecret = "client_secret" ("クライアントシークレット", "client secret"),
        /// By a signature of a key whose public half is known here (RFC 7523).
        PrivateKeyJwt = "private_key_jwt" ("秘密鍵による署名", "signature of a private key"),
    }
}

/// What a client calls itself when it asks for a token. Its store follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientName {
    /// The store it works for.
    pub store: StoreId,
    /// Which of its clients it is.
    pub id: ClientId,
}

const PREFIX: &str = "kc_";

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.store.0.into_bytes(), self.id.0.into_bytes()].concat();
        write!(f, "{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The text is no client's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoClientName;

impl FromStr for ClientName {
    type Err = NoClientName;

    fn from_str(text: &str) -> Result<Self, NoClientName> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NoClientName)?;
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| NoClientName)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| NoClientName)?;
        let uuid = |half: &[u8]| uuid::Uuid::from_slice(half).map_err(|_| NoClientName);
        Ok(Self {
            store: StoreId(uuid(&bytes[..16])?),
            id: ClientId(uuid(&bytes[16..])?),
        })
    }
}

/// A network, from an address or a network as people write them: `203.0.113.7` or `203.0.113.0/24`. An address of IPv4 that
/// is written as one of IPv6 stands for itself; a network is written plainly.
pub fn network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    let network: IpNet = text.parse().ok()?;
    let is_plain = network.addr() == network.addr().to_canonical();
    is_plain.then(|| network.trunc())
}

/// May a client come from this address? From anywhere where nothing is named.
pub fn may_come_from(address: IpAddr, allowed: &[String]) -> bool {
    allowed.is_empty()
        || allowed
            .iter()
            .filter_map(|text| network(text))
            .any(|network| network.contains(&address))
}

/// Is whatever may come from there among what may come from elsewhere? Where nothing is named, that is everywhere.
pub fn are_within(inner: &[String], outer: &[String]) -> bool {
    let networks: Vec<IpNet> = outer.iter().filter_map(|text| network(text)).collect();
    let is_within = |text: &String| {
        network(text).is_some_and(|inner| networks.iter().any(|outer| outer.contains(&inner)))
    };
    outer.is_empty() || (!inner.is_empty() && inner.iter().all(is_within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_name_says_its_store() {
        let name = ClientName {
            store: StoreId::new(),
            id: ClientId::new(),
        };
        assert_eq!(name.to_string().parse(), Ok(name));
        let cut = &name.to_string()[..45];
        for other in ["", "kc_", "kc_AAAA", cut, "minato"] {
            assert_eq!(other.parse::<ClientName>(), Err(NoClientName), "{other}");
        }
    }

    #[test]
    fn an_address_stands_for_itself_and_a_network_for_all_of_its_own() {
        assert_eq!(network("::ffff:203.0.113.0/120"), None);
        let allowed = ["::ffff:203.0.113.7".to_owned(), "2001:db8::/32".into()];
        let from = |text: &str| may_come_from(text.parse().unwrap(), &allowed);
        assert!(from("203.0.113.7") && from("2001:db8:1::1"));
        assert!(!from("203.0.113.8") && !from("2001:db9::1"));
        assert!(may_come_from("203.0.113.8".parse().unwrap(), &[]));
    }

    #[test]
    fn what_is_within_names_nothing_beyond() {
        let own = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let outer = own(&["203.0.113.0/24", "2001:db8::/32"]);
        for (inner, within) in [
            (own(&["203.0.113.7"]), true),
            (own(&["203.0.113.0/25", "2001:db8:1::/48"]), true),
            (own(&["203.0.113.7", "203.0.112.7"]), false),
            (own(&["203.0.0.0/16"]), false),
            (own(&[]), false),
        ] {
            assert_eq!(are_within(&inner, &outer), within, "{inner:?}");
            assert!(are_within(&inner, &[]));
        }
    }
}
