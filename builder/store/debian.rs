//! [`System`]: a Debian system as a tar archive, made by mmdebstrap(1) of packages that the host's apt knows.
//!
//! The archive is the same, byte for byte, for the same packages, options and time; as root, or as another user with
//! subordinate ids; whatever the host's name, time zone and umask. Nothing of the host stays in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use super::apt::check_words;
use super::unpack::{self, Limits};
use super::{Package, Pin, Store};
use crate::disk;
use crate::epoch::{self, Epoch};
use crate::error::{Error, Result};

/// The program.
const PROGRAM: &str = "mmdebstrap";
/// Hooks that make a merged /usr without the package that would merge it, and Perl with it.
const MERGED: &str = "/usr/share/mmdebstrap/hooks/merged-usr";
/// Where a system lists its packages (deb-status, dpkg(1)).
const STATUS: &str = "var/lib/dpkg/status";
/// The most that is kept of what the program says.
const COMPLAINTS: u64 = 1 << 20;
/// The largest list of packages.
const LARGEST_STATUS: u64 = 64 << 20;
/// What no machine reads, and the hook that would make an initrd that is not used.
const EXCLUDED: [&str; 7] = [
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/etc/kernel/postinst.d/initramfs-tools",
];
/// Files that mmdebstrap copies from the host, or that name its mirror.
const OF_THE_HOST: [&str; 5] = [
    "etc/resolv.conf",
    "etc/hostname",
    "etc/apt/sources.list",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
];

/// What is wanted of a system.
pub(super) struct System<'a> {
    pub suite: &'a str,
    pub packages: &'a [String],
    pub arch: &'a str,
    pub epoch: Epoch,
    /// What it was made of before, and is to be made of again; empty if that is free.
    pub versions: &'a [Package],
}

impl System<'_> {
    /// Makes it; what it became, and what it is made of. `name` is the source's, for advice.
    ///
    /// # Errors
    /// Environment: the program is missing or fails. Integrity: it is made of other packages than before, or became
    /// other bytes than `pin` says.
    pub fn make(&self, store: &Store, pin: Option<&Pin>, name: &str) -> Result<(Pin, Vec<Package>)> {
        self.check()?;
        let sources = sources(self.suite)?;
        let made = store.derive(None, |out| self.run(&sources, out))?;
        let packages = packages(store, &made)?;
        let advice = format!("make it of the present packages with `mastermold lock --update {name}`");
        if let Some(differs) = difference(self.versions, &packages) {
            let message = format!("the Debian system is made of other packages than before: {differs}");
            return Err(Error::integrity(message).advise(format!("{advice}, or give apt a mirror that has them")));
        }
        match pin.filter(|pin| **pin != made) {
            Some(pin) => {
                let message = format!("the Debian system became sha256 {}, and {} is pinned", made.digest, pin.digest);
                Err(Error::integrity(message).advise(advice))
            }
            None => Ok((made, packages)),
        }
    }

    /// What goes into arguments and hooks.
    fn check(&self) -> Result<()> {
        check_words(self.suite, None, self.arch)?;
        self.packages.iter().try_for_each(|package| check_words(package, None, self.arch))?;
        self.versions.iter().try_for_each(|one| check_words(&one.name, Some(&one.version), &one.arch))
    }

    fn arguments(&self) -> Vec<String> {
        let mut words: Vec<String> =
            ["--mode=auto", "--variant=essential", "--format=tar"].iter().map(|word| word.to_string()).collect();
        words.push(format!("--architectures={}", self.arch));
        if !self.packages.is_empty() {
            words.push(format!("--include={}", self.packages.join(",")));
        }
        if disk::exists(MERGED.as_ref()) {
            words.push(format!("--hook-dir={MERGED}"));
        }
        words.push("--aptopt=APT::Install-Recommends \"false\"".to_owned());
        words.extend(EXCLUDED.iter().map(|option| format!("--dpkgopt={option}")));
        if !self.versions.is_empty() {
            // A snapshot of an archive says that it is out of date; the digest says whether it is right.
            words.push("--aptopt=Acquire::Check-Valid-Until \"false\"".to_owned());
            words.push(format!("--setup-hook={}", pins(self.versions)));
            words.push("--customize-hook=rm \"$1/etc/apt/preferences.d/pins\"".to_owned());
        }
        let files: Vec<String> = OF_THE_HOST.iter().map(|file| format!("\"$1/{file}\"")).collect();
        words.push(format!("--customize-hook=rm -f {}", files.join(" ")));
        words.extend([self.suite.to_owned(), "-".to_owned(), "-".to_owned()]);
        words
    }

    /// Runs the program, with apt's sources on its standard input; its archive goes to `out`.
    fn run(&self, sources: &str, out: &mut dyn Write) -> Result<()> {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", self.epoch.seconds().to_string());
        for name in ["PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy"] {
            if let Some(value) = epoch::variable(name).or_else(|| epoch::variable(&name.to_uppercase())) {
                command.env(name, value);
            }
        }
        command.args(self.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(not_run)?;
        let bug = || Error::bug("a program without its streams");
        let (mut input, mut archive) = (child.stdin.take().ok_or_else(bug)?, child.stdout.take().ok_or_else(bug)?);
        let mut complaints = child.stderr.take().ok_or_else(bug)?;
        let (copied, said) = thread::scope(|scope| {
            let said = scope.spawn(move || {
                let mut text = Vec::new();
                let _ = (&mut complaints).take(COMPLAINTS).read_to_end(&mut text);
                let _ = io::copy(&mut complaints, &mut io::sink());
                text
            });
            // Written from here: a few hundred bytes, which any pipe holds.
            let written = input.write_all(sources.as_bytes());
            drop(input);
            let copied = written.and_then(|()| io::copy(&mut archive, out));
            if copied.is_err() {
                let _ = child.kill();
            }
            (copied, said.join().unwrap_or_default())
        });
        let status = child.wait().map_err(|error| Error::io("running", PROGRAM, error))?;
        if !status.success() {
            return Err(failed(status, &String::from_utf8_lossy(&said), self.suite));
        }
        copied.map(drop).map_err(|error| Error::io("writing", "the Debian system", error))
    }
}

