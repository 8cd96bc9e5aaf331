//! [`statement`]: what is signed of a release's provenance, an in-toto Statement of version 1 (in-toto/attestation,
//! spec/v1/statement.md) with a predicate of SLSA provenance (slsa.dev/spec/v1.0/provenance).
//!
//! ```text
//! {"_type":"https://in-toto.io/Statement/v1","subject":[{"name":PATH,"digest":{"sha256":HEX}},...],
//!  "predicateType":"https://slsa.dev/provenance/v1","predicate":PROVENANCE.JSON}
//! ```
//!
//! The subjects are all files of `public/`, as SHA256SUMS lists them. Who verifies makes the statement again of sums and
//! predicate and compares bytes.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Sums;
use super::manifest::to_text;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The type of a statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The type of its predicate.
const PREDICATE: &str = "https://slsa.dev/provenance/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Subject<'a>>,
    predicate_type: &'static str,
    predicate: &'a RawValue,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    digest: Sha256<'a>,
}

#[derive(Serialize)]
struct Sha256<'a> {
    sha256: &'a Digest,
}

/// The statement about the files of `public/`, compact JSON and a line feed; `predicate` is `provenance.json` as it lies
/// there, and is taken over byte by byte.
///
/// # Errors
/// A predicate that is no JSON object, and one that the sums do not have: integrity.
pub fn statement(sums: &Sums, predicate: &[u8]) -> Result<Vec<u8>> {
    let bad = |why: &str| Error::integrity(format!("{}: {why}", super::PROVENANCE));
    if sums.get(super::PROVENANCE) != Some(&Digest::of(predicate)) {
        return Err(bad("it is not the file that SHA256SUMS lists"));
    }
    let predicate: &RawValue = serde_json::from_slice(predicate).map_err(|error| bad(&error.to_string()))?;
    if !predicate.get().starts_with('{') {
        return Err(bad("it is no JSON object"));
    }
    let subject = sums.iter().map(|(name, sha256)| Subject { name, digest: Sha256 { sha256 } }).collect();
    to_text(&Statement { kind: STATEMENT, subject, predicate_type: PREDICATE, predicate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_a_function_of_sums_and_predicate() {
        let predicate = b"{\"b\":1,\"a\":[ 2 ]}\n";
        let mut sums = Sums::new();
        sums.insert("a/b", Digest::of(b"x"));
        sums.insert("provenance.json", Digest::of(predicate));
        let expected = format!(
            "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"name\":\"a/b\",\"digest\":{{\"sha256\":\"{}\"}}}},\
             {{\"name\":\"provenance.json\",\"digest\":{{\"sha256\":\"{}\"}}}}],\
             \"predicateType\":\"https://slsa.dev/provenance/v1\",\"predicate\":{{\"b\":1,\"a\":[ 2 ]}}}}\n",
            Digest::of(b"x"),
            Digest::of(predicate)
        );
        assert_eq!(String::from_utf8(statement(&sums, predicate).unwrap()).unwrap(), expected);
        for wrong in [&b"{}"[..], b"[]", b"{", b"{} {}", b""] {
            assert_eq!(statement(&sums, wrong).unwrap_err().class().code(), 3);
            let mut sums = sums.clone();
            sums.insert("provenance.json", Digest::of(wrong));
            assert_eq!(statement(&sums, wrong).is_ok(), wrong == b"{}", "{wrong:?}");
        }
    }
}
