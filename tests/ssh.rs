//! OpenSSH's keys and signatures against the real ssh-keygen, and against what somebody made up.

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
use ed25519_dalek::{Signer as _, SigningKey, Verifier as _};
use mastermold::error::{Class, Error};
use mastermold::sign::{Detached, PublicKey, Scheme, SecretKey, SshKey, TrustedKey, count};
use sha2::{Digest as _, Sha256, Sha512};

const MESSAGE: &[u8] = b"3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b  node.cpio.zst\n";
const NAMESPACE: &str = "mastermold cluster=prod version=2026.11.1 epoch=2026-11-01T00:00:00Z";
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Runs ssh-keygen in `directory` with `input`.
fn keygen(directory: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new("ssh-keygen");
    command.args(arguments).current_dir(directory).env_remove("SSH_AUTH_SOCK");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("ssh-keygen is needed: apt-get install openssh-client");
    // It may refuse before it reads.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A key of this type, as `k` and `k.pub` in `directory`.
fn key(directory: &Path, kind: &str, bits: &str) -> TrustedKey {
    let made = keygen(directory, &["-q", "-t", kind, "-b", bits, "-N", "", "-C", "who it is", "-f", "k"], b"");
    assert!(made.status.success(), "{made:?}");
    TrustedKey::parse(&fs::read_to_string(directory.join("k.pub")).unwrap()).unwrap()
}

fn signed(directory: &Path, message: &[u8]) -> String {
    let made = keygen(directory, &["-Y", "sign", "-f", "k", "-n", NAMESPACE], message);
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap()
}

/// Whether one of `keys` signed, and said this; all else is of class trust.
fn verify(keys: &[TrustedKey], message: &[u8], text: &str) -> Result<Option<String>, Error> {
    let signature = Detached::parse(Scheme::Ssh, text.as_bytes())?;
    Ok(signature.verify(keys, message)?.map(|_| signature.statement().to_owned()))
}

fn refused(keys: &[TrustedKey], message: &[u8], text: &str) -> String {
    let error = verify(keys, message, text).expect_err(&text[..text.len().min(2000)]);
    assert_eq!(error.class(), Class::Trust, "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
    error.to_string()
}

#[test]
fn what_ssh_keygen_signs_verifies_and_nothing_else() {
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("rsa", "2048"), ("rsa", "3072")] {
        let directory = tempfile::tempdir().unwrap();
        let trusted = key(directory.path(), kind, bits);
        let text = signed(directory.path(), MESSAGE);
        let keys = [trusted.clone()];
        assert_eq!(verify(&keys, MESSAGE, &text).unwrap().as_deref(), Some(NAMESPACE), "{kind} {bits}");
        assert!(refused(&keys, &MESSAGE[1..], &text).contains("not one of these bytes"));
        let other = tempfile::tempdir().unwrap();
        assert_eq!(verify(&[key(other.path(), kind, bits)], MESSAGE, &text).unwrap(), None);
        // Named as ssh-keygen names it.
        let listed = String::from_utf8(keygen(directory.path(), &["-l", "-f", "k.pub"], b"").stdout).unwrap();
        assert_eq!(listed.split(' ').nth(1).unwrap(), trusted.to_string());
        let again = TrustedKey::parse(&trusted.to_text()).unwrap();
        assert!(again == trusted && again.is(&trusted));
    }
}

#[test]
fn every_changed_byte_is_refused() {
    for (kind, bits, step) in [("ed25519", "256", 1), ("ecdsa", "256", 3), ("rsa", "2048", 7)] {
        let directory = tempfile::tempdir().unwrap();
        let keys = [key(directory.path(), kind, bits)];
        let text = signed(directory.path(), MESSAGE);
        for at in (0..text.len()).step_by(step) {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(changed) = String::from_utf8(bytes) {
                    refused(&keys, MESSAGE, &changed);
                }
            }
            refused(&keys, MESSAGE, &text[..at]);
        }
    }
}

/// A signer of our own, that can do wrong what ssh-keygen does right.
struct Forger {
    key: SigningKey,
    magic: &'static [u8],
    version: u32,
    kind: &'static str,
    namespace: &'static str,
    reserved: &'static [u8],
    hash: &'static str,
    scheme: &'static str,
    /// Of a FIDO token: what the key is for, and the flags.
    token: Option<(&'static str, u8)>,
    /// Behind the fields, and behind the signature's.
    junk: [&'static [u8]; 2],
}

impl Default for Forger {
    fn default() -> Forger {
        Forger {
            key: SigningKey::from_bytes(&[7; 32]),
            magic: b"SSHSIG",
            version: 1,
            kind: "ssh-ed25519",
            namespace: NAMESPACE,
            reserved: b"",
            hash: "sha512",
            scheme: "ssh-ed25519",
            token: None,
            junk: [b"", b""],
        }
    }
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes(), *part].concat()).collect()
}

