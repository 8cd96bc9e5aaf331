//! Lists and addresses that servers and Debian's tools give.

use mastermold::bundle::cmdline;
use mastermold::store::{Offered, Package, Scheme, Url, parse_checksum};
use mastermold::tree::Audience;

/// What apt and dpkg say of packages.
pub fn packages(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(offered) = Offered::parse(&text) {
        assert!(!offered.version.contains('\n') && !offered.file_name.contains('\n'));
    }
    let packages = Package::installed(&text);
    assert!(packages.is_sorted());
    assert!(packages.iter().all(|one| ![&one.name, &one.version, &one.arch].iter().any(|field| field.contains('\n'))));
}

/// Checksum files: what is found stands there. Also a kernel's command line.
pub fn checksum(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(digest) = parse_checksum(&text, "etcd.tgz") {
        assert!(text.to_ascii_lowercase().contains(&digest.to_string()));
    }
    for layer in [Audience::Common, Audience::Node, Audience::Secrets] {
        if let Some(digest) = cmdline::digest_of(&text, layer) {
            assert!(text.contains(&digest.to_string()));
        }
    }
}

/// Addresses, and where a server's `Location` leads: never to a file, never with a user.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, reference) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(url) = Url::parse(first) {
        assert_eq!(Url::parse(&url.full()).unwrap(), url);
        if url.scheme == Scheme::File {
            let _ = url.file_path();
        }
    }
    let base = Url::parse("https://example.org/a/b?c").unwrap();
    if let Ok(url) = base.join(reference) {
        assert_eq!(Url::parse(&url.full()).unwrap(), url, "{reference}");
        assert!(url.scheme != Scheme::File || reference.to_ascii_lowercase().starts_with("file:"));
        assert!(
            !url.to_string().contains(['@', '\n']) || !url.full().split('/').nth(2).unwrap_or_default().contains('@')
        );
    }
}
