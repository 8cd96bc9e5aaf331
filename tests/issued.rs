//! Every certificate of every shipped profile, judged by OpenSSL and kubectl; and those of the kubeadm layout held
//! against what kubeadm issues for the same cluster.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mastermold::build::Plan;
use mastermold::pki::Seed;
use mastermold::profile::Profile;
use mastermold::tree::{Content, Node};
use support::Project;

fn shipped(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => shipped(&path, found),
            // Folders named `base` hold what profiles extend.
            false if path.extension().is_some_and(|end| end == "toml") && folder.file_name().unwrap() != "base" => {
                found.push(path);
            }
            false => {}
        }
    }
    found.sort();
}

/// The shipped overlays and profiles with RSA keys of half the size: to search 43 large ones takes minutes, and e2e
/// `documents-static-pods` judges their sizes.
fn with_smaller_keys() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-r", "overlays", "profiles"])
        .arg(project.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(copied.unwrap().success());
    let mut smaller = 0;
    for entry in fs::read_dir(project.path().join("overlays")).unwrap() {
        let declared = entry.unwrap().path().join("overlay.toml");
        let text = fs::read_to_string(&declared).unwrap();
        smaller += text.matches("= \"rsa-4096\"").count();
        fs::write(&declared, text.replace("= \"rsa-4096\"", "= \"rsa-2048\"")).unwrap();
    }
    assert!(smaller > 0, "no overlay has large keys any more: this is not needed");
    project
}

/// A profile's nodes as directories, with all that is not from a source, and the files for people in `admin`.
struct Machines {
    directory: tempfile::TempDir,
    nodes: Vec<String>,
    epoch: u64,
}

