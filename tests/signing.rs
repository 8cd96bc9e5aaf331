//! `sign` and `verify` as they are typed: several keys, other hands' signatures, and signers that fail.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[expect(dead_code, reason = "what other tests change of a release")]
#[path = "verify/draft.rs"]
mod draft;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use draft::{Draft, files};
use mastermold::sign::SecretKey;

const IDENTITY: &str = "mastermold cluster=prod version=2026.11.1 epoch=2026-11-01T00:00:00Z";

/// A directory with an unsigned release, keys of minisign (`a`, `b`, `c`), and one of OpenSSH (`s`).
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        let key = SecretKey::generate().unwrap();
        Draft { nodes: &["master-0"], ..Draft::default() }.write(&desk.at("release"), &key);
        for part in ["public", "secrets"] {
            fs::remove_file(desk.at("release").join(part).join("SHA256SUMS.minisig")).unwrap();
        }
        for name in ["a", "b", "c"] {
            desk.must(&["key", "new", &format!("{name}.key")]);
        }
        desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "s"]).unwrap();
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.0.path()).env("SSH_ASKPASS_REQUIRE", "never");
        command
    }

    /// Runs a program; what it says, or its code and that.
    fn run(&self, program: &str, words: &[&str]) -> Result<String, (i32, String)> {
        finished(self.command(program, words))
    }

    fn mold(&self, words: &[&str]) -> Result<String, (i32, String)> {
        self.run(env!("CARGO_BIN_EXE_mastermold"), words)
    }

    fn must(&self, words: &[&str]) -> String {
        self.mold(words).unwrap_or_else(|(code, text)| panic!("{words:?} ended with {code}:\n{text}"))
    }

    fn fails(&self, code: i32, says: &str, words: &[&str]) {
        failed(self.mold(words), code, says, words);
    }

    /// It fails, and everything is as it was.
    fn changes_nothing(&self, code: i32, says: &str, command: Command) {
        let before = self.state();
        failed(finished(command), code, says, &[]);
        assert_eq!(self.state(), before, "{says}");
    }

    /// Names, modes and bytes of all that is in the release.
    fn state(&self) -> Vec<(String, u32, Vec<u8>)> {
        let of = |name: String| {
            let path = self.at("release").join(&name);
            (name, fs::metadata(&path).unwrap().permissions().mode(), fs::read(path).unwrap())
        };
        files(&self.at("release")).into_iter().map(of).collect()
    }

    fn signatures(&self, part: &str) -> Vec<String> {
        let names = files(&self.at("release").join(part));
        names.into_iter().filter_map(|name| name.strip_prefix("SHA256SUMS.").map(str::to_owned)).collect()
    }

    /// The id of a key of minisign, and how a file of OpenSSH's key is named.
    fn id(&self, name: &str) -> String {
        let text = fs::read_to_string(self.at(&format!("{name}.pub"))).unwrap();
        text.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
    }

    /// Whether these keys verify it, of which so many must have signed.
    fn verify(&self, threshold: &str, keys: &[&str]) -> Result<String, (i32, String)> {
        let names: Vec<String> = keys.iter().map(|key| format!("{key}.pub")).collect();
        let mut words = vec!["verify", "release", "--threshold", threshold];
        words.extend(names.iter().flat_map(|name| ["--key", name]));
        self.mold(&words)
    }
}

fn finished(mut command: Command) -> Result<String, (i32, String)> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    match output.status.code() {
        Some(0) => Ok(text),
        code => Err((code.expect("ended by a signal"), text)),
    }
}

