//! `init`: a small project from what the program carries: a profile to edit, overlays to change, what comes next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::print::Printer;
use crate::disk::{self, Access};
use crate::document::{Value, nearest};
use crate::error::{Error, Faults, Result};
use crate::profile::base_of;
use crate::shipped;

/// The profile that a new project gets if none is named: the recommended one.
const RECOMMENDED: &str = "ha";
/// The most bytes that a file that is there already may have to be compared.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, Args)]
pub struct Init {
    /// The project's directory; made if it is not there.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath, required_unless_present = "list")]
    directory: Option<PathBuf>,
    /// The profile to start from [default in a new project: ha].
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// An overlay to have in the project, to change it there; may be given several times. The others are inside the
    /// program.
    #[arg(long, value_name = "NAME")]
    overlay: Vec<String>,
    /// List the profiles and overlays that the program carries.
    #[arg(long, conflicts_with_all = ["profile", "overlay"])]
    list: bool,
}

/// The files to write, by their path below the project.
type Files = BTreeMap<PathBuf, Vec<u8>>;

impl Init {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let Some(directory) = self.directory.as_ref().filter(|_| !self.list) else { return list(printer) };
        let new = !disk::exists(&directory.join("profiles"));
        let profile = self.profile.as_deref().or(new.then_some(RECOMMENDED));
        let mut files = Files::new();
        let mut faults = Faults::new();
        if let Some(name) = profile {
            faults.note(add_profile(name, &mut files));
        }
        for name in &self.overlay {
            faults.note(add_overlay(name, &mut files));
        }
        let mut files = faults.finish(files)?;
        if let Some(name) = profile.filter(|_| new) {
            for (path, text) in [("README.md", readme(name)), (".gitignore", "/out/\n".to_owned())] {
                if !disk::exists(&directory.join(path)) {
                    files.insert(path.into(), text.into_bytes());
                }
            }
        }
        let written = write(directory, &files)?;
        printer.report(&json!({ "project": directory, "written": written }), || {
            let lines: String = written.iter().map(|path| format!("  {}\n", path.display())).collect();
            let next = if new { format!("read {}\n", directory.join("README.md").display()) } else { String::new() };
            format!("{} files in {}\n{lines}{next}", written.len(), directory.display())
        })
    }
}

/// A profile and those that it extends.
fn add_profile(name: &str, files: &mut Files) -> Result<()> {
    let mut path = Path::new("profiles").join(format!("{name}.toml"));
    loop {
        let shown = path.display().to_string();
        let file = shipped::file(&shown).ok_or_else(|| unknown("profile", name, shipped::profiles()))?;
        let text = String::from_utf8_lossy(file.bytes);
        let document = Value::parse(&text, &shown)?;
        files.insert(path.clone(), file.bytes.to_vec());
        match base_of(&path, &document)? {
            Some(base) => path = base,
            None => return Ok(()),
        }
    }
}

fn add_overlay(name: &str, files: &mut Files) -> Result<()> {
    if !shipped::overlays().any(|known| known == name) {
        return Err(unknown("overlay", name, shipped::overlays()));
    }
    let folder = format!("overlays/{name}");
    files.extend(shipped::below(&folder).map(|(path, file)| (Path::new(&folder).join(path), file.bytes.to_vec())));
    Ok(())
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::usage(format!("mastermold carries no {what} `{name}`"));
    match nearest(name, known) {
        Some(near) => error.advise(format!("did you mean `{near}`?")),
        None => error.advise("`mastermold init --list` lists what it carries"),
    }
}

/// Writes what is not there yet. A file that is there with other contents is a user's work: then nothing is written.
fn write<'a>(directory: &Path, files: &'a Files) -> Result<Vec<&'a PathBuf>> {
    let mut faults = Faults::new();
    let mut missing = Vec::new();
    for (path, bytes) in files {
        let at = directory.join(path);
        match disk::kind(&at)? {
            None => missing.push((path, at, bytes)),
            Some(_) if disk::read(&at, LARGEST).is_ok_and(|old| old == *bytes) => {}
            Some(_) => faults.push(
                Error::usage(format!("{} is there, and it is another one", at.display()))
                    .advise("remove or rename it, or choose another directory"),
            ),
        }
    }
    let missing = faults.finish(missing)?;
    for (_, at, bytes) in &missing {
        disk::create_directories(at.parent().unwrap_or(directory), Access::Public)?;
        disk::write_new(at, bytes, Access::Public)?;
    }
    Ok(missing.into_iter().map(|(path, ..)| path).collect())
}

fn readme(profile: &str) -> String {
    format!(
        "# A project of mastermold\n\n\
         `profiles/{profile}.toml` says what the machines are. Put in your names, addresses and MAC addresses, then:\n\n\
         ```sh\n\
         mastermold pki init profiles/{profile}.toml   # once: the seed of all keys, outside this project; keep a copy\n\
         mastermold lock profiles/{profile}.toml       # fetches every source and pins it; review and commit the lock\n\
         mastermold build profiles/{profile}.toml      # out/CLUSTER/VERSION: the same bytes for everybody\n\
         ```\n\n\
         `mastermold plan profiles/{profile}.toml` lists every file of every machine and where it comes from, at any time. Then:\n\
         `mastermold sign`, `mastermold verify`.\n\n\
         The overlays that the profile names are inside the program; the lock pins them too. To change one, have it here:\n\
         `mastermold init . --overlay NAME`, and what is in `overlays/NAME` counts. Your own overlays are folders beside it.\n"
    )
}

#[derive(Serialize)]
struct Carried {
    name: &'static str,
    summary: String,
}

fn list(printer: &Printer) -> Result<()> {
    let text = |path: String| shipped::file(&path).map(|file| String::from_utf8_lossy(file.bytes)).unwrap_or_default();
    let first_sentence = |text: &str| {
        let comment =
            text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect::<Vec<_>>().join(" ");
        let sentence = comment.split(". ").next().unwrap_or_default().split(": ").next().unwrap_or_default();
        sentence.trim_end_matches('.').to_owned()
    };
    let summary = |path: String| -> Result<String> {
        let document = Value::parse(&text(path.clone()), &path)?;
        Ok(document.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let profiles = shipped::profiles()
        .map(|name| Carried { name, summary: first_sentence(&text(format!("profiles/{name}.toml"))) })
        .collect::<Vec<_>>();
    let overlays = shipped::overlays()
        .map(|name| Ok(Carried { name, summary: summary(format!("overlays/{name}/overlay.toml"))? }))
        .collect::<Result<Vec<_>>>()?;
    printer.report(&json!({ "profiles": profiles, "overlays": overlays }), || {
        let lines = |all: &[Carried]| -> String {
            all.iter().map(|one| format!("  {:38} {}\n", one.name, one.summary)).collect()
        };
        format!("profiles\n{}overlays\n{}", lines(&profiles), lines(&overlays))
    })
}
