//! No byte of a secret is told, and no digest of one, in any form of the output, however the secret comes to be compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mastermold::archive::Format;
use mastermold::digest::Digest;
use mastermold::tree::{Content, Node, Tree};

use super::{compared, draft, edited, release};
use crate::draft::{Draft, Outputs};
use crate::maker::{LEAF, Maker, Wanted};

const OLD: &str = "old-needle-5bd1c0ffee";
const NEW: &str = "new-needle-77aa10decade";

/// What must be nowhere: the secrets and their digests, as text, in hexadecimal and in base64.
fn needles(secrets: &[&str]) -> Vec<String> {
    let mut needles = Vec::new();
    for secret in secrets {
        let trimmed = secret.trim();
        needles.extend([trimmed.to_owned(), STANDARD.encode(trimmed).trim_end_matches('=').to_owned()]);
        for form in [secret.as_bytes(), trimmed.as_bytes()] {
            let digest = Digest::of(form);
            needles.extend([digest.short(), STANDARD.encode(digest.as_bytes())]);
        }
    }
    needles
}

/// Every form of the output: the page, JSON, sentences.
fn output(a: &Path, b: &Path) -> String {
    let comparison = compared(a, b);
    assert!(!comparison.same);
    let json = serde_json::to_string_pretty(&comparison).unwrap();
    [comparison.lines().join("\n"), json, comparison.sentences(("a", "b")).join("\n")].join("\n")
}

fn silent(a: &Path, b: &Path, secrets: &[&str], path: &str) {
    let output = output(a, b);
    assert!(output.contains(path), "{path} is not told: {output}");
    for needle in needles(secrets) {
        assert!(!output.contains(&needle), "{needle} is told: {output}");
    }
}

#[test]
fn of_releases_however_they_are_packed() {
    let [old, new] =
        [OLD, NEW].map(|needle| -> &'static str { Box::leak(format!("password = {needle}\n").into_boxed_str()) });
    for outputs in [
        Outputs::ALL,
        Outputs::SPLIT,
        Outputs { split: false, merged_public: false, merged_secret: true },
        Outputs { split: false, merged_public: true, merged_secret: true },
    ] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (side, content) in [("a", old), ("b", new)] {
            let bytes = move |path: &str, bytes: &mut Vec<u8>| {
                if path == "secrets/admin/admin.conf" {
                    *bytes = content.as_bytes().to_vec();
                }
            };
            let packed = edited("secrets/", "/etc/tool/key", content);
            let loose = edited("secrets/", "/var/lib/token", content);
            let packed = move |path: &str, tree: &mut Tree| {
                packed(path, tree);
                loose(path, tree);
                // The layer's list has the digests of single secrets.
                let key = Digest::of(content.as_bytes());
                let list = format!("{key}  etc/tool/key\n{key}  var/lib/token\n");
                if let Some(entry) = tree.get_mut(&"/usr/lib/mastermold/secrets.sha256".parse().unwrap()) {
                    entry.node = Node::File(Content::inline(list));
                }
            };
            let formats = vec!["cpio.zst".parse().unwrap()];
            let draft =
                Draft { outputs, formats, packed: Box::new(packed), bytes: Box::new(bytes), ..Draft::default() };
            release(&at(side), &draft);
        }
        silent(&at("a"), &at("b"), &[old, new], "/etc/tool/key");
        silent(&at("a"), &at("b"), &[old, new], "secrets/admin/admin.conf");
        let node = |side: &str| at(side).join("public/master-0");
        silent(&node("a"), &node("b"), &[old, new], "/var/lib/token");
        // An archive alone, in its release and carried away from it.
        let name = if outputs.split { "secrets/master-0/secrets.cpio.zst" } else { "secrets/master-0/rootfs.cpio.zst" };
        silent(&at("a").join(name), &at("b").join(name), &[old, new], "/etc/tool/key");
        for side in ["a", "b"] {
            fs::copy(at(side).join(name), at(&format!("{side}.cpio.zst"))).unwrap();
        }
        silent(&at("a.cpio.zst"), &at("b.cpio.zst"), &[old, new], "/var/lib/token");
        // The part alone, as a directory.
        silent(&at("a/secrets/admin"), &at("b/secrets/admin"), &[], "admin.conf");
    }
}

