//! Who executes a machine's instructions: the processor, by KVM, or QEMU itself. That `/dev/kvm` can be opened, and even
//! that a machine can be made, does not say that KVM works (in nested virtualisation it may abort, or hang): only a
//! kernel that boots does.

use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, accessat};

use super::programs::{Qemu, complaints, lines};
use crate::boot::Watcher;
use crate::error::{Error, Result};
use crate::process::Running;

/// How long a kernel may take to say its first line. With KVM that works it takes less than a second.
const PATIENCE: Duration = Duration::from_secs(12);
/// What a kernel says first.
const FIRST_LINE: &str = "Linux version";

/// Who executes a machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU, in software.
    Tcg,
}

impl Accelerator {
    /// QEMU's words for it. QEMU 7.2's own 16-byte compare-and-exchange loses flags, at which newer kernels panic at
    /// random: without it they use locks.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max,-cx16"],
        }
    }
}

/// Finds out whether KVM boots this kernel, and says what it is then.
pub fn find(qemu: &Qemu, kernel: &Path, watcher: &dyn Watcher) -> Result<Accelerator> {
    match probe(qemu, kernel)? {
        None => {
            watcher.note("accelerator: KVM");
            Ok(Accelerator::Kvm)
        }
        Some(why) => {
            watcher.note(&format!("accelerator: software emulation, which is slow (KVM: {why})"));
            Ok(Accelerator::Tcg)
        }
    }
}

/// Why KVM does not work, if so.
fn probe(qemu: &Qemu, kernel: &Path) -> Result<Option<String>> {
    if std::env::consts::ARCH != "x86_64" {
        return Ok(Some("this processor is of another architecture".into()));
    }
    let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    if let Err(error) = accessat(CWD, "/dev/kvm", access, AtFlags::EACCESS) {
        return Ok(Some(format!("/dev/kvm: {}", std::io::Error::from(error))));
    }
    let mut words: Vec<_> = Accelerator::Kvm.arguments().map(Into::into).into();
    words.extend(["-m", "256", "-nographic", "-nic", "none", "-no-reboot", "-kernel"].map(Into::into));
    words.push(kernel.into());
    words.extend(["-append", "console=ttyS0 panic=-1"].map(Into::into));
    let mut command = qemu.command(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |error| Error::io("running", &qemu.path, error);
    let mut running = Running::start(&mut command).map_err(failed)?;
    let complaint = running.errors().map(|errors| thread::spawn(|| complaints(errors).next()));
    let output = running.output();
    let (says, said) = mpsc::channel();
    thread::spawn(move || says.send(output.is_some_and(|output| lines(output).any(|line| line.contains(FIRST_LINE)))));
    let boots = said.recv_timeout(PATIENCE);
    running.stop();
    let complaint = complaint.and_then(|thread| thread.join().ok()).flatten();
    Ok(match boots {
        Ok(true) => None,
        Ok(false) => Some(complaint.map_or("it ended before the kernel said a word".into(), |complaint| {
            // Without the program's name.
            complaint.rsplit_once("error: ").map_or(complaint.clone(), |(_, rest)| rest.to_owned())
        })),
        Err(_) => Some(format!("no word of the kernel in {} s", PATIENCE.as_secs())),
    })
}
