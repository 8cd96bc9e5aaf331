//! Certificates that an outside authority issued.

use super::*;

/// An outside authority: `ca` below `middle` below `root`, and the request `server` of node one.
struct Outside {
    bench: Bench,
    lines: String,
}

/// What OpenSSL is asked to issue for that request.
struct Issue<'a> {
    by: &'a str,
    extensions: &'a str,
    request: &'a str,
    // More words for `openssl ca`.
    more: &'a str,
}

/// The extensions of what was asked for, but for the names.
const SERVER: &str = "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
                      extendedKeyUsage=serverAuth\nsubjectAltName=";
const NAMES: &str = "DNS:one.example,IP:10.0.0.1";

impl Outside {
    fn new() -> Outside {
        let bench = Bench::new();
        bench.authority("root", &Wanted { subject: "/CN=root", ..Default::default() });
        bench.authority("middle", &Wanted { subject: "/CN=middle", by: Some("root"), ..Default::default() });
        bench.authority("ca", &Wanted { subject: "/CN=ca", by: Some("middle"), ..Default::default() });
        bench.authority("twin", &Wanted { subject: "/CN=ca", ..Default::default() });
        let maker = &bench.maker;
        bench.public("chain.crt", ["ca.crt", "middle.crt", "root.crt"].map(|name| maker.read(name)).concat());
        let lines = format!("{CA}cert = \"pki/chain.crt\"\nissued = \"pki/issued\"\n");
        bench.profile(&lines);
        bench.project.must(&["pki", "csr", "profiles/prod.toml"]);
        maker.write("server.csr", fs::read(bench.project.root().join("csr/one/server.csr")).unwrap());
        maker.openssl(&format!("genpkey {P256} -out wrong.key"));
        maker.openssl("req -config ca.cnf -new -key wrong.key -subj /CN=server -out wrong.csr");
        Outside { bench, lines }
    }

    fn issue(&self, issue: &Issue<'_>) -> Vec<u8> {
        let (maker, Issue { by, extensions, request, more }) = (&self.bench.maker, issue);
        maker.write("issue.ext", extensions);
        let dates =
            if more.contains("-startdate") { "" } else { "-startdate 20261001000000Z -enddate 20271001000000Z " };
        maker.openssl(&format!(
            "ca -config ca.cnf -batch -notext -preserveDN -md sha256 -cert {by}.crt -keyfile {by}.key {dates}{more}\
             -extfile issue.ext -in {request}.csr -out issued.crt"
        ));
        maker.read("issued.crt")
    }

    /// What is good, but for more words.
    fn plain(&self, more: &str) -> Vec<u8> {
        self.issue(&Issue { by: "ca", extensions: &format!("{SERVER}{NAMES}"), request: "server", more })
    }

    fn put(&self, bytes: &[u8]) {
        fs::create_dir_all(self.bench.project.root().join("pki/issued/one")).unwrap();
        self.bench.public("issued/one/server.crt", bytes);
    }

    #[track_caller]
    fn refuses(&self, bytes: &[u8], code: i32, says: &[&str]) {
        self.put(bytes);
        let says: Vec<&str> = [&["overlays/keys/overlay.toml:", "pki/issued/one/server.crt: "], says].concat();
        self.bench.refuses(&self.lines, code, "", &says);
    }

    /// What the lock says of this file, with `cert` from another file; the code may be one of usage and trust.
    fn says(&self, cert: &str, bytes: &[u8]) -> String {
        self.put(bytes);
        self.bench.profile(&self.lines.replace("pki/chain.crt", cert));
        let (code, said) = self.bench.project.run(&["lock", "profiles/prod.toml"]).unwrap_err();
        assert!([2, 4].contains(&code), "{said}");
        said
    }

    fn takes(&self, cert: &str, bytes: &[u8]) {
        self.put(bytes);
        self.bench.profile(&self.lines.replace("pki/chain.crt", cert));
        self.bench.project.must(&["lock", "profiles/prod.toml"]);
        self.bench.project.must(&["build", "profiles/prod.toml", "--force"]);
    }
}

#[test]
fn issued_certificates_with_other_names_and_usages_than_were_asked_for() {
    let outside = Outside::new();
    let good = format!("{SERVER}{NAMES}");
    let cases: [(&str, i32, &str); 11] = [
        (&format!("{SERVER}IP:10.0.0.1"), 2, "of the DNS names that were asked for it lacks one.example"),
        (&format!("{SERVER}DNS:one.example"), 2, "of the addresses that were asked for it lacks 10.0.0.1"),
        (&format!("{good},DNS:two.example"), 2, "nobody asked for: two.example"),
        (&format!("{good},DNS:*"), 2, "nobody asked for: *"),
        (&format!("{good},IP:10.0.0.2"), 2, "nobody asked for: 10.0.0.2"),
        (&format!("{good},URI:spiffe://x/y"), 2, "nobody asked for: spiffe://x/y"),
        (&format!("{LEAF}\nsubjectAltName={NAMES}"), 2, "of the usages that were asked for it lacks server-auth"),
        (&good.replace("serverAuth", "serverAuth,clientAuth"), 2, "nobody asked for: client-auth"),
        (&good.replace("serverAuth", "serverAuth,1.2.3"), 2, "nobody asked for: 1.2.3"),
        (&good.replace("serverAuth", "serverAuth,anyExtendedKeyUsage"), 2, "nobody asked for: 2.5.29.37.0"),
        (&good.replace("CA:FALSE", "CA:TRUE"), 2, "it is an authority's (CA:TRUE)"),
    ];
    for (extensions, code, says) in cases {
        outside.refuses(&outside.issue(&Issue { by: "ca", extensions, request: "server", more: "" }), code, &[says]);
    }
    let organization = ["nobody asked for: system:masters"];
    outside.refuses(&outside.plain("-subj /O=team/O=system:masters/CN=server "), 2, &organization);
    outside.refuses(&outside.plain("-subj /CN=server "), 2, &["of the organizations", "lacks team"]);
    // Two things are wrong with this one, and both are said.
    let said = outside.says("pki/chain.crt", &outside.plain("-subj /O=team/CN=other "));
    assert!(said.lines().count() == 2 && said.contains("lacks server") && said.contains("for: other"), "{said}");
    // Many authorities repeat the CN among the names.
    let repeated = format!("{good},DNS:server");
    let bytes = outside.issue(&Issue { by: "ca", extensions: &repeated, request: "server", more: "" });
    outside.takes("pki/chain.crt", &bytes);
}

