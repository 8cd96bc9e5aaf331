//! Profiles that have one defect each, made by a small edit of a good one: each gives exactly its finding and no other
//! (or none, where an edit is right; issue 7; the tables are in tests/broken/*.toml, the good profiles in tests/broken/good/).
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

mod support;

#[path = "broken/made.rs"]
mod made;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use support::Project;

/// How many rows the tables have at least, so that none is lost.
const LEAST: usize = 130;

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

/// A defect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default = "pods")]
    profile: String,
    /// The one finding; empty if there is to be none.
    finds: String,
    /// A part of what it says.
    says: Option<String>,
    /// How often, where one edit makes several of the kind.
    #[serde(default = "once")]
    times: usize,
    edits: Vec<Edit>,
}

/// A change of a file: of the first place where `from` stands, or at its end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: String,
    from: Option<String>,
    to: Option<String>,
    append: Option<String>,
}

fn once() -> usize {
    1
}

fn pods() -> String {
    "pods".to_owned()
}

/// What of `--format json` is looked at.
#[derive(Deserialize)]
struct Report {
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    id: String,
    says: String,
    fate: String,
    remedy: String,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let path = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &path),
            false => drop(std::fs::copy(entry.path(), path).unwrap()),
        }
    }
}

/// The shipped profiles with the good ones beside them; all programs and bases are small, and made here. Overlays are those
/// inside the program.
fn project() -> Project {
    let (project, home) = (Project::new(&[]), Path::new(env!("CARGO_MANIFEST_DIR")));
    copy(&home.join("profiles"), &project.root().join("profiles"));
    let good = home.join("tests/broken/good");
    copy(&good.join("overlays"), &project.root().join("overlays"));
    for name in ["pods", "units", "metal"] {
        let file = format!("{name}.toml");
        std::fs::copy(good.join(&file), project.root().join("profiles").join(&file)).unwrap();
    }
    let files = project.root().join("files");
    std::fs::create_dir_all(&files).unwrap();
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(files.join(name), bytes).unwrap();
    write("rootfs.tar", made::base());
    write("daemon", made::program(made::X86_64, made::LOADER, &["libc.so.6"]));
    write("tool", made::program(made::X86_64, made::LOADER, &[]));
    write("foreign", made::program(made::AARCH64, made::LOADER, &[]));
    write("loader", made::program(made::X86_64, "/lib/ld-musl-x86_64.so.1", &[]));
    write("unlinked", made::program(made::X86_64, made::LOADER, &["libc.so.6", "libother.so.1"]));
    project
}

