//! iPXE's scripts (ipxe.org/scripting): a menu that knows machines by their network cards, and one script a node.
//!
//! They hold to what iPXE 1.0.0 of 2019 understands as well as today's, on BIOS and EFI. iPXE parts words at blanks, knows
//! no quotes, and resolves a relative address against that of the script it stands in. A machine whose boot fails tries
//! again by itself: nobody may be there, and a server that comes back should be enough.
//!
//! With `imgverify` (ipxe.org/crypto) an iPXE that was built for it starts nothing but what its authority vouches for:
//! `imgtrust` refuses kernels and scripts without a good signature, and the script itself has to check what is unpacked,
//! which iPXE only hands over. A signature names no file, so a script asks for each by its own path; and the names of
//! images that it checks are free, because it starts with `imgfree`.

use std::fmt::Write;

use super::{Fetching, Machine, SECRETS, distinct, file_name, fits, mac, plain, words};
use crate::bundle::CMS;
use crate::error::{Error, Result};

/// For how long a machine that nobody knows asks before it goes on to its next boot device, in seconds.
const PATIENCE: u32 = 60;
/// After how many seconds a machine tries again.
const PAUSE: u32 = 30;
/// How many network cards are looked at, besides the one that was used.
const CARDS: usize = 4;

/// What every script begins with. Network: a script that came over it finds it up; one from a disk does not.
const START: &str = "isset ${netX/ip} || isset ${netX/ip6} || dhcp || goto fail\n";
/// What comes before that where signatures are checked.
const TRUST: &str = "imgtrust --permanent || goto untrusting\n";

/// `public/boot.ipxe`: finds the machine by its network cards, else asks, and goes on with the node's own script.
pub fn menu(machines: &[Machine<'_>], cluster: &str, version: &str, fetching: Fetching<'_>) -> Result<String> {
    distinct(machines)?;
    let base = base(fetching.url, "")?;
    let mut text =
        format!("#!ipxe\n# {cluster} {version}: finds the machine by its network card, or asks.\n\n:start\n");
    text += if fetching.imgverify { TRUST } else { "" };
    text += START;
    text += if fetching.imgverify { "imgfree\n" } else { "" };
    for card in std::iter::once("netX".to_owned()).chain((0..CARDS).map(|number| format!("net{number}"))) {
        let _ = writeln!(text, "isset ${{{card}/mac}} && goto mac-${{{card}/mac:hexhyp}} ||");
    }
    let _ = write!(
        text,
        "\n:ask\nmenu {cluster} {version}: which machine is this? || goto fail\n\
         item --gap The network card ${{netX/mac}} is of none of them.\n"
    );
    for machine in machines {
        let card = mac(machine)?.map_or_else(String::new, |pairs| format!(" ({})", pairs.join(":")));
        let _ = writeln!(text, "item node-{0} {0}{card}", machine.name);
    }
    let _ = write!(
        text,
        "item --gap\nitem leave None of them: go on with the next boot device\nitem shell Open the iPXE shell\n\
         choose {}selected && goto ${{selected}} || goto start\n",
        patience(machines)
    );
    for machine in machines {
        text.push('\n');
        if let Some(pairs) = mac(machine)? {
            let _ = writeln!(text, ":mac-{}", pairs.join("-"));
        }
        let (name, path) = (machine.name, format!("{}/boot/boot.ipxe", machine.name));
        let _ = writeln!(text, ":node-{name}");
        if fetching.imgverify {
            let _ = writeln!(text, "imgfetch --name {name}.ipxe {base}{path} || goto fail");
            let _ = writeln!(text, "imgverify {name}.ipxe {base}{CMS}/{path} || goto fail");
            let _ = writeln!(text, "chain {name}.ipxe || goto fail");
        } else {
            let _ = writeln!(text, "chain {base}{path} || goto fail");
        }
    }
    let _ = write!(
        text,
        "\n:shell\nshell ||\ngoto start\n\n:leave\nexit 0\n\n:fail\n\
         echo {cluster} {version}: that failed, with error ${{errno}}.\n{}goto start\n",
        pause()
    );
    text += &untrusting(fetching);
    Ok(text)
}

/// How scripts are fetched, read back out of a menu: by the way to the script of its first machine. None if it has no machine
/// or is no menu.
pub(super) fn fetching(menu: &str) -> Option<Fetching<'_>> {
    let mut lines = menu.lines().skip_while(|line| !line.starts_with(":node-"));
    let (name, line) = (lines.next()?.strip_prefix(":node-")?, lines.next()?);
    let (imgverify, way) = match line.strip_prefix("imgfetch --name ") {
        Some(rest) => (true, rest.split_once(' ')?.1),
        None => (false, line.strip_prefix("chain ")?),
    };
    let base = way.strip_suffix(&format!("{name}/boot/boot.ipxe || goto fail"))?;
    Some(Fetching { url: (!base.is_empty()).then(|| base.trim_end_matches('/')), imgverify })
}

