//! `boot`: a node of a release in QEMU.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::print::Printer;
use crate::boot::run::{self, Accelerator, Disk, Expected, Firmware, Net, Secrets};
use crate::build::sources::parse_size;
use crate::error::{Error, Result};

/// How long is waited for a text.
const PATIENCE: u64 = 300;

#[derive(Debug, Args)]
pub struct Boot {
    /// The release's directory; verify it first.
    #[arg(value_name = "RELEASE", value_hint = clap::ValueHint::DirPath)]
    release: PathBuf,
    /// The node's name.
    #[arg(value_name = "NODE")]
    node: String,
    /// Start it from the network: firmware, iPXE, TFTP, HTTP; with BIOS if not said.
    #[arg(long, value_name = "FIRMWARE", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "bios")]
    pxe: Option<FirmwareName>,
    /// The iPXE that UEFI loads, if not the system's.
    #[arg(long, value_name = "FILE", requires = "pxe", value_hint = clap::ValueHint::FilePath)]
    ipxe: Option<PathBuf>,
    /// Show the console and end with 0 as soon as this is on it; with 5 if the machine ends or the time is over first.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    expect: Option<String>,
    /// How many seconds it may take or run; 300 with --expect if not given.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Join the virtual segment of this name, with other machines on this host.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// The way to the host's network.
    #[arg(long, value_enum, default_value_t)]
    net: NetName,
    /// How much memory (2GiB); what the node needs, with room, if not given.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// How many processors.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=255))]
    cpus: u16,
    /// A disk, [SERIAL=]FILE[:SIZE]: made with that size if it is not there; /dev/disk/by-id/virtio-SERIAL in the machine,
    /// `state` if not said; may be given several times.
    #[arg(long, value_name = "FILE")]
    disk: Vec<String>,
    /// Who executes the machine's instructions.
    #[arg(long, value_enum, default_value_t)]
    accel: AcceleratorName,
    /// Keep its secrets from it.
    #[arg(long)]
    without_secrets: bool,
    /// Add this to the kernel's command line.
    #[arg(long, value_name = "TEXT", conflicts_with = "pxe")]
    append: Option<String>,
    /// Write what the machine says on its second serial port to this file.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    second_serial: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FirmwareName {
    Bios,
    Uefi,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum NetName {
    /// None.
    #[default]
    None,
    /// Out through this host, by QEMU's own router; nothing in.
    User,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum AcceleratorName {
    /// KVM if it boots the node's kernel, else software emulation.
    #[default]
    Auto,
    /// The processor, and no trial.
    Kvm,
    /// Software emulation.
    Tcg,
}

impl Boot {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let patience = self.timeout.map(Duration::from_secs);
        let expected = self
            .expect
            .clone()
            .map(|text| Expected { text, patience: patience.unwrap_or(Duration::from_secs(PATIENCE)) });
        if expected.is_none() && self.console_is_a_persons() {
            printer.note("Ctrl-A X leaves the machine, Ctrl-A C talks to QEMU");
        }
        let boot = run::Boot {
            release: self.release.clone(),
            node: self.node.clone(),
            pxe: self.pxe.map(|firmware| match firmware {
                FirmwareName::Bios => Firmware::Bios,
                FirmwareName::Uefi => Firmware::Uefi,
            }),
            ipxe: self.ipxe.clone(),
            expected,
            patience,
            network: self.network.clone(),
            net: match self.net {
                NetName::None => Net::None,
                NetName::User => Net::User,
            },
            memory: self.memory,
            cpus: self.cpus,
            disks: disks(&self.disk)?,
            accelerator: match self.accel {
                AcceleratorName::Auto => None,
                AcceleratorName::Kvm => Some(Accelerator::Kvm),
                AcceleratorName::Tcg => Some(Accelerator::Tcg),
            },
            secrets: if self.without_secrets { Secrets::Withheld } else { Secrets::Given },
            append: self.append.clone(),
            second_serial: self.second_serial.clone(),
        };
        run::boot(&boot, printer)
    }

    fn console_is_a_persons(&self) -> bool {
        use std::io::IsTerminal as _;
        std::io::stdin().is_terminal()
    }
}

/// The disks as they are asked for, each with a serial number of its own.
fn disks(asked: &[String]) -> Result<Vec<Disk>> {
    let mut disks: Vec<Disk> = Vec::new();
    for text in asked {
        let (serial, rest) = match text.split_once('=').filter(|(serial, _)| is_serial(serial)) {
            Some((serial, rest)) => (Some(serial), rest),
            None => (None, text.as_str()),
        };
        let (path, size) = match rest.rsplit_once(':').map(|(path, size)| (path, parse_size(size))) {
            Some((path, Ok(size))) => (path, Some(size)),
            _ => (rest, None),
        };
        let serial = serial.map_or_else(|| unnamed(&disks), str::to_owned);
        if path.is_empty() || size == Some(0) || disks.iter().any(|disk| disk.serial == serial) {
            return Err(Error::usage(format!("`--disk {text}` is no disk, or has another's serial number"))
                .advise("write it like state.img:4GiB, or data=/srv/data.img"));
        }
        disks.push(Disk { serial, path: path.into(), size });
    }
    Ok(disks)
}

fn unnamed(disks: &[Disk]) -> String {
    let unnamed = disks.iter().filter(|disk| disk.serial.starts_with("state")).count();
    if unnamed == 0 { "state".into() } else { format!("state{unnamed}") }
}

/// What a virtio disk's serial number can be: 20 bytes.
fn is_serial(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_as_they_are_written() {
        let asked = ["s.img:1GiB", "b.img", "data=/a/b=c:d.img:2M", "./x=y.img:bad"].map(str::to_owned);
        let disks = disks(&asked).unwrap();
        let shown: Vec<_> =
            disks.iter().map(|disk| (disk.serial.as_str(), disk.path.to_str().unwrap(), disk.size)).collect();
        assert_eq!(
            shown,
            [
                ("state", "s.img", Some(1 << 30)),
                ("state1", "b.img", None),
                ("data", "/a/b=c:d.img", Some(2 << 20)),
                ("state2", "./x=y.img:bad", None),
            ]
        );
        for wrong in [vec!["a=x", "a=y"], vec![""], vec!["a="], vec![":1G"], vec!["x:0"]] {
            let wrong: Vec<_> = wrong.into_iter().map(str::to_owned).collect();
            assert_eq!(super::disks(&wrong).unwrap_err().class().code(), 2, "{wrong:?}");
        }
    }
}
