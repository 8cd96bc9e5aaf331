//! What a profile imports, accepts and places: each input that is wrong is refused with its class, in one line that names
//! the file and the place, and that has nothing of a key in it. OpenSSL makes the inputs.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "support/maker.rs"]
mod maker;
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
    let cases: [(String, i32, &str, &[&str]); 11] = [
        (placed("ca", "one", "signs"), 8, nodes, &["nothing on a machine signs (ca-key-on-node)", accept]),
        (placed("ca", "on", "signs"), 2, nodes, &["no node `on`", "did you mean `one`?"]),
        (placed("ca", "one", "") + &accepted("ca-key-on-node", "x"), 2, placement, &["`ca` has no reason"]),
        (placed("ca", "one", " ") + &accepted("ca-key-on-node", "x"), 2, placement, &["`ca` has no reason"]),
        (placed("cas", "one", "signs"), 2, nodes, &["no overlay declares the authority `cas`"]),
        (placed("bare", "one", "signs"), 2, nodes, &["no overlay declares the authority `bare` with a `key`"]),
        (placed("ca", "one", "signs").replace("authority", "kubeconfig"), 2, nodes, &["the kubeconfig `ca`"]),
        (placed("ca", "one", "signs").replace("authority = \"ca\"\n", ""), 2, placement, &["one `authority`"]),
        (accepted("ca-key-on-node", "why not"), 2, accept, &["`ca-key-on-node` is accepted, and there is none"]),
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

/// An outside authority: `ca` below `middle` below `root`, and the request `server` of node one.
struct Outside {
    bench: Bench,
    lines: String,
}

/// What OpenSSL is asked to issue for that request.
struct Issue<'a> {
    by: &'a str,
    extensions: &'a str,
    request: &'a str,
    // More words for `openssl ca`.
    more: &'a str,
}

/// The extensions of what was asked for, but for the names.
const SERVER: &str = "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
                      extendedKeyUsage=serverAuth\nsubjectAltName=";
const NAMES: &str = "DNS:one.example,IP:10.0.0.1";

impl Outside {
    fn new() -> Outside {
        let bench = Bench::new();
        bench.authority("root", &Wanted { subject: "/CN=root", ..Default::default() });
        bench.authority("middle", &Wanted { subject: "/CN=middle", by: Some("root"), ..Default::default() });
        bench.authority("ca", &Wanted { subject: "/CN=ca", by: Some("middle"), ..Default::default() });
        bench.authority("twin", &Wanted { subject: "/CN=ca", ..Default::default() });
        let maker = &bench.maker;
        bench.public("chain.crt", ["ca.crt", "middle.crt", "root.crt"].map(|name| maker.read(name)).concat());
        let lines = format!("{CA}cert = \"pki/chain.crt\"\nissued = \"pki/issued\"\n");
        bench.profile(&lines);
        bench.project.must(&["pki", "csr", "profiles/prod.toml"]);
        maker.write("server.csr", fs::read(bench.project.root().join("csr/one/server.csr")).unwrap());
        maker.openssl(&format!("genpkey {P256} -out wrong.key"));
        maker.openssl("req -config ca.cnf -new -key wrong.key -subj /CN=server -out wrong.csr");
        Outside { bench, lines }
    }

    fn issue(&self, issue: &Issue<'_>) -> Vec<u8> {
        let (maker, Issue { by, extensions, request, more }) = (&self.bench.maker, issue);
        maker.write("issue.ext", extensions);
        let dates =
            if more.contains("-startdate") { "" } else { "-startdate 20261001000000Z -enddate 20271001000000Z " };
        maker.openssl(&format!(
            "ca -config ca.cnf -batch -notext -preserveDN -md sha256 -cert {by}.crt -keyfile {by}.key {dates}{more}\
             -extfile issue.ext -in {request}.csr -out issued.crt"
        ));
        maker.read("issued.crt")
    }

    /// What is good, but for more words.
    fn plain(&self, more: &str) -> Vec<u8> {
        self.issue(&Issue { by: "ca", extensions: &format!("{SERVER}{NAMES}"), request: "server", more })
    }

    fn put(&self, bytes: &[u8]) {
        fs::create_dir_all(self.bench.project.root().join("pki/issued/one")).unwrap();
        self.bench.public("issued/one/server.crt", bytes);
    }

