//! DSSE envelopes against OpenSSL, which knows nothing of them but the signature.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mastermold::sign::{SecretKey, dsse};

/// Whether OpenSSL takes this for a signature over these bytes by the key of a minisign public key file.
fn accepted(folder: &Path, public: &str, bytes: &[u8], signature: &[u8]) -> bool {
    // Algorithm (2), key id (8), key (32); before the key what X.509 puts there for Ed25519 (RFC 8410, section 4).
    let key = &STANDARD.decode(public.lines().nth(1).unwrap()).unwrap()[10..];
    let der = [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], key].concat();
    for (name, contents) in [("key.der", &der[..]), ("bytes", bytes), ("signature", signature)] {
        std::fs::write(folder.join(name), contents).unwrap();
    }
    let words = "pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in bytes -sigfile signature";
    Command::new("openssl").args(words.split(' ')).current_dir(folder).output().unwrap().status.success()
}

#[test]
fn openssl_accepts_what_is_sealed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [SecretKey::generate().unwrap(), SecretKey::generate().unwrap()];
    let payload = b"{\"_type\":\"https://in-toto.io/Statement/v1\"}\n";
    let text = dsse::seal(&[&keys[0], &keys[1]], payload).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
    let field = |value: &serde_json::Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    assert_eq!(field(&envelope["payload"]), payload);
    // DSSE's protocol.md, written out by hand.
    let start = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len());
    let signed = [start.as_bytes(), payload].concat();
    for (index, key) in keys.iter().enumerate() {
        let entry = &envelope["signatures"][index];
        assert_eq!(entry["keyid"], key.public().key_id().to_string());
        let (public, mut signature) = (key.public().to_text(), field(&entry["sig"]));
        assert!(accepted(folder.path(), &public, &signed, &signature));
        assert!(!accepted(folder.path(), &public, payload, &signature), "over the bare payload");
        signature[7] ^= 1;
        assert!(!accepted(folder.path(), &public, &signed, &signature), "another signature");
    }
}