impl Machines {
    fn of(profile: &Path) -> Machines {
        let (profile, seen) = Profile::load(profile, None).unwrap();
        let seed = Seed::generate().unwrap();
        let plan = Plan::resolve(&profile, seen, None, Some(&seed)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let write = |below: &str, path: &str, bytes: &[u8]| {
            let path = directory.path().join(below).join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for node in plan.nodes.iter() {
            let node = node.unwrap();
            for (path, entry) in node.tree.iter() {
                if let Node::File(Content::Inline(bytes)) = &entry.node {
                    write(&node.name, path.as_str(), bytes);
                }
            }
        }
        for (name, bytes) in &plan.admin {
            write("admin", name, bytes);
        }
        let nodes = plan.nodes.outlines().map(|node| node.name.clone()).chain(["admin".to_owned()]).collect();
        Machines { directory, nodes, epoch: profile.epoch.seconds() }
    }

    fn files(&self, node: &str) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(&self.directory.path().join(node), &mut found);
        found.sort();
        found
    }

    fn path(&self, node: &str, path: &str) -> PathBuf {
        self.directory.path().join(node).join(path.trim_start_matches('/'))
    }

    /// Whether OpenSSL accepts the certificate for this purpose, with nothing but this authority.
    fn verifies(&self, authority: &Path, certificate: &Path, purpose: &str) -> bool {
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-attime", &(self.epoch + 1).to_string()])
            .args(["-purpose", purpose, "-CAfile"])
            .args([authority, certificate])
            .output()
            .expect("openssl is needed: apt-get install openssl");
        output.status.success()
    }
}

/// Runs a program, which must succeed, and gives what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} is needed: apt-get install openssl kubernetes-client ({error})");
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What OpenSSL reads in a certificate, in one form: `subject`, `issuer`, and each extension by its name.
fn read(certificate: &Path) -> BTreeMap<String, String> {
    let file = certificate.to_str().unwrap();
    let names = run("openssl", &["x509", "-in", file, "-noout", "-subject", "-issuer", "-nameopt", "RFC2253"]);
    let mut found: BTreeMap<String, String> =
        names.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect();
    let wanted = "basicConstraints,keyUsage,extendedKeyUsage,subjectAltName";
    let text = Command::new("openssl").args(["x509", "-in", file, "-noout", "-ext", wanted]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let mut name = String::new();
    for line in text.lines() {
        match line.strip_prefix("    ") {
            None => name = line.trim().trim_start_matches("X509v3 ").trim_end_matches(':').to_owned(),
            Some(value) => drop(found.insert(name.clone(), value.trim().to_owned())),
        }
    }
    found
}

/// The parts of a list that OpenSSL prints, in no order.
fn parts(list: Option<&String>) -> BTreeSet<String> {
    list.into_iter().flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

/// A certificate's file, and what OpenSSL reads in it.
struct Certificate {
    path: PathBuf,
    says: BTreeMap<String, String>,
}

impl Certificate {
    fn of(path: &Path) -> Certificate {
        Certificate { path: path.to_owned(), says: read(path) }
    }

    fn is_authority(&self) -> bool {
        self.says.get("Basic Constraints: critical").is_some_and(|value| value.contains("CA:TRUE"))
    }
}

/// The purposes that a certificate's extended key usage names.
fn purposes(certificate: &Certificate) -> Vec<&'static str> {
    let usages = parts(certificate.says.get("Extended Key Usage"));
    let known = [
        ("TLS Web Server Authentication", "sslserver"),
        ("TLS Web Client Authentication", "sslclient"),
        ("Code Signing", "any"),
    ];
    known.into_iter().filter(|(usage, _)| usages.contains(*usage)).map(|(_, purpose)| purpose).collect()
}

#[test]
fn openssl_accepts_every_certificate_of_every_shipped_profile() {
    let project = with_smaller_keys();
    let mut profiles = Vec::new();
    shipped(&project.path().join("profiles"), &mut profiles);
    let (mut leaves, mut kubeconfigs) = (0, 0);
    for profile in &profiles {
        let machines = Machines::of(profile);
        for node in &machines.nodes {
            let files = machines.files(node);
            let holds = |path: &PathBuf, mark: &str| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(mark);
            let certificates = files.iter().filter(|path| holds(path, "BEGIN CERTIFICATE-"));
            let (authorities, issued): (Vec<Certificate>, Vec<_>) =
                certificates.map(|path| Certificate::of(path)).partition(Certificate::is_authority);
            for authority in &authorities {
                assert!(machines.verifies(&authority.path, &authority.path, "any"), "{}", authority.path.display());
            }
            for leaf in &issued {
                leaves += 1;
                check_leaf(&machines, &authorities, leaf);
            }
            let is_kubeconfig = |path: &&PathBuf| {
                String::from_utf8_lossy(&fs::read(path).unwrap()).lines().any(|line| line == "kind: Config")
            };
            for kubeconfig in files.iter().filter(is_kubeconfig) {
                kubeconfigs += 1;
                check_kubeconfig(&machines, node, kubeconfig);
            }
        }
    }
    assert!(leaves >= 42 && kubeconfigs >= 22, "{leaves} certificates, {kubeconfigs} kubeconfigs");
}

/// One authority vouches for it, the one that it names; for what it is for and nothing else; and its key is its own.
fn check_leaf(machines: &Machines, authorities: &[Certificate], leaf: &Certificate) {
    let shown = leaf.path.display();
    let issuer = &leaf.says["issuer"];
    for authority in authorities {
        let its = authority.says["subject"] == *issuer;
        for purpose in ["sslserver", "sslclient"] {
            let expected = its && purposes(leaf).contains(&purpose);
            assert_eq!(machines.verifies(&authority.path, &leaf.path, purpose), expected, "{shown} {purpose}");
        }
    }
    assert!(authorities.iter().any(|authority| authority.says["subject"] == *issuer), "{shown}: {issuer}");
    // As kubeadm calls it, or as cfssl does.
    let stem = leaf.path.with_extension("");
    let keys = [leaf.path.with_extension("key"), PathBuf::from(format!("{}-key.pem", stem.display()))];
    let key = keys.iter().find(|key| key.exists()).unwrap_or_else(|| panic!("{shown} has no key beside it"));
    let public = run("openssl", &["x509", "-in", leaf.path.to_str().unwrap(), "-noout", "-pubkey"]);
    assert_eq!(run("openssl", &["pkey", "-in", key.to_str().unwrap(), "-pubout"]), public, "{shown}");
}

/// kubectl reads it, and what is inside belongs together.
fn check_kubeconfig(machines: &Machines, node: &str, kubeconfig: &Path) {
    let file = kubeconfig.to_str().unwrap();
    let text = run("kubectl", &["--kubeconfig", file, "config", "view", "--raw", "--minify", "-o", "json"]);
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    assert!(config.pointer("/clusters/0/cluster/server").unwrap().as_str().unwrap().starts_with("https://"), "{file}");
    assert_eq!(config["current-context"], config["contexts"][0]["name"], "{file}");
    if let Some(named) = config.pointer("/users/0/user/client-certificate") {
        // What it names is on the machine, unless the machine orders it itself.
        let on_machine = |pointer: &str| machines.path(node, config.pointer(pointer).unwrap().as_str().unwrap());
        let orders = machines.path(node, "/etc/kubernetes/pki/vault-config").exists();
        for pointer in [
            "/users/0/user/client-certificate",
            "/users/0/user/client-key",
            "/clusters/0/cluster/certificate-authority",
        ] {
            assert!(on_machine(pointer).exists() != orders, "{file}: {pointer} {named}");
        }
        return;
    }
    let decoded = |name: &str, pointer: &str| {
        let (text, to) = (directory.path().join("base64"), directory.path().join(name));
        fs::write(&text, config.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
        run("openssl", &["base64", "-d", "-A", "-in", text.to_str().unwrap(), "-out", to.to_str().unwrap()]);
        to
    };
    let authority = decoded("ca.crt", "/clusters/0/cluster/certificate-authority-data");
    let leaf = Certificate::of(&decoded("user.crt", "/users/0/user/client-certificate-data"));
    decoded("user.key", "/users/0/user/client-key-data");
    check_leaf(machines, &[Certificate::of(&authority)], &leaf);
    assert_eq!(purposes(&leaf), ["sslclient"], "{file}");
}

/// What kubeadm 1.29 and later issues (cmd/kubeadm/app/phases/certs/certlist.go, .../kubeconfig/kubeconfig.go and
/// util/pkiutil of Kubernetes), for the node master-0 at 192.168.5.11 of a cluster with the endpoint api.demo.example.internal, the
/// service range 10.96.0.0/16 and the domain cluster.local: file, subject, issuer, extended key usages, names. (Two
/// things differ, as docs/reference/derivation.md and the overlay say: a leaf starts at the epoch and not at its
/// authority's start, and serials are hashes.)
const KUBEADM: &[(&str, &str, &str, &str, &str)] = &[
    ("ca.crt", "CN=kubernetes", "CN=kubernetes", "", "DNS:kubernetes"),
    ("etcd/ca.crt", "CN=etcd-ca", "CN=etcd-ca", "", "DNS:etcd-ca"),
    ("front-proxy-ca.crt", "CN=front-proxy-ca", "CN=front-proxy-ca", "", "DNS:front-proxy-ca"),
    (
        "apiserver.crt",
        "CN=kube-apiserver",
        "CN=kubernetes",
        "server",
        "DNS:master-0, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, \
         DNS:kubernetes.default.svc.cluster.local, DNS:api.demo.example.internal, IP Address:10.96.0.1, \
         IP Address:192.168.5.11",
    ),
    (
        "apiserver-kubelet-client.crt",
        "CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins",
        "CN=kubernetes",
        "client",
        "",
    ),
    ("front-proxy-client.crt", "CN=front-proxy-client", "CN=front-proxy-ca", "client", ""),
    ("etcd/server.crt", "CN=master-0", "CN=etcd-ca", "server client", ETCD),
    ("etcd/peer.crt", "CN=master-0", "CN=etcd-ca", "server client", ETCD),
    ("etcd/healthcheck-client.crt", "CN=kube-etcd-healthcheck-client", "CN=etcd-ca", "client", ""),
    ("apiserver-etcd-client.crt", "CN=kube-apiserver-etcd-client", "CN=etcd-ca", "client", ""),
];
const ETCD: &str = "DNS:localhost, DNS:master-0, IP Address:192.168.5.11, IP Address:127.0.0.1, \
                    IP Address:0:0:0:0:0:0:0:1";

/// kubeconfig, its user's subject, and the server that it asks.
const KUBECONFIGS: &[(&str, &str, &str, &str)] = &[
    ("master-0", "etc/kubernetes/kubelet.conf", "CN=system:node:master-0,O=system:nodes", ENDPOINT),
    ("master-0", "etc/kubernetes/controller-manager.conf", "CN=system:kube-controller-manager", LOCAL),
    ("master-0", "etc/kubernetes/scheduler.conf", "CN=system:kube-scheduler", LOCAL),
    ("admin", "admin.conf", "CN=kubernetes-admin,O=kubeadm:cluster-admins", ENDPOINT),
    ("admin", "super-admin.conf", "CN=kubernetes-super-admin,O=system:masters", ENDPOINT),
];
const ENDPOINT: &str = "https://api.demo.example.internal:6443";
const LOCAL: &str = "https://192.168.5.11:6443";

#[test]
fn the_kubeadm_layout_is_what_kubeadm_issues() {
    let machines = Machines::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo.toml"));
    let days = |file: &Path, days: u64| {
        let text = run("openssl", &["x509", "-in", file.to_str().unwrap(), "-noout", "-dates", "-dateopt", "iso_8601"]);
        let seconds = |key: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            run("date", &["-u", "-d", line, "+%s"]).trim().parse().unwrap()
        };
        assert_eq!(seconds("notAfter=") - seconds("notBefore="), days * 86_400, "{}", file.display());
    };
    for (file, subject, issuer, usages, names) in KUBEADM {
        let path = machines.path("master-0", &format!("etc/kubernetes/pki/{file}"));
        let found = read(&path);
        assert_eq!((found["subject"].as_str(), found["issuer"].as_str()), (*subject, *issuer), "{file}");
        let names = (!names.is_empty()).then(|| (*names).to_owned());
        assert_eq!(parts(found.get("Subject Alternative Name")), parts(names.as_ref()), "{file}");
        let expected: BTreeSet<String> = usages.split_terminator(' ').map(usage).collect();
        assert_eq!(parts(found.get("Extended Key Usage")), expected, "{file}");
        let authority = usages.is_empty();
        assert_eq!(found["Basic Constraints: critical"], if authority { "CA:TRUE" } else { "CA:FALSE" }, "{file}");
        let key_usage =
            "Digital Signature, Key Encipherment".to_owned() + if authority { ", Certificate Sign" } else { "" };
        assert_eq!(found["Key Usage: critical"], key_usage, "{file}");
        days(&path, if authority { 3650 } else { 365 });
    }
    let here: BTreeSet<_> = machines
        .files("master-0")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "crt"))
        .collect();
    assert_eq!(here.len(), KUBEADM.len(), "and no other certificate: {here:?}");
    for (node, file, subject, server) in KUBECONFIGS {
        let path = machines.path(node, file);
        let text = fs::read_to_string(&path).unwrap();
        let certificates = mastermold::pki::Certificate::find(text.as_bytes());
        assert!(
            certificates.iter().any(|certificate| certificate.subject().to_string() == *subject),
            "{file}: {certificates:?}"
        );
        assert!(text.contains(&format!("server: \"{server}\"\n")), "{file}: {text}");
    }
}

