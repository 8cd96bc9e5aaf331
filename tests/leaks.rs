//! What must not be public, planted in every way that leads into a public layer: each kind stops the build, and what
//! only looks like one does not. The keys are OpenSSL's, the tables below were made by ssh-keygen, gpg, minisign and
//! age-keygen for this file and open nothing.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test looks at the disk, and panics"
)]

mod support;

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mastermold::build::leak::{fetched, recognise};
use support::Project;

/// What OpenSSL makes of a key: private and public, PEM and DER.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Keys {
        let keys = Keys(tempfile::tempdir().unwrap());
        let made = [
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ec384.pem",
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem",
            "genpkey -algorithm ED25519 -out ed.pem",
            "ec -in ec.pem -out sec1.pem",
            "rsa -in rsa.pem -traditional -out pkcs1.pem",
            "rsa -in rsa.pem -traditional -aes128 -passout pass:x -out legacy.pem",
            "pkcs8 -in ec.pem -topk8 -passout pass:x -out encrypted.pem",
            "pkcs8 -in ec.pem -topk8 -nocrypt -outform DER -out pkcs8.der",
            "pkcs8 -in ed.pem -topk8 -nocrypt -outform DER -out ed.der",
            "pkcs8 -in ec.pem -topk8 -passout pass:x -outform DER -out encrypted.der",
            "ec -in ec.pem -outform DER -out sec1.der",
            "rsa -in rsa.pem -traditional -outform DER -out pkcs1.der",
            "pkey -in rsa.pem -pubout -out public.pem",
            "pkey -in rsa.pem -pubout -outform DER -out public.der",
            "rsa -in rsa.pem -RSAPublicKey_out -outform DER -out pkcs1-public.der",
            "req -x509 -new -key rsa.pem -subj /CN=x -days 1 -out cert.pem",
            "x509 -in cert.pem -outform DER -out cert.der",
        ];
        for words in made {
            let done = Command::new("openssl").args(words.split(' ')).current_dir(keys.0.path()).output().unwrap();
            assert!(done.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&done.stderr));
        }
        keys
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }
}

const OPENSSH: &str = "\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACD8ynojj7EJHa4aberLViPwuAUFI3l7UiUuMm8P7pBtwgAAAIiDMk+IgzJP
iAAAAAtzc2gtZWQyNTUxOQAAACD8ynojj7EJHa4aberLViPwuAUFI3l7UiUuMm8P7pBtwg
AAAEBP0jpAyGREDkED3NCMMoDpA0os4Wpeb9eOzFcZO0J/J/zKeiOPsQkdrhpt6stWI/C4
BQUjeXtSJS4ybw/ukG3CAAAAAAECAwQF
";
const PGP: &str = "
lFgEawF2GBYJKwYBBAHaRw8BAQdAYrvb3t7fWbQaXl0cQ7BpQkbc1ZWSeWcdI+GX
qbvxaQ8AAQDlUShmThSTzeZvpP0Rftb9sTZqifwk1HubxNuQoYOWzhJ6tAF4iJAE
ExYIADgWIQT99ZLiIjwoBJ+SZx+It/KfWcGWQwUCawF2GAIbAwULCQgHAgYVCgkI
CwIEFgIDAQIeAQIXgAAKCRCIt/KfWcGWQ7RUAQCzGM7W+MLEPEkaW6ujWcHF52cs
hv59rDQB6HOIgLJVngEAws8uOSyOxBa8OIWtxtY6KC5SO2eTu2l7Dulog3fbEws=
=WIQM
";
const MINISIGN: &str = "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA5hVdhmUWLYsb5GERbEGqc0ejmLNBaUvptS+IoGvhaLLW2gHsU0WHAypfXzXq2tllDV7vVho9eS3+vDknQFh05YfPo4yXBQNlAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const MINISIGN_PROTECTED: &str = "RWRTY0IylLjFb3sseFt/cZVu9R99LRtl1ARp/hviS4QLGWizfygAAAACAAAAAAAAAEAAAAAAQbS7P9Pbp4BxoL2tu91OgmgOS1EZfFJYSdPAb0pxZUIvCdIM/NCkIVnbpVeVp9mJ8HvpeQetWgjvSakKGRyj1HQn06P7lJb5JcfFtGAo3KWs/KlyuUBhNIRSKzSVaz2dndLBthPeHZ0=";
const AGE: &str = "1VUJH3GQ4VJDCMEJ58YDHLL4PLGFNP6976QUQWVMS350NU77XJJDS2HTFGK";
/// What random things look like: 64 characters of base64url without any meaning.
const RANDOM: &str = "q7Zt2LmX9vKd4RbW8sYc6HjN1pGf5TaEuQ3oJxVkMi0hBrCzSwDnPyFgUe7AlO2T";

