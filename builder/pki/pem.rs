//! PEM (RFC 7468) as the field's tools write it: several blocks in a file, text around them, lines of any width.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// One block of a PEM file.
pub(super) struct Block {
    /// What stands in its first line: `CERTIFICATE`, `EC PRIVATE KEY`.
    pub(super) label: String,
    /// Whether it has headers (RFC 1421), as keys that OpenSSL encrypted the old way have.
    pub(super) has_headers: bool,
    /// What it holds.
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// All blocks of a file in their order; a file may have none.
pub(super) fn blocks(file: &[u8]) -> Result<Vec<Block>> {
    let text = std::str::from_utf8(file).map_err(|_| {
        let advice = "if it is DER, convert it: openssl x509 -inform DER, or openssl pkey -inform DER";
        Error::usage("it is not PEM, but binary").advise(advice)
    })?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        blocks.push(block(label, &mut lines)?);
    }
    Ok(blocks)
}

fn block<'a>(label: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Block> {
    let end = format!("-----END {label}-----");
    // Room for it all: a buffer that grows leaves copies of a key behind.
    let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end && !line.starts_with("-----")).collect();
    let has_headers = body.iter().any(|line| line.contains(':'));
    let mut digits = Zeroizing::new(String::with_capacity(body.iter().map(|line| line.len()).sum()));
    for line in body.iter().filter(|line| !line.contains(':')) {
        digits.push_str(line);
    }
    let mut der = Zeroizing::new(vec![0; digits.len().div_ceil(4) * 3]);
    let length = STANDARD
        .decode_slice(digits.as_bytes(), &mut der)
        .map_err(|_| Error::usage(format!("its {label} block is damaged: it is cut short, or no base64")))?;
    der.truncate(length);
    Ok(Block { label: label.to_owned(), has_headers, der })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_text_and_damage_is_told() {
        let file = b"subject=CN = x\r\n-----BEGIN A-----\r\nAAEC\r\n-----END A-----\r\nmore\n-----BEGIN B C-----\nAw==\n-----END B C-----\n";
        let found = blocks(file).unwrap();
        let found: Vec<_> = found.iter().map(|block| (block.label.as_str(), block.der.as_slice())).collect();
        assert_eq!(found, [("A", &[0u8, 1, 2][..]), ("B C", &[3])]);
        assert!(blocks(b"no block").unwrap().is_empty());
        let encrypted = b"-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAEC\n-----END K-----\n";
        assert!(blocks(encrypted).unwrap()[0].has_headers);
        for damaged in ["-----BEGIN A-----\nAAE\n-----END A-----\n", "-----BEGIN A-----\nA!==\n-----END A-----"] {
            assert!(blocks(damaged.as_bytes()).is_err_and(|error| error.to_string().contains("damaged")), "{damaged}");
        }
        assert!(blocks(b"\xff\xfe").is_err());
    }
}
