//! `pki status`: what it shows of a profile, a release and a directory, and its picture.

use std::process::Command;

use mastermold::pki::Certificate;

use super::dates::{project, release};
use super::reading::*;
use super::support::Project;

const AT: [&str; 2] = ["--at", "2026-11-02T00:00:00Z"];

fn status<'a>(target: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["pki", "status", target], &AT[..], more].concat()
}

/// The report in JSON, and of each certificate its place.
fn report(project: &Project, target: &str) -> (serde_json::Value, Vec<String>) {
    let json: serde_json::Value = serde_json::from_str(&project.must(&status(target, &["--format", "json"]))).unwrap();
    let places = json["certificates"].as_array().unwrap().iter();
    let places = places.map(|one| format!("{}{}", one["node"].as_str().unwrap_or("-"), one["file"].as_str().unwrap()));
    let places = places.collect();
    (json, places)
}

#[test]
fn a_profile_and_its_release_show_the_same() {
    let maker = Maker::new();
    maker.make("foreign", &Wanted { subject: "/CN=foreign", ..Default::default() });
    let project = project(&[("etc/foreign.crt", &maker.read("foreign.crt"))]);
    let (profile, places) = report(&project, "profiles/p.toml");
    let expected = [
        // By the end: people's, the clients', the servers', the authority, the foreign one.
        "-admin/admin.conf",
        "a/etc/client.conf",
        "b/etc/client.conf",
        "a/etc/pki/server.crt",
        "b/etc/pki/server.crt",
        "a/etc/client.conf",
        "a/etc/pki/ca.crt",
        "b/etc/client.conf",
        "b/etc/pki/ca.crt",
        "-admin/admin.conf",
        "a/etc/foreign.crt",
        "b/etc/foreign.crt",
    ];
    assert_eq!(places, expected);
    release(&project);
    let (built, places) = report(&project, "out/prod/1.0");
    assert_eq!((&built["certificates"], places), (&profile["certificates"], expected.map(str::to_owned).to_vec()));
    let table = project.must(&status("out/prod/1.0", &[]));
    for words in [
        "19d !",
        "39d",
        "CN=client",
        "a     /etc",
        "(and 4 more)",
        "7 certificates in 12 places at 2026-11-02",
        "row for every place",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    std::fs::remove_dir_all(project.root().join("out/prod/1.0/secrets")).unwrap();
    let (_, places) = report(&project, "out/prod/1.0");
    assert_eq!(places, [&expected[3..5], &[expected[6], expected[8]], &expected[10..]].concat());
}

#[test]
fn without_a_seed_there_is_nothing_to_show() {
    let project = project(&[]);
    std::fs::remove_dir_all(project.beside("home")).unwrap();
    let told = project.fails(2, &status("profiles/p.toml", &[]));
    assert!(told.starts_with("without the seed there are no certificates to show: there is no seed at "), "{told}");
    assert!(project.fails(5, &status("nowhere", &[])).contains("nowhere"));
}

/// What JSON says of a certificate is what OpenSSL says.
#[test]
fn a_row_says_what_openssl_says() {
    let maker = Maker::new();
    let extensions =
        format!("{LEAF}\nsubjectAltName=DNS:x.example,IP:::1,URI:a:b\nextendedKeyUsage=serverAuth,1.2.3.4");
    maker
        .make("leaf", &Wanted { key: RSA, subject: "/O=a/O=b/CN=leaf", extensions: &extensions, ..Default::default() });
    let project = Project::new(&[]);
    let path = maker.path().join("leaf.crt");
    let (json, _) = report(&project, path.to_str().unwrap());
    let row = &json["certificates"][0];
    let line = |options: &str| maker.x509("leaf", options).trim().split_once('=').unwrap().1.to_lowercase();
    assert_eq!(row["serial"], line("-serial"));
    assert_eq!(row["fingerprint"], line("-fingerprint -sha256").replace(':', ""));
    assert_eq!(row["not_after"].as_str().unwrap().to_lowercase(), line("-enddate -dateopt iso_8601").replace(' ', "t"));
    maker.write("key.pem", maker.x509("leaf", "-pubkey"));
    maker.openssl("pkey -pubin -in key.pem -outform DER -out key.der");
    assert_eq!(row["public_key_sha256"], maker.openssl("dgst -sha256 -r key.der").split(' ').next().unwrap());
    assert_eq!(row["subject"], "CN=leaf,O=b,O=a");
    assert_eq!(
        (&row["key"], &row["authority"], &row["standing"]),
        (&"RSA 2048".into(), &false.into(), &"valid".into())
    );
    assert_eq!(row["usages"], serde_json::json!(["server-auth", "1.2.3.4"]));
    assert_eq!(
        (&row["dns"], &row["ip"], &row["uri"]),
        (&["x.example"][..].into(), &["::1"][..].into(), &["a:b"][..].into())
    );
    // 2036-01-01 less 2026-11-02.
    assert_eq!(row["days_left"], 3347);
}

#[test]
fn a_directory_is_searched_and_what_is_broken_is_told() {
    let (maker, project) = (Maker::new(), Project::new(&[]));
    let old = Wanted { dates: ["20200101000000Z", "20261101235959Z"], subject: "/CN=old", ..Default::default() };
    let pem = String::from_utf8(maker.make("old", &old).pem().unwrap().into_bytes()).unwrap();
    let later =
        Wanted { dates: ["20270101000000Z", "20280101000000Z"], subject: "/CN=\u{1b}[31mlater", ..Default::default() };
    let later = maker.make("later", &later);
    project.write("tree/b/old.crt", &pem);
    project.write("tree/a/same.crt", &pem);
    project.write("tree/later\n.pem", &later.pem().unwrap());
    std::fs::write(project.root().join("tree/later.der"), later.der()).unwrap();
    project.write("tree/broken.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    project.write("tree/large", &format!("{pem}{}", "x".repeat(256 * 1024)));
    project.write("tree/none", "nothing\n");
    std::os::unix::fs::symlink("/etc/ssl", project.root().join("tree/link")).unwrap();
    let (json, places) = report(&project, "tree");
    assert_eq!(places, ["-tree/a/same.crt", "-tree/b/old.crt", "-tree/later\n.pem", "-tree/later.der"]);
    let standings: Vec<&str> =
        json["certificates"].as_array().unwrap().iter().map(|one| one["standing"].as_str().unwrap()).collect();
    assert_eq!(standings, ["expired", "expired", "not-yet", "not-yet"]);
    assert_eq!(json["certificates"][0]["days_left"], -1);
    assert_eq!((json["broken"].as_array().unwrap().len(), &json["broken"][0]["file"]), (1, &"tree/broken.crt".into()));
    let table = project.must(&status("tree", &[]));
    assert!(table.contains("broken: tree/broken.crt: it is not a certificate: "), "{table}");
    assert!(table.contains("2 certificates in 4 places at 2026-11-02T00:00:00Z: 1 expired, 0 with less than 30d, 1 not valid yet; 1 broken\n"), "{table}");
    assert!(!table.contains('\u{1b}') && table.contains("tree/later\\n.pem (and 1 more)"), "{table}");
}

/// The picture, by an XML parser of another language: every bar and tooltip, no script, and the same bytes again.
#[test]
fn the_timeline_is_sound_xml_and_the_same_twice() {
    let (maker, project) = (Maker::new(), Project::new(&[]));
    let subject = "/CN=<script>alert(1)<\\/script>\u{202e}&\"'\u{1}";
    for (name, dates) in [
        ("expired", ["20200101000000Z", "20261101000000Z"]),
        ("ending", ["20260101000000Z", "20261110000000Z"]),
        ("valid", ["20260101000000Z", "20271110000000Z"]),
        ("early", ["20270101000000Z", "20280101000000Z"]),
        ("far", ["19800101000000Z", "99991231235959Z"]),
    ] {
        let made = maker.make(name, &Wanted { subject, dates, ..Default::default() });
        project.write(&format!("tree/{name}<&>.crt"), &made.pem().unwrap());
    }
    let draw = |file: &str| {
        project.must(&status("tree", &["--timeline", file]));
        std::fs::read_to_string(project.root().join(file)).unwrap()
    };
    let svg = draw("one.svg");
    assert_eq!(svg, draw("two.svg"));
    let program = "import sys, xml.dom.minidom as m\n\
        d = m.parse(sys.argv[1])\n\
        assert not d.getElementsByTagName('script') and 'href' not in open(sys.argv[1]).read()\n\
        print(len(d.getElementsByTagName('g')), len(d.getElementsByTagName('title')))\n\
        print([r.getAttribute('fill') for g in d.getElementsByTagName('g') for r in g.getElementsByTagName('rect') if r.getAttribute('height') == '12'])";
    let output = Command::new("python3").args(["-c", program, "one.svg"]).current_dir(project.root()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text, "5 6\n['url(#expired)', 'url(#ending)', '#3d7fb8', 'url(#not-yet)', '#3d7fb8']\n");
    for words in [
        "CN=\\&lt;script\\&gt;alert(1)\\&lt;",
        "2026-11-01 expired",
        "2026-11-10 8d !",
        "not yet",
        "2026-11-02T00:00:00Z",
    ] {
        assert!(svg.contains(words), "{words}: {svg}");
    }
    assert!(!svg.contains('\u{202e}') && !svg.contains('\u{1}'));
    // Nothing to show is a picture too.
    project.write("empty/none", "");
    project.must(&status("empty", &["--timeline", "empty.svg"]));
    assert!(Certificate::find(svg.as_bytes()).is_empty());
}
