//! Manifests, lists and comments that are signed, and contradict themselves or each other.

use std::fs;
use std::os::unix::fs::symlink;

use mastermold::bundle::{CommonManifest, FileRecord, Manifest, NodeManifest, Part, check_sums, identity_comment};
use mastermold::digest::Digest;
use mastermold::error::Class;

use crate::draft::{Draft, Outputs, seal_text};
use crate::release::refused;

#[test]
fn signed_with_another_comment() {
    type Change = fn(String) -> String;
    let comments: [(Change, &str); 6] = [
        (|comment| comment.replace("prod", "test"), "is signed as `mastermold cluster=test"),
        (|comment| comment.replace("2026.11.1", "2026.11.0"), "version=2026.11.0"),
        (|comment| comment + " ", "and should be as"),
        // Of one part alone.
        (|comment| if comment.contains("part") { comment } else { comment + "x" }, "public/SHA256SUMS is signed as"),
        (|comment| comment.replace("part=secrets", "part=Secrets"), "secrets/SHA256SUMS is signed as"),
        (|comment| comment.replace(" part=secrets", ""), "secrets/SHA256SUMS is signed as"),
    ];
    for (comment, words) in comments {
        Draft { comment: Box::new(comment), ..Draft::default() }.release().refused(Class::Trust, words);
    }
}

/// Manifests that contradict themselves or the lists, and signed.
#[test]
fn manifests_that_contradict() {
    type Change = fn(&mut Manifest);
    let changes: [(Change, Class, &str); 24] = [
        (|manifest| manifest.artifacts[0].size += 1, Class::Integrity, "and the release's manifest says"),
        (|manifest| manifest.artifacts[0].sha256 = Digest::of(b""), Class::Integrity, "another in the manifest"),
        (|manifest| manifest.artifacts[0].path = "public/../x".into(), Class::Policy, "an archive at `public/../x`"),
        (|manifest| manifest.cluster = "prod version=9".into(), Class::Integrity, "has no valid cluster's name"),
        (|manifest| manifest.nodes[0].name = "..".into(), Class::Policy, "a node named `..`"),
        (|manifest| manifest.nodes[0].name = "a/b".into(), Class::Policy, "a node named `a/b`"),
        (|manifest| applied(manifest, 0, "public/master-1/node.cpio.gz"), Class::Trust, "of another node"),
        (|manifest| applied(manifest, 1, "secrets/master-1/secrets.cpio.gz"), Class::Policy, "secrets.cpio.gz twice"),
        (|manifest| applied(manifest, 0, "public/x.tar"), Class::Integrity, "has public/x.tar, which is no archive"),
        (
            |manifest| manifest.nodes.iter_mut().for_each(|node| drop(node.artifacts.remove(0))),
            Class::Integrity,
            ".cpio.gz is no node's",
        ),
        (|manifest| manifest.artifacts[0].path = "/etc/x.tar".into(), Class::Policy, "an archive at `/etc/x.tar`"),
        (
            |manifest| manifest.artifacts[0].path = "public/layers/x.cpio.gz".into(),
            Class::Trust,
            "a common layer, which lies",
        ),
        (|manifest| manifest.artifacts[1].node = Some("master-1".into()), Class::Trust, "archive of node `master-1`"),
        (|manifest| manifest.artifacts[1].layer = "secrets".into(), Class::Integrity, "layer `secrets`"),
        (|manifest| manifest.artifacts[1].secret = true, Class::Integrity, "declared as a layer"),
        (
            |manifest| manifest.artifacts[1].layer = "merged".into(),
            Class::Trust,
            "which is public/master-0/rootfs.cpio",
        ),
        (|manifest| manifest.artifacts[1].format = "rar".into(), Class::Integrity, "the format `rar`"),
        (|manifest| manifest.artifacts.swap(0, 1), Class::Policy, "twice or out of order"),
        (
            |manifest| manifest.artifacts.insert(0, manifest.artifacts[0].clone()),
            Class::Policy,
            "twice or out of order",
        ),
        (|manifest| drop(manifest.artifacts.remove(1)), Class::Integrity, "is not in the release's manifest"),
        (|manifest| drop(manifest.nodes.remove(1)), Class::Trust, "which the release does not have"),
        (|manifest| manifest.nodes[1].name = "master-0".into(), Class::Policy, "the node master-0 twice"),
        (|manifest| manifest.nodes[0].artifacts.swap(0, 1), Class::Integrity, "out of order"),
        (|manifest| drop(manifest.nodes[1].artifacts.pop()), Class::Integrity, "does not have its secrets/master-1"),
    ];
    for (change, class, words) in changes {
        Draft { manifest: Box::new(change), ..Draft::default() }.release().refused(class, words);
    }
}

