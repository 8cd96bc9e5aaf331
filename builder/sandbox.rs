//! Running a program that nobody vouches for: in namespaces of its own, with a file system that has nothing of this host but
//! what is shown to it, no network, no privileges, and for a bounded time. bubblewrap (bwrap(1)) makes it; without it nothing is
//! run at all.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use crate::disk;
use crate::epoch;
use crate::error::{Error, Result};
use crate::process::Running;

/// For how long a program may run.
pub const TIME: Duration = Duration::from_secs(10);
/// The most bytes that are read of each of its two outputs.
const MOST_SAID: u64 = 1 << 20;
/// How much it may write, in bytes: all that it can write to is in memory.
const MOST_WRITTEN: u64 = 16 << 20;
/// Limits that the sandbox itself has none for, as a shell sets them: 8 GiB of address space, of which programs of Go reserve
/// much and use little, and 4096 processes of the user (what bash calls -u others call -p). A limit that is lower already stays.
const LIMITS: &str = "ulimit -v 8388608; ulimit -u 4096 2>/dev/null || ulimit -p 4096 2>/dev/null; exec \"$@\"";
/// Who it is, inside and, if we are root, outside: nobody.
const NOBODY: u32 = 65534;
/// Where loaders and libraries are (ld.so(8)).
const LIBRARIES: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
/// The devices that a system has.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Where the program is inside, if it is shown nothing but itself.
const PLACE: &str = "/program";

/// What is run.
pub enum Inside<'a> {
    /// One program and nothing else; it gets a copy.
    Program {
        /// Its bytes, from the start of the file.
        file: File,
        /// The name by which it is called.
        name: &'a str,
        /// Whether this host's libraries are shown to it.
        libraries: bool,
        /// The program of this host that runs it, if its architecture is another: qemu-user.
        emulator: Option<&'a Path>,
    },
    /// A program of a whole system, which it sees from its root as it would on the machine. All files are its own there, and it
    /// is not root.
    System {
        /// The directory that is its root.
        root: &'a Path,
        /// The program, as its first word says it.
        program: &'a str,
        /// The directories below the root that it may write to.
        written: &'a [&'a str],
        /// Files that lie there empty: the program reads what is given here, which is nowhere but in memory.
        secrets: Vec<Hidden<'a>>,
    },
}

/// A file of a system that is on no disk.
pub struct Hidden<'a> {
    /// Its path from the root.
    pub path: &'a str,
    /// Its mode.
    pub mode: u32,
    /// What it has.
    pub bytes: &'a [u8],
}

/// What a program said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub output: String,
    /// What it wrote to its standard error.
    pub errors: String,
}

/// A program on the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = epoch::variable("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| disk::exists(path))
}

/// Runs a program to its end. Its input is empty.
///
/// # Errors
/// Environment: there is no sandbox here, or the program does not end in time.
pub fn run(inside: Inside<'_>, words: &[String]) -> Result<Said> {
    let bwrap = find("bwrap").ok_or_else(|| {
        let error = Error::environment("bubblewrap (bwrap) is not on this system, and nothing is run without it");
        error.advise("apt-get install bubblewrap")
    })?;
    let mut command = Command::new("/bin/sh");
    // What bwrap itself has in its environment a program inside reads in /proc/1/environ.
    command.env_clear().args(["-c", LIMITS, "sh"]).arg(bwrap).args(walls());
    let is_system = matches!(inside, Inside::System { .. });
    // Until it has started: they are its own then.
    let held = furnish(&mut command, inside)?;
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
    if !is_system && rustix::process::geteuid().is_root() {
        // Root of this host is more than nobody even without its powers: limits and files are by number.
        command.uid(NOBODY).gid(NOBODY);
    }
    let running = Running::start(&mut command);
    drop(held);
    finish(running)
}

/// What holds for every program: no network, no other process, no power, an empty environment.
fn walls() -> Vec<String> {
    let words = "--unshare-all --unshare-user --die-with-parent --new-session --cap-drop ALL --clearenv --hostname sandbox \
                 --setenv HOME /tmp --setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv LC_ALL C.UTF-8";
    words.split_whitespace().map(str::to_owned).collect()
}

