//! Whether certificates are valid: what `build` refuses before it writes, and `verify` in what was written.

use super::reading::*;
use super::support::Project;

const PROFILE: &str = r#"
overlays = ["pki"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-11-01T00:00:00Z
[pki]
since = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
address = "10.0.0.1"
[[nodes]]
name = "b"
address = "10.0.0.2"
[[outputs]]
format = "cpio.zst"
[[outputs]]
format = "tar"
layers = "merged"
secrets = "include"
"#;

const PKI: &str = r#"
[[authorities]]
name = "ca"
subject = { cn = "ca" }
cert = ["/etc/pki/ca.crt"]
[[certificates]]
name = "server"
authority = "ca"
subject = { cn = "{{ node.name }}", o = ["one"] }
usages = ["server-auth"]
dns = ["{{ node.name }}"]
cert = "/etc/pki/server.crt"
key = "/etc/pki/server.key"
[[kubeconfigs]]
name = "client"
path = "/etc/client.conf"
authority = "ca"
server = "https://10.0.0.1:6443"
subject = { cn = "client" }
days = 40
[[kubeconfigs]]
name = "admin"
admin = "admin.conf"
authority = "ca"
server = "https://10.0.0.1:6443"
subject = { cn = "admin", o = ["masters"] }
days = 20
"#;

/// A project with a seed and a lock, and a key that signs.
pub fn project(foreign: &[(&str, &[u8])]) -> Project {
    let project = Project::new(&[("profiles/p.toml", PROFILE), ("overlays/pki/overlay.toml", PKI)]);
    for (path, bytes) in foreign {
        project.write(&format!("overlays/pki/root/{path}"), std::str::from_utf8(bytes).unwrap());
    }
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    project.must(&["key", "new", "release.key"]);
    project
}

const RELEASE: &str = "out/prod/1.0";
const VERIFY: [&str; 4] = ["verify", RELEASE, "--key", "release.pub"];

pub fn release(project: &Project) {
    project.must(&["build", "profiles/p.toml"]);
    project.must(&["sign", RELEASE, "--key", "release.key"]);
}

fn verify<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&VERIFY, more].concat()
}

#[test]
fn build_judges_as_of_the_epoch_and_never_of_the_clock() {
    let project = project(&[]);
    project.must(&["build", "profiles/p.toml"]);
    // Certificates start at the epoch, and the shortest, people's, has 20 days.
    let build =
        |more: &[&str]| project.command(&[&["build", "profiles/p.toml", "-o", "other"], more].concat()).output();
    for (more, refused) in [
        (&["--min-validity", "20d"][..], false),
        (&["--min-validity", "481h"], true),
        (&["--at", "2026-11-21T00:00:00Z"], false),
        (&["--at", "2026-11-21T00:00:01Z"], true),
        (&["--at", "2026-10-31T23:59:59Z"], true),
        (&["--at", "2026-11-11T00:00:00Z", "--min-validity", "240h"], false),
        (&["--at", "2026-11-11T00:00:00Z", "--min-validity", "241h"], true),
    ] {
        let output = build(more).unwrap();
        assert_eq!(output.status.code(), Some(if refused { 4 } else { 0 }), "{more:?}: {output:?}");
    }
    for wrong in [["--at", "2026-11-21"], ["--min-validity", "30"]] {
        assert_eq!(build(&wrong).unwrap().status.code(), Some(2));
    }
}

