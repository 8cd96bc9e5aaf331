//! A release made by hand, whose machines have what no kernel runs: for what is done with a release.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;

use mastermold::bundle::manifest::{FORMAT, to_text};
use mastermold::bundle::{BootRecord, Manifest, NodeRecord, Sums};
use mastermold::digest::Digest;

/// The release; it is gone with its value.
pub struct Lab(tempfile::TempDir);

impl Lab {
    /// Node m0, with a kernel, a base of five bytes, a layer of three and secrets of six; and what people have.
    pub fn new() -> Lab {
        let lab = Lab(tempfile::tempdir().unwrap());
        let digest = Digest::of(b"x");
        let boot = BootRecord {
            arch: "amd64".into(),
            mac: None,
            kernel: "public/boot/kernel".into(),
            initrds: ["public/boot/base", "public/m0/node", "secrets/m0/secrets"].map(String::from).into(),
            cmdline: "console=ttyS0 mastermold.name=m0".into(),
            memory: 1 << 30,
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
            nodes: vec![NodeRecord { name: "m0".into(), artifacts: Vec::new(), boot: Some(boot) }],
            artifacts: Vec::new(),
        };
        let manifest = to_text(&manifest).unwrap();
        lab.part(
            "public",
            &[("boot/base", b"base."), ("boot/kernel", b"kernel"), ("m0/node", b"m0."), ("manifest.json", &manifest)],
        );
        lab.part("secrets", &[("admin/admin.conf", b"key"), ("m0/secrets", b"secret")]);
        lab
    }

    /// The release's directory.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// A file of the release.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.root().join(path)).unwrap()
    }

    fn part(&self, part: &str, files: &[(&str, &[u8])]) {
        let mut sums = Sums::new();
        for (path, bytes) in files {
            let whole = self.root().join(part).join(path);
            fs::create_dir_all(whole.parent().unwrap()).unwrap();
            fs::write(whole, bytes).unwrap();
            sums.insert(*path, Digest::of(bytes));
        }
        fs::write(self.root().join(part).join("SHA256SUMS"), sums.to_text()).unwrap();
    }
}
