//! Archives from outside.

use serde_json::{Value, json};

use super::archives::*;
use super::{built, lock, with_archive};

/// Locking this is refused with this class, in these words.
fn refused(what: &str, bytes: &[u8], code: i32, says: &str) {
    let (found, text) = lock(&with_archive(bytes, NAME)).expect_err(what);
    assert_eq!(found, code, "{what}: {text}");
    assert!(text.contains(says), "{what} does not say `{says}`: {text}");
    assert!(text.contains("profiles/p.toml:") && text.contains("thing"), "{what} names no place: {text}");
}

fn changed(mut files: Files, change: impl FnOnce(&mut Files)) -> Vec<u8> {
    change(&mut files);
    tar(&files)
}

fn index(files: &mut Files, change: impl FnOnce(&mut Value)) {
    let bytes = of(files, "index.json");
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut value);
    *bytes = value.to_string().into_bytes();
}

#[test]
fn whole_archives_are_taken_and_stand_on_the_node_without_compression() {
    let plain = tar(&oci());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for bytes in [&plain, &gzip.finish().unwrap(), &zstd] {
        let project = with_archive(bytes, NAME);
        lock(&project).unwrap();
        assert!(built(&project, "/usr/lib/mastermold/images/thing.tar") == plain);
    }
}

#[test]
fn both_layouts_and_whatever_else_is_there() {
    let dotted: Files = oci().into_iter().map(|(path, bytes)| (format!("./{path}"), bytes)).collect();
    let mut several = Vec::new();
    let (one, other) = (image(&mut several, "arm64"), image(&mut several, "amd64"));
    let several = layout(several, &[named(one, "registry.example/other:1"), named(other, NAME)]);
    let mut linked = tar::Builder::new(Vec::new());
    for (path, bytes) in docker("amd64") {
        match path == "one/layer.tar" {
            true => add(&mut linked, &path, b"", Some("../two/layer.tar")),
            false => add(&mut linked, &path, &bytes, None),
        }
    }
    add(&mut linked, "two/layer.tar", &layer(), None);
    for bytes in [tar(&docker("amd64")), tar(&dotted), tar(&several), linked.into_inner().unwrap()] {
        lock(&with_archive(&bytes, NAME)).unwrap();
    }
    lock(&with_archive(&tar(&docker("amd64")), "docker.io/library/thing:1")).unwrap();
}

/// An index for several platforms, of which only the node's is here.
fn platforms(present: &[&str]) -> Files {
    let mut files = Vec::new();
    let mut below = Vec::new();
    for arch in ["arm64", "amd64"] {
        let mut of_arch = Vec::new();
        let mut manifest = image(&mut of_arch, arch);
        manifest["platform"] = json!({ "os": "linux", "architecture": arch });
        below.push(manifest);
        if present.contains(&arch) {
            files.extend(of_arch);
        }
    }
    below.push(json!({ "mediaType": below[0]["mediaType"], "digest": format!("sha256:{}", "0".repeat(64)), "size": 9,
        "platform": { "os": "unknown", "architecture": "unknown" } }));
    let inner = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": below });
    let inner = blob(&mut files, INDEX, inner.to_string().into_bytes());
    layout(files, &[named(inner, NAME)])
}