    #[track_caller]
    fn refuses(&self, bytes: &[u8], code: i32, says: &[&str]) {
        self.put(bytes);
        let says: Vec<&str> = [&["overlays/keys/overlay.toml:", "pki/issued/one/server.crt: "], says].concat();
        self.bench.refuses(&self.lines, code, "", &says);
    }

    /// What the lock says of this file, with `cert` from another file; the code may be one of usage and trust.
    fn says(&self, cert: &str, bytes: &[u8]) -> String {
        self.put(bytes);
        self.bench.profile(&self.lines.replace("pki/chain.crt", cert));
        let (code, said) = self.bench.project.run(&["lock", "profiles/prod.toml"]).unwrap_err();
        assert!([2, 4].contains(&code), "{said}");
        said
    }

    fn takes(&self, cert: &str, bytes: &[u8]) {
        self.put(bytes);
        self.bench.profile(&self.lines.replace("pki/chain.crt", cert));
        self.bench.project.must(&["lock", "profiles/prod.toml"]);
        self.bench.project.must(&["build", "profiles/prod.toml", "--force"]);
    }
}

#[test]
fn issued_certificates_with_other_names_and_usages_than_were_asked_for() {
    let outside = Outside::new();
    let good = format!("{SERVER}{NAMES}");
    let cases: [(&str, i32, &str); 11] = [
        (&format!("{SERVER}IP:10.0.0.1"), 2, "of the DNS names that were asked for it lacks one.example"),
        (&format!("{SERVER}DNS:one.example"), 2, "of the addresses that were asked for it lacks 10.0.0.1"),
        (&format!("{good},DNS:two.example"), 2, "nobody asked for: two.example"),
        (&format!("{good},DNS:*"), 2, "nobody asked for: *"),
        (&format!("{good},IP:10.0.0.2"), 2, "nobody asked for: 10.0.0.2"),
        (&format!("{good},URI:spiffe://x/y"), 2, "nobody asked for: spiffe://x/y"),
        (&format!("{LEAF}\nsubjectAltName={NAMES}"), 2, "of the usages that were asked for it lacks server-auth"),
        (&good.replace("serverAuth", "serverAuth,clientAuth"), 2, "nobody asked for: client-auth"),
        (&good.replace("serverAuth", "serverAuth,1.2.3"), 2, "nobody asked for: 1.2.3"),
        (&good.replace("serverAuth", "serverAuth,anyExtendedKeyUsage"), 2, "nobody asked for: 2.5.29.37.0"),
        (&good.replace("CA:FALSE", "CA:TRUE"), 2, "it is an authority's (CA:TRUE)"),
    ];
    for (extensions, code, says) in cases {
        outside.refuses(&outside.issue(&Issue { by: "ca", extensions, request: "server", more: "" }), code, &[says]);
    }
    let organization = ["nobody asked for: system:masters"];
    outside.refuses(&outside.plain("-subj /O=team/O=system:masters/CN=server "), 2, &organization);
    outside.refuses(&outside.plain("-subj /CN=server "), 2, &["of the organizations", "lacks team"]);
    // Two things are wrong with this one, and both are said.
    let said = outside.says("pki/chain.crt", &outside.plain("-subj /O=team/CN=other "));
    assert!(said.lines().count() == 2 && said.contains("lacks server") && said.contains("for: other"), "{said}");
    // Many authorities repeat the CN among the names.
    let repeated = format!("{good},DNS:server");
    let bytes = outside.issue(&Issue { by: "ca", extensions: &repeated, request: "server", more: "" });
    outside.takes("pki/chain.crt", &bytes);
}

