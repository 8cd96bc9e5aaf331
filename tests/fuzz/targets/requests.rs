//! Requests to `serve`.

use std::path::PathBuf;
use std::sync::LazyLock;

use mastermold::boot::serve::{Range, Request, Root, Secrets, Status};
use mastermold::bundle::manifest::{FORMAT, to_text};
use mastermold::bundle::{Manifest, NodeRecord, Sums};
use mastermold::digest::Digest;

use crate::scratch;

/// What is in the release; a file beside it that nobody may have; what is not a machine's.
const PUBLIC: [&str; 2] = ["boot/vmlinuz", "m0/node.cpio"];
const SECRET: [&str; 2] = ["admin/admin.conf", "m0/secrets.cpio"];
const CANARY: &str = "public/not-in-the-sums";

static ROOTS: LazyLock<[Root; 2]> = LazyLock::new(|| {
    let release: PathBuf = scratch::directory("release");
    for (part, names) in [("public", PUBLIC), ("secrets", SECRET)] {
        let mut sums = Sums::new();
        for name in names {
            scratch::write(&release.join(part).join(name), name.as_bytes());
            sums.insert(name, Digest::of(name.as_bytes()));
        }
        scratch::write(&release.join(part).join("SHA256SUMS"), sums.to_text().as_bytes());
    }
    scratch::write(&release.join(CANARY), b"canary");
    let digest = Digest::of(b"x");
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
        nodes: vec![NodeRecord { name: "m0".into(), artifacts: Vec::new(), boot: None }],
        artifacts: Vec::new(),
    };
    scratch::write(&release.join("public/manifest.json"), &to_text(&manifest).unwrap());
    [Secrets::Refused, Secrets::Served].map(|secrets| Root::open(&release, secrets).unwrap())
});

/// A request's head: what is found is what the sums name, and a range is within the file.
pub fn request(data: &[u8]) {
    let request = match Request::parse(data) {
        Ok(Some(request)) => request,
        Ok(None) => return,
        Err(refusal) => {
            assert!((400..500).contains(&refusal.status.code()));
            return;
        }
    };
    assert!(!request.path.contains('\0') && request.shown().chars().count() <= 201);
    // What was whole stays so with more behind it, which is the body's.
    let longer = [data, b"more"].concat();
    assert_eq!(Request::parse(&longer).ok().flatten().as_ref(), Some(&request));
    for (root, secrets) in ROOTS.iter().zip([false, true]) {
        match root.find(&request.path) {
            Ok(found) => {
                let of_machines =
                    secrets && ["secrets/m0/secrets.cpio", "secrets/SHA256SUMS"].contains(&&*request.path);
                let public = [&PUBLIC[..], &["SHA256SUMS"]].concat().contains(&&*request.path);
                assert!(public || of_machines, "{} was given", request.path);
                check_range(request.range.as_deref().unwrap_or_default(), found.size);
            }
            Err(refusal) => assert!(matches!(refusal.status, Status::NotFound | Status::Forbidden)),
        }
    }
    check_range(request.range.as_deref().unwrap_or_default(), 10);
    check_range(&request.path, u64::MAX);
    check_range(&request.path, 0);
}

fn check_range(field: &str, size: u64) {
    if let Range::Part { first, last } = Range::parse(field, size) {
        assert!(first <= last && last < size, "{field} of {size}");
    }
}
