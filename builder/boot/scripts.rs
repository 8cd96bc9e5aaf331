//! The texts by which boot loaders find a release: iPXE's scripts and GRUB's fragment, as pure functions.
//!
//! A boot loader has its own ideas of words, quotes and variables, and stands between the command line that was asked
//! for and the one that the kernel reads. What a loader would change is refused here, so that every machine gets the
//! same words by every way.

mod grub;
mod ipxe;

pub use grub::grub;
pub use ipxe::{menu, node};

use crate::bundle::{MENU, Manifest, NodeRecord};
use crate::error::{Error, Result};

/// What a boot loader needs to know of a machine. Paths are those below the directory that is served, which is the
/// release's `public`; what lies in the release's `secrets` is `secrets/...` there too, if the operator copies it.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// The node's name, a DNS label.
    pub name: &'a str,
    /// The address of the network card that it boots from, if it is known.
    pub mac: Option<&'a str>,
    /// The kernel: `boot/vmlinuz-ID`.
    pub kernel: &'a str,
    /// What is unpacked, in this order: `boot/base-ID.cpio.zst`, `NAME/node.cpio.zst`, ...
    pub initrds: &'a [String],
    /// The kernel's command line.
    pub cmdline: &'a str,
}

/// How scripts fetch files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fetching<'a> {
    /// The address of what is served; the scripts' own place if there is none.
    pub url: Option<&'a str>,
    /// Whether iPXE has to check the signature of each (`SHA256SUMS.cms/PATH`).
    pub imgverify: bool,
}

/// The longest command line that the kernel takes: its buffer has 2048 bytes on x86 and arm64, and the last is NUL. What
/// is longer is cut without a word.
const LONGEST: usize = 2047;
/// Where secrets lie below the directory that is served.
const SECRETS: &str = "secrets/";

/// Calls `with` with the machines of a release that start from what it has.
pub fn machines<T>(nodes: &[NodeRecord], with: impl FnOnce(&[Machine<'_>]) -> Result<T>) -> Result<T> {
    let served = |path: &String| path.strip_prefix("public/").unwrap_or(path).to_owned();
    let booted = nodes.iter().filter_map(|node| Some((node, node.boot.as_ref()?)));
    let paths = booted
        .map(|(node, boot)| (node, boot, served(&boot.kernel), boot.initrds.iter().map(served).collect::<Vec<_>>()));
    let paths: Vec<_> = paths.collect();
    let machines = paths.iter().map(|(node, boot, kernel, initrds)| Machine {
        name: &node.name,
        mac: boot.mac.as_deref(),
        kernel,
        initrds,
        cmdline: &boot.cmdline,
    });
    with(&machines.collect::<Vec<_>>())
}

/// What names all machines of a release, as `(path in public/, text)`: the menu and the fragment.
pub fn of_all(
    machines: &[Machine<'_>],
    cluster: &str,
    version: &str,
    fetching: Fetching<'_>,
) -> Result<Vec<(String, String)>> {
    let menu = (MENU.to_owned(), menu(machines, cluster, version, fetching)?);
    Ok(vec![menu, ("grub.cfg".to_owned(), grub(machines, cluster, version)?)])
}

/// As [`of_all`], for these machines of the release of a manifest, fetched as the menu says whose text is given.
///
/// # Errors
/// Integrity: that is no menu of ours.
pub fn like(manifest: &Manifest, nodes: &[NodeRecord], menu: &str) -> Result<Vec<(String, String)>> {
    let fetching = ipxe::fetching(menu)
        .ok_or_else(|| Error::integrity(format!("public/{MENU} is not written as mastermold writes it")))?;
    machines(nodes, |machines| of_all(machines, &manifest.cluster, &manifest.version, fetching))
}

/// The words of a command line, parted as the kernel parts them: at blanks outside double quotes.
fn words<'a>(machine: &Machine<'a>) -> Result<Vec<&'a str>> {
    let (name, text) = (machine.name, machine.cmdline);
    if let Some(c) = text.chars().find(|c| !matches!(c, ' '..='~')) {
        let message = format!("the command line of {name} holds {c:?}");
        return Err(Error::usage(message).advise("boot loaders carry only printable ASCII characters"));
    }
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    };
    let words: Vec<&str> = text.split(ends).filter(|word| !word.is_empty()).collect();
    if text.matches('"').count() % 2 == 1 {
        return Err(Error::usage(format!("the command line of {name} has a quote that is not closed")));
    }
    match words.iter().find(|word| word.contains("  ")) {
        Some(word) => {
            let message = format!("the command line of {name} has two blanks in a row inside quotes: {word}");
            Err(Error::usage(message).advise("iPXE would make one of them"))
        }
        None => Ok(words),
    }
}

