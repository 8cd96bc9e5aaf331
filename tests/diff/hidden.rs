//! What a difference could hide behind: names and blocks that look like others, keys and sections that stand twice.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::formats::{certificate, inside};
use super::{compared, mastermold, page, release};
use crate::draft::{Draft, Outputs};
use crate::maker::{Maker, Wanted};

/// A path, and what lies there on either side.
type Sides<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>);

/// Two directories with these files.
fn sides(directory: &Path, files: &[Sides<'_>]) -> [PathBuf; 2] {
    ["a", "b"].map(|side| {
        let root = directory.join(side);
        for (path, a, b) in files {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            if let Some(bytes) = if side == "a" { a } else { b } {
                fs::write(root.join(path), bytes).unwrap();
            }
        }
        root
    })
}

#[test]
fn nothing_but_the_layers_lists_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new): (Option<&[u8]>, Option<&[u8]>) = (Some(b"one\n"), Some(b"two\n"));
    let lib = "usr/lib/mastermold";
    let own = ["start.sh", "images/a.tar", "secrets.salt", "node.sha256.bak", "other.entries"];
    let mut paths: Vec<String> = own.iter().map(|name| format!("{lib}/{name}")).collect();
    paths.push("usr/lib/mastermold-hooks/x".into());
    let (list, gone) = (format!("{lib}/node.sha256"), format!("{lib}/common.entries"));
    let mut files: Vec<_> = paths.iter().map(|path| (path.as_str(), old, new)).collect();
    files.extend([(list.as_str(), old, new), (gone.as_str(), old, None), ("new", None, new)]);
    let [a, b] = sides(directory.path(), &files);
    let (lines, sentences) = (page(&a, &b), compared(&a, &b).sentences(("a", "b")).join("\n"));
    for path in &paths {
        assert!(lines.contains(&format!("  ~ /{path}")), "{path} {lines:?}");
        assert!(sentences.contains(&format!("/{path}: ")), "{path} {sentences}");
    }
    assert!(lines.contains(&format!("  ~ /{list}: this layer's own list")), "{lines:?}");
    assert!(!sentences.contains(&format!("/{list}: ")), "{sentences}");
    // A list that came or went is no consequence of the rest.
    assert!(lines.iter().any(|line| line.starts_with(&format!("  - /{gone}: file"))), "{lines:?}");
    assert!(sentences.contains(&format!("/{gone} is only in a")), "{sentences}");
}

#[test]
fn certificates_beside_other_things() {
    let maker = Maker::new();
    maker.openssl_makes("ca", &Wanted { subject: "/CN=ca", ..Wanted::default() });
    let old = certificate(&maker, "old", ["20260101000000Z", "20270101000000Z"], "DNS:a.example");
    let new = certificate(&maker, "new", ["20260101000000Z", "20280101000000Z"], "DNS:a.example");
    let authority = maker.read("ca.crt");
    // No text: what else is in it is not known.
    let told = inside("program", &[b"\0one ", &old[..]].concat(), &[b"\0two ", &old[..]].concat());
    assert!(told.len() == 1 && told[0].contains(" bytes, SHA-256 "), "{told:?}");
    let told = inside("program", &[b"\0one ", &old[..]].concat(), &[b"\0two ", &new[..]].concat());
    assert!(told[0].contains(" bytes, SHA-256 ") && told.iter().any(|line| line.contains("valid until")), "{told:?}");

    // New files: a certificate is all of it, or it is told otherwise.
    let directory = tempfile::tempdir().unwrap();
    let script = [b"#!/bin/sh\nevil\ncat <<X\n", &old[..], b"X\n"].concat();
    let program = [b"\x7fELF\0", &old[..]].concat();
    let hidden = b"-----BEGIN CERTIFICATE-----\nevil\n-----END CERTIFICATE-----\n";
    let odd = [&old[..], hidden].concat();
    let files: [Sides<'_>; 4] = [
        ("odd.crt", None, Some(&odd)),
        ("program", None, Some(&program)),
        ("script", None, Some(&script)),
        ("tool.crt", None, Some(&old)),
    ];
    let [a, b] = sides(directory.path(), &files);
    let changes = compared(&a, &b).groups.remove(0).changes;
    let formats: Vec<_> = changes.iter().map(|change| change.inside.as_ref().unwrap().format).collect();
    assert_eq!(formats, ["text", "binary", "text", "certificates"]);
    let lines = page(&a, &b);
    assert_eq!(lines.iter().filter(|line| line.trim() == "+evil").count(), 2, "{lines:?}");

    // One renewed, and beside it a block that is none any more.
    let (before, after) = ([&old[..], &authority].concat(), [&new[..], hidden].concat());
    let told = inside("chain.pem", &before, &after);
    assert!(told.iter().any(|line| line == "+evil"), "{told:?}");
    let (odd, other) =
        ([&old[..], hidden].concat(), [&new[..], &hidden.map(|b| if b == b'e' { b'x' } else { b })].concat());
    assert!(inside("chain.pem", &odd, &other).iter().any(|line| line == "+xvil"));
    // An end that another label takes hides what follows it.
    let run =
        |word: &str| format!("-----BEGIN CERTIFICATE-----\n{word}\n-----BEGIN X-----\n-----END CERTIFICATE-----\n");
    let (before, after) = ([&old[..], run("one").as_bytes()].concat(), [&new[..], run("two").as_bytes()].concat());
    assert!(inside("chain.pem", &before, &after).iter().any(|line| line == "+two"));
    // The same behind base64.
    let data = |bytes: &[u8]| format!("ca: {}\n", STANDARD.encode(bytes)).into_bytes();
    let told = inside("c.yaml", &data(&odd), &data(&other));
    assert!(told.iter().any(|line| line.starts_with("ca: ")), "{told:?}");
}

