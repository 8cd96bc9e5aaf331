//! What a profile imports, accepts and places: each input that is wrong is refused with its class, in one line that names
//! the file and the place, and that has nothing of a key in it. OpenSSL makes the inputs.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "imports/issued.rs"]
mod issued;
#[path = "imports/locks.rs"]
mod locks;
#[path = "support/maker.rs"]
mod maker;
#[path = "imports/masters.rs"]
mod masters;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use maker::{AUTHORITY, LEAF, Maker, P256, P521, RSA, Wanted};
use support::Project;

const OVERLAY: &str = r#"
summary = "an authority, what it signs, a key pair, secrets"

[[authorities]]
name    = "ca"
subject = { cn = "ca" }
cert    = ["/etc/pki/ca.crt"]
key     = { path = "/etc/pki/ca.key" }

[authorities.key-finding]
id   = "ca-key-on-node"
says = "nothing on a machine signs"

[[authorities]]
name    = "bare"
subject = { cn = "bare" }
cert    = ["/etc/pki/bare.crt"]

[[certificates]]
name      = "server"
authority = "ca"
subject   = { cn = "server", o = ["team"] }
usages    = ["server-auth"]
dns       = ["one.example"]
ip        = ["10.0.0.1"]
days      = 90
cert      = "/etc/pki/server.crt"
key       = "/etc/pki/server.key"
when      = "node.name == 'one'"

[[keypairs]]
name    = "sa"
scope   = "cluster"
private = "/etc/pki/sa.key"
public  = "/etc/pki/sa.pub"

[keypairs.drop-finding]
id   = "sa-dropped"
says = "old tokens are refused"

[[secrets]]
name  = "key"
shape = "base64"
bytes = 32
scope = "cluster"
path  = "/etc/pki/key"

[[secrets]]
name  = "key-16"
shape = "base64"
bytes = 16
scope = "cluster"
path  = "/etc/pki/key-16"

[[secrets]]
name  = "key-24"
shape = "base64"
bytes = 24
scope = "cluster"
path  = "/etc/pki/key-24"

[[secrets]]
name  = "token"
shape = "bootstrap-token"
scope = "cluster"
path  = "/etc/pki/token"
"#;

const PROFILE: &str = r#"
overlays = ["keys"]
[cluster]
name = "prod"
version = "1"
epoch = 2026-11-01T00:00:00Z
[pki]
since = 2026-01-01T00:00:00Z
[[nodes]]
name = "one"
[[nodes]]
name = "two"
[[outputs]]
format = "tar"
"#;

/// A project, OpenSSL beside it, and a seed. Private files are in `~/keys`, public ones in `pki/`.
struct Bench {
    project: Project,
    maker: Maker,
    // Every line of base64 that a private file has.
    secret: std::cell::RefCell<Vec<String>>,
}

impl Bench {
    fn new() -> Bench {
        let project = Project::new(&[("overlays/keys/overlay.toml", OVERLAY), ("profiles/prod.toml", PROFILE)]);
        for folder in [project.root().join("pki"), project.beside("home/keys")] {
            fs::create_dir_all(folder).unwrap();
        }
        project.must(&["pki", "init", "profiles/prod.toml"]);
        Bench { project, maker: Maker::new(), secret: Default::default() }
    }

    /// An authority: `pki/NAME.crt` and `~/keys/NAME.key`.
    fn authority(&self, name: &str, wanted: &Wanted<'_>) {
        self.maker.openssl_makes(name, wanted);
        self.public(&format!("{name}.crt"), self.maker.read(&format!("{name}.crt")));
        self.private(&format!("{name}.key"), self.maker.read(&format!("{name}.key")));
    }