/// Refuses what would be cut, with what the loader adds.
fn fits(machine: &Machine<'_>, loader: &str, length: usize) -> Result<()> {
    if length <= LONGEST {
        return Ok(());
    }
    let message = format!(
        "the command line of {} is too long: {length} bytes with what {loader} adds, and the kernel takes {LONGEST}",
        machine.name
    );
    Err(Error::usage(message).advise("shorten [base] cmdline"))
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Refuses a path that a loader would not take as it is.
fn plain(path: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    match path.starts_with('/') || path.split('/').any(|part| part == "..") || !path.chars().all(is_plain) {
        true => Err(Error::bug(format!("the path of a boot file is not plain: {path}"))),
        false => Ok(()),
    }
}

/// The address of a network card as six pairs of lower-case digits, which boot loaders join with a sign of their own.
fn mac(machine: &Machine<'_>) -> Result<Option<Vec<String>>> {
    let Some(text) = machine.mac else { return Ok(None) };
    let pairs: Vec<String> = text.split([':', '-']).map(str::to_ascii_lowercase).collect();
    let is_pair = |pair: &String| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    match pairs.len() == 6 && pairs.iter().all(is_pair) {
        true => Ok(Some(pairs)),
        false => Err(Error::usage(format!("the address of {}'s network card is not six bytes: {text}", machine.name))
            .advise("write it as 52:54:00:12:34:56")),
    }
}

/// Refuses two machines with one address: which of them boots would be a matter of order.
fn distinct(machines: &[Machine<'_>]) -> Result<()> {
    let mut known: Vec<(Vec<String>, &str)> = Vec::new();
    for machine in machines {
        let Some(pairs) = mac(machine)? else { continue };
        if let Some((_, other)) = known.iter().find(|(taken, _)| *taken == pairs) {
            let message = format!("{other} and {} have the same network card: {}", machine.name, pairs.join(":"));
            return Err(Error::usage(message));
        }
        known.push((pairs, machine.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn machine<'a>(cmdline: &'a str, initrds: &'a [String]) -> Machine<'a> {
        Machine { name: "m0", mac: Some("52:54:00:00:00:0A"), kernel: "boot/vmlinuz-0123456789ab", initrds, cmdline }
    }

    pub(super) fn initrds() -> Vec<String> {
        ["boot/base-ba5e.cpio.zst", "m0/guard.cpio.zst", "m0/node.cpio.zst", "secrets/m0/secrets.cpio.zst"]
            .map(String::from)
            .into()
    }

    pub(super) fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn words_are_the_kernels() {
        let parted = |text| words(&machine(text, &[])).unwrap();
        assert_eq!(parted(" a  b=c "), ["a", "b=c"]);
        assert_eq!(parted(r#"dyndbg="file a.c +p" "b c"=d"#), [r#"dyndbg="file a.c +p""#, r#""b c"=d"#]);
        assert!(parted("").is_empty());
    }

    #[test]
    fn what_no_loader_carries_is_refused() {
        for (text, why) in [
            ("a\tb", r"holds '\t'"),
            ("a\nb", r"holds '\n'"),
            ("a=\u{e9}", "holds 'é'"),
            ("a=\"b", "not closed"),
            ("a=\"b  c\"", "two blanks"),
        ] {
            let said = said(words(&machine(text, &[])));
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_card_is_known_by_six_bytes() {
        let of = |text| mac(&Machine { mac: Some(text), ..machine("", &[]) });
        assert_eq!(of("52-54-00-00-00-0A").unwrap().unwrap().join(":"), "52:54:00:00:00:0a");
        for wrong in ["", "52:54:00:00:00", "52:54:00:00:00:0a:0b", "5g:54:00:00:00:0a", "525:4:00:00:00:0a"] {
            assert!(said(of(wrong)).contains("not six bytes"), "{wrong}");
        }
        let twins = [machine("", &[]), Machine { name: "m1", mac: Some("52-54-00-00-00-0a"), ..machine("", &[]) }];
        assert!(said(distinct(&twins)).contains("m0 and m1 have the same network card"));
    }

    #[test]
    fn a_path_stays_below_the_directory() {
        assert!(plain("boot/vmlinuz-1.2_3").is_ok());
        for path in ["/boot/x", "boot/../x", "boot/a b", "boot/$x", "boot/x'"] {
            assert!(plain(path).is_err(), "{path}");
        }
    }
}
