//! Units: what they start, read and ask for is there.

use std::collections::BTreeSet;

use super::finding::{Findings, Spot};
use super::mounts::may_be_mounted;
use super::rule::{Rule, Severity};
use super::subject::{Found, Machine, Whole};
use super::unit::{Setting, words};
use super::whole::Said;
use crate::overlay::units::template;
use crate::tree::{Node, TreePath};

/// Where units are (systemd.unit(5), "Unit File Load Path").
pub(super) const DIRECTORIES: [&str; 4] =
    ["etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// Where systemd looks for a program without a path (systemd.service(5), "Command lines").
const SEARCHED: [&str; 6] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];
/// The types of units.
const TYPES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// The targets that systemd itself has (systemd.special(7)).
const TARGETS: &str = "\
    basic bluetooth boot-complete cryptsetup-pre cryptsetup ctrl-alt-del default emergency exit factory-reset \
    final first-boot-complete getty-pre getty graphical halt hibernate hybrid-sleep initrd integritysetup-pre \
    integritysetup kbrequest kexec local-fs-pre local-fs machines multi-user network-online network-pre network \
    nss-lookup nss-user-lookup paths poweroff printer reboot remote-cryptsetup remote-fs-pre remote-fs \
    remote-veritysetup rescue rpcbind runlevel0 runlevel1 runlevel2 runlevel3 runlevel4 runlevel5 runlevel6 shutdown \
    sigpwr sleep slices smartcard sockets soft-reboot sound ssh-access storage-target-mode suspend-then-hibernate \
    suspend swap sysinit system-update-pre system-update time-set time-sync timers tpm2 usb-gadget veritysetup-pre \
    veritysetup";

/// A program that a unit starts.
pub const UNIT_PROGRAM: Rule = Rule {
    id: "unit-program",
    severity: Severity::Error,
    finds: "a unit that starts a program which nothing brings",
    fate: "the unit fails at once (status 203/EXEC)",
    remedy: "bring the program, or say with [[provides]] who has it",
};
/// A program that is there and cannot be started.
pub const UNIT_PROGRAM_MODE: Rule = Rule {
    id: "unit-program-mode",
    severity: Severity::Error,
    finds: "a unit that starts a file which is no program",
    fate: "the unit fails at once (status 203/EXEC)",
    remedy: "give the file a mode that lets it be executed, such as 0755",
};
/// A file of variables.
pub const UNIT_ENVIRONMENT: Rule = Rule {
    id: "unit-environment",
    severity: Severity::Error,
    finds: "a unit that reads variables from a file which nothing brings",
    fate: "the unit does not start: systemd loads no environment",
    remedy: "bring the file, write a `-` before its path if it may be missing, or say with [[provides]] who has it",
};
/// A unit that must be there.
pub const UNIT_REQUIRED: Rule = Rule {
    id: "unit-required",
    severity: Severity::Error,
    finds: "a unit that requires one which nothing brings",
    fate: "the unit does not start: what it requires is not found",
    remedy: "bring that unit, or say with [[provides]] who has it",
};
/// A unit that is wanted or waited for.
pub const UNIT_WANTED: Rule = Rule {
    id: "unit-wanted",
    severity: Severity::Warning,
    finds: "a unit that wants, or waits for, one which nothing brings",
    fate: "systemd passes over it: nothing is started, and nothing is waited for",
    remedy: "bring that unit, say with [[provides]] who has it, or take the line out",
};

/// Looks at every unit and drop-in of the bundle.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for unit in &machine.units {
        let searched = unit.settings.iter().filter(|said| said.setting.key == "ExecSearchPath");
        let searched: Vec<&str> = searched.flat_map(|said| said.setting.value.split(':')).collect();
        // Of what a unit with a root of its own starts, nothing is known.
        let is_known = |key: &str| !is_command(key) || !unit.has_own_root();
        for Said { path, setting } in unit.settings.iter().filter(|said| is_known(&said.setting.key)) {
            let spot = Spot { machine, path, line: Some(setting.line) };
            look(setting, &searched, spot, findings);
        }
    }
}

/// Whether the value of a key is a command line (systemd.service(5), systemd.socket(5)).
pub fn is_command(key: &str) -> bool {
    const COMMANDS: [&str; 9] = [
        "ExecStart",
        "ExecStartPre",
        "ExecStartPost",
        "ExecCondition",
        "ExecReload",
        "ExecReloadPost",
        "ExecStop",
        "ExecStopPre",
        "ExecStopPost",
    ];
    COMMANDS.contains(&key)
}

fn look(setting: &Setting, searched: &[&str], spot: Spot<'_>, findings: &mut Findings) {
    let Setting { section, key, value, .. } = setting;
    match (section.as_str(), key.as_str()) {
        (_, key) if is_command(key) => program(value, searched, spot, findings),
        (_, "EnvironmentFile") => environment(value, spot, findings),
        ("Unit", "Requires" | "Requisite" | "BindsTo") => required(value, &UNIT_REQUIRED, spot, findings),
        ("Unit", "Wants" | "Upholds" | "After" | "Before" | "PartOf" | "OnFailure" | "OnSuccess") => {
            required(value, &UNIT_WANTED, spot, findings);
        }
        _ => {}
    }
}