/// Time runs only where every machine is known by its card: then who asks is a stranger, and should not hang here.
/// Otherwise a person has to say who this is, and no guess is as good: two machines of one name harm each other.
fn patience(machines: &[Machine<'_>]) -> String {
    match machines.iter().all(|machine| machine.mac.is_some()) {
        true => format!("--timeout {PATIENCE}000 --default leave "),
        false => String::new(),
    }
}

/// `public/NODE/boot/boot.ipxe`: loads the kernel and what it unpacks, in order, and starts it.
pub fn node(machine: &Machine<'_>, fetching: Fetching<'_>) -> Result<String> {
    let base = base(fetching.url, "../../")?;
    let names = names(machine)?;
    let cmdline = carried(machine, &names)?;
    let name = machine.name;
    plain(machine.kernel)?;
    let verified = |file: &str, path: &str| match fetching.imgverify {
        true => format!("imgverify {file} {base}{CMS}/{path} || goto fail\n"),
        false => String::new(),
    };
    let mut text = format!("#!ipxe\n# {name}: loads the kernel and what it unpacks, in order.\n\n:start\n");
    text += if fetching.imgverify { TRUST } else { "" };
    let (kernel, file) = (machine.kernel, file_name(machine.kernel));
    // What is checked is what has this name.
    let named = if fetching.imgverify { format!("--name {file} ") } else { String::new() };
    let _ = write!(text, "{START}imgfree\nkernel {named}{base}{kernel} {cmdline} || goto fail\n");
    text += &verified(file, kernel);
    let mut missing = String::new();
    for (path, file) in machine.initrds.iter().zip(&names) {
        plain(path)?;
        if !path.starts_with(SECRETS) {
            let _ = writeln!(text, "initrd --name {file} {base}{path} || goto fail");
            text += &verified(file, path);
            continue;
        }
        let _ = write!(text, ":fetch-{file}\ninitrd --name {file} {base}{path} || goto without-{file}\n");
        text += &verified(file, path);
        let _ = write!(
            missing,
            "\n:without-{file}\n\
             echo {path} is not on this server: error ${{errno}}.\n\
             echo Secrets are never served by themselves; copy it there, or boot {name} in another way.\n\
             {}goto fetch-{file}\n",
            pause()
        );
    }
    let _ = write!(
        text,
        "boot || goto fail\n{missing}\n:fail\necho Booting {name} failed, with error ${{errno}}.\n{}goto start\n",
        pause()
    );
    text += &untrusting(fetching);
    Ok(text)
}

/// Where a script ends whose iPXE knows no `imgtrust`.
fn untrusting(fetching: Fetching<'_>) -> String {
    match fetching.imgverify {
        true => format!(
            "\n:untrusting\n\
             echo This iPXE checks no signatures: it was built without IMAGE_TRUST_CMD. Nothing is started.\n{}goto start\n",
            pause()
        ),
        false => String::new(),
    }
}

fn pause() -> String {
    format!(
        "prompt --key s --timeout {PAUSE}000 Press s for the iPXE shell. Trying again in {PAUSE} seconds. && shell ||\n"
    )
}

/// What stands before a path: the address that was asked for, or the way from the script to the directory.
fn base(url: Option<&str>, way: &str) -> Result<String> {
    let Some(url) = url else { return Ok(way.to_owned()) };
    if !url.chars().all(|c| c.is_ascii_graphic()) || url.contains(['$', '#', '?']) || !url.contains("://") {
        return Err(Error::usage(format!("an iPXE script cannot hold the address {url}"))
            .advise("[boot] url is that of a directory: http://10.0.0.1/prod"));
    }
    Ok(format!("{}/", url.trim_end_matches('/')))
}

/// The names by which the kernel's EFI stub asks for the files again: those they have, told apart where two are equal.
fn names(machine: &Machine<'_>) -> Result<Vec<String>> {
    let (mut names, kernel): (Vec<String>, _) = (Vec::new(), file_name(machine.kernel));
    for path in machine.initrds {
        let file = file_name(path);
        let free = |name: &String| !names.contains(name) && name != kernel;
        let name = std::iter::once(file.to_owned()).chain((2..100).map(|number| format!("{number}-{file}"))).find(free);
        names.push(name.ok_or_else(|| Error::bug(format!("too many files are named {file}")))?);
    }
    Ok(names)
}

/// The command line as a script can say it, with the names of what is unpacked: without them iPXE 1.0.0 on EFI hands
/// nothing over.
fn carried(machine: &Machine<'_>, names: &[String]) -> Result<String> {
    let line = words(machine)?.join(" ");
    // Words of iPXE's, which knows no quotes.
    let sign = line.split(' ').find(|word| word.starts_with('#') || matches!(*word, "||" | "&&" | ";"));
    if let Some(sign) = sign.or_else(|| line.contains("${").then_some("${")) {
        let message = format!("the command line of {} holds `{sign}`", machine.name);
        return Err(Error::usage(message).advise("iPXE would take it for its own, and knows no way to say it"));
    }
    let line = names.iter().fold(line, |line, name| line + " initrd=" + name);
    // On EFI the kernel's name comes first.
    fits(machine, "iPXE", file_name(machine.kernel).len() + 1 + line.len())?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{initrds, machine, said};
    use super::*;

    #[test]
    fn a_menu_says_how_it_is_fetched() {
        let initrds = initrds();
        let machines = [machine("quiet", &initrds)];
        for (url, imgverify) in
            [(None, false), (None, true), (Some("http://10.0.0.1/prod/"), false), (Some("https://a"), true)]
        {
            let written = menu(&machines, "prod", "1.0", Fetching { url, imgverify }).unwrap();
            let read = fetching(&written).unwrap();
            assert_eq!((read.url, read.imgverify), (url.map(|url| url.trim_end_matches('/')), imgverify));
            assert_eq!(menu(&machines, "prod", "1.0", read).unwrap(), written);
        }
        assert!(fetching("").is_none() && fetching(":node-a\nchain b/boot/boot.ipxe || goto fail\n").is_none());
    }

    #[test]
    fn a_node_says_everything_in_order() {
        let initrds = initrds();
        assert_eq!(
            node(&machine("console=ttyS0 mastermold.name=m0", &initrds), Fetching::default()).unwrap(),
            "\
#!ipxe
# m0: loads the kernel and what it unpacks, in order.

:start
isset ${netX/ip} || isset ${netX/ip6} || dhcp || goto fail
imgfree
kernel ../../boot/vmlinuz-0123456789ab console=ttyS0 mastermold.name=m0 initrd=base-ba5e.cpio.zst \
initrd=guard.cpio.zst initrd=node.cpio.zst initrd=secrets.cpio.zst || goto fail
initrd --name base-ba5e.cpio.zst ../../boot/base-ba5e.cpio.zst || goto fail
initrd --name guard.cpio.zst ../../m0/guard.cpio.zst || goto fail
initrd --name node.cpio.zst ../../m0/node.cpio.zst || goto fail
:fetch-secrets.cpio.zst
initrd --name secrets.cpio.zst ../../secrets/m0/secrets.cpio.zst || goto without-secrets.cpio.zst
boot || goto fail

:without-secrets.cpio.zst
echo secrets/m0/secrets.cpio.zst is not on this server: error ${errno}.
echo Secrets are never served by themselves; copy it there, or boot m0 in another way.
prompt --key s --timeout 30000 Press s for the iPXE shell. Trying again in 30 seconds. && shell ||
goto fetch-secrets.cpio.zst

:fail
echo Booting m0 failed, with error ${errno}.
prompt --key s --timeout 30000 Press s for the iPXE shell. Trying again in 30 seconds. && shell ||
goto start
"
        );
    }

    #[test]
    fn a_menu_knows_cards_and_names() {
        let machines = [machine("", &[]), Machine { name: "m1", mac: None, ..machine("", &[]) }];
        assert_eq!(
            menu(&machines, "prod", "1.2.3", Fetching::default()).unwrap(),
            "\
#!ipxe
# prod 1.2.3: finds the machine by its network card, or asks.

:start
isset ${netX/ip} || isset ${netX/ip6} || dhcp || goto fail
isset ${netX/mac} && goto mac-${netX/mac:hexhyp} ||
isset ${net0/mac} && goto mac-${net0/mac:hexhyp} ||
isset ${net1/mac} && goto mac-${net1/mac:hexhyp} ||
isset ${net2/mac} && goto mac-${net2/mac:hexhyp} ||
isset ${net3/mac} && goto mac-${net3/mac:hexhyp} ||

:ask
menu prod 1.2.3: which machine is this? || goto fail
item --gap The network card ${netX/mac} is of none of them.
item node-m0 m0 (52:54:00:00:00:0a)
item node-m1 m1
item --gap
item leave None of them: go on with the next boot device
item shell Open the iPXE shell
choose selected && goto ${selected} || goto start

:mac-52-54-00-00-00-0a
:node-m0
chain m0/boot/boot.ipxe || goto fail

:node-m1
chain m1/boot/boot.ipxe || goto fail

:shell
shell ||
goto start

:leave
exit 0

:fail
echo prod 1.2.3: that failed, with error ${errno}.
prompt --key s --timeout 30000 Press s for the iPXE shell. Trying again in 30 seconds. && shell ||
goto start
"
        );
    }

    const CHECKED: Fetching<'_> = Fetching { url: None, imgverify: true };
    const UNTRUSTING: &str = "
:untrusting
echo This iPXE checks no signatures: it was built without IMAGE_TRUST_CMD. Nothing is started.
prompt --key s --timeout 30000 Press s for the iPXE shell. Trying again in 30 seconds. && shell ||
goto start
";

    #[test]
    fn what_a_node_starts_from_is_checked_before_it_is_started() {
        let initrds = initrds();
        let text = node(&machine("console=ttyS0", &initrds), CHECKED).unwrap();
        let (start, rest) = text.split_once("\n\n:without-").unwrap();
        assert_eq!(
            start,
            "\
#!ipxe
# m0: loads the kernel and what it unpacks, in order.

:start
imgtrust --permanent || goto untrusting
isset ${netX/ip} || isset ${netX/ip6} || dhcp || goto fail
imgfree
kernel --name vmlinuz-0123456789ab ../../boot/vmlinuz-0123456789ab console=ttyS0 initrd=base-ba5e.cpio.zst \
initrd=guard.cpio.zst initrd=node.cpio.zst initrd=secrets.cpio.zst || goto fail
imgverify vmlinuz-0123456789ab ../../SHA256SUMS.cms/boot/vmlinuz-0123456789ab || goto fail
initrd --name base-ba5e.cpio.zst ../../boot/base-ba5e.cpio.zst || goto fail
imgverify base-ba5e.cpio.zst ../../SHA256SUMS.cms/boot/base-ba5e.cpio.zst || goto fail
initrd --name guard.cpio.zst ../../m0/guard.cpio.zst || goto fail
imgverify guard.cpio.zst ../../SHA256SUMS.cms/m0/guard.cpio.zst || goto fail
initrd --name node.cpio.zst ../../m0/node.cpio.zst || goto fail
imgverify node.cpio.zst ../../SHA256SUMS.cms/m0/node.cpio.zst || goto fail
:fetch-secrets.cpio.zst
initrd --name secrets.cpio.zst ../../secrets/m0/secrets.cpio.zst || goto without-secrets.cpio.zst
imgverify secrets.cpio.zst ../../SHA256SUMS.cms/secrets/m0/secrets.cpio.zst || goto fail
boot || goto fail"
        );
        assert!(rest.ends_with(UNTRUSTING), "{rest}");
    }

    #[test]
    fn a_menu_goes_on_only_with_a_script_that_is_checked() {
        let text = menu(&[machine("", &[])], "prod", "1", CHECKED).unwrap();
        let start = "\n:start\nimgtrust --permanent || goto untrusting\nisset ${netX/ip} || isset ${netX/ip6} || dhcp \
                     || goto fail\nimgfree\nisset ${netX/mac} ";
        assert!(text.contains(start), "{text}");
        let machine = "
:mac-52-54-00-00-00-0a
:node-m0
imgfetch --name m0.ipxe m0/boot/boot.ipxe || goto fail
imgverify m0.ipxe SHA256SUMS.cms/m0/boot/boot.ipxe || goto fail
chain m0.ipxe || goto fail
";
        assert!(text.contains(machine) && text.matches("chain ").count() == 1, "{text}");
        assert!(text.ends_with(UNTRUSTING), "{text}");
        let url = Fetching { url: Some("http://a/b"), ..CHECKED };
        let text = menu(&[super::super::tests::machine("", &[])], "prod", "1", url).unwrap();
        assert!(text.contains("\nimgverify m0.ipxe http://a/b/SHA256SUMS.cms/m0/boot/boot.ipxe ||"), "{text}");
    }

    /// Whatever is fetched is checked next, under the name that it was given: nothing between the two, nothing without.
    #[test]
    fn nothing_is_fetched_that_is_not_checked_next() {
        let initrds = ["boot/a.img", "m0/a.img", "secrets/m0/a.img", "m0/vmlinuz-0123456789ab"].map(String::from);
        let text = node(&machine("", &initrds), CHECKED).unwrap()
            + &menu(&[machine("", &initrds)], "prod", "1", CHECKED).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        let (mut fetched, mut names) = (0, std::collections::BTreeSet::new());
        for pair in lines.windows(2).filter(|pair| matches!(pair[0][0], "kernel" | "initrd" | "imgfetch")) {
            let [_, "--name", name, from, ..] = pair[0][..] else { panic!("{pair:?}") };
            let ["imgverify", verified, signature, "||", "goto", "fail"] = pair[1][..] else { panic!("{pair:?}") };
            assert_eq!((verified, signature.replace("SHA256SUMS.cms/", "").as_str()), (name, from));
            assert!(names.insert(name), "{name} names two images");
            fetched += 1;
        }
        assert_eq!((fetched, text.matches("imgverify ").count()), (6, 6));
    }

    #[test]
    fn only_strangers_are_given_up() {
        let known = machine("", &[]);
        let timed = |machines: &[Machine<'_>]| {
            menu(machines, "prod", "1", Fetching::default()).unwrap().contains("--timeout 60000")
        };
        assert!(timed(std::slice::from_ref(&known)));
        assert!(!timed(&[known.clone(), Machine { name: "m1", mac: None, ..known }]));
    }

    #[test]
    fn an_address_is_said_in_full() {
        let initrds = initrds();
        let one = machine("a", &initrds);
        let url = Fetching { url: Some("http://[fd00::1]:8080/prod/"), imgverify: false };
        let text = node(&one, url).unwrap();
        assert!(text.contains("kernel http://[fd00::1]:8080/prod/boot/vmlinuz-0123456789ab a initrd="), "{text}");
        assert!(text.contains(" http://[fd00::1]:8080/prod/secrets/m0/secrets.cpio.zst || goto without-"), "{text}");
        assert!(!text.contains("../"), "{text}");
        let text = menu(std::slice::from_ref(&one), "prod", "1", url).unwrap();
        assert!(text.contains("chain http://[fd00::1]:8080/prod/m0/boot/boot.ipxe ||"), "{text}");
        for wrong in ["http://a/b c", "http://a/${b}", "http://a/#b", "http://a/?b", "10.0.0.1/prod", "http://a/\n"] {
            assert!(
                said(node(&one, Fetching { url: Some(wrong), imgverify: false })).contains("cannot hold the address"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn files_of_one_name_are_told_apart() {
        let initrds = ["boot/a.img", "m0/a.img", "secrets/m0/a.img"].map(String::from);
        let text = node(&machine("", &initrds), Fetching::default()).unwrap();
        assert!(text.contains(" initrd=a.img initrd=2-a.img initrd=3-a.img ||"), "{text}");
        assert!(text.contains("initrd --name 2-a.img ../../m0/a.img ||"), "{text}");
    }

    #[test]
    fn what_ipxe_takes_for_its_own_is_refused() {
        for sign in ["a=${b}", "a=${b", "a || b", "a && b", "a ; b", "#a", "a=\"b #c\"", "a=\"b || c\""] {
            assert!(said(node(&machine(sign, &[]), Fetching::default())).contains("iPXE would take it"), "{sign}");
        }
        for harmless in ["a=$b", "a=b;c", "a=b#c", "a||b", "{a}", r#"dyndbg="file a.c +p""#, r"a=b\"] {
            assert!(
                node(&machine(harmless, &[]), Fetching::default()).unwrap().contains(&format!("89ab {harmless} ||")),
                "{harmless}"
            );
        }
    }

    #[test]
    fn what_the_kernel_would_cut_is_refused() {
        let initrds = initrds();
        let added = "vmlinuz-0123456789ab ".len()
            + " initrd=base-ba5e.cpio.zst initrd=guard.cpio.zst initrd=node.cpio.zst initrd=secrets.cpio.zst".len();
        let (fits, long) = ("a".repeat(2047 - added), "a".repeat(2048 - added));
        assert!(node(&machine(&fits, &initrds), Fetching::default()).is_ok());
        let said = said(node(&machine(&long, &initrds), Fetching::default()));
        assert!(said.contains("too long: 2048 bytes with what iPXE adds, and the kernel takes 2047"), "{said}");
    }
}