fn usage(short: &str) -> String {
    let side = if short == "server" { "Server" } else { "Client" };
    format!("TLS Web {side} Authentication")
}

const FORMS: &str = r#"
[[authorities]]
name = "ca"
subject = { cn = "ca" }
cert = ["/etc/pki/ca.crt"]
[[certificates]]
name = "user"
authority = "ca"
subject = { cn = "user" }
usages = ["client-auth"]
cert = "/etc/pki/user.crt"
key = "/etc/pki/user.key"
[[secrets]]
name = "join"
shape = "bootstrap-token"
scope = "cluster"
path = "/etc/token"
[[kubeconfigs]]
name = "paths"
path = "/etc/paths.conf"
authority = "ca"
authority-file = "/etc/pki/ca.crt"
server = "https://[fd00::1]:6443"
user = "some: one"
cluster = "on"
context = "here"
namespace = "kube-system"
cert-file = "/etc/pki/user.crt"
key-file = "/etc/pki/user.key"
[[kubeconfigs]]
name = "token"
path = "/etc/token.conf"
mode = "0400"
authority = "ca"
server = "https://10.0.0.1:6443"
user = "joiner"
token = "join"
"#;

const FORMS_PROFILE: &str = r#"
overlays = ["forms"]
[cluster]
name = "prod"
version = "1"
epoch = 2026-11-01T00:00:00Z
[[nodes]]
name = "a"
"#;

