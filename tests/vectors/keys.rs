//! Keys and certificates.

use std::fs;

use mastermold::digest::Digest;
use mastermold::error::Class;
use mastermold::pki::{
    Algorithm, Authority, AuthorityRequest, Certificate, CertificateRequest, Issued, KeyEncoding, PrivateKey, Subject,
    issue, pair_key,
};
use serde_json::Value;

use super::{hex, numbers, openssl, plain, scope, seed, try_openssl, vectors};

/// A second at which all certificates are valid, but those of the next century.
const WITHIN: &str = "1793836800";

/// The texts of a list that may be missing, read.
fn list<T: std::str::FromStr>(value: &Value) -> Vec<T> {
    let texts = value.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().map(|text| text.as_str().unwrap().parse().ok().unwrap()).collect()
}

fn text<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.as_str().map(|text| text.parse().ok().unwrap())
}

fn number<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    value.as_u64().map(|number| number.try_into().ok().unwrap())
}

fn subject(vector: &Value) -> Subject {
    let vector = &vector["subject"];
    Subject { cn: text(&vector["cn"]).unwrap(), o: list(&vector["o"]), ou: list(&vector["ou"]) }
}

fn authority(vector: &Value, above: Option<&Authority>) -> Authority {
    let request = AuthorityRequest {
        name: text(&vector["name"]).unwrap(),
        subject: subject(vector),
        dns: list(&vector["dns"]),
        key_usages: list(&vector["key-usages"]),
        not_before: text(&vector["not-before"]).unwrap(),
        days: number(&vector["days"]).unwrap(),
        serial: text(&vector["serial"]),
        generation: number(&vector["generation"]).unwrap_or(1),
        algorithm: text(&vector["algorithm"]).unwrap(),
        path_length: number(&vector["path-length"]),
    };
    Authority::derive(&seed(), vectors("certificates.json")["authorities-in"].as_str().unwrap(), &request, above)
        .unwrap()
}

fn leaf(vector: &Value, authority: &Authority) -> Issued {
    let request = CertificateRequest {
        name: text(&vector["name"]).unwrap(),
        subject: subject(vector),
        usages: list(&vector["usages"]),
        key_usages: list(&vector["key-usages"]),
        dns: list(&vector["dns"]),
        ip: list(&vector["ip"]),
        uri: list(&vector["uri"]),
        not_before: text(&vector["not-before"]).unwrap(),
        days: number(&vector["days"]).unwrap(),
        serial: text(&vector["serial"]),
        algorithm: text(&vector["algorithm"]).unwrap(),
        encoding: None,
    };
    issue(&seed(), &scope(&vectors("certificates.json")["others-in"]), authority, &request).unwrap()
}

/// The vector of a certificate, and its file.
fn wanted(name: &str, algorithm: Algorithm) -> (Value, String) {
    let of = |vector: &&Value| vector["name"] == name && vector["algorithm"] == algorithm.to_string();
    let vector = vectors("certificates.json")["certificates"].as_array().unwrap().iter().find(of).unwrap().clone();
    let all = fs::read_to_string(super::directory().join("certificates.pem")).unwrap();
    let (_, file) = all.split_once(&format!("{name} {algorithm}\n")).unwrap();
    let end = file.find("-----END CERTIFICATE-----\n").unwrap();
    (vector, file[..end].to_owned() + "-----END CERTIFICATE-----\n")
}

/// The certificate is the vector's, to the byte, and so is what OpenSSL reads in it.
fn compare(pem: &str, (vector, file): &(Value, String)) {
    assert_eq!(pem, file, "{}", vector["name"]);
    let der = openssl("x509 -outform DER", pem);
    assert_eq!(Digest::of(&der).to_string(), vector["sha256"].as_str().unwrap());
    assert_eq!(Certificate::from_der(&der).unwrap().serial(), vector["serial-number"].as_str().unwrap());
    let says = String::from_utf8(openssl("x509 -noout -serial -ext subjectKeyIdentifier", pem)).unwrap();
    let says = says.to_lowercase().replace(':', "");
    for part in ["serial-number", "key-id"] {
        assert!(says.contains(vector[part].as_str().unwrap()), "{part}: {says}");
    }
}

