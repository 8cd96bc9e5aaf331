//! Both ends of a connection: where a server listens, and where a client asks.

use std::net::IpAddr;

use super::subject::{Cluster, Machine};
use crate::document::Placed;
use crate::overlay::declare::{ClientDeclaration, ServerDeclaration};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// A name, an address without brackets, or `*`.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl End {
    /// Of `HOST:PORT` or of a URL, whose scheme may give the port.
    pub fn parse(text: &str) -> Option<End> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (
                authority,
                match scheme {
                    "https" => 443,
                    "http" => 80,
                    _ => return None,
                },
            ),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then(|| End { host: host.to_owned(), port })
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether it is the machine that asks.
    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// Whether it is every address of a machine.
    fn is_any(&self) -> bool {
        self.host == "*" || self.address().is_some_and(|address| address.is_unspecified())
    }

    /// Whether a server that listens here answers who asks there; both on one machine, which `there` means.
    pub fn answers(&self, there: &End) -> bool {
        let same = match (self.address(), there.address()) {
            (Some(a), Some(b)) => a == b,
            _ => self.host == there.host,
        };
        self.port == there.port && (self.is_any() || same || (self.host == "localhost" && there.is_loopback()))
    }
}

/// The ends in a list with commas, as flags have them. What is none is left out.
pub fn ends(list: &str) -> impl Iterator<Item = End> + '_ {
    list.split(',').map(str::trim).filter(|text| !text.is_empty()).filter_map(End::parse)
}

/// A server on its machine.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// The machine.
    pub machine: &'a Machine<'a>,
    /// What it is.
    pub declared: &'a Placed<ServerDeclaration>,
}

/// A client on its machine.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// The machine.
    pub machine: &'a Machine<'a>,
    /// What it is.
    pub declared: &'a Placed<ClientDeclaration>,
}

/// Whom a client's URL leads to.
pub enum Led<'a> {
    /// These: one on a machine of the cluster, or all of that name behind an address that is no machine's.
    To(Vec<Server<'a>>),
    /// A machine of the cluster, on which no such server listens there.
    Nowhere(&'a Machine<'a>),
    /// Somewhere outside.
    Outside,
}

/// All servers of a cluster.
pub fn servers<'a>(cluster: &'a Cluster<'a>) -> impl Iterator<Item = Server<'a>> {
    let of = |machine: &'a Machine<'a>| machine.plan.servers.iter().map(move |declared| Server { machine, declared });
    cluster.machines.iter().flat_map(of)
}

/// All clients of a cluster.
pub fn clients<'a>(cluster: &'a Cluster<'a>) -> impl Iterator<Item = Client<'a>> {
    let of = |machine: &'a Machine<'a>| machine.plan.clients.iter().map(move |declared| Client { machine, declared });
    cluster.machines.iter().flat_map(of)
}

/// Whom a client means by an end.
pub fn led<'a>(cluster: &'a Cluster<'a>, client: Client<'a>, end: &End) -> Led<'a> {
    let named = |server: &Server<'_>| server.declared.name == *client.declared.server;
    // A server that nobody speaks of is somebody else's.
    if !servers(cluster).any(|server| named(&server)) {
        return Led::Outside;
    }
    let machine = match end.is_loopback() {
        true => Some(client.machine),
        false => cluster.machines.iter().find(|machine| machine.plan.addresses.contains(&end.host)),
    };
    let Some(machine) = machine else {
        return Led::To(servers(cluster).filter(named).collect());
    };
    let there = |server: &Server<'_>| std::ptr::eq(server.machine, machine) && named(server);
    let mut listens = servers(cluster).filter(there).filter(|server| {
        let mut own = server.declared.listen.iter().flat_map(|list| ends(list));
        // A name of the machine stands for its addresses.
        let asked =
            |own: &End| own.answers(end) || (own.port == end.port && machine.plan.addresses.contains(&own.host));
        own.any(|own| asked(&own))
    });
    match listens.next() {
        Some(server) => Led::To(vec![server]),
        None => Led::Nowhere(machine),
    }
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
        for none in ["10.0.0.1", "x:99999", "x:", ":1", ""] {
            assert_eq!(end(none), None, "{none}");
        }
    }

    #[test]
    fn who_answers_whom() {
        let answers = |own: &str, asked: &str| End::parse(own).unwrap().answers(&End::parse(asked).unwrap());
        assert!(answers("*:1", "10.0.0.1:1") && answers("0.0.0.0:1", "10.0.0.1:1") && answers("[::]:1", "[fd00::1]:1"));
        assert!(answers("[fd00::1]:1", "[fd00:0::1]:1") && answers("localhost:1", "127.0.0.1:1"));
        assert!(!answers("127.0.0.1:1", "10.0.0.1:1") && !answers("*:1", "10.0.0.1:2"));
    }
}