fn forms(more: &str) -> Project {
    let overlay = format!("{FORMS}{more}");
    Project::new(&[("profiles/p.toml", FORMS_PROFILE), ("overlays/forms/overlay.toml", &overlay)])
}

#[test]
fn kubectl_reads_kubeconfigs_with_paths_and_with_tokens() {
    let project = forms("");
    let machines = Machines::of(&project.root().join("profiles/p.toml"));
    let view = |file: &str| -> serde_json::Value {
        let path = machines.path("a", file);
        let words = ["--kubeconfig", path.to_str().unwrap(), "config", "view", "--raw", "--minify", "-o", "json"];
        serde_json::from_str(&run("kubectl", &words)).unwrap()
    };
    let paths = view("etc/paths.conf");
    assert_eq!((&paths["current-context"], &paths["contexts"][0]["name"]), (&"here".into(), &"here".into()));
    let context = serde_json::json!({ "cluster": "on", "namespace": "kube-system", "user": "some: one" });
    assert_eq!(paths["contexts"][0]["context"], context);
    let cluster = serde_json::json!({ "certificate-authority": "/etc/pki/ca.crt", "server": "https://[fd00::1]:6443" });
    assert_eq!(paths["clusters"][0]["cluster"], cluster);
    let user = serde_json::json!({ "client-certificate": "/etc/pki/user.crt", "client-key": "/etc/pki/user.key" });
    assert_eq!(paths["users"][0]["user"], user);
    let token = fs::read_to_string(machines.path("a", "etc/token")).unwrap();
    assert_eq!(view("etc/token.conf")["users"][0]["user"], serde_json::json!({ "token": token }));
    // A file with paths holds no secret; one with a token is one.
    let plan = project.must(&["plan", "profiles/p.toml"]);
    let line = |path: &str| plan.lines().find(|line| line.contains(&format!(" {path} "))).unwrap().to_owned();
    assert!(line("/etc/paths.conf").trim_start().starts_with("node    file      0600"), "{plan}");
    assert!(line("/etc/token.conf").trim_start().starts_with("secrets file      0400"), "{plan}");
}