/// What it sees, and its first word. What comes back is open for it.
fn furnish(command: &mut Command, inside: Inside<'_>) -> Result<Vec<File>> {
    let mut held = Vec::new();
    let nobody = NOBODY.to_string();
    match inside {
        Inside::Program { file, name, libraries, emulator } => {
            command.args(["--uid", &nobody, "--gid", &nobody]);
            for path in LIBRARIES.iter().filter(|_| libraries) {
                command.args(["--ro-bind-try", path, path]);
            }
            let program = format!("{PLACE}/{name}");
            // A copy is made of what bwrap reads there: the program is then no file of this host.
            command.args(["--perms", "0555", "--ro-bind-data", "0", &program]).stdin(file);
            let emulated = format!("{PLACE}/emulator");
            if let Some(emulator) = emulator {
                command.arg("--ro-bind").arg(emulator).arg(&emulated);
            }
            command.args(["--dev", "/dev", "--remount-ro", "/dev"]);
            scratch(command, "/tmp");
            if emulator.is_some() {
                command.arg(emulated);
            }
            command.arg(program);
        }
        Inside::System { root, program, written, secrets } => {
            command.args(["--uid", &nobody, "--gid", &nobody]).stdin(Stdio::null());
            // Some bind the ports of their configuration; there is nobody on this network to ask there.
            command.args(["--cap-add", "CAP_NET_BIND_SERVICE", "--ro-bind"]).arg(root).arg("/");
            for path in written {
                command.arg("--bind").arg(root.join(path)).arg(format!("/{path}"));
            }
            for Hidden { path, mode, bytes } in secrets {
                let file = in_memory(bytes)?;
                let (number, mode) = (file.as_raw_fd().to_string(), format!("{mode:04o}"));
                command.args(["--perms", &mode, "--ro-bind-data", &number, &format!("/{path}")]);
                held.push(file);
            }
            // bwrap's own /dev comes with a second user namespace, in which the power over ports would be one over nothing.
            command.args(["--tmpfs", "/dev"]);
            for device in DEVICES {
                command.args(["--dev-bind", device, device]);
            }
            command.args(["--remount-ro", "/dev"]);
            scratch(command, "/tmp");
            command.arg(program);
        }
    }
    Ok(held)
}

/// A file that has no name (memfd_create(2)), to be read from its start by whom we start next.
fn in_memory(bytes: &[u8]) -> Result<File> {
    let failed = |error| Error::io("writing", "a file in memory", error);
    let made = rustix::fs::memfd_create("secret", MemfdFlags::empty());
    let mut file = File::from(made.map_err(|error| failed(error.into()))?);
    file.write_all(bytes).and_then(|()| file.rewind()).map_err(failed)?;
    Ok(file)
}

/// What is everywhere: processes of its own, and a little room that is gone afterwards.
fn scratch(command: &mut Command, room: &str) {
    // What is set in /proc/sys is set for this host, and root's number is all that most of it asks for.
    command.args(["--proc", "/proc", "--ro-bind-try", "/proc/sys", "/proc/sys"]);
    command.args(["--size", &MOST_WRITTEN.to_string(), "--tmpfs", room]);
    command.args(["--remount-ro", "/", "--chdir", room]);
}

fn finish(running: io::Result<Running>) -> Result<Said> {
    let failed = |error| Error::io("running", "bwrap", error);
    let mut running = running.map_err(failed)?;
    let (output, errors) = (gather(running.output()), gather(running.errors()));
    let status = running.wait_until(Some(Instant::now() + TIME)).map_err(failed)?;
    // With it ends everything that it started, and so what is read of it.
    running.stop();
    let said = |thread: JoinHandle<Vec<u8>>| {
        let bytes = thread.join().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (output, errors) = (said(output), said(errors));
    let Some(status) = status else {
        return Err(Error::environment(format!("it had not ended after {} seconds", TIME.as_secs())));
    };
    if [&output, &errors].iter().any(|said| said.len() as u64 >= MOST_SAID) {
        return Err(Error::environment(format!("it says more than {MOST_SAID} bytes")));
    }
    // So the sandbox itself complains, and of a program that cannot be started.
    if let (Some(line), false) = (errors.lines().find(|line| line.starts_with("bwrap: ")), status.success()) {
        return Err(Error::environment(format!("the sandbox could not run it: {line}")));
    }
    Ok(Said { code: status.code(), output, errors })
}

fn gather(from: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut from = from.map(|from| from.take(MOST_SAID));
        // What cannot be read was not said.
        let _ = from.as_mut().map(|from| from.read_to_end(&mut bytes));
        bytes
    })
}
