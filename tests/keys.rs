//! Keys that others made, and authorities above and below each other, with OpenSSL as the maker and the judge.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "keys/chains.rs"]
mod chains;
#[path = "keys/others.rs"]
mod others;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A directory in which OpenSSL works.
struct Maker(tempfile::TempDir);

impl Maker {
    fn new() -> Maker {
        Maker(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn try_openssl(&self, arguments: &str) -> Output {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output();
        output.unwrap_or_else(|error| panic!("openssl is needed: apt-get install openssl ({error})"))
    }

    fn openssl(&self, arguments: &str) -> String {
        let output = self.try_openssl(arguments);
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Several commands, one a line or divided by `;`.
    fn run(&self, commands: &str) {
        commands.split(';').map(str::trim).for_each(|arguments| drop(self.openssl(arguments)));
    }
}
