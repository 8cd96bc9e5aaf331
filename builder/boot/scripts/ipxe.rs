//! iPXE's scripts (ipxe.org/scripting): a menu that knows machines by their network cards, and one script a node.
//!
//! They hold to what iPXE 1.0.0 of 2019 understands as well as today's, on BIOS and EFI. iPXE parts words at blanks, knows
//! no quotes, and resolves a relative address against that of the script it stands in. A machine whose boot fails tries
//! again by itself: nobody may be there, and a server that comes back should be enough.

use std::fmt::Write;

use super::{Machine, SECRETS, distinct, file_name, fits, mac, plain, words};
use crate::error::{Error, Result};

/// For how long a machine that nobody knows asks before it goes on to its next boot device, in seconds.
const PATIENCE: u32 = 60;
/// After how many seconds a machine tries again.
const PAUSE: u32 = 30;
/// How many network cards are looked at, besides the one that was used.
const CARDS: usize = 4;

/// What every script begins with. Network: a script that came over it finds it up; one from a disk does not.
const START: &str = "
:start
isset ${netX/ip} || isset ${netX/ip6} || dhcp || goto fail
";

/// `public/boot.ipxe`: finds the machine by its network cards, else asks, and goes on with the node's own script.
pub fn menu(machines: &[Machine<'_>], cluster: &str, version: &str, url: Option<&str>) -> Result<String> {
    distinct(machines)?;
    let base = base(url, "")?;
    let mut text = format!("#!ipxe\n# {cluster} {version}: finds the machine by its network card, or asks.\n{START}");
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
        let _ = write!(text, ":node-{0}\nchain {base}{0}/boot/boot.ipxe || goto fail\n", machine.name);
    }
    let _ = write!(
        text,
        "\n:shell\nshell ||\ngoto start\n\n:leave\nexit 0\n\n:fail\n\
         echo {cluster} {version}: that failed, with error ${{errno}}.\n{}goto start\n",
        pause()
    );
    Ok(text)
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
pub fn node(machine: &Machine<'_>, url: Option<&str>) -> Result<String> {
    let base = base(url, "../../")?;
    let names = names(machine)?;
    let cmdline = carried(machine, &names)?;
    let name = machine.name;
    plain(machine.kernel)?;
    let mut text = format!("#!ipxe\n# {name}: loads the kernel and what it unpacks, in order.\n{START}imgfree\n");
    let _ = writeln!(text, "kernel {base}{} {cmdline} || goto fail", machine.kernel);
    let mut missing = String::new();
    for (path, file) in machine.initrds.iter().zip(&names) {
        plain(path)?;
        if !path.starts_with(SECRETS) {
            let _ = writeln!(text, "initrd --name {file} {base}{path} || goto fail");
            continue;
        }
        let _ = write!(text, ":fetch-{file}\ninitrd --name {file} {base}{path} || goto without-{file}\n");
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
    Ok(text)
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
    let mut names: Vec<String> = Vec::new();
    for path in machine.initrds {
        let file = file_name(path);
        let free = |name: &String| !names.contains(name);
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
    fn a_node_says_everything_in_order() {
        let initrds = initrds();
        assert_eq!(
            node(&machine("console=ttyS0 mastermold.name=m0", &initrds), None).unwrap(),
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
            menu(&machines, "prod", "1.2.3", None).unwrap(),
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

    #[test]
    fn only_strangers_are_given_up() {
        let known = machine("", &[]);
        let timed = |machines: &[Machine<'_>]| menu(machines, "prod", "1", None).unwrap().contains("--timeout 60000");
        assert!(timed(std::slice::from_ref(&known)));
        assert!(!timed(&[known.clone(), Machine { name: "m1", mac: None, ..known }]));
    }

    #[test]
    fn an_address_is_said_in_full() {
        let initrds = initrds();
        let one = machine("a", &initrds);
        let url = Some("http://[fd00::1]:8080/prod/");
        let text = node(&one, url).unwrap();
        assert!(text.contains("kernel http://[fd00::1]:8080/prod/boot/vmlinuz-0123456789ab a initrd="), "{text}");
        assert!(text.contains(" http://[fd00::1]:8080/prod/secrets/m0/secrets.cpio.zst || goto without-"), "{text}");
        assert!(!text.contains("../"), "{text}");
        let text = menu(std::slice::from_ref(&one), "prod", "1", url).unwrap();
        assert!(text.contains("chain http://[fd00::1]:8080/prod/m0/boot/boot.ipxe ||"), "{text}");
        for wrong in ["http://a/b c", "http://a/${b}", "http://a/#b", "http://a/?b", "10.0.0.1/prod", "http://a/\n"] {
            assert!(said(node(&one, Some(wrong))).contains("cannot hold the address"), "{wrong}");
        }
    }

    #[test]
    fn files_of_one_name_are_told_apart() {
        let initrds = ["boot/a.img", "m0/a.img", "secrets/m0/a.img"].map(String::from);
        let text = node(&machine("", &initrds), None).unwrap();
        assert!(text.contains(" initrd=a.img initrd=2-a.img initrd=3-a.img ||"), "{text}");
        assert!(text.contains("initrd --name 2-a.img ../../m0/a.img ||"), "{text}");
    }

    #[test]
    fn what_ipxe_takes_for_its_own_is_refused() {
        for sign in ["a=${b}", "a=${b", "a || b", "a && b", "a ; b", "#a", "a=\"b #c\"", "a=\"b || c\""] {
            assert!(said(node(&machine(sign, &[]), None)).contains("iPXE would take it"), "{sign}");
        }
        for harmless in ["a=$b", "a=b;c", "a=b#c", "a||b", "{a}", r#"dyndbg="file a.c +p""#, r"a=b\"] {
            assert!(
                node(&machine(harmless, &[]), None).unwrap().contains(&format!("89ab {harmless} ||")),
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
        assert!(node(&machine(&fits, &initrds), None).is_ok());
        let said = said(node(&machine(&long, &initrds), None));
        assert!(said.contains("too long: 2048 bytes with what iPXE adds, and the kernel takes 2047"), "{said}");
    }
}
