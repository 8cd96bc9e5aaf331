//! Signatures and the keys that make them: minisign, OpenSSH, DSSE, CMS. No password is ever given, so that no input can
//! ask for scrypt.

use std::str::from_utf8;
use std::sync::LazyLock;

use mastermold::digest::Digest;
use mastermold::epoch::Epoch;
use mastermold::pki::{Certificate, Term, cms as boot};
use mastermold::sign::{Minisig, PublicKey, SecretKey, SshKey, SshSignature, TrustedKey, dsse as envelope, sign};

/// A key that is known to all: the corpus has signatures by it.
const KEY: &[u8] = include_bytes!("../known.key");
/// An authority whose leaf signed [`MESSAGE`] with CMS; valid from the end of 2026 for two years.
const AUTHORITY: &[u8] = include_bytes!("../known.authority");
const MESSAGE: &[u8] = b"what was signed\n";

static KNOWN: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::parse(KEY, None).unwrap());
static PUBLIC: LazyLock<[PublicKey; 1]> = LazyLock::new(|| [KNOWN.public()]);

/// Of all files that could be a signature with this comment, one is taken; and what is signed is verified.
pub fn signature(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let good =
        |file: &Minisig, message: &[u8]| file.is_by(&PUBLIC[0], message) && file.check_comment(&PUBLIC[0]).is_ok();
    if let Ok(file) = Minisig::parse(text)
        && file.key_id() == PUBLIC[0].key_id()
        && good(&file, MESSAGE)
    {
        assert_eq!(sign(&KNOWN, MESSAGE, file.comment()).unwrap(), text);
        assert!(!good(&file, b"something else\n"));
    }
    if let Ok(made) = sign(&KNOWN, MESSAGE, text) {
        let file = Minisig::parse(&made).unwrap();
        assert!(good(&file, MESSAGE) && file.comment() == text);
    }
}

/// OpenSSH's signatures; what is read has a namespace of one line, and is by nobody but its key.
pub fn ssh(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(file) = SshSignature::parse(text) {
        assert!(!file.namespace().contains('\n'));
        let _ = file.is_by(&file.key().clone(), MESSAGE);
        assert_eq!(&SshKey::parse(&file.key().to_text()).unwrap(), file.key());
    }
}

/// An envelope: what is opened is what is sealed again.
pub fn dsse(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok((payload, keys)) = envelope::open(&*PUBLIC, text)
        && keys == [PUBLIC[0].key_id()]
        && text.matches("keyid").count() == 1
    {
        assert_eq!(envelope::seal(&[&KNOWN], &payload).unwrap(), text);
    }
    let sealed = envelope::seal(&[&KNOWN], data).unwrap();
    assert_eq!(envelope::open(&*PUBLIC, &sealed).unwrap().0, data);
}

static AUTHORITIES: LazyLock<Vec<Certificate>> = LazyLock::new(|| Certificate::parse(AUTHORITY).unwrap());

/// CMS, as iPXE wants it: what holds for these bytes does not for others, nor without the authority.
pub fn cms(data: &[u8]) {
    let at: Epoch = "2027-01-01T00:00:00Z".parse().unwrap();
    let term = Term { at, least: Default::default() };
    if let Ok(signer) = boot::verify(data, &Digest::of(MESSAGE), &AUTHORITIES, &term) {
        assert!(!signer.chain.is_empty());
        assert!(boot::verify(data, &Digest::of(b"other"), &AUTHORITIES, &term).is_err());
        assert!(boot::verify(data, &Digest::of(MESSAGE), &[], &term).is_err());
    }
}

/// A public key says the same after it was written.
pub fn public_key(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_text()).unwrap(), key);
    }
    if let Ok(key) = TrustedKey::parse(text) {
        assert!(TrustedKey::parse(&key.to_text()).unwrap().is(&key));
    }
}

/// A secret key without a password is the same key after it was written; one with a password is not opened.
pub fn secret_key(data: &[u8]) {
    let protected = SecretKey::is_protected(data);
    let Ok(key) = SecretKey::parse(data, None) else { return };
    assert!(!protected.unwrap());
    let written = key.to_text(None).unwrap();
    assert_eq!(SecretKey::parse(written.as_bytes(), None).unwrap().public(), key.public());
    let made = Minisig::parse(&sign(&key, MESSAGE, "x").unwrap()).unwrap();
    assert!(made.is_by(&key.public(), MESSAGE));
}
