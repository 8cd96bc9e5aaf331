//! A start from the network, as a machine in a rack does it: firmware, iPXE by TFTP, the release's scripts, kernel and
//! layers by HTTP. QEMU's router gives the address and the first file; what follows comes from our own server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::node::{Node, Secrets};
use super::programs::{first, missing};
use super::qemu::{Start, Tftp};
use crate::boot::Watcher;
use crate::boot::serve::{self, Root, Server};
use crate::bundle::PUBLIC;
use crate::disk::{self, Access};
use crate::error::{Error, Result};

/// The firmware that starts a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS, with the network card's own iPXE.
    Bios,
    /// UEFI, which loads iPXE.
    Uefi,
}

/// Where distributions have the iPXE of QEMU's network card.
const ROMS: [&str; 3] =
    ["/usr/lib/ipxe/qemu/efi-virtio.rom", "/usr/share/qemu/efi-virtio.rom", "/usr/share/ipxe/qemu/efi-virtio.rom"];
/// Where distributions have UEFI for QEMU: code and variables.
const UEFI: [(&str, &str); 4] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];
/// Where distributions have iPXE for UEFI.
const IPXE: [&str; 4] = [
    "/usr/lib/ipxe/ipxe.efi",
    "/usr/lib/ipxe/ipxe-amd64.efi",
    "/usr/share/ipxe/ipxe-x86_64.efi",
    "/usr/share/ipxe/x86_64/ipxe.efi",
];
/// The script that an iPXE loaded by UEFI runs, if it is recent enough.
const AUTOEXEC: &str = "autoexec.ipxe";
/// The most bytes of a firmware's file.
const LARGEST: u64 = 64 << 20;
/// The host, as QEMU's router calls it.
const HOST: &str = "10.0.2.2";

/// The files of a firmware.
#[derive(Debug)]
pub enum Files {
    /// The network card has what it takes.
    Bios,
    /// UEFI and iPXE.
    Uefi {
        /// The firmware's code.
        code: PathBuf,
        /// Its variables as they are shipped.
        variables: Vec<u8>,
        /// iPXE.
        ipxe: Vec<u8>,
    },
}

impl Files {
    /// Finds the files; `ipxe` in place of the system's.
    pub fn find(firmware: Firmware, ipxe: Option<&Path>) -> Result<Files> {
        if firmware == Firmware::Bios {
            first(&ROMS).ok_or_else(|| missing("the iPXE of QEMU's network card", "ipxe-qemu"))?;
            return Ok(Files::Bios);
        }
        let found = UEFI
            .into_iter()
            .find(|(code, variables)| [code, variables].map(|path| disk::exists(Path::new(path))) == [true; 2]);
        let (code, variables) = found.ok_or_else(|| missing("UEFI for QEMU", "ovmf"))?;
        let path = match ipxe {
            Some(path) => path.to_owned(),
            None => first(&IPXE).ok_or_else(|| missing("iPXE for UEFI", "ipxe"))?,
        };
        let ipxe = disk::read(&path, LARGEST)?;
        if !runs_a_script(&ipxe) {
            let message =
                format!("{} is an iPXE that runs no {AUTOEXEC}: it would load itself forever", path.display());
            return Err(Error::environment(message)
                .advise("give one of 1.21 or later with --ipxe: Debian 13's package ipxe has it"));
        }
        Ok(Files::Uefi { code: code.into(), variables: disk::read(Path::new(variables), LARGEST)?, ipxe })
    }

    /// Writes what is served by TFTP, and the firmware's own copy of its variables.
    pub fn place(self, script: &str, directory: &Path) -> Result<(Start, Tftp)> {
        let tftp = directory.join("tftp");
        disk::create_directories(&tftp, Access::Private)?;
        let write = |path: PathBuf, bytes: &[u8]| disk::write(&path, bytes, Access::Private);
        match self {
            Files::Bios => {
                write(tftp.join("boot.ipxe"), script.as_bytes())?;
                Ok((Start::Bios, Tftp { directory: tftp, file: "boot.ipxe" }))
            }
            Files::Uefi { code, variables, ipxe } => {
                write(tftp.join("ipxe.efi"), &ipxe)?;
                write(tftp.join(AUTOEXEC), script.as_bytes())?;
                let own = directory.join("variables");
                write(own.clone(), &variables)?;
                Ok((Start::Uefi { code, variables: own }, Tftp { directory: tftp, file: "ipxe.efi" }))
            }
        }
    }
}

/// Whether an iPXE has the script's name in it, as text of one or of two bytes a letter.
fn runs_a_script(ipxe: &[u8]) -> bool {
    let wide: Vec<u8> = AUTOEXEC.bytes().flat_map(|byte| [byte, 0]).collect();
    [AUTOEXEC.as_bytes(), &wide].iter().any(|name| ipxe.windows(name.len()).any(|found| found == *name))
}

/// The server of one machine's start.
#[derive(Debug)]
pub struct Lab {
    server: Server,
    token: String,
}

/// Binds a server for one machine's start on a port of the loopback that is free. Other users of this host can reach
/// it, so what it serves is below a name that they cannot guess.
pub fn server(node: &Node, secrets: Secrets, watcher: &dyn Watcher) -> Result<Lab> {
    if let Some(url) = elsewhere(node)? {
        watcher
            .note(&format!("the release's scripts say {url}: the machine loads from there, and not from this release"));
    }
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| Error::environment(format!("drawing a random number: {error}")))?;
    let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    let secrets = match secrets {
        Secrets::Given => serve::Secrets::Served,
        Secrets::Withheld => serve::Secrets::Refused,
    };
    let root = Root::open(node.release(), secrets)?.below(&token);
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), root)?;
    Ok(Lab { server, token })
}

/// The URL that the node's script loads from, if it is not one beside it.
fn elsewhere(node: &Node) -> Result<Option<String>> {
    let path = PathBuf::from(PUBLIC).join(&node.name).join("boot/boot.ipxe");
    let script = disk::read_beneath(node.release(), &path, LARGEST)
        .map_err(|error| error.advise("the release has no scripts for iPXE: build it again"))?;
    let script = String::from_utf8_lossy(&script);
    Ok(script
        .split_whitespace()
        .find(|word| word.starts_with("http://") || word.starts_with("https://"))
        .map(str::to_owned))
}

impl Lab {
    /// What iPXE is started with: the way to the release's menu, or to the node's own script if no address says which
    /// of the menu's it is.
    pub fn script(&self, node: &Node) -> String {
        let path = match &node.record.mac {
            Some(_) => "boot.ipxe".to_owned(),
            None => format!("{}/boot/boot.ipxe", node.name),
        };
        let url = format!("http://{HOST}:{}/{}/{path}", self.server.address().port(), self.token);
        format!(
            "#!ipxe\ndhcp net0 || goto fail\nchain {url} || goto fail\n:fail\necho mastermold: iPXE could not start {}\n",
            node.name
        )
    }

    /// Serves until it is stopped.
    pub fn run(&self, watcher: &dyn Watcher) {
        self.server.run(watcher);
    }

    /// Ends it.
    pub fn stop(&self) {
        self.server.stop().stop();
    }
}
