//! Releases that are not what was signed, or not what was asked for: each is refused, and by its own name.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "verify/draft.rs"]
mod draft;
#[path = "verify/entries.rs"]
mod entries;
#[path = "verify/inspect.rs"]
mod inspect;
#[path = "verify/manifests.rs"]
mod manifests;
#[path = "verify/release.rs"]
mod release;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use draft::{Draft, Outputs, files, seal};
use mastermold::archive::Format;
use mastermold::bundle::{Asked, Part, Secrets, identity_comment, verify};
use mastermold::error::Class;
use mastermold::sign::{SecretKey, TrustedKey};
use mastermold::tree::Tree;
use release::{asked, edit, refused};

#[test]
fn every_format_split_and_merged() {
    let release = Draft { formats: Format::ALL.to_vec(), outputs: Outputs::ALL, ..Draft::default() }.release();
    let mut verified = release.verify().unwrap();
    // Per format: one common, and of two nodes each node, secrets and both merged ones.
    assert_eq!((verified.archives, verified.secrets), (6 * 9, Secrets::Checked));
    assert_eq!(verified.keys, release.keys());
    let listed = |part: &str| files(&release.at(part)).len() - 2;
    assert_eq!(verified.files, listed("public") + listed("secrets"));
    let [common, own, secret] = [draft::common(), draft::own("master-0"), draft::secret("master-0")];
    let both = draft::union(&[&common, &own]);
    let node = own.len() + secret.len() + both.len() + draft::union(&[&both, &secret]).len();
    assert_eq!(verified.entries, 6 * (common.len() + 2 * node) as u64);

    fs::remove_dir_all(release.at("secrets")).unwrap();
    verified = release.verify().unwrap();
    assert_eq!((verified.archives, verified.secrets), (6 * 5, Secrets::Absent));
}

#[test]
fn threads_change_nothing() {
    let release = Draft { formats: Format::ALL.to_vec(), outputs: Outputs::ALL, ..Draft::default() }.release();
    for name in files(&release.at("public")).iter().filter(|name| Format::of_name(name).is_some()) {
        fs::write(release.at("public").join(name), "changed").unwrap();
    }
    let told = |jobs| verify(&release.path(), &release.keys(), &Asked { jobs, ..asked() }).unwrap_err().to_string();
    let alone = told(0);
    assert_eq!(alone.lines().count(), 21);
    assert!(alone.ends_with("\nand 10 more"), "{alone}");
    assert!([1, 2, 3, 64].map(told).iter().all(|text| *text == alone));
}

#[test]
fn accepted_by_coreutils_and_minisign() {
    let release = Draft::default().release();
    fs::write(release.root.path().join("key.pub"), release.key.public().to_text()).unwrap();
    for part in ["public", "secrets"] {
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).current_dir(release.at(part)).output().unwrap().status.success()
        };
        assert!(run("sha256sum", &["-c", "--strict", "--quiet", "SHA256SUMS"]));
        assert!(run("minisign", &["-Vm", "SHA256SUMS", "-p", "../../key.pub"]));
    }
}

/// Every byte of every file that is not large, and many of those that are.
#[test]
fn every_flipped_byte_is_found() {
    let start = Instant::now();
    let halves = [0, 1].map(|half| std::thread::spawn(move || flip(half))).map(|thread| thread.join().unwrap());
    let [flips, integrity, trust] = [0, 1, 2].map(|index| halves.iter().map(|half| half[index]).sum::<usize>());
    println!("{flips} flips in {:?}: {integrity} integrity, {trust} trust", start.elapsed());
    assert_eq!(integrity + trust, flips);
    assert!(flips > 3000);
}