#[test]
fn what_stands_twice_or_reads_in_two_ways() {
    const NOTHING: [&str; 1] = ["only the writing changed, no value"];
    let peers = |first: &str, second: &str| {
        format!("[NetDev]\nKind=wireguard\n[WireGuardPeer]\nPublicKey=a\n{first}[WireGuardPeer]\nPublicKey=b\n{second}")
    };
    let route = "AllowedIPs=10.0.0.0/8\n";
    let told = inside("wg.netdev", peers(route, "").as_bytes(), peers("", route).as_bytes());
    assert!(told.iter().any(|line| line == "+AllowedIPs=10.0.0.0/8"), "{told:?}");

    assert_eq!(inside("tool.env", b"export PATH=/x\n", b"PATH=/x\n"), ["+ PATH: /x", "- export PATH: /x"]);
    assert_eq!(inside("tool.env", b"export A=1\nB=2\n", b"B=2\nexport A=1\n"), NOTHING);

    for key in ["yes", "1", "~", "on"] {
        let told = inside("a.yaml", format!("{key}: x\n").as_bytes(), format!("\"{key}\": x\n").as_bytes());
        assert!(told.contains(&format!("+\"{key}\": x")), "{key} {told:?}");
    }
    let merged = |key: &str| format!("a: &a {{x: 1}}\nb:\n  {key}: *a\n").into_bytes();
    assert!(inside("a.yaml", &merged("<<"), &merged("\"<<\"")).contains(&"+  \"<<\": *a".to_owned()));
    assert_eq!(inside("a.yaml", b"plain: x\n", b"\"plain\":  x\n"), NOTHING);
}

#[test]
fn lines_say_what_changed() {
    assert_eq!(inside("a.json", b"{\"a\":1e2}", b"{\"a\":100}"), ["a: 100.0 -> 100"]);
    assert_eq!(inside("a.toml", b"a = 1.0", b"a = 1"), ["a: 1.0 -> 1"]);
    assert_eq!(inside("a.yaml", b"a: 1\n", b"a: 1\n---\nb: 2\n"), ["the whole document: {a: 1} -> [{a: 1}, {b: 2}]"]);
}

#[test]
fn names_that_are_no_text_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = sides(directory.path(), &[("n\\xff", Some(b"one"), Some(b"two"))]);
    let run = |a: &Path, b: &Path| {
        let done = mastermold(&["diff", a.to_str().unwrap(), b.to_str().unwrap()]);
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    assert_eq!(run(&a, &b).0, 1);
    fs::write(b.join(OsStr::from_bytes(b"n\xff")), "secret").unwrap();
    let (code, said) = run(&a, &b);
    assert!(code == 8 && said.contains("not UTF-8"), "{code} {said}");
    fs::remove_file(b.join(OsStr::from_bytes(b"n\xff"))).unwrap();
    symlink(OsStr::from_bytes(b"\xff"), a.join("link")).unwrap();
    let (code, said) = run(&a, &b);
    assert!(code == 8 && said.contains("/link"), "{code} {said}");

    let at = |name: &str| directory.path().join(name);
    release(&at("r"), &Draft::default());
    fs::write(at("r/public").join(OsStr::from_bytes(b"n\xff")), "x").unwrap();
    assert_eq!(run(&at("r"), &at("r")).0, 8);
}

#[test]
fn only_signatures_are_left_out_of_a_releases_files() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for side in ["a", "b"] {
        release(&at(side), &Draft { outputs: Outputs::SPLIT, ..Draft::default() });
    }
    fs::write(at("b/public/SHA256SUMS.intoto.jsonl"), "x").unwrap();
    fs::write(at("b/public/SHA256SUMS.0123456789abcdef.sshsig"), "x").unwrap();
    assert!(compared(&at("a"), &at("b")).same);
    for name in ["SHA256SUMS-notes.txt", "SHA256SUMS.sig"] {
        fs::write(at("b/public").join(name), "x").unwrap();
        let paths: Vec<_> = compared(&at("a"), &at("b")).files.into_iter().map(|change| change.path).collect();
        assert_eq!(paths, [format!("public/{name}")]);
        fs::remove_file(at("b/public").join(name)).unwrap();
    }
}

#[test]
fn what_is_made_to_take_long_takes_as_long_as_what_is_large() {
    let timed = |name: &str, a: Vec<u8>, b: Vec<u8>| {
        let start = Instant::now();
        inside(name, &a, &b);
        start.elapsed()
    };
    let line = |first: &str| format!("[Service]\nExecStart={first} \\\n{}\n", "xy\\\n".repeat(250_000)).into_bytes();
    let lines = |first: &str| format!("[Service]\nA={first}\n{}", "A=xy\n".repeat(150_000)).into_bytes();
    let (long, large) = (timed("a.service", line("a"), line("b")), timed("a.service", lines("a"), lines("b")));
    assert!(long < large * 20, "{long:?} and {large:?}");
    let list = |shared: &str, items: usize, tail: &str| {
        let all: Vec<_> = (0..items).map(|n| format!("[{shared}, {tail}{n}]")).collect();
        format!("a: &a [{}]\nb: [{}]\n", vec!["x"; 1000].join(", "), all.join(", ")).into_bytes()
    };
    let spelled = format!("[{}]", vec!["x"; 1000].join(", "));
    let long = timed("a.yaml", list("*a", 1900, "x"), list("*a", 1900, "y"));
    let large = timed("a.yaml", list(&spelled, 300, "x"), list(&spelled, 300, "y"));
    assert!(long < large * 20, "{long:?} and {large:?}");
}