fn failed(result: Result<String, (i32, String)>, code: i32, says: &str, words: &[&str]) {
    let Err((found, text)) = result else { panic!("{words:?} should have failed: {says}") };
    assert!(found == code && text.contains(says), "{words:?}: {found}, not {code} `{says}`:\n{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn several_keys_and_a_threshold() {
    let desk = Desk::new();
    desk.fails(2, "no key is given", &["sign", "release"]);
    desk.fails(4, "public/SHA256SUMS is not signed", &["verify", "release", "--key", "a.pub"]);
    desk.must(&["sign", "release", "--key", "a.key", "--key", "b.key", "--ssh-key", "s"]);
    let second = format!("{}.minisig", desk.id("b"));
    for part in ["public", "secrets"] {
        assert_eq!(desk.signatures(part), [second.as_str(), "minisig", "sshsig"]);
        for (name, _, _) in desk.state().iter().filter(|(name, ..)| name.starts_with(&format!("{part}/SHA256SUMS."))) {
            let mode = fs::metadata(desk.at("release").join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if part == "secrets" { 0o600 } else { 0o644 }, "{name}");
        }
    }
    for (threshold, keys) in [
        ("1", &["a"][..]),
        ("1", &["s"]),
        ("1", &["c", "b"]),
        ("2", &["a", "s"]),
        ("2", &["c", "b", "a"]),
        ("3", &["s", "b", "a"]),
    ] {
        desk.verify(threshold, keys).unwrap();
    }
    let ids = ["a", "b"].map(|name| desk.id(name));
    assert!(desk.verify("2", &["a", "b"]).unwrap().contains(&format!("signed by 2 keys: {}, {}", ids[1], ids[0])));
    failed(desk.verify("2", &["a", "c"]), 4, "is signed by 1 of the 2 keys that are trusted", &[]);
    failed(desk.verify("3", &["a", "c", "s"]), 4, "and 3 are asked for", &[]);
    failed(desk.verify("1", &["c"]), 4, "and trusted is", &[]);
    failed(desk.verify("2", &["a"]), 2, "2 keys must have signed, and 1 different ones are given", &[]);
    failed(desk.verify("2", &["a", "a"]), 2, "1 different ones", &[]);
    assert_eq!(desk.verify("0", &["a"]).unwrap_err().0, 2);
}

/// A key's bytes count, and neither its files nor its names.
#[test]
fn a_key_counts_once() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--key", "a.key", "--ssh-key", "s"]);
    let public = desk.at("release/public");
    // The same signature in a second file, under a name that is its own; in both parts, or the other one would be what fails.
    let name = format!("SHA256SUMS.{}.minisig", desk.id("a"));
    for part in ["public", "secrets"].map(|part| desk.at("release").join(part)) {
        fs::copy(part.join("SHA256SUMS.minisig"), part.join(&name)).unwrap();
    }
    desk.verify("1", &["a"]).unwrap();
    failed(desk.verify("2", &["a", "b"]), 4, "is signed by 1 of the 2 keys", &[]);
    fs::remove_file(desk.at("release/secrets").join(&name)).unwrap();
    let second = public.join(name);
    // Under the name of another key's.
    fs::rename(&second, public.join(format!("SHA256SUMS.{}.minisig", desk.id("b")))).unwrap();
    failed(desk.verify("1", &["a"]), 4, "and its file's name is of another", &[]);
    fs::remove_file(public.join(format!("SHA256SUMS.{}.minisig", desk.id("b")))).unwrap();
    // minisign's key as one of OpenSSH.
    let text = fs::read_to_string(desk.at("a.pub")).unwrap();
    fs::write(desk.at("same.pub"), ssh_line(&text)).unwrap();
    failed(desk.verify("2", &["a", "same"]), 2, "1 different ones", &[]);
    failed(desk.verify("2", &["a", "same", "b"]), 4, "is signed by 1 of the 2 keys", &[]);
    desk.verify("2", &["a", "same", "s"]).unwrap();
}

/// The line of OpenSSH for a public key of minisign.
fn ssh_line(minisign: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let raw = STANDARD.decode(minisign.lines().nth(1).unwrap()).unwrap();
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &raw[10..]].concat();
    format!("ssh-ed25519 {}\n", STANDARD.encode(blob))
}

#[test]
fn keys_are_rotated_in_both_orders() {
    for [old, new] in [["a", "b"], ["b", "a"]] {
        let desk = Desk::new();
        let key = |name: &str| format!("{name}.key");
        // Signed by the old key; then by both, one after the other; then by the new one alone.
        desk.must(&["sign", "release", "--key", &key(old)]);
        desk.verify("1", &[old]).unwrap();
        desk.must(&["sign", "release", "--key", &key(new), "--add"]);
        for keys in [&[old][..], &[new], &[old, new], &[new, old]] {
            desk.verify("1", keys).unwrap();
        }
        desk.verify("2", &[old, new]).unwrap();
        // Once more changes nothing.
        let before = desk.state();
        desk.must(&["sign", "release", "--key", &key(new), "--add"]);
        assert_eq!(desk.state(), before);
        desk.must(&["sign", "release", "--key", &key(new)]);
        assert_eq!(desk.signatures("public"), ["minisig"]);
        desk.verify("1", &[new]).unwrap();
        desk.verify("1", &[old, new]).unwrap();
        failed(desk.verify("1", &[old]), 4, "and trusted is", &[]);
    }
    // Of two formats.
    let desk = Desk::new();
    desk.must(&["sign", "release", "--ssh-key", "s"]);
    desk.must(&["sign", "release", "--key", "a.key", "--add"]);
    assert_eq!(desk.signatures("secrets"), ["minisig", "sshsig"]);
    desk.verify("2", &["a", "s"]).unwrap();
    desk.must(&["sign", "release", "--ssh-key", "s.pub"]);
    assert_eq!(desk.signatures("secrets"), ["sshsig"]);
}