/// Flips every other byte; how many, and how many were found to be of the two classes.
fn flip(half: usize) -> [usize; 3] {
    let release = Draft { nodes: &["a"], ..Draft::default() }.release();
    let alone = Asked { jobs: 1, ..asked() };
    let verify = || verify(&release.path(), &release.keys(), &alone);
    verify().unwrap();
    let mut codes = [0; 9];
    for part in ["public", "secrets"] {
        for name in files(&release.at(part)) {
            let file = release.at(part).join(&name);
            let whole = fs::read(&file).unwrap();
            for at in (half..whole.len()).step_by(2 * (whole.len() / 4096 + 1)) {
                let mut bytes = whole.clone();
                // Each bit comes up, and with 0x20 a letter's case.
                bytes[at] ^= [1, 0x20, 0x80, 0xff, 2, 4, 8, 0x10, 0x40][at % 9];
                fs::write(&file, bytes).unwrap();
                let Err(error) = verify() else { panic!("byte {at} of {part}/{name} may be changed") };
                codes[usize::from(error.class().code())] += 1;
            }
            fs::write(&file, whole).unwrap();
        }
    }
    verify().unwrap();
    [codes.iter().sum(), codes[3], codes[4]]
}

#[test]
fn cut_and_longer_files() {
    let release = Draft { outputs: Outputs::ALL, ..Draft::default() }.release();
    for part in ["public", "secrets"] {
        for name in files(&release.at(part)) {
            let file = release.at(part).join(&name);
            let whole = fs::read(&file).unwrap();
            let class = if name.starts_with("SHA256SUMS") { Class::Trust } else { Class::Integrity };
            let cut = whole.len() / 2;
            for bytes in [&whole[..0], &whole[..cut], &whole[..whole.len() - 1], &[&whole[..], b"\n"].concat()] {
                fs::write(&file, bytes).unwrap();
                release.refused(class, &format!("{part}/{name}"));
            }
            fs::write(&file, whole).unwrap();
        }
    }
    release.verify().unwrap();
}

#[test]
fn missing_files() {
    let release = Draft { outputs: Outputs::ALL, ..Draft::default() }.release();
    for part in ["public", "secrets"] {
        for name in files(&release.at(part)) {
            let away = release.root.path().join("away");
            fs::rename(release.at(part).join(&name), &away).unwrap();
            match name.as_str() {
                "SHA256SUMS.minisig" => release.refused(Class::Trust, &format!("{part}/SHA256SUMS is not signed")),
                _ => release.refused(Class::Integrity, &format!("{part}/{name} is missing")),
            }
            fs::rename(&away, release.at(part).join(&name)).unwrap();
        }
    }
    refused(verify(&release.at("public"), &release.keys(), &asked()), Class::Usage, "has no public/");
    refused(verify(&release.at("nowhere"), &release.keys(), &asked()), Class::Usage, "has no public/");
}

#[test]
fn files_that_nobody_signed() {
    let names = [
        "public/x",
        "public/master-0/node.tar",
        "public/master-0/SHA256SUMS",
        "public/SHA256SUMS.sig",
        "public/SHA256SUMS.xyz.minisig",
        "public/master-0/SHA256SUMS.minisig",
        "secrets/SHA256SUMS.intoto.jsonl",
        "public/new/",
        "public/layers/.hidden",
        "public/a\nb",
        "secrets/admin/root.conf",
        "x",
        "new/",
    ];
    let release = Draft::default().release();
    for name in names {
        let at = release.at(name);
        if name.ends_with('/') { fs::create_dir(&at) } else { fs::write(&at, "x") }.unwrap();
        release.refused(Class::Trust, "nobody signed it");
        if name.ends_with('/') { fs::remove_dir(&at) } else { fs::remove_file(&at) }.unwrap();
    }
    for part in ["public", ""] {
        let at = release.at(part).join(OsStr::from_bytes(b"\xff"));
        fs::write(&at, "x").unwrap();
        refused(release.verify(), Class::Trust, "");
        fs::remove_file(at).unwrap();
    }
    release.verify().unwrap();
}

