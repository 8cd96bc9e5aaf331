//! [`Draft`]: a release while it is written. It gets its name when it is whole, in one step.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::flush::Flusher;
use super::{PUBLIC, SECRETS, SUMS, Sums};
use crate::digest::{Check, CheckedReader, Digest, HashWriter, copy};
use crate::disk::{self, Access, StagedDirectory};
use crate::error::{Error, Result};
use crate::tree::Secrecy;

/// How long a build waits for another one that is giving its release a name.
const PATIENCE: Duration = Duration::from_secs(30);

/// A release that is being written.
#[derive(Debug)]
pub struct Draft {
    staged: StagedDirectory,
    cluster: PathBuf,
    /// Where it is to be, and a release of the same version may be.
    target: PathBuf,
    public: Mutex<Sums>,
    secrets: Mutex<Sums>,
    /// Public files that the release which is there has too, as the same files.
    shared: Mutex<BTreeSet<String>>,
    flusher: Flusher,
}

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a new release.
    Written,
    /// A release with the same contents was there, and stays, with its signatures.
    Unchanged,
    /// It replaced another one.
    Replaced,
}

/// Whether a release with other contents may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Only by the same contents.
    Keep,
    /// By any.
    Replace,
}

impl Draft {
    /// An empty draft of `out/CLUSTER/VERSION`.
    pub fn new(out: &Path, cluster: &str, version: &str) -> Result<Draft> {
        let cluster = out.join(cluster);
        disk::create_directories(&cluster, Access::Public)?;
        let staged = StagedDirectory::in_directory(&cluster)?;
        disk::create_directories(&staged.path().join(PUBLIC), Access::Public)?;
        disk::create_directories(&staged.path().join(SECRETS), Access::Private)?;
        let target = cluster.join(version);
        let (public, secrets, shared, flusher) = Default::default();
        Ok(Draft { staged, cluster, target, public, secrets, shared, flusher })
    }

    /// Takes a public file from the release that is there, if it has the file and the file is whole, so that nothing is
    /// written; says whether it did. All of the file is read, and is to have the `check` that it was written with: that finds
    /// damage. Who wants to deceive is found when the release is verified, for its sums have the digest. Who changes the file in
    /// the one release would change it in the other, but only one of them stays.
    pub fn reuse(&self, path: &str, (digest, size): (&Digest, u64), check: Check) -> Result<bool> {
        let Ok(Some(file)) = disk::open_plain(&self.target.join(PUBLIC).join(path)) else { return Ok(false) };
        if disk::size(&file)? != size
            || copy(&mut CheckedReader::new(&file, check, path), &mut std::io::sink()).is_err()
        {
            return Ok(false);
        }
        let copy = self.staged.path().join(PUBLIC).join(path);
        disk::create_directories(copy.parent().unwrap_or(&copy), Access::Public)?;
        if !disk::share(&file, &copy, Access::Public) {
            return Ok(false);
        }
        locked(&self.public).insert(path, *digest);
        locked(&self.shared).insert(path.to_owned());
        Ok(true)
    }

    /// Writes a file at `path` below `public/` or `secrets/`; its digest and size. Several threads may add files.
    pub fn add(
        &self,
        secrecy: Secrecy,
        path: &str,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
    ) -> Result<(Digest, u64)> {
        let (part, access, sums) = match secrecy {
            Secrecy::Public => (PUBLIC, Access::Public, &self.public),
            Secrecy::Secret => (SECRETS, Access::Private, &self.secrets),
        };
        let target = self.staged.path().join(part).join(path);
        disk::create_directories(target.parent().unwrap_or(&target), access)?;
        let mut writer = HashWriter::new(self.flusher.writer(disk::create(&target, access)?, &target));
        if let Err(error) = write(&mut writer) {
            disk::remove_file(&target)?;
            return Err(error);
        }
        let (_, digest, size) = writer.finish();
        locked(sums).insert(path, digest);
        Ok((digest, size))
    }

    /// As [`Draft::add`], with bytes that are there.
    pub fn add_bytes(&self, secrecy: Secrecy, path: &str, bytes: &[u8]) -> Result<(Digest, u64)> {
        self.add(secrecy, path, |out| out.write_all(bytes).map_err(|error| Error::io("writing", path, error)))
    }

