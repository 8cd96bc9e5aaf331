//! Signatures against the real minisign, and against everything that it lets through.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::Signer as _;
use mastermold::error::{Class, Error};
use mastermold::sign::{Detached, PublicKey, Scheme, SecretKey, TrustedKey, sign};

const MESSAGE: &[u8] = b"3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b  node.cpio.zst\n";
const COMMENT: &str = "mastermold cluster=prod version=2026.11.1 epoch=2026-11-01T00:00:00Z";

/// Made by minisign 0.11 (`-G -W`), so that signatures can be compared with fixed bytes.
const KEY: &str = "untrusted comment: minisign encrypted secret key\n\
    RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAhuelDY+C9Iw1z2T+GuTb1p2fm2ue5usfzQRjxCYasecnQ015Hg5sTlA2h2F20jmZm/61TdbAu/75/X0M4Ex/Vjb8bVNVqlJhAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
const PUBLIC: &str = "untrusted comment: minisign public key 8CF4828F0DA5E786\n\
    RWSG56UNj4L0jFA2h2F20jmZm/61TdbAu/75/X0M4Ex/Vjb8bVNVqlJh\n";
/// What minisign 0.11 wrote for "hi\n" and the comment "mastermold cluster=prod version=1" with that key.
const MINISIGN_SAID: &str = "untrusted comment: signature from minisign secret key\n\
    RUSG56UNj4L0jH9o1VAlybHW4uwzPeyOpBdUmfYGZOIbhIDBdQpbvjlWjlG7ajhsakP8qdfAXG6QYwGJFareOPd4AwQI8Mu0fgo=\n\
    trusted comment: mastermold cluster=prod version=1\n\
    9vID7x4vO/ouBTI7jEenqUGvlkzsHzEiXYHeOAriXdUylVnq54Ni1hD5IpuIcOznWPpjxwN00FeuWrKqOZhLDA==\n";

fn key() -> SecretKey {
    SecretKey::parse(KEY.as_bytes(), None).unwrap()
}

/// Runs minisign with `arguments` in `directory`, and types `input` at its prompts.
fn minisign(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new("minisign");
    command.args(arguments).current_dir(directory).env("HOME", directory);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("minisign 0.11 is needed: apt-get install minisign");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// What a good signature says.
struct Signed {
    key: String,
    trusted_comment: String,
}

/// A signature by one of `keys`.
fn verify(keys: &[PublicKey], message: &[u8], signature: &str) -> Result<Signed, Error> {
    let keys: Vec<TrustedKey> = keys.iter().cloned().map(TrustedKey::from).collect();
    let parsed = Detached::parse(Scheme::Minisign, signature.as_bytes())?;
    let by = parsed.verify(&keys, message)?.ok_or_else(|| Error::trust("by another key"))?;
    Ok(Signed { key: by.to_string(), trusted_comment: parsed.statement().to_owned() })
}

/// The faults of a signature that must not verify: each is of class trust.
fn refused(keys: &[PublicKey], message: &[u8], signature: &str) -> String {
    let error = verify(keys, message, signature).map(|signed| signed.key).expect_err(signature);
    assert_eq!(error.class(), Class::Trust, "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
    error.to_string()
}

#[test]
fn our_signature_is_byte_for_byte_that_of_minisign() {
    assert_eq!(sign(&key(), b"hi\n", "mastermold cluster=prod version=1").unwrap(), MINISIGN_SAID);
    assert_eq!(key().public().to_text(), PUBLIC);
    assert_eq!(key().to_text(None).unwrap().as_str(), KEY);
}

#[test]
fn minisign_verifies_ours() {
    let directory = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    fs::write(directory.path().join("m"), MESSAGE).unwrap();
    fs::write(directory.path().join("m.minisig"), sign(&key, MESSAGE, COMMENT).unwrap()).unwrap();
    fs::write(directory.path().join("k.pub"), key.public().to_text()).unwrap();
    let output = minisign(directory.path(), &["-V", "-H", "-p", "k.pub", "-m", "m"], "");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(COMMENT), "{}", text(&output));
    fs::write(directory.path().join("m"), b"other").unwrap();
    assert!(!minisign(directory.path(), &["-V", "-p", "k.pub", "-m", "m"], "").status.success());
}

#[test]
fn we_verify_what_minisign_signs_with_our_key_and_with_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let ours = SecretKey::generate().unwrap();
    fs::write(path("m"), MESSAGE).unwrap();
    fs::write(path("ours.key"), ours.to_text(None).unwrap().as_bytes()).unwrap();
    fs::write(path("ours.pub"), ours.public().to_text()).unwrap();
    let made = minisign(directory.path(), &["-G", "-W", "-p", "its.pub", "-s", "its.key"], "");
    assert!(made.status.success(), "{}", text(&made));
    for name in ["ours", "its"] {
        let secret = format!("{name}.key");
        let output = minisign(directory.path(), &["-S", "-s", &secret, "-m", "m", "-t", COMMENT], "");
        assert!(output.status.success(), "{}", text(&output));
        let signature = fs::read_to_string(path("m.minisig")).unwrap();
        let public = PublicKey::parse(&fs::read_to_string(path(&format!("{name}.pub"))).unwrap()).unwrap();
        let signed = verify(std::slice::from_ref(&public), MESSAGE, &signature).unwrap();
        assert_eq!((signed.key, signed.trusted_comment.as_str()), (public.key_id().to_string(), COMMENT));
        let parsed = SecretKey::parse(&fs::read(path(&secret)).unwrap(), None).unwrap();
        assert_eq!(sign(&parsed, MESSAGE, COMMENT).unwrap(), signature);
    }
}