#[test]
fn what_is_no_file() {
    let release = Draft::default().release();
    let names =
        ["public/SHA256SUMS", "public/SHA256SUMS.minisig", "public/manifest.json", "public/master-0/node.cpio.gz"];
    for name in names.into_iter().chain(["public/extra", "secrets/admin/admin.conf"]) {
        let (at, away) = (release.at(name), release.root.path().join("away"));
        let _ = fs::rename(&at, &away);
        symlink(&away, &at).unwrap();
        release.refused(Class::Policy, "symlink");
        fs::remove_file(&at).unwrap();
        assert!(Command::new("mkfifo").arg(&at).status().unwrap().success());
        release.refused(Class::Policy, name.rsplit('/').next().unwrap());
        fs::remove_file(&at).unwrap();
        let _ = fs::rename(&away, &at);
    }
    for name in ["public", "secrets", "public/layers", "public/master-0", "secrets/admin"] {
        let (at, away) = (release.at(name), release.root.path().join("away"));
        fs::rename(&at, &away).unwrap();
        symlink(&away, &at).unwrap();
        release.refused(Class::Policy, name);
        fs::remove_file(&at).unwrap();
        fs::rename(&away, &at).unwrap();
    }
    release.verify().unwrap();
}

#[test]
fn another_place_for_signed_bytes() {
    let release = Draft::default().release();
    let (a, b, away) = (release.at("public/master-0"), release.at("public/master-1"), release.root.path().join("away"));
    fs::rename(&a, &away).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&away, &b).unwrap();
    release.refused(Class::Trust, "public/master-0/manifest.json is signed as public/master-1/manifest.json");
    // Signed again as they lie, each still says whose it is.
    release.seal();
    release.refused(Class::Trust, "is of node `master-1`");
    fs::rename(&a, release.at("public/master-2")).unwrap();
    release.refused(Class::Trust, "public/master-2/manifest.json is not in SHA256SUMS: nobody signed it");
}

#[test]
fn mixed_from_two_releases() {
    let (one, two) = (Draft::default().release(), Draft { version: "2026.11.2", ..Draft::default() });
    two.write(&one.root.path().join("two"), &one.key);
    let two = |name: &str| one.root.path().join("two").join(name);
    for (names, class, words) in [
        (&["public/manifest.json"][..], Class::Integrity, "public/manifest.json"),
        (&["public/SHA256SUMS.minisig"], Class::Trust, "public/SHA256SUMS.minisig"),
        (&["public/SHA256SUMS"], Class::Trust, "public/SHA256SUMS.minisig"),
        (&["public/SHA256SUMS", "public/SHA256SUMS.minisig"], Class::Integrity, "public/manifest.json"),
        (
            &["public/SHA256SUMS", "public/SHA256SUMS.minisig", "public/manifest.json"],
            Class::Trust,
            "secrets/SHA256SUMS is signed as",
        ),
        (&["secrets/SHA256SUMS", "secrets/SHA256SUMS.minisig"], Class::Trust, "secrets/SHA256SUMS is signed as"),
    ] {
        let before: Vec<_> = names.iter().map(|name| fs::read(one.at(name)).unwrap()).collect();
        for name in names {
            fs::copy(two(name), one.at(name)).unwrap();
        }
        one.refused(class, words);
        for (name, bytes) in names.iter().zip(before) {
            fs::write(one.at(name), bytes).unwrap();
        }
    }
    one.verify().unwrap();
}

#[test]
fn another_release_than_asked_for() {
    let release = Draft::default().release();
    type Change = fn(&mut Asked);
    let ask = |change: Change| {
        let mut asked = asked();
        change(&mut asked);
        verify(&release.path(), &release.keys(), &asked)
    };
    let fits = ask(|asked| {
        asked.cluster = Some("prod".into());
        asked.node = Some("master-1".into());
        asked.version = Some("2026.11.1".into());
        asked.min_version = Some("2026.11.1".parse().unwrap());
    });
    fits.unwrap();
    let other: [(Change, &str); 5] = [
        (|asked| asked.cluster = Some("test".into()), "is for cluster `prod`, not for `test`"),
        (|asked| asked.version = Some("2026.11".into()), "is version 2026.11.1, not 2026.11"),
        (|asked| asked.min_version = Some("2026.11.2".parse().unwrap()), "2026.11.2 is the oldest allowed"),
        (|asked| asked.min_version = Some("2026.11.1.0".parse().unwrap()), "2026.11.1.0 is the oldest allowed"),
        (|asked| asked.node = Some("master-9".into()), "has no node `master-9`, but master-0, master-1"),
    ];
    for (change, words) in other {
        refused(ask(change), Class::Trust, words);
    }
}