fn armor(bytes: &[u8]) -> String {
    let base64 = STANDARD.encode(bytes);
    let lines: Vec<_> = base64.as_bytes().chunks(70).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
}

impl Forger {
    fn blob(&self) -> Vec<u8> {
        let application = self.token.map(|(application, _)| strings(&[application.as_bytes()])).unwrap_or_default();
        [strings(&[self.kind.as_bytes(), self.key.verifying_key().as_bytes()]), application].concat()
    }

    fn line(&self) -> String {
        format!("{} {}\n", self.kind, STANDARD.encode(self.blob()))
    }

    fn trusted(&self) -> TrustedKey {
        TrustedKey::parse(&self.line()).unwrap()
    }

    /// What is signed, before a token adds to it.
    fn to_be_signed(&self, message: &[u8]) -> Vec<u8> {
        let hash = match self.hash {
            "sha256" => Sha256::digest(message).to_vec(),
            _ => Sha512::digest(message).to_vec(),
        };
        [b"SSHSIG", &strings(&[self.namespace.as_bytes(), self.reserved, self.hash.as_bytes(), &hash])[..]].concat()
    }

    fn sign(&self, message: &[u8]) -> String {
        let mut signed = self.to_be_signed(message);
        let mut more = Vec::new();
        if let Some((application, flags)) = self.token {
            more = [&[flags][..], &9u32.to_be_bytes()].concat();
            signed = [&Sha256::digest(application)[..], &more, &Sha256::digest(&signed)[..]].concat();
        }
        self.file(&self.key.sign(&signed).to_bytes(), &more)
    }

    fn file(&self, signature: &[u8], more: &[u8]) -> String {
        let [behind, behind_signature] = self.junk;
        let signature = [&strings(&[self.scheme.as_bytes(), signature])[..], more, behind_signature].concat();
        let blob = self.blob();
        let fields: [&[u8]; 5] = [&blob, self.namespace.as_bytes(), self.reserved, self.hash.as_bytes(), &signature];
        armor(&[self.magic, &self.version.to_be_bytes(), &strings(&fields), behind].concat())
    }
}

/// What ssh-keygen says of a signature of [`MESSAGE`] by a key.
fn keygen_verifies(key: &str, text: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("allowed"), format!("release {key}")).unwrap();
    fs::write(directory.path().join("s"), text).unwrap();
    let arguments = ["-Y", "verify", "-f", "allowed", "-I", "release", "-n", NAMESPACE, "-s", "s"];
    keygen(directory.path(), &arguments, MESSAGE).status.success()
}

#[test]
fn only_one_form_is_read() {
    let good = Forger::default();
    let (keys, text) = ([good.trusted()], good.sign(MESSAGE));
    assert_eq!(verify(&keys, MESSAGE, &text).unwrap().as_deref(), Some(NAMESPACE));
    assert!(keygen_verifies(&good.line(), &text));
    let sha256 = Forger { hash: "sha256", ..Forger::default() }.sign(MESSAGE);
    assert!(verify(&keys, MESSAGE, &sha256).unwrap().is_some() && keygen_verifies(&good.line(), &sha256));
    let body = &text[30..text.len() - 28];
    let forms = [
        String::new(),
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        format!("{text}junk\n"),
        format!("junk\n{text}"),
        format!("{text}{text}"),
        format!("\u{feff}{text}"),
        text.replace("SSH SIGNATURE", "SIGNATURE"),
        text.replace(body, &body.replace('\n', "")),
        text.replace(body, &body.replacen('\n', "\n\n", 1)),
        text.replace(body, &format!(" {body}")),
        text.replace(body, ""),
        text.replace(body, &"A".repeat(10 << 20)),
        "\n".repeat(10 << 20),
        format!("{text}{}", "\u{1b}[2J"),
    ];
    for form in forms {
        refused(&keys, MESSAGE, &form);
    }
    type Change = fn(&mut Forger);
    let made: [(&str, Change); 12] = [
        ("fields", |f| f.magic = b"SSHSIH"),
        ("fields", |f| f.version = 2),
        ("fields", |f| f.version = 0),
        ("fields", |f| f.reserved = b"x"),
        ("fields", |f| f.hash = "sha1"),
        ("fields", |f| f.hash = "SHA512"),
        ("fields", |f| f.junk = [b"\0", b""]),
        ("fields", |f| f.junk = [b"", b"\0"]),
        ("another type", |f| f.scheme = "ssh-rsa"),
        ("of the type `ssh-dss`", |f| f.kind = "ssh-dss"),
        ("unprintable", |f| f.namespace = "mastermold \u{1b}[31mcluster=prod"),
        ("unprintable", |f| f.namespace = "mastermold\ncluster=prod"),
    ];
    for (words, change) in made {
        let mut forger = Forger::default();
        change(&mut forger);
        let error = refused(&keys, MESSAGE, &forger.sign(MESSAGE));
        assert!(error.contains(words) && !error.contains('\u{1b}'), "{words}: {error}");
    }
}

