//! Ranges of addresses: services, pods and machines have their own, and none of somebody else's.

use std::net::IpAddr;

use ipnet::IpNet;

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::Cluster;
use crate::document::Placed;
use crate::error::Place;
use crate::overlay::template::is_public;
use crate::profile::schema::Net;

/// Pods that may have a service's address.
pub const PODS_AMONG_SERVICES: Rule = Rule {
    id: "pods-among-services",
    severity: Severity::Warning,
    finds: "ranges of pods and of services that overlap",
    fate: "what is sent to a pod may end at a service, and the other way round",
    remedy: "give pods a range of their own: [network] pod-cidr",
};
/// Pods that may have a machine's address.
pub const PODS_AMONG_MACHINES: Rule = Rule {
    id: "pods-among-machines",
    severity: Severity::Warning,
    finds: "ranges of pods and of machines that overlap",
    fate: "what is sent to a machine may end at a pod",
    remedy: "give pods a range of their own: [network] pod-cidr",
};
/// Services that may have a machine's address.
pub const SERVICES_AMONG_MACHINES: Rule = Rule {
    id: "services-among-machines",
    severity: Severity::Warning,
    finds: "ranges of services and of machines that overlap",
    fate: "what is sent to a machine may end at a service",
    remedy: "give services a range of their own: [network] service-cidr",
};
/// Addresses of somebody on the Internet.
pub const RANGE_PUBLIC: Rule = Rule {
    id: "range-public",
    severity: Severity::Warning,
    finds: "services or pods that have public addresses",
    fate: "whoever has these addresses on the Internet is out of the cluster's reach",
    remedy: "take a private range, such as one in 10.0.0.0/8 or fd00::/8",
};
/// An address that no machine can have.
pub const ADDRESS_RESERVED: Rule = Rule {
    id: "address-reserved",
    severity: Severity::Error,
    finds: "a machine or gateway whose address is the network's own, or the one by which it reaches all",
    fate: "nobody reaches the machine by this address",
    remedy: "give it another address in machine-cidr",
};
/// Two with one address.
pub const GATEWAY_TAKEN: Rule = Rule {
    id: "gateway-taken",
    severity: Severity::Error,
    finds: "a machine whose address is the gateway's",
    fate: "two answer for one address, and the machines lose their way out, or each other",
    remedy: "give the machine another address, or correct [network] gateway",
};
/// An address that a pod or a service may have too.
pub const ADDRESS_AMONG: Rule = Rule {
    id: "address-among-ranges",
    severity: Severity::Warning,
    finds: "a machine or a resolver whose address is in the range of services or pods",
    fate: "what is sent to it may end at a pod or a service",
    remedy: "give it an address outside the ranges of the cluster, or move the range",
};

/// All rules.
pub const RULES: &[Rule] = &[
    PODS_AMONG_SERVICES,
    PODS_AMONG_MACHINES,
    SERVICES_AMONG_MACHINES,
    RANGE_PUBLIC,
    ADDRESS_RESERVED,
    GATEWAY_TAKEN,
    ADDRESS_AMONG,
];

/// Looks at what the profile says of its networks.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    let network = &cluster.profile.declared.network;
    let (services, pods) = (network.service_cidr.as_ref(), network.pod_cidr.as_ref());
    let machines = network.machine_cidr.as_ref();
    let mut apart = |rule, one: Named<'_>, other: Named<'_>| told(rule, one, other, findings);
    let shared = apart(&PODS_AMONG_SERVICES, ("pods", pods), ("services", services));
    apart(&PODS_AMONG_MACHINES, ("pods", pods), ("machines", machines));
    apart(&SERVICES_AMONG_MACHINES, ("services", services), ("machines", machines));
    for (what, range) in [("services", services), ("pods", pods.filter(|_| !shared))] {
        if let Some(range) = range.filter(|range| is_public(range)) {
            add(&RANGE_PUBLIC, format!("{what} have {}, which are public addresses", range.0), &range.place, findings);
        }
    }
    addresses(cluster, findings);
}

