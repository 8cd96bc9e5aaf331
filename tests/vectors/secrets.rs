//! Secrets and fingerprints; and that nothing that is asked for differently is ever the same.

use std::collections::BTreeMap;

use mastermold::error::Class;
use mastermold::pki::{Algorithm, KeyEncoding, Scope, SecretShape, Seed, fingerprint_of, pair_key, secret};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{hex, openssl, scope, seed, unhex, vectors};

fn shape(name: &str, size: Option<u64>) -> SecretShape {
    let size = size.map(|size| size.try_into().unwrap());
    match (name, size) {
        ("raw", Some(bytes)) => SecretShape::Raw { bytes },
        ("base64", Some(bytes)) => SecretShape::Base64 { bytes },
        ("hex", Some(bytes)) => SecretShape::Hex { bytes },
        ("alphanumeric", Some(characters)) => SecretShape::Alphanumeric { characters },
        ("bootstrap-token", None) => SecretShape::BootstrapToken,
        other => panic!("no shape: {other:?}"),
    }
}

#[test]
fn secrets_are_the_vectors() {
    let all = vectors("derivation.json");
    for vector in all["secrets"].as_array().unwrap() {
        let shape = shape(vector["shape"].as_str().unwrap(), vector["size"].as_u64());
        let made = secret(&seed(), &scope(vector), vector["name"].as_str().unwrap(), shape).unwrap();
        let shown = match shape {
            SecretShape::Raw { .. } => hex(&made),
            _ => String::from_utf8(made.to_vec()).unwrap(),
        };
        assert_eq!(shown, vector["secret"].as_str().unwrap(), "{vector}");
        shape.check(&made).unwrap();
    }
}

/// A third implementation of HKDF, that of OpenSSL, over the `info` of the vectors.
#[test]
fn openssl_derives_the_same_bytes() {
    let all = vectors("derivation.json");
    let raw = |vector: &&serde_json::Value| vector["shape"] == "raw" || vector["shape"] == "hex";
    let key = &all["seed"].as_str().unwrap()["mastermold-seed-1:".len()..].trim_end();
    let derive = |vector: &serde_json::Value, length: usize| {
        let info = vector["info"].as_str().unwrap();
        let options = format!("-kdfopt digest:SHA256 -kdfopt hexkey:{key} -kdfopt hexinfo:{info}");
        hex(&openssl(&format!("kdf -binary -keylen {length} {options} HKDF"), ""))
    };
    for vector in all["secrets"].as_array().unwrap().iter().filter(raw) {
        let secret = vector["secret"].as_str().unwrap();
        assert_eq!(derive(vector, secret.len() / 2), secret);
    }
    for vector in all["keys"].as_array().unwrap() {
        let okm = vector["okm"].as_str().unwrap();
        assert_eq!(derive(vector, okm.len() / 2), okm);
    }
}

#[test]
fn fingerprints_are_the_vectors() {
    let all = vectors("derivation.json");
    assert_eq!(seed().fingerprint(), all["fingerprint"].as_str().unwrap());
    for vector in all["imports"].as_array().unwrap() {
        let files = vector["files"].as_object().unwrap().iter();
        let files: BTreeMap<_, _> =
            files.map(|(name, content)| (name.clone(), Zeroizing::new(unhex(content.as_str().unwrap())))).collect();
        assert_eq!(fingerprint_of(&seed(), &files).unwrap(), vector["fingerprint"].as_str().unwrap());
    }
}

/// Every secret and private key that has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Secret(SecretShape),
    Key(Algorithm),
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq)]
struct Whose {
    cluster: String,
    node: Option<String>,
    name: String,
    generation: u32,
}

/// The bytes before they are written down: what is base64 or hexadecimal is read again, so that two forms of one secret
/// would be seen to be one.
fn bytes(what: What, whose: &Whose) -> Vec<u8> {
    let Whose { cluster, node, name, generation } = whose;
    let scope = Scope { cluster, node: node.as_deref(), generation: *generation };
    let decode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    };
    match what {
        What::Secret(shape) => {
            let made = secret(&seed(), &scope, name, shape).unwrap();
            match shape {
                SecretShape::Base64 { .. } => decode(std::str::from_utf8(&made).unwrap()),
                SecretShape::Hex { .. } => unhex(std::str::from_utf8(&made).unwrap()),
                _ => made.to_vec(),
            }
        }
        What::Key(algorithm) => {
            let pem = pair_key(&seed(), algorithm, &scope, name).unwrap().pem(KeyEncoding::Pkcs8).unwrap();
            let der = decode(&pem.lines().filter(|line| !line.starts_with('-')).collect::<String>());
            // The first octet string of 32 bytes (RFC 5915, RFC 8410); all keys here have that many.
            let at = der.windows(2).position(|pair| pair == [4, 32]).unwrap() + 2;
            der[at..at + 32].to_vec()
        }
    }
}

