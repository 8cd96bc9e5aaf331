//! Debian packages, resolved and fetched by the system's apt with the system's sources and keyrings, but with lists
//! and cache of our own in `DIR/apt/ARCH`: no privileges, and the host's package state neither seen nor changed.
//!
//! What apt verified (the archive's signature down to the package's SHA-256) is compared again here.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::cache::Store;
use crate::digest::Digest;
use crate::disk::{self, Access, StagedDirectory};
use crate::epoch;
use crate::error::{Error, Result};

/// How long to wait for another process that uses the same apt state.
const PATIENCE: Duration = Duration::from_secs(600);

/// What apt's index says of one version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The version as Debian writes it.
    pub version: String,
    /// Where it is in the archive.
    pub file_name: String,
    /// SHA-256 of the package.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Offered {
    /// Reads the first paragraph of deb-control(5), as apt-cache prints it.
    ///
    /// # Errors
    /// Network: a field that is missing or malformed.
    pub fn parse(text: &str) -> Result<Offered> {
        let stanza = text.split("\n\n").next().unwrap_or_default();
        let field = |name: &str| {
            let found = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.ok_or_else(|| Error::network(format!("apt's index says no {name} of the package")))
        };
        let bad = |name: &str| Error::network(format!("apt's index says a malformed {name} of the package"));
        Ok(Offered {
            version: field("Version")?.to_owned(),
            file_name: field("Filename")?.to_owned(),
            digest: field("SHA256")?.parse().map_err(|_| bad("SHA256"))?,
            size: field("Size")?.parse().map_err(|_| bad("Size"))?,
        })
    }
}

/// The system's apt, asked by one at a time; its lists are updated at most once for each architecture.
pub(super) struct Apt<'a> {
    store: &'a Store,
    updated: Mutex<BTreeSet<String>>,
}

impl<'a> Apt<'a> {
    pub fn new(store: &'a Store) -> Apt<'a> {
        Apt { store, updated: Mutex::new(BTreeSet::new()) }
    }

    /// Downloads a package and gives it to `take`. `name` is the source's, for advice. The lists are updated first if
    /// the candidate is wanted, else only if they do not have the version or the download fails.
    pub fn fetch<T>(
        &self,
        name: &str,
        package: &str,
        version: Option<&str>,
        arch: &str,
        take: impl FnOnce(&Offered, &mut File) -> Result<T>,
    ) -> Result<T> {
        check_words(package, version, arch)?;
        let mut updated = self.updated.lock().unwrap_or_else(PoisonError::into_inner);
        let session = Session::open(self.store, arch)?;
        let mut attempt = Err(Error::bug("apt was not asked"));
        if version.is_some() || updated.contains(arch) {
            attempt = session.download(name, package, version);
        }
        if attempt.is_err() && !updated.contains(arch) {
            session.update()?;
            updated.insert(arch.to_owned());
            attempt = session.download(name, package, version);
        }
        let (package, directory) = attempt?;
        let path = only_file(directory.path())?;
        take(&package, &mut disk::open(&path)?)
    }
}

/// apt with our configuration, and the lock on its state.
struct Session {
    directory: PathBuf,
    arch: String,
    _guard: disk::Guard,
}

impl Session {
    fn open(store: &Store, arch: &str) -> Result<Session> {
        let apt = store.directory().join("apt");
        let guard = disk::guard(&apt.join(format!("{arch}.lock")), PATIENCE)?;
        let directory = apt.join(arch);
        for below in ["state/lists/partial", "cache/archives/partial"] {
            disk::create_directories(&directory.join(below), Access::Private)?;
        }
        let session = Session { directory, arch: arch.to_owned(), _guard: guard };
        disk::write(&session.configuration(), session.settings()?.as_bytes(), Access::Private)?;
        Ok(session)
    }

    fn configuration(&self) -> PathBuf {
        self.directory.join("apt.conf")
    }

    /// apt.conf(5). Read after the system's own, so hooks that the system runs after an update can be cleared: they
    /// are meant for the system's state. There is no sandbox user because it could not write here.
    fn settings(&self) -> Result<String> {
        let path = self.directory.to_str().filter(|path| !path.contains(['"', '\\', '\n']));
        let unfit = || Error::usage(format!("apt cannot work in {}", self.directory.display()));
        let (path, arch) = (path.ok_or_else(unfit)?, &self.arch);
        Ok(format!(
            r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
Dir::State "{path}/state";
Dir::State::status "/dev/null";
Dir::State::extended_states "/dev/null";
Dir::Cache "{path}/cache";
Dir::Log "{path}";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Debug::NoLocking "true";
"#
        ))
    }

    fn update(&self) -> Result<()> {
        let output = self.run("apt-get", &["-q", "update"], &self.directory)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(Error::network(format!("updating apt's package lists: {}", complaint(&output)))
                .advise("see whether `apt-get update` works on this system")),
        }
    }