#[test]
fn build_names_every_certificate_that_is_not_valid_and_writes_nothing() {
    let maker = Maker::new();
    let dates = ["20200101000000Z", "20261031235959Z"];
    maker.make("old", &Wanted { subject: "/O=elsewhere/CN=old", dates, ..Default::default() });
    let dates = ["20261101000001Z", "20361031235959Z"];
    maker.make("new", &Wanted { subject: "/CN=new", dates, ..Default::default() });
    let (old, new) = (maker.read("old.crt"), maker.read("new.crt"));
    let project = project(&[("etc/old.crt", &old), ("etc/both.pem", &[&old[..], &new].concat())]);
    let told = project.fails(4, &["build", "profiles/p.toml"]);
    // Each once, at its first place.
    for line in [
        "/etc/both.pem of node a and 3 more: the certificate of `CN=old,O=elsewhere` expired at 2026-10-31T23:59:59Z, and is judged at 2026-11-01T00:00:00Z; renew it",
        "/etc/both.pem of node a and 1 more: the certificate of `CN=new` is not valid before 2026-11-01T00:00:01Z, and is judged at 2026-11-01T00:00:00Z; ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(!project.root().join("out").exists());
    let told = project.fails(4, &["build", "profiles/p.toml", "--at", "2026-10-31T00:00:00Z", "--min-validity", "1d"]);
    let count = |words: &str| told.lines().filter(|line| line.contains(words)).count();
    // The old one; the new one, and on two nodes the server's and the client's; people's.
    assert_eq!(
        count("`CN=old,O=elsewhere` expires at 2026-10-31T23:59:59Z, less than 1d after 2026-10-31"),
        1,
        "{told}"
    );
    assert_eq!(count("is not valid before"), 1 + 2 + 2 + 1, "{told}");
    assert_eq!(count("admin/admin.conf: the certificate of `CN=admin,O=masters`"), 1, "{told}");
}

#[test]
fn verify_judges_every_layer_and_the_files_for_people() {
    let maker = Maker::new();
    let dates = ["20200101000000Z", "20261120000000Z"];
    let extensions = AUTHORITY;
    maker.make("foreign", &Wanted { subject: "/CN=foreign", dates, extensions, ..Default::default() });
    let project = project(&[("etc/foreign.crt", &maker.read("foreign.crt"))]);
    release(&project);
    let said = project.must(&verify(&["--at", "2026-11-02T00:00:00Z"]));
    // Two nodes, each in layers and merged: /etc/foreign.crt (common), ca.crt, server.crt, client.conf with two; and
    // admin.conf with two. The common layer is one archive.
    assert!(said.contains("its 20 certificates are valid at 2026-11-02T00:00:00Z\n"), "{said}");
    let json = project.must(&verify(&["--at", "2026-11-02T00:00:00Z", "--format", "json"]));
    assert!(json.contains("\"certificates\": 20") && json.contains("\"at\": \"2026-11-02T00:00:00Z\""), "{json}");

    let told = project.fails(4, &verify(&["--at", "2026-11-20T00:00:01Z"]));
    for archive in ["public/layers/common-", "secrets/a/rootfs.tar", "secrets/b/rootfs.tar"] {
        let line = told.lines().find(|line| line.starts_with(archive)).unwrap_or_else(|| panic!("{archive}: {told}"));
        assert!(
            line.contains(": /etc/foreign.crt: the certificate of `CN=foreign` expired at 2026-11-20T00:00:00Z"),
            "{line}"
        );
    }
    assert_eq!(told.lines().count(), 3, "{told}");
    let told = project.fails(4, &verify(&["--at", "2026-11-02T00:00:00Z", "--min-validity", "457h"]));
    let (public, secret): (Vec<&str>, Vec<&str>) = told.lines().partition(|line| line.starts_with("public/"));
    assert_eq!((public.len(), secret.len()), (1, 2 + 1), "{told}");
    assert!(
        told.contains("secrets/admin/admin.conf: the certificate of `CN=admin,O=masters` expires at 2026-11-21"),
        "{told}"
    );
    let told = project.fails(4, &verify(&["--at", "2026-11-02T00:00:00Z", "--min-validity", "40d"]));
    assert!(told.contains("secrets/a/secrets.cpio.zst: /etc/client.conf: the certificate of `CN=client`"), "{told}");

    std::fs::remove_dir_all(project.root().join(RELEASE).join("secrets")).unwrap();
    let said = project.must(&verify(&["--at", "2026-11-02T00:00:00Z", "--min-validity", "18d"]));
    assert!(said.contains("secrets absent\n") && said.contains("\nits 4 certificates are valid"), "{said}");
}

/// The default is the clock: a release whose certificates ended before this was written, and one that has begun.
#[test]
fn verify_judges_as_of_now_unless_told() {
    let past = PROFILE.replace("2026-", "2020-");
    let project = project(&[]);
    project.write("profiles/p.toml", &past);
    release(&project);
    assert!(project.fails(4, &VERIFY).contains("expired at 2020-"));
    project.must(&verify(&["--at", "2020-11-02T00:00:00Z"]));
    project.write("profiles/p.toml", &past.replace("2020-11-01", "2020-12-01").replace("\"1.0\"", "\"1.1\""));
    project.must(&["build", "profiles/p.toml"]);
}

/// A distribution's roots are in a release as they are in the distribution, expired ones too.
#[test]
fn what_came_from_a_source_is_not_judged() {
    let maker = Maker::new();
    let dates = ["20200101000000Z", "20251231235959Z"];
    maker.make("root", &Wanted { subject: "/CN=root", dates, extensions: AUTHORITY, ..Default::default() });
    let project = project(&[]);
    project.write("inputs/roots.pem", std::str::from_utf8(&maker.read("root.crt")).unwrap());
    let source = "[sources.roots]\npath = \"inputs/roots.pem\"\ninstall = { path = \"/etc/ssl/roots.pem\" }\n";
    project.write("profiles/p.toml", &format!("{PROFILE}\n{source}"));
    project.must(&["lock", "profiles/p.toml"]);
    release(&project);
    project.must(&verify(&["--at", "2026-11-02T00:00:00Z"]));
    // The same file, if it is the overlay's.
    project.write("profiles/p.toml", PROFILE);
    project.write("overlays/pki/root/etc/ssl/roots.pem", std::str::from_utf8(&maker.read("root.crt")).unwrap());
    project.must(&["lock", "profiles/p.toml"]);
    let told = project.fails(4, &["build", "profiles/p.toml", "--force"]);
    assert!(told.contains("/etc/ssl/roots.pem of node a and 1 more: the certificate of `CN=root` expired"), "{told}");
}
