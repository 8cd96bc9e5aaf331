//! `boot` with a stand-in for QEMU, which keeps what it is given: the bytes of the initrd, the words, what is left
//! behind, and how the console is read. Real machines are started by tests/e2e/boot-verb.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at the disk, and panic")]

#[path = "support/lab.rs"]
mod lab;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::Lab;

/// A release, and a QEMU that does what a script says after it has kept what it was given.
struct Host {
    lab: Lab,
    beside: tempfile::TempDir,
}

/// How the program ended: exit code, standard output, standard error.
type Ended = (i32, String, String);

impl Host {
    fn new(then: &str) -> Host {
        let host = Host { lab: Lab::new(), beside: tempfile::tempdir().unwrap() };
        let keep = host.path("kept");
        fs::create_dir(&keep).unwrap();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >{keep}/words\nwhile [ $# -gt 0 ]; do case $1 in\n\
             -initrd) cp \"$2\" {keep}/initrd; stat -c %a \"$2\" >{keep}/mode; stat -c %a \"${{2%/*}}\" >>{keep}/mode ;;\n\
             -kernel) cp \"$2\" {keep}/kernel ;;\nesac; shift; done\n{then}\n",
            keep = keep.display()
        );
        let program = host.path("bin/qemu-system-x86_64");
        fs::create_dir(program.parent().unwrap()).unwrap();
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.beside.path().join(name)
    }

    fn kept(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("kept").join(name)).unwrap()
    }

    fn words(&self) -> Vec<String> {
        String::from_utf8(self.kept("words")).unwrap().lines().map(str::to_owned).collect()
    }

    /// The word behind this one.
    fn word(&self, name: &str) -> String {
        let words = self.words();
        words[words.iter().position(|word| word == name).unwrap() + 1].clone()
    }

    fn boot(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mastermold"));
        command.arg("boot").arg(self.lab.root()).args(["m0", "--accel", "tcg"]).args(words).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("XDG_CACHE_HOME", self.path("cache")).current_dir(self.beside.path());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let left = fs::read_dir(self.path("cache/mastermold/boot")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something is left behind");
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn the_initrds_are_joined_in_order_and_filled_up() {
    let host = Host::new("exit 0");
    let (code, _, errors) = host.boot(&[]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(host.kept("initrd"), b"base.\0\0\0m0.\0secret\0\0");
    assert_eq!(host.kept("kernel"), host.lab.read("public/boot/kernel"));
    assert_eq!(host.kept("mode"), b"600\n700\n", "secrets are in it");
    assert_eq!(host.word("-append"), "console=ttyS0 mastermold.name=m0");
    // What the record says and a quarter, and half a GiB.
    assert_eq!(host.word("-m"), "1792M");
    assert!(errors.contains("m0: 1792 MiB of memory, 2 processors"), "{errors}");
    let (code, ..) = host.boot(&["--without-secrets", "--append", "a b", "--memory", "3GiB", "--cpus", "4"]);
    assert_eq!(code, 0);
    assert_eq!(host.kept("initrd"), b"base.\0\0\0m0.\0");
    assert_eq!(host.word("-append"), "console=ttyS0 mastermold.name=m0 a b");
    assert_eq!((host.word("-m").as_str(), host.word("-smp").as_str()), ("3072M", "4"));
}

#[test]
fn what_is_expected_ends_the_machine() {
    let host = Host::new("echo complaint >&2; sleep 1; echo first; printf 'login: '; exec sleep 60");
    let begun = Instant::now();
    let (code, output, errors) = host.boot(&["--expect", "ogin: ", "--timeout", "30"]);
    assert_eq!((code, output.as_str()), (0, "first\nlogin: \n"), "{errors}");
    assert!(errors.contains("complaint") && begun.elapsed() < Duration::from_secs(20), "{errors}");
    assert!(host.word("-append").ends_with(" panic=-1"));
}

#[test]
fn what_is_not_seen_is_told_with_the_last_lines() {
    let host = Host::new("echo one; echo two");
    let (code, output, errors) = host.boot(&["--expect", "three", "--timeout", "30"]);
    assert_eq!((code, output.as_str()), (5, "one\ntwo\n"));
    assert!(errors.contains("the machine ended before `three` was on the console"), "{errors}");
    assert!(errors.contains("the last lines were: one | two"), "{errors}");
    let host = Host::new("exec sleep 60");
    let (code, _, errors) = host.boot(&["--expect", "three", "--timeout", "1"]);
    assert!(code == 5 && errors.contains("1 s were over before") && errors.contains("nothing at all"), "{errors}");
    let (code, _, errors) = host.boot(&["--timeout", "1"]);
    assert!(code == 5 && errors.contains("still running when its time was over"), "{errors}");
}

#[test]
fn a_panic_is_the_reason_and_what_comes_after_an_unpacking_that_failed_is_still_seen() {
    let host = Host::new("echo 'Initramfs unpacking failed: junk'; sleep 1; echo 'guard: refused'; exec sleep 60");
    let (code, _, errors) = host.boot(&["--expect", "guard: refused", "--timeout", "30"]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("the kernel complains: Initramfs unpacking failed: junk"), "{errors}");
    let host = Host::new("echo 'Kernel panic - not syncing: no init'; exec sleep 60");
    let begun = Instant::now();
    let (code, _, errors) = host.boot(&["--expect", "up", "--timeout", "50"]);
    assert!(begun.elapsed() < Duration::from_secs(30), "a machine that stands still after a panic is not waited for");
    assert!(code == 5 && errors.contains("the kernel panicked before `up`"), "{errors}");
}

#[test]
fn segments_and_disks() {
    let host = Host::new("exit 0");
    let words = [
        "--network",
        "lab",
        "--net",
        "user",
        "--disk",
        "s.img:1MiB",
        "--disk",
        "data=d.img:1MiB",
        "--second-serial",
        "r",
    ];
    let (code, _, errors) = host.boot(&words);
    assert_eq!(code, 0, "{errors}");
    let words = host.words().join(" ");
    assert!(words.contains("-netdev socket,id=n0,mcast=230.0.0.1:22257,localaddr=127.0.0.1 "), "{words}");
    assert!(words.contains("-netdev user,id=n1 ") && words.contains("-serial file:r"), "{words}");
    assert!(words.contains("drive=d0,serial=state -blockdev") && words.ends_with("drive=d1,serial=data"), "{words}");
    let metadata = fs::metadata(host.path("s.img")).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (1 << 20, 0o600));
    fs::write(host.path("s.img"), "precious").unwrap();
    assert_eq!(host.boot(&["--disk", "s.img:1MiB"]).0, 0);
    assert_eq!(fs::read(host.path("s.img")).unwrap(), b"precious");
}

#[test]
fn what_cannot_be_started_is_told_before_anything_is() {
    let host = Host::new("exit 0");
    for (words, code, told) in [
        (&["--disk", "none.img"][..], 2, "its size is not given"),
        (&["--disk", "bin"], 2, "is no file"),
        (&["--pxe=uefi", "--ipxe", "bin/qemu-system-x86_64"], 5, ""),
        (&["--pxe", "--append", "x"], 2, "cannot be used with"),
        (&["--second-serial", "a\nb"], 2, "cannot be given"),
        (&["--memory", "much"], 2, "is not a size"),
    ] {
        let (ended, _, errors) = host.boot(words);
        assert!(ended == code && errors.contains(told), "{words:?}: {ended} {errors}");
        assert!(!host.path("kept/words").exists(), "{words:?}");
    }
    let failing = Host::new("echo 'no such thing' >&2; exit 1");
    let (code, _, errors) = failing.boot(&["--expect", "x"]);
    assert!(code == 5 && errors.contains("no such thing"), "{errors}");
}
