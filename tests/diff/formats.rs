//! What is told of the insides of files.

use std::fs;

use super::page;
use crate::maker::{LEAF, Maker, Wanted};

/// Two directories with a file of this name each; the page about it, without the headings.
pub fn inside(name: &str, before: &[u8], after: &[u8]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let at = |side: &str| directory.path().join(side);
    for (side, bytes) in [("a", before), ("b", after)] {
        fs::create_dir(at(side)).unwrap();
        fs::write(at(side).join(name), bytes).unwrap();
    }
    let lines = page(&at("a"), &at("b"));
    assert_eq!(lines[0], "entries");
    assert!(lines[1].starts_with(&format!("  ~ /{name}")), "{lines:?}");
    let rest = lines[1].trim_start_matches(&format!("  ~ /{name}")).trim_start_matches(": ").to_owned();
    let rest = (!rest.is_empty()).then_some(rest);
    rest.into_iter().chain(lines[2..].iter().map(|line| line.trim_start().to_owned())).collect()
}

#[test]
fn units_and_the_flags_they_run() {
    let before = b"[Unit]\nDescription=x\nAfter=a.service\n[Service]\nExecStart=/usr/bin/tool --v=1 \\\n    --gone --feature-gates=A=true,B=false\nRestart=no\n";
    let after = b"[Unit]\nDescription=x\nAfter=a.service\nAfter=b.service\n[Service]\nExecStart=/usr/bin/tool --v=2 --feature-gates=A=true,B=true --new=x\nRestart=always\n";
    assert_eq!(
        inside("tool.service", before, after),
        [
            "[Service] ExecStart --feature-gates: A=true,B=false -> A=true,B=true",
            "- [Service] ExecStart --gone",
            "+ [Service] ExecStart --new: x",
            "[Service] ExecStart --v: 1 -> 2",
            "[Service] Restart: no -> always",
            "+ [Unit] After: b.service",
        ]
    );
    let reordered = b"# a comment\n[Service]\nRestart=no\nExecStart=/usr/bin/tool --v=1 --gone --feature-gates=A=true,B=false\n[Unit]\nAfter=a.service\nDescription=x\n";
    assert_eq!(inside("tool.service", before, reordered), ["only the writing changed, no value"]);
}

#[test]
fn yaml_json_and_toml_by_path() {
    let pod = "apiVersion: v1\nspec:\n  containers:\n  - name: tool\n    image: r/tool:1\n    command:\n    - tool\n    - --a=1\n    - --b\n  - name: side\n    image: r/side:1\n";
    let other = "spec:\n  containers:\n  - {name: tool, image: 'r/tool:2', command: [tool, --a=2, --b, --c=3]}\napiVersion: v1 # same\n";
    assert_eq!(
        inside("pod.yaml", pod.as_bytes(), other.as_bytes()),
        [
            "- spec.containers[side].image: r/side:1",
            "- spec.containers[side].name: side",
            "spec.containers[tool].command --a: 1 -> 2",
            "+ spec.containers[tool].command --c: 3",
            "spec.containers[tool].image: r/tool:1 -> r/tool:2",
        ]
    );
    assert_eq!(inside("a.yaml", b"a: yes\n", b"a: 'yes'\n"), ["a: yes -> \"yes\""]);
    assert_eq!(inside("a.yml", b"a: 1\nb: 2\n", b"# x\nb: 2\na: 1\n"), ["only the writing changed, no value"]);
    assert_eq!(
        inside("a.json", b"{\"a\":{\"b\":[1,2]}}", b"{\"a\":{\"b\":[1,3]},\"c\":null}"),
        ["a.b[1]: 2 -> 3", "+ c: null"]
    );
    assert_eq!(
        inside("a.toml", b"[p.\"x.y\"]\nz = true\n", b"[p.\"x.y\"]\nz = false\n"),
        ["p.\"x.y\".z: true -> false"]
    );
    let script = inside("a.yaml", b"run: |\n  one\n  two\n", b"run: |\n  one\n  three\n");
    assert_eq!(script, ["run:", "@@ -1 +1 @@", "one", "-two", "+three", ""]);
}