#[test]
fn node_manifests_that_contradict() {
    for (change, class, words) in [
        (
            (|manifest| manifest.node = "master-7".into()) as fn(&mut NodeManifest),
            Class::Trust,
            "is of node `master-7`",
        ),
        (|manifest| manifest.cluster = "test".into(), Class::Trust, "of cluster `test`"),
        (|manifest| manifest.version = "1".into(), Class::Trust, "version 1"),
        (|manifest| manifest.format = 2, Class::Usage, "has format 2, and this mastermold reads 1"),
        (|manifest| manifest.common = None, Class::Integrity, "is not the common layer"),
        (|manifest| manifest.common = Some("../x".into()), Class::Integrity, "`../x`, which is not there"),
        (|manifest| manifest.mtime += 1, Class::Integrity, "modification time"),
        (|manifest| manifest.files.swap(0, 1), Class::Integrity, "twice or out of order"),
        (
            |manifest| manifest.files.insert(0, manifest.files[0].clone()),
            Class::Integrity,
            "public/master-0/manifest.json has /etc twice or out of order",
        ),
        (|manifest| manifest.files[0].size = Some(0), Class::Integrity, "does not describe /etc as"),
        (|manifest| manifest.files[0].target = Some("x".into()), Class::Integrity, "does not describe /etc as"),
        (|manifest| manifest.common = Some("manifest.json".into()), Class::Integrity, "`manifest.json`, which is not"),
        (|manifest| manifest.files[0].layer = "common".into(), Class::Integrity, "in the layer `common`"),
        (|manifest| manifest.files[1].sha256 = None, Class::Integrity, "does not describe /etc/hostname"),
        (|manifest| manifest.files[1].mode = "644".into(), Class::Integrity, "does not describe /etc/hostname"),
        (
            |manifest| manifest.files[1].mode = "0640".into(),
            Class::Integrity,
            "with mode 0644, and its manifest says 0640",
        ),
        (|manifest| drop(manifest.files.remove(1)), Class::Integrity, "holds /etc/hostname, which"),
    ] {
        let release = Draft { node_manifest: Box::new(change), ..Draft::default() }.release();
        release.refused(class, words);
    }
}

fn applied(manifest: &mut Manifest, node: usize, path: &str) {
    manifest.nodes[node].artifacts.push(path.into());
}

/// Files that came or went before the lists were signed.
#[test]
fn lists_and_manifest_disagree() {
    let release = Draft::default().release();
    let unknown = "is not in the release's manifest";
    for name in ["secrets/master-0/extra.tar", "public/boot.cpio", "public/master-2/manifest.json"] {
        fs::create_dir_all(release.at(name).parent().unwrap()).unwrap();
        fs::write(release.at(name), "x").unwrap();
        release.seal();
        release.refused(Class::Integrity, &format!("{name} {unknown}"));
        fs::remove_file(release.at(name)).unwrap();
    }
    fs::remove_dir(release.at("public/master-2")).unwrap();
    // What no rule speaks of is signed, and that is all.
    fs::write(release.at("public/notes.txt"), "x").unwrap();
    release.seal();
    release.verify().unwrap();
    for (name, words) in [
        ("public/master-0/manifest.json", "node master-0 has no manifest"),
        ("public/master-1/node.cpio.gz", "is in the release's manifest, and not in its list"),
    ] {
        let bytes = fs::read(release.at(name)).unwrap();
        fs::remove_file(release.at(name)).unwrap();
        release.seal();
        release.refused(Class::Integrity, words);
        fs::write(release.at(name), bytes).unwrap();
    }
}

/// Archives of the secrets alone, and those elsewhere: nothing but the manifest itself tells that its name is wrong.
#[test]
fn a_common_layer_that_no_archive_shows() {
    let outputs = Outputs { split: false, merged_public: false, merged_secret: true };
    let bytes = |path: &str, bytes: &mut Vec<u8>| {
        if path.contains("/common-") {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replace("0755", "0750").into_bytes();
        }
    };
    let release = Draft { outputs, bytes: Box::new(bytes), ..Draft::default() }.release();
    fs::remove_dir_all(release.at("secrets")).unwrap();
    release.refused(Class::Integrity, "another layer than its name");
}

