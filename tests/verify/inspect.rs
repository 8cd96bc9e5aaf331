//! What `inspect` lists, beside what GNU tar lists.

use std::fs;
use std::process::Command;

use mastermold::archive::Format;
use mastermold::bundle::{Inspected, inspect};
use mastermold::error::Class;

use crate::draft::{Draft, Outputs, files};
use crate::release::refused;

#[test]
fn inspecting() {
    let release = Draft { formats: Format::ALL.to_vec(), outputs: Outputs::ALL, ..Draft::default() }.release();
    let kind = |name: &str| {
        let inspected = inspect(&release.at(name)).unwrap();
        assert!(inspected.lines().last().unwrap().contains("no signature and no digest was checked"));
        serde_json::to_value(&inspected).unwrap()["kind"].as_str().unwrap().to_owned()
    };
    for (name, expected) in [
        ("", "release"),
        ("public", "release"),
        ("public/manifest.json", "release"),
        ("public/master-0", "node"),
        ("public/master-0/manifest.json", "node"),
    ] {
        assert_eq!(kind(name), expected, "{name}");
    }
    for part in ["public", "secrets"] {
        for name in files(&release.at(part)).iter().filter(|name| Format::of_name(name).is_some()) {
            assert_eq!(kind(&format!("{part}/{name}")), "archive");
        }
    }
    let common = files(&release.at("public/layers")).into_iter().find(|name| name.ends_with(".json")).unwrap();
    assert_eq!(kind(&format!("public/layers/{common}")), "common");
    let Inspected::Release { signature, secrets, .. } = inspect(&release.path()).unwrap() else { panic!("no release") };
    assert!(signature && secrets);
    for name in ["public/SHA256SUMS", "secrets", "secrets/admin"] {
        refused(inspect(&release.at(name)), Class::Usage, "is nothing of a release");
    }
    refused(inspect(&release.at("x")), Class::Environment, "No such file");
    fs::write(release.at("public/x.json"), "{\"nodes\":[],\"format\":1}").unwrap();
    refused(inspect(&release.at("public/x.json")), Class::Integrity, "x.json");
    fs::write(release.at("public/x.tar"), "x").unwrap();
    refused(inspect(&release.at("public/x.tar")), Class::Integrity, "is no archive as mastermold writes them");
}

/// The lines of an archive are what GNU tar says of it.
#[test]
fn inspecting_as_tar_does() {
    let release =
        Draft { formats: vec!["tar.gz".parse().unwrap()], outputs: Outputs::ALL, ..Draft::default() }.release();
    let archive = release.at("secrets/master-0/rootfs.tar.gz");
    let output =
        Command::new("tar").args(["--utc", "--full-time", "--numeric-owner", "-tvf"]).arg(&archive).output().unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let theirs: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(fields).collect();
    let lines = inspect(&archive).unwrap().lines();
    let ours: Vec<_> = lines[1..lines.len() - 1].iter().map(|line| fields(line)).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        let when = format!("{}T{}Z", theirs[3], theirs[4]);
        let name = format!("/{}", theirs[5].trim_end_matches('/'));
        assert_eq!(ours[..5], [&theirs[0], &theirs[1], &theirs[2], &when, &name].map(String::clone));
        assert_eq!(ours[5..], theirs[6..]);
    }
}