#[test]
fn issued_certificates_for_another_key_of_another_authority_or_another_time() {
    let outside = Outside::new();
    let (good, maker) = (&format!("{SERVER}{NAMES}"), &outside.bench.maker);
    let by = |by, request, more| outside.issue(&Issue { by, extensions: good, request, more });
    let key = ["its key is not the one that was asked for", "another request, seed or generation"];
    outside.refuses(&by("ca", "wrong", "-subj /O=team/CN=server "), 2, &key);
    outside.refuses(&by("twin", "server", ""), 4, &["was issued with the key", "two authorities, or generations"]);
    outside.refuses(&by("root", "server", ""), 4, &["was issued by `CN=root`, not by `CN=ca`"]);
    outside.refuses(&maker.read("ca.crt"), 2, &["it holds the authority's certificate, and not the one"]);
    outside.refuses(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 2, &["not a certificate"]);
    outside.refuses(b"", 2, &[]);
    // Dates are judged when it is built.
    let dated = |from: &str, until: &str, words: &[&str], says: &[&str]| {
        outside.put(&outside.plain(&format!("-startdate {from} -enddate {until} ")));
        outside.bench.profile(&outside.lines);
        outside.bench.project.must(&["lock", "profiles/prod.toml"]);
        let what = "/etc/pki/server.crt of node one: the certificate of `CN=server,O=team`";
        let words = [&["build", "profiles/prod.toml"], words].concat();
        outside.bench.refuses_to(&words, &outside.lines, 4, "", &[&[what], says].concat());
    };
    dated("20260201000000Z", "20260301000000Z", &[], &["expired at 2026-03-01T00:00:00Z"]);
    let early = ["is not valid before 2026-11-01T00:00:01Z", "a later epoch, or --at"];
    dated("20261101000001Z", "20270301000000Z", &[], &early);
    dated("20261001000000Z", "20261115000000Z", &["--min-validity", "30d"], &["less than 30d after"]);
}

#[test]
fn chains_are_taken_in_their_order_and_in_no_other() {
    let outside = Outside::new();
    let (maker, plain) = (&outside.bench.maker, outside.plain(""));
    let [ca, middle, root] = ["ca.crt", "middle.crt", "root.crt"].map(|name| maker.read(name));
    let chain = |parts: &[&[u8]]| parts.concat();
    for bytes in [plain.clone(), chain(&[&plain, &ca])] {
        outside.takes("pki/chain.crt", &bytes);
    }
    // With the root as the authority, what is between comes in the file.
    for bytes in [chain(&[&plain, &ca, &middle]), chain(&[&plain, &ca, &middle, &root])] {
        outside.takes("pki/root.crt", &bytes);
        let archive = outside.bench.project.root().join("out/prod/1/public/one/node.tar");
        let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg("etc/pki/server.crt").output();
        maker.write("sent.crt", output.unwrap().stdout);
        assert_eq!(maker.read("sent.crt"), chain(&[&plain, &ca, &middle]), "the root is not sent");
        maker.openssl("verify -attime 1793491200 -CAfile root.crt -untrusted sent.crt sent.crt");
    }
    for (bytes, says) in [
        (chain(&[&plain, &middle, &ca]), "was issued by `CN=ca`, not by `CN=middle`"),
        (chain(&[&ca, &plain]), "its key is not the one"),
        (chain(&[&plain, &middle]), "was issued by `CN=ca`, not by `CN=middle`"),
        (plain.clone(), "was issued by `CN=ca`, not by `CN=root`"),
    ] {
        let said = outside.says("pki/root.crt", &bytes);
        assert!(said.contains(says) && said.contains("pki/issued/one/server.crt: "), "{said}");
    }
    // The bundle of the authority itself: the root first, or a link that is missing.
    for (bytes, says) in [
        (chain(&[&root, &middle, &ca]), "`CN=root` was issued by `CN=root`, not by `CN=middle`"),
        (chain(&[&ca, &root]), "`CN=ca` was issued by `CN=middle`, not by `CN=root`"),
    ] {
        outside.bench.public("bundle.crt", bytes);
        let said = outside.says("pki/bundle.crt", &plain);
        assert!(said.contains(says) && said.contains("pki/bundle.crt: "), "{said}");
    }
}