fn block(label: &str, body: &str) -> String {
    // In two parts, so that no scanner of repositories takes this file for a leak.
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

fn jwt() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","kid":"x"}"#), part(r#"{"sub":"system:node"}"#), &RANDOM[..43])
}

/// What fits on one line: name and text.
fn one_line(keys: &Keys) -> Vec<(&'static str, String)> {
    let mut found = vec![
        ("base64 of PKCS#8", STANDARD.encode(keys.bytes("ec.pem"))),
        ("base64 of RSA", STANDARD.encode(keys.bytes("pkcs1.pem"))),
        ("base64, one off", STANDARD.encode(format!("\n{}", keys.text("sec1.pem")))),
        ("base64, two off", STANDARD.encode(format!("\n\n{}", keys.text("sec1.pem")))),
        ("base64 of base64", STANDARD.encode(STANDARD.encode(keys.bytes("ed.pem")))),
        ("a PEM body", keys.text("ec.pem").lines().filter(|line| !line.contains('-')).collect()),
        ("base64 of DER", STANDARD.encode(keys.bytes("sec1.der"))),
        ("age", format!("AGE-SECRET-KEY-{AGE}")),
        ("seed", format!("mastermold-seed-1:{}", "0123456789abcdef".repeat(4))),
        ("minisign", MINISIGN.into()),
        ("minisign, protected", MINISIGN_PROTECTED.into()),
        ("signify", format!("RWRCSwAAACo{}=", &RANDOM.repeat(3)[..128])),
        ("bootstrap token", "x9k2mz.q8w3e7r1t5y9u2i4".into()),
        ("bootstrap token, hexadecimal", "0f3a9c.5d81b2e64fa7c093".into()),
        ("bootstrap token of the documentation", ["abcdef", "0123456789abcdef"].join(".")),
        ("JSON Web Token", jwt()),
        ("GitLab", format!("glpat-{}", &RANDOM[..20])),
        ("Vault", format!("hvs.{RANDOM}")),
        ("Slack", format!("xoxb-1234567890-{}", &RANDOM[..24])),
        ("Tailscale", format!("tskey-auth-{}", &RANDOM[..32])),
        ("AWS", format!("AKIA{} {}/{}", "Q3EGRLM7XYZ2ABCD", &RANDOM[..20], &RANDOM[21..40])),
        ("URL", "https://robot:Xk29-q@registry.internal/v2".into()),
        ("URL without a user", "redis://:Xk29-q@10.0.0.7:6379/0".into()),
        ("Basic", format!("Authorization: Basic {}", STANDARD.encode("robot:Xk29-q"))),
    ];
    for kind in ["ghp", "gho", "ghu", "ghs", "ghr"] {
        found.push(("GitHub", format!("{kind}_{}", &RANDOM[..36])));
    }
    found.push(("GitHub, fine", format!("github_pat_{}_{}", &RANDOM[..22], &RANDOM[5..64])));
    found
}

