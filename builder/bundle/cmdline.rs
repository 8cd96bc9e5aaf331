//! What the kernel's command line says of a machine's layers, for who checks them there: `mastermold.name=NODE`, and for
//! each layer `mastermold.LAYER=HEX`, the SHA-256 of its list `LAYER.sha256` (see [`lists`](super::lists)).

use crate::digest::Digest;
use crate::tree::Audience;

/// How the words begin.
const START: &str = "mastermold.";

/// A command line with these words behind it.
pub fn with_digests(line: &str, node: &str, layers: &[(Audience, Digest)]) -> String {
    let mut words = vec![line.trim().to_owned(), format!("{START}name={node}")];
    words.extend(layers.iter().map(|(layer, digest)| format!("{START}{}={digest}", layer.name())));
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// The digest that a command line has of a layer's list; the last one counts, as for the kernel.
pub fn digest_of(line: &str, layer: Audience) -> Option<Digest> {
    let name = format!("{START}{}=", layer.name());
    line.split(' ').rev().find_map(|word| word.strip_prefix(&name)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let line = with_digests(" quiet ", "m0", &[(Audience::Guard, one), (Audience::Node, two)]);
        assert_eq!(line, format!("quiet mastermold.name=m0 mastermold.guard={one} mastermold.node={two}"));
        assert_eq!(digest_of(&line, Audience::Node), Some(two));
        assert_eq!(digest_of(&line, Audience::Secrets), None);
        assert_eq!(with_digests("", "m0", &[]), "mastermold.name=m0");
    }
}