    /// Writes the sums and gives the release its name, `out/CLUSTER/VERSION`.
    pub fn finish(self, existing: Existing) -> Result<(PathBuf, Outcome)> {
        self.flusher.finish()?;
        let target = self.target;
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let public = self.public.into_inner().unwrap_or_else(PoisonError::into_inner);
        let secrets = self.secrets.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (part, sums, access) in [(PUBLIC, &public, Access::Public), (SECRETS, &secrets, Access::Private)] {
            let path = self.staged.path().join(part).join(SUMS);
            let file = disk::create(&path, access)?;
            (&file).write_all(sums.to_text().as_bytes()).map_err(|error| Error::io("writing", &path, error))?;
        }
        let _guard = disk::guard(&self.cluster.join(".lock"), PATIENCE)?;
        if disk::kind(&target)?.is_none() {
            self.staged.persist(&target, Access::Public)?;
            return Ok((target, Outcome::Written));
        }
        if is_same(&target.join(PUBLIC), &public, &shared)?
            && is_same(&target.join(SECRETS), &secrets, &BTreeSet::new())?
        {
            // It stays; but what a copy or a careless hand made of its modes does not.
            disk::make_private(&target.join(SECRETS))?;
            return Ok((target, Outcome::Unchanged));
        }
        if existing == Existing::Keep {
            let message = format!("{} exists with other contents", target.display());
            return Err(Error::usage(message).advise("raise [cluster] version, or replace it with --force"));
        }
        self.staged.persist(&target, Access::Public)?;
        Ok((target, Outcome::Replaced))
    }
}

/// Whether a part of a release that is there has exactly these files; damaged files are other files. Those that are
/// shared were hashed before.
fn is_same(part: &Path, sums: &Sums, shared: &BTreeSet<String>) -> Result<bool> {
    let Ok(bytes) = disk::read(&part.join(SUMS), 64 << 20) else { return Ok(false) };
    if bytes != sums.to_text().as_bytes() {
        return Ok(false);
    }
    for (path, digest) in sums.iter().filter(|(path, _)| !shared.contains(*path)) {
        let Ok(mut file) = disk::open(&part.join(path)) else { return Ok(false) };
        if hash(&mut file, path)? != *digest {
            return Ok(false);
        }
    }
    Ok(true)
}

fn hash(file: &mut File, path: &str) -> Result<Digest> {
    let mut hashed = HashWriter::new(std::io::sink());
    copy(file, &mut hashed).map_err(|error| Error::io("reading", path, error))?;
    Ok(hashed.finish().1)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn draft(out: &Path, text: &str) -> Draft {
        let draft = Draft::new(out, "prod", "1.0").unwrap();
        draft.add_bytes(Secrecy::Public, "a/b", text.as_bytes()).unwrap();
        draft.add_bytes(Secrecy::Secret, "n/key", b"secret").unwrap();
        draft
    }

    #[test]
    fn whole_or_not_at_all_and_never_replaced_unasked() {
        let out = tempfile::tempdir().unwrap();
        let finish = |text, existing| draft(out.path(), text).finish(existing);
        let (path, outcome) = finish("one", Existing::Keep).unwrap();
        assert_eq!(outcome, Outcome::Written);
        for name in ["secrets", "secrets/n", "secrets/n/key"] {
            std::fs::set_permissions(path.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        assert_eq!(finish("one", Existing::Keep).unwrap().1, Outcome::Unchanged);
        let loose = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o077;
        assert_eq!(["secrets", "secrets/n", "secrets/n/key"].map(loose), [0, 0, 0]);
        assert_eq!(finish("two", Existing::Keep).unwrap_err().class().code(), 2);
        assert_eq!(std::fs::read(path.join("public/a/b")).unwrap(), b"one");
        assert_eq!(finish("two", Existing::Replace).unwrap().1, Outcome::Replaced);
        assert_eq!(std::fs::read(path.join("public/a/b")).unwrap(), b"two");
        std::fs::write(path.join("public/a/b"), "2wo").unwrap();
        assert!(finish("two", Existing::Keep).is_err(), "a damaged release is not unchanged");
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let modes = ["public", "public/a", "public/a/b", "secrets", "secrets/n", "secrets/n/key", "secrets/SHA256SUMS"];
        let modes = modes.map(|name| mode(path.join(name)));
        assert_eq!(modes, [0o755, 0o755, 0o644, 0o700, 0o700, 0o600, 0o600]);
        assert_eq!(disk::names(&out.path().join("prod")).unwrap(), [".lock", "1.0"]);
    }
}