#[test]
fn of_directories_by_mode_by_list_and_by_looks() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let maker = Maker::new();
    let mut secrets: Vec<String> = vec![OLD.into(), NEW.into()];
    for side in ["a", "b"] {
        fs::create_dir_all(at(side).join("usr/lib/mastermold")).unwrap();
        maker.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key");
        let key = String::from_utf8(maker.read("key")).unwrap();
        let write = |name: &str, content: &str, mode| {
            fs::write(at(side).join(name), content).unwrap();
            fs::set_permissions(at(side).join(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        let needle = if side == "a" { OLD } else { NEW };
        write("private", needle, 0o600);
        write("listed", needle, 0o644);
        write("key.pem", &key, 0o644);
        write("client.yaml", &format!("users:\n- user: {{client-key-data: {}}}\n", STANDARD.encode(&key)), 0o644);
        write("usr/lib/mastermold/secrets.entries", "81a4 0 0 listed\n", 0o644);
        if side == "b" {
            write("new-private", needle, 0o600);
            write("new-key", &key, 0o644);
        } else {
            write("gone-key", &key, 0o644);
            write("gone", needle, 0o640 & 0o700);
        }
        let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
        secrets.extend([key.clone(), lines[0].to_owned(), STANDARD.encode(&key)[100..150].to_owned()]);
    }
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    for path in ["/private", "/listed", "/key.pem", "/client.yaml", "/new-private", "/new-key", "/gone", "/gone-key"] {
        silent(&at("a"), &at("b"), &secrets, path);
        silent(&at("b"), &at("a"), &secrets, path);
    }
    // What is none is told.
    fs::write(at("a/open"), "x = 1\n").unwrap();
    fs::write(at("b/open"), "x = 2\n").unwrap();
    assert!(output(&at("a"), &at("b")).contains("x: 1 -> 2"));
}

/// The lists of a secrets layer, and of a release's secrets, have the digest of each: whatever their modes became.
#[test]
fn of_lists_that_lost_their_modes() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let line = |secret: &str, path: &str| format!("{}  {path}\n", Digest::of(secret.as_bytes()));
    let [old, new] = [OLD, NEW].map(|needle| (line(needle, "etc/key"), line(needle, "admin/admin.conf")));
    let mut digests = Vec::new();
    for (side, (list, sums)) in [("a", &old), ("b", &new)] {
        let write = |path: &str, content: &str| {
            fs::create_dir_all(at(side).join(path).parent().unwrap()).unwrap();
            fs::write(at(side).join(path), content).unwrap();
            fs::set_permissions(at(side).join(path), PermissionsExt::from_mode(0o644)).unwrap();
        };
        for root in ["", "master-0/"] {
            write(&format!("{root}usr/lib/mastermold/secrets.sha256"), list);
            write(&format!("{root}usr/lib/mastermold/secrets.entries"), "81a4 0 0 listed\n");
            write(&format!("{root}listed"), if side == "a" { OLD } else { NEW });
        }
        write("part/SHA256SUMS", sums);
        write("part/SHA256SUMS.1", sums);
        write("open/SHA256SUMS", &format!("public {side}\n"));
        write("open/manifest.json", "{}");
        digests.extend([OLD, NEW].map(|needle| Digest::of(needle.as_bytes()).to_string()));
        digests.push(Digest::of(list.as_bytes()).to_string());
    }
    let needles: Vec<&str> = digests.iter().map(String::as_str).chain([OLD, NEW]).collect();
    for path in ["/usr/lib/mastermold/secrets.sha256", "/part/SHA256SUMS", "/part/SHA256SUMS.1", "/master-0/listed"] {
        silent(&at("a"), &at("b"), &needles, path);
    }
    // New on one side, and one by one.
    fs::create_dir(at("empty")).unwrap();
    for path in ["", "part", "usr/lib/mastermold"] {
        silent(&at("empty"), &at("b").join(path), &needles, ", secret");
    }
    for path in ["usr/lib/mastermold/secrets.sha256", "part/SHA256SUMS"] {
        silent(&at("a").join(path), &at("b").join(path), &needles, "other contents, secret");
    }
    assert!(output(&at("a"), &at("b")).contains("+public b"), "what is no list of secrets is told");
}

/// What is too large to be looked into, and that nobody vouches for, may be a secret: its digest is not told.
#[test]
fn of_large_files_that_nobody_looked_into() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let large = [OLD, NEW].map(|needle| needle.repeat(100_000));
    for (side, content) in [("a", &large[0]), ("b", &large[1])] {
        fs::create_dir_all(at(side)).unwrap();
        fs::write(at(side).join("large"), content).unwrap();
    }
    fs::write(at("b/new"), &large[1]).unwrap();
    let needles = large.each_ref().map(|content| Digest::of(content.as_bytes()).to_string());
    silent(&at("a"), &at("b"), &[&large[0], &large[1], &needles[0], &needles[1]], "/large: other contents, ");
    silent(&at("b"), &at("a"), &[&large[0], &large[1], &needles[0], &needles[1]], "/new");
}

