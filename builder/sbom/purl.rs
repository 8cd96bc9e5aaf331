//! Package URLs (package-url/purl-spec): by which scanners know what a component is.

/// A Debian package. `distribution` is the suite that it is from, if that is known.
pub fn debian(name: &str, version: &str, arch: &str, distribution: Option<&str>) -> String {
    let suite = distribution.map_or_else(String::new, |suite| format!("&distro={}", encoded(suite)));
    format!("pkg:deb/debian/{}@{}?arch={}{suite}", encoded(name), encoded(version), encoded(arch))
}

/// A Go module; Go's own library is the module `stdlib`. In package URLs the paths of Go modules are lower-case.
pub fn go(path: &str, version: Option<&str>) -> String {
    let path: Vec<String> = path.to_lowercase().split('/').map(encoded).collect();
    let version = version.map_or_else(String::new, |version| format!("@{}", encoded(version)));
    format!("pkg:golang/{}{version}", path.join("/"))
}

/// A file that somebody offers at a URL, and that is no package of any kind.
pub fn generic(name: &str, url: &str, sha256: &crate::digest::Digest) -> String {
    format!("pkg:generic/{}?checksum=sha256:{sha256}&download_url={}", encoded(name), encoded(url))
}

/// Percent-encoded, but for what may stand in every part of a package URL ("Character encoding").
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the forms of the specification's examples.
    #[test]
    fn as_the_specification_writes_them() {
        assert_eq!(
            debian("curl", "7.50.3-1", "i386", Some("jessie")),
            "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie"
        );
        assert_eq!(
            debian("g++", "4:12.2.0-3+b1~x", "amd64", None),
            "pkg:deb/debian/g%2B%2B@4:12.2.0-3%2Bb1~x?arch=amd64"
        );
        assert_eq!(go("google.golang.org/genproto", Some("v0.1")), "pkg:golang/google.golang.org/genproto@v0.1");
        assert_eq!(
            go("github.com/Azure/x", Some("v1+incompatible")),
            "pkg:golang/github.com/azure/x@v1%2Bincompatible"
        );
        assert_eq!(go("k8s.io/kubernetes", None), "pkg:golang/k8s.io/kubernetes");
    }
}
