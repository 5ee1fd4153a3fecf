//! Where messages may be sent: the urls that are taken, and the addresses that
//! are connected to. A webhook must not become a way into the platform's own
//! network (SSRF), so the second is looked at with every connection: what a
//! name means may change after its url was taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::config::WebhooksConfig;

/// The longest url, in bytes.
const MAX_URL_BYTES: usize = 2_048;

/// Which addresses a connection may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// This machine only.
    Loopback,
    /// The public internet only.
    Public,
    /// Anything.
    Everywhere,
}

impl Reach {
    /// Whether a connection may go there.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Loopback => address.to_canonical().is_loopback(),
            Self::Public => is_public(address),
            Self::Everywhere => true,
        }
    }
}

/// A url that may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Normalised.
    pub(super) url: Url,
    /// Which addresses its host may turn out to have.
    pub(super) reach: Reach,
}

/// Reads a url and says whether it may be sent to.
///
/// # Errors
/// What is wrong with it, for the organiser.
pub(super) fn target(text: &str, config: &WebhooksConfig) -> Result<Target, &'static str> {
    if text.len() > MAX_URL_BYTES {
        return Err("must have at most 2048 characters");
    }
    let url = Url::parse(text).map_err(|_| "must be a whole url such as https://example.org/x")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user name or a password");
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    let reach = match url.scheme() {
        "https" if config.private_addresses => Reach::Everywhere,
        "https" => Reach::Public,
        "http" if config.http_to_loopback => Reach::Loopback,
        _ => return Err("must be https"),
    };
    // A name is looked up when it is connected to.
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain("localhost")) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(Host::Domain(_)) => None,
        None => return Err("must name a host"),
    };
    match (address, reach) {
        (Some(address), reach) if reach.allows(address) => {}
        (_, Reach::Loopback) => return Err("must be https, but for loopback addresses"),
        (Some(_), _) => return Err("must be at a public address"),
        (None, _) => {}
    }
    Ok(Target { url, reach })
}

/// Whether an address is one of the public internet. Whatever is not surely so
/// is not.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // "This" network, private, loopback, multicast and what is reserved above.
        (0 | 10 | 127 | 224..=255, ..) => true,
        // Shared by carriers; link-local, where clouds keep their secrets.
        (100, 64..=127, _) | (169, 254, _) => true,
        (172, 16..=31, _) | (192, 168, _) => true,
        // Protocols, documentation, the old 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only global unicast; in it not Teredo and other protocols, documentation,
    // nor 6to4, which carries an IPv4 address.
    let special = match (segments[0], segments[1]) {
        (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x2002, _) => true,
        (0x3fff, 0x0000..=0x0fff) => true,
        (first, _) => !(0x2000..=0x3fff).contains(&first),
    };
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> Result<Reach, &'static str> {
        target(text, &WebhooksConfig::default()).map(|target| target.reach)
    }

    #[test]
    fn only_https_to_public_addresses_is_taken() {
        for good in [
            "https://example.org/hook",
            "https://example.org:8443/hook?a=b",
            "https://93.184.216.34/",
            "https://[2606:2800:220:1::1]/",
        ] {
            assert_eq!(reach(good), Ok(Reach::Public), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "http://example.org/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "https://",
            "https://ann:secret@example.org/",
            "https://ann@example.org/",
            "https://example.org/#part",
            "https://localhost/",
            "https://127.0.0.1/",
            // Other ways to write loopback and private addresses.
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://172.31.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:a00:1::]/",
            "https://[ff02::1]/",
        ] {
            assert!(reach(bad).is_err(), "{bad}");
        }
        assert!(reach(&format!("https://example.org/{}", "x".repeat(2_048))).is_err());
    }

    #[test]
    fn plain_http_goes_to_loopback_only_and_only_when_configured() {
        let config = WebhooksConfig { http_to_loopback: true, ..WebhooksConfig::default() };
        for good in ["http://127.0.0.1:9000/x", "http://localhost:9000/", "http://[::1]/"] {
            assert_eq!(target(good, &config).unwrap().reach, Reach::Loopback, "{good}");
            assert!(reach(good).is_err(), "{good}");
        }
        // A name that is not known to be loopback may be anything tomorrow.
        for bad in ["http://example.org/", "http://10.0.0.1/", "https://127.0.0.1/"] {
            assert!(target(bad, &config).is_err(), "{bad}");
        }
    }

    #[test]
    fn private_addresses_are_reached_only_when_configured() {
        let config = WebhooksConfig { private_addresses: true, ..WebhooksConfig::default() };
        assert_eq!(target("https://10.0.0.1/", &config).unwrap().reach, Reach::Everywhere);
        assert!(target("http://10.0.0.1/", &config).is_err());
        let private: IpAddr = "10.0.0.1".parse().unwrap();
        assert!(Reach::Everywhere.allows(private) && !Reach::Public.allows(private));
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert!(Reach::Loopback.allows(mapped) && !Reach::Public.allows(mapped));
    }
}
