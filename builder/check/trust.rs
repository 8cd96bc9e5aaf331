//! Certificates in use: by the names by which it is asked, each server is the one that its client trusts, and lets it in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::ends::{Client, End, Led, Server, clients, ends, led, servers};
use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::{Cluster, Machine};
use crate::document::Placed;
use crate::pki::Certificate;
use crate::tree::TreePath;

/// A server that nobody is.
pub const SERVER_ABSENT: Rule = Rule {
    id: "server-absent",
    severity: Severity::Error,
    finds: "a client that asks a machine on which nothing of that name listens there",
    fate: "the connection is refused",
    remedy: "correct the address or port on one side",
};
/// A name that the server's certificate has not.
pub const SERVER_NAME: Rule = Rule {
    id: "server-name",
    severity: Severity::Error,
    finds: "a server whose certificate lacks a name or address by which it is asked",
    fate: "the client ends the connection: the certificate is for somebody else",
    remedy: "add it to the certificate's `dns` or `ip`, or ask by a name that it has",
};
/// An authority that the client does not trust.
pub const SERVER_UNTRUSTED: Rule = Rule {
    id: "server-untrusted",
    severity: Severity::Error,
    finds: "a server whose certificate was issued by no authority that its client trusts",
    fate: "the client ends the connection: the certificate is by an unknown authority",
    remedy: "give the client the authority that issued the server's certificate",
};
/// An authority that the server does not trust.
pub const CLIENT_UNTRUSTED: Rule = Rule {
    id: "client-untrusted",
    severity: Severity::Error,
    finds: "a client whose certificate was issued by no authority that its server trusts",
    fate: "the server refuses the client",
    remedy: "issue the client's certificate by the authority that the server reads",
};
/// A certificate that the server wants.
pub const CLIENT_ANONYMOUS: Rule = Rule {
    id: "client-anonymous",
    severity: Severity::Error,
    finds: "a client without a certificate, of a server that asks for one",
    fate: "the server refuses the client",
    remedy: "give the client a certificate",
};
/// A name that is not let in.
pub const CLIENT_NAME: Rule = Rule {
    id: "client-name",
    severity: Severity::Error,
    finds: "a client whose certificate has another name than it must have, or than its server lets in",
    fate: "the server takes the client for somebody else, and refuses what it asks",
    remedy: "give the certificate the name that the server knows, or let that name in",
};
/// A usage that a certificate lacks.
pub const CERTIFICATE_USAGE: Rule = Rule {
    id: "certificate-usage",
    severity: Severity::Error,
    finds: "a certificate of a server or client that is not for one",
    fate: "the other side ends the connection: the certificate is for another use",
    remedy: "add `server-auth` or `client-auth` to the certificate's `usages`",
};

/// All rules.
pub const RULES: &[Rule] =
    &[SERVER_ABSENT, SERVER_NAME, SERVER_UNTRUSTED, CLIENT_UNTRUSTED, CLIENT_ANONYMOUS, CLIENT_NAME, CERTIFICATE_USAGE];

/// Looks at every pair of a client and a server that it asks.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for client in clients(cluster) {
        for url in &client.declared.urls {
            for end in ends(url) {
                asked(cluster, client, url, &end, findings);
            }
        }
    }
    for server in servers(cluster) {
        for name in &server.declared.names {
            if let Some(leaf) = leaf(server.machine, server.declared.certificate.as_ref()) {
                named(&leaf, server, name, name, findings);
            }
        }
    }
}

fn asked(cluster: &Cluster<'_>, client: Client<'_>, url: &Placed<String>, end: &End, findings: &mut Findings) {
    match led(cluster, client, end) {
        Led::To(servers) => servers.into_iter().for_each(|server| pair(client, server, url, end, findings)),
        Led::Nowhere(machine) => {
            let says = format!(
                "{} asks {} of {} at {}:{}, where it does not listen",
                client.declared.name, client.declared.server.value, machine.name, end.host, end.port
            );
            told(&SERVER_ABSENT, client.machine, url, says, findings);
        }
        Led::Outside => {}
    }
}

fn pair(client: Client<'_>, server: Server<'_>, url: &Placed<String>, end: &End, findings: &mut Findings) {
    let presented = chain(server.machine, server.declared.certificate.as_ref());
    if let Some(leaf) = presented.first() {
        named(leaf, server, &end.host, url, findings);
        usable(leaf, true, server.machine, server.declared.certificate.as_ref(), findings);
        let trusted = chain(client.machine, client.declared.authorities.as_ref());
        if let (Some(at), false) = (&client.declared.authorities, trusted.is_empty() || vouched(&presented, &trusted)) {
            let says = format!(
                "{} trusts the authorities in {}, of which none issued the certificate of {} on {}",
                client.declared.name, at.value, server.declared.name, server.machine.name
            );
            told(&SERVER_UNTRUSTED, client.machine, at, says, findings);
        }
    }
    if let Some(clients) = &server.declared.clients {
        lets_in(client, server, clients, findings);
    }
}