fn not_run(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::environment(format!("Debian systems are made by {PROGRAM}, and it is not on this system"))
                .advise(format!("apt-get install {PROGRAM}; or give a `rootfs` that another host made"))
        }
        _ => Error::io("running", PROGRAM, error),
    }
}

fn failed(status: ExitStatus, said: &str, suite: &str) -> Error {
    let line = said.lines().rev().find(|line| line.starts_with("E: ")).or_else(|| said.lines().last());
    let line = line.map_or_else(|| status.to_string(), |line| line.trim_start_matches("E: ").to_owned());
    Error::environment(format!("{PROGRAM} cannot make the Debian system {suite}: {line}"))
        .advise("see whether `apt-get update` works on this system, and whether its packages have these names")
}

/// The lines of sources.list(5) for a suite, out of what the host's apt is told to use.
fn sources(suite: &str) -> Result<String> {
    let format = "$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)";
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", format, "Identifier: Packages"])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::environment(format!("a Debian system needs the host's apt: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = sources_of(&text, suite);
    match lines.is_empty() {
        false => Ok(lines),
        true => Err(Error::environment(format!("this system's apt has no sources for the suite {suite}"))
            .advise("run `apt-get update`, or give a `rootfs` that another host made")),
    }
}

/// The lines whose suite it is. If there are none, the host is of another suite of the same distribution, and its
/// mirror has this one too.
fn sources_of(targets: &str, suite: &str) -> String {
    let targets: BTreeSet<Vec<&str>> = targets.lines().map(|line| line.split('|').collect()).collect();
    let line = |uri: &str, name: &str, component: &str| format!("deb {uri} {name} {component}\n");
    let of = |name: &str| name.strip_prefix(suite).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let (mut own, mut others) = (String::new(), String::new());
    for target in &targets {
        let [uri, name, component, origin] = target[..] else { continue };
        if of(name) {
            own += &line(uri, name, component);
        } else if origin == "Debian" {
            let rest = name.find('-').map_or("", |at| &name[at..]);
            others += &line(uri, &format!("{suite}{rest}"), component);
        }
    }
    if own.is_empty() { others } else { own }
}

