//! The derivation against its test vectors, which another implementation made (tests/vectors/derive.py), and against
//! OpenSSL: it reads the number in each key's file, checks it, and verifies each certificate. If a vector changes, every
//! cluster in the field gets new keys: that is a new version of the derivation, never a new vector.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "vectors/declared.rs"]
mod declared;
#[path = "vectors/keys.rs"]
mod keys;
#[path = "vectors/primes.rs"]
mod primes;
#[path = "vectors/secrets.rs"]
mod secrets;
mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mastermold::pki::{Scope, Seed};
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A file of vectors.
fn vectors(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(directory().join(name)).unwrap()).unwrap()
}

fn seed() -> Seed {
    Seed::parse(vectors("derivation.json")["seed"].as_str().unwrap().as_bytes()).unwrap()
}

/// The scope that a vector names.
fn scope(vector: &Value) -> Scope<'_> {
    Scope {
        cluster: vector["cluster"].as_str().unwrap(),
        node: vector["node"].as_str(),
        generation: vector["generation"].as_u64().unwrap().try_into().unwrap(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// What OpenSSL says of what it reads on standard input.
fn try_openssl(arguments: &str, input: impl AsRef<[u8]>) -> Output {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|error| panic!("openssl is needed: apt-get install openssl ({error})"));
    // It may refuse what it has not read to the end.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    child.wait_with_output().unwrap()
}

/// The same, and it must succeed: what it printed.
fn openssl(arguments: &str, input: impl AsRef<[u8]>) -> Vec<u8> {
    let output = try_openssl(arguments, input);
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The numbers that OpenSSL finds in a private key's file, in hexadecimal without zeros in front.
fn numbers(pem: &str) -> BTreeMap<String, String> {
    let text = String::from_utf8(openssl("pkey -noout -text", pem)).unwrap();
    let (mut found, mut name) = (BTreeMap::<String, String>::new(), String::new());
    for line in text.lines() {
        match (line.strip_prefix("    "), line.strip_suffix(':')) {
            (Some(digits), _) => found.entry(name.clone()).or_default().push_str(&digits.replace(':', "")),
            (None, Some(title)) => name = title.to_owned(),
            (None, None) => {}
        }
    }
    found.into_iter().map(|(name, digits)| (name, plain(&digits))).collect()
}

/// A number without zeros in front.
fn plain(digits: &str) -> String {
    digits.trim_start_matches('0').to_owned()
}

/// derive.py follows docs/reference/derivation.md and makes these very files. For RSA keys above 2048 bits it takes from
/// them which candidates are the first primes; tests/e2e/vectors searches those too.
#[test]
fn another_implementation_makes_the_same_vectors() {
    let check = Command::new("python3").arg(directory().join("derive.py")).args(["--check", "--quick"]).output();
    match check {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
        }
        // Not by eprintln!, which nobody sees of a test that passes.
        Err(error) => writeln!(
            std::io::stderr(),
            "SKIPPED another_implementation_makes_the_same_vectors: apt-get install python3 ({error})"
        )
        .unwrap(),
    }
}