#[test]
fn passwords_work_in_both_directions() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("m"), MESSAGE).unwrap();

    let made = minisign(directory.path(), &["-G", "-p", "its.pub", "-s", "its.key"], "one two\none two\n");
    assert!(made.status.success(), "{}", text(&made));
    let its = fs::read(path("its.key")).unwrap();
    assert!(SecretKey::is_protected(&its).unwrap());
    let parsed = SecretKey::parse(&its, Some(b"one two")).unwrap();
    assert_eq!(parsed.public().to_text(), fs::read_to_string(path("its.pub")).unwrap());
    for (password, says) in [(Some(&b"one two "[..]), "does not open"), (None, "no password is given")] {
        let error = SecretKey::parse(&its, password).unwrap_err();
        assert!(error.class() == Class::Usage && error.to_string().contains(says), "{error}");
    }

    let ours = SecretKey::generate().unwrap();
    fs::write(path("ours.key"), ours.to_text(Some(b"pass")).unwrap().as_bytes()).unwrap();
    let arguments = ["-S", "-s", "ours.key", "-m", "m", "-t", COMMENT];
    let output = minisign(directory.path(), &arguments, "pass\n");
    assert!(output.status.success(), "{}", text(&output));
    verify(&[ours.public()], MESSAGE, &fs::read_to_string(path("m.minisig")).unwrap()).unwrap();
}

#[test]
fn every_changed_byte_is_refused() {
    let keys = [key().public()];
    let signature = sign(&key(), MESSAGE, COMMENT).unwrap();
    verify(&keys, MESSAGE, &signature).unwrap();
    for at in 0..signature.len() {
        for bit in 0..8 {
            let mut bytes = signature.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                refused(&keys, MESSAGE, &changed);
            }
        }
        refused(&keys, MESSAGE, &signature[..at]);
    }
    for at in 0..MESSAGE.len() {
        let mut message = MESSAGE.to_vec();
        message[at] ^= 1;
        assert!(refused(&keys, &message, &signature).contains("not one of these bytes"));
    }
    refused(&keys, &MESSAGE[1..], &signature);
    refused(&keys, &[MESSAGE, b"x"].concat(), &signature);
}

#[test]
fn what_minisign_lets_through_is_refused_with_its_reason() {
    let keys = [key().public()];
    let good = sign(&key(), MESSAGE, COMMENT).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let without = |line: usize| {
        let rest = lines.iter().enumerate().filter(|(at, _)| *at != line).map(|(_, text)| format!("{text}\n"));
        rest.collect::<String>()
    };
    let rows = [
        (String::new(), "four lines"),
        (format!("{good}junk\n"), "four lines"),
        (format!("{good}\n"), "four lines"),
        (good.trim_end().to_owned(), "four lines"),
        (format!("\u{feff}{good}"), "first line"),
        (good.replace('\n', "\r\n"), "CRLF"),
        (without(0), "four lines"),
        (without(3), "four lines"),
        (good.replace("minisign secret key", "someone"), "first line"),
        (good.replace("trusted comment: mastermold", "trusted comment: \u{1b}[31mmastermold"), "unprintable"),
        (good.replace("trusted comment: mastermold", "trusted comment: \u{202e}mastermold"), "unprintable"),
        (good.replace("==\n", "\n"), "fourth line"),
        (good.replace("RU", "*U"), "second line"),
        (good.replace("version=2026.11.1", "version=2026.11.2"), "trusted comment is not what"),
        (good.replace(COMMENT, &"x".repeat(10 << 20)), "more than"),
        ("\n".repeat(10 << 20), "more than"),
    ];
    for (signature, says) in rows {
        let error = refused(&keys, MESSAGE, &signature);
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn the_legacy_algorithm_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("m"), MESSAGE).unwrap();
    fs::write(directory.path().join("k.key"), KEY).unwrap();
    let output = minisign(directory.path(), &["-S", "-l", "-s", "k.key", "-m", "m", "-t", COMMENT], "");
    assert!(output.status.success(), "{}", text(&output));
    let signature = fs::read_to_string(directory.path().join("m.minisig")).unwrap();
    assert!(refused(&[key().public()], MESSAGE, &signature).contains("legacy"));
}