/// What takes lines, or a file of its own.
fn many_lines(keys: &Keys) -> Vec<(&'static str, String)> {
    let kubeconfig = |user: &str| {
        format!("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers:\n- name: x\n  user:\n    {user}\n")
    };
    let json = |user: &str| format!(r#"{{"apiVersion":"v1","kind":"Config","users":[{{"name":"x","user":{user}}}]}}"#);
    let data = STANDARD.encode(keys.bytes("ec.pem"));
    let key32 = STANDARD.encode(&RANDOM.as_bytes()[..32]);
    let folded: Vec<&str> = data.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let fold = |between: &str| folded.join(between);
    let key = &STANDARD.encode(&RANDOM.as_bytes()[..32]);
    let mut found = vec![
        ("OpenSSH", block("OPENSSH PRIVATE KEY", OPENSSH)),
        ("PGP", block("PGP PRIVATE KEY BLOCK", PGP)),
        ("SSH2", block("x", OPENSSH).replace("-----BEGIN x-----", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----")),
        ("a label of the future", block("ML-KEM PRIVATE KEY".trim_start_matches("ML-"), OPENSSH)),
        (
            "PuTTY",
            format!("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n{}\n", &RANDOM[..44]),
        ),
        ("cut behind its first lines", keys.text("rsa.pem").lines().take(4).collect::<Vec<_>>().join("\n")),
        ("client-key-data", kubeconfig(&format!("client-key-data: {data}"))),
        ("client-key-data, folded", kubeconfig(&format!("client-key-data: >-\n      {}", fold("\n      ")))),
        ("client-key-data in JSON", json(&format!(r#"{{"client-key-data":"{data}"}}"#))),
        ("client-key-data of something else", kubeconfig(&format!("client-key-data: {}", &RANDOM[..40]))),
        ("a kubeconfig's token", kubeconfig("token: Xk29-qwe")),
        ("a kubeconfig's token in JSON", json(r#"{"token": "Xk29-qwe"}"#)),
        ("a kubeconfig's password", kubeconfig("username: x\n    password: \"Xk29 qwe\"")),
        ("Secret, folded", format!("key: |\n    {}\n", fold("\n    "))),
        ("Secret, folded in JSON", format!("{{\"key\": \"{}\"}}", fold("\\n"))),
        ("Secret, odd fold behind a certificate", {
            let both = STANDARD.encode(keys.text("cert.pem") + &keys.text("sec1.pem"));
            both.as_bytes().chunks(61).map(|line| format!("  {}\n", std::str::from_utf8(line).unwrap())).collect()
        }),
        ("Secret", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  a: b\n".into()),
        ("Secret as second document", "kind: ConfigMap\n---\ndata:\n  a: Yg==\nkind: Secret\n".into()),
        ("docker", format!("{{\"auths\": {{\"r.internal\": {{\"auth\": \"{}\"}}}}}}", STANDARD.encode("robot:Xk29-q"))),
        ("docker, token", r#"{"auths": {"r.internal": {"identitytoken": "Xk29-qwe"}}}"#.into()),
        (
            "registry in TOML",
            "[plugins.\"x\".registry.configs.\"r\".auth]\n  username = \"x\"\n  password = \"Xk29-q\"\n".into(),
        ),
        (
            "encryption",
            format!(
                "kind: EncryptionConfiguration\nproviders:\n- secretbox:\n    keys:\n    - name: k\n      secret: {key32}\n"
            ),
        ),
        ("WireGuard", format!("[WireGuard]\nPrivateKey={key}\n")),
        ("netrc", "machine mirror.internal\nlogin robot\npassword Xk29-q\n".into()),
        ("in a JSON string", serde_json::json!({ "private_key": keys.text("rsa.pem") }).to_string()),
        ("indented", keys.text("ec.pem").replace('\n', "\n        ")),
        ("commented out", keys.text("ec.pem").replace('\n', "\n# ")),
        ("with CR", keys.text("ec.pem").replace('\n', "\r\n")),
        ("on one line", keys.text("ec.pem").replace('\n', " ")),
    ];
    let files = ["ec.pem", "ec384.pem", "rsa.pem", "ed.pem", "sec1.pem", "pkcs1.pem", "legacy.pem", "encrypted.pem"];
    found.extend(files.map(|file| (file, keys.text(file))));
    found
}

#[test]
fn every_kind_is_recognised_wherever_it_stands() {
    let keys = Keys::new();
    for (name, text) in one_line(&keys).into_iter().chain(many_lines(&keys)) {
        assert!(recognise(text.as_bytes()).is_some(), "{name}: {text}");
        let leak = recognise(format!("# first\n\n{text}\n# last\n").as_bytes());
        assert!(leak.is_some_and(|leak| leak.at >= 9), "{name} between lines: {leak:?}");
    }
    for (name, text) in one_line(&keys) {
        for around in [["value: \"", "\"\n"], ["--flag=", " --other"], ["{\"x\":\"", "\"}"], ["", ". So"], ["'", "',"]]
        {
            let text = around.join(&text);
            assert!(recognise(text.as_bytes()).is_some(), "{name}: {text}");
        }
    }
    for name in ["pkcs8.der", "ed.der", "encrypted.der", "sec1.der", "pkcs1.der"] {
        assert!(recognise(&keys.bytes(name)).is_some(), "{name}");
    }
}

#[test]
fn the_line_is_told() {
    let keys = Keys::new();
    let text = format!("one\ntwo\n{}", keys.text("ec.pem"));
    assert_eq!(recognise(text.as_bytes()).unwrap().line(text.as_bytes()), 3);
    let text = format!("one\ntwo: {}\n", STANDARD.encode(keys.bytes("ec.pem")));
    assert_eq!(recognise(text.as_bytes()).unwrap().line(text.as_bytes()), 2);
}

/// What people write into public files of machines, and what reads like a secret and is none.
const INNOCENT: &[&str] = &[
    "-----BEGIN RSA PRIVATE KEY-----",
    "if grep -q 'BEGIN PRIVATE KEY' \"$1\"; then echo -----BEGIN PRIVATE KEY----- is the first line of a key; fi",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQ...\n-----END PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\n<the key, on as many lines as it takes>\n-----END PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\nXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\n-----END PRIVATE KEY-----\n",
    "AGE-SECRET-KEY-1...",
    "AGE-SECRET-KEY-",
    "mastermold-seed-1:<64 digits>",
    "untrusted comment: minisign public key 8B2D1665865D15E6\nRWTmFV2GZRYtiypfXzXq2tllDV7vVho9eS3+vDknQFh05YfPo4yXBQNl\n",
    "RWRTY0IyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4",
    "client-key-data: REDACTED\nclient-key-data: DATA+OMITTED\nclient-key-data:\nclient-key: /etc/pki/client.key\n",
    "apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user:\n    tokenFile: /run/token\n    token: \"\"\n",
    "apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user:\n    token: ${TOKEN}\n    password: <password>\n",
    "apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user:\n    client-certificate: /var/lib/x.pem\n",
    "token: this is not a kubeconfig\npassword: neither\n",
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: system:controller:token-cleaner\nrules:\n- resources: [secrets, serviceaccounts/token]\n  verbs: [get]\n",
    "system:bootstrappers:kubeadm:default-node-token system:certificates.k8s.io:certificatesigningrequests:nodeclient",
    "6f1ed002-ab55-4d8c-9f0e-0a5f7d3b1c2d 550e8400-e29b-41d4-a716-446655440000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 registry.k8s.io/pause:3.10.1",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709 d41d8cd98f00b204e9800998ecf8427e",
    "docker://registry.internal:5000/tool:1.2@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "docker://tool:1.2@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "https://user@host/ https://host:6443/path@x ssh://git@host:22/x http://[::1]:2379 https://a:b@c.example.com/",
    "https://$USER:$PASSWORD@proxy:3128 https://user:password@proxy http://<user>:<pass>@proxy %s://%s:%s@%s",
    "net.ipv4.conf.all.rp_filter = 2\nkernel.core_pattern = |/bin/false\nnet.core.somaxconn1234567 = 1\n",
    "backup.2026010112000000 config.kubernetesnoderes /lib/module.a1b2c3d4e5f6a7b8 bundle.0f3a9c5d81b2e64f.js x.y.abcdef.0123456789abcdef.z",
    "ghp_ gho_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx glpat-<token> hvs.CAES... xoxb-token AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "an AKIAQ3EGRLM7XYZ2ABCD without its key, and a commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0. eyJ eyJh.eyJh.eyJh eyJub3QiOiJqd3QifQ.eyJub3QiOiJqd3QifQ.c2lnbmF0dXJlc2lnbmF0dXJl",
    "{\"auths\": {\"r.internal\": {}}, \"credsStore\": \"x\"}",
    "\"auth\": \"cm9ib3Q6WGsyOS1x\"",
    "[plugins.\"x\".registry.configs.\"r\".tls]\n  ca_file = \"/etc/ca.crt\"\n",
    "kind: EncryptionConfiguration\nresources:\n- providers:\n  - kms:\n      endpoint: unix:///run/kms.sock\n  - identity: {}\n",
    "PrivateKeyFile=/etc/wireguard/key\nPublicKey=hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n",
    "kind: Ingress\nspec:\n  tls:\n  - secretName: x\n---\nkind: ConfigMap\ndata:\n  kind: Secret\n",
    "kind: SecretStore\ndata:\n  a: b\n",
    "kind: Secret\ntype: kubernetes.io/service-account-token\nmetadata:\n  name: x\n",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPzKeiOPsQkdrhpt6stWI/C4BQUjeXtSJS4ybw/ukG3C x@y",
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    "login: the password of machine x is asked for; machine x login y password <yours>",
    "Authorization: Basic <credentials>  Basic authentication",
    "",
];

#[test]
fn what_only_looks_like_one_passes() {
    for text in INNOCENT {
        let leak = recognise(text.as_bytes());
        assert!(leak.is_none(), "{leak:?}: {text}");
        let encoded = STANDARD.encode(text);
        assert!(recognise(encoded.as_bytes()).is_none(), "in base64: {text}");
    }
    let keys = Keys::new();
    for name in ["public.pem", "public.der", "pkcs1-public.der", "cert.pem", "cert.der"] {
        let bytes = keys.bytes(name);
        assert!(recognise(&bytes).is_none() && recognise(STANDARD.encode(&bytes).as_bytes()).is_none(), "{name}");
    }
}

/// Files that systems have: trusted authorities, the configurations of this project, licences.
#[test]
fn real_public_files_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join("overlays"), root.join("profiles"), root.join("docs"), "/etc/ssl/certs".into()];
    open.extend(["/usr/share/common-licenses", "/etc/ssh/moduli", "/usr/lib/systemd", "/etc/apt"].map(Into::into));
    let mut seen = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.len() < 300_000
        {
            // The page that says how tokens are made has some, of a seed that everybody knows; a template that asks for a
            // secret is one itself, and says so.
            let is_page = path.ends_with("docs/reference/derivation.md");
            let asks =
                path.extension().is_some_and(|end| end == "j2") && bytes.windows(8).any(|word| word == b"secrets.");
            let leak = recognise(&bytes).filter(|_| !is_page && !asks);
            assert!(leak.is_none(), "{}: {leak:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} files were there to be looked at");
}

/// Programs in Go, which have the headers of keys as constants, of Debian or whoever installed them.
#[test]
fn real_programs_pass() {
    for name in ["kubectl", "containerd", "etcd", "runc", "openssl", "ssh-keygen"] {
        let Ok(mut file) = std::fs::File::open(format!("/usr/bin/{name}")) else { continue };
        let size = file.metadata().unwrap().len();
        assert_eq!(fetched::find(&mut file, size).unwrap(), None, "{name}");
    }
}

/// Noise of a length, the same in every run, as a program has it: with headers that are constants.
fn program(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(length)
    .collect();
    for at in (1000..length - 100).step_by(100_000) {
        let constant = b"-----BEGIN RSA PRIVATE KEY-----AGE-SECRET-KEY-mastermold-seed-1:-----END RSA PRIVATE KEY-----";
        bytes[at..at + constant.len()].copy_from_slice(constant);
    }
    bytes
}

#[test]
fn a_large_file_is_looked_into_across_every_border() {
    let keys = Keys::new();
    let length = (1 << 20) + (300 << 10);
    let clean = program(length);
    let found = |bytes: &[u8]| fetched::find(&mut &bytes[..], bytes.len() as u64).unwrap();
    assert_eq!(found(&clean), None);
    let planted = [keys.text("rsa.pem"), format!("AGE-SECRET-KEY-{AGE}\n"), one_line(&keys)[8].1.clone() + "\n"];
    let chunk = 512 << 10;
    let borders =
        (0..3).flat_map(|index| [index * chunk, index * chunk + (64 << 10), index * chunk + (64 << 10) + 128]);
    for border in borders.chain([length]) {
        for planted in &planted {
            let mark = planted.find("PRIVATE").unwrap_or_default();
            for before in [0, 1, 20, 128, planted.len()] {
                let Some(at) = border.checked_sub(before).filter(|at| at + planted.len() <= length) else { continue };
                let mut bytes = clean[..length].to_vec();
                bytes[at..at + planted.len()].copy_from_slice(planted.as_bytes());
                assert_eq!(found(&bytes).map(|leak| leak.at), Some(at + mark), "{before} before {border}");
            }
        }
    }
    // What is no whole key is a constant.
    let mut bytes = clean.clone();
    let cut = &keys.text("rsa.pem")[..1000];
    bytes[5000..6000].copy_from_slice(cut.as_bytes());
    assert_eq!(found(&bytes), None);
}

const PROFILE: &str = "overlays = [\"base\"]\n[cluster]\nname = \"prod\"\nversion = \"1.0\"\nepoch = 2026-01-01T00:00:00Z\n\
                       [[nodes]]\nname = \"a\"\naddress = \"10.0.0.1\"\n";

fn project(profile: &str, overlay: &str) -> Project {
    Project::new(&[
        ("profiles/p.toml", &format!("{PROFILE}{profile}")),
        ("overlays/base/overlay.toml", &format!("[vars]\nvalue = \"nothing\"\n{overlay}")),
        ("overlays/base/root/etc/conf.txt.j2", "first\n{{ vars.value }}\n"),
    ])
}

/// Every planted secret is told with its file and what to do, and no error has a part of one.
fn all_told<'a>(error: &str, begin: &str, planted: impl Iterator<Item = &'a (&'static str, String)>) {
    for (index, (name, text)) in planted.enumerate() {
        let told =
            |line: &&str| line.contains(&format!("{begin}{index} ")) && line.contains("would be in a public layer");
        let line = error.lines().find(told).unwrap_or_else(|| panic!("{name} ({begin}{index}) passes:\n{error}"));
        assert!(line.contains(" holds a") && line.contains("not-secret"), "{name}: {line}");
        let longest = text.lines().max_by_key(|line| line.len()).unwrap().trim();
        assert!(!error.contains(&longest[longest.len().saturating_sub(12)..]), "{name}: the error holds it: {error}");
    }
}

#[test]
fn nothing_planted_passes_into_an_overlay_file_or_a_template() {
    let keys = Keys::new();
    let planted: Vec<_> = one_line(&keys).into_iter().chain(many_lines(&keys)).collect();
    let project = project("", "");
    for (index, (_, text)) in planted.iter().enumerate() {
        project.write(&format!("overlays/base/root/etc/file-{index}"), &format!("# mine\n{text}\n"));
        let template = format!("{{{{ node.name }}}}\n{{% raw %}}{text}{{% endraw %}}\n");
        project.write(&format!("overlays/base/root/etc/template-{index}.j2"), &template);
    }
    let error = project.fails(8, &["plan", "profiles/p.toml"]);
    all_told(&error, "of /etc/file-", planted.iter());
    all_told(&error, "of /etc/template-", planted.iter());
}

#[test]
fn nothing_planted_passes_through_a_variable_a_flag_or_a_setting() {
    let keys = Keys::new();
    let planted = one_line(&keys);
    let each = |line: &dyn Fn(usize, &str) -> String| -> String {
        let quoted = planted.iter().map(|(_, text)| serde_json::to_string(text).unwrap()).enumerate();
        quoted.map(|(index, text)| line(index, &text)).collect()
    };
    let vars = each(&|index, text| format!("v{index} = {text}\n"));
    let args = each(&|index, text| format!("[args.s{index}]\nflag = {text}\n"));
    let sysctl = each(&|index, text| format!("\"kernel.x{index}\" = {text}\n"));
    let project = project(&format!("[vars.base]\n{vars}{args}[sysctl]\n{sysctl}"), "");
    let defaults = each(&|index, _| format!("v{index} = \"\"\n"));
    project.write("overlays/base/overlay.toml", &format!("[vars]\nvalue = \"\"\n{defaults}"));
    for index in 0..planted.len() {
        let write = |name: &str, text: &str| {
            let text = format!("# first\n{}\n# last\n", text.replace('#', &index.to_string()));
            project.write(&format!("overlays/base/root/etc/{name}-{index}.j2"), &text);
        };
        write("variable", "{{ vars.v# }}");
        write("flag", "run {{ args('s#') | join(' ') }}");
        write("setting", "kernel.x# = {{ sysctl['kernel.x#'] }}");
    }
    let error = project.fails(8, &["plan", "profiles/p.toml"]);
    for begin in ["of /etc/variable-", "of /etc/flag-", "of /etc/setting-"] {
        all_told(&error, begin, planted.iter());
    }
}

#[test]
fn nothing_planted_passes_from_outside() {
    let keys = Keys::new();
    let mut planted: Vec<_> = one_line(&keys).into_iter().chain(many_lines(&keys)).collect();
    let project = project("", "");
    project.must(&["pki", "init", "profiles/p.toml"]);
    std::fs::create_dir(project.root().join("files")).unwrap();
    for (index, (_, text)) in planted.iter().enumerate() {
        std::fs::write(project.root().join(format!("files/{index}")), text).unwrap();
    }
    let mut put = |bytes: Vec<u8>| {
        std::fs::write(project.root().join(format!("files/{}", planted.len())), bytes).unwrap();
        planted.push(("binary", "no line of text".into()));
    };
    ["pkcs8.der", "sec1.der", "pkcs1.der"].into_iter().for_each(|name| put(keys.bytes(name)));
    put([program(2 << 20), keys.bytes("ec.pem")].concat());
    let source = |index: usize| {
        format!("[sources.s{index}]\npath = \"files/{index}\"\ninstall = {{ path = \"/etc/tool-{index}\" }}\n")
    };
    let sources: String = (0..planted.len()).map(source).collect();
    project.write("profiles/p.toml", &format!("{PROFILE}{sources}"));
    let error = project.fails(8, &["lock", "profiles/p.toml"]);
    all_told(&error, "path files/", planted.iter());
    assert!(!project.root().join("profiles/p.lock").exists());
}

/// A member of an archive is named; a reason lets it pass, and an empty one does not.
#[test]
fn a_member_from_outside_is_named() {
    let keys = Keys::new();
    let member = "[sources.tool]\npath = \"files/x.tar\"\nmembers = { \"files/*.pem\" = \"/etc/\" }\n";
    let project = project("", "");
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.write("files/x.pem", &keys.text("ec.pem"));
    project.write("files/other", &keys.text("rsa.pem"));
    let tar = Command::new("tar").args(["-cf", "x.tar", "files"]).current_dir(project.root()).status();
    assert!(tar.unwrap().success());
    std::fs::rename(project.root().join("x.tar"), project.root().join("files/x.tar")).unwrap();
    project.write("profiles/p.toml", &format!("{PROFILE}{member}"));
    let error = project.fails(8, &["lock", "profiles/p.toml"]);
    assert!(error.contains("source `tool`: files/x.pem holds a private key at byte 11"), "{error}");
    project.write("profiles/p.toml", &format!("{PROFILE}{member}not-secret = \" \"\n"));
    assert!(project.fails(2, &["lock", "profiles/p.toml"]).contains("says `not-secret` and not why"));
    project.write("profiles/p.toml", &format!("{PROFILE}{member}not-secret = \"a key of a test\"\n"));
    project.must(&["lock", "profiles/p.toml"]);
}

#[test]
fn a_reason_lets_a_false_alarm_pass_and_is_needed() {
    let keys = Keys::new();
    let declared = |more: &str| {
        let project = project("", &format!("[[files]]\npath = \"/etc/planted\"\n{more}\n"));
        project.write("overlays/base/root/etc/planted", &keys.text("ec.pem"));
        project
    };
    declared("not-secret = \"the key of an example in a manual\"").must(&["plan", "profiles/p.toml"]);
    declared("secret = true").must(&["plan", "profiles/p.toml"]);
    let error = declared("not-secret = \"\"").fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains("`/etc/planted` says `not-secret` and not why"), "{error}");
    let error = declared("secret = true\nnot-secret = \"x\"").fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains("is both `secret` and `not-secret`"), "{error}");
    let error =
        project("", "[[files]]\npath = \"/etc/other\"\nnot-secret = \"x\"\n").fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains("is the path of no file"), "{error}");
}

const OWN: &str = "[[secrets]]\nname = \"token\"\nshape = \"hex\"\nbytes = 20\nscope = \"cluster\"\n\
                   [[authorities]]\nname = \"ca\"\nsubject = { cn = \"ca\" }\n\
                   [[certificates]]\nname = \"server\"\nauthority = \"ca\"\nsubject = { cn = \"x\" }\n\
                   usages = [\"server-auth\"]\ndns = [\"x\"]\nkey = \"/etc/server.key\"\ncert = \"/etc/server.crt\"\n\
                   [[symlinks]]\npath = \"/etc/link\"\ntarget = \"/run/{{ vars.value }}\"\n\
                   [[files]]\npath = \"/etc/conf.txt\"\nnot-secret = \"no reason is good enough\"\n";

/// The plan's own secrets have no shape, but their bytes are known: typed again, they are found in every form.
#[test]
fn what_the_plan_itself_keeps_secret_is_in_no_public_file() {
    let project = project("[[outputs]]\nformat = \"tar\"\n", OWN);
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    project.must(&["build", "profiles/p.toml", "-o", "../out"]);
    let layer = project.beside("out/prod/1.0/secrets/a/secrets.tar");
    let unpack = Command::new("tar").arg("-xf").arg(&layer).current_dir(project.beside("out")).status();
    assert!(unpack.unwrap().success());
    let openssl = |words: &str| {
        let done = Command::new("openssl").args(words.split(' ')).current_dir(project.beside("out/etc")).output();
        done.unwrap().stdout
    };
    // Of SEC1's DER the 32 bytes behind the header of seven.
    let scalar = openssl("ec -in server.key -outform DER")[7..39].to_vec();
    let seed = std::fs::read_to_string(project.beside("home/.local/share/mastermold/prod.seed")).unwrap();
    let parsed = mastermold::pki::Seed::parse(seed.as_bytes()).unwrap();
    let scope = mastermold::pki::Scope { cluster: "prod", node: None, generation: 1 };
    let shape = mastermold::pki::SecretShape::Hex { bytes: 20 };
    let token = mastermold::pki::secret(&parsed, &scope, "token", shape).unwrap();
    let token = std::str::from_utf8(&token).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let raw: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16).unwrap()).collect();
    let seed = seed.trim().rsplit(':').next().unwrap();
    let typed = [
        ("the secret `token`", token.to_owned()),
        ("the secret `token`", format!("--token={token},x")),
        ("the secret `token`", token.to_uppercase()),
        ("the secret `token`", STANDARD.encode(token)),
        ("the secret `token`", STANDARD.encode(format!("a{token}"))),
        ("the secret `token`", STANDARD.encode(format!("ab{token}"))),
        ("the secret `token`", STANDARD.encode(&raw)),
        ("the secret `token`", STANDARD.encode(STANDARD.encode(token))),
        ("the secret `token`", hex(token.as_bytes())),
        ("the key in /etc/server.key", hex(&scalar)),
        ("the key in /etc/server.key", hex(&scalar).to_uppercase()),
        ("the key in /etc/server.key", STANDARD.encode(&scalar)),
        ("the seed", seed.to_owned()),
        ("the seed", STANDARD.encode(seed)),
    ];
    let profile = |value: &str| format!("{PROFILE}[vars.base]\nvalue = \"{value}\"\n[[outputs]]\nformat = \"tar\"\n");
    for (name, value) in typed {
        project.write("profiles/p.toml", &profile(&value));
        let error = project.fails(8, &["build", "profiles/p.toml", "-o", "../other"]);
        for path in ["/etc/conf.txt", "/etc/link"] {
            assert!(
                error.contains(&format!("{path} of a (")) && error.contains(&format!(") holds {name} of this")),
                "{value}: {error}"
            );
        }
        assert!(!error.contains(&value), "{error}");
    }
    assert!(!project.beside("other/prod/1.0").exists());
    project.write("profiles/p.toml", &profile(&token[..20]));
    project.must(&["build", "profiles/p.toml", "-o", "../other"]);
}

/// What a template says of its own accord, or of a value that a filter does not take, shows no part of a secret.
#[test]
fn an_error_of_a_template_holds_no_secret() {
    let project = project("", OWN);
    project.write("overlays/base/root/etc/kept.txt.j2", "x\n");
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    for expression in ["fail(secrets.token)", "fail('x' ~ secrets.token[4:30])", "secrets.token | host(1)"] {
        project.write("overlays/base/root/etc/kept.txt.j2", &format!("one\n{{{{ {expression} }}}}\n"));
        let error = project.fails(2, &["build", "profiles/p.toml", "-o", "../out"]);
        let told = "overlays/base/root/etc/kept.txt.j2:2:";
        assert!(error.contains(told) && error.contains("a part of the secret `token`"), "{error}");
    }
    project.write("overlays/base/root/etc/kept.txt.j2", "{{ secrets.token }}{{ fail('no such thing') }}\n");
    assert!(project.fails(2, &["build", "profiles/p.toml", "-o", "../out"]).contains("no such thing"));
}