#[test]
fn strangers_signatures_count_for_nothing_and_malformed_ones_are_faults() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--key", "a.key", "--key", "b.key", "--ssh-key", "s"]);
    let public = desk.at("release/public");
    let stranger = format!("SHA256SUMS.{}.minisig", desk.id("b"));
    let change = |name: &str, says: &str, change: &dyn Fn(&Path)| {
        let path = public.join(name);
        let good = fs::read(&path).ok();
        change(&path);
        failed(desk.verify("1", &["a"]), if says.contains("symlink") { 8 } else { 4 }, says, &[]);
        let _ = fs::remove_file(&path);
        if let Some(good) = good {
            fs::write(&path, good).unwrap();
        }
    };
    let write = |text: String| move |path: &Path| fs::write(path, &text).unwrap();
    for name in [&stranger, "SHA256SUMS.sshsig"] {
        let good = fs::read_to_string(public.join(name)).unwrap();
        change(name, "is not a strict", &write(String::new()));
        change(name, "is not a strict", &write(format!("{good}junk\n")));
        change(name, "is not a strict", &write(good.replace('\n', "\r\n")));
        change(name, "bytes", &write("x".repeat(10 << 20)));
        change(name, "UTF-8", &|path| fs::write(path, [0xff; 100]).unwrap());
        change(name, "symlink", &|path| {
            fs::remove_file(path).unwrap();
            symlink("/dev/null", path).unwrap();
        });
    }
    for name in ["SHA256SUMS.sig", "SHA256SUMS.asc", "SHA256SUMS.0.minisig.bak", "SHA256SUMS.key.sshsig"] {
        change(name, "nobody signed it", &write("x".into()));
    }
    change("SHA256SUMS.1.minisig", "is not a strict", &write("x".into()));
    // More than anybody has.
    let good = fs::read_to_string(public.join(&stranger)).unwrap();
    for number in 0..62 {
        fs::write(public.join(format!("SHA256SUMS.{number}.minisig")), &good).unwrap();
    }
    failed(desk.verify("1", &["a"]), 4, "has 65 signatures, more than 64", &[]);
    for number in 0..62 {
        fs::remove_file(public.join(format!("SHA256SUMS.{number}.minisig"))).unwrap();
    }
    desk.verify("3", &["a", "b", "s"]).unwrap();
}

/// Where another key's signature is enough, one that names nobody counts for nothing: but not one whose name was nearly a key's.
#[test]
fn no_damage_makes_a_signature_a_strangers() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--key", "a.key", "--key", "b.key"]);
    let path = desk.at("release/public/SHA256SUMS.minisig");
    let good = fs::read(&path).unwrap();
    let start = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // 2 bytes of the algorithm, 8 of the name; the last character holds a part of the signature too.
    for at in start..start + 14 {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            fs::write(&path, &bad).unwrap();
            failed(desk.verify("1", &["a", "b"]), 4, "", &[]);
        }
    }
    fs::write(&path, &good).unwrap();
    desk.verify("2", &["a", "b"]).unwrap();
}