#[test]
fn issued_certificates_for_another_key_of_another_authority_or_another_time() {
    let outside = Outside::new();
    let (good, maker) = (&format!("{SERVER}{NAMES}"), &outside.bench.maker);
    let by = |by, request, more| outside.issue(&Issue { by, extensions: good, request, more });
    let key = ["its key is not the one that was asked for", "another request, seed or generation"];
    outside.refuses(&by("ca", "wrong", "-subj /O=team/CN=server "), 2, &key);
    outside.refuses(&by("twin", "server", ""), 4, &["was issued with the key", "two authorities, or generations"]);
    outside.refuses(&by("root", "server", ""), 4, &["was issued by `CN=root`, not by `CN=ca`"]);
    outside.refuses(&maker.read("ca.crt"), 2, &["it holds the authority's certificate, and not the one"]);
    outside.refuses(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 2, &["not a certificate"]);
    outside.refuses(b"", 2, &[]);
    // Dates are judged when it is built.
    let dated = |from: &str, until: &str, words: &[&str], says: &[&str]| {
        outside.put(&outside.plain(&format!("-startdate {from} -enddate {until} ")));
        outside.bench.profile(&outside.lines);
        outside.bench.project.must(&["lock", "profiles/prod.toml"]);
        let what = "/etc/pki/server.crt of node one: the certificate of `CN=server,O=team`";
        let words = [&["build", "profiles/prod.toml"], words].concat();
        outside.bench.refuses_to(&words, &outside.lines, 4, "", &[&[what], says].concat());
    };
    dated("20260201000000Z", "20260301000000Z", &[], &["expired at 2026-03-01T00:00:00Z"]);
    let early = ["is not valid before 2026-11-01T00:00:01Z", "a later epoch, or --at"];
    dated("20261101000001Z", "20270301000000Z", &[], &early);
    dated("20261001000000Z", "20261115000000Z", &["--min-validity", "30d"], &["less than 30d after"]);
}

#[test]
fn chains_are_taken_in_their_order_and_in_no_other() {
    let outside = Outside::new();
    let (maker, plain) = (&outside.bench.maker, outside.plain(""));
    let [ca, middle, root] = ["ca.crt", "middle.crt", "root.crt"].map(|name| maker.read(name));
    let chain = |parts: &[&[u8]]| parts.concat();
    for bytes in [plain.clone(), chain(&[&plain, &ca])] {
        outside.takes("pki/chain.crt", &bytes);
    }
    // With the root as the authority, what is between comes in the file.
    for bytes in [chain(&[&plain, &ca, &middle]), chain(&[&plain, &ca, &middle, &root])] {
        outside.takes("pki/root.crt", &bytes);
        let archive = outside.bench.project.root().join("out/prod/1/public/one/node.tar");
        let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg("etc/pki/server.crt").output();
        maker.write("sent.crt", output.unwrap().stdout);
        assert_eq!(maker.read("sent.crt"), chain(&[&plain, &ca, &middle]), "the root is not sent");
        maker.openssl("verify -attime 1793491200 -CAfile root.crt -untrusted sent.crt sent.crt");
    }
    for (bytes, says) in [
        (chain(&[&plain, &middle, &ca]), "was issued by `CN=ca`, not by `CN=middle`"),
        (chain(&[&ca, &plain]), "its key is not the one"),
        (chain(&[&plain, &middle]), "was issued by `CN=ca`, not by `CN=middle`"),
        (plain.clone(), "was issued by `CN=ca`, not by `CN=root`"),
    ] {
        let said = outside.says("pki/root.crt", &bytes);
        assert!(said.contains(says) && said.contains("pki/issued/one/server.crt: "), "{said}");
    }
    // The bundle of the authority itself: the root first, or a link that is missing.
    for (bytes, says) in [
        (chain(&[&root, &middle, &ca]), "`CN=root` was issued by `CN=root`, not by `CN=middle`"),
        (chain(&[&ca, &root]), "`CN=ca` was issued by `CN=middle`, not by `CN=root`"),
    ] {
        outside.bench.public("bundle.crt", bytes);
        let said = outside.says("pki/bundle.crt", &plain);
        assert!(said.contains(says) && said.contains("pki/bundle.crt: "), "{said}");
    }
}

/// A bench whose profile imports an authority and a secret, and its lock.
struct Locked {
    bench: Bench,
    lines: String,
}

const BUILD: &[&str] = &["build", "profiles/prod.toml"];
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHERS: &str = "the imported private files are others than the lock was made with";

impl Locked {
    fn new() -> Locked {
        let bench = Bench::new();
        for (name, subject) in [("ca", "/CN=ca"), ("other", "/CN=other")] {
            bench.authority(name, &Wanted { subject, ..Default::default() });
        }
        bench.private("key", SECRET);
        let lines = format!("{GOOD}{IMPORT}secret = \"key\"\nfile = \"~/keys/key\"\n");
        Locked { bench, lines }
    }

    fn lock(&self) -> String {
        self.bench.profile(&self.lines);
        self.bench.project.must(&["lock", "profiles/prod.toml"]);
        fs::read_to_string(self.bench.project.root().join("profiles/prod.lock")).unwrap()
    }