/// A certificate of this authority that OpenSSL accepts, strictly.
fn verified(authority: &Authority, leaf: &Issued, purpose: &str) {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let chain = authority.chain_pem();
    let root = chain.rfind("-----BEGIN").unwrap();
    write("root", &chain[root..]);
    write("leaf", &leaf.certificate_pem);
    let [root, leaf] = ["root", "leaf"].map(|name| directory.path().join(name).display().to_string());
    openssl(&format!("verify -x509_strict -check_ss_sig -attime {WITHIN} -CAfile {root} {root}"), "");
    let strict = format!("verify -x509_strict -attime {WITHIN} -purpose {purpose} -CAfile {root}");
    // As a server sends it: the leaf's own file has what is between.
    openssl(&format!("{strict} -untrusted {leaf} {leaf}"), "");
}

/// The vectors of a key: those of this purpose and kind.
fn of(purpose: &str, algorithm: Algorithm) -> Vec<Value> {
    let all = vectors("derivation.json")["keys"].as_array().unwrap().clone();
    let wanted = |vector: &Value| vector["purpose"] == purpose && vector["algorithm"] == algorithm.to_string();
    let found: Vec<Value> = all.into_iter().filter(wanted).collect();
    assert!(!found.is_empty(), "{purpose} {algorithm}");
    found
}

/// OpenSSL finds the vector's number in a key's file, finds the key sound, and makes the same public key of it.
fn compare_key(pem: &str, vector: &Value) {
    let found = numbers(pem);
    let numbers: &[_] = match vector["private"].is_string() {
        true => &[("priv", "private")],
        false => &[("prime1", "p"), ("prime2", "q"), ("privateExponent", "d")],
    };
    for (its, ours) in numbers {
        assert_eq!(found[*its], plain(vector[ours].as_str().unwrap()), "{ours} of {}", vector["name"]);
    }
    openssl(if numbers.len() == 3 { "rsa -check -noout" } else { "pkey -check -noout" }, pem);
    assert_eq!(hex(&openssl("pkey -pubout -outform DER", pem)), vector["public"].as_str().unwrap());
}

/// A key in every encoding that its kind has, and in none that it has not.
fn compare_encodings(key: &PrivateKey, algorithm: Algorithm, vector: &Value) {
    let has = |encoding| match (encoding, algorithm) {
        (KeyEncoding::Pkcs8, _) => Some("PRIVATE KEY"),
        (KeyEncoding::Sec1, Algorithm::EcdsaP256 | Algorithm::EcdsaP384) => Some("EC PRIVATE KEY"),
        (KeyEncoding::Pkcs1, Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096) => Some("RSA PRIVATE KEY"),
        _ => None,
    };
    for encoding in [KeyEncoding::Sec1, KeyEncoding::Pkcs1, KeyEncoding::Pkcs8] {
        match (has(encoding), key.pem(encoding)) {
            (Some(label), Ok(pem)) => {
                assert!(pem.starts_with(&format!("-----BEGIN {label}-----\n")), "{algorithm} {encoding:?}");
                compare_key(&pem, vector);
                assert_eq!(PrivateKey::parse(pem.as_bytes()).unwrap().public().unwrap(), key.public().unwrap());
            }
            (None, Err(error)) => assert_eq!((error.class(), error.faults().len()), (Class::Usage, 1), "{error}"),
            (has, given) => panic!("{algorithm} {encoding:?}: {has:?}, {:?}", given.map(|_| "a file")),
        }
    }
    assert!(has(key.usual_encoding()).is_some() && key.usual_encoding() == algorithm.usual_encoding());
    assert_eq!(hex(key.public().unwrap().der()), vector["public"].as_str().unwrap());
}

