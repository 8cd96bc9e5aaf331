//! Names of images, whole: what a runtime looks up is what stands in the archive, so nothing is left to defaults.

use crate::error::{Error, Result};

/// The longest name without its tag (distribution, `reference/reference.go`).
const LONGEST: usize = 255;
/// The longest tag.
const LONGEST_TAG: usize = 128;

/// Refuses what is not `REGISTRY/PATH:TAG`.
///
/// # Errors
/// Usage: a registry or tag that is left out, a digest, characters that no registry takes.
pub fn check_name(name: &str) -> Result<()> {
    let bad = |why: &str| Error::usage(format!("`{name}` is not the whole name of an image: {why}"));
    if name.contains('@') {
        return Err(bad("it has a digest; the lock pins the image").advise("give it a tag"));
    }
    let Some((registry, rest)) = name.split_once('/').filter(|(registry, _)| is_registry(registry)) else {
        let whole = if name.contains('/') { "docker.io" } else { "docker.io/library" };
        return Err(bad("it begins with no registry").advise(format!("is `{whole}/{name}` meant?")));
    };
    let Some((path, tag)) = rest.split_once(':') else {
        return Err(bad("it has no tag").advise(format!("is `{name}:latest` meant?")));
    };
    if registry == "docker.io" && !path.contains('/') {
        return Err(bad("runtimes look below library/").advise(format!("is `docker.io/library/{rest}` meant?")));
    }
    if !path.split('/').all(is_component) || registry.len() + 1 + path.len() > LONGEST {
        return Err(bad("its path has characters that no registry takes, or is too long"));
    }
    match is_tag(tag) {
        true => Ok(()),
        false => Err(bad("its tag has characters that no registry takes, or is too long")),
    }
}

/// A host with a dot or a port, or localhost: what tells a registry from the first part of a path.
fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let number = |port: &str| !port.is_empty() && port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit());
    let told = host.contains('.') || port.is_some() || host == "localhost";
    told && host.split('.').all(label) && port.is_none_or(number)
}

/// Lower-case words, separated by one `.`, one or two `_`, or dashes.
fn is_component(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = text.split(word).filter(|separator| !separator.is_empty());
    text.starts_with(word)
        && text.ends_with(word)
        && separators.all(|separator| matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-'))
}

fn is_tag(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !text.is_empty() && text.len() <= LONGEST_TAG && text.chars().all(inner) && !text.starts_with(['.', '-'])
}

/// A name of a `docker save` archive as runtimes write it, whole.
pub(super) fn whole(name: &str) -> String {
    match name.split_once('/') {
        Some((registry, _)) if is_registry(registry) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let tag = "t".repeat(LONGEST_TAG);
        let long = format!("a.b/{}:1", "x".repeat(LONGEST - 4));
        for good in [
            "registry.k8s.io/pause:3.10.1",
            "localhost/a:b",
            "localhost:5000/a/b__c/d-e.f:v1_2",
            "docker.io/library/busybox:1.36",
            &format!("a.b/c:{tag}"),
            &long,
        ] {
            check_name(good).unwrap();
        }
        for wrong in [
            "",
            "pause:3.10",
            "library/pause:3.10",
            "registry.k8s.io/pause",
            "registry.k8s.io/Pause:1",
            "registry.k8s.io/pause:",
            "registry.k8s.io/pause:.1",
            "registry.k8s.io/a//b:1",
            "registry.k8s.io/a/../b:1",
            "registry.k8s.io/a___b:1",
            "registry.k8s.io/a.-b:1",
            "registry.k8s.io/pause:3.10@sha256:0000",
            "docker.io/busybox:1",
            "a.b:99999999/c:1",
            "-a.b/c:1",
            "a.b/c:1\n",
            "a.b/c d:1",
            &format!("a.b/c:{tag}t"),
            &long.replace(":1", "x:1"),
        ] {
            assert_eq!(check_name(wrong).unwrap_err().class().code(), 2, "{wrong:?}");
        }
        let advice = check_name("pause:3.10").unwrap_err().to_string();
        assert!(advice.contains("docker.io/library/pause:3.10"), "{advice}");
    }

    #[test]
    fn what_docker_leaves_out() {
        for (said, meant) in [
            ("busybox:1", "docker.io/library/busybox:1"),
            ("a/b:1", "docker.io/a/b:1"),
            ("quay.io/a/b:1", "quay.io/a/b:1"),
            ("localhost/a:1", "localhost/a:1"),
        ] {
            assert_eq!(whole(said), meant);
        }
    }
}