    /// The same by somebody who has no seed.
    fn lock_without_seed(&self) -> String {
        let (seed, away) = ("home/.local/share/mastermold/prod.seed", "away");
        let (seed, away) = (self.bench.project.beside(seed), self.bench.project.beside(away));
        fs::rename(&seed, &away).unwrap();
        let text = self.lock();
        self.bench.project.must(&["plan", "profiles/prod.toml"]);
        self.bench.project.must(&["fetch", "profiles/prod.toml"]);
        fs::rename(&away, &seed).unwrap();
        text
    }

    fn says(&self, lines: &str) -> String {
        self.bench.profile(lines);
        self.bench.project.fails(2, BUILD)
    }
}

#[test]
fn imported_files_that_were_changed() {
    let locked = Locked::new();
    let (bench, lines, text) = (&locked.bench, locked.lines.as_str(), locked.lock());
    bench.project.must(BUILD);
    for line in bench.secret.borrow().iter() {
        assert!(!text.contains(line.as_str()), "a secret is in the lock");
    }
    // A private file by itself is not pinned by a hash that others could try secrets against.
    let digest = mastermold::digest::Digest::of(SECRET.as_bytes()).to_string();
    assert!(!text.contains(&digest) && text.contains("imports = \""), "{text}");

    // Public: the same certificate in other bytes.
    let good = bench.maker.read("ca.crt");
    bench.public("ca.crt", [&good[..], b"\n"].concat());
    bench.refuses_to(BUILD, lines, 3, "", &["the imported file pki/ca.crt is not the one that is locked", "lock`"]);
    bench.public("ca.crt", &good);
    // Private.
    bench.private("key", SECRET.replace("AAEC", "AQEC"));
    bench.refuses_to(BUILD, lines, 4, "", &[OTHERS, "lock`"]);
    bench.private("key", SECRET);
    bench.project.must(BUILD);
    // Both at once are both said.
    bench.public("ca.crt", bench.maker.read("other.crt"));
    bench.private("ca.key", bench.maker.read("other.key"));
    let said = bench.project.fails(4, BUILD);
    assert!(said.contains(OTHERS) && said.contains("pki/ca.crt"), "{said}");
    bench.public("ca.crt", &good);
    bench.private("ca.key", bench.maker.read("ca.key"));
    // The lock itself.
    bench.project.write("profiles/prod.lock", &text.replace("imports = \"", "imports = \"0"));
    bench.refuses_to(BUILD, lines, 4, "", &[OTHERS]);
    let twice = text.split_once("[[files]]").unwrap().1.split("[[").next().unwrap();
    bench.project.write("profiles/prod.lock", &format!("{text}\n[[files]]{twice}"));
    assert!(bench.project.fails(2, BUILD).contains("the file `pki/ca.crt` is locked twice"));
}

