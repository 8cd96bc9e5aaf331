//! GRUB's fragment: one menu entry a node, for a disk that holds the release's `public`, or a GRUB that was booted over
//! the network.
//!
//! GRUB takes quotes away when it reads a word, and when it writes the kernel's command line it puts double quotes around
//! a word with blanks and a backslash before `'`, `"` and `\`, which the kernel does not take away again.

use std::fmt::Write;

use super::{Machine, distinct, fits, mac, plain, words};
use crate::error::{Error, Result};

/// What GRUB puts before the command line.
const IMAGE: &str = "BOOT_IMAGE=";
/// What is left for `$mastermold`, which is before the kernel's path in that.
const PREFIX: usize = 128;

/// `public/grub.cfg`: one entry a node, and the choice of it by the network card that GRUB was booted from.
pub fn grub(machines: &[Machine<'_>], cluster: &str, version: &str) -> Result<String> {
    distinct(machines)?;
    let mut text = format!(
        "# {cluster} {version}: one entry for each machine. $mastermold is the directory with these files: nothing if it\n\
         # is the top of GRUB's root, else for example /{cluster}/{version} or (http,10.0.0.1)/{cluster}/{version}\n"
    );
    for machine in machines {
        entry(&mut text, machine, cluster, version)?;
    }
    for machine in machines {
        let Some(pairs) = mac(machine)? else { continue };
        let _ = write!(
            text,
            "\nif [ \"$net_default_mac\" = '{}' ]; then\n    set default='{cluster}-{}'\n    set timeout=3\nfi\n",
            pairs.join(":"),
            machine.name
        );
    }
    Ok(text)
}

/// The directory is the entry's second parameter, so that it is the one of when the fragment was read: two releases can
/// stand in one menu. Of a file that is missing GRUB says so, and would then start the kernel with nothing to unpack: it is
/// made to begin anew instead.
fn entry(text: &mut String, machine: &Machine<'_>, cluster: &str, version: &str) -> Result<()> {
    let name = machine.name;
    plain(machine.kernel)?;
    let _ = write!(
        text,
        "\nmenuentry '{cluster} {version}: {name}' --id '{cluster}-{name}' \"$mastermold\" {{\n    \
         linux \"$2/{}\"",
        machine.kernel
    );
    for word in carried(machine)? {
        let _ = write!(text, " {}", quoted(&word));
    }
    let mut initrds = String::new();
    for path in machine.initrds {
        plain(path)?;
        let _ = write!(initrds, " \"$2/{path}\"");
    }
    if !initrds.is_empty() {
        let _ =
            write!(text, "\n    if ! initrd{initrds}; then\n        echo '{name} is not started: a file is missing.'");
        text.push_str("\n        sleep 30\n        reboot\n    fi");
    }
    text.push_str("\n}\n");
    Ok(())
}

/// The words as GRUB must have them, for the kernel to read what was asked for.
fn carried(machine: &Machine<'_>) -> Result<Vec<String>> {
    let words: Vec<String> = words(machine)?.into_iter().map(bare).collect();
    if let Some(word) = words.iter().find(|word| word.contains(['"', '\'', '\\'])) {
        let message = format!("the command line of {} holds {word}", machine.name);
        return Err(Error::usage(message).advise("GRUB would put a backslash before the quote or backslash in it"));
    }
    let written = |word: &String| word.len() + 1 + if word.contains(' ') { 2 } else { 0 };
    let before = IMAGE.len() + PREFIX + "/".len() + machine.kernel.len();
    fits(machine, "GRUB", before + words.iter().map(written).sum::<usize>())?;
    Ok(words)
}

/// A word without the quotes that the kernel would take away itself: around all of it, or around its value. Where they
/// keep blanks together, GRUB puts others around the whole, which means the same.
fn bare(word: &str) -> String {
    let unquoted = |text: &str| text.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    match word.split_once('=') {
        _ if word.starts_with('"') => unquoted(word).unwrap_or_else(|| word.to_owned()),
        Some((name, value)) => unquoted(value).map_or_else(|| word.to_owned(), |value| format!("{name}={value}")),
        None => word.to_owned(),
    }
}

/// A word between single quotes if it needs them; no word holds one.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-=:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{initrds, machine, said};
    use super::*;

    #[test]
    fn an_entry_says_everything_in_order() {
        let initrds = initrds();
        let machines = [machine("console=ttyS0,115200 mastermold.name=m0", &initrds)];
        assert_eq!(
            grub(&machines, "prod", "1.2.3").unwrap(),
            r#"# prod 1.2.3: one entry for each machine. $mastermold is the directory with these files: nothing if it
# is the top of GRUB's root, else for example /prod/1.2.3 or (http,10.0.0.1)/prod/1.2.3

menuentry 'prod 1.2.3: m0' --id 'prod-m0' "$mastermold" {
    linux "$2/boot/vmlinuz-0123456789ab" console=ttyS0,115200 mastermold.name=m0
    if ! initrd "$2/boot/base-ba5e.cpio.zst" "$2/m0/guard.cpio.zst" "$2/m0/node.cpio.zst" "$2/secrets/m0/secrets.cpio.zst"; then
        echo 'm0 is not started: a file is missing.'
        sleep 30
        reboot
    fi
}

if [ "$net_default_mac" = '52:54:00:00:00:0a' ]; then
    set default='prod-m0'
    set timeout=3
fi
"#
        );
    }

    #[test]
    fn who_has_no_card_is_only_listed() {
        let text = grub(&[Machine { mac: None, ..machine("", &[]) }], "prod", "1").unwrap();
        assert!(text.contains("menuentry 'prod 1: m0'") && !text.contains("net_default_mac"), "{text}");
        assert!(!text.contains("initrd"), "{text}");
    }

    #[test]
    fn the_kernel_reads_the_words_that_were_asked_for() {
        for (word, written) in [
            ("quiet", "quiet"),
            ("a=$b;{c}", "'a=$b;{c}'"),
            ("a=#b", "'a=#b'"),
            (r#"dyndbg="file a.c +p""#, "'dyndbg=file a.c +p'"),
            (r#""dyndbg=file a.c +p""#, "'dyndbg=file a.c +p'"),
            (r#"a="b""#, "a=b"),
            (r#"a="""#, "a="),
            ("root=UUID=1-2", "root=UUID=1-2"),
        ] {
            let text = grub(&[machine(word, &[])], "prod", "1").unwrap();
            assert!(text.contains(&format!("89ab\" {written}\n")), "{word}: {text}");
        }
        for word in [r#"a=b"c d"e"#, "a='b'", r"a=\x20b", r#""a b"=c"#] {
            assert!(said(grub(&[machine(word, &[])], "prod", "1")).contains("GRUB would put a backslash"), "{word}");
        }
    }

    #[test]
    fn what_the_kernel_would_cut_is_refused() {
        let added = "BOOT_IMAGE=/boot/vmlinuz-0123456789ab ".len() + PREFIX;
        let (fits, long) = ("a".repeat(2047 - added), "a".repeat(2048 - added));
        assert!(grub(&[machine(&fits, &[])], "prod", "1").is_ok());
        assert!(said(grub(&[machine(&long, &[])], "prod", "1")).contains("2048 bytes with what GRUB adds"));
    }
}