    fn public(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.project.root().join("pki").join(name), content).unwrap();
    }

    fn private(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.project.beside("home/keys").join(name);
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = String::from_utf8_lossy(content.as_ref()).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| line.len() > 15 && !line.contains("-----"));
        self.secret.borrow_mut().extend(lines.map(str::to_owned));
    }

    fn profile(&self, lines: &str) {
        self.project.write("profiles/prod.toml", &format!("{PROFILE}{lines}\n"));
    }

    /// With these lines the verb is refused: with this code, in one line, which begins with the place of what stands in
    /// the profile (its last line that begins so) or, with none, anywhere, and says all of these. It is the same line
    /// however many machines there are, and nothing of a private file is in it.
    #[track_caller]
    fn refuses_to(&self, words: &[&str], lines: &str, code: i32, at: &str, says: &[&str]) {
        self.profile(lines);
        let said = self.project.fails(code, words);
        assert_eq!(said.lines().count(), 1, "more than one line:\n{said}");
        if !at.is_empty() {
            let text = format!("{PROFILE}{lines}");
            let line = text.lines().collect::<Vec<_>>().iter().rposition(|line| line.starts_with(at)).unwrap() + 1;
            assert!(said.starts_with(&format!("profiles/prod.toml:{line}:")), "not at line {line}:\n{said}");
        }
        for part in says {
            assert!(said.contains(part), "does not say `{part}`:\n{said}");
        }
        for line in self.secret.borrow().iter() {
            assert!(!said.contains(line.as_str()), "a secret is shown:\n{said}");
        }
    }

    #[track_caller]
    fn refuses(&self, lines: &str, code: i32, at: &str, says: &[&str]) {
        self.refuses_to(&["lock", "profiles/prod.toml"], lines, code, at, says);
    }

    /// An import of the authority `ca` with these further lines is refused.
    #[track_caller]
    fn refuses_authority(&self, lines: &str, code: i32, says: &[&str]) {
        let says: Vec<&str> = [&["importing the authority `ca`, generation 1"], says].concat();
        self.refuses(&format!("{CA}{lines}"), code, "[[pki.imports]]", &says);
    }
}

const IMPORT: &str = "[[pki.imports]]\n";
const CA: &str = "[[pki.imports]]\nauthority = \"ca\"\n";
const GOOD: &str = "[[pki.imports]]\nauthority = \"ca\"\ncert = \"pki/ca.crt\"\nkey = \"~/keys/ca.key\"\n";

fn cert_and_key(cert: &str, key: &str) -> String {
    format!("cert = \"pki/{cert}.crt\"\nkey = \"~/keys/{key}\"\n")
}

#[test]
fn authorities_that_cannot_be_one() {
    let bench = Bench::new();
    bench.authority("ca", &Wanted { subject: "/CN=ca", ..Default::default() });
    bench.authority("other", &Wanted { subject: "/CN=ca", ..Default::default() });
    bench.authority("leaf", &Wanted { subject: "/CN=leaf", extensions: LEAF, ..Default::default() });
    bench.authority("old", &Wanted { dates: ["20160101000000Z", "20260131000000Z"], ..Default::default() });
    bench.authority("short", &Wanted { dates: ["20260101000000Z", "20261201000000Z"], ..Default::default() });
    bench.authority("young", &Wanted { dates: ["20270101000000Z", "20360101000000Z"], ..Default::default() });
    bench.authority("small", &Wanted { key: "-algorithm RSA -pkeyopt rsa_keygen_bits:1024", ..Default::default() });
    bench.authority("p521", &Wanted { key: P521, ..Default::default() });
    let cases: [(&str, String, i32, &[&str]); 9] = [
        ("no key, nothing issued", "cert = \"pki/ca.crt\"".into(), 2, &["without its key", "`issued`"]),
        ("no certificate", "key = \"~/keys/ca.key\"".into(), 2, &["it has no `cert`"]),
        ("key and issued", cert_and_key("ca", "ca.key") + "issued = \"pki/issued\"", 2, &["it has `key` and `issued`"]),
        ("another's key", cert_and_key("ca", "other.key"), 2, &["pki/ca.crt: the key is not the one of", "CN=ca"]),
        ("a leaf", cert_and_key("leaf", "leaf.key"), 2, &["pki/leaf.crt: ", "CN=leaf is no authority's (CA:FALSE)"]),
        ("RSA 1024", cert_and_key("small", "small.key"), 2, &["~/keys/small.key: its RSA key has 1024 bits"]),
        (
            "RSA 1024, by its certificate",
            "cert = \"pki/small.crt\"\nissued = \"i\"".into(),
            4,
            &["RSA 1024, which is not trusted"],
        ),
        (
            "P-521",
            cert_and_key("p521", "p521.key"),
            2,
            &["~/keys/p521.key: ", "a kind that mastermold does not sign with"],
        ),
        (
            "P-521, by its certificate",
            "cert = \"pki/p521.crt\"\nissued = \"i\"".into(),
            4,
            &["P-521, which is not trusted"],
        ),
    ];
    for (what, lines, code, says) in cases {
        eprintln!("{what}");
        match what {
            "no key, nothing issued" => bench.refuses(&format!("{CA}{lines}"), code, "[[pki.imports]]", says),
            _ => bench.refuses_authority(&lines, code, says),
        }
    }
    // What it issues would not be valid: the one certificate that there is says so.
    let dated = |name: &str, code, says: &[&str]| {
        bench.refuses(&(CA.to_owned() + &cert_and_key(name, &format!("{name}.key"))), code, "", says);
    };
    dated("old", 4, &["`server`", "its authority expired at 2026-01-31T00:00:00Z", "new generation"]);
    dated("short", 2, &["`server`", "after its authority at 2026-12-01T00:00:00Z", "at most 30 days"]);
    dated("young", 2, &["`server`", "before its authority at 2027-01-01T00:00:00Z", "(`epoch`)"]);
}