#[test]
fn locks_with_more_and_with_less_than_is_imported() {
    let locked = Locked::new();
    let (bench, lines) = (&locked.bench, locked.lines.as_str());
    locked.lock();
    bench.refuses_to(BUILD, GOOD, 4, "", &[OTHERS]);
    let less = locked.says("");
    assert!(less.contains("it knows private files, and the profile imports none"), "{less}");
    assert!(less.contains("pki/ca.crt is in it, and the profile imports it no more"), "{less}");
    bench.profile("");
    bench.project.must(&["lock", "profiles/prod.toml"]);
    let stale = "the lock is stale: the private files that the profile imports are not in it";
    let more = locked.says(lines);
    assert!(more.contains(stale) && more.contains("the imported file pki/ca.crt is not in it"), "{more}");
    // Somebody without the seed can lock what is public: what is private must still be locked by one who has it.
    fs::remove_file(bench.project.root().join("profiles/prod.lock")).unwrap();
    let text = locked.lock_without_seed();
    assert!(text.contains("pki/ca.crt") && !text.contains("imports ="), "{text}");
    bench.refuses_to(BUILD, lines, 2, "", &[stale, "mastermold lock"]);
    let text = locked.lock();
    bench.project.must(BUILD);
    // And once it is locked, a lock without a seed leaves that as it is.
    assert_eq!(locked.lock_without_seed(), text);
    bench.project.must(BUILD);
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

/// A control plane of the shipped overlays, with a worker beside it.
const MASTERS: &str = r#"
overlays = ["kubeadm-pki", "kube-apiserver", "encryption-at-rest"]
[cluster]
name = "prod"
version = "1"
epoch = 2026-11-01T00:00:00Z
endpoint = "api.prod.example:6443"
[kubernetes]
version = "1.34.2"
[network]
service-cidr = "10.96.0.0/16"
[pki]
since = 2026-01-01T00:00:00Z
[[outputs]]
format = "tar"
[[nodes]]
name = "worker"
address = "10.0.0.3"
roles = ["worker"]
[[nodes]]
name = "master-0"
address = "10.0.0.1"
roles = ["control-plane", "etcd"]
[[nodes]]
name = "master-1"
address = "10.0.0.2"
roles = ["control-plane", "etcd"]
"#;

fn masters() -> Project {
    let project = Project::new(&[("profiles/prod.toml", MASTERS)]);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/overlays");
    let copied = std::process::Command::new("cp").args(["-R", shipped, "."]).current_dir(project.root()).status();
    assert!(copied.unwrap().success());
    project.must(&["pki", "init", "profiles/prod.toml"]);
    project
}

#[test]
fn keys_that_belong_on_no_machine_are_on_none_without_a_reason() {
    let project = masters();
    let placed = |what: &str, name: &str, node: &str| {
        format!("[[pki.placements]]\n{what} = \"{name}\"\nnodes = [\"{node}\"]\nreason = \"it is asked for\"\n")
    };
    // Every file of a node that is a key of an authority or a kubeconfig for people, with its mode.
    let built = |node: &str, lines: &str| -> Vec<String> {
        project.write("profiles/prod.toml", &format!("{MASTERS}{lines}"));
        project.must(&["lock", "profiles/prod.toml"]);
        project.must(&["build", "profiles/prod.toml", "--force"]);
        let archive = project.root().join(format!("out/prod/1/secrets/{node}/secrets.tar"));
        let output = std::process::Command::new("tar").arg("-tvf").arg(archive).output().unwrap();
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        let wanted = ["/ca.key", "front-proxy-ca.key", "admin.conf"];
        let lines = list.lines().filter(|line| wanted.iter().any(|name| line.ends_with(name)));
        lines.map(|line| format!("{} {}", &line[..10], line.rsplit(' ').next().unwrap())).collect()
    };
    for node in ["worker", "master-0", "master-1"] {
        assert_eq!(built(node, ""), [""; 0], "{node}");
    }
    for (name, finding) in [("etcd-ca", "etcd-ca-key-on-node"), ("front-proxy-ca", "front-proxy-ca-key-on-node")] {
        project.write("profiles/prod.toml", &format!("{MASTERS}{}", placed("authority", name, "master-0")));
        let said = project.fails(8, &["lock", "profiles/prod.toml"]);
        assert!(
            said.starts_with("profiles/prod.toml:") && said.contains(finding) && said.lines().count() == 1,
            "{said}"
        );
    }
    project.write("profiles/prod.toml", &format!("{MASTERS}{}", placed("authority", "ca", "worker")));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.contains("on node worker no overlay declares the authority `ca`"), "{said}");
    let lines = placed("authority", "ca", "master-0") + &placed("kubeconfig", "super-admin", "master-0");
    let on_master = ["-rw------- etc/kubernetes/pki/ca.key", "-rw------- etc/kubernetes/super-admin.conf"];
    let mut found = built("master-0", &lines);
    found.sort_by_key(|line| line.contains("super"));
    assert_eq!(found, on_master);
    assert_eq!(built("master-1", &lines), [""; 0]);
}

