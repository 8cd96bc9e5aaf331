//! A project of a test's own, and the program run in it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// A project in a directory of its own, with a cache, a home and a seed of its own beside it.
pub struct Project {
    directory: tempfile::TempDir,
}

impl Project {
    /// A project with these files (path and text); `profiles/` and `overlays/` are there even if empty.
    pub fn new(files: &[(&str, &str)]) -> Project {
        let project = Project { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(project.root().join("overlays")).unwrap();
        std::fs::create_dir_all(project.root().join("profiles")).unwrap();
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// The project's root.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    /// Something beside the project.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program with these words, to be run in the project.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mastermold"));
        command.args(words).current_dir(self.root()).env_clear();
        command
            .env("HOME", self.beside("home"))
            .env("XDG_CACHE_HOME", self.beside("cache"))
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// Runs the program; standard output, or what it said with its exit code.
    pub fn run(&self, words: &[&str]) -> Result<String, (i32, String)> {
        finished(&self.command(words).output().unwrap())
    }

    /// Runs the program, which must succeed.
    pub fn must(&self, words: &[&str]) -> String {
        self.run(words).unwrap_or_else(|(code, text)| panic!("mastermold {words:?} ended with {code}:\n{text}"))
    }

    /// Runs the program, which must fail with this code; its errors without the mark.
    pub fn fails(&self, code: i32, words: &[&str]) -> String {
        match self.run(words) {
            Ok(text) => panic!("mastermold {words:?} should have failed with {code}:\n{text}"),
            Err((found, text)) => {
                assert_eq!(found, code, "mastermold {words:?}:\n{text}");
                let lines: Vec<_> = text.lines().map(|line| line.strip_prefix("error: ").unwrap_or(line)).collect();
                lines.join("\n")
            }
        }
    }
}

/// What a finished program said.
pub fn finished(output: &Output) -> Result<String, (i32, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.code() {
        Some(0) => Ok(text(&output.stdout)),
        code => Err((code.expect("ended by a signal"), text(&output.stderr))),
    }
}
