//! Reading keys that OpenSSL made, in every form that it writes: those that are taken are the same key, and those that are
//! not are refused with one line, class 2, that says why and repeats nothing of the key.

use mastermold::error::{Class, Error};
use mastermold::pki::{KeyEncoding, PrivateKey, PublicKey};

use super::Maker;

/// How OpenSSL makes a key `k`; the curve's parameters stand before it where it says `ecparam` without `-noout`.
const TAKEN: [(&str, &str); 17] = [
    ("P-256, PKCS #8", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k"),
    ("P-384, PKCS #8", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out k"),
    ("P-256, parameters and SEC 1", "ecparam -name prime256v1 -genkey -out k"),
    ("P-384, parameters and SEC 1", "ecparam -name secp384r1 -genkey -out k"),
    ("P-256, SEC 1", "ecparam -name prime256v1 -genkey -noout -out k"),
    ("P-384, SEC 1", "ecparam -name secp384r1 -genkey -noout -out k"),
    ("P-256, SEC 1 to PKCS #8", "ecparam -name prime256v1 -genkey -noout -out a; pkcs8 -topk8 -nocrypt -in a -out k"),
    ("P-256, PKCS #8 to SEC 1", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a; ec -in a -out k"),
    ("P-256, compressed point", "ecparam -name prime256v1 -genkey -out a; ec -in a -conv_form compressed -out k"),
    ("P-384, no public key", "ecparam -name secp384r1 -genkey -out a; ec -in a -no_public -out k"),
    ("Ed25519", "genpkey -algorithm ED25519 -out k"),
    ("RSA 2048, PKCS #8", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out k"),
    ("RSA 2048, PKCS #1", "genrsa -traditional -out k 2048"),
    ("RSA 2048, PKCS #1 to PKCS #8", "genrsa -traditional -out a 2048; pkcs8 -topk8 -nocrypt -in a -out k"),
    ("RSA 2050", "genrsa -out k 2050"),
    ("RSA 3072", "genrsa -out k 3072"),
    ("text behind it", "genpkey -algorithm ED25519 -text -out k"),
];

#[test]
fn what_openssl_makes_is_the_same_key() {
    for (what, commands) in TAKEN {
        let maker = Maker::new();
        maker.run(commands);
        let key = PrivateKey::parse(&maker.read("k")).unwrap_or_else(|error| panic!("{what}: {error}"));
        let form = if what.contains("compressed") { " -ec_conv_form uncompressed" } else { "" };
        let public = maker.openssl(&format!("pkey -in k -pubout{form}"));
        assert_eq!(key.public().unwrap().pem().unwrap(), public, "{what}");
        assert_eq!(PublicKey::parse(public.as_bytes()).unwrap(), key.public().unwrap(), "{what}");
        // Written again, it is the same key to OpenSSL.
        for encoding in [key.usual_encoding(), KeyEncoding::Pkcs8] {
            maker.write("again", key.pem(encoding).unwrap().as_bytes());
            maker.openssl("pkey -in again -check -noout");
            assert_eq!(maker.openssl("pkey -in again -pubout"), public, "{what}");
        }
        let crlf = String::from_utf8(maker.read("k")).unwrap().replace('\n', "\r\n");
        assert_eq!(PrivateKey::parse(crlf.as_bytes()).unwrap().public().unwrap(), key.public().unwrap(), "{what}");
    }
}

/// How OpenSSL makes what is refused, and what is said.
const REFUSED: [(&str, &str, &str); 20] = [
    ("encrypted PKCS #8", "genpkey -algorithm ED25519 -aes128 -pass pass:x -out k", "is encrypted"),
    ("encrypted PKCS #1", "genrsa -traditional -aes128 -passout pass:x -out k 2048", "is encrypted"),
    (
        "encrypted SEC 1",
        "ecparam -name secp384r1 -genkey -out a; ec -in a -aes128 -passout pass:x -out k",
        "is encrypted",
    ),
    ("P-521", "ecparam -name secp521r1 -genkey -noout -out k", "of a kind"),
    ("P-521, PKCS #8", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out k", "of a kind"),
    ("secp256k1", "ecparam -name secp256k1 -genkey -out k", "of a kind"),
    ("secp256k1, PKCS #8", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out k", "of a kind"),
    (
        "a curve in numbers",
        "ecparam -name prime256v1 -param_enc explicit -genkey -noout -out k",
        "a form that is not read",
    ),
    ("Ed448", "genpkey -algorithm ED448 -out k", "of a kind"),
    ("X25519", "genpkey -algorithm X25519 -out k", "of a kind"),
    ("RSA-PSS", "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out k", "of a kind"),
    (
        "DSA",
        "genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out p; genpkey -paramfile p -out k",
        "of a kind",
    ),
    (
        "DSA, its own form",
        "dsaparam -genkey -noout -out a 1024; pkey -in a -traditional -out k",
        "`DSA PRIVATE KEY`, not",
    ),
    ("RSA 1024", "genrsa -out k 1024", "has 1024 bits"),
    ("RSA 1024, PKCS #1", "genrsa -traditional -out k 1024", "has 1024 bits"),
    ("three primes", "genrsa -primes 3 -out k 2048", "a form that is not read"),
    ("DER", "genpkey -algorithm ED25519 -outform DER -out k", "exactly one private key in PEM"),
    ("a public key", "genpkey -algorithm ED25519 -out a; pkey -in a -pubout -out k", "`PUBLIC KEY`, not a private key"),
    (
        "a certificate",
        "req -x509 -newkey ed25519 -nodes -keyout a -subj /CN=x -days 1 -out k",
        "`CERTIFICATE`, not a private key",
    ),
    ("parameters alone", "ecparam -name prime256v1 -out k", "exactly one private key"),
];

/// One line, class 2, that says this and nothing of the key.
fn refused(what: &str, file: &[u8], error: Error, says: &str) {
    let text = format!("{error} {error:?}");
    assert_eq!(
        (error.class(), error.faults().len(), error.to_string().lines().count()),
        (Class::Usage, 1, 1),
        "{what}"
    );
    assert!(text.contains(says), "{what}: {text}");
    // No 16 bytes of any line are repeated.
    for part in
        file.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-")).flat_map(|line| line.windows(16))
    {
        assert!(!text.as_bytes().windows(16).any(|said| said == part), "{what}: {text}");
    }
}

#[test]
fn what_is_refused_is_told_why_and_nothing_else() {
    for (what, commands, says) in REFUSED {
        let maker = Maker::new();
        maker.run(commands);
        let file = maker.read("k");
        let error = PrivateKey::parse(&file).err().unwrap_or_else(|| panic!("{what} is taken"));
        refused(what, &file, error, says);
    }
}

#[test]
fn files_without_exactly_one_whole_key() {
    let maker = Maker::new();
    maker.run("ecparam -name prime256v1 -genkey -noout -out k; genpkey -algorithm ED25519 -out e");
    let [key, other] = ["k", "e"].map(|name| String::from_utf8(maker.read(name)).unwrap());
    let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let label = |label: &str| key.replace("EC PRIVATE KEY", label);
    for (what, file, says) in [
        ("nothing", String::new(), "exactly one private key"),
        ("no PEM", body.clone(), "exactly one private key"),
        ("two keys", key.clone() + &other, "exactly one private key"),
        ("one key twice", key.clone() + &key, "exactly one private key"),
        ("another label", label("RSA PRIVATE KEY"), "damaged"),
        ("another label", label("PRIVATE KEY"), "damaged"),
        ("an unknown label", label("OPENSSH PRIVATE KEY"), "`OPENSSH PRIVATE KEY`, not"),
        ("no last line", key.replace("-----END EC PRIVATE KEY-----\n", ""), "damaged"),
        ("another last line", key.replace("END EC", "END"), "damaged"),
        ("no base64", key.replace(&body[..8], "????????"), "damaged"),
        ("a line less", key.replace(&format!("{}\n", key.lines().nth(2).unwrap()), ""), "damaged"),
        ("an empty block", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".into(), "damaged"),
    ] {
        let error = PrivateKey::parse(file.as_bytes()).err().unwrap_or_else(|| panic!("{what} is taken"));
        refused(what, file.as_bytes(), error, says);
    }
    // Cut anywhere but at its last newline.
    for file in [key, other] {
        assert!(PrivateKey::parse(&file.as_bytes()[..file.len() - 1]).is_ok());
        for length in 0..file.len() - 1 {
            let cut = &file.as_bytes()[..length];
            refused("cut", cut, PrivateKey::parse(cut).unwrap_err(), "");
        }
    }
}

/// Damage is refused or does not matter: a key that has its public half inside never becomes another key.
#[test]
fn a_damaged_key_is_never_another_key() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let maker = Maker::new();
    maker.run("ecparam -name prime256v1 -genkey -noout -out ec; genrsa -traditional -out rsa 2048");
    // The last three numbers of an RSA key follow from the others, and are not looked at.
    for (name, label, step, unread) in [("ec", "EC PRIVATE KEY", 1, 0), ("rsa", "RSA PRIVATE KEY", 37, 3 * (128 + 4))] {
        let file = String::from_utf8(maker.read(name)).unwrap();
        let body: String = file.lines().filter(|line| !line.starts_with('-')).collect();
        let (der, public) =
            (STANDARD.decode(body).unwrap(), PrivateKey::parse(file.as_bytes()).unwrap().public().unwrap());
        for at in (0..der.len()).step_by(step) {
            let mut damaged = der.clone();
            damaged[at] ^= 1;
            let file = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(damaged));
            match PrivateKey::parse(file.as_bytes()) {
                Ok(key) => {
                    assert_eq!(key.public().unwrap(), public, "{name}, byte {at}");
                    assert!(at >= der.len() - unread, "{name}: byte {at} of {} does not matter", der.len());
                }
                Err(error) => refused(name, file.as_bytes(), error, ""),
            }
        }
    }
}

#[test]
fn public_keys_are_read_and_nothing_else() {
    let maker = Maker::new();
    maker.run("genpkey -algorithm ED25519 -out k; pkey -in k -pubout -out p");
    let [key, public] = ["k", "p"].map(|name| String::from_utf8(maker.read(name)).unwrap());
    assert_eq!(PublicKey::parse(public.as_bytes()).unwrap().pem().unwrap(), public);
    for file in ["", &key, &(public.clone() + &public), &public.replace("MCow", "MCoz"), &public[..60]] {
        refused("no public key", file.as_bytes(), PublicKey::parse(file.as_bytes()).unwrap_err(), "");
    }
}
