//! What a project and a release hold, each in one text: what is read and written again is the same.

use std::str::from_utf8;

use mastermold::bundle::manifest::to_text;
use mastermold::bundle::{CommonManifest, Manifest, NodeManifest, Sums, sums::is_plain};
use mastermold::profile::Lock;

/// A lock: what it says, written and read, says the same, and is written in one way.
pub fn lock(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(lock) = Lock::parse(text, "p.lock") else { return };
    let written = lock.to_text();
    let again = Lock::parse(&written, "p.lock").unwrap();
    assert_eq!(Lock { digest: None, ..again.clone() }, Lock { digest: None, ..lock });
    assert_eq!(again.to_text(), written);
}

/// Manifests: only the one text of what they say is read.
pub fn manifest(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(to_text(&manifest).unwrap(), data);
        assert!(!manifest.identity().contains('\n') || manifest.cluster.contains('\n'));
    }
    if let Ok(manifest) = NodeManifest::parse(data) {
        assert_eq!(to_text(&manifest).unwrap(), data);
    }
    if let Ok(manifest) = CommonManifest::parse(data) {
        assert_eq!(to_text(&manifest).unwrap(), data);
        assert_eq!(manifest.id().len(), 12);
    }
}

/// SHA256SUMS: only the one text, plain names, in order.
pub fn sums(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Ok(sums) = Sums::parse(text) else { return };
    assert_eq!(sums.to_text(), text);
    assert!(sums.iter().all(|(path, _)| is_plain(path)));
    assert!(sums.iter().zip(sums.iter().skip(1)).all(|((a, _), (b, _))| a < b));
}