/// All vectors of a kind of key. Each key is made once: the large ones take a second or more.
fn all_of(algorithm: Algorithm) {
    let (root, end) = (wanted("ca", algorithm), wanted("leaf", algorithm));
    let authority = authority(&root.0, None);
    let leaf = leaf(&end.0, &authority);
    compare(authority.certificate_pem(), &root);
    compare(&leaf.certificate_pem, &end);
    for purpose in ["sslserver", "sslclient"] {
        verified(&authority, &leaf, purpose);
    }
    let keys = [("authority", authority.key_pem(None).unwrap()), ("certificate", leaf.key_pem)];
    for (purpose, key) in keys {
        for vector in of(purpose, algorithm) {
            compare_key(&key, &vector);
        }
    }
    for vector in of("key-pair", algorithm) {
        let key = pair_key(&seed(), algorithm, &scope(&vector), vector["name"].as_str().unwrap()).unwrap();
        compare_encodings(&key, algorithm, &vector);
    }
}

#[test]
fn ecdsa_p256() {
    all_of(Algorithm::EcdsaP256);
}

#[test]
fn ecdsa_p384() {
    all_of(Algorithm::EcdsaP384);
}

#[test]
fn ed25519() {
    all_of(Algorithm::Ed25519);
}

#[test]
fn rsa_2048() {
    all_of(Algorithm::Rsa2048);
}

#[test]
fn rsa_3072() {
    all_of(Algorithm::Rsa3072);
}

#[test]
fn rsa_4096() {
    all_of(Algorithm::Rsa4096);
}

/// Several organizations, UTF-8, wildcards, addresses of both kinds, URIs, key usages, a serial number of its own, an
/// authority between: all of it in the bytes that derive.py writes.
#[test]
fn certificates_that_say_everything() {
    let [root, between, everything, long] = [
        ("ca", Algorithm::EcdsaP256),
        ("between", Algorithm::EcdsaP384),
        ("everything", Algorithm::Ed25519),
        ("long", Algorithm::EcdsaP256),
    ]
    .map(|(name, algorithm)| wanted(name, algorithm));
    let above = authority(&root.0, None);
    let issuer = authority(&between.0, Some(&above));
    let leaf = leaf(&everything.0, &issuer);
    compare(issuer.certificate_pem(), &between);
    compare(&leaf.certificate_pem, &(everything.0.clone(), everything.1.clone() + &between.1));
    compare(authority(&long.0, None).certificate_pem(), &long);
    assert_eq!(issuer.chain_pem(), between.1.clone() + &root.1);
    assert_eq!(leaf.issuers_pem, issuer.chain_pem());
    verified(&issuer, &leaf, "any");
    let says = String::from_utf8(openssl("x509 -noout -ext keyUsage,subjectAltName -serial", &leaf.certificate_pem));
    let says = says.unwrap();
    for part in [
        "serial=7F00000000000000000000000000000000000001\n",
        "Digital Signature, Non Repudiation, Data Encipherment, Key Agreement\n",
        "DNS:b.example, DNS:a.example, DNS:*.c.example, IP Address:0:0:0:0:0:0:0:1, IP Address:10.0.0.1, \
         IP Address:2001:DB8:0:0:0:0:0:1, URI:spiffe://prod.example/everything, URI:urn:a\n",
    ] {
        assert!(says.contains(part), "{part}\n{says}");
    }
}

/// That the judge would notice: a key's file with one digit changed is not sound, or is another key.
#[test]
fn a_number_that_is_changed_is_noticed() {
    let vector = of("key-pair", Algorithm::EcdsaP256).remove(0);
    let key = pair_key(&seed(), Algorithm::EcdsaP256, &scope(&vector), vector["name"].as_str().unwrap()).unwrap();
    let pem = key.pem(KeyEncoding::Sec1).unwrap();
    let digit = if &pem[50..51] == "A" { "B" } else { "A" };
    let changed = format!("{}{digit}{}", &pem[..50], &pem[51..]);
    assert_ne!(numbers(&changed)["priv"], plain(vector["private"].as_str().unwrap()));
    assert!(!try_openssl("pkey -check -noout", changed).status.success());
}