    /// Downloads into a directory that lives as long as the result.
    fn download(&self, name: &str, package: &str, version: Option<&str>) -> Result<(Offered, StagedDirectory)> {
        let found = self.show(package, version)?.ok_or_else(|| missing(name, package, version, &self.arch))?;
        let exact = format!("{package}={}", found.version);
        let directory = StagedDirectory::in_directory(&self.directory)?;
        let output = self.run("apt-get", &["-q", "download", &exact], directory.path())?;
        match output.status.success() {
            true => Ok((found, directory)),
            false => Err(Error::network(format!("downloading {exact} ({}): {}", self.arch, complaint(&output)))),
        }
    }

    /// What the lists say of this version or of the candidate; none if they do not have it.
    fn show(&self, package: &str, version: Option<&str>) -> Result<Option<Offered>> {
        let what = version.map_or_else(|| package.to_owned(), |version| format!("{package}={version}"));
        let output = self.run("apt-cache", &["show", "--no-all-versions", &what], &self.directory)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let unknown = ["No packages found", "was not found", "Unable to locate"];
        if output.status.success() || unknown.iter().any(|text| errors.contains(text)) {
            return match output.stdout.is_empty() {
                true => Ok(None),
                false => Offered::parse(&String::from_utf8_lossy(&output.stdout)).map(Some),
            };
        }
        Err(Error::environment(format!("asking apt for {what}: {}", complaint(&output)))
            .advise("see whether `apt-cache policy` works on this system"))
    }

    fn run(&self, program: &str, arguments: &[&str], directory: &Path) -> Result<Output> {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).current_dir(directory);
        if let Some(path) = epoch::variable("PATH") {
            command.env("PATH", path);
        }
        // apt knows the lower-case names only.
        for (name, other) in [("http_proxy", "HTTP_PROXY"), ("https_proxy", "HTTPS_PROXY"), ("no_proxy", "NO_PROXY")] {
            if let Some(value) = epoch::variable(name).or_else(|| epoch::variable(other)) {
                command.env(name, value);
            }
        }
        let output = command.arg("-c").arg(self.configuration()).args(arguments).output();
        output.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::environment(format!("Debian packages are fetched by apt, and {program} is not on this system"))
                    .advise("run this on Debian or Ubuntu, or give the package's file by `url` or `path`")
            }
            _ => Error::io("running", program, error),
        })
    }
}

fn missing(name: &str, package: &str, version: Option<&str>, arch: &str) -> Error {
    match version {
        Some(version) => {
            Error::network(format!("{package}={version} ({arch}) is not in this system's Debian mirrors any more"))
                .advise(format!("take the present version with `mastermold lock --update {name}`"))
        }
        None => Error::usage(format!("this system's apt knows no package `{package}` for {arch}"))
            .advise("check its name, and the sources of apt"),
    }
}

/// The first error of apt, on one line.
fn complaint(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = errors.lines().find(|line| line.starts_with("E: ")).or_else(|| errors.lines().last());
    line.map_or_else(|| format!("it ended with {}", output.status), |line| line.trim_start_matches("E: ").to_owned())
}

/// Words that go on apt's command line (deb-version(7), Debian Policy 5.6.1): none may look like an option.
pub(super) fn check_words(package: &str, version: Option<&str>, arch: &str) -> Result<()> {
    let of = |text: &str, extra: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
    let starts = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let bad = |what: &str, text: &str| Err(Error::usage(format!("`{text}` is not {what}")));
    match (package, version, arch) {
        (package, ..) if !starts(package) || !of(package, "+.-") => bad("the name of a Debian package", package),
        (_, Some(version), _) if !starts(version) || !of(version, "+.-~:") => bad("a Debian version", version),
        (.., arch) if !starts(arch) || !of(arch, "-") => bad("a Debian architecture", arch),
        _ => Ok(()),
    }
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let names: Vec<String> = disk::names(directory)?.into_iter().filter(|name| name.ends_with(".deb")).collect();
    match &names[..] {
        [name] => Ok(directory.join(name)),
        names => Err(Error::environment(format!("apt-get download left {} packages instead of one", names.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_an_option() {
        assert!(check_words("libstdc++6", Some("1:2.3~rc1+b2-1.1"), "amd64").is_ok());
        for (package, version, arch) in [
            ("-o", None, "amd64"),
            ("", None, "amd64"),
            ("a=b", None, "amd64"),
            ("a/sid", None, "amd64"),
            ("a", Some("-1"), "amd64"),
            ("a", Some("1 2"), "amd64"),
            ("a", None, "../x"),
            ("a", None, "a\"b"),
        ] {
            assert_eq!(check_words(package, version, arch).unwrap_err().class().code(), 2, "{package}");
        }
    }

    #[test]
    fn a_stanza() {
        let digest = Digest::of(b"");
        let text = format!("Package: a\nVersion: 1\nFilename: pool/a.deb\nSize: 7\nSHA256: {digest}\n\nVersion: 2\n");
        let package = Offered::parse(&text).unwrap();
        assert_eq!((package.version.as_str(), package.size, package.digest), ("1", 7, digest));
        assert_eq!(Offered::parse("Version: 1\n").unwrap_err().class().code(), 7);
    }
}