#[test]
fn a_signature_is_of_its_part_and_of_its_release() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--ssh-key", "s"]);
    let [public, secrets] = ["public", "secrets"].map(|part| desk.at("release").join(part));
    fs::copy(secrets.join("SHA256SUMS.sshsig"), public.join("SHA256SUMS.sshsig")).unwrap();
    failed(desk.verify("1", &["s"]), 4, "public/SHA256SUMS.sshsig: the signature by key", &[]);
    // Of these bytes, and said of something else.
    for namespace in ["file", &IDENTITY.replace("prod", "test"), &format!("{IDENTITY} part=secrets")] {
        let _ = fs::remove_file(public.join("SHA256SUMS.sig"));
        desk.run("ssh-keygen", &["-Y", "sign", "-f", "s", "-n", namespace, "release/public/SHA256SUMS"]).unwrap();
        let made = public.join("SHA256SUMS.sig");
        fs::rename(&made, public.join("SHA256SUMS.sshsig")).unwrap();
        failed(desk.verify("1", &["s"]), 4, &format!("public/SHA256SUMS is signed as `{namespace}`"), &[]);
    }
    desk.run("ssh-keygen", &["-Y", "sign", "-f", "s", "-n", IDENTITY, "release/public/SHA256SUMS"]).unwrap();
    fs::rename(public.join("SHA256SUMS.sig"), public.join("SHA256SUMS.sshsig")).unwrap();
    desk.verify("1", &["s"]).unwrap();
}

#[test]
fn a_key_that_anybody_may_write_is_not_trusted() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--key", "a.key"]);
    fs::set_permissions(desk.at("a.pub"), fs::Permissions::from_mode(0o666)).unwrap();
    failed(desk.verify("1", &["a"]), 4, "anybody may write to it (mode 0666)", &[]);
    fs::write(desk.at("empty.pub"), "").unwrap();
    failed(desk.verify("1", &["empty"]), 2, "empty.pub", &[]);
}