#[test]
fn authorities_are_judged_at_the_epoch_and_at_the_time_that_is_asked_for() {
    let bench = Bench::new();
    // Nothing that it signs is asked for: only its own dates count.
    bench.authority("old", &Wanted { dates: ["20160101000000Z", "20260131000000Z"], ..Default::default() });
    let lines = "[[pki.imports]]\nauthority = \"bare\"\ncert = \"pki/old.crt\"\nkey = \"~/keys/old.key\"\n";
    bench.profile(lines);
    bench.project.must(&["lock", "profiles/prod.toml"]);
    let expired = |words: &[&str], code: i32| {
        let said = bench.project.fails(code, &[&["build", "profiles/prod.toml"], words].concat());
        let part = "/etc/pki/bare.crt of node one and 1 more: the certificate of `CN=a` expired at 2026-01-31";
        assert!(said.contains(part), "{said}");
    };
    expired(&[], 4);
    expired(&["--at", "2026-02-01T00:00:00Z"], 4);
    let said = bench.project.fails(4, &["build", "profiles/prod.toml", "--at", "2026-01-15T00:00:00Z"]);
    assert!(said.contains("is not valid before 2026-11-01") && said.contains("a later epoch, or --at"), "{said}");
    assert!(!said.contains("expired"), "{said}");
}