/// Whether a server that asks for certificates takes the client's.
fn lets_in(client: Client<'_>, server: Server<'_>, clients: &Placed<TreePath>, findings: &mut Findings) {
    let Some(own) = &client.declared.certificate else {
        let (who, whom) = (&client.declared.name, &server.declared.name);
        told(
            &CLIENT_ANONYMOUS,
            client.machine,
            &client.declared.server,
            format!("{who} has no certificate for {whom}"),
            findings,
        );
        return;
    };
    let presented = chain(client.machine, Some(own));
    let Some(leaf) = presented.first() else { return };
    usable(leaf, false, client.machine, Some(own), findings);
    let trusted = chain(server.machine, Some(clients));
    if !trusted.is_empty() && !vouched(&presented, &trusted) {
        let says = format!(
            "{} shows the certificate in {}, which none of the authorities in {} issued, by which {} on {} knows clients",
            client.declared.name, own.value, clients.value, server.declared.name, server.machine.name
        );
        told(&CLIENT_UNTRUSTED, client.machine, own, says, findings);
    }
    let name = leaf.subject().cn.as_deref().unwrap_or_default();
    let wanted = client.declared.common_name.iter().chain(&server.declared.client_names);
    let wanted: Vec<&str> = wanted.map(|name| name.value.as_str()).collect();
    if !wanted.is_empty() && !wanted.contains(&name) {
        let says = format!("{} is `{name}`, and should be {}", client.declared.name, wanted.join(" or "));
        told(&CLIENT_NAME, client.machine, own, says, findings);
    }
    for group in client.declared.groups.iter().filter(|group| !leaf.subject().o.contains(group)) {
        let says =
            format!("{} is `{}`, and should be of the group `{}`", client.declared.name, leaf.subject(), group.value);
        told(&CLIENT_NAME, client.machine, own, says, findings);
    }
}

/// That a certificate has a name.
fn named(leaf: &Certificate, server: Server<'_>, name: &str, at: &Placed<String>, findings: &mut Findings) {
    let has = match name.parse::<IpAddr>() {
        Ok(address) => leaf.ip().contains(&address),
        Err(_) => leaf.dns().iter().any(|own| matches(own, name)),
    };
    if !has {
        let all: Vec<String> = leaf.dns().iter().cloned().chain(leaf.ip().iter().map(ToString::to_string)).collect();
        let says = format!(
            "{} on {} is asked as {name}, and its certificate is for {}",
            server.declared.name,
            server.machine.name,
            if all.is_empty() { "no name".to_owned() } else { all.join(", ") }
        );
        told(&SERVER_NAME, server.machine, at, says, findings);
    }
}

/// RFC 9525, 6.3: a wildcard stands for one label.
fn matches(own: &str, name: &str) -> bool {
    let (own, name) = (own.trim_end_matches('.'), name.trim_end_matches('.'));
    let wild =
        own.strip_prefix("*.").zip(name.split_once('.')).is_some_and(|(own, (_, rest))| own.eq_ignore_ascii_case(rest));
    wild || own.eq_ignore_ascii_case(name)
}

fn usable(
    leaf: &Certificate,
    serves: bool,
    machine: &Machine<'_>,
    at: Option<&Placed<TreePath>>,
    findings: &mut Findings,
) {
    use crate::pki::Usage;
    let (usage, word) = if serves { (Usage::ServerAuth, "a server") } else { (Usage::ClientAuth, "a client") };
    let Some(at) = at else { return };
    if !leaf.usages().is_empty() && !leaf.usages().contains(&usage) {
        told(&CERTIFICATE_USAGE, machine, at, format!("the certificate in {} is not for {word}", at.value), findings);
    }
}

/// Whether one of `trusted` issued a chain's certificate, or is in it.
fn vouched(presented: &[Certificate], trusted: &[Certificate]) -> bool {
    let Some(mut current) = presented.first() else { return false };
    let mut seen = BTreeSet::new();
    loop {
        if trusted.iter().any(|authority| current.check_issued_by(authority).is_ok()) {
            return true;
        }
        let next = presented.iter().skip(1).find(|above| current.check_issued_by(above).is_ok());
        match next.filter(|next| seen.insert(next.fingerprint())) {
            Some(next) => current = next,
            None => return false,
        }
    }
}

/// The certificates in a file; none if it is not there or holds none: that is found by others.
fn chain(machine: &Machine<'_>, path: Option<&Placed<TreePath>>) -> Vec<Certificate> {
    path.and_then(|path| machine.bytes(path)).and_then(|bytes| Certificate::parse(&bytes).ok()).unwrap_or_default()
}

fn leaf(machine: &Machine<'_>, path: Option<&Placed<TreePath>>) -> Option<Certificate> {
    chain(machine, path).into_iter().next()
}

fn told<T>(rule: &Rule, machine: &Machine<'_>, at: &Placed<T>, says: String, findings: &mut Findings) {
    let mut finding = Finding::of(rule, says);
    finding.place = Some(at.place.clone());
    finding.on.insert(machine.name.to_owned());
    findings.note(finding);
}