#[test]
fn a_key_is_known_by_what_it_verifies_not_by_its_id() {
    let signature = sign(&key(), MESSAGE, COMMENT).unwrap();
    let other = SecretKey::generate().unwrap().public();
    assert!(refused(&[], MESSAGE, &signature).contains("by another key"));
    assert!(refused(std::slice::from_ref(&other), MESSAGE, &signature).contains("by another key"));
    // The other's key under our id.
    let mut bytes = raw(&other.to_text());
    bytes[2..10].copy_from_slice(&raw(PUBLIC)[2..10]);
    let impostor = PublicKey::parse(&STANDARD.encode(bytes)).unwrap();
    assert_eq!(impostor.key_id(), key().public().key_id());
    assert!(refused(std::slice::from_ref(&impostor), MESSAGE, &signature).contains("not one of these bytes"));
    verify(&[impostor, other, key().public()], MESSAGE, &signature).unwrap();
    // Our key under another id: nobody's program names a key that did not sign.
    bytes = raw(PUBLIC);
    bytes[2] ^= 1;
    let renamed = PublicKey::parse(&STANDARD.encode(bytes)).unwrap();
    let error = refused(std::slice::from_ref(&renamed), MESSAGE, &signature);
    assert!(error.contains(&format!("names key 8CF4828F0DA5E786, and is by {}", renamed.key_id())), "{error}");
}

/// The bytes of a key file's base64 line.
fn raw(file: &str) -> Vec<u8> {
    STANDARD.decode(file.lines().nth(1).unwrap()).unwrap()
}

fn public(key: [u8; 32]) -> mastermold::error::Result<PublicKey> {
    PublicKey::parse(&STANDARD.encode([&b"Ed12345678"[..], &key].concat()))
}

#[test]
fn weak_and_ambiguous_public_keys_are_refused() {
    let hex = |text: &str| -> [u8; 32] {
        let bytes: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
        bytes.try_into().unwrap()
    };
    // The points of small order (order 1, 2, 4, 8) and their non-canonical spellings (y >= 2^255 - 19), as listed in
    // Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), table 6 and appendix; then points that are none.
    for text in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ] {
        assert_eq!(public(hex(text)).unwrap_err().class(), Class::Trust, "{text}");
    }
}

