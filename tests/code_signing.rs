//! `key new --code-signing`, `pki code-signing` and `[boot] imgverify`, run as a person runs them.
#![expect(clippy::disallowed_methods, reason = "tests look at the disk, and panic")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use mastermold::digest::Digest;
use mastermold::pki::{Certificate, CodeSigner, Usage, cms};
use support::Project;

const PROFILE: &str = r#"
overlays = ["boot-signing"]
[cluster]
name = "lab"
version = "1.0.0"
epoch = 2026-11-01T00:00:00Z
[pki]
since = 2026-01-01T00:00:00Z
[pki.algorithms]
boot-ca = "rsa-2048" # the test's time
[[nodes]]
name = "m0"
[[outputs]]
format = "cpio"
"#;

fn project() -> Project {
    let project = Project::new(&[("profiles/lab.toml", PROFILE)]);
    project.must(&["pki", "init", "profiles/lab.toml", "--seed", &seed(&project)]);
    project
}

fn seed(project: &Project) -> String {
    beside(project, "lab.seed")
}

fn beside(project: &Project, name: &str) -> String {
    project.beside(name).display().to_string()
}

/// The words of `pki code-signing`, with these besides.
fn issuing<'a>(seed: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["pki", "code-signing", "profiles/lab.toml", "--seed", seed], more].concat()
}

#[test]
fn from_a_key_to_a_signature() {
    let project = project();
    let [key, public, chain, again] =
        ["boot.key", "boot.pub", "boot.pem", "again.pem"].map(|name| beside(&project, name));
    let said = project.must(&["key", "new", &key, "--code-signing", "--algorithm", "ecdsa-p256"]);
    assert!(said.contains("(ecdsa-p256) for boot files"), "{said}");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(project.fails(2, &["key", "new", &key, "--code-signing"]).contains("is not overwritten"));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), text);

    let seed = seed(&project);
    let said = project.must(&issuing(&seed, &["--authority", "boot-ca", "--key", &key, "-o", &chain]));
    assert!(
        said.contains("CN=boot-signer,O=lab (ECDSA P-256) may sign boot files until 2027-11-01T00:00:00Z"),
        "{said}"
    );
    let words = ["--authority", "boot-ca", "--public", &public, "-o", &again, "--until", "2027-11-01T00:00:00Z"];
    project.must(&issuing(&seed, &words));
    let pem = std::fs::read(&chain).unwrap();
    assert_eq!(pem, std::fs::read(&again).unwrap());

    project.must(&["pki", "export", "profiles/lab.toml", "-o", "export", "--seed", &seed]);
    let authorities = Certificate::parse(&std::fs::read(project.root().join("export/boot-ca.crt")).unwrap()).unwrap();
    assert_eq!((authorities.len(), authorities[0].path_length()), (1, Some(0)));
    let signer = CodeSigner::parse(text.as_bytes(), &pem).unwrap();
    assert_eq!(signer.chain()[0].usages(), [Usage::CodeSigning]);
    assert_eq!(signer.chain()[1..], authorities[..]);
    let digest = Digest::of(b"a kernel");
    let term = mastermold::pki::Term { at: "2026-12-01T00:00:00Z".parse().unwrap(), least: Default::default() };
    assert_eq!(
        cms::verify(&signer.sign(&digest).unwrap(), &digest, &authorities, &term).unwrap().chain,
        signer.chain()
    );
}

#[test]
fn what_cannot_be_issued_is_told() {
    let project = project();
    let (seed, key, out) = (seed(&project), beside(&project, "k"), beside(&project, "out"));
    project.must(&["key", "new", &key, "--code-signing", "--algorithm", "ecdsa-p256"]);
    let told = |code: i32, says: &str, words: &[&str]| {
        let said = project.fails(code, &issuing(&seed, &[words, &["-o", &out]].concat()));
        assert!(said.contains(says), "{says}: {said}");
        assert!(!project.beside("out").try_exists().unwrap());
    };
    told(2, "no authority `boot-cc`; did you mean `boot-ca`?", &["--authority", "boot-cc", "--key", &key]);
    told(2, "after its authority", &["--authority", "boot-ca", "--key", &key, "--days", "9999"]);
    told(2, "before its authority", &["--authority", "boot-ca", "--key", &key, "--since", "2020-01-01T00:00:00Z"]);
    told(2, "required", &["--authority", "boot-ca"]);
    told(
        2,
        "cannot be used with",
        &["--authority", "boot-ca", "--key", &key, "--days", "1", "--until", "2027-01-01T00:00:00Z"],
    );
    for kind in ["ed25519", "ecdsa-p384"] {
        let said = project.fails(2, &["key", "new", &out, "--code-signing", "--algorithm", kind]);
        assert!(said.contains(&format!("iPXE checks no signatures by {kind}")), "{said}");
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    told(4, "others may read it", &["--authority", "boot-ca", "--key", &key]);
}

#[test]
fn scripts_check_signatures_where_the_profile_says_so() {
    let base = "\n[base]\nkernel = { path = \"inputs/vmlinuz\" }\ninitrd = [{ path = \"inputs/base.cpio\" }]\ncmdline = \"quiet\"\n";
    // An archive of one empty file, /init.
    let member = |name: &str, mode: u32| {
        let fields = [1, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        let mut bytes =
            "070701".to_owned() + &fields.iter().map(|field| format!("{field:08X}")).collect::<String>() + name;
        (0..4 - bytes.len() % 4).for_each(|_| bytes.push('\0'));
        bytes
    };
    let initrd = member("init", 0o100_755) + &member("TRAILER!!!", 0);
    let build = |profile: &str| {
        let project = project();
        project.write("profiles/lab.toml", profile);
        project.write("inputs/base.cpio", &initrd);
        project.write("inputs/vmlinuz", "a kernel");
        let seed = seed(&project);
        project.must(&["lock", "profiles/lab.toml", "--seed", &seed]);
        project.must(&["build", "profiles/lab.toml", "--seed", &seed]);
        let public = project.root().join("out/lab/1.0.0/public");
        ["boot.ipxe", "m0/boot/boot.ipxe"].map(|name| std::fs::read_to_string(public.join(name)).unwrap()).concat()
    };
    let plain = format!("{PROFILE}{base}");
    assert!(!build(&plain).contains("imgverify"));
    assert!(!build(&format!("{plain}[boot]\nimgverify = false\n")).contains("imgverify"));
    let checked = build(&format!("{plain}[boot]\nimgverify = true\n"));
    assert_eq!(checked.matches("\nimgtrust --permanent || goto untrusting\n").count(), 2);
    // The node's script, the kernel, the base, the node's layer and its secrets.
    assert_eq!(checked.matches("\nimgverify ").count(), 5, "{checked}");
}
