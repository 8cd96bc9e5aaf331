//! Archives of images, made by hand, so that each can be wrong in one way.

use mastermold::digest::Digest;
use serde_json::{Value, json};

pub const NAME: &str = "registry.example/thing:1";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Files of an archive in their order.
pub type Files = Vec<(String, Vec<u8>)>;

/// A tar archive of these files.
pub fn tar(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        add(&mut builder, path, bytes, None);
    }
    builder.into_inner().unwrap()
}

/// Adds a file, or a symlink to a target; the path is written as it is, whatever it says.
pub fn add(builder: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8], target: Option<&str>) {
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_entry_type(if target.is_some() { tar::EntryType::Symlink } else { tar::EntryType::Regular });
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    if let Some(target) = target {
        header.set_link_name_literal(target).unwrap();
    }
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

/// Adds a blob to an archive; what names it.
pub fn blob(files: &mut Files, media_type: &str, bytes: Vec<u8>) -> Value {
    let digest = Digest::of(&bytes);
    let descriptor = json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() });
    let path = format!("blobs/sha256/{digest}");
    if !files.iter().any(|(known, _)| *known == path) {
        files.push((path, bytes));
    }
    descriptor
}

/// What is inside: a tar archive with one file.
pub fn layer() -> Vec<u8> {
    tar(&vec![("bin/thing".into(), b"thing".to_vec())])
}

/// The blobs of an image for an architecture; what names its manifest.
pub fn image(files: &mut Files, arch: &str) -> Value {
    let id = format!("sha256:{}", Digest::of(&layer()));
    let config = json!({ "architecture": arch, "os": "linux", "rootfs": { "type": "layers", "diff_ids": [id] } });
    let config = blob(files, "application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let layer = blob(files, "application/vnd.oci.image.layer.v1.tar", layer());
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    blob(files, MANIFEST, manifest.to_string().into_bytes())
}

/// A descriptor with a name.
pub fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "io.containerd.image.name": name });
    descriptor
}

/// Completes a layout with these at the top.
pub fn layout(mut files: Files, manifests: &[Value]) -> Files {
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    files.push(("index.json".into(), index.to_string().into_bytes()));
    files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    files
}

/// A good OCI archive.
pub fn oci() -> Files {
    let mut files = Vec::new();
    let manifest = named(image(&mut files, "amd64"), NAME);
    layout(files, &[manifest])
}

/// What `docker save` writes: the configuration by its digest, and layers by directories.
pub fn docker(arch: &str) -> Files {
    let id = format!("sha256:{}", Digest::of(&layer()));
    let config = json!({ "architecture": arch, "os": "linux", "rootfs": { "type": "layers", "diff_ids": [id] } });
    let config = config.to_string().into_bytes();
    let name = format!("{}.json", Digest::of(&config));
    let manifest = json!([{ "Config": name, "RepoTags": ["thing:1", NAME], "Layers": ["one/layer.tar"] }]);
    vec![(name, config), ("one/layer.tar".into(), layer()), ("manifest.json".into(), manifest.to_string().into_bytes())]
}

/// The file that a test is about.
pub fn of<'a>(files: &'a mut Files, path: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|(name, _)| name == path).unwrap().1
}

/// The path of the largest blob, which is the layer.
pub fn layer_path() -> String {
    format!("blobs/sha256/{}", Digest::of(&layer()))
}