#[test]
fn a_signer_that_fails_leaves_everything_as_it_was() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--key", "a.key"]);
    let sign = |words: &[&str]| {
        let mut all = vec!["sign", "release", "--key", "b.key"];
        all.extend(words);
        desk.command(env!("CARGO_BIN_EXE_mastermold"), &all)
    };
    let write = |name: &str, text: &str, mode| {
        fs::write(desk.at(name), text).unwrap();
        fs::set_permissions(desk.at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    desk.changes_nothing(5, "no.key", sign(&["--key", "no.key"]));
    desk.changes_nothing(5, "there is no SSH key none", sign(&["--ssh-key", "none"]));
    fs::copy(desk.at("c.key"), desk.at("open.key")).unwrap();
    fs::set_permissions(desk.at("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.changes_nothing(4, "others may read it", sign(&["--key", "open.key"]));
    fs::copy(desk.at("s"), desk.at("open")).unwrap();
    fs::set_permissions(desk.at("open"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.changes_nothing(5, "are too open", sign(&["--ssh-key", "open"]));
    desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "locked up", "-f", "locked"]).unwrap();
    desk.changes_nothing(5, "signing with locked: ssh-keygen failed", sign(&["--ssh-key", "locked"]));
    fs::remove_file(desk.at("locked")).unwrap();
    desk.changes_nothing(5, "signing with locked.pub", sign(&["--ssh-key", "locked.pub"]));
    let line = fs::read_to_string(desk.at("s.pub")).unwrap();
    desk.changes_nothing(5, "the agent's key SHA256:", sign(&["--ssh-key", line.trim()]));
    desk.changes_nothing(2, "of the type `ssh-dss`", sign(&["--ssh-key", "ssh-dss AAAAB3NzaC1kc3M="]));
    write("wrong.password", "wrong\n", 0o600);
    desk.changes_nothing(2, "no key is protected", sign(&["--password-file", "wrong.password"]));
    // An ssh-keygen that is not there, says nothing, makes junk, or signs something else.
    let mut alone = sign(&["--ssh-key", "s"]);
    desk.changes_nothing(5, "there is no ssh-keygen", alone.env("PATH", desk.at("")).to_owned_command());
    fs::create_dir(desk.at("bin")).unwrap();
    for (script, code, says) in [
        ("exit 0", 4, "is not one `SSH SIGNATURE`"),
        ("exit 3", 5, "it does not say why"),
        ("kill -9 $$", 5, "it does not say why"),
        ("cat >/dev/null; echo hello", 4, "is not one `SSH SIGNATURE`"),
        ("echo other | /usr/bin/ssh-keygen \"$@\"", 4, "did not sign with s what it was given"),
        ("/usr/bin/ssh-keygen -Y sign -f s -n other", 4, "did not sign with s what it was given"),
        ("yes", 5, "it does not say why"),
    ] {
        write("bin/ssh-keygen", &format!("#!/bin/sh\n{script}\n"), 0o755);
        let mut command = sign(&["--ssh-key", "s"]);
        command.env("PATH", format!("{}:/usr/bin:/bin", desk.at("bin").display()));
        desk.changes_nothing(code, says, command);
    }
    // Another key than the one that was asked for.
    write("bin/ssh-keygen", "#!/bin/sh\n/usr/bin/ssh-keygen -Y sign -f other -n \"$4\"\n", 0o755);
    desk.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "other"]).unwrap();
    let mut command = sign(&["--ssh-key", "s.pub"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", desk.at("bin").display()));
    desk.changes_nothing(4, "did not sign with s.pub what it was given", command);
    // No room: a limit on the size of files stands for a full disk.
    let mut command = desk.command("sh", &["-c", "ulimit -f 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_mastermold")]);
    command.args(["sign", "release", "--key", "b.key"]);
    desk.changes_nothing(5, "writing release/public/SHA256SUMS.minisig", command);
    desk.verify("1", &["a"]).unwrap();
}

#[test]
fn a_release_that_is_not_whole_is_not_signed() {
    let desk = Desk::new();
    let manifest = desk.at("release/public/master-0/manifest.json");
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, [&good[..], b" "].concat()).unwrap();
    let sign = || desk.command(env!("CARGO_BIN_EXE_mastermold"), &["sign", "release", "--key", "a.key"]);
    desk.changes_nothing(3, "is not the file that SHA256SUMS lists", sign());
    fs::write(&manifest, good).unwrap();
    fs::write(desk.at("release/secrets/extra"), "x").unwrap();
    desk.changes_nothing(4, "nobody signed it", sign());
    fs::remove_file(desk.at("release/secrets/extra")).unwrap();
    // With --add, what is there must be of this release.
    desk.must(&["sign", "release", "--key", "a.key"]);
    let public = desk.at("release/public");
    let text = fs::read_to_string(public.join("SHA256SUMS.minisig")).unwrap();
    for (changed, says) in [(text.replace("version=2026", "version=2025"), "is of `mastermold"), ("x".into(), "strict")]
    {
        fs::write(public.join("SHA256SUMS.minisig"), changed).unwrap();
        let words = ["sign", "release", "--key", "b.key", "--add"];
        desk.changes_nothing(4, says, desk.command(env!("CARGO_BIN_EXE_mastermold"), &words));
    }
    // Without, it is replaced. And what a killed signer left is no reason to refuse.
    for name in ["public/.mastermold-1-0", "secrets/.mastermold-1-1"] {
        fs::write(desk.at("release").join(name), "half").unwrap();
    }
    desk.must(&["sign", "release", "--key", "a.key"]);
    desk.verify("1", &["a"]).unwrap();
    fs::rename(desk.at("release"), desk.at("moved")).unwrap();
    desk.fails(2, "release is no release", &["sign", "release", "--key", "a.key"]);
    desk.fails(2, "a.key is a file, and no release", &["sign", "a.key", "--key", "a.key"]);
}

trait Owned {
    fn to_owned_command(&mut self) -> Command;
}

impl Owned for Command {
    fn to_owned_command(&mut self) -> Command {
        std::mem::replace(self, Command::new("true"))
    }
}

/// The key's machine has the request alone; the build host never sees the key.
#[test]
fn asked_answered_and_attached() {
    let desk = Desk::new();
    let said = desk.must(&["sign", "release", "--request", "r.json"]);
    assert!(said.contains(IDENTITY) && said.contains("1 node, 5 files in public/, 2 files in secrets/"), "{said}");
    assert_eq!(desk.signatures("public").len() + desk.signatures("secrets").len(), 0);
    assert_eq!(fs::metadata(desk.at("r.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let request = fs::read_to_string(desk.at("r.json")).unwrap();
    assert!(request.contains("SHA256SUMS") || request.contains("secrets.cpio.gz"));
    for name in files(&desk.at("release/secrets")).iter().filter(|name| *name != "SHA256SUMS") {
        let bytes = fs::read(desk.at("release/secrets").join(name)).unwrap();
        assert!(
            !request.as_bytes().windows(bytes.len().min(24)).any(|window| window == &bytes[..bytes.len().min(24)]),
            "{name}"
        );
    }
    let away = desk.at("away");
    fs::create_dir(&away).unwrap();
    for name in ["r.json", "a.key", "s", "s.pub"] {
        fs::rename(desk.at(name), away.join(name)).unwrap();
    }
    let mut command = desk.command(env!("CARGO_BIN_EXE_mastermold"), &["sign", "r.json", "--answer", "../o.json"]);
    let said =
        finished(command.args(["--key", "a.key", "--ssh-key", "s"]).current_dir(&away).to_owned_command()).unwrap();
    assert!(said.contains(&format!("signing {IDENTITY} (1 node, 5 files in public/")), "{said}");
    fs::copy(away.join("s.pub"), desk.at("s.pub")).unwrap();

    // By a key that is not the one that was meant.
    desk.fails(
        4,
        "which is none of those given",
        &["sign", "release", "--attach", "o.json", "--key", "b.pub", "--key", "a.pub"],
    );
    assert_eq!(desk.signatures("public").len(), 0);
    desk.must(&["sign", "release", "--attach", "o.json"]);
    desk.verify("2", &["a", "s"]).unwrap();
    // Attached again it is the same; another one's goes beside it.
    let before = desk.state();
    desk.must(&["sign", "release", "--attach", "o.json", "--key", "a.pub", "--key", "s.pub", "--add"]);
    assert_eq!(desk.state(), before);
    let r = away.join("r.json");
    desk.must(&["sign", r.to_str().unwrap(), "--key", "b.key", "--answer", "b.json"]);
    desk.must(&["sign", "release", "--attach", "b.json", "--add"]);
    desk.verify("3", &["a", "b", "s"]).unwrap();
}

#[test]
fn requests_and_answers_that_are_not_what_was_asked() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--request", "r.json"]);
    desk.must(&["sign", "r.json", "--key", "a.key", "--answer", "o.json"]);
    let (request, answer) = ["r.json", "o.json"].map(|name| fs::read_to_string(desk.at(name)).unwrap()).into();
    let other = SecretKey::generate().unwrap().public().to_text().replace('\n', "\\n");
    let own = fs::read_to_string(desk.at("a.pub")).unwrap().replace('\n', "\\n");
    for (text, code, says) in [
        (request.replace("\"cluster\\\":\\\"prod", "\"cluster\\\":\\\"test"), 3, "manifest.json is not the file"),
        (request.replace("signing request of", "signing wish of"), 2, "no signing request"),
        (request.replace("  manifest.json", "  ../manifest.json"), 3, "line"),
        (request.replace("{\"format\":1", "{ \"format\":1"), 3, "not written as mastermold writes it"),
        (request.replace("{\"format\":1", "{\"format\":2"), 2, "has format 2"),
        (request.replace(",\"public\"", ",\"provenance\":\"{}\",\"public\""), 3, "provenance.json is not the file"),
        (request.replace(",\"public\"", ",\"x\":\"{}\",\"public\""), 3, "unknown field"),
        (answer.clone(), 3, "cannot be read"),
        (String::new(), 3, "cannot be read"),
    ] {
        assert_ne!(text, request);
        fs::write(desk.at("w.json"), text).unwrap();
        desk.fails(code, says, &["sign", "w.json", "--key", "a.key", "--answer", "x.json"]);
        assert!(!desk.at("x.json").exists(), "{says}");
    }
    for (text, code, says) in [
        (answer.replace("version=2026.11.1 ", "version=2026.11.2 "), 4, "the answer is for"),
        (answer.replace("epoch=2026-11-01T00:00:00Z\\n", "epoch=2026-11-02T00:00:00Z\\n"), 4, "and should say"),
        (answer.replace("\"public\"", "\"secret\""), 3, "signs `secret`"),
        (answer.replace("\"part\":\"public\"", "\"part\":\"secrets\""), 3, "another one than it is"),
        (answer.replace("\"minisig\"", "\"sshsig\""), 3, "another one than it is"),
        (answer.replace(&own, &other), 4, "which is not given"),
        (answer.replace("signatures of", "signature of"), 2, "no answer"),
        (request, 3, "cannot be read"),
    ] {
        assert_ne!(text, answer);
        fs::write(desk.at("w.json"), text).unwrap();
        desk.fails(code, says, &["sign", "release", "--attach", "w.json"]);
        assert_eq!(desk.signatures("public").len(), 0, "{says}");
    }
    desk.fails(2, "to sign a request, say where", &["sign", "r.json", "--key", "a.key"]);
    desk.fails(2, "release is no request", &["sign", "release", "--key", "a.key", "--answer", "x.json"]);
    // Attached where the secrets are not, or where the release is another by now.
    let secrets = desk.at("release/secrets");
    fs::rename(&secrets, desk.at("kept")).unwrap();
    desk.fails(2, "signs secrets/, which is not here", &["sign", "release", "--attach", "o.json"]);
    fs::rename(desk.at("kept"), &secrets).unwrap();
    fs::write(secrets.join("admin/admin.conf"), "other\n").unwrap();
    desk.fails(3, "is not the file that SHA256SUMS lists", &["sign", "release", "--attach", "o.json"]);
}

/// Signed by minisign and ssh-keygen themselves, with the list and nothing else.
#[test]
fn signatures_by_other_hands() {
    let desk = Desk::new();
    for (part, comment) in [("public", IDENTITY.to_owned()), ("secrets", format!("{IDENTITY} part=secrets"))] {
        fs::copy(desk.at("release").join(part).join("SHA256SUMS"), desk.at(part)).unwrap();
        desk.run("minisign", &["-S", "-s", "a.key", "-m", part, "-t", &comment, "-x", &format!("{part}.m")]).unwrap();
        desk.run("ssh-keygen", &["-Y", "sign", "-f", "s", "-n", &comment, part]).unwrap();
    }
    desk.fails(4, "which is not given; give its public key: --key PUB", &["sign", "release", "--attach", "public.m"]);
    desk.fails(4, "which is not given", &["sign", "release", "--attach", "public.m", "--key", "b.pub"]);
    desk.fails(4, "which is not given", &["sign", "release", "--attach", "public.sig", "--key", "b.pub"]);
    desk.must(&["sign", "release", "--attach", "public.m", "--attach", "secrets.m", "--key", "a.pub"]);
    desk.verify("1", &["a"]).unwrap();
    desk.must(&["sign", "release", "--attach", "public.sig", "--attach", "secrets.sig", "--add"]);
    desk.verify("2", &["a", "s"]).unwrap();
    desk.run("minisign", &["-S", "-s", "a.key", "-m", "public", "-t", "mine", "-x", "mine.m"]).unwrap();
    desk.fails(
        4,
        "the signature says `mine`, and should say",
        &["sign", "release", "--attach", "mine.m", "--key", "a.pub"],
    );
    desk.run("minisign", &["-S", "-s", "a.key", "-m", "secrets", "-t", IDENTITY, "-x", "crossed.m"]).unwrap();
    desk.fails(4, "is not one of these bytes", &["sign", "release", "--attach", "crossed.m", "--key", "a.pub"]);
}

/// What `verify` would refuse to read is not written.
#[test]
fn no_more_signatures_than_are_read() {
    let desk = Desk::new();
    desk.must(&["sign", "release", "--key", "a.key"]);
    let keys: Vec<String> = (0..64).map(|number| format!("k{number}.key")).collect();
    let mut words = vec!["sign", "release", "--add"];
    for key in &keys {
        desk.must(&["key", "new", key]);
        words.extend(["--key", key]);
    }
    let before = desk.state();
    desk.fails(2, "public/SHA256SUMS would have 65 signatures, more than 64", &words);
    assert_eq!(desk.state(), before);
    desk.must(&words[..words.len() - 2]);
    desk.verify("2", &["a", "k0"]).unwrap();
}

/// A process that is ended with the test, however that ends.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// ssh-keygen asks the agent, by the socket that the environment names.
#[test]
fn a_key_of_the_agent() {
    let desk = Desk::new();
    let mut command = desk.command("ssh-agent", &["-D", "-a", "agent"]);
    let agent = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let with_agent = |program: &str, words: &[&str]| {
        let mut command = desk.command(program, words);
        command.env("SSH_AUTH_SOCK", desk.at("agent")).env("TMPDIR", desk.at(""));
        finished(command)
    };
    let added = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        with_agent("ssh-add", &["-q", "s"]).is_ok()
    });
    fs::remove_file(desk.at("s")).unwrap();
    let line = fs::read_to_string(desk.at("s.pub")).unwrap();
    let results = ["s.pub", line.trim()].map(|key| {
        let made = with_agent(env!("CARGO_BIN_EXE_mastermold"), &["sign", "release", "--ssh-key", key]);
        let verified = desk.verify("1", &["s"]);
        (made, verified)
    });
    drop(agent);
    assert!(added);
    for (made, verified) in results {
        made.unwrap();
        verified.unwrap();
    }
    assert!(files(&desk.at("")).iter().all(|name| !name.starts_with(".mastermold-")));
}