/// A hook that pins every package (apt_preferences(5)). Names and versions were checked: none needs quoting.
fn pins(versions: &[Package]) -> String {
    let words: Vec<String> = versions.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
    let stanza = "Package: %s\\nPin: version %s\\nPin-Priority: 1001\\n\\n";
    let file = "\"$1/etc/apt/preferences.d/pins\"";
    format!("mkdir -p \"$1/etc/apt/preferences.d\"; printf '{stanza}' {} >{file}; chmod 644 {file}", words.join(" "))
}

impl Package {
    /// The installed packages of a system by its list (deb-status, dpkg(1)), sorted.
    pub fn installed(status: &str) -> Vec<Package> {
        let package = |stanza: &str| {
            let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let installed = field("Status")?.ends_with(" installed");
            let [name, version, arch] =
                [field("Package")?, field("Version")?, field("Architecture")?].map(str::to_owned);
            installed.then_some(Package { name, version, arch })
        };
        let mut packages: Vec<Package> = status.split("\n\n").filter_map(package).collect();
        packages.sort();
        packages
    }
}

/// What a system is made of, by its own list.
fn packages(store: &Store, system: &Pin) -> Result<Vec<Package>> {
    let mut text = String::new();
    unpack::walk(store, system, "the Debian system", &Limits::default(), &mut |entry, body| {
        if *entry.path == *STATUS {
            let read = body.take(LARGEST_STATUS).read_to_string(&mut text);
            read.map_err(|error| Error::io("reading", STATUS, error))?;
        }
        Ok(())
    })?;
    let packages = Package::installed(&text);
    match packages.is_empty() {
        false => Ok(packages),
        true => Err(Error::integrity("the Debian system lists no packages")),
    }
}

/// The first package that is not as before, in words.
fn difference(before: &[Package], now: &[Package]) -> Option<String> {
    if before.is_empty() {
        return None;
    }
    let by_name = |packages: &[Package]| -> BTreeMap<String, String> {
        packages.iter().map(|one| (format!("{}:{}", one.name, one.arch), one.version.clone())).collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differs: Vec<String> = names
        .into_iter()
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|name| {
            let version = |of: &BTreeMap<String, String>| of.get(name).map_or("none", String::as_str).to_owned();
            format!("{name} was {} and is {}", version(&before), version(&now))
        })
        .collect();
    let more = differs.len().saturating_sub(3);
    let told = differs.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    (!differs.is_empty()).then(|| if more == 0 { told } else { format!("{told}, and {more} more") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_this_suite_or_of_its_sister() {
        let targets = "http://m/debian/|bookworm|main|Debian\nhttp://m/security/|bookworm-security|main|Debian\n\
                       http://m/debian/|bookworm|main|Debian\nhttp://x/|stable|main|Other\n";
        let own = "deb http://m/debian/ bookworm main\ndeb http://m/security/ bookworm-security main\n";
        assert_eq!(sources_of(targets, "bookworm"), own);
        assert_eq!(sources_of(targets, "trixie"), own.replace("bookworm", "trixie"));
        assert_eq!(sources_of("http://x/|stable|main|Other\n", "trixie"), "");
        assert_eq!(sources_of("http://x/|noble|main|Ubuntu\n", "noble"), "deb http://x/ noble main\n");
        // A name that only begins like another is another's.
        assert_eq!(sources_of("http://x/|sidux|main|Other\n", "sid"), "");
    }

    #[test]
    fn what_a_system_lists_is_what_is_installed() {
        let status = "Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2-3\n\n\
                      Package: a\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                      Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\nDescription: x\n y\n";
        let package = |name: &str, version: &str, arch: &str| Package {
            name: name.into(),
            version: version.into(),
            arch: arch.into(),
        };
        let now = Package::installed(status);
        assert_eq!(now, [package("a", "2", "amd64"), package("b", "1:2-3", "all")]);
        assert_eq!(difference(&[], &now), None);
        assert_eq!(difference(&now, &now), None);
        let before = [package("a", "1", "amd64"), package("c", "1", "all")];
        let told = difference(&before, &now).unwrap();
        assert_eq!(told, "a:amd64 was 1 and is 2, b:all was none and is 1:2-3, c:all was 1 and is none");
    }
}
