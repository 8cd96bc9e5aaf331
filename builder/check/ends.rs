//! Ends of a connection: where a server listens, and where a client asks.

use std::net::IpAddr;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Whether it is TLS, if a scheme says so.
    pub tls: Option<bool>,
    /// A name, an address without brackets, or `*`.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl End {
    /// Of `HOST:PORT` or of a URL, whose scheme may give the port. What it has of a user is left out: it may be a password.
    pub fn parse(text: &str) -> Option<End> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (tls, usual) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (Some(true), Some(443)),
            "http" => (Some(false), Some(80)),
            _ => (None, None),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual?),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_host = |c: char| c.is_alphanumeric() || "-._:*%".contains(c);
        (!host.is_empty() && host.chars().all(is_host)).then(|| End { tls, host: host.to_owned(), port })
    }

    /// Its address, if it has one and no name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether it is the machine that asks.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// Whether it is every address of a machine. Programs that listen at 0.0.0.0 mostly have those of IPv6 too.
    pub fn is_any(&self) -> bool {
        self.host == "*" || self.address().is_some_and(|address| address.is_unspecified())
    }

    /// Whether a server that listens here answers at one of these addresses, or by this name.
    pub fn answers(&self, name: &str, addresses: &[IpAddr]) -> bool {
        let both = ["127.0.0.1", "::1"].map(|local| local.parse::<IpAddr>());
        let own = |address: &IpAddr| match self.host.as_str() {
            "localhost" => both.contains(&Ok(*address)),
            _ => self.address() == Some(*address),
        };
        self.is_any() || self.host == name || addresses.iter().any(own)
    }

    /// Whether the kernel gives a socket to one of both only (ip(7)): every address is each.
    pub fn overlaps(&self, other: &End) -> bool {
        let same = match (self.address(), other.address()) {
            (Some(own), Some(other)) => own == other,
            _ => self.host == other.host || (self.is_loopback() && other.is_loopback()),
        };
        self.port == other.port && (self.is_any() || other.is_any() || same)
    }
}

/// With brackets around an address of IPv6.
impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The ends in a list with commas, as flags have them. What is none is left out.
pub fn ends(list: &str) -> impl Iterator<Item = End> + '_ {
    items(list).filter_map(End::parse)
}

/// The items of a list with commas.
pub fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Option<(String, u16)> {
        End::parse(text).map(|end| (end.host, end.port))
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(end("https://10.0.0.1:2379"), Some(("10.0.0.1".into(), 2379)));
        assert_eq!(end("https://[fd00::1]:2379/x"), Some(("fd00::1".into(), 2379)));
        assert_eq!(end("[::]:6443"), Some(("::".into(), 6443)));
        assert_eq!(end("*:6443"), Some(("*".into(), 6443)));
        assert_eq!(end("https://api.example.org"), Some(("api.example.org".into(), 443)));
        assert_eq!(end("https://[fd00::1]"), Some(("fd00::1".into(), 443)));
        assert_eq!(end("https://user:secret@a:1/"), Some(("a".into(), 1)));
        for none in ["10.0.0.1", "x:99999", "x:", ":1", "", "https://a b:1", "https://secret=x:1"] {
            assert_eq!(end(none), None, "{none}");
        }
        assert_eq!(
            ["https://a", "http://a", "a:1"].map(|text| End::parse(text).unwrap().tls),
            [Some(true), Some(false), None]
        );
        assert_eq!(End::parse("https://[fd00::1]").unwrap().to_string(), "[fd00::1]:443");
    }

    #[test]
    fn who_answers_whom() {
        let answers = |own: &str, addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            End::parse(own).unwrap().answers("name", &addresses)
        };
        assert!(answers("*:1", &[]) && answers("0.0.0.0:1", &["10.0.0.1"]) && answers("[::]:1", &["10.0.0.1"]));
        assert!(answers("[fd00::1]:1", &["10.0.0.1", "fd00:0::1"]) && answers("localhost:1", &["127.0.0.1"]));
        assert!(answers("name:1", &[]) && answers("127.0.0.1:1", &["127.0.0.1", "::1"]));
        assert!(!answers("127.0.0.1:1", &["10.0.0.1"]) && !answers("localhost:1", &["127.0.1.1"]));
    }

    #[test]
    fn who_takes_a_port_from_whom() {
        let overlap = |a: &str, b: &str| End::parse(a).unwrap().overlaps(&End::parse(b).unwrap());
        assert!(
            overlap("*:1", "10.0.0.1:1")
                && overlap("[fd00::1]:1", "[fd00:0::1]:1")
                && overlap("localhost:1", "127.0.0.1:1")
        );
        assert!(!overlap("*:1", "*:2") && !overlap("10.0.0.1:1", "10.0.0.2:1") && !overlap("[::1]:1", "127.0.0.1:1"));
    }
}
