//! minisign's three files. No password is ever given, so that no input can ask for scrypt.

use std::str::from_utf8;
use std::sync::LazyLock;

use mastermold::sign::{PublicKey, SecretKey, sign, verify};

/// A key that is known to all: the corpus has signatures by it.
const KEY: &[u8] = include_bytes!("../known.key");
const MESSAGE: &[u8] = b"what was signed\n";

static KNOWN: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::parse(KEY, None).unwrap());
static PUBLIC: LazyLock<[PublicKey; 1]> = LazyLock::new(|| [KNOWN.public()]);

/// Of all files that could be a signature with this comment, one is taken; and what is signed is verified.
pub fn signature(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(signed) = verify(&*PUBLIC, MESSAGE, text) {
        assert_eq!(sign(&KNOWN, MESSAGE, &signed.trusted_comment).unwrap(), text);
        assert!(verify(&*PUBLIC, b"something else\n", text).is_err());
    }
    if let Ok(made) = sign(&KNOWN, MESSAGE, text) {
        assert_eq!(verify(&*PUBLIC, MESSAGE, &made).unwrap().trusted_comment, text);
    }
}

/// A public key says the same after it was written.
pub fn public_key(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(key) = PublicKey::parse(text) else { return };
    assert_eq!(PublicKey::parse(&key.to_text()).unwrap(), key);
}

/// A secret key without a password is the same key after it was written; one with a password is not opened.
pub fn secret_key(data: &[u8]) {
    let protected = SecretKey::is_protected(data);
    let Ok(key) = SecretKey::parse(data, None) else { return };
    assert!(!protected.unwrap());
    let written = key.to_text(None).unwrap();
    assert_eq!(SecretKey::parse(written.as_bytes(), None).unwrap().public(), key.public());
    let made = sign(&key, MESSAGE, "x").unwrap();
    // A weak key can be read here, and can sign; nobody takes its public half.
    if let Ok(public) = PublicKey::parse(&key.public().to_text()) {
        assert_eq!(verify(&[public], MESSAGE, &made).unwrap().trusted_comment, "x");
    }
}
