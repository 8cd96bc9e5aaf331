//! The seed, and how everything secret is derived from it. The whole of it, with the names of what is declared and the
//! bytes of certificates, is in docs/reference/derivation.md; tests/vectors/derive.py follows it in another language.
//!
//! Derivation, version 1. `OKM = HKDF-SHA256(IKM = seed, salt = none, info, L)` (RFC 5869; no salt means 32 zero
//! bytes). `info` is, byte for byte:
//!
//! ```text
//! "mastermold/1"                             12 bytes, ASCII
//! then five fields, each as its length in bytes (8 bytes, big-endian) and its bytes:
//!   purpose     ASCII, from the table below
//!   cluster     the cluster's name, UTF-8
//!   scope       "cluster", or "node/" and the node's name, UTF-8
//!   name        of the key or secret, UTF-8
//!   generation  4 bytes, big-endian
//! ```
//!
//! The lengths make it injective: no two different sets of fields give one `info`.
//!
//! ```text
//! purpose                         L      what
//! authority/ALGORITHM             A      the key of an authority (scope "cluster")
//! certificate/ALGORITHM           A      the key of a certificate
//! key-pair/ALGORITHM              A      a service-account key pair
//! secret/base64/N  secret/hex/N   N      a secret of N bytes, N in decimal
//! secret/raw/N                    N
//! secret/bootstrap-token          64     a bootstrap token
//! secret/alphanumeric/N           2N+64  a secret of N characters
//! imports                         32     see `fingerprint_of`
//! fingerprint                     16     the seed's fingerprint, published as 32 hexadecimal digits
//! ```
//!
//! The last two have an empty cluster and name, scope "cluster", generation 0.
//!
//! ALGORITHM and A are: `ecdsa-p256` 48, `ecdsa-p384` 64, `ed25519` 32, `rsa-2048` 32, `rsa-3072` 32, `rsa-4096` 32.
//!
//! ECDSA (FIPS 186-5, A.2.1): with the OKM as a big-endian number c and the order of the group n, the private key is
//! `(c mod (n - 1)) + 1`.
//!
//! Ed25519 (RFC 8032, 5.1.5): the OKM is the private key.
//!
//! RSA of b bits: candidate number i (from 0) is `HKDF-SHA256(IKM = OKM, salt = none, info = "mastermold/1 rsa prime" and
//! i as 4 bytes, big-endian, L = b / 16)` as a big-endian number, with its two highest bits and its lowest bit set. The
//! primes are the first candidate c that is prime with (c - 1) mod 65537 not 0, and the next such one that differs from
//! it in at least one of its highest 100 bits. p is the larger, q the smaller; e = 65537 and
//! d = 1/e mod lcm(p - 1, q - 1).
//!
//! How tokens and passwords are made is written at `SecretShape`. Test vectors: tests/vectors.
//!
//! A seed's file is one line: `mastermold-seed-1:` and 64 lower-case hexadecimal digits, LF.

use std::collections::BTreeMap;
use std::fmt;

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::request::named;
use crate::error::{Error, Result};

const LABEL: &[u8] = b"mastermold/1";
const PREFIX: &str = "mastermold-seed-1:";
const SIZE: usize = 32;

/// The one secret of a cluster. Wiped from memory when it goes; never shown.
pub struct Seed(Bytes);

/// On the heap, because a move of an array leaves a copy on the stack.
type Bytes = Box<Zeroizing<[u8; SIZE]>>;

/// Whose key or secret it is. Different scopes have different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The node's name; none for what the whole cluster shares.
    pub node: Option<&'a str>,
    /// Grows by one for each rotation.
    pub generation: u32,
}

impl Scope<'_> {
    /// The names must name something.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        named("the cluster's name", self.cluster)?;
        self.node.map_or(Ok(()), |node| named("the node's name", node))?;
        named("the name of a key or secret", name)
    }
}

impl Seed {
    /// A new seed, from the kernel's random numbers. The only random number of this engine.
    pub fn generate() -> Result<Seed> {
        let mut bytes = Bytes::default();
        getrandom::fill(&mut bytes[..])
            .map_err(|error| Error::environment(format!("reading the kernel's random numbers: {error}")))?;
        Ok(Seed(bytes))
    }

