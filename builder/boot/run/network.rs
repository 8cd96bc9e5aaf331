//! The network cards of a machine.

use super::node::Node;
use super::qemu::{Card, Tftp, Wire};
use crate::digest::Digest;

/// The way to the host's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Net {
    /// None.
    #[default]
    None,
    /// QEMU's user-mode network: out through the host, and nothing in.
    User,
}

/// The ports from which a segment's is taken.
const PORTS: std::ops::Range<u16> = 20_000..60_000;

/// The cards of a machine: the one that it starts by, if it does so; the shared segment's, if there is one; the way out.
/// The first has the node's address, by which a menu chooses and the node's own network settings may.
pub fn cards(node: &Node, network: Option<&str>, net: Net, tftp: Option<Tftp>) -> Vec<Card> {
    let starts = tftp.is_some();
    let mut wires = Vec::new();
    wires.extend(tftp.map(|tftp| Wire::User { tftp: Some(tftp) }));
    wires.extend(network.map(|name| Wire::Segment { port: port(name) }));
    wires.extend((net == Net::User && !starts).then_some(Wire::User { tftp: None }));
    let address = |number: usize| match (&node.record.mac, number) {
        (Some(mac), 0) => mac.clone(),
        _ => mac(&format!("{} {} {number}", node.cluster, node.name)),
    };
    wires.into_iter().enumerate().map(|(number, wire)| Card { mac: address(number), wire }).collect()
}

/// The UDP port of a segment: machines that name the same segment meet there.
pub fn port(name: &str) -> u16 {
    let digest = Digest::of(name.as_bytes());
    let number = u16::from_be_bytes([digest.as_bytes()[0], digest.as_bytes()[1]]);
    PORTS.start + number % (PORTS.end - PORTS.start)
}

/// An address that is the same at every start and no other machine's: in the range that QEMU's cards have.
fn mac(of: &str) -> String {
    let digest = Digest::of(of.as_bytes());
    let [a, b, c] = [0, 1, 2].map(|at| digest.as_bytes()[at]);
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_port() {
        // By coreutils: echo $((20000 + 0x$(printf lab | sha256sum | cut -c-4) % 40000))
        assert_eq!(port("lab"), 22_257);
        assert!(["", "a", "b", "lab-1"].iter().all(|name| PORTS.contains(&port(name))));
        assert_ne!(port("a"), port("b"));
    }
}