#[test]
fn keys() {
    let release = Draft::default().release();
    let other: TrustedKey = SecretKey::generate().unwrap().public().into();
    let ours: TrustedKey = release.key.public().into();
    let with = |keys: &[TrustedKey]| verify(&release.path(), keys, &asked());
    refused(with(&[]), Class::Trust, "no public key is given");
    let words = format!("public/SHA256SUMS is signed by key {ours}, and trusted is {other}");
    refused(with(std::slice::from_ref(&other)), Class::Trust, &words);
    let both = [other, ours.clone()];
    assert_eq!(with(&both).unwrap().keys, std::slice::from_ref(&ours));
    // Each part may be signed by another of them.
    let second = SecretKey::generate().unwrap();
    seal(&release.path(), Part::Secrets, &identity_comment(&with(&both).unwrap().manifest, Part::Secrets), &second);
    refused(with(&both), Class::Trust, "secrets/SHA256SUMS is signed by key");
    with(&[ours, second.public().into()]).unwrap();
    for bytes in [b"".to_vec(), vec![b'x'; 10 << 20], vec![0xff; 100]] {
        fs::write(release.at("public/SHA256SUMS.minisig"), bytes).unwrap();
        refused(with(&both), Class::Trust, "public/SHA256SUMS.minisig");
    }
}

/// Root may read everything, so this is asked as somebody else: by this program, run again as that user.
#[test]
fn what_may_not_be_read() {
    const AS_OTHER: &str = "MASTERMOLD_TEST_RELEASE";
    if let Some(release) = std::env::var_os(AS_OTHER) {
        let key = TrustedKey::parse(&fs::read_to_string(PathBuf::from(&release).join("../key.pub")).unwrap()).unwrap();
        let error = verify(&PathBuf::from(release), &[key], &asked()).unwrap_err();
        assert_eq!(error.class(), Class::Environment, "{error}");
        println!("{error}");
        return;
    }
    let release = Draft::default().release();
    fs::write(release.root.path().join("key.pub"), release.key.public().to_text()).unwrap();
    // The program may lie where that user cannot go.
    let program = release.root.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(release.root.path(), 0o755);
    for name in ["public/SHA256SUMS", "public/manifest.json", "public/master-0/node.cpio.gz", "public/layers", "public"]
    {
        let usual = fs::metadata(release.at(name)).unwrap().permissions().mode();
        mode(&release.at(name), 0o000);
        let mut again = Command::new(&program);
        again.args(["--exact", "what_may_not_be_read", "--nocapture"]).env(AS_OTHER, release.path());
        if fs::File::open(release.at(name)).is_ok() {
            again.uid(65534).gid(65534);
        }
        let output = again.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("Permission denied"), "{name}: {text}");
        mode(&release.at(name), usual);
    }
}

/// Sums alone: files are hashed, and nothing else is asked of them.
#[test]
fn sums_alone() {
    let sums = Asked { sums: true, ..asked() };
    let packed = |path: &str, tree: &mut Tree| {
        if path.contains("node.") {
            edit(tree, "/etc/hostname", |entry| entry.mode = 0o666);
        }
    };
    let release = Draft { packed: Box::new(packed), ..Draft::default() }.release();
    release.refused(Class::Integrity, "/etc/hostname with mode 0666");
    let verified = verify(&release.path(), &release.keys(), &sums).unwrap();
    assert!(verified.files > 5 && (verified.archives, verified.entries, verified.certificates) == (0, 0, 0));
    let archive = verified.manifest.artifacts.last().unwrap().path.clone();
    let mut bytes = fs::read(release.at(&archive)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(release.at(&archive), bytes).unwrap();
    refused(verify(&release.path(), &release.keys(), &sums), Class::Integrity, &archive);
}