    /// One that is everybody's, and that no file can hold: for plans that are looked at and never built. Where RSA keys are
    /// asked for it gives ECDSA ones, which cost nothing.
    pub fn stand_in() -> Seed {
        Seed(Bytes::default())
    }

    /// Whether it is the one that stands in.
    pub(super) fn is_stand_in(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Reads what [`Seed::to_text`] writes; the last LF may be missing, nothing else may differ.
    pub fn parse(text: &[u8]) -> Result<Seed> {
        let malformed = |what: String| {
            Error::usage(format!("this is not a seed: {what}")).advise("give the file that `mastermold pki init` wrote")
        };
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let digits = line.strip_prefix(PREFIX.as_bytes());
        let digits = digits.ok_or_else(|| malformed(format!("it does not start with `{PREFIX}`")))?;
        if digits.len() != 2 * SIZE {
            return Err(malformed(format!("it has {} digits, not {}", digits.len(), 2 * SIZE)));
        }
        let mut bytes = Bytes::default();
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            let both = value(pair[0]).zip(value(pair[1]));
            let (high, low) = both.ok_or_else(|| malformed("a digit is not lower-case hexadecimal".into()))?;
            *byte = high << 4 | low;
        }
        Seed::of(bytes)
    }

    /// A seed of one byte repeated was never random.
    fn of(bytes: Bytes) -> Result<Seed> {
        match bytes.iter().all(|byte| *byte == bytes[0]) {
            true => Err(Error::trust("the seed is one byte repeated").advise("make one with `mastermold pki init`")),
            false => Ok(Seed(bytes)),
        }
    }