#[test]
fn settings_text_and_programs() {
    assert_eq!(
        inside("90.conf", b"vm.a = 1\nvm.b = 2\n", b"# c\nvm.b=3\nvm.c=4\n"),
        ["- vm.a: 1", "vm.b: 2 -> 3", "+ vm.c: 4"]
    );
    assert_eq!(inside("modules", b"overlay\n", b"overlay\nnbd\n"), ["@@ -1 +1 @@", "overlay", "+nbd", ""]);
    let told = inside("program", b"\x7fELF\0one", b"\x7fELF\0three");
    let digests =
        [b"\x7fELF\0one".as_slice(), b"\x7fELF\0three"].map(|bytes| mastermold::digest::Digest::of(bytes).short());
    assert_eq!(told, [format!("8 -> 10 bytes, SHA-256 {} -> {}", digests[0], digests[1])]);
}

pub fn certificate(maker: &Maker, name: &str, serial_dates: [&str; 2], extra: &str) -> Vec<u8> {
    let extensions = format!("{LEAF}\nextendedKeyUsage=serverAuth\nsubjectAltName={extra}");
    let leaf = Wanted {
        subject: "/CN=tool",
        by: Some("ca"),
        dates: serial_dates,
        extensions: &extensions,
        ..Wanted::default()
    };
    maker.openssl_makes(name, &leaf);
    maker.read(&format!("{name}.crt"))
}

#[test]
fn certificates_by_what_they_say() {
    let maker = Maker::new();
    maker.openssl_makes("ca", &Wanted { subject: "/CN=ca", ..Wanted::default() });
    let old = certificate(&maker, "old", ["20260101000000Z", "20270101000000Z"], "DNS:a.example,IP:10.0.0.1");
    let new =
        certificate(&maker, "new", ["20260601000000Z", "20270601000000Z"], "DNS:a.example,DNS:b.example,IP:10.0.0.2");
    let fields = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect()
    };
    let told = inside("tool.crt", &old, &new);
    let expected = ["DNS names", "addresses", "valid from", "valid until", "serial", "public key"];
    assert_eq!(fields(&told), expected.map(|field| format!("certificate: {field}")));
    assert_eq!(told[0], "certificate: DNS names: a.example -> a.example, b.example");
    assert_eq!(told[3], "certificate: valid until: 2027-01-01T00:00:00Z -> 2027-06-01T00:00:00Z");
    // The serial as OpenSSL says it.
    let serial = maker.openssl("x509 -in new.crt -noout -serial").trim().trim_start_matches("serial=").to_lowercase();
    assert!(told[4].ends_with(&serial), "{} {serial}", told[4]);

    // In a client's file, behind base64; what else changed there is told too.
    use base64::Engine as _;
    let client = |certificate: &[u8], server: &str| {
        let data = base64::engine::general_purpose::STANDARD.encode(certificate);
        format!("clusters:\n- cluster: {{certificate-authority-data: {data}, server: {server}}}\n  name: c\n")
            .into_bytes()
    };
    let told = inside("client.conf", &client(&old, "https://a"), &client(&new, "https://b"));
    assert_eq!(told.len(), 7, "{told:?}");
    assert!(told[0].starts_with("clusters[c].cluster.certificate-authority-data certificate: DNS names: "), "{told:?}");
    assert_eq!(told[6], "clusters[c].cluster.server: https://a -> https://b");

    // A chain: the one that is added, and the text around it.
    let chain = [old.clone(), maker.read("ca.crt")].concat();
    let told = inside("chain.pem", &old, &chain);
    assert!(told.len() == 1 && told[0].starts_with("+ certificate of CN=ca: subject CN=ca; "), "{told:?}");
    let told = inside("comment.pem", &old, &[&old[..], b"a comment\n"].concat());
    assert!(told.iter().any(|line| line == "+a comment"), "{told:?}");
    let both = inside("both.pem", &old, &[&new[..], b"a comment\n"].concat());
    assert!(both.iter().any(|line| line.contains("a comment")), "what stands beside a changed certificate: {both:?}");
}
