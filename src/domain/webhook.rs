//! Webhooks: addresses that are told what happens.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use url::{Host, Url};

use super::events::EventType;
use super::permissions::Scope;
use crate::texts::Text;

text_enum! {
    /// Is a webhook told anything?
    WebhookStatus {
        /// It is.
        Active = "active" ("有効", "active"),
        /// It is not; once it is active again, it goes on where it stopped.
        Disabled = "disabled" ("無効", "disabled"),
    }
}

text_enum! {
    /// Why a webhook was disabled by itself.
    DisabledReason {
        /// It answered 410: nobody is there any more.
        Gone = "gone" ("受信先の廃止", "the receiver is gone"),
        /// For a week every attempt failed.
        Failing = "failing" ("継続的な失敗", "every attempt failed for a week"),
    }
}

text_enum! {
    /// How it stands with a delivery.
    DeliveryState {
        /// Under way, or waiting for its next try or for an earlier one about the same subject.
        Pending = "pending" ("配信待ち", "pending"),
        /// The receiver has it.
        Delivered = "delivered" ("配信済み", "delivered"),
        /// It was tried often enough.
        Failed = "failed" ("配信失敗", "failed"),
    }
}

text_enum! {
    /// Why an attempt failed.
    DeliveryFailure {
        /// The host has no address on the public internet.
        AddressNotAllowed = "address_not_allowed" ("許可されていない接続先", "the host has no public address"),
        /// No connection came about.
        NoConnection = "no_connection" ("接続不可", "no connection"),
        /// No answer in time.
        TimedOut = "timed_out" ("タイムアウト", "no answer in time"),
        /// The connection broke.
        Broken = "broken" ("接続の切断", "the connection broke"),
        /// It answered, and not with a status from 200 to 299. A redirect is not followed.
        BadStatus = "bad_status" ("エラー応答", "a status other than 2xx"),
        /// The event cannot be read any more.
        Unreadable = "unreadable" ("読取不可", "the event cannot be read"),
        /// The webhook may not be told of it any more; it was not sent.
        Withheld = "withheld" ("権限なし", "it may not be told any more"),
    }
}

/// The most webhooks of one store.
pub const MOST: i64 = 20;

/// The longest address, in characters.
pub const LONGEST_URL: usize = 2000;

/// How many events may wait for one webhook; the others stay in the log meanwhile.
pub const MOST_WAITING: i64 = 10_000;

/// How long deliveries that are over are kept.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// After how long without a success a failure disables a webhook.
pub const FAILING_TOO_LONG: TimeDelta = TimeDelta::days(7);

/// Has a webhook failed for so long that it is disabled?
pub fn fails_too_long(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - since >= FAILING_TOO_LONG
}

/// Which events a webhook is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All, those too that are added to the product later.
    All,
    /// Of these types.
    Of(Vec<EventType>),
}

/// The word for all events.
pub const ALL: &str = "*";

impl Selection {
    /// From the words of a request or a row: `*`, or types. The place of the first word that is neither.
    ///
    /// # Errors
    /// The places of words that are no types.
    pub fn parse(words: &[String]) -> Result<Self, Vec<usize>> {
        if words.iter().any(|word| word == ALL) && words.len() == 1 {
            return Ok(Self::All);
        }
        let types: Vec<_> = words
            .iter()
            .map(|word| EventType::from_word(word))
            .collect();
        let wrong = types.iter().enumerate().filter(|(_, kind)| kind.is_none());
        let wrong: Vec<usize> = wrong.map(|(place, _)| place).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut types: Vec<_> = types.into_iter().flatten().collect();
        types.sort_unstable();
        types.dedup();
        Ok(Self::Of(types))
    }

    /// The types that a row names, also those of a release that knew more; `None`: all.
    pub fn types_of(words: &[String]) -> Option<Vec<String>> {
        (words != [ALL]).then(|| words.to_vec())
    }

    /// The words.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::All => vec![ALL.to_owned()],
            Self::Of(types) => types.iter().map(|kind| kind.as_str().to_owned()).collect(),
        }
    }
}

/// What things of the shop's trade are called in the log. Whoever may not read the log is told of these, and nothing of the
/// house.
pub const OF_THE_TRADE: &[&str] = &["member", "order", "product", "job"];

