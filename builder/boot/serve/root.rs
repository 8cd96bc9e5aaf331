//! What may be fetched: the files that the sums of a release name, the sums, and the signatures beside them. A path is
//! looked up in these lists, or is a plain one below `SHA256SUMS.`, so that none leads elsewhere; and on the disk no
//! symlink is followed.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::reply::{Refusal, Status, kind};
use crate::boot::manifest;
use crate::bundle::sums::is_plain;
use crate::bundle::{PUBLIC, SECRETS, SUMS, Sums};
use crate::disk;
use crate::error::{Error, Result};

/// The most bytes of a part's sums.
const LARGEST_SUMS: u64 = 64 << 20;

/// What the names of signatures begin with.
const PROOF: &str = "SHA256SUMS.";

/// Whether the secrets of machines are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// To whoever asks.
    Served,
    /// To nobody.
    Refused,
}

/// A release as it is served.
#[derive(Debug)]
pub struct Root {
    release: PathBuf,
    public: Sums,
    /// None if they are refused.
    secrets: Option<Sums>,
    nodes: BTreeSet<String>,
    prefix: String,
}

/// A file that may go out.
#[derive(Debug)]
pub struct Found {
    /// It, open.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// Its entity tag: the digest that the sums have, whatever is in the file now.
    pub tag: Option<String>,
    /// Its type.
    pub kind: &'static str,
}

impl Root {
    /// Reads the sums of a release. They are not checked: that is what `verify` does.
    pub fn open(release: &Path, secrets: Secrets) -> Result<Root> {
        let release = disk::canonical(release)?;
        let nodes = manifest(&release)?.nodes.into_iter().map(|node| node.name).collect();
        let public = sums(&release, PUBLIC)?;
        let secrets = match secrets {
            Secrets::Served => Some(sums(&release, SECRETS)?),
            Secrets::Refused => None,
        };
        Ok(Root { release, public, secrets, nodes, prefix: String::new() })
    }

    /// The same, served below a first name that only who is told it knows.
    pub fn below(self, name: &str) -> Root {
        Root { prefix: format!("{name}/"), ..self }
    }

    /// The file of a path. Every refusal looks the same for what is there and what is not.
    pub fn find(&self, path: &str) -> std::result::Result<Found, Refusal> {
        let not_found = || Refusal::new(Status::NotFound, "this release has no such file");
        let path = path.strip_prefix(&self.prefix).ok_or_else(not_found)?;
        let (part, sums, name) = match path.split_once('/') {
            Some((SECRETS, name)) => {
                let closed = "these are secrets, which this server does not give (mastermold serve --secrets does)";
                let sums = self.secrets.as_ref().ok_or_else(|| Refusal::new(Status::Forbidden, closed))?;
                self.is_of_a_machine(name)?;
                (SECRETS, sums, name)
            }
            _ => (PUBLIC, &self.public, path),
        };
        let digest = sums.get(name);
        if digest.is_none() && !is_proof(name) {
            return Err(not_found());
        }
        let missing = |_| Refusal::new(Status::NotFound, "this file is named in the sums, and cannot be read");
        let file = disk::open_plain_beneath(&self.release, &Path::new(part).join(name)).map_err(missing)?;
        let size = disk::size(&file).map_err(missing)?;
        Ok(Found { file, size, tag: digest.map(|digest| format!("\"{digest}\"")), kind: kind(name) })
    }

    /// What is in `secrets/` for people stays there.
    fn is_of_a_machine(&self, name: &str) -> std::result::Result<(), Refusal> {
        let first = name.split('/').next().unwrap_or_default();
        match self.nodes.contains(first) || is_proof(name) {
            true => Ok(()),
            false => Err(Refusal::new(Status::Forbidden, "only the machines' own secrets are served")),
        }
    }
}

/// The sums themselves, and the signatures beside them: of the sums, and of each file for iPXE.
fn is_proof(name: &str) -> bool {
    name == SUMS || (name.starts_with(PROOF) && is_plain(name))
}