#[test]
fn an_encryption_configuration_is_the_same_everywhere_and_ends_with_identity() {
    let project = masters();
    let config = |lines: &str| -> Vec<String> {
        project.write("profiles/prod.toml", &format!("{MASTERS}{lines}"));
        project.must(&["lock", "profiles/prod.toml"]);
        project.must(&["build", "profiles/prod.toml", "--force"]);
        let read = |node: &str| {
            let archive = project.root().join(format!("out/prod/1/secrets/{node}/secrets.tar"));
            let path = "etc/kubernetes/encryption-config.yaml";
            let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg(path).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(read("master-0"), read("master-1"));
        let text = read("master-0");
        let lines = text.lines().map(|line| line.trim_start_matches([' ', '-']));
        lines
            .filter(|line| line.ends_with(':') || line.starts_with("name") || *line == "identity: {}")
            .map(str::to_owned)
            .collect()
    };
    let head = ["resources:", "providers:"];
    assert_eq!(config(""), [&head[..], &["secretbox:", "keys:", "name: key1", "identity: {}"]].concat());
    let rotated = "[pki.generations]\nencryption-key = { current = 3, accepted = [2, 1] }\n";
    let adopted = "[vars.encryption-at-rest]\nkey-names = { 1 = \"old\" }\nkey-providers = { 1 = \"aescbc\" }\n";
    let keys = ["secretbox:", "keys:", "name: key3", "name: key2", "aescbc:", "keys:", "name: old", "identity: {}"];
    assert_eq!(config(&format!("{rotated}{adopted}")), [&head[..], &keys].concat());

    // A key that cannot be imported is told once, and not again by the template.
    let path = project.beside("home/wrong");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "short").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = "[[pki.imports]]\nsecret = \"encryption-key\"\nfile = \"~/wrong\"\n";
    project.write("profiles/prod.toml", &format!("{MASTERS}{wrong}"));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.lines().count() == 1 && said.contains("~/wrong: it is not base64 of 32 bytes"), "{said}");

    // One machine with another one; and a key that is dropped while it may still be needed.
    let differs = "vars = { encryption-at-rest = { key-names = { 1 = \"mine\" } } }\n";
    project.write("profiles/prod.toml", &format!("{MASTERS}{differs}"));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.contains("must be the same on all nodes, and master-0 and master-1 have others"), "{said}");
    let (dropped, accepted) = (
        "[pki.generations]\nencryption-key = 2\n",
        "[[accept]]\nfinding = \"encryption-key-dropped\"\nreason = \"all Secrets were written anew\"\n",
    );
    project.write("profiles/prod.toml", &format!("{MASTERS}{dropped}"));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.starts_with("profiles/prod.toml:") && said.contains("(encryption-key-dropped)"), "{said}");
    assert_eq!(config(&format!("{dropped}{accepted}"))[4], "name: key2");
}

#[test]
fn masters_certificates_have_the_names_that_are_looked_for() {
    let project = masters();
    project.must(&["lock", "profiles/prod.toml"]);
    project.must(&["build", "profiles/prod.toml"]);
    let maker = Maker::new();
    let tar = |archive: &str, path: &str| {
        let archive = project.root().join("out/prod/1").join(archive);
        let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg(path).output().unwrap();
        assert!(!output.stdout.is_empty(), "no {path}");
        output.stdout
    };
    for (node, address) in [("master-0", "10.0.0.1"), ("master-1", "10.0.0.2")] {
        maker.write("apiserver.crt", tar(&format!("public/{node}/node.tar"), "etc/kubernetes/pki/apiserver.crt"));
        let text = maker.openssl("x509 -in apiserver.crt -noout -subject -ext subjectAltName,extendedKeyUsage");
        let names = ["api.prod.example", node, "kubernetes.default.svc.cluster.local", "kubernetes"];
        let names = names.map(|name| format!("DNS:{name}"));
        let addresses = ["10.96.0.1", address].map(|address| format!("IP Address:{address}"));
        let usage = "TLS Web Server Authentication".to_owned();
        for wanted in names.into_iter().chain(addresses).chain([usage]) {
            assert!(text.split(['\n', ',']).any(|part| part.trim() == wanted), "{node} lacks {wanted}: {text}");
        }
        // Who is who to the API server: the subject of the certificate that each kubeconfig has inside.
        for (name, subject) in [
            ("kubelet", format!("subject=O = system:nodes, CN = system:node:{node}")),
            ("controller-manager", "subject=CN = system:kube-controller-manager".into()),
            ("scheduler", "subject=CN = system:kube-scheduler".into()),
        ] {
            let path = format!("etc/kubernetes/{name}.conf");
            let text = String::from_utf8(tar(&format!("secrets/{node}/secrets.tar"), &path)).unwrap();
            let inside = text.lines().find_map(|line| line.trim().strip_prefix("client-certificate-data: ")).unwrap();
            maker.write("inside", inside.trim_matches('"'));
            maker.openssl("base64 -d -A -in inside -out inside.crt");
            assert_eq!(maker.openssl("x509 -in inside.crt -noout -subject").trim_end(), subject, "{node}");
        }
    }
}