/// What `check` finds in a profile, without a seed.
fn found(project: &Project, profile: &str) -> Result<Vec<Finding>, String> {
    let file = format!("profiles/{profile}.toml");
    if profile == "metal" {
        project.run(&["lock", &file]).map_err(|(_, text)| text)?;
    }
    let output = project.command(&["--format", "json", "check", &file]).output().unwrap();
    let report: Result<Report, _> = serde_json::from_slice(&output.stdout);
    report.map(|report| report.findings).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What is wrong with what a row gives.
fn judge(row: &Row) -> Result<(), String> {
    let project = project();
    for edit in &row.edits {
        let name =
            if edit.file == "profile.toml" { format!("profiles/{}.toml", row.profile) } else { edit.file.clone() };
        let path = project.root().join(&name);
        // An overlay of the project replaces the whole one of the program.
        let overlay = name.split('/').take(2).collect::<Vec<_>>().join("/");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(&overlay);
        if name.starts_with("overlays/") && shipped.is_dir() && !project.root().join(&overlay).exists() {
            copy(&shipped, &project.root().join(&overlay));
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let text = match (&edit.from, &edit.to, &edit.append) {
            (Some(from), Some(to), None) if text.contains(from) && from != to => text.replacen(from, to, 1),
            (None, None, Some(more)) => format!("{text}{more}"),
            _ => return Err(format!("{name} cannot be edited so")),
        };
        project.write(&name, &text);
    }
    let findings = found(&project, &row.profile)?;
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    let told = findings.iter().map(|finding| format!("\n    {}: {}", finding.id, finding.says)).collect::<String>();
    if row.finds.is_empty() {
        return if findings.is_empty() { Ok(()) } else { Err(format!("should have found nothing, and found: {told}")) };
    }
    if ids != BTreeSet::from([row.finds.as_str()]) || findings.len() != row.times {
        return Err(format!("should have found {} alone, {} times, and found: {told}", row.finds, row.times));
    }
    if let Some(says) = &row.says
        && !findings.iter().any(|finding| finding.says.contains(says))
    {
        return Err(format!("does not say `{says}`: {told}"));
    }
    match findings.iter().all(|finding| !finding.fate.is_empty() && !finding.remedy.is_empty()) {
        true => Ok(()),
        false => Err(format!("says not what comes of it, or what to do: {told}")),
    }
}

#[test]
fn the_good_ones_are_good() {
    let project = project();
    for profile in ["pods", "units", "metal"] {
        let findings = found(&project, profile).unwrap_or_else(|error| panic!("{profile}: {error}"));
        let told: Vec<String> = findings.iter().map(|finding| format!("{}: {}", finding.id, finding.says)).collect();
        assert!(told.is_empty(), "{profile}: {told:#?}");
    }
}

/// An error stops a build before a byte is written; accepted with a reason it stops nothing, and a reason for nothing is an
/// error too.
#[test]
fn build_refuses_an_error_that_nobody_accepts() {
    let project = project();
    let unit = "overlays/daemon/root/etc/systemd/system/daemon.service";
    let text = std::fs::read_to_string(project.root().join(unit)).unwrap();
    project.write(unit, &text.replace("/usr/bin/true", "/usr/bin/false"));
    let seed = project.beside("seed");
    let build = ["build", "profiles/metal.toml", "--seed", seed.to_str().unwrap()];
    project.must(&["pki", "init", "profiles/metal.toml", "--seed", seed.to_str().unwrap()]);
    project.must(&["lock", "profiles/metal.toml", "--seed", seed.to_str().unwrap()]);
    let told = project.fails(2, &build);
    assert!(told.contains("/usr/bin/false") && told.contains("(unit-program)"), "{told}");
    assert!(told.starts_with(&format!("{unit}:")), "{told}");
    assert!(!project.root().join("out").exists());

    let profile = std::fs::read_to_string(project.root().join("profiles/metal.toml")).unwrap();
    let accept = "[[accept]]\nfinding = \"unit-program\"\nreason = \"a test\"\n";
    project.write("profiles/metal.toml", &format!("{profile}{accept}"));
    project.must(&build);

    project.write(unit, &text);
    let told = project.fails(2, &build);
    assert!(told.contains("`unit-program` is accepted, and there is none"), "{told}");
}

const PAGE: &str = "# What `check` looks for\n\nMade from `mastermold check --list` by `UPDATE_PAGE=1 cargo test --test broken`. \
[How to use it](../how-to/check.md).\n\n";

/// The page of the book is what the program says.
#[test]
fn the_page_lists_every_rule() {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        severity: String,
        finds: String,
        fate: String,
        remedy: String,
        overlays: Vec<String>,
    }
    // The shipped overlays alone.
    let text = Project::new(&[]).must(&["--format", "json", "check", "--list"]);
    let rules: Vec<Listed> = serde_json::from_str(&text).unwrap();
    let table = |title: &str, head: &str, own: bool| {
        let row = |rule: &Listed| {
            let Listed { id, severity, finds, fate, remedy, overlays } = rule;
            let by = if own { String::new() } else { format!(" {} |", overlays.join(", ")) };
            let [finds, fate, remedy] = [finds, fate, remedy].map(|text| text.replace('|', "\\|"));
            format!("| `{id}` | {severity} | {finds} | {fate} | {remedy} |{by}\n")
        };
        let rows: String = rules.iter().filter(|rule| rule.overlays.is_empty() == own).map(row).collect();
        let line = "|---".repeat(head.matches('|').count() - 1);
        format!("## {title}\n\n{head}\n{line}|\n{rows}")
    };
    let page = format!(
        "{PAGE}{}\n{}",
        table("By the program", "| id | severity | finds | then | do |", true),
        table("By shipped overlays", "| id | severity | finds | then | do | overlays |", false)
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/checks.md");
    if std::env::var_os("UPDATE_PAGE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page);
    let templates: Vec<&str> =
        rules.iter().filter(|rule| rule.finds.contains("{{")).map(|rule| rule.id.as_str()).collect();
    assert!(templates.is_empty(), "`says` of {templates:?} is a template: say in `finds` what it finds");
}

#[test]
fn each_defect_is_found_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let only = std::env::var("ROWS").unwrap_or_default();
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let table: Rows = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            rows.extend(table.rows);
        }
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert!(rows.len() >= LEAST && names.len() == rows.len(), "{} rows, {} names", rows.len(), names.len());
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, Into::into);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if row.name.contains(&only)
                        && let Err(why) = judge(row)
                    {
                        wrong.lock().unwrap().push(format!("{}: {why}", row.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