#[test]
fn a_common_layer_that_is_not_sound() {
    type Change = fn(&mut CommonManifest);
    let changes: [(Change, &str); 4] = [
        (|manifest| link(manifest).size = Some(4), "does not describe /bin/link"),
        (|manifest| link(manifest).target = None, "does not describe /bin/link"),
        (|manifest| link(manifest).layer = "node".into(), "in the layer `node`"),
        (|manifest| link(manifest).target = Some("x".into()), "with target `tool`, and its manifest says `x`"),
    ];
    for (change, words) in changes {
        let release = Draft { common_manifest: Box::new(change), ..Draft::default() }.release();
        release.refused(Class::Integrity, words);
    }
}

fn link(manifest: &mut CommonManifest) -> &mut FileRecord {
    manifest.files.iter_mut().find(|record| record.target.is_some()).unwrap()
}

/// One file of two layers: which one a machine gets would depend on the order.
#[test]
fn a_file_of_two_layers() {
    let node_manifest = |manifest: &mut NodeManifest| {
        let mut record = manifest.files.iter().find(|record| record.path.as_str() == "etc/hostname").unwrap().clone();
        record.path = "/bin/tool".parse().unwrap();
        manifest.files.insert(0, record);
    };
    let draft = Draft { outputs: Outputs::ALL, node_manifest: Box::new(node_manifest), ..Draft::default() };
    draft.release().refused(Class::Integrity, "rootfs.cpio.gz should hold /bin/tool of two layers");
}

#[test]
fn other_formats_and_other_layers() {
    Draft { manifest: Box::new(|manifest| manifest.format = 2), ..Draft::default() }
        .release()
        .refused(Class::Usage, "has format 2, and this mastermold reads 1");
    // The name is of what was written; what lies there is something else.
    let bytes = |path: &str, bytes: &mut Vec<u8>| {
        if path.contains("/common-") && path.ends_with(".json") {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replace("0755", "0750").into_bytes();
        }
    };
    Draft { bytes: Box::new(bytes), ..Draft::default() }
        .release()
        .refused(Class::Integrity, "another layer than its name");
}

#[test]
fn lists_that_are_signed_and_wrong() {
    let release = Draft::default().release();
    let directory = release.at("public");
    let good = fs::read_to_string(directory.join("SHA256SUMS")).unwrap();
    let hex = Digest::of(b"").to_string();
    let comment = identity_comment(&release.verify().unwrap().manifest, Part::Public);
    for (text, class, words) in [
        (good.replace('\n', "\r\n"), Class::Integrity, "SHA256SUMS"),
        (good.trim_end().to_owned(), Class::Integrity, "SHA256SUMS does not end with a line feed"),
        (format!("{hex}  ../x\n{good}"), Class::Integrity, "line 1 of SHA256SUMS has a name"),
        (format!("{hex}  SHA256SUMS\n{good}"), Class::Integrity, "SHA256SUMS lists SHA256SUMS"),
        (good.lines().rev().map(|line| format!("{line}\n")).collect(), Class::Integrity, "out of order"),
        (format!("{good}{hex}  zzz\n"), Class::Integrity, "public/zzz is missing"),
        (String::new(), Class::Trust, "public/manifest.json is not in SHA256SUMS: nobody signed it"),
        ("\u{0}\n".into(), Class::Integrity, "line 1 of SHA256SUMS"),
    ] {
        seal_text(&directory, &text, &comment, &release.key);
        release.refused(class, words);
    }
}

#[test]
fn sums_without_a_signature() {
    let release = Draft::default().release();
    let public = release.at("public");
    let (sums, bytes) = check_sums(&public, Part::Public).unwrap();
    assert_eq!(sums.to_text().as_bytes(), bytes);
    fs::remove_file(public.join("SHA256SUMS.minisig")).unwrap();
    check_sums(&public, Part::Public).unwrap();
    fs::write(public.join("x"), "").unwrap();
    refused(check_sums(&public, Part::Public), Class::Trust, "public/x is not in SHA256SUMS");
    fs::rename(public.join("x"), public.join("manifest.json")).unwrap();
    refused(
        check_sums(&public, Part::Public),
        Class::Integrity,
        "public/manifest.json is not the file that SHA256SUMS lists",
    );
    fs::remove_file(public.join("manifest.json")).unwrap();
    refused(check_sums(&public, Part::Public), Class::Integrity, "public/manifest.json is missing");
    symlink("/dev/null", public.join("manifest.json")).unwrap();
    refused(check_sums(&public, Part::Public), Class::Policy, "public/manifest.json is a symlink");
    fs::remove_file(public.join("SHA256SUMS")).unwrap();
    refused(check_sums(&public, Part::Public), Class::Integrity, "public/SHA256SUMS is missing");
}
