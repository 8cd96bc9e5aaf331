//! The seed at rest, as the program takes it and makes it: plain and encrypted, by path, descriptor and credential, and
//! everything that is refused. Each refusal has its class, is one line, and repeats nothing secret.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use age::armor::{ArmoredWriter, Format};
use age::secrecy::{ExposeSecret, SecretString};
use support::Project;

const PROFILE: &str = r#"
overlays = ["pki"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[nodes]]
name = "a"
[[outputs]]
format = "tar"
"#;

const PKI: &str = r#"
[[authorities]]
name = "ca"
subject = { cn = "ca" }
cert = ["/etc/pki/ca.crt"]
[[secrets]]
name = "token"
shape = "hex"
path = "/etc/token"
"#;

const PASSPHRASE: &str = "correct horse battery staple";

/// A project with a lock, its seed in plain and encrypted, and what opens it; all beside the project.
struct Vault {
    project: Project,
    secrets: Vec<String>,
}

impl Vault {
    fn new() -> Vault {
        let project = Project::new(&[("profiles/p.toml", PROFILE), ("overlays/pki/overlay.toml", PKI)]);
        let mut vault = Vault { project, secrets: vec![PASSPHRASE.into()] };
        let plain = vault.path("plain");
        std::fs::create_dir(vault.path("directory")).unwrap();
        vault.project.must(&["pki", "init", "profiles/p.toml", "--seed", &plain]);
        vault.project.must(&["lock", "profiles/p.toml", "--seed", &plain]);
        let text = std::fs::read(&plain).unwrap();
        vault.secrets.push(String::from_utf8_lossy(&text[18..82]).into_owned());
        let [mine, other] = [(); 2].map(|()| age::x25519::Identity::generate());
        for (name, key) in [("mine", &mine), ("other", &other)] {
            let line = key.to_string().expose_secret().to_owned();
            vault.secret(name, format!("# public key: {}\n{line}\n", key.to_public()).as_bytes());
            vault.secrets.push(line);
        }
        vault.secret("passphrase", format!("{PASSPHRASE}\nsecond line\n").as_bytes());
        vault.secret("identity.age", &encrypted(&text, &[&mine.to_public()]));
        vault.secret("both.age", &encrypted(&text, &[&other.to_public(), &mine.to_public()]));
        vault.secret("passphrase.age", &encrypted(&text, &[&cheap(PASSPHRASE)]));
        vault
    }

    fn path(&self, name: &str) -> String {
        self.project.beside(name).display().to_string()
    }

