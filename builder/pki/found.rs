//! Certificates in files: strictly, a file of certificates in PEM (RFC 7468); leniently, whatever certificates are in a
//! file of any kind, such as a kubeconfig, which has them as base64 of PEM.
//!
//! Both go over the bytes once. The lenient search is for looking at files that others wrote, hostile ones too: each
//! byte is decoded at most twice, and what is no certificate is told beside those that are.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use base64::{Engine as _, alphabet};
use zeroize::Zeroizing;

use super::certificate::{Certificate, malformed};
use super::pem;
use crate::error::{Error, Result};

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Base64 with or without its padding, and whatever its last bits are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Certificate {
    /// Every certificate of a PEM file, in its order, at least one. Text between them is passed over, as openssl does;
    /// a file that holds anything else in PEM, or is DER, is refused with what to do about it.
    pub fn parse(pem: &[u8]) -> Result<Vec<Certificate>> {
        let mut found = Vec::new();
        for block in pem::blocks(pem)? {
            if block.label != "CERTIFICATE" {
                return Err(other(&block.label));
            }
            let certificate = Certificate::from_der(&block.der);
            found.push(certificate.map_err(|error| error.context(format!("certificate {}", found.len() + 1)))?);
        }
        match found.is_empty() {
            true => Err(none(pem)),
            false => Ok(found),
        }
    }

    /// Every certificate in a file of any kind: blocks of PEM anywhere, PEM in base64, and DER if it is the whole file.
    /// First those in plain sight, then those in base64, each in their order.
    pub fn find(bytes: &[u8]) -> Vec<Certificate> {
        Certificate::find_all(bytes).into_iter().flatten().collect()
    }

    /// As [`Certificate::find`], with what looks like a certificate and is none in its place.
    pub fn find_all(bytes: &[u8]) -> Vec<Result<Certificate>> {
        if let (Some(0x30), Ok(certificate)) = (bytes.first(), Certificate::from_der(bytes)) {
            return vec![Ok(certificate)];
        }
        let mut found = plain(bytes);
        found.extend(encoded(bytes));
        found
    }
}

/// What is said of another block: keys least of all belong there.
fn other(label: &str) -> Error {
    let error = Error::usage(format!("it holds a `{label}`, not certificates alone"));
    match label {
        "TRUSTED CERTIFICATE" => error.advise("convert it: openssl x509 -in FILE -out NEW.pem"),
        "PKCS7" => error.advise("convert it: openssl pkcs7 -in FILE -print_certs -out NEW.pem"),
        _ if label.ends_with("PRIVATE KEY") => error.advise("keep the private key in a file of its own"),
        _ => error.advise("leave only the CERTIFICATE blocks in it"),
    }
}

/// What is said of a file without a block.
fn none(bytes: &[u8]) -> Error {
    match Certificate::from_der(bytes) {
        Ok(_) => Error::usage("it is a certificate in DER, not in PEM")
            .advise("convert it: openssl x509 -inform DER -in FILE -out NEW.pem"),
        Err(_) => Error::usage("it holds no certificate").advise("it takes blocks of `-----BEGIN CERTIFICATE-----`"),
    }
}

/// The blocks in plain sight. What ends a block is the next five hyphens, whatever they start: so each byte is looked
/// at once.
fn plain(bytes: &[u8]) -> Vec<Result<Certificate>> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while let Some(start) = position(rest, CERTIFICATE) {
        rest = &rest[start + CERTIFICATE.len()..];
        let Some(end) = position(rest, b"-----") else { break };
        let (text, tail) = rest.split_at(end);
        rest = tail;
        if rest.starts_with(END) {
            let der = LENIENT.decode(letters(text)).map_err(malformed);
            found.push(der.and_then(|der| Certificate::from_der(&der)));
        }
    }
    found
}

/// Base64 as it stands in a file: without spaces and lines, nor those of a text in JSON (`\n`, which hides a letter).
fn letters(text: &[u8]) -> Vec<u8> {
    let (mut letters, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail.first()) {
            (b'\\', Some(b'n' | b'r' | b't')) => &tail[1..],
            _ => tail,
        };
        if !first.is_ascii_whitespace() && *first != b'\\' {
            letters.push(*first);
        }
    }
    letters
}

/// The blocks in base64: a run of its letters (lines may break it) that holds the encoded first line of a block. That
/// line is written in three ways, by how many bytes before it are in its group of three.
fn encoded(bytes: &[u8]) -> Vec<Result<Certificate>> {
    /// Made once: it is asked of thousands of files.
    static HEADS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new([0, 1, 2].map(head)).ok());
    let text = Zeroizing::new(letters(bytes));
    let (mut found, mut seen) = (Vec::new(), 0);
    for head in HEADS.iter().flat_map(|search| search.find_iter(&text[..])) {
        // Back to the start of its group: so many letters are not the head's alone.
        let start = head.start().checked_sub([0, 2, 3][head.pattern().as_usize()]);
        let Some(start) = start.filter(|start| *start >= seen) else { continue };
        let run = text[start..].split(|byte| !is_letter(*byte)).next().unwrap_or_default();
        seen = start + run.len();
        // One letter alone is no byte.
        let run = &run[..run.len() - usize::from(run.len() % 4 == 1)];
        let decoded = LENIENT.decode(run).map(Zeroizing::new);
        found.extend(decoded.iter().flat_map(|decoded| plain(decoded)));
    }
    found
}

/// The letters that say the first line of a block, and nothing of the bytes (none to two) before it in its group.
fn head(before: usize) -> Vec<u8> {
    let line = [&[0; 2][..before], CERTIFICATE].concat();
    let letters = STANDARD_NO_PAD.encode(&line).into_bytes();
    // Nor of those after it: a last group that is not full.
    let whole = line.len() / 3 * 4;
    letters[[0, 2, 3][before]..whole].to_vec()
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
