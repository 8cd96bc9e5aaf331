//! What iPXE fetches of a release: the files that have a signature each where scripts ask for one ([`CMS`]).

use std::collections::BTreeMap;

use super::{Manifest, PUBLIC, SECRETS, Sums};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The directory of the signatures, in `public/`: each has the path of its file below the directory that is served.
/// What is secret lies there as `secrets/...` if its owner copies it (docs/reference/boot-files.md); its signature does
/// always.
pub const CMS: &str = "SHA256SUMS.cms";

/// The files by that path, each with its digest: `public/SHA256SUMS` has those of public ones, and the manifest, which
/// those sums hold, that of a secret one. Nothing for a release that starts no machine.
pub fn fetched(manifest: &Manifest, sums: &Sums) -> Result<BTreeMap<String, Digest>> {
    let mut files = BTreeMap::new();
    let mut add = |path: &str| -> Result<()> {
        let found = match path.split_once('/') {
            Some((PUBLIC, below)) => sums.get(below).map(|digest| (below, *digest)),
            Some((SECRETS, _)) => {
                let artifact = manifest.artifacts.iter().find(|artifact| artifact.path == path);
                artifact.map(|artifact| (path, artifact.sha256))
            }
            _ => None,
        };
        let message = || Error::integrity(format!("a machine starts from {path}, which the release does not list"));
        let (path, digest) = found.ok_or_else(message)?;
        files.insert(path.to_owned(), digest);
        Ok(())
    };
    for node in &manifest.nodes {
        let Some(boot) = &node.boot else { continue };
        add(&boot.kernel)?;
        boot.initrds.iter().try_for_each(|path| add(path))?;
        add(&format!("{PUBLIC}/{}/boot/boot.ipxe", node.name))?;
        add(&format!("{PUBLIC}/boot.ipxe"))?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::FORMAT;
    use super::super::{Artifact, BootRecord, NodeRecord};
    use super::*;

    fn release(initrds: &[&str]) -> (Manifest, Sums) {
        let digest = Digest::of(b"x");
        let boot = BootRecord {
            arch: "amd64".into(),
            mac: None,
            kernel: "public/boot/vmlinuz-1".into(),
            initrds: initrds.iter().map(|path| (*path).to_owned()).collect(),
            cmdline: String::new(),
            memory: 1,
        };
        let secret = Artifact {
            path: "secrets/m0/secrets.cpio".into(),
            node: Some("m0".into()),
            layer: "secrets".into(),
            format: "cpio".into(),
            size: 1,
            sha256: Digest::of(b"secret"),
            secret: true,
        };
        let manifest = Manifest {
            format: FORMAT,
            tool: "mastermold".into(),
            cluster: "lab".into(),
            version: "1.0.0".into(),
            epoch: "2026-11-01T00:00:00Z".into(),
            profile: digest,
            overlays: digest,
            lock: digest,
            part: None,
            nodes: vec![
                NodeRecord { name: "m0".into(), artifacts: Vec::new(), boot: Some(boot) },
                NodeRecord { name: "m1".into(), artifacts: Vec::new(), boot: None },
            ],
            artifacts: vec![secret],
        };
        let mut sums = Sums::new();
        for path in ["boot.ipxe", "boot/vmlinuz-1", "grub.cfg", "m0/boot/boot.ipxe", "m0/node.cpio", "m1/node.cpio"] {
            sums.insert(path, Digest::of(path.as_bytes()));
        }
        (manifest, sums)
    }

    #[test]
    fn what_ipxe_fetches_and_nothing_else() {
        let (manifest, sums) = release(&["public/m0/node.cpio", "secrets/m0/secrets.cpio"]);
        let files = fetched(&manifest, &sums).unwrap();
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        let expected = ["boot.ipxe", "boot/vmlinuz-1", "m0/boot/boot.ipxe", "m0/node.cpio", "secrets/m0/secrets.cpio"];
        assert_eq!(paths, expected);
        assert_eq!(files["m0/node.cpio"], Digest::of(b"m0/node.cpio"));
        assert_eq!(files["secrets/m0/secrets.cpio"], Digest::of(b"secret"));
    }

    #[test]
    fn what_no_list_has_is_refused() {
        for path in ["public/m0/none", "secrets/m0/none", "m0/node.cpio", "elsewhere/m0/node.cpio"] {
            let (manifest, sums) = release(&[path]);
            let error = fetched(&manifest, &sums).unwrap_err();
            assert!(error.class().code() == 3 && error.to_string().contains(path), "{error}");
        }
    }
}
