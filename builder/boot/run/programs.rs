//! What a machine needs of this system: QEMU, and firmware. What is missing is named with the package that has it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::disk;
use crate::epoch;
use crate::error::{Error, Result};

/// QEMU for a machine's architecture.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// Its program.
    pub path: PathBuf,
    /// setpriv(1), if there is one: it has the kernel end QEMU when we are killed.
    setpriv: Option<PathBuf>,
}

/// Finds QEMU.
pub fn qemu(arch: &str) -> Result<Qemu> {
    if arch != "amd64" {
        return Err(Error::usage(format!("this node is for {arch}, and `boot` starts machines of amd64 only"))
            .advise("boot it where it belongs: the release has what it needs"));
    }
    let program = "qemu-system-x86_64";
    let path = find(program).ok_or_else(|| missing(program, "qemu-system-x86"))?;
    Ok(Qemu { path, setpriv: find("setpriv") })
}

/// That something is not on this system, and which of Debian's packages has it.
pub fn missing(what: &str, package: &str) -> Error {
    Error::environment(format!("{what} is not on this system")).advise(format!("apt-get install {package}"))
}

/// A program on the search path.
fn find(program: &str) -> Option<PathBuf> {
    let path = epoch::variable("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| disk::exists(path))
}

/// The first of these files that is there.
pub fn first(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| disk::exists(path))
}

/// A path as one value in a list of QEMU's options, where a comma ends a value unless it is doubled.
pub fn value(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let unfit = || Error::usage(format!("QEMU cannot be given {}", path.display())).advise("take a plain path");
    Ok(text.ok_or_else(unfit)?.replace(',', ",,"))
}

/// What QEMU complains of, a line each; that it ends when we end it is no complaint.
pub fn complaints(errors: impl Read) -> impl Iterator<Item = String> {
    lines(errors).filter(|line| !line.contains("terminating on signal"))
}

/// Lines of text, as far as it is some.
pub fn lines(from: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(from).split(b'\n').map_while(std::result::Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).trim().to_owned())
}

impl Qemu {
    /// QEMU with these words; its input is closed until somebody says otherwise.
    pub fn command(&self, arguments: &[OsString]) -> Command {
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.path);
                command
            }
            None => Command::new(&self.path),
        };
        command.args(arguments).stdin(Stdio::null()).env_clear().env("LC_ALL", "C.UTF-8");
        if let Some(path) = epoch::variable("PATH") {
            command.env("PATH", path);
        }
        command
    }
}
