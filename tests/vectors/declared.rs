//! Which names and scopes the keys of what a profile and its overlays declare have: a release is built, and each key in it
//! is the one that docs/reference/derivation.md says.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use mastermold::pki::{
    Algorithm, Authority, AuthorityRequest, CertificateRequest, KeyEncoding, Scope, SecretShape, Subject, Usage,
    fingerprint_of, issue, pair_key, secret,
};
use zeroize::Zeroizing;

use super::support::Project;
use super::{openssl, seed, vectors};

const PROFILE: &str = r#"
overlays = ["pki"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
[[nodes]]
name = "cluster"
[pki]
algorithm = "ecdsa-p384"
[pki.algorithms]
server = "ed25519"
[pki.generations]
shared = 3
client = 4
tokens = { current = 2, accepted = [1] }
[[pki.imports]]
secret = "imported"
file = "../imported"
[[outputs]]
format = "tar"
layers = "merged"
secrets = "include"
"#;

const PKI: &str = r#"
[[authorities]]
name = "ca"
subject = { cn = "ca" }
algorithm = "ecdsa-p256"
cert = ["/etc/ca.crt"]
[[certificates]]
name = "server"
authority = "ca"
subject = { cn = "server" }
usages = ["client-auth"]
cert = "/etc/server.crt"
key = "/etc/server.key"
[[certificates]]
name = "shared"
scope = "cluster"
authority = "ca"
subject = { cn = "shared" }
usages = ["client-auth"]
algorithm = "ecdsa-p256"
cert = "/etc/shared.crt"
key = "/etc/shared.key"
[[keypairs]]
name = "tokens"
scope = "cluster"
private = "/etc/tokens.key"
public = "/etc/tokens.pub"
[[secrets]]
name = "own"
shape = "base64"
path = "/etc/own"
[[secrets]]
name = "password"
shape = "alphanumeric"
bytes = 20
scope = "cluster"
path = "/etc/password"
[[secrets]]
name = "imported"
shape = "hex"
bytes = 16
scope = "cluster"
path = "/etc/imported"
[[kubeconfigs]]
name = "client"
path = "/etc/client.conf"
authority = "ca"
server = "https://10.0.0.1:6443"
subject = { cn = "client" }
[[kubeconfigs]]
name = "admin"
admin = "admin.conf"
authority = "ca"
server = "https://10.0.0.1:6443"
subject = { cn = "admin" }
"#;

const IMPORTED: &str = "000102030405060708090a0b0c0d0e0f\n";

fn project(overlay: &str) -> Project {
    let project = Project::new(&[("profiles/p.toml", PROFILE), ("overlays/pki/overlay.toml", overlay)]);
    for (name, text) in [("seed", vectors("derivation.json")["seed"].as_str().unwrap()), ("imported", IMPORTED)] {
        std::fs::write(project.beside(name), text).unwrap();
        std::fs::set_permissions(project.beside(name), PermissionsExt::from_mode(0o600)).unwrap();
    }
    project
}

fn scope(node: Option<&'static str>, generation: u32) -> Scope<'static> {
    Scope { cluster: "prod", node, generation }
}

fn authority() -> Authority {
    let request = AuthorityRequest {
        name: "ca".into(),
        subject: Subject { cn: "ca".into(), ..Subject::default() },
        dns: vec![],
        key_usages: vec![],
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        days: 3650,
        serial: None,
        generation: 1,
        algorithm: Algorithm::EcdsaP256,
        path_length: None,
    };
    Authority::derive(&seed(), "prod", &request, None).unwrap()
}

/// The certificate of this subject and its key, as they must be.
fn certificate(name: &str, cn: &str, scope: Scope<'_>, algorithm: Algorithm) -> (String, String) {
    let request = CertificateRequest {
        name: name.into(),
        subject: Subject { cn: cn.into(), ..Subject::default() },
        usages: vec![Usage::ClientAuth],
        key_usages: vec![],
        dns: vec![],
        ip: vec![],
        uri: vec![],
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        days: 365,
        serial: None,
        algorithm,
        encoding: None,
    };
    let issued = issue(&seed(), &scope, &authority(), &request).unwrap();
    (issued.certificate_pem, issued.key_pem.to_string())
}

/// What a kubeconfig holds under a key that ends in `-data`.
fn inside(kubeconfig: &str, key: &str) -> String {
    let line = kubeconfig.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
    String::from_utf8(openssl("base64 -d -A", line.split(": ").nth(1).unwrap())).unwrap()
}

#[test]
fn keys_have_the_names_that_the_book_says() {
    let project = project(PKI);
    let path = |name: &str| project.beside(name).display().to_string();
    project.must(&["lock", "profiles/p.toml", "--seed", &path("seed")]);
    project.must(&["build", "profiles/p.toml", "--seed", &path("seed"), "-o", &path("out")]);
    let release = project.beside("out/prod/1.0");
    for node in ["a", "cluster"] {
        let archive = release.join(format!("secrets/{node}/rootfs.tar"));
        let file = |name: &str| {
            let output = Command::new("tar").arg("-xOf").arg(&archive).arg(name).output().unwrap();
            assert!(output.status.success(), "{node} {name}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let text = |name: &str| String::from_utf8(file(name)).unwrap();
        let made = |shape, scope, name| secret(&seed(), &scope, name, shape).unwrap().to_vec();
        let pair = |generation| pair_key(&seed(), Algorithm::EcdsaP384, &scope(None, generation), "tokens").unwrap();

        assert_eq!(text("etc/ca.crt"), authority().certificate_pem());
        let server = certificate("server", "server", scope(Some(node), 1), Algorithm::Ed25519);
        assert_eq!((text("etc/server.crt"), text("etc/server.key")), server);
        let shared = certificate("shared", "shared", scope(None, 3), Algorithm::EcdsaP256);
        assert_eq!((text("etc/shared.crt"), text("etc/shared.key")), shared);
        let client = certificate("kubeconfig/client", "client", scope(Some(node), 4), Algorithm::EcdsaP384);
        let config = text("etc/client.conf");
        assert_eq!((inside(&config, "client-certificate-data"), inside(&config, "client-key-data")), client);

        assert_eq!(text("etc/tokens.key"), *pair(2).pem(KeyEncoding::Sec1).unwrap());
        let public = [2, 1].map(|generation| pair(generation).public().unwrap().pem().unwrap());
        assert_eq!(text("etc/tokens.pub"), public.concat());
        assert_eq!(file("etc/own"), made(SecretShape::Base64 { bytes: 32 }, scope(Some(node), 1), "own"));
        let password = made(SecretShape::Alphanumeric { characters: 20 }, scope(None, 1), "password");
        assert_eq!(file("etc/password"), password);
        assert_eq!(text("etc/imported"), IMPORTED.trim_end());
        let salt = made(SecretShape::Raw { bytes: 32 }, scope(Some(node), 1), "layer-salt");
        assert_eq!(file("usr/lib/mastermold/secrets.salt"), salt);
    }
    let admin = certificate("kubeconfig/admin", "admin", scope(None, 1), Algorithm::EcdsaP384);
    let config = std::fs::read_to_string(release.join("secrets/admin/admin.conf")).unwrap();
    assert_eq!((inside(&config, "client-certificate-data"), inside(&config, "client-key-data")), admin);
    let lock = std::fs::read_to_string(project.root().join("profiles/p.lock")).unwrap();
    let imports = BTreeMap::from([("secret/imported/1".to_owned(), Zeroizing::new(IMPORTED.as_bytes().to_vec()))]);
    for fingerprint in [seed().fingerprint(), fingerprint_of(&seed(), &imports).unwrap()] {
        assert!(lock.contains(&format!(" = \"{fingerprint}\"\n")), "{fingerprint}: {lock}");
    }
}

/// The certificate of a kubeconfig has a name that no other certificate may have: the two would share a key.
#[test]
fn no_certificate_takes_the_key_of_a_kubeconfig() {
    let project = project(&PKI.replace("name = \"server\"", "name = \"kubeconfig/client\""));
    project.write("profiles/p.toml", &PROFILE.replace("server = \"ed25519\"", ""));
    let error = project.fails(2, &["lock", "profiles/p.toml"]);
    assert!(
        error.starts_with("overlays/pki/overlay.toml:8:8: ") && error.contains("`kubeconfig/client` has a `/`"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}