#[test]
fn a_signature_has_one_s() {
    // S + L is the same number modulo the group's order L; a verifier that reduces it would take both.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let good = sign(&key(), MESSAGE, COMMENT).unwrap();
    let mut bytes = raw(&good);
    let mut carry = 0u16;
    for (byte, add) in bytes[42..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    let changed = good.replace(good.lines().nth(1).unwrap(), &STANDARD.encode(bytes));
    assert!(refused(&[key().public()], MESSAGE, &changed).contains("not one of these bytes"));
}

#[test]
fn a_small_order_r_is_refused() {
    // R is the neutral element and S = h a: fits the equation, and only a strict verifier refuses it.
    let bytes = raw(KEY);
    let signing = ed25519_dalek::SigningKey::from_bytes(bytes[62..94].try_into().unwrap());
    let mut r = [0; 32];
    r[0] = 1;
    let digest = Blake2b512::digest(MESSAGE);
    let hash = sha2::Sha512::new_with_prefix(r)
        .chain_update(signing.verifying_key().as_bytes())
        .chain_update(digest)
        .finalize();
    // h a, by doubling and adding in the scalar field.
    let (a, zero) = (signing.to_scalar(), signing.to_scalar() - signing.to_scalar());
    let bits = hash.iter().rev().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    let s = bits.fold(zero, |sum, bit| sum + sum + if bit { a } else { zero }).to_bytes();
    let signature = [r, s].concat();
    let plain = ed25519_dalek::Signature::from_bytes(signature.as_slice().try_into().unwrap());
    assert!(signing.verify(&digest, &plain).is_ok(), "the forgery must fit the equation");
    let whole = signing.sign(&[&signature[..], COMMENT.as_bytes()].concat());
    let line = STANDARD.encode([&b"ED"[..], &bytes[54..62], &signature].concat());
    let file = format!(
        "untrusted comment: signature from minisign secret key\n{line}\ntrusted comment: {COMMENT}\n{}\n",
        STANDARD.encode(whole.to_bytes())
    );
    assert!(refused(&[key().public()], MESSAGE, &file).contains("not one of these bytes"));
}

#[test]
fn key_files_are_read_strictly() {
    let bare = PUBLIC.lines().nth(1).unwrap();
    for good in [PUBLIC, PUBLIC.trim_end(), bare, &format!("{bare}\n")] {
        assert_eq!(PublicKey::parse(good).unwrap(), key().public());
    }
    for bad in [
        String::new(),
        format!("{PUBLIC}\n"),
        format!("{PUBLIC}junk\n"),
        PUBLIC.replace('\n', "\r\n"),
        PUBLIC.replace("untrusted", "trusted"),
        PUBLIC.replace("minisign", "\u{1b}[2J"),
        format!(" {bare}"),
        bare.replace("RW", "RX"),
        bare[..52].to_owned(),
        KEY.to_owned(),
        "x".repeat(10 << 20),
    ] {
        assert_eq!(PublicKey::parse(&bad).unwrap_err().class(), Class::Usage, "{}", &bad[..bad.len().min(200)]);
    }
    for bad in ["", PUBLIC, KEY.trim_end(), &KEY.replace('\n', "\r\n"), &format!("{KEY}\n"), &KEY.replace("RWQ", "RXQ")]
    {
        assert_eq!(SecretKey::parse(bad.as_bytes(), None).unwrap_err().class(), Class::Usage, "{bad}");
    }
    assert!(SecretKey::parse(KEY.as_bytes(), Some(b"x")).unwrap_err().to_string().contains("not protected"));
    assert!(SecretKey::parse(b"\xff\n\n", None).is_err());
}

#[test]
fn a_damaged_secret_key_is_refused_and_not_shown() {
    let good = raw(KEY);
    let file = |bytes: &[u8]| format!("{}\n{}\n", KEY.lines().next().unwrap(), STANDARD.encode(bytes));
    for at in [0, 2, 3, 4, 62, 93, 94, 125, 126, 157] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let error = SecretKey::parse(file(&bytes).as_bytes(), None).unwrap_err();
        assert_eq!(error.class(), Class::Usage, "{at}");
        assert!(!error.to_string().contains(&STANDARD.encode(&bytes[62..94])[..20]));
    }
    // Asks for 4 TiB.
    let mut bytes = good;
    bytes[2..4].copy_from_slice(b"Sc");
    bytes[38..46].copy_from_slice(&(1u64 << 40).to_le_bytes());
    bytes[46..54].copy_from_slice(&(1u64 << 42).to_le_bytes());
    let error = SecretKey::parse(file(&bytes).as_bytes(), Some(b"x")).unwrap_err();
    assert!(error.to_string().contains("1 GiB"), "{error}");
    assert_eq!(format!("{:?} {:?}", key(), key().public()), "SecretKey(8CF4828F0DA5E786) PublicKey(8CF4828F0DA5E786)");
}

#[test]
fn a_key_id_is_printed_as_minisign_prints_it() {
    // With leading zeros: minisign drops them.
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = raw(KEY);
    bytes[60..62].copy_from_slice(&[0x0a, 0]);
    let file = format!("{}\n{}\n", KEY.lines().next().unwrap(), STANDARD.encode(&bytes));
    fs::write(directory.path().join("k.key"), &file).unwrap();
    let output = minisign(directory.path(), &["-R", "-s", "k.key", "-p", "k.pub"], "");
    assert!(output.status.success(), "{}", text(&output));
    let ours = SecretKey::parse(file.as_bytes(), None).unwrap().public();
    assert_eq!(ours.to_text(), fs::read_to_string(directory.path().join("k.pub")).unwrap());
    assert_eq!(ours.key_id().to_string(), "A828F0DA5E786");
}

#[test]
fn comments_that_cannot_be_shown_are_not_signed() {
    for comment in ["two\nlines", "\u{1b}[0m", "a\rb", "nul\0", &"x".repeat(4097)] {
        assert_eq!(sign(&key(), MESSAGE, comment).unwrap_err().class(), Class::Usage);
    }
    for comment in ["", " ", "Grüße", &"x".repeat(4096)] {
        let signed = verify(&[key().public()], MESSAGE, &sign(&key(), MESSAGE, comment).unwrap()).unwrap();
        assert_eq!(signed.trusted_comment, comment);
    }
}