#[test]
fn of_several_platforms_the_nodes_must_be_there() {
    lock(&with_archive(&tar(&platforms(&["amd64"])), NAME)).unwrap();
    refused("only the other", &tar(&platforms(&["arm64"])), 3, "is named and is not there");
    let mut files = Vec::new();
    let manifest = image(&mut files, "arm64");
    let other = tar(&layout(files, &[named(manifest, NAME)]));
    refused("another machine's", &other, 2, "is for linux/arm64, not for linux/amd64");
    refused("another machine's, saved", &tar(&docker("arm64")), 2, "is for linux/arm64, not for linux/amd64");
    // What stands outside says one thing, what is inside another.
    let mut files = Vec::new();
    let mut manifest = image(&mut files, "arm64");
    manifest["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    refused("a disguise", &tar(&layout(files, &[named(manifest, NAME)])), 2, "is for linux/arm64");
}

#[test]
fn what_is_damaged_or_missing() {
    for path in oci().iter().map(|(path, _)| path.clone()).filter(|path| path.starts_with("blobs/")) {
        let bytes = changed(oci(), |files| *of(files, &path).last_mut().unwrap() ^= 1);
        refused(&format!("a bit of {path}"), &bytes, 3, "is sha256");
        let bytes = changed(oci(), |files| files.retain(|(name, _)| *name != path));
        refused(&format!("without {path}"), &bytes, 3, "is named and is not there");
    }
    let stray = changed(oci(), |files| files.push((format!("blobs/sha256/{}", "0".repeat(64)), b"x".to_vec())));
    refused("a blob that nothing names", &stray, 3, "is sha256");
    let size = changed(oci(), |files| index(files, |index| index["manifests"][0]["size"] = json!(5)));
    refused("another size", &size, 3, "bytes, and 5 are named");
    let whole = tar(&oci());
    for cut in [whole.len() - 512, whole.len() - 1024, whole.len() / 2, 700] {
        refused(&format!("cut at {cut}"), &whole[..cut], 3, "cut");
    }
    refused("no index", &changed(oci(), |files| files.retain(|(path, _)| path != "index.json")), 3, "`index.json`");
    refused("text", b"not an archive at all", 3, "archive");
    refused("nothing", b"", 3, "empty");
}

#[test]
fn what_docker_saved_and_is_damaged() {
    let config = docker("amd64")[0].0.clone();
    let damaged = |path: &str| changed(docker("amd64"), |files| of(files, path).push(b' '));
    refused("another configuration", &damaged(&config), 3, "is sha256");
    refused("another layer", &damaged("one/layer.tar"), 3, "the layer `one/layer.tar` is sha256:");
    for path in [config.as_str(), "one/layer.tar"] {
        let without = changed(docker("amd64"), |files| files.retain(|(name, _)| name != path));
        refused(path, &without, 3, "is named and is not there");
    }
    let layers = changed(docker("amd64"), |files| {
        let text = String::from_utf8(of(files, "manifest.json").clone()).unwrap();
        *of(files, "manifest.json") = text.replace("[\"one/layer.tar\"]", "[]").into_bytes();
    });
    refused("no layers", &layers, 3, "the image has 0 layers, and its configuration names 1");
    for target in ["../../outside", "/etc/passwd", "layer.tar"] {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in docker("amd64") {
            match path == "one/layer.tar" {
                true => add(&mut builder, &path, b"", Some(target)),
                false => add(&mut builder, &path, &bytes, None),
            }
        }
        refused(target, &builder.into_inner().unwrap(), 3, "is named and is not there");
    }
}

#[test]
fn names() {
    let rename = |annotations: Value| {
        changed(oci(), |files| index(files, |index| index["manifests"][0]["annotations"] = annotations))
    };
    let other = rename(json!({ "io.containerd.image.name": "registry.example/thing:2" }));
    refused("another", &other, 2, "has no image `registry.example/thing:1`; it has: registry.example/thing:2");
    refused("a tag", &rename(json!({ "org.opencontainers.image.ref.name": "1" })), 2, "it has: 1");
    refused("none", &rename(Value::Null), 2, "none of its images has a name");
    // containerd looks at the whole name first.
    let both = json!({ "io.containerd.image.name": "a.b/c:1", "org.opencontainers.image.ref.name": NAME });
    refused("the wrong one of two", &rename(both), 2, "it has: a.b/c:1");
    lock(&with_archive(&rename(json!({ "org.opencontainers.image.ref.name": NAME })), NAME)).unwrap();
    let mut files = Vec::new();
    let manifests = [named(image(&mut files, "amd64"), NAME), named(image(&mut Vec::new(), "arm64"), NAME)];
    refused("two of one name", &tar(&layout(files, &manifests)), 8, "has two images");
    let twice = changed(docker("amd64"), |files| {
        let one: Value = serde_json::from_slice(of(files, "manifest.json")).unwrap();
        *of(files, "manifest.json") = json!([one[0], one[0]]).to_string().into_bytes();
    });
    refused("two of one name, saved", &twice, 8, "has two images");
    refused("neither layout", &tar(&vec![("x".into(), b"x".to_vec())]), 2, "it is no image; if an image is to be made");
}

#[test]
fn what_can_be_read_in_two_ways_or_leads_elsewhere() {
    let twin = changed(oci(), |files| files.push(("index.json".into(), b"{}".to_vec())));
    refused("an entry twice", &twin, 8, "`index.json` is there twice");
    let mut linked = tar::Builder::new(Vec::new());
    oci().iter().for_each(|(path, bytes)| add(&mut linked, path, bytes, None));
    add(&mut linked, "index.json", b"", Some("blobs"));
    refused("a file and a link", &linked.into_inner().unwrap(), 8, "is there twice");
    for path in ["../index.json", "/index.json", "blobs/../index.json", "a//b"] {
        refused(path, &changed(oci(), |files| files.push((path.into(), b"x".to_vec()))), 8, "unsafe");
    }
    let behind = [tar(&oci()), tar(&oci())].concat();
    refused("two archives", &behind, 8, "behind its end marker");
    let sha512 = changed(oci(), |files| {
        index(files, |index| index["manifests"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128))));
    });
    refused("another digest", &sha512, 8, "is not a SHA-256 digest");
    for digest in ["sha256:../../index.json", "sha256:", "", "sha256:ABC"] {
        let bytes = changed(oci(), |files| index(files, |index| index["manifests"][0]["digest"] = json!(digest)));
        refused(digest, &bytes, 8, "is not a SHA-256 digest");
    }
    let kind = changed(oci(), |files| index(files, |index| index["manifests"][0]["mediaType"] = json!("x/y")));
    refused("an unknown kind", &kind, 8, "unknown kind `x/y`");
    let version = changed(oci(), |files| *of(files, "oci-layout") = br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec());
    refused("another layout", &version, 8, "version `2.0.0`");
}