#[test]
fn an_rsa_signature_with_sha_1_is_none() {
    // The scheme's name is changed in what ssh-keygen made: both have as many characters.
    let directory = tempfile::tempdir().unwrap();
    let keys = [key(directory.path(), "rsa", "2048")];
    let text = signed(directory.path(), MESSAGE);
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let mut bytes = STANDARD.decode(base64).unwrap();
    let at = bytes.windows(12).position(|window| window == b"rsa-sha2-512").unwrap();
    bytes[at..at + 12].copy_from_slice(b"rsa-sha2-256");
    assert!(refused(&keys, MESSAGE, &armor(&bytes)).contains("not one of these bytes"));
    bytes.splice(at - 4..at + 12, strings(&[b"ssh-rsa"]));
    refused(&keys, MESSAGE, &armor(&bytes));
}

/// What is signed is what a FIDO token signs; the tokens that there are are not to be had here.
#[test]
fn a_token_must_have_been_touched() {
    let token = |flags| Forger {
        kind: "sk-ssh-ed25519@openssh.com",
        scheme: "sk-ssh-ed25519@openssh.com",
        token: Some(("ssh:release", flags)),
        ..Forger::default()
    };
    let keys = [token(1).trusted()];
    for (flags, good) in [(1, true), (5, true), (0, false), (4, false)] {
        let text = token(flags).sign(MESSAGE);
        assert_eq!(verify(&keys, MESSAGE, &text).is_ok(), good, "{flags}");
        // ssh-keygen does not look at the flags; what is signed is the same.
        assert!(keygen_verifies(&token(flags).line(), &text), "{flags}");
    }
    // A token's key for something else is another key, and a key of a file is not one of a token.
    let other = Forger { token: Some(("ssh:", 1)), ..token(1) };
    assert!(
        refused(&[other.trusted()], MESSAGE, &Forger { key: token(1).key, ..other }.sign(b"x")).contains("not one")
    );
    refused(&keys, MESSAGE, &Forger { scheme: "ssh-ed25519", ..token(1) }.sign(MESSAGE));
    refused(&keys, MESSAGE, &Forger { token: None, ..token(1) }.sign(MESSAGE));
    let plain = Forger { scheme: "sk-ssh-ed25519@openssh.com", ..Forger::default() };
    refused(&[Forger::default().trusted()], MESSAGE, &plain.sign(MESSAGE));
    assert_eq!(verify(&[Forger::default().trusted()], MESSAGE, &token(1).sign(MESSAGE)).unwrap(), None);
}