fn sums(release: &Path, part: &str) -> Result<Sums> {
    let path = Path::new(part).join(SUMS);
    let bytes = disk::read_beneath(release, &path, LARGEST_SUMS)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::integrity(format!("{part}/{SUMS} is not UTF-8")))?;
    Sums::parse(&text).map_err(|error| error.context(part))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
    use super::*;
    use crate::bundle::manifest::{FORMAT, to_text};
    use crate::bundle::{Manifest, NodeRecord};
    use crate::digest::Digest;

    fn release() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let node = |name: &str| NodeRecord { name: name.into(), artifacts: Vec::new(), boot: None };
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
            nodes: vec![node("m0"), node("secrets")],
            artifacts: Vec::new(),
        };
        let manifest = to_text(&manifest).unwrap();
        for (part, files) in [
            ("public", &[("manifest.json", &manifest[..]), ("m0/a", b"abc"), ("link", b""), ("gone", b"")][..]),
            ("secrets", &[("m0/key", &b"key"[..]), ("admin/conf", b"conf")][..]),
        ] {
            let mut sums = Sums::new();
            for (name, bytes) in files {
                let path = directory.path().join(part).join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
                sums.insert(*name, Digest::of(bytes));
            }
            std::fs::write(directory.path().join(part).join(SUMS), sums.to_text()).unwrap();
            std::fs::write(directory.path().join(part).join("unlisted"), "x").unwrap();
            let signed = directory.path().join(part).join("SHA256SUMS.cms/m0");
            std::fs::create_dir_all(&signed).unwrap();
            std::fs::write(signed.join("a"), "signature").unwrap();
            std::os::unix::fs::symlink("/etc/hostname", signed.join("link")).unwrap();
        }
        let public = directory.path().join("public");
        std::fs::remove_file(public.join("gone")).unwrap();
        std::fs::remove_file(public.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", public.join("link")).unwrap();
        directory
    }

    #[test]
    fn what_the_sums_name_and_nothing_else() {
        let directory = release();
        let root = Root::open(directory.path(), Secrets::Refused).unwrap();
        let status = |path: &str| root.find(path).map(|found| found.size).map_err(|refusal| refusal.status.code());
        assert_eq!(status("m0/a"), Ok(3));
        assert!(status("SHA256SUMS").is_ok());
        assert_eq!(root.find("m0/a").unwrap().tag, Some(format!("\"{}\"", Digest::of(b"abc"))));
        assert_eq!(status("SHA256SUMS.cms/m0/a"), Ok(9));
        assert_eq!(root.find("SHA256SUMS.cms/m0/a").unwrap().tag, None);
        for path in [
            "",
            "SHA256SUMS.cms",
            "SHA256SUMS.cms/",
            "SHA256SUMS.cms/m0",
            "SHA256SUMS.cms/m0/none",
            "SHA256SUMS.cms/m0/link",
            "SHA256SUMS.cms/../manifest.json",
            "SHA256SUMS.cms//m0/a",
            "SHA256SUMSx",
            "m0",
            "m0/",
            "/m0/a",
            "m0//a",
            "m0/./a",
            "m0/../m0/a",
            "../public/m0/a",
            "unlisted",
            "link",
            "gone",
            "public/m0/a",
            "SHA256SUMS/",
            "SHA256SUMS.minisig",
            "secrets",
            "..",
            "/etc/passwd",
        ] {
            assert_eq!(status(path), Err(404), "{path}");
        }
        for path in ["secrets/", "secrets/m0/key", "secrets/none", "secrets/SHA256SUMS", "secrets/../public/m0/a"] {
            assert_eq!(status(path), Err(403), "{path}");
        }
    }

    #[test]
    fn secrets_of_machines_and_not_of_people() {
        let directory = release();
        let root = Root::open(directory.path(), Secrets::Served).unwrap().below("0123");
        let status = |path: &str| root.find(path).map(|found| found.size).map_err(|refusal| refusal.status.code());
        assert_eq!([status("0123/m0/a"), status("0123/secrets/m0/key")], [Ok(3), Ok(3)]);
        assert_eq!([status("m0/a"), status("secrets/m0/key"), status("012/m0/a")], [Err(404); 3]);
        assert_eq!([status("0123/secrets/admin/conf"), status("0123/secrets/unlisted")], [Err(403); 2]);
        assert_eq!([status("0123/secrets/m0/none"), status("0123/secrets/m0/../admin/conf")], [Err(404); 2]);
    }
}