const WHATS: [What; 14] = [
    What::Secret(SecretShape::Raw { bytes: 16 }),
    What::Secret(SecretShape::Raw { bytes: 32 }),
    What::Secret(SecretShape::Raw { bytes: 33 }),
    What::Secret(SecretShape::Base64 { bytes: 16 }),
    What::Secret(SecretShape::Base64 { bytes: 32 }),
    What::Secret(SecretShape::Hex { bytes: 16 }),
    What::Secret(SecretShape::Hex { bytes: 32 }),
    What::Secret(SecretShape::Hex { bytes: 48 }),
    What::Secret(SecretShape::BootstrapToken),
    What::Secret(SecretShape::Alphanumeric { characters: 16 }),
    What::Secret(SecretShape::Alphanumeric { characters: 23 }),
    What::Secret(SecretShape::Alphanumeric { characters: 24 }),
    What::Key(Algorithm::EcdsaP256),
    What::Key(Algorithm::Ed25519),
];

/// Every combination of fields that are easily taken for one another: no two are equal, and none begins another.
#[test]
fn nothing_is_shared() {
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut found = Vec::new();
    for cluster in text(&["a", "b", "a/b", "cluster"]) {
        for node in [None].into_iter().chain(text(&["a", "cluster", "node/a", "a/b"]).into_iter().map(Some)) {
            for name in text(&["a", "b", "a/b", "kubeconfig/a", "1"]) {
                for (generation, what) in [1, 2].into_iter().flat_map(|generation| WHATS.map(|what| (generation, what)))
                {
                    let whose = Whose { cluster: cluster.clone(), node: node.clone(), name: name.clone(), generation };
                    found.push((bytes(what, &whose), what, whose));
                }
            }
        }
    }
    assert_eq!(found.len(), 4 * 5 * 5 * 2 * 14);
    // In this order whatever begins another begins the next.
    found.sort_by(|one, other| one.0.cmp(&other.0));
    for pair in found.windows(2) {
        assert!(!pair[1].0.starts_with(&pair[0].0), "{:?}", pair);
    }
}

fn whose() -> impl Strategy<Value = Whose> {
    // Mostly few letters, so that fields are often equal; now and then anything that is a name.
    let word =
        || prop_oneof![4 => "[ab/]{1,3}", 1 => "[\\PC--\\s\u{200e}\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}]{1,8}"];
    (word(), proptest::option::of(word()), word(), 1u32..4).prop_map(|(cluster, node, name, generation)| Whose {
        cluster,
        node,
        name,
        generation,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn two_are_the_same_only_if_they_are_asked_for_in_the_same_way(
        one in whose(),
        other in whose(),
        first in prop::sample::select(&WHATS[..]),
        second in prop::sample::select(&WHATS[..]),
        is_same in any::<bool>(),
    ) {
        let other = if is_same { one.clone() } else { other };
        let (mine, its) = (bytes(first, &one), bytes(second, &other));
        let shared = mine.starts_with(&its) || its.starts_with(&mine);
        prop_assert_eq!(shared, one == other && first == second);
    }
}

/// What no name may be, in any of its places; what it says is one line, without what it refuses.
#[test]
fn what_does_not_print_is_no_name() {
    for bad in ["", " ", " a", "a ", "a\0", "\0", "a\nb", "a\u{7f}", "\u{85}a", "a\u{202e}b", "\u{3000}a", "a\u{2069}"]
    {
        let scope = Scope { cluster: "c", node: None, generation: 1 };
        for (scope, name) in
            [(Scope { cluster: bad, ..scope }, "n"), (Scope { node: Some(bad), ..scope }, "n"), (scope, bad)]
        {
            let refused = [
                secret(&seed(), &scope, name, SecretShape::BootstrapToken).unwrap_err(),
                pair_key(&seed(), Algorithm::Ed25519, &scope, name).unwrap_err(),
            ];
            for error in refused {
                assert_eq!((error.class(), error.to_string().lines().count()), (Class::Usage, 1), "{bad:?}: {error}");
                assert!(!error.to_string().contains(['\0', '\u{7f}', '\u{85}', '\u{202e}', '\u{2069}']), "{error:?}");
            }
        }
    }
}

/// Another seed, another everything: of one bit that differs.
#[test]
fn one_bit_of_the_seed_changes_everything() {
    let text = vectors("derivation.json")["seed"].as_str().unwrap().replace("1e1f", "1e1e");
    let other = Seed::parse(text.as_bytes()).unwrap();
    let scope = Scope { cluster: "c", node: None, generation: 1 };
    assert_ne!(other.fingerprint(), seed().fingerprint());
    for shape in [SecretShape::Raw { bytes: 16 }, SecretShape::BootstrapToken] {
        assert_ne!(*secret(&other, &scope, "n", shape).unwrap(), *secret(&seed(), &scope, "n", shape).unwrap());
    }
}