    /// The seed as its file holds it: one line.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * SIZE + 1));
        text.push_str(PREFIX);
        hexadecimal(&self.0[..], &mut text);
        text.push('\n');
        text
    }

    /// What tells seeds apart and says nothing of them: 32 hexadecimal digits, safe to publish.
    pub fn fingerprint(&self) -> String {
        let mut bytes = [0; 16];
        // The length is far below what HKDF can give.
        let scope = Scope { cluster: "", node: None, generation: 0 };
        let _ = self.expand("fingerprint", &scope, "", &mut bytes);
        let mut text = String::new();
        hexadecimal(&bytes, &mut text);
        text
    }

    /// Fills `out`, of at most 8160 bytes, with the output of the derivation that this module's head defines.
    pub(super) fn derive(&self, purpose: &str, scope: &Scope<'_>, name: &str, out: &mut [u8]) -> Result<()> {
        scope.check(name)?;
        self.expand(purpose, scope, name, out)
    }

    fn expand(&self, purpose: &str, scope: &Scope<'_>, name: &str, out: &mut [u8]) -> Result<()> {
        let length = out.len();
        Hkdf::<Sha256>::new(None, &self.0[..])
            .expand(&info(purpose, scope, name), out)
            .map_err(|_| Error::bug(format!("deriving {length} bytes, which is more than HKDF gives")))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// What tells private files apart that do not come from the seed, and says nothing of any of them: 32 hexadecimal
/// digits over all of them together and 32 bytes that only the seed gives. Safe to publish.
///
/// It is the first half of SHA-256 over those bytes (purpose `imports`, scope "cluster", every other field empty,
/// generation 0) and then, sorted by name, each name and each content with its length before it (8 bytes, big-endian).
pub fn fingerprint_of(seed: &Seed, files: &BTreeMap<String, Zeroizing<Vec<u8>>>) -> Result<String> {
    let mut salt = Zeroizing::new([0; 32]);
    seed.expand("imports", &Scope { cluster: "", node: None, generation: 0 }, "", &mut salt[..])?;
    let mut hash = Sha256::new().chain_update(&salt[..]);
    for field in files.iter().flat_map(|(name, content)| [name.as_bytes(), content]) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    let mut text = String::new();
    hexadecimal(&hash.finalize()[..16], &mut text);
    Ok(text)
}

/// What HKDF is told apart from the seed: see the head of this module.
fn info(purpose: &str, scope: &Scope<'_>, name: &str) -> Vec<u8> {
    let scope_field = scope.node.map_or("cluster".to_owned(), |node| format!("node/{node}"));
    let generation = scope.generation.to_be_bytes();
    let mut info = LABEL.to_vec();
    for field in [purpose.as_bytes(), scope.cluster.as_bytes(), scope_field.as_bytes(), name.as_bytes(), &generation] {
        info.extend_from_slice(&(field.len() as u64).to_be_bytes());
        info.extend_from_slice(field);
    }
    info
}

/// Appends bytes in lower-case hexadecimal, without a buffer of its own.
pub(super) fn hexadecimal(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seed() -> Seed {
        let mut bytes = Bytes::default();
        (0..).zip(bytes.iter_mut()).for_each(|(value, byte)| *byte = value);
        Seed(bytes)
    }

    /// Written out by hand from the head of this module, and by a program of another language (tests/vectors/derive.py).
    #[test]
    fn the_derivation_is_what_the_head_of_this_file_says() {
        let scope = Scope { cluster: "prod", node: Some("master-0"), generation: 2 };
        let expected: &[&[u8]] = &[
            b"mastermold/1",
            b"\0\0\0\0\0\0\0\x0dsecret/raw/32",
            b"\0\0\0\0\0\0\0\x04prod",
            b"\0\0\0\0\0\0\0\x0dnode/master-0",
            b"\0\0\0\0\0\0\0\x01x",
            b"\0\0\0\0\0\0\0\x04\0\0\0\x02",
        ];
        assert_eq!(info("secret/raw/32", &scope, "x"), expected.concat());
    }

    type Fields = (String, String, Option<String>, String, u32);

    fn of((purpose, cluster, node, name, generation): &Fields) -> Vec<u8> {
        info(purpose, &Scope { cluster, node: node.as_deref(), generation: *generation }, name)
    }

    /// Few letters and short fields, so that the same bytes are often cut in another way.
    fn fields() -> impl Strategy<Value = Fields> {
        let word = || "[a/\0]{0,3}";
        (word(), word(), proptest::option::of(word()), word(), 0u32..3)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn different_fields_never_give_the_same_info(a in fields(), b in fields()) {
            prop_assert_eq!(a == b, of(&a) == of(&b));
        }
    }

    #[test]
    fn lengths_keep_neighbours_apart() {
        let scope = |cluster, node| Scope { cluster, node, generation: 1 };
        assert_ne!(info("ab", &scope("c", None), "n"), info("a", &scope("bc", None), "n"));
        assert_ne!(info("p", &scope("c", Some("a")), "bn"), info("p", &scope("c", Some("ab")), "n"));
        assert_ne!(info("p", &scope("c", None), "n"), info("p", &scope("c", Some("cluster")), "n"));
    }

    #[test]
    fn written_and_read() {
        let text = seed().to_text();
        assert_eq!(
            text.as_str(),
            "mastermold-seed-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
        );
        for good in [text.as_bytes(), text.trim_end().as_bytes()] {
            assert_eq!(Seed::parse(good).unwrap().0, seed().0);
        }
        let made = Seed::generate().unwrap();
        assert_eq!(Seed::parse(made.to_text().as_bytes()).unwrap().fingerprint(), made.fingerprint());
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        let good = seed().to_text();
        for bad in [
            String::new(),
            good.replace('\n', "\r\n"),
            format!("{}\n", good.as_str()),
            format!(" {}", good.as_str()),
            good.replace("1f", "1F"),
            good.replace("1f", "1g"),
            good.replace("1f", "1"),
            good.replace("1f", "1f00"),
            good.replace("seed-1", "seed-2"),
            good[18..].to_owned(),
            format!("{PREFIX}{}", "00".repeat(32)),
        ] {
            let error = Seed::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("0405") && !error.contains("1819"), "{error}");
        }
        assert!(Seed::parse(&[0xff; 83]).is_err());
        assert_eq!(format!("{:?}", seed()), "Seed(..)");
    }
}