/// Whether it is a unit, or a drop-in of one.
pub fn is_unit(path: &TreePath) -> bool {
    let Some(below) = DIRECTORIES.iter().find_map(|directory| path.as_str().strip_prefix(directory)?.strip_prefix('/'))
    else {
        return false;
    };
    let is_type = |name: &str| TYPES.iter().any(|kind| name.ends_with(kind));
    match below.split_once('/') {
        None => is_type(below),
        Some((directory, name)) => {
            let unit = directory.strip_suffix(".d").is_some_and(is_type);
            unit && name.ends_with(".conf") && !name.contains('/')
        }
    }
}

/// What changes how a program is started (systemd.service(5), table "Special executable prefixes").
const PREFIXES: [char; 6] = ['@', '-', ':', '+', '!', '|'];

/// The program of a command line, if it is not the machine alone that knows it.
pub fn started(value: &str) -> Option<String> {
    let words = words(value.trim_start_matches(PREFIXES));
    words.into_iter().next().filter(|word| !word.contains(['%', '$']))
}

/// The first word of a command line is there, and can be executed. `searched` are the directories that the unit adds to the
/// PATH (systemd.exec(5), "ExecSearchPath=").
fn program(value: &str, searched: &[&str], spot: Spot<'_>, findings: &mut Findings) {
    let bare = value.trim_start_matches(PREFIXES);
    // systemd goes on without what begins with `-`, whether it fails or is not there.
    if value.strip_suffix(bare).is_some_and(|prefix| prefix.contains('-')) {
        return;
    }
    let Some(first) = started(value) else { return };
    let machine = spot.machine;
    if !first.starts_with('/') {
        if !searched.iter().any(|path| path.contains('%')) && !on_path(machine, searched, &first) {
            let says = format!("{} starts {first}, which is nowhere on the PATH", spot.path);
            findings.add(&UNIT_PROGRAM, spot, says);
        }
        return;
    }
    let Ok(path) = first.parse::<TreePath>() else { return };
    match machine.find(&path) {
        Found::Missing(end) => {
            let through = if end == path { String::new() } else { format!(" (it leads to {end})") };
            findings.add(&UNIT_PROGRAM, spot, format!("{} starts {path}, which is nowhere{through}", spot.path));
        }
        Found::Bundle(_, entry) => {
            let fault = match entry.node {
                Node::File(_) if entry.mode & 0o111 == 0 => Some(format!("has mode {:04o}", entry.mode)),
                Node::File(_) => None,
                _ => Some(format!("is a {}", entry.node.name())),
            };
            if let Some(fault) = fault {
                findings.add(&UNIT_PROGRAM_MODE, spot, format!("{} starts {path}, which {fault}", spot.path));
            }
        }
        Found::Base | Found::Provided | Found::Running | Found::Unknown => {}
    }
}

fn on_path(machine: &Machine<'_>, searched: &[&str], program: &str) -> bool {
    let is_there = |directory: &&str| {
        let path = TreePath::from_relative(&format!("{}/{program}", directory.trim_matches('/')));
        path.is_ok_and(|path| !matches!(machine.find(&path), Found::Missing(_)))
    };
    machine.provides_program(program) || searched.iter().chain(&SEARCHED).any(is_there)
}

fn environment(value: &str, spot: Spot<'_>, findings: &mut Findings) {
    // What begins with `-` may be missing; globs and specifiers are the machine's.
    if value.is_empty() || value.starts_with('-') || value.contains(['%', '*', '?', '[']) {
        return;
    }
    let Ok(path) = value.parse::<TreePath>() else { return };
    if let Found::Missing(_) = spot.machine.find(&path) {
        findings.add(&UNIT_ENVIRONMENT, spot, format!("{} reads {path}, which is nowhere", spot.path));
    }
}

fn required(value: &str, rule: &Rule, spot: Spot<'_>, findings: &mut Findings) {
    let names: BTreeSet<&str> = value.split_whitespace().filter(|name| !name.contains('%')).collect();
    let is_there = |name: &str| match name.ends_with(".mount") && rule.id == UNIT_REQUIRED.id {
        // What is only wanted may come and go.
        true => may_be_mounted(spot.machine, name, has_file(spot.machine, name)),
        false => has_unit(spot.machine, name),
    };
    for name in names.into_iter().filter(|name| !is_there(name)) {
        findings.add(rule, spot, format!("{} names {name}, which is nowhere", spot.path));
    }
}

/// Whether a unit's file, or its template's, is there; what systemd makes of a path or a device has none.
pub fn has_unit(machine: &Machine<'_>, name: &str) -> bool {
    let made = [".device", ".mount", ".swap", ".slice", ".scope"].iter().any(|kind| name.ends_with(kind));
    made || is_special(name) || has_file(machine, name)
}

fn has_file(machine: &Machine<'_>, name: &str) -> bool {
    let is_there = |name: &str| {
        let at = |directory: &&str| {
            let path = TreePath::from_relative(&format!("{directory}/{name}"));
            path.is_ok_and(|path| !matches!(machine.find(&path), Found::Missing(_)))
        };
        machine.provides_unit(name) || DIRECTORIES.iter().any(at)
    };
    is_there(name) || template(name).is_some_and(|template| is_there(&template))
}

/// Whether systemd itself has it, on every machine (systemd.special(7)).
fn is_special(name: &str) -> bool {
    const OWN: [&str; 3] = ["systemd-", "initrd-", "umount.target"];
    name.strip_suffix(".target").is_some_and(|target| TARGETS.split(' ').any(|own| own == target))
        || OWN.iter().any(|start| name.starts_with(start))
        || name == "dbus.service"
        || name == "dbus.socket"
}
