//! A node in QEMU, started with exactly what its record in the release's manifest says.
//!
//! ```text
//! Node (files of the release) ──initrd──▶ one file ─┐
//! firmware, if it starts from the network ──────────┼─Machine─▶ QEMU ──console──▶ Outcome
//! accelerator, network, disks ──────────────────────┘
//! ```

mod accelerator;
mod console;
mod disk;
mod network;
mod node;
mod programs;
mod pxe;
mod qemu;

use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::Watcher;
use crate::disk::{Access, StagedDirectory, create_directories};
use crate::error::{Error, Result};
use crate::process::Running;
use crate::{store, terminal};

pub use accelerator::Accelerator;
pub use disk::Disk;
pub use network::Net;
pub use node::{Node, Secrets};
pub use pxe::Firmware;

use qemu::{Machine, Start};

/// What else a script waits for on the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The text.
    pub text: String,
    /// Until when at the latest.
    pub patience: Duration,
}

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The release's directory.
    pub release: PathBuf,
    /// The node's name.
    pub node: String,
    /// From the network, and by which firmware; directly if not given.
    pub pxe: Option<Firmware>,
    /// iPXE for UEFI, if not the system's.
    pub ipxe: Option<PathBuf>,
    /// What to wait for; the machine is a person's if not given.
    pub expected: Option<Expected>,
    /// How long it may run at most.
    pub patience: Option<Duration>,
    /// The virtual segment that it shares with others.
    pub network: Option<String>,
    /// The way to the host's network.
    pub net: Net,
    /// Bytes of memory; what the node needs, with room, if not given.
    pub memory: Option<u64>,
    /// How many processors.
    pub cpus: u16,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Who executes its instructions; found out if not given.
    pub accelerator: Option<Accelerator>,
    /// Whether it gets its secrets.
    pub secrets: Secrets,
    /// What is added to the kernel's command line.
    pub append: Option<String>,
    /// Where its second serial port writes.
    pub second_serial: Option<PathBuf>,
}

/// What a machine has at least, whatever its record says.
const LEAST_MEMORY: u64 = 1 << 30;
/// What a system needs beside what is unpacked.
const ROOM: u64 = 512 << 20;

/// Starts a node, and returns when it has ended, or when what was expected has been seen.
///
/// # Errors
/// Usage: there is no such node, or it has no base system. Environment: a program or a file is missing; or what was
/// expected was not seen.
pub fn boot(boot: &Boot, watcher: &dyn Watcher) -> Result<()> {
    let node = Node::open(&boot.release, &boot.node, boot.secrets)?;
    let qemu = programs::qemu(&node.record.arch)?;
    let firmware = boot.pxe.map(|firmware| pxe::Files::find(firmware, boot.ipxe.as_deref())).transpose()?;
    let cache = store::default_directory()?.join("boot");
    create_directories(&cache, Access::Private)?;
    let directory = StagedDirectory::in_directory(&cache)?;
    let kernel = node.write_kernel(directory.path())?;
    let accelerator = match boot.accelerator {
        Some(accelerator) => accelerator,
        None => accelerator::find(&qemu, &kernel, watcher)?,
    };
    let disks = boot.disks.iter().map(|disk| disk.prepare(watcher)).collect::<Result<Vec<_>>>()?;
    let memory = boot.memory.unwrap_or_else(|| LEAST_MEMORY.max(node.record.memory / 4 * 5 + ROOM));
    watcher.note(&format!("{}: {} MiB of memory, {} processors", node.name, memory >> 20, boot.cpus));
    let machine = |start, tftp| Machine {
        uuid: node.uuid(),
        start,
        accelerator,
        memory,
        cpus: boot.cpus,
        cards: network::cards(&node, boot.network.as_deref(), boot.net, tftp),
        disks,
        second_serial: boot.second_serial.clone(),
    };
    let Some(firmware) = firmware else {
        let initrd = node.write_initrd(directory.path())?;
        let start = Start::Direct { kernel, initrd, cmdline: cmdline(boot, &node) };
        return run(&qemu, &machine(start, None), boot, watcher);
    };
    let server = pxe::server(&node, boot.secrets, watcher)?;
    let (start, tftp) = firmware.place(&server.script(&node), directory.path())?;
    thread::scope(|scope| {
        scope.spawn(|| server.run(watcher));
        let ended = run(&qemu, &machine(start, Some(tftp)), boot, watcher);
        server.stop();
        ended
    })
}

/// The node's own command line. A script that waits wants a machine that ends after a panic.
fn cmdline(boot: &Boot, node: &Node) -> String {
    let panic = boot.expected.as_ref().map(|_| "panic=-1");
    [Some(node.record.cmdline.as_str()), boot.append.as_deref(), panic]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

fn run(qemu: &programs::Qemu, machine: &Machine, boot: &Boot, watcher: &dyn Watcher) -> Result<()> {
    let mut command = qemu.command(&machine.arguments()?);
    watcher.detail(&format!("{command:?}"));
    let failed = |error| Error::io("running", &qemu.path, error);
    let Some(expected) = &boot.expected else {
        terminal::keep();
        command.stdin(if stdin().is_terminal() { Stdio::inherit() } else { Stdio::null() });
        let mut running = Running::start(&mut command).map_err(failed)?;
        let deadline = boot.patience.map(|patience| Instant::now() + patience);
        let status = running.wait_until(deadline).map_err(failed)?;
        drop(running);
        terminal::restore();
        return match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Error::environment(format!("QEMU ended with {status}"))),
            None => Err(Error::environment("the machine was still running when its time was over")),
        };
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(&mut command).map_err(failed)?;
    let errors = running.errors();
    thread::scope(|scope| {
        scope.spawn(|| errors.map(|errors| programs::complaints(errors).for_each(|line| watcher.note(&line))));
        let seen = console::watch(&mut running, expected, watcher);
        running.stop();
        seen
    })
}
