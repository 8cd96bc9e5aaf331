//! Signing by `ssh-keygen -Y sign`, as git does it: the private key is in a file, in an agent or in a FIDO token, and
//! this program never sees it. What was made is checked before it is given on.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use super::key::SshKey;
use super::signature::SshSignature;
use crate::disk::{self, Access, Staged};
use crate::epoch;
use crate::error::{Error, Result};
use crate::process::Running;

const PROGRAM: &str = "ssh-keygen";
/// The most bytes that a public key's file, a signature, or what the program complains of has.
const LARGEST: u64 = 64 << 10;

/// A private key of OpenSSH, by where it is.
#[derive(Clone, Debug)]
pub enum SshSigner {
    /// A file that only `ssh-keygen` reads: a private key, or a public key (given here too) for which it asks the agent
    /// and then looks for the private key beside it.
    File(PathBuf, Option<SshKey>),
    /// A key of the agent, by its public key.
    Agent(SshKey),
}

impl SshSigner {
    /// Of what `--ssh-key` was given: a private key's file, a public key's file (`.pub`), or a public key's line.
    pub fn new(given: &str) -> Result<SshSigner> {
        if SshKey::is_one(given) && given.contains(' ') {
            return SshKey::parse(given).map(SshSigner::Agent);
        }
        let path = Path::new(given);
        if disk::kind(path)?.is_none() {
            return Err(Error::environment(format!("there is no SSH key {given}"))
                .advise("give a private key's file, or the public key of a key that is in the agent"));
        }
        let public = match path.extension().is_some_and(|extension| extension == "pub") {
            true => {
                let key = disk::read_text(path, LARGEST).and_then(|text| SshKey::parse(&text));
                Some(key.map_err(|error| error.context(given))?)
            }
            false => None,
        };
        Ok(SshSigner::File(path.to_owned(), public))
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            SshSigner::File(path, _) => path.display().to_string(),
            SshSigner::Agent(key) => format!("the agent's key {key}"),
        }
    }

    /// The signature file for `message`, and the key that made it. Waits for a passphrase or a touch as long as
    /// `ssh-keygen` does.
    ///
    /// Environment: the program, the key or the agent is not to be had. Trust: what was made is not what was asked for.
    pub fn sign(&self, message: &[u8], namespace: &str) -> Result<(String, SshKey)> {
        let mut command = Command::new(PROGRAM);
        command.args(["-Y", "sign", "-n", namespace]);
        let (made, asked) = match self {
            SshSigner::File(path, public) => (run(command.arg("-f").arg(path), message), public.as_ref()),
            SshSigner::Agent(key) => {
                // The one way to tell ssh-keygen a key is a file.
                let mut file = Staged::in_directory(&epoch::temporary_directory(), Access::Private)?;
                let written = file.write_all(key.to_text().as_bytes());
                written.map_err(|error| Error::io("writing", file.path(), error))?;
                (run(command.arg("-U").arg("-f").arg(file.path()), message), Some(key))
            }
        };
        let text = made.map_err(|error| error.context(format!("signing with {}", self.name())))?;
        let signature = SshSignature::parse(&text)?;
        let key = signature.key().clone();
        let is_asked = asked.is_none_or(|asked| *asked == key);
        match is_asked && signature.namespace() == namespace && signature.is_by(&key, message) {
            true => Ok((text, key)),
            false => Err(Error::trust(format!("{PROGRAM} did not sign with {} what it was given", self.name()))),
        }
    }
}

fn run(command: &mut Command, message: &[u8]) -> Result<String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::environment(format!("there is no {PROGRAM}")).advise("install OpenSSH's client programs")
        }
        _ => Error::environment(format!("running {PROGRAM}: {error}")),
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command).map_err(failed)?;
    let (input, output, errors) = (running.input(), running.output(), running.errors());
    let (text, said) = thread::scope(|scope| {
        // All three at once: whoever waits for one of them while another is full waits for ever. That it does not read
        // all that it is given shows in how it ends.
        scope.spawn(|| input.map(|mut input| input.write_all(message)));
        let said = scope.spawn(|| read(errors));
        (read(output), said.join().unwrap_or_default())
    });
    let status = running.wait_until(None).map_err(failed)?;
    if status.is_some_and(|status| status.success()) {
        return Ok(text);
    }
    let said: Vec<&str> =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('@')).collect();
    let said = if said.is_empty() { "it does not say why".to_owned() } else { said.join("; ") };
    Err(Error::environment(format!("{PROGRAM} failed: {said}")).advise("nothing was signed"))
}

fn read(stream: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is missing, and then it is no signature.
    let _ = stream.map(|stream| stream.take(LARGEST).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}