#[test]
fn files_of_keys_that_are_not_taken() {
    let bench = Bench::new();
    bench.authority("ca", &Wanted { subject: "/CN=ca", ..Default::default() });
    bench.authority("rsa", &Wanted { key: RSA, subject: "/CN=ca", ..Default::default() });
    let maker = &bench.maker;
    maker.openssl("pkcs8 -topk8 -in ca.key -passout pass:secret -out pkcs8.key");
    maker.openssl("rsa -in rsa.key -aes128 -traditional -passout pass:secret -out rfc1421.key");
    maker.openssl("pkey -in ca.key -outform DER -out der.key");
    maker.openssl("pkey -in ca.key -pubout -out pub.key");
    maker.write("two.key", [maker.read("ca.key"), maker.read("rsa.key")].concat());
    maker.write("cut.key", &maker.read("ca.key")[..120]);
    maker.write("empty.key", "");
    let cases: [(&str, i32, &str); 7] = [
        ("pkcs8", 2, "the private key is encrypted; decrypt it"),
        ("rfc1421", 2, "the private key is encrypted; decrypt it"),
        (
            "der",
            2,
            "it does not hold exactly one private key in PEM; give a file with one PRIVATE KEY block; from DER: openssl",
        ),
        ("pub", 2, "it holds a block `PUBLIC KEY`, not a private key"),
        ("two", 2, "it does not hold exactly one private key"),
        ("cut", 2, "its PRIVATE KEY block is damaged"),
        ("empty", 2, "it does not hold exactly one private key"),
    ];
    for (name, code, says) in cases {
        bench.private(&format!("{name}.key"), maker.read(&format!("{name}.key")));
        let file = format!("~/keys/{name}.key: ");
        bench.refuses_authority(&cert_and_key("ca", &format!("{name}.key")), code, &[&file, says]);
    }
    let der = maker.openssl("x509 -in ca.crt").into_bytes();
    bench.public("empty.crt", "");
    bench.public("key.crt", maker.openssl("pkey -in ca.key -pubout"));
    bench.public("cut.crt", &der[..200]);
    bench.refuses_authority(&cert_and_key("empty", "ca.key"), 2, &["pki/empty.crt: "]);
    bench.refuses_authority(&cert_and_key("key", "ca.key"), 2, &["pki/key.crt: "]);
    bench.refuses_authority(&cert_and_key("cut", "ca.key"), 2, &["pki/cut.crt: "]);
    bench.refuses_authority(&cert_and_key("none", "ca.key"), 5, &["pki/none.crt: No such file"]);
    bench.refuses_authority(&cert_and_key("ca", "none.key"), 5, &["keys/none.key: No such file"]);
    bench.refuses_authority("cert = \"pki\"\nkey = \"~/keys/ca.key\"", 2, &["pki is not a regular file"]);
}