/// The scopes that show something: an event whole, the resource beside it. Only these of its maker's are a webhook's.
pub const SHOWING: [Scope; 5] = [
    Scope::EventsRead,
    Scope::MembersRead,
    Scope::MembersWrite,
    Scope::OrdersRead,
    Scope::PaymentsWrite,
];

/// What is wrong with an address that a caller names, as a code and a text. `private`: addresses of this machine and of the
/// network around it, and without TLS, are fine.
///
/// # Errors
/// See above.
pub fn check_url(text: &str, private: bool) -> Result<Url, (&'static str, Text)> {
    let url = Url::parse(text).map_err(|_| ("invalid", text!("this-is-not-a-url")))?;
    if url.as_str().len() > LONGEST_URL {
        return Err(("out_of_range", text!("address-has-at-most-2000-characters")));
    }
    let is_plain = url.scheme() == "http";
    if url.scheme() != "https" && !(is_plain && private) {
        return Err(("not_allowed", text!("address-that-begins-with-https")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message = text!("no-user-name-and-no-password");
        return Err(("not_allowed", message));
    }
    if url.fragment().is_some() {
        return Err(("invalid", text!("address-without-a-fragment")));
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) => None,
        None => return Err(("invalid", text!("address-with-a-host"))),
    };
    if literal.is_some_and(|address| !private && !is_public(address)) {
        return Err(("not_allowed", text!("this-address-is-not-on-the-public")));
    }
    Ok(url)
}

/// Is an address one of the public internet? What is reserved for anything else by IANA's registries of special-purpose
/// addresses is not: this machine, its network, the metadata service of a cloud, documentation, multicast, and whatever
/// carries an IPv4 address in an IPv6 one.
pub fn is_public(address: IpAddr) -> bool {
    /// Of IPv6, only what is given out as global unicast, without what in it is not.
    static GLOBAL: LazyLock<IpNet> = LazyLock::new(|| network("2000::/3"));
    static RESERVED: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
        let words = [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
        ];
        words.map(network).to_vec()
    });
    let reserved = || RESERVED.iter().any(|reserved| reserved.contains(&address));
    match address {
        // The metadata service of one cloud stands on a public address.
        IpAddr::V4(address) => address != Ipv4Addr::new(168, 63, 129, 16) && !reserved(),
        IpAddr::V6(_) => GLOBAL.contains(&address) && !reserved(),
    }
}

fn network(text: &str) -> IpNet {
    text.parse().expect("a network of the table can be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inside_counts_as_public() {
        let public = |text: &str| is_public(text.parse().unwrap());
        for inside in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "198.19.255.255",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            assert!(!public(inside), "{inside}");
        }
        for outside in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::1111",
        ] {
            assert!(public(outside), "{outside}");
        }
    }

    #[test]
    fn an_address_is_looked_at_before_it_is_kept() {
        for good in [
            "https://erp.example/hooks",
            "https://erp.example:8443/h?shop=1",
            "https://8.8.8.8/",
        ] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for (bad, private_too) in [
            ("http://erp.example/", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            // Other spellings of 127.0.0.1, which a URL's parser knows.
            ("https://2130706433/", false),
            ("https://0x7f.1/", false),
            ("ftp://erp.example/", true),
            ("https://user:pw@erp.example/", true),
            ("https://erp.example/#part", true),
            ("erp.example", true),
            ("", true),
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
            assert_eq!(check_url(bad, true).is_err(), private_too, "{bad}");
        }
        for (letter, count) in [("a", LONGEST_URL), ("あ", 300)] {
            let long = format!("https://erp.example/{}", letter.repeat(count));
            assert!(check_url(&long, true).is_err());
        }
    }

    #[test]
    fn a_selection_is_everything_or_types() {
        let parse = |words: &[&str]| {
            Selection::parse(&words.iter().map(|word| (*word).into()).collect::<Vec<_>>())
        };
        assert_eq!(parse(&["*"]), Ok(Selection::All));
        let types = parse(&["order.placed", "member.created", "order.placed"]).unwrap();
        assert_eq!(types.words(), ["member.created", "order.placed"]);
        assert_eq!(parse(&["*", "order.placed", "order"]), Err(vec![0, 2]));
        let all = Selection::All.words();
        assert_eq!(Selection::types_of(&all), None);
    }
}