/// Requests and exported files are called after keys: no name may lead elsewhere.
#[test]
fn names_that_are_no_files_names() {
    for name in ["ca", "user", "join"] {
        for bad in ["../x", "a/b", "/etc/x", ".x", ".."] {
            let project = forms("");
            let (from, to) = (format!("name = \"{name}\""), format!("name = \"{bad}\""));
            project.write("overlays/forms/overlay.toml", &FORMS.replacen(&from, &to, 1));
            let told = project.fails(2, &["plan", "profiles/p.toml"]);
            assert!(told.contains(&format!("`{bad}` has a `/` or begins with a dot")), "{told}");
        }
    }
}

#[test]
fn kubeconfigs_that_are_none() {
    for (from, to, says) in [
        ("key-file = \"/etc/pki/user.key\"\n", "", "has no user, or more than one"),
        ("token = \"join\"", "token = \"joni\"", "there is no secret `joni` on node a; did you mean `join`?"),
        ("token = \"join\"", "token = \"join\"\nsubject = { cn = \"x\" }", "has no user, or more than one"),
        ("user = \"joiner\"\n", "", "has no `user`"),
        ("path = \"/etc/token.conf\"\n", "", "goes nowhere"),
        ("path = \"/etc/token.conf\"\nmode = \"0400\"", "admin = \"../x\"", "`../x` is not a file's name"),
    ] {
        let project = forms("");
        assert!(FORMS.contains(from), "{from}");
        project.write("overlays/forms/overlay.toml", &FORMS.replacen(from, to, 1));
        let told = project.fails(2, &["plan", "profiles/p.toml"]);
        assert!(told.contains(says) && told.lines().count() == 1, "{says}: {told}");
    }
    let person = |name: &str, cn: &str| {
        format!(
            "[[kubeconfigs]]\nname = \"{name}\"\nadmin = \"admin.conf\"\nauthority = \"ca\"\nserver = \"https://x\"\nsubject = {{ cn = \"{cn}\" }}\n"
        )
    };
    let told = forms(&(person("one", "x") + &person("two", "y"))).fails(2, &["plan", "profiles/p.toml"]);
    assert!(told.contains("two kubeconfigs give people the file `admin.conf`, and they differ"), "{told}");
}