type Named<'a> = (&'a str, Option<&'a Placed<Net>>);

/// Tells of two ranges that overlap; whether they do.
fn told(rule: &Rule, (one, a): Named<'_>, (other, b): Named<'_>, findings: &mut Findings) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    if !(a.contains(&b.0) || b.contains(&a.0)) {
        return false;
    }
    let says = match a.0 == b.0 {
        true => format!("{one} and {other} have one range, {}", a.0),
        false => format!("the range of {one}, {}, overlaps that of {other}, {}", a.0, b.0),
    };
    add(rule, says, &a.place, findings);
    true
}

fn addresses(cluster: &Cluster<'_>, findings: &mut Findings) {
    let network = &cluster.profile.declared.network;
    let machines = network.machine_cidr.as_ref().map(|range| range.0);
    let inside = |address: &IpAddr| machines.is_some_and(|range| range.contains(address));
    let mut all: Vec<(String, &IpAddr, &Place)> = Vec::new();
    for node in &cluster.profile.nodes {
        for address in node.address.iter().chain(&node.addresses) {
            all.push((node.name.value.clone(), &address.value, &address.place));
            if network.gateway.as_ref().is_some_and(|gateway| gateway.value == address.value) {
                let says = format!("{} has the gateway's address, {}", node.name.value, address.value);
                add(&GATEWAY_TAKEN, says, &address.place, findings);
            }
        }
    }
    all.extend(network.gateway.iter().map(|gateway| ("the gateway".to_owned(), &gateway.value, &gateway.place)));
    for (who, address, place) in &all {
        if machines.is_some_and(|range| is_reserved(&range, address)) {
            add(&ADDRESS_RESERVED, format!("{who} has {address}, which no machine can have"), place, findings);
        }
    }
    let whole = &cluster.profile.document.place;
    let place = cluster.profile.document.get("network").map_or(whole, |network| &network.place);
    all.extend(network.dns.iter().map(|address| ("a resolver".to_owned(), address, place)));
    // Of what is in the machines' own range, ranges that overlap were told.
    for (who, address, place) in all.iter().filter(|(_, address, _)| !inside(address)) {
        for (what, range) in [("services", &network.service_cidr), ("pods", &network.pod_cidr)] {
            if let Some(range) = range.as_ref().filter(|range| range.contains(*address)) {
                let says = format!("{who} has {address}, which is in the range of {what}, {}", range.0);
                add(&ADDRESS_AMONG, says, place, findings);
            }
        }
    }
}

/// The first and the last address of a network of IPv4 are nobody's (RFC 1122, 3.2.1.3), but where there are only two
/// (RFC 3021); the first of IPv6 is any router's (RFC 4291, 2.6.1).
fn is_reserved(network: &IpNet, address: &IpAddr) -> bool {
    match network {
        IpNet::V4(net) => net.prefix_len() < 31 && (*address == net.network() || *address == net.broadcast()),
        IpNet::V6(net) => net.prefix_len() < 127 && *address == net.network(),
    }
}

fn add(rule: &Rule, says: String, place: &Place, findings: &mut Findings) {
    findings.note(Finding { place: Some(place.clone()), ..Finding::of(rule, says) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_can_have() {
        let reserved = |network: &str, address: &str| is_reserved(&network.parse().unwrap(), &address.parse().unwrap());
        assert!(reserved("10.0.0.0/24", "10.0.0.0") && reserved("10.0.0.0/24", "10.0.0.255"));
        assert!(!reserved("10.0.0.0/23", "10.0.0.255") && !reserved("10.0.0.0/31", "10.0.0.0"));
        assert!(
            reserved("fd00::/64", "fd00::") && !reserved("fd00::/64", "fd00::1") && !reserved("fd00::/64", "10.0.0.0")
        );
    }
}