#[test]
fn documents_are_bounded() {
    let with = |bytes: Vec<u8>| changed(oci(), |files| *of(files, "index.json") = bytes);
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"manifests\":", "}")] {
        let deep = format!("{}{}", open.repeat(100_000), close.repeat(100_000)).into_bytes();
        refused("deep", &with(deep), 3, "`index.json` is not what it should be");
    }
    let mut huge = br#"{"schemaVersion":2,"x":""#.to_vec();
    huge.resize(5 << 20, b'x');
    huge.extend(br#"","manifests":[]}"#);
    refused("huge", &with(huge), 8, "too many for a document");
    for (what, bytes) in [
        ("empty", &b""[..]),
        ("text", b"x"),
        ("cut", b"{\"schemaVersion\":2"),
        ("null", b"{\"schemaVersion\":2,\"manifests\":null}"),
    ] {
        refused(what, &with(bytes.to_vec()), 3, "`index.json` is not");
    }
    let many = changed(oci(), |files| {
        let mut big = vec![b'['];
        big.resize(3 << 20, b' ');
        files.extend((0..12).map(|number| (format!("{number}.json"), big.clone())));
    });
    refused("much", &many, 8, "bytes of JSON");
    let entries = changed(oci(), |files| files.extend((0..70_000).map(|number| (format!("{number}"), Vec::new()))));
    refused("many", &entries, 8, "entries");
}

#[test]
fn indexes_are_bounded() {
    let mut files = Vec::new();
    let mut top = image(&mut files, "amd64");
    for _ in 0..3 {
        let inner = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [top.clone(), top] });
        top = blob(&mut files, INDEX, inner.to_string().into_bytes());
    }
    lock(&with_archive(&tar(&layout(files.clone(), &[named(top.clone(), NAME)])), NAME)).unwrap();
    for _ in 0..40 {
        let inner = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [top.clone(), top] });
        top = blob(&mut files, INDEX, inner.to_string().into_bytes());
    }
    refused("deep", &tar(&layout(files, &[named(top, NAME)])), 8, "refer to indexes too deep");
}

#[test]
fn what_would_fill_the_disk() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 80 << 20), &mut gzip).unwrap();
    refused("a bomb", &gzip.finish().unwrap(), 8, "more than is allowed");
    let zip = [&b"PK\x03\x04"[..], &[0; 600]].concat();
    refused("a zip", &zip, 2, "it is no tar archive");
}

#[test]
fn a_key_in_it_is_found_behind_the_compression() {
    let key = concat!(
        "-----BEGIN EC PRIVATE KEY-----\n",
        "MHcCAQEEIJdPWqwxGDNmFr0RtqZ6cRd0FEgRZhuRYXqX6VTxo0oAoGCCqGSM49\n",
        "AwEHoUQDQgAEzGkVqzxTn0VZv9wG7zHcN1vY2X8b0zUQd0Y9Z1n9t0m0o5y8Jw==\n",
        "-----END EC PRIVATE KEY-----\n"
    );
    let bytes = changed(oci(), |files| files.push(("key.pem".into(), key.as_bytes().to_vec())));
    let bytes = zstd::encode_all(&bytes[..], 1).unwrap();
    refused("a key", &bytes, 8, "would be in a public layer");
    let project = with_archive(&bytes, NAME);
    let profile = std::fs::read_to_string(project.root().join("profiles/p.toml")).unwrap();
    project.write("profiles/p.toml", &format!("{profile}not-secret = \"a test's\"\n"));
    lock(&project).unwrap();
}

#[test]
fn the_layer_is_where_it_should_be() {
    // What the tests above change is what they say.
    assert!(oci().iter().any(|(path, bytes)| *path == layer_path() && *bytes == layer()));
}