    /// Writes a file beside the project that only its owner may read.
    fn secret(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.project.beside(name);
        std::fs::write(&path, bytes).unwrap();
        self.mode(name, 0o600);
        self.path(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.project.beside(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    fn out(&self) -> PathBuf {
        self.project.beside("out")
    }

    /// `build` with these words, through a shell line in which it stands as `"$@"`; a run that hangs is ended.
    fn shell(&self, line: &str, words: &[&str], environment: &[(&str, &str)]) -> Output {
        let out = self.out().display().to_string();
        let program = self.project.command(&[&["build", "profiles/p.toml", "-o", &out], words].concat());
        let mut command = Command::new("timeout");
        command.args(["-k", "1", "20", "sh", "-c", line, "sh"]).arg(program.get_program()).args(program.get_args());
        command.current_dir(self.project.root()).env_clear().envs(environment.iter().copied());
        let variables = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(variables).output().unwrap()
    }

    /// A build that succeeds, and every file of its release.
    fn built(&self, line: &str, words: &[&str], environment: &[(&str, &str)]) -> BTreeMap<PathBuf, Vec<u8>> {
        if self.out().exists() {
            std::fs::remove_dir_all(self.out()).unwrap();
        }
        let output = self.shell(line, words, environment);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        self.harmless(&output);
        files(&self.out().join("prod/1.0"))
    }

    /// A build that is refused: the class, one line that says this, and nothing secret in it.
    fn refused(&self, code: i32, said: &[&str], words: &[&str]) {
        self.refused_with(code, said, "exec \"$@\"", words, &[]);
    }

    fn refused_with(&self, code: i32, said: &[&str], line: &str, words: &[&str], environment: &[(&str, &str)]) {
        let output = self.shell(line, words, environment);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        assert_eq!((text.lines().count(), output.stdout.len()), (1, 0), "{words:?}: {text}");
        for said in said {
            assert!(text.contains(said), "{words:?}: `{said}` is not in: {text}");
        }
        self.harmless(&output);
        assert!(!self.out().join("prod").exists(), "{words:?} left a release");
    }

    /// `pki init` with these words: its exit code, and what it says.
    fn init(&self, words: &[&str]) -> (i32, String) {
        let output = self.project.command(&[&["pki", "init", "profiles/p.toml"], words].concat()).output().unwrap();
        self.harmless(&output);
        (output.status.code().unwrap(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// The recipient of an identity file.
    fn public(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.project.beside(name)).unwrap();
        text.lines().next().unwrap().trim_start_matches("# public key: ").to_owned()
    }

    fn harmless(&self, output: &Output) {
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        for secret in &self.secrets {
            assert!(!text.contains(&secret[..secret.len().min(20)]), "a secret was said: {text}");
        }
    }
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => drop(found.insert(path.clone(), std::fs::read(&path).unwrap())),
            }
        }
    }
    assert!(found.len() > 5, "a release has more files");
    found
}

/// A passphrase with a work factor that costs nothing.
fn cheap(passphrase: &str) -> age::scrypt::Recipient {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(2);
    recipient
}

fn encrypted(text: &[u8], recipients: &[&dyn age::Recipient]) -> Vec<u8> {
    let mut file = Vec::new();
    let encryptor = age::Encryptor::with_recipients(recipients.iter().copied()).unwrap();
    let mut writer = encryptor.wrap_output(&mut file).unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap();
    file
}

#[test]
fn a_release_is_the_same_whatever_the_seed_was_wrapped_in() {
    let vault = Vault::new();
    let [plain, identity, both, protected] =
        ["plain", "identity.age", "both.age", "passphrase.age"].map(|name| vault.path(name));
    let [mine, passphrase] = ["mine", "passphrase"].map(|name| vault.path(name));
    let exec = "exec \"$@\"";
    let wanted = vault.built(exec, &["--seed", &plain], &[]);
    let same = |line: &str, words: &[&str], environment: &[(&str, &str)]| {
        assert!(vault.built(line, words, environment) == wanted, "{line} {words:?}");
    };
    for file in [&identity, &both] {
        same(exec, &["--seed", file, "--seed-identity", &mine], &[]);
    }
    same(exec, &["--seed", &protected, "--seed-passphrase", &passphrase], &[]);
    let lock = ["lock", "profiles/p.toml", "--seed", &identity, "--seed-identity", &mine];
    assert!(vault.project.must(&lock).contains("unchanged"));
    // What opens it may be given when there is nothing to open.
    same(exec, &["--seed", &plain, "--seed-passphrase", &passphrase], &[]);
    // Armored, encrypted once more, and the passphrase's file from another system.
    let mut armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).unwrap();
    armored.write_all(&encrypted(&std::fs::read(&plain).unwrap(), &[&cheap(PASSPHRASE)])).unwrap();
    let armored = vault.secret("armored.age", &armored.finish().unwrap());
    let foreign = vault.secret("foreign", format!("{PASSPHRASE}\r\n").as_bytes());
    same(exec, &["--seed", &armored, "--seed-passphrase", &foreign], &[]);
    // By descriptor, from a file and from a pipe; through a symlink.
    same(&format!("exec \"$@\" --seed-fd 5 5<'{identity}'"), &["--seed-identity", &mine], &[]);
    same(&format!("cat '{protected}' | \"$@\" --seed-fd 0"), &["--seed-passphrase", &passphrase], &[]);
    symlink(&identity, vault.path("link")).unwrap();
    same(exec, &["--seed", &vault.path("link"), "--seed-identity", &mine], &[]);
}

#[test]
fn systemd_credentials_give_all_of_it() {
    let vault = Vault::new();
    let wanted = vault.built("exec \"$@\"", &["--seed", &vault.path("plain")], &[]);
    let directory = vault.path("credentials");
    let exec = "exec \"$@\"";
    for (seed, opener, name) in [
        ("identity.age", "mine", "mastermold.seed-identity"),
        ("passphrase.age", "passphrase", "mastermold.seed-passphrase"),
    ] {
        std::fs::create_dir_all(&directory).unwrap();
        for (from, to) in [(seed, "mastermold.seed"), (opener, name)] {
            std::fs::copy(vault.path(from), vault.project.beside("credentials").join(to)).unwrap();
            // systemd gives a service's user its credentials by an access control list: see `disk::read_credential`.
            vault.mode(&format!("credentials/{to}"), 0o440);
        }
        let environment = [("CREDENTIALS_DIRECTORY", directory.as_str())];
        assert!(vault.built(exec, &[], &environment) == wanted, "{name}");
        // What opens the seed may be a credential while the seed is not; an option is stronger than a credential.
        assert!(vault.built(exec, &["--seed", &vault.path(seed)], &environment) == wanted, "{name}");
        std::fs::remove_dir_all(vault.out()).unwrap();
        let other = vault.path("other");
        let option = name.replace("mastermold.", "--");
        vault.refused_with(4, &["open the seed"], exec, &[&option, &other], &environment);
        vault.mode(&format!("credentials/{name}"), 0o444);
        vault.refused_with(4, &["others may read it (mode 0444)"], exec, &[], &environment);
        std::fs::remove_file(vault.project.beside("credentials").join(name)).unwrap();
        vault.refused_with(2, &["none is given", name, &option], exec, &[], &environment);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn files_that_are_no_seed() {
    let vault = Vault::new();
    let text = std::fs::read_to_string(vault.project.beside("plain")).unwrap();
    let sealed = std::fs::read(vault.project.beside("identity.age")).unwrap();
    let protected = std::fs::read(vault.project.beside("passphrase.age")).unwrap();
    let mine = vault.path("mine");
    let cut = [&sealed[..sealed.len() - 1], &protected[..100]];
    let same = format!("mastermold-seed-1:{}\n", "41".repeat(32));
    let inside = age::x25519::Identity::generate().to_public();
    let rows: [(i32, &str, Vec<u8>); 12] = [
        (2, "is not a seed", b"".to_vec()),
        (2, "is not a seed", b"\n".to_vec()),
        (2, "is not a seed", text.replace('\n', "\r\n").into_bytes()),
        (2, "is not a seed", text[..60].into()),
        (2, "is not a seed", text.replace("seed-1", "seed-2").into_bytes()),
        (2, "is not a seed", vec![b'A'; 83]),
        (4, "one byte repeated", same.into_bytes()),
        (2, "more than 65536 bytes", vec![b'x'; 1 << 20]),
        (3, "damaged", cut[0].to_vec()),
        (3, "damaged", cut[1].to_vec()),
        (3, "damaged", [&sealed[..], b"\n"].concat()),
        (4, "does not open the seed", encrypted(text.as_bytes(), &[&inside])),
    ];
    for (code, said, bytes) in rows {
        let bad = vault.secret("bad", &bytes);
        vault.refused(code, &[said, &bad], &["--seed", &bad, "--seed-identity", &mine]);
        let by_descriptor = format!("exec \"$@\" --seed-fd 5 5<'{bad}'");
        vault.refused_with(code, &[said, "escriptor 5"], &by_descriptor, &["--seed-identity", &mine], &[]);
    }
    vault.refused(5, &["No such file"], &["--seed", &vault.path("none")]);
    vault.refused(2, &["not a regular file"], &["--seed", &vault.path("directory")]);
    let fifo = Command::new("mkfifo").args(["-m", "600", &vault.path("fifo")]).status().unwrap();
    assert!(fifo.success());
    vault.refused(2, &["not a regular file"], &["--seed", &vault.path("fifo")]);
    vault.refused(2, &["not a regular file"], &["--seed", "/dev/zero"]);
    symlink(vault.path("gone"), vault.path("dangling")).unwrap();
    vault.refused(5, &["No such file"], &["--seed", &vault.path("dangling")]);
    vault.refused_with(2, &["descriptor 0 gives more"], "yes | \"$@\" --seed-fd 0", &[], &[]);
    vault.refused(5, &["/dev/fd/77"], &["--seed-fd", "77"]);
}

#[test]
fn what_opens_an_encrypted_seed_must_be_there_and_right() {
    let vault = Vault::new();
    let [identity, protected, mine, other, passphrase] =
        ["identity.age", "passphrase.age", "mine", "other", "passphrase"].map(|name| vault.path(name));
    vault.refused(2, &["--seed-identity FILE", "mastermold.seed-identity", &identity], &["--seed", &identity]);
    vault.refused(2, &["--seed-passphrase FILE", "mastermold.seed-passphrase"], &["--seed", &protected]);
    // The wrong kind is as none.
    vault.refused(2, &["--seed-identity"], &["--seed", &identity, "--seed-passphrase", &passphrase]);
    vault.refused(2, &["--seed-passphrase"], &["--seed", &protected, "--seed-identity", &mine]);
    vault.refused(4, &["identity does not open the seed"], &["--seed", &identity, "--seed-identity", &other]);
    let wrong = vault.secret("wrong", b"Correct horse battery staple\n");
    vault.refused(4, &["passphrase does not open"], &["--seed", &protected, "--seed-passphrase", &wrong]);

    let rows: [(&str, Vec<u8>); 6] = [
        ("no identity", b"".to_vec()),
        ("no identity", b"# nothing\n".to_vec()),
        ("line 1: this is no age identity", vault.public("mine").into_bytes()),
        ("line 2: this is a key of ssh", b"\n-----BEGIN OPENSSH PRIVATE KEY-----\n".to_vec()),
        ("encrypted themselves", std::fs::read(&protected).unwrap()),
        ("more than 65536 bytes", vec![b'#'; 1 << 20]),
    ];
    for (said, bytes) in rows {
        let bad = vault.secret("bad", &bytes);
        vault.refused(2, &[said, &bad], &["--seed", &identity, "--seed-identity", &bad]);
    }
    for (said, bytes) in
        [("holds no passphrase", &b""[..]), ("holds no passphrase", b"\nx\n"), ("not UTF-8", b"\xff\n")]
    {
        let bad = vault.secret("bad", bytes);
        vault.refused(2, &[said, &bad], &["--seed", &protected, "--seed-passphrase", &bad]);
    }
    for option in ["--seed-identity", "--seed-passphrase"] {
        let seed = if option == "--seed-identity" { &identity } else { &protected };
        vault.refused(5, &["No such file"], &["--seed", seed, option, &vault.path("none")]);
        vault.refused(2, &["not a regular file"], &["--seed", seed, option, &vault.path("directory")]);
    }
}

#[test]
fn what_others_can_read_or_the_project_holds_is_refused() {
    let vault = Vault::new();
    let [identity, protected, mine, passphrase] =
        ["identity.age", "passphrase.age", "mine", "passphrase"].map(|name| vault.path(name));
    let uses: [(&str, Vec<&str>); 4] = [
        ("plain", vec!["--seed"]),
        ("identity.age", vec!["--seed-identity", &mine, "--seed"]),
        ("mine", vec!["--seed", &identity, "--seed-identity"]),
        ("passphrase", vec!["--seed", &protected, "--seed-passphrase"]),
    ];
    for (name, words) in &uses {
        let path = vault.path(name);
        for mode in [0o604, 0o640, 0o644, 0o602] {
            vault.mode(name, mode);
            let said = [format!("(mode {mode:04o})"), format!("chmod 600 {path}")];
            vault.refused(4, &said.each_ref().map(String::as_str), &[&words[..], &[&path]].concat());
        }
        vault.mode(name, 0o600);
        let inside = vault.project.root().join("inside");
        std::fs::rename(&path, &inside).unwrap();
        symlink(&inside, &path).unwrap();
        for place in ["inside", inside.to_str().unwrap(), &path] {
            vault.refused(8, &["is inside the project", "keep it outside"], &[&words[..], &[place]].concat());
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&inside, &path).unwrap();
    }
    for words in [["--seed", &identity, "--seed-fd", "0"], ["--seed-identity", &mine, "--seed-passphrase", &passphrase]]
    {
        assert_eq!(vault.shell("exec \"$@\"", &words, &[]).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_lost_seed_is_named_by_its_fingerprint() {
    let vault = Vault::new();
    let lock = std::fs::read_to_string(vault.project.root().join("profiles/p.lock")).unwrap();
    let locked = lock.lines().find_map(|line| line.strip_prefix("seed = \"")).unwrap().trim_end_matches('"').to_owned();
    // Nothing where it should be, and it is known which one should be there.
    vault.refused(2, &["there is no seed at", "prod.seed", &locked, "copy"], &[]);
    // A new one in its place.
    let made = vault.project.must(&["pki", "init", "profiles/p.toml", "--format", "json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let fingerprint = made["fingerprint"].as_str().unwrap();
    assert_ne!(fingerprint, locked);
    vault.refused(4, &[fingerprint, &locked, "--seed", "mastermold lock"], &[]);
    // There never was one.
    std::fs::remove_file(made["seed"].as_str().unwrap()).unwrap();
    vault.project.write("profiles/p.lock", &lock.replace(&format!("seed = \"{locked}\"\n"), ""));
    vault.refused(2, &["there is no seed at", "make one with `mastermold pki init profiles/p.toml`"], &[]);
}

#[test]
fn pki_init_encrypts_and_leaves_nothing_half_written() {
    let vault = Vault::new();
    let init = |words: &[&str]| vault.init(words);
    let (mine, other) = (vault.public("mine"), vault.public("other"));
    let list = vault.secret("team", format!("# the team\n{other}\n").as_bytes());
    vault.mode("team", 0o644);
    let passphrase = vault.path("passphrase");
    let rows: [(&str, &[&str], &str, &str, &str); 3] = [
        ("one.age", &["--recipient", &mine], "for one recipient", "--seed-identity", "mine"),
        ("two.age", &["--recipient", &mine, "--recipient-file", &list], "for 2 recipients", "--seed-identity", "other"),
        ("word.age", &["--passphrase", &passphrase], "with a passphrase", "--seed-passphrase", "passphrase"),
    ];
    for (name, words, said, option, opener) in rows {
        let seed = vault.path(name);
        let (code, text) = init(&[&["--seed", &seed], words].concat());
        assert!(code == 0 && text.contains(said), "{text}");
        let fingerprint = text.split("(fingerprint ").nth(1).unwrap()[..32].to_owned();
        let file = std::fs::read_to_string(&seed).unwrap();
        assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n") && !file.contains("mastermold"));
        assert_eq!(std::fs::metadata(&seed).unwrap().permissions().mode() & 0o7777, 0o600);
        // It is another seed than the lock's: that it is told so shows that it was opened.
        vault.refused(4, &[&fingerprint], &["--seed", &seed, option, &vault.path(opener)]);
        // Never overwritten.
        let (code, text) = init(&[&["--seed", &seed], words].concat());
        assert!(code == 2 && text.contains("it is not overwritten"), "{text}");
        assert_eq!(std::fs::read_to_string(&seed).unwrap(), file);
    }
    let new = vault.path("new.age");
    let secret = vault.secrets.last().unwrap().clone();
    let wrong: [(i32, &[&str], &str); 7] = [
        (2, &["--recipient", "age1nobody"], "--recipient 1"),
        (2, &["--recipient", &mine, "--recipient", "ssh-ed25519 AAAA"], "--recipient 2"),
        (4, &["--recipient", &secret], "secret key, not a recipient"),
        (4, &["--recipient-file", &vault.path("mine")], "line 2"),
        (2, &["--recipient", &mine, "--passphrase", &passphrase], "cannot be used with"),
        (5, &["--passphrase", &vault.path("none")], "No such file"),
        (4, &["--passphrase", &list], "mode 0644"),
    ];
    for (wanted, words, said) in wrong {
        let (code, text) = init(&[&["--seed", &new], words].concat());
        assert!(code == wanted && text.contains(said), "{words:?}: {code}: {text}");
    }
    let inside = ["pki", "init", "profiles/p.toml", "--seed", "inside.age", "--recipient", &mine];
    assert!(vault.project.fails(8, &inside).contains("is inside the project"));
    assert!(!Path::new(&new).exists());
}

/// A disk that takes nothing: the name does not appear, and nothing else stays.
#[test]
fn a_seed_is_written_whole_or_not_at_all() {
    let vault = Vault::new();
    let folder = vault.project.beside("full");
    std::fs::create_dir(&folder).unwrap();
    let full = folder.join("seed").display().to_string();
    for words in [&["--recipient", &vault.public("mine")][..], &[]] {
        let program = vault.project.command(&[&["pki", "init", "profiles/p.toml", "--seed", &full], words].concat());
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -f 0; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
        let output = command.current_dir(vault.project.root()).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