#[test]
fn forged_numbers_are_refused() {
    let forger = Forger::default();
    let keys = [forger.trusted()];
    let signed = forger.to_be_signed(MESSAGE);
    // S + L is the same number modulo the group's order.
    let mut signature = forger.key.sign(&signed).to_bytes();
    let mut carry = 0u16;
    for (byte, add) in signature[32..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert!(refused(&keys, MESSAGE, &forger.file(&signature, b"")).contains("not one of these bytes"));
    // R of small order fits the equation, and only a strict verifier refuses it.
    let mut r = [0; 32];
    r[0] = 1;
    let hash = Sha512::new_with_prefix(r).chain_update(forger.key.verifying_key().as_bytes()).chain_update(&signed);
    let (a, zero) = (forger.key.to_scalar(), forger.key.to_scalar() - forger.key.to_scalar());
    let hash = hash.finalize();
    let bits = hash.iter().rev().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    let s = bits.fold(zero, |sum, bit| sum + sum + if bit { a } else { zero }).to_bytes();
    let signature = [r, s].concat();
    let plain = ed25519_dalek::Signature::from_bytes(signature.as_slice().try_into().unwrap());
    assert!(forger.key.verifying_key().verify(&signed, &plain).is_ok(), "the forgery must fit the equation");
    refused(&keys, MESSAGE, &forger.file(&signature, b""));
    for length in [0, 63, 65] {
        refused(&keys, MESSAGE, &forger.file(&vec![1; length], b""));
    }
    // ECDSA: zero, and numbers with another spelling.
    let directory = tempfile::tempdir().unwrap();
    let keys = [key(directory.path(), "ecdsa", "256")];
    let blob = STANDARD.decode(keys[0].to_text().split(' ').nth(1).unwrap().trim()).unwrap();
    for numbers in [[&b"\x01"[..], b""], [b"", b"\x01"], [b"\0\x01", b"\x01"], [b"\x01", b"\x80"], [b"\x01", &[1; 33]]]
    {
        let signature = strings(&[b"ecdsa-sha2-nistp256", &strings(&numbers)]);
        let fields = strings(&[&blob, NAMESPACE.as_bytes(), b"", b"sha512", &signature]);
        refused(&keys, MESSAGE, &armor(&[b"SSHSIG", &1u32.to_be_bytes()[..], &fields].concat()));
    }
}

#[test]
fn public_keys_are_read_strictly() {
    let good = Forger::default().line();
    let bare = good.trim_end();
    for text in [good.clone(), bare.to_owned(), format!("{bare} who it is\n")] {
        assert_eq!(TrustedKey::parse(&text).unwrap(), Forger::default().trusted());
    }
    for text in [
        format!("{good}{good}"),
        good.replace('\n', "\r\n"),
        format!("ssh-rsa {}", bare.split(' ').nth(1).unwrap()),
        bare.replace(' ', "  "),
        format!("{bare} \u{1b}[2J"),
        bare.replace("AAAA", "AAAB"),
        bare[..bare.len() - 4].to_owned(),
        format!("{}AAAA", bare),
        "ssh-ed25519".into(),
        "ssh-ed25519 ".into(),
        format!("ssh-ed25519 {}", "A".repeat(10 << 20)),
        format!("ssh-dss {}", STANDARD.encode(strings(&[b"ssh-dss"]))),
        format!("ecdsa-sha2-nistp521 {}", STANDARD.encode(strings(&[b"ecdsa-sha2-nistp521"]))),
        format!("command=\"x\" {good}"),
    ] {
        let error = TrustedKey::parse(&text).unwrap_err();
        assert_eq!(error.class(), Class::Usage, "{}: {error}", &text[..text.len().min(200)]);
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn weak_public_keys_are_refused() {
    let line = |parts: &[&[u8]]| {
        let name = String::from_utf8(parts[0].to_vec()).unwrap();
        SshKey::parse(&format!("{name} {}", STANDARD.encode(strings(parts)))).unwrap_err()
    };
    // Small order, a second spelling of it, no point at all.
    let mut one = [0; 32];
    one[0] = 1;
    let mut spelled = [0xff; 32];
    (spelled[0], spelled[31]) = (0xee, 0x7f);
    let mut none = [0; 32];
    none[0] = 2;
    for point in [[0; 32], one, spelled, none] {
        assert_eq!(line(&[b"ssh-ed25519", &point]).class(), Class::Trust, "{point:?}");
    }
    let point = [&[4][..], &[1; 64]].concat();
    assert_eq!(line(&[b"ecdsa-sha2-nistp256", b"nistp256", &point]).class(), Class::Trust);
    assert_eq!(line(&[b"ecdsa-sha2-nistp256", b"nistp384", &point]).class(), Class::Usage);
    assert_eq!(line(&[b"ecdsa-sha2-nistp256", b"nistp256", &[0]]).class(), Class::Usage);
    // RSA: 1024 bits, an exponent of 3, of 1, an even one; an even modulus; leading zeros.
    let modulus = |length: usize, last: u8| [&[0, 0xc5][..], &vec![0x5a; length - 2], &[last]].concat();
    let e = &[1, 0, 1][..];
    for (exponent, modulus, words) in [
        (e, modulus(128, 1), "1024 bits"),
        (&[3], modulus(256, 1), "not a sound"),
        (&[1], modulus(256, 1), "not a sound"),
        (&[1, 0, 2], modulus(256, 1), "not a sound"),
        (e, modulus(256, 2), "not a sound"),
        (e, modulus(2048, 1), "16384 bits"),
        (e, modulus(256, 1)[1..].to_vec(), "is cut"),
    ] {
        let error = line(&[b"ssh-rsa", exponent, &modulus]).to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn the_same_key_in_two_formats_is_one_key() {
    let secret = SecretKey::generate().unwrap();
    let minisign = secret.public();
    let raw = STANDARD.decode(minisign.to_text().lines().nth(1).unwrap()).unwrap();
    let line = format!("ssh-ed25519 {}", STANDARD.encode(strings(&[b"ssh-ed25519", &raw[10..]])));
    let renamed = PublicKey::parse(&STANDARD.encode([&b"Ed12345678"[..], &raw[10..]].concat())).unwrap();
    let same = [minisign.into(), TrustedKey::parse(&line).unwrap(), renamed.into()];
    assert_eq!(count(&same), 1);
    assert!(same[0].is(&same[1]) && same[0] != same[1]);
    let other = Forger::default().trusted();
    assert_eq!(count([&same[0], &other, &same[2]]), 2);
    assert_eq!(count([]), 0);
}