#[test]
fn private_files_are_private_and_outside() {
    let bench = Bench::new();
    bench.authority("ca", &Wanted { subject: "/CN=ca", ..Default::default() });
    let (keys, root) = (bench.project.beside("home/keys"), bench.project.root());
    bench.private("secret", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    for mode in [0o644, 0o640, 0o660, 0o604] {
        for name in ["ca.key", "secret"] {
            fs::set_permissions(keys.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let mode = format!("mode {mode:04o}");
        let readable = [mode.as_str(), "others may read it", "chmod 600"];
        bench.refuses_authority(&cert_and_key("ca", "ca.key"), 4, &readable);
        bench.refuses(&format!("{IMPORT}secret = \"key\"\nfile = \"~/keys/secret\""), 4, IMPORT.trim(), &readable);
    }
    for name in ["ca.key", "secret"] {
        fs::set_permissions(keys.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Inside, by its name, by a way around, by a symlink from outside, and by one that leads out again.
    let inside = root.join("inside.key");
    fs::copy(keys.join("ca.key"), &inside).unwrap();
    std::os::unix::fs::symlink(&inside, keys.join("link.key")).unwrap();
    std::os::unix::fs::symlink(&root, keys.join("folder")).unwrap();
    std::os::unix::fs::symlink(keys.join("ca.key"), root.join("out.key")).unwrap();
    let absolute = inside.display().to_string();
    for path in ["inside.key", &absolute, "pki/../inside.key", "~/keys/link.key", "~/keys/folder/inside.key", "out.key"]
    {
        let lines = format!("cert = \"pki/ca.crt\"\nkey = \"{path}\"");
        bench.refuses_authority(&lines, 8, &["is private and inside the project", "keep it outside"]);
    }
    bench.refuses(&format!("{IMPORT}secret = \"key\"\nfile = \"inside.key\""), 8, IMPORT.trim(), &["inside.key"]);
    bench.refuses(&format!("{IMPORT}keypair = \"sa\"\nkey = \"inside.key\""), 8, IMPORT.trim(), &["inside.key"]);
    fs::remove_file(&inside).unwrap();
    bench.refuses_authority("cert = \"pki/ca.crt\"\nkey = \"~/keys/link.key\"", 5, &["link.key: No such file"]);
    // What is outside may be behind a symlink that is outside too.
    std::os::unix::fs::symlink(keys.join("ca.key"), keys.join("fine.key")).unwrap();
    bench.profile(&format!("{CA}{}", cert_and_key("ca", "fine.key")));
    bench.project.must(&["lock", "profiles/prod.toml"]);
}

#[test]
fn imports_that_are_none() {
    let bench = Bench::new();
    bench.authority("ca", &Wanted { subject: "/CN=ca", ..Default::default() });
    let at = "[[pki.imports]]";
    let cases: [(String, &[&str]); 9] = [
        (format!("{GOOD}{GOOD}"), &["the authority `ca`, generation 1, is imported twice"]),
        (format!("{GOOD}generation = 0"), &["generations count from 1"]),
        (
            format!("{GOOD}generation = 2"),
            &["nothing uses the imported authority `ca`, generation 2", "raise or accept"],
        ),
        (GOOD.replace("\"ca\"", "\"cas\""), &["nothing uses the imported authority `cas`", "did you mean `ca`?"]),
        (GOOD.replace("authority", "keypair"), &["an imported key pair has no `cert`"]),
        (format!("{GOOD}secret = \"key\""), &["name exactly one of them"]),
        (format!("{IMPORT}key = \"~/keys/ca.key\""), &["name exactly one of them"]),
        (format!("{GOOD}file = \"x\""), &["an imported authority has no `file`"]),
        (format!("{IMPORT}secret = \"sa\"\nfile = \"~/keys/ca.key\""), &["nothing uses the imported secret `sa`"]),
    ];
    for (lines, says) in cases {
        bench.refuses(&lines, 2, at, says);
    }
    bench.refuses(
        &format!("{GOOD}certificate = \"x\""),
        2,
        "certificate",
        &["`certificate` is not a key here; did you mean `cert`?"],
    );
}

#[test]
fn key_pairs_and_secrets_that_are_not_taken() {
    let bench = Bench::new();
    for name in ["a", "b"] {
        bench.maker.openssl(&format!("genpkey {P256} -out {name}.key"));
        bench.maker.openssl(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
        bench.private(&format!("{name}.key"), bench.maker.read(&format!("{name}.key")));
        bench.public(&format!("{name}.pub"), bench.maker.read(&format!("{name}.pub")));
    }
    bench.public("both.pub", [bench.maker.read("a.pub"), bench.maker.read("b.pub")].concat());
    let pairs: [(&str, &[&str]); 4] = [
        ("", &["it has neither `key` nor `public`"]),
        ("key = \"~/keys/a.key\"\npublic = \"pki/b.pub\"", &["pki/b.pub is not the public half of `key`"]),
        ("public = \"pki/a.pub\"", &["`sa` is imported without its private key", "another generation"]),
        ("public = \"pki/both.pub\"", &["pki/both.pub: it does not hold exactly one public key"]),
    ];
    for (lines, says) in pairs {
        bench.refuses(&format!("{IMPORT}keypair = \"sa\"\n{lines}"), 2, "[[pki.imports]]", says);
    }
    bench.refuses(&format!("{IMPORT}secret = \"key\""), 2, "[[pki.imports]]", &["it has no `file`"]);

    let of = |bytes: usize| bench.maker.openssl(&format!("rand -base64 {bytes}"));
    let secrets: [(&str, String, &str); 14] = [
        ("key", of(16), "base64 of 32 bytes"),
        ("key", of(24), "base64 of 32 bytes"),
        ("key", of(31), "base64 of 32 bytes"),
        ("key", of(33), "base64 of 32 bytes"),
        ("key", of(32).trim_end_matches("=\n").to_owned(), "base64 of 32 bytes"),
        ("key", of(32) + "\n", "base64 of 32 bytes"),
        ("key", of(32).replace('\n', "\r\n"), "base64 of 32 bytes"),
        ("key", " ".to_owned() + &of(32), "base64 of 32 bytes"),
        ("key", String::new(), "base64 of 32 bytes"),
        ("key-16", of(32), "base64 of 16 bytes"),
        ("key-24", of(16), "base64 of 24 bytes"),
        ("token", "abcdef-0123456789abcdef".into(), "a bootstrap token like"),
        ("token", "ABCDEF.0123456789abcdef".into(), "a bootstrap token like"),
        ("token", "abcdef.0123456789abcdef0".into(), "a bootstrap token like"),
    ];
    for (name, content, says) in secrets {
        bench.private("wrong", &content);
        let lines = format!("{IMPORT}secret = \"{name}\"\nfile = \"~/keys/wrong\"");
        let act = format!("importing the secret `{name}`, generation 1: ~/keys/wrong: it is not {says}");
        bench.refuses(&lines, 2, "[[pki.imports]]", &[&act]);
    }
    // As declared, with and without the line's end, each is taken.
    let good = [("key", of(32)), ("key-16", of(16)), ("key-24", of(24)), ("token", "abcdef.0123456789abcdef".into())];
    let mut lines = String::new();
    for (name, content) in &good {
        bench.private(name, content);
        lines += &format!("{IMPORT}secret = \"{name}\"\nfile = \"~/keys/{name}\"\n");
    }
    bench.profile(&lines);
    bench.project.must(&["lock", "profiles/prod.toml"]);
    bench.project.must(&["build", "profiles/prod.toml"]);
    let archive = bench.project.root().join("out/prod/1/secrets/one/secrets.tar");
    for (name, content) in &good {
        let output =
            std::process::Command::new("tar").arg("-xOf").arg(&archive).arg(format!("etc/pki/{name}")).output();
        assert_eq!(String::from_utf8_lossy(&output.unwrap().stdout), content.trim_end(), "{name}");
    }
}

#[test]
fn generations_that_are_none() {
    let bench = Bench::new();
    let cases: [(&str, &[&str]); 12] = [
        (
            "sa = { current = 1, since = { 1 = 2026-01-01T00:00:00Z } }",
            &["gives `sa` a `since`, and it is no authority"],
        ),
        ("sa = 0", &["generations count from 1"]),
        ("sa = -1", &["a number from 1 up"]),
        ("sa = \"2\"", &["a number, or a table"]),
        ("sa = { accepted = [1] }", &["current"]),
        ("sa = { current = 1, accepted = [0] }", &["generations count from 1"]),
        ("sa = { current = 1, accepted = [1] }", &["generation 1 is named twice"]),
        ("ca = { current = 1, accepted = [2, 2] }", &["generation 2 is named twice"]),
        ("ca = { current = 1, since = { 3 = 2026-01-01T00:00:00Z } }", &["`since` names generation 3"]),
        ("ca = { current = 1, sinse = {} }", &["sinse"]),
        ("server = { current = 2, accepted = [1] }", &["`server` is a certificate", "as a number"]),
        ("serv = 2", &["no key has this name", "did you mean `server`?"]),
    ];
    for (line, says) in cases {
        bench.refuses(&format!("[pki.generations]\n{line}"), 2, line.split(' ').next().unwrap(), says);
    }
    bench.refuses("[pki.generations]\nsa = 2", 2, "sa", &["old tokens are refused (sa-dropped)", "[[accept]]"]);
    bench.refuses("[pki.algorithms]\nserv = \"ed25519\"", 2, "serv", &["no key has this name"]);
    bench.refuses("[pki.algorithms]\nserver = \"dsa\"", 2, "server", &["dsa"]);
}

#[test]
fn placements_and_findings_that_are_none() {
    let bench = Bench::new();
    let placed = |authority: &str, node: &str, reason: &str| {
        format!("[[pki.placements]]\nauthority = \"{authority}\"\nnodes = [\"{node}\"]\nreason = \"{reason}\"\n")
    };
    let accepted =
        |finding: &str, reason: &str| format!("[[accept]]\nfinding = \"{finding}\"\nreason = \"{reason}\"\n");
    let (nodes, placement, accept) = ("nodes", "[[pki.placements]]", "[[accept]]");
    let cases: [(String, i32, &str, &[&str]); 10] = [
        (placed("ca", "one", "signs"), 8, nodes, &["nothing on a machine signs (ca-key-on-node)", accept]),
        (placed("ca", "on", "signs"), 2, nodes, &["no node `on`", "did you mean `one`?"]),
        (placed("ca", "one", "") + &accepted("ca-key-on-node", "x"), 2, placement, &["`ca` has no reason"]),
        (placed("ca", "one", " ") + &accepted("ca-key-on-node", "x"), 2, placement, &["`ca` has no reason"]),
        (placed("cas", "one", "signs"), 2, nodes, &["no overlay declares the authority `cas`"]),
        (placed("bare", "one", "signs"), 2, nodes, &["no overlay declares the authority `bare` with a `key`"]),
        (placed("ca", "one", "signs").replace("authority", "kubeconfig"), 2, nodes, &["the kubeconfig `ca`"]),
        (placed("ca", "one", "signs").replace("authority = \"ca\"\n", ""), 2, placement, &["one `authority`"]),
        (placed("ca", "one", "signs") + &accepted("ca-key-on-node", " "), 2, accept, &["accepted without a reason"]),
        (
            placed("ca", "one", "signs") + &accepted("ca-key-on-node", "a") + &accepted("ca-key-on-node", "b"),
            2,
            accept,
            &["accepted twice"],
        ),
    ];
    for (lines, code, at, says) in cases {
        bench.refuses(&lines, code, at, says);
    }
    // Whether a check finds what is accepted is known when all of them are done.
    bench.profile(&accepted("ca-key-on-node", "why not"));
    bench.project.must(&["lock", "profiles/prod.toml"]);
    let text = bench.project.fails(2, &["build", "profiles/prod.toml"]);
    assert!(text.contains("`ca-key-on-node` is accepted, and there is none; take it out of [[accept]]"), "{text}");
    let nowhere = placed("ca", "one", "signs").replace("reason = \"signs\"\n", "");
    bench.refuses(&nowhere, 2, "", &["reason"]);
    bench.refuses("[[accept]]\nfinding = \"x\"\n", 2, "", &["reason"]);
    // By default it is on no machine; with a reason for each it is on that one alone, and closed.
    for (lines, found) in [
        (String::new(), ["", ""]),
        (placed("ca", "two", "signs") + &accepted("ca-key-on-node", "for a test"), ["", "-rw------- 0/0"]),
    ] {
        bench.profile(&lines);
        bench.project.must(&["lock", "profiles/prod.toml"]);
        bench.project.must(&["build", "profiles/prod.toml", "--force"]);
        for (node, mode) in ["one", "two"].into_iter().zip(found) {
            let archive = bench.project.root().join(format!("out/prod/1/secrets/{node}/secrets.tar"));
            let output = std::process::Command::new("tar").arg("-tvf").arg(archive).output().unwrap();
            let list = String::from_utf8_lossy(&output.stdout).into_owned();
            let line = list.lines().find(|line| line.ends_with("etc/pki/ca.key")).unwrap_or_default();
            assert!(line.starts_with(mode) && line.is_empty() == mode.is_empty(), "{node}: {list}");
        }
    }
}

#[test]
fn keys_of_every_kind_are_taken_as_openssl_writes_them() {
    let bench = Bench::new();
    let kinds = [
        ("p256", P256),
        ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
        ("ed25519", "-algorithm ED25519"),
        ("rsa", RSA),
    ];
    for (name, key) in kinds {
        let digest = if name == "ed25519" { "default" } else { "sha256" };
        bench.authority(name, &Wanted { key, digest, subject: "/CN=ca", extensions: AUTHORITY, ..Default::default() });
        let mut forms = vec![bench.maker.read(&format!("{name}.key"))];
        if name != "ed25519" {
            bench.maker.openssl(&format!("pkey -in {name}.key -traditional -out traditional.key"));
            forms.push(bench.maker.read("traditional.key"));
        }
        for form in forms {
            bench.private(&format!("{name}.key"), form);
            bench.profile(&format!("{CA}{}", cert_and_key(name, &format!("{name}.key"))));
            bench.project.must(&["lock", "profiles/prod.toml"]);
            bench.project.must(&["build", "profiles/prod.toml", "--force"]);
            let archive = bench.project.root().join("out/prod/1/public/one/node.tar");
            let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg("etc/pki/server.crt").output();
            bench.maker.write("server.crt", output.unwrap().stdout);
            bench.maker.openssl(&format!("verify -attime 1793491200 -x509_strict -CAfile {name}.crt server.crt"));
        }
    }
}