/// A file that becomes a secret, or ceases to be one, is one on both sides.
#[test]
fn of_what_is_a_secret_on_one_side_alone() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    release(&at("a"), &Draft::default());
    let packed = |name: &str, tree: &mut Tree| {
        edited("node.", "/var/lib/tool/conf", OLD)(name, tree);
        if name.contains("secrets.") {
            let moved = draft::file(NEW, 0o640, mastermold::tree::Secrecy::Secret);
            tree.insert("/var/lib/tool/conf".parse().unwrap(), moved).unwrap();
            tree.insert("/var/lib/tool".parse().unwrap(), mastermold::tree::Entry::new(Node::Directory, "x")).unwrap();
        }
    };
    release(&at("b"), &Draft { packed: Box::new(packed), ..Draft::default() });
    let output = output(&at("a"), &at("b"));
    assert!(output.contains("/var/lib/tool/conf: is a secret on one side alone"), "{output}");
    for needle in needles(&[NEW]).into_iter().chain(["x=1".to_owned()]) {
        assert!(!output.contains(&needle), "{needle}: {output}");
    }
}

/// The certificates in a secret are public, and told.
#[test]
fn but_what_certificates_say_is_told() {
    let maker = Maker::new();
    maker.openssl_makes("ca", &Wanted { subject: "/CN=ca", ..Wanted::default() });
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut keys = Vec::new();
    for (side, until) in [("a", "20270101000000Z"), ("b", "20280101000000Z")] {
        let wanted = Wanted {
            subject: "/CN=client",
            by: Some("ca"),
            dates: ["20260101000000Z", until],
            extensions: LEAF,
            ..Wanted::default()
        };
        maker.openssl_makes(side, &wanted);
        let (key, certificate) = (maker.read(&format!("{side}.key")), maker.read(&format!("{side}.crt")));
        let content = format!(
            "client-certificate-data: {}\nclient-key-data: {}\n",
            STANDARD.encode(certificate),
            STANDARD.encode(&key)
        );
        let content: &'static str = Box::leak(content.into_boxed_str());
        keys.push(String::from_utf8(key).unwrap());
        let format: Format = "tar".parse().unwrap();
        release(
            &at(side),
            &Draft { formats: vec![format], packed: edited("secrets/", "/etc/tool/key", content), ..Draft::default() },
        );
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    silent(&at("a"), &at("b"), &keys, "2027-01-01T00:00:00Z -> 2028-01-01T00:00:00Z");
}
