//! Profiles and overlays that are wrong: each is told with its place, all at once, with the nearest name, and with the
//! right exit code (rows 83, 84, 87 and 88 of the quality plan, and what is behind them).
#![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
#![expect(clippy::unwrap_used, reason = "this is how a test fails")]

#[path = "profiles/hostile.rs"]
mod hostile;
mod support;

use support::Project;

const GOOD: &str = r#"
overlays = ["base"]
[cluster]
name = "prod"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
domain = "example.org"
[network]
machine-cidr = "10.0.0.0/24"
[[nodes]]
name = "a"
address = "10.0.0.1"
mac = "52:54:00:00:00:01"
roles = ["master"]
[[nodes]]
name = "b"
address = "10.0.0.2"
roles = ["master"]
"#;

const OVERLAY: &str = r#"
summary = "a test"
[vars]
port = 1
[args.server]
listen = "{{ node.address }}:{{ vars.port }}"
items = "x,y"
[[files]]
path = "/etc/server.conf"
mode = "0640"
"#;

const TEMPLATE: &str = "name={{ node.name }}\n{% for word in args('server') %}\n{{ word }}\n{% endfor %}\n";

fn project(profile: &str, overlay: &str, template: &str) -> Project {
    Project::new(&[
        ("profiles/p.toml", profile),
        ("overlays/base/overlay.toml", overlay),
        ("overlays/base/root/etc/server.conf.j2", template),
    ])
}

fn wrong_profile(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    project(&GOOD.replacen(from, to, 1), OVERLAY, TEMPLATE).fails(2, &["plan", "profiles/p.toml"])
}

#[test]
fn the_good_one_is_good() {
    let text = project(GOOD, OVERLAY, TEMPLATE).must(&["plan", "profiles/p.toml"]);
    assert!(text.contains("/etc/server.conf"), "{text}");
}

#[test]
fn a_machine_may_have_no_role() {
    let profile = GOOD.replacen("mac = \"52:54:00:00:00:01\"\nroles = [\"master\"]\n", "", 1);
    let overlay = format!("when = \"'master' in node.roles\"\n{OVERLAY}");
    let text = project(&profile, &overlay, TEMPLATE).must(&["plan", "profiles/p.toml", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let overlays = |node: usize| plan["nodes"][node]["overlays"].as_array().unwrap().len();
    assert_eq!((overlays(0), overlays(1)), (0, 1), "{text}");
}

/// What is replaced, by what, and how a line of the error begins.
const WRONG_PROFILES: &[(&str, &str, &str)] = &[
    ("domain =", "domian =", "profiles/p.toml:7:1: `domian` is not a key here; did you mean `domain`?"),
    ("[network]", "[netwrok]", "profiles/p.toml:8:2: `netwrok` is not a key here; did you mean `network`?"),
    (
        "version = \"1.0\"",
        "version = 1.30",
        "profiles/p.toml:5:11: `version`: expected a string, found floating point `1.3`",
    ),
    ("version = \"1.0\"", "version = \"latest\"", "profiles/p.toml:5:11: `version`: `latest` is not a version"),
    ("name = \"prod\"", "name = \"../x\"", "profiles/p.toml:4:8: a cluster's name is a DNS label"),
    ("name = \"a\"", "name = \"..\"", "profiles/p.toml:11:8: a node's name is a DNS label"),
    ("name = \"a\"", "name = \"-rf\"", "profiles/p.toml:11:8: a node's name is a DNS label"),
    ("name = \"a\"", "name = \"a/b\"", "profiles/p.toml:11:8: a node's name is a DNS label"),
    ("name = \"a\"", "name = \"A\"", "profiles/p.toml:11:8: a node's name is a DNS label"),
    ("name = \"a\"", "name = \"\\u0000\"", "profiles/p.toml:11:8: a string holds the control character"),
    ("name = \"b\"", "name = \"a\"", "profiles/p.toml:15:1: the node `a` is given twice"),
    ("name = \"b\"\n", "", "profiles/p.toml:15:1: `name` is missing"),
    ("10.0.0.2", "10.0.0.1", "profiles/p.toml:17:11: nodes a and b have one address, 10.0.0.1"),
    ("10.0.0.2", "10.0.0.256", "profiles/p.toml:17:11: `address`: invalid IP address syntax"),
    ("10.0.0.2", "10.1.0.2", "profiles/p.toml:17:11: the address of b 10.1.0.2 is outside machine-cidr 10.0.0.0/24"),
    (
        "10.0.0.0/24",
        "10.0.0.1/24",
        "profiles/p.toml:9:16: `machine-cidr`: `10.0.0.1/24` has bits set behind its prefix",
    ),
    ("52:54:00:00:00:01", "52-54-00-00-00-01", "profiles/p.toml:13:7: `52-54-00-00-00-01` is not a MAC address"),
    (
        "address = \"10.0.0.2\"",
        "mac = \"52:54:00:00:00:01\"",
        "profiles/p.toml:17:7: nodes a and b have one MAC address",
    ),
    ("\"base\"", "\"bsae\"", "profiles/p.toml:2:13: there is no overlay `bsae`; did you mean `base`?"),
    ("\"base\"", "\"base\", \"base\"", "profiles/p.toml:2:21: overlay `base` is named twice"),
    ("epoch = 2026-01-01T00:00:00Z", "", "profiles/p.toml:3:1: the release has no epoch; add `epoch"),
    ("2026-01-01T00:00:00Z", "2026-01-01", "profiles/p.toml:6:9: `2026-01-01` is not an instant"),
    (
        "[network]",
        "arch = \"x86_64\"\n[network]",
        "profiles/p.toml:8:8: `arch`: `x86_64` is not known here; known: amd64, arm64",
    ),
    (
        "[network]",
        "mtime = 2026-01-01T00:00:00+02:00\n[network]",
        "profiles/p.toml:8:9: `2026-01-01T00:00:00+02:00` is not an instant",
    ),
    (
        "[network]",
        "endpoint = \"{{ cluster.nmae }}\"\n[network]",
        "profiles/p.toml:8:12: `cluster.nmae` is not defined here; did you mean `cluster.name`?",
    ),
    (
        "[network]",
        "endpoint = \"{{ cluster.endpoint }}\"\n[network]",
        "profiles/p.toml:8:12: a value needs itself: cluster.endpoint -> cluster.endpoint",
    ),
    ("[network]", "endpoint = \"{{ node.name }}\"\n[network]", "profiles/p.toml:8:12: `node.name` is not defined here"),
    (
        "[network]",
        "[vars.bsae]\nport = 2\n[network]",
        "profiles/p.toml:8:1: [vars.bsae] is for no overlay of this profile; did you mean `base`?",
    ),
    (
        "[network]",
        "[vars.base]\nprot = 2\n[network]",
        "profiles/p.toml:9:1: overlay `base` has no variable `prot`; did you mean `port`?",
    ),
    (
        "[network]",
        "[args.sevrer]\nx = \"1\"\n[network]",
        "profiles/p.toml:8:7: [args.sevrer] sets flags that no file of this profile's overlays uses; did you mean `server`?",
    ),
    (
        "[network]",
        "[args.server]\nitems = { remove = [\"z\"] }\n[network]",
        "profiles/p.toml:9:9: `items` has no item `z` that could be removed",
    ),
    ("[network]", "[args.server]\n\"--x\" = \"1\"\n[network]", "profiles/p.toml:9:9: `--x` is not the name of a flag"),
    (
        "[network]",
        "[sysctl]\n\"vm.x\" = \"1\"\n[network]",
        "profiles/p.toml:8:1: [sysctl] is set, and no file of this profile's overlays writes it",
    ),
    (
        "[network]",
        "[modules]\nload = [\"x\"]\n[network]",
        "profiles/p.toml:8:1: [modules] is set, and no file of this profile's overlays writes it",
    ),
    (
        "[network]",
        "[pki.generations]\nca = 2\n[network]",
        "profiles/p.toml:9:6: [pki.generations] names `ca`, and no key has this name",
    ),
    ("[network]", "[[outputs]]\nformat = \"zip\"\n[network]", "profiles/p.toml:9:10: `format`: `zip` is not"),
    (
        "[network]",
        "[[outputs]]\nformat = \"tar\"\n[[outputs]]\nformat = \"tar\"\n[network]",
        "profiles/p.toml:10:1: the output tar is asked for twice",
    ),
    (
        "[network]",
        "[[outputs]]\nformat = \"tar\"\nsecrets = \"include\"\n[network]",
        "profiles/p.toml:8:1: `secrets` is for `layers = \"merged\"`",
    ),
    (
        "[network]",
        "[sources.x]\nurl = \"http://h/x\"\npath = \"x\"\n[network]",
        "profiles/p.toml:8:1: source `x` takes exactly one of `url`, `path` and `deb`",
    ),
    (
        "[network]",
        "[sources.x]\npath = \"../x\"\ninstall = { path = \"/x\" }\n[network]",
        "profiles/p.toml:8:1: ../x leads out of",
    ),
    (
        "[network]",
        "[sources.x]\nurl = \"http://h/x\"\n[network]",
        "profiles/p.toml:8:1: source `x` takes either `install`",
    ),
    (
        "[network]",
        "[sources.x]\nurl = \"http://h/x\"\ninstall = { path = \"x\" }\n[network]",
        "profiles/p.toml:10:11: `x` cannot be a file on a machine: a path starts with `/`",
    ),
    (
        "[network]",
        "[sources.x]\nurl = \"ftp://h/x\"\ninstall = { path = \"/x\" }\n[network]",
        "profiles/p.toml:8:1: `ftp://h/x` is not an http, https or file URL",
    ),
    (
        "[network]",
        "[sources.x]\ndeb = \"-o=x\"\ninstall = { path = \"/x\" }\n[network]",
        "profiles/p.toml:8:1: `-o` is not the name of a Debian package",
    ),
    (
        "[network]",
        "[sources.x]\nurl = \"http://h/x\"\nsha256 = \"AB\"\ninstall = { path = \"/x\" }\n[network]",
        "profiles/p.toml:8:1: `AB` is not a SHA-256 digest",
    ),
    ("overlays = [", "overlays = [[", "profiles/p.toml:3:1: missing comma between array elements"),
];

#[test]
fn profiles_that_are_wrong() {
    let mut wrong = String::new();
    for (from, to, begin) in WRONG_PROFILES {
        let error = wrong_profile(from, to);
        if !error.lines().any(|line| line.starts_with(begin)) {
            wrong += &format!("{to}\n  expected {begin}\n  found    {error}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is replaced, by what, and how a line of the error begins.
const WRONG_OVERLAYS: &[(&str, &str, &str)] = &[
    ("summary =", "sumary =", "overlays/base/overlay.toml:2:1: `sumary` is not a key here; did you mean `summary`?"),
    (
        "\"0640\"",
        "640",
        "overlays/base/overlay.toml:10:8: `mode`: expected a mode as a string of four octal digits, like \"0644\"",
    ),
    ("\"0640\"", "0o640", "overlays/base/overlay.toml:10:8: `mode`: expected a mode as a string"),
    ("\"0640\"", "\"640\"", "overlays/base/overlay.toml:10:8: `mode`: a mode is four octal digits"),
    ("\"0640\"", "\"0888\"", "overlays/base/overlay.toml:10:8: `mode`: a mode is four octal digits"),
    (
        "/etc/server.conf",
        "/etc/servre.conf",
        "overlays/base/overlay.toml:8:1: `/etc/servre.conf` is the path of no file in overlay base; did you mean `/etc/server.conf`?",
    ),
    (
        "/etc/server.conf",
        "etc/server.conf",
        "overlays/base/overlay.toml:8:1: `etc/server.conf` is not an absolute path",
    ),
    (
        "[vars]",
        "requires = [\"tls\"]\n[vars]",
        "overlays/base/overlay.toml:3:13: overlay `base` requires `tls` before it",
    ),
    (
        "[vars]",
        "when = \"node.rolls\"\n[vars]",
        "overlays/base/overlay.toml:3:8: `node.rolls` is not defined here; did you mean `node.roles`?",
    ),
    (
        "[vars]",
        "when = \"node.name\"\n[vars]",
        "overlays/base/overlay.toml:3:8: `when` takes an expression that is true or false",
    ),
    (
        "port = 1",
        "port = \"{{ vars.port }}\"",
        "overlays/base/overlay.toml:4:8: a value needs itself: vars.port -> vars.port",
    ),
    (
        "vars.port",
        "vars.prot",
        "overlays/base/overlay.toml:6:10: `vars.prot` is not defined here; did you mean `vars.port`?",
    ),
    (
        "[[files]]",
        "[[directories]]\npath = \"/a/../b\"\n[[files]]",
        "overlays/base/overlay.toml:9:8: `path`: `/a/../b` cannot be a file on a machine",
    ),
    (
        "[[files]]",
        "[[units]]\nenable = [\"x.service\"]\n[[files]]",
        "overlays/base/overlay.toml:9:11: the unit `x.service` is not among the overlays' files",
    ),
    (
        "[[files]]",
        "[[certificates]]\nname = \"x\"\nauthority = \"ca\"\nsubject = { cn = \"x\" }\nusages = []\n[[files]]",
        "overlays/base/overlay.toml:10:13: there is no authority `ca`",
    ),
    (
        "[[files]]",
        "[[secrets]]\nname = \"x\"\nshape = \"words\"\n[[files]]",
        "overlays/base/overlay.toml:10:9: `words` is not the shape of a secret",
    ),
];

#[test]
fn overlays_that_are_wrong() {
    for (from, to, begin) in WRONG_OVERLAYS {
        assert!(OVERLAY.contains(from), "{from}");
        let error = project(GOOD, &OVERLAY.replacen(from, to, 1), TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
        assert!(error.lines().any(|line| line.starts_with(begin)), "{to}\n  expected {begin}\n  found    {error}");
    }
}

#[test]
fn templates_that_are_wrong() {
    let cases = [
        (
            "{{ node.nmae }}",
            "overlays/base/root/etc/server.conf.j2:1:4: `node.nmae` is not defined here; did you mean `node.name`?",
        ),
        ("{{ args('sevrer') }}", "overlays/base/root/etc/server.conf.j2:1:"),
        ("{{ env('HOME') }}", "overlays/base/root/etc/server.conf.j2:1:"),
        ("{% include '/etc/passwd' %}", "overlays/base/root/etc/server.conf.j2:1:"),
        ("{{ fail('no') }}", "overlays/base/root/etc/server.conf.j2:1:"),
        ("{% if %}", "overlays/base/root/etc/server.conf.j2:1:"),
        ("{{ none }}", "overlays/base/root/etc/server.conf.j2:1:"),
        // What took all memory, or the stack, and the program with it.
        ("{{ 'a' | indent(18446744073709551615, true) }}", "overlays/base/root/etc/server.conf.j2:1:"),
        ("{{ '%99999999999d' | format(1) }}", "overlays/base/root/etc/server.conf.j2:1:"),
        (
            &format!("{{{{ {}1 }}}}", "-".repeat(50_000)),
            "overlays/base/root/etc/server.conf.j2:1:1: the template cannot be",
        ),
        (
            &format!("{{{{ node{} }}}}", ".a".repeat(50_000)),
            "overlays/base/root/etc/server.conf.j2:1:1: the template cannot",
        ),
    ];
    for (template, begin) in cases {
        let error = project(GOOD, OVERLAY, template).fails(2, &["plan", "profiles/p.toml"]);
        assert!(error.starts_with(begin), "{template}\n  expected {begin}\n  found    {error}");
    }
}

#[test]
fn policy_has_its_own_exit_code() {
    let secret = "[[secrets]]\nname = \"token\"\nshape = \"hex\"\n";
    let tail = |more: &str, template: &str| {
        let project = project(GOOD, &format!("{OVERLAY}{more}"), template);
        project.fails(8, &["plan", "profiles/p.toml"])
    };
    assert!(
        tail(secret, "{{ args('server') | join(' ') }}{{ secrets.token }}")
            .contains("uses a secret and would be in a public layer")
    );
    // Each kind of key and token, in each way that leads into a public layer: tests/leaks.rs.
    let age =
        "{{ args('server') | join(' ') }}\nAGE-SECRET-KEY-1QQPQYRSQQPQYRSQQPQYRSQQPQYRSQQPQYRSQQPQYRSQQPQYRSQQPQYRSQQ";
    assert!(tail("", age).contains("line 2 of /etc/server.conf (overlay base: "));
    assert!(tail("[[directories]]\npath = \"/bin\"\n", TEMPLATE).contains("would destroy the link"));
    assert!(tail("[[directories]]\npath = \"/srv\"\nmode = \"0777\"\n", TEMPLATE).contains("writable by all"));
    assert!(tail("[[files]]\npath = \"/etc/*\"\nmode = \"4755\"\n", TEMPLATE).contains("set-uid"));
    assert!(
        tail("[[symlinks]]\npath = \"/etc\"\ntarget = \"/usr/etc\"\n", TEMPLATE)
            .contains("lies below /etc, which is a symlink")
    );
}

#[test]
fn two_overlays_that_differ() {
    let second = |text: &str| {
        let project = project(&GOOD.replace("[\"base\"]", "[\"base\", \"more\"]"), OVERLAY, TEMPLATE);
        project.write("overlays/more/overlay.toml", text);
        project
    };
    let error = second("[args.server]\nlisten = \"x\"\n").fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains("overlays base (overlays/base/overlay.toml:6:10) and more give args.server.listen different values; say `override = true`"), "{error}");
    second("override = true\n[args.server]\nlisten = \"x\"\n").must(&["plan", "profiles/p.toml"]);
    second("[args.server]\nitems = { add = [\"z\"] }\n").must(&["plan", "profiles/p.toml"]);
    let clash = second("");
    clash.write("overlays/more/root/etc/server.conf", "other");
    assert!(clash.fails(2, &["plan", "profiles/p.toml"]).contains("/etc/server.conf is given twice, as a file with"));
    clash.write("overlays/more/root/etc/Server.conf", "twin");
    std::fs::remove_file(clash.root().join("overlays/more/root/etc/server.conf")).unwrap();
    assert!(clash.fails(2, &["plan", "profiles/p.toml"]).contains("differ in nothing but the case of letters"));
}

#[test]
fn extending() {
    let files = [
        ("profiles/base/b.toml", GOOD),
        (
            "profiles/p.toml",
            "extends = \"base/b.toml\"\nnodes.b = false\n[nodes.c]\nroles = [\"x\"]\n[cluster]\nversion = \"2.0\"\n[args.server]\nitems = { add = [\"z\"] }\n",
        ),
        ("overlays/base/overlay.toml", OVERLAY),
        ("overlays/base/root/etc/server.conf.j2", TEMPLATE),
    ];
    let project = Project::new(&files);
    let error = project.fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains("`node.address` is not defined here"), "c has no address: {error}");
    project.write(
        "profiles/p.toml",
        &format!(
            "{}address = \"10.0.0.9\"\n",
            files[1]
                .1
                .replace("[cluster]", "address = \"10.0.0.9\"\n[cluster]")
                .replace("address = \"10.0.0.9\"\n[args", "[args")
        )
        .replace("items = { add = [\"z\"] }\naddress = \"10.0.0.9\"\n", "items = { add = [\"z\"] }\n"),
    );
    let plan: serde_json::Value =
        serde_json::from_str(&project.must(&["plan", "profiles/p.toml", "--format", "json"])).unwrap();
    let names: Vec<_> = plan["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!((plan["version"].as_str(), names), (Some("2.0"), vec!["a", "c"]));

    project.write("profiles/base/b.toml", "extends = \"../p.toml\"");
    let error = project.fails(2, &["plan", "profiles/p.toml"]);
    assert!(
        error.contains("the profiles extend each other: profiles/p.toml -> profiles/base/b.toml -> profiles/p.toml"),
        "{error}"
    );
    for (text, expected) in [
        ("extends = \"../../x.toml\"", "leads out of the project"),
        ("extends = \"/etc/passwd\"", "leads out of the project"),
        ("extends = \"fifo\"", "not a regular file"),
        ("extends = \"out.toml\"", "leads out of"),
        ("extends = \"gone.toml\"", "No such file"),
        ("extends = 1", "takes the path of a profile"),
    ] {
        project.write("profiles/p.toml", text);
        let fifo = project.root().join("profiles/fifo");
        if !fifo.exists() {
            std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
            std::os::unix::fs::symlink("/etc/passwd", project.root().join("profiles/out.toml")).unwrap();
        }
        let (code, error) = project.run(&["plan", "profiles/p.toml"]).unwrap_err();
        assert!(matches!(code, 2 | 5) && error.contains(expected), "{text}: {code} {error}");
    }
}

#[test]
fn many_faults_are_told_together() {
    let profile =
        GOOD.replace("domain =", "domian =").replace("version = \"1.0\"", "version = 1").replace("10.0.0.2", "x");
    let error = project(&profile, OVERLAY, TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains(":7:1: `domian`"), "{error}");
    let profile = GOOD.replace("version = \"1.0\"", "version = 1").replace("10.0.0.2", "x");
    let error = project(&profile, OVERLAY, TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[test]
fn the_environment_gives_an_epoch_and_nothing_else() {
    let without = GOOD.replace("epoch = 2026-01-01T00:00:00Z\n", "");
    let project = project(&without, OVERLAY, TEMPLATE);
    let with = |value: &str| {
        let mut command = project.command(&["plan", "profiles/p.toml", "--format", "json"]);
        support::finished(&command.env("SOURCE_DATE_EPOCH", value).output().unwrap())
    };
    assert!(with("1767225600").unwrap().contains("2026-01-01T00:00:00Z"));
    assert!(with("0").unwrap().contains("1970-01-01T00:00:00Z"));
    for wrong in ["", "x", "-1", "1.5", " 1", "99999999999999999999"] {
        assert_eq!(with(wrong).unwrap_err().0, 2, "{wrong}");
    }
}

#[test]
fn a_thousand_nodes_and_none() {
    let nodes: String = (0..1000)
        .map(|n| format!("[[nodes]]\nname = \"n{n}\"\naddress = \"10.0.{}.{}\"\n", n / 250, n % 250 + 1))
        .collect();
    let head = GOOD.split("[[nodes]]").next().unwrap().replace("10.0.0.0/24", "10.0.0.0/16");
    let text = project(&format!("{head}{nodes}"), OVERLAY, TEMPLATE).must(&["plan", "profiles/p.toml"]);
    assert!(text.contains("n999"));
    let error = project(&head, OVERLAY, TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
    assert!(error.contains("at least one machine"), "{error}");
}

#[test]
fn a_flag_is_chosen_by_version() {
    let overlay = OVERLAY.replace(
        "items = \"x,y\"",
        "items = { expr = \"'new' if kubernetes.version is at_least('1.24') else false\" }\nlists = { expr = \"['a', 'b'] if kubernetes.version is at_least('1.24') else 'a'\" }",
    );
    let with = |version: &str| {
        let merged = "\n[[outputs]]\nformat = \"tar\"\nlayers = \"merged\"\n";
        let profile = format!("{GOOD}{merged}").replacen(
            "[network]",
            &format!("[kubernetes]\nversion = \"{version}\"\n[network]"),
            1,
        );
        let project = project(&profile, &overlay, TEMPLATE);
        project.must(&["pki", "init", "profiles/p.toml"]);
        project.must(&["lock", "profiles/p.toml"]);
        project.must(&["build", "profiles/p.toml"]);
        let archive = project.root().join("out/prod/1.0/public/a/rootfs.tar");
        let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg("etc/server.conf").output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&with("1.24.0")), ["name=a", "--items=new", "--listen=10.0.0.1:1", "--lists=a", "--lists=b"]);
    assert_eq!(lines(&with("1.9.11")), ["name=a", "--listen=10.0.0.1:1", "--lists=a"]);
}

/// The profile's overlay with a check of that severity, which finds an even number of machines.
fn with_check(severity: &str) -> String {
    format!(
        "{OVERLAY}\n[[checks]]\nid = \"even\"\nseverity = \"{severity}\"\nsays = \"{{{{ nodes | length }}}} members\"\n\
         fate = \"a tie\"\nremedy = \"add one\"\nwhen = \"nodes | length % 2 == 0 and arg('server', 'listen') != ''\"\n"
    )
}

#[test]
fn what_an_overlay_finds_is_told_once_and_stops_a_build_if_it_is_an_error() {
    let even = project(GOOD, &with_check("warning"), TEMPLATE);
    even.must(&["pki", "init", "profiles/p.toml"]);
    even.must(&["lock", "profiles/p.toml"]);
    let output = even.command(&["build", "profiles/p.toml"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let told: Vec<&str> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(told, ["warning: overlays/base/overlay.toml:15:8: 2 members on a and 1 more: a tie (even)"]);
    let page = even.must(&["check", "profiles/p.toml"]);
    assert!(page.contains("warning[even]: 2 members\n") && page.contains("1 warning"), "{page}");

    let fatal = project(GOOD, &with_check("error"), TEMPLATE);
    fatal.must(&["pki", "init", "profiles/p.toml"]);
    fatal.must(&["lock", "profiles/p.toml"]);
    let text = fatal.fails(2, &["build", "profiles/p.toml"]);
    assert!(text.contains("overlay.toml:15:8: 2 members on a and 1 more: a tie (even); add one"), "{text}");
    assert!(!fatal.root().join("out/prod").exists());
    fatal.fails(2, &["check", "profiles/p.toml"]);

    let accepted = format!("{GOOD}\n[[accept]]\nfinding = \"even\"\nreason = \"a laboratory\"\n");
    let page = project(&accepted, &with_check("error"), TEMPLATE).must(&["check", "profiles/p.toml"]);
    assert!(page.contains("nothing is wrong that could be known; 1 accepted"), "{page}");
    let odd = format!("{accepted}\n[[nodes]]\nname = \"c\"\naddress = \"10.0.0.3\"\n");
    let text = project(&odd, &with_check("error"), TEMPLATE).fails(2, &["check", "profiles/p.toml"]);
    assert!(text.contains("the finding `even` is accepted, and there is none"), "{text}");
}

#[test]
fn a_difference_from_a_document_is_planned_and_has_a_reason() {
    let differs = |reason: &str| {
        format!(
            "{GOOD}\n[[differences]]\ndocument = \"guide.md\"\npath = \"/etc/server.conf\"\nwhat = \"--items\"\nreason = \"{reason}\"\n"
        )
    };
    let text = project(&differs("safer"), OVERLAY, TEMPLATE).must(&["plan", "profiles/p.toml"]);
    assert!(text.contains("differs from guide.md, /etc/server.conf, --items: safer\n"), "{text}");
    let text = project(&differs(" "), OVERLAY, TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
    assert!(text.contains("a difference without a reason; say why"), "{text}");
}

#[test]
fn a_source_of_the_profile_is_another_place_or_another_way() {
    let overlay = format!(
        "{OVERLAY}\n[sources.tool]\ndeb = \"tool\"\nmembers = {{ \"usr/bin/*\" = \"/usr/bin/\" }}\n[sources.other]\nurl = \"https://example.org/o\"\nchecksum-url = \"https://example.org/o.sha256\"\ninstall = {{ path = \"/usr/bin/o\" }}\n"
    );
    let planned = |sources: &str| -> serde_json::Value {
        let base = format!("{GOOD}{sources}");
        let project = Project::new(&[
            ("profiles/base/b.toml", base.as_str()),
            ("profiles/p.toml", "extends = \"base/b.toml\"\n"),
            ("profiles/q.toml", "extends = \"base/b.toml\"\n[sources.tool]\nurl = \"https://example.org/q\"\n"),
            ("overlays/base/overlay.toml", &overlay),
            ("overlays/base/root/etc/server.conf.j2", TEMPLATE),
        ]);
        let read = |name: &str| -> serde_json::Value {
            let plan: serde_json::Value =
                serde_json::from_str(&project.must(&["plan", name, "--format", "json"])).unwrap();
            serde_json::json!([plan["sources"], plan["nodes"][0]["pending"]])
        };
        serde_json::json!([read("profiles/p.toml"), read("profiles/q.toml")])
    };
    // From elsewhere, going where it went.
    let plan = planned("[sources.tool]\nurl = \"https://example.org/t.tar\"\n");
    assert_eq!(plan[0][0]["tool"][0]["from"], "url https://example.org/t.tar");
    assert_eq!(plan[0][0]["tool"][0]["members"], serde_json::json!(["usr/bin/*"]));
    // A profile that extends it has the last word.
    assert_eq!(plan[1][0]["tool"][0]["from"], "url https://example.org/q");
    // From elsewhere, going elsewhere.
    let plan = planned("[sources.tool]\nurl = \"https://example.org/t.tar\"\nmembers = { \"t/bin/*\" = \"/opt/\" }\n");
    assert_eq!(plan[0][0]["tool"][0]["members"], serde_json::json!(["t/bin/*"]));
    // Where the overlay is not, another place for its source is nothing.
    let here = overlay.replacen("summary", "when = \"node.name == 'a'\"\nsummary", 1);
    let moved = format!("{GOOD}\n[sources.tool]\nurl = \"https://example.org/t.tar\"\n");
    let plan = project(&moved, &here, TEMPLATE).must(&["plan", "profiles/p.toml"]);
    assert_eq!(plan.matches("[source tool: usr/bin/*]").count(), 1, "{plan}");
    // One more member of the same.
    let plan = planned("[sources.tool]\nmembers = { \"usr/lib/*\" = \"/usr/lib/\" }\n");
    assert_eq!(plan[0][0]["tool"][0]["from"], "deb tool amd64");
    assert_eq!(plan[0][0]["tool"][0]["members"], serde_json::json!(["usr/bin/*", "usr/lib/*"]));
    // The publisher's word of one place is none of another's.
    let plan = planned(
        "[sources.other]\npath = \"profiles/p.toml\"\n[sources.tool]\npath = \"profiles/p.toml\"\ninstall = { path = \"/opt/t\" }\n",
    );
    assert_eq!(plan[0][0]["other"][0]["from"], "path profiles/p.toml");
    assert_eq!(
        plan[0][1],
        serde_json::json!([{"path": "/opt/t", "source": "tool"}, {"path": "/usr/bin/o", "source": "other"}])
    );
}

#[test]
fn a_file_that_is_not_there_yet_is_planned_and_not_locked() {
    let project = project(
        &format!("{GOOD}\n[sources.tool]\npath = \"files/tool\"\ninstall = {{ path = \"/usr/bin/tool\" }}\n"),
        OVERLAY,
        TEMPLATE,
    );
    let plan = project.must(&["plan", "profiles/p.toml"]);
    assert!(plan.contains("pending /usr/bin/tool  [source tool]"), "{plan}");
    let text = project.fails(5, &["lock", "profiles/p.toml"]);
    assert!(text.contains("files/tool: No such file or directory"), "{text}");
    project.write("files/tool", "#!/bin/sh\n");
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    project.must(&["build", "profiles/p.toml"]);
    // One that is gone is told, though the store still has what it was.
    std::fs::remove_file(project.root().join("files/tool")).unwrap();
    let text = project.fails(5, &["build", "profiles/p.toml", "--force"]);
    assert!(text.contains("files/tool: No such file or directory"), "{text}");
    project.write(
        "profiles/p.toml",
        &format!("{GOOD}\n[sources.tool]\npath = \"../tool\"\ninstall = {{ path = \"/usr/bin/tool\" }}\n"),
    );
    project.fails(2, &["plan", "profiles/p.toml"]);
}

#[test]
fn what_the_profile_replaces_need_not_have_a_value() {
    let overlay = OVERLAY.replace("items = \"x,y\"", "items = \"{{ network.pod_cidr }}\"");
    let text = project(GOOD, &overlay, TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
    assert!(text.contains("`network.pod_cidr` is not defined here"), "{text}");
    for value in ["\"z\"", "false", "{ expr = \"['z']\" }"] {
        let profile = format!("{GOOD}\n[args.server]\nitems = {value}\n");
        project(&profile, &overlay, TEMPLATE).must(&["plan", "profiles/p.toml"]);
    }
    // An edit needs what it edits.
    let profile = format!("{GOOD}\n[args.server]\nitems = {{ add = [\"z\"] }}\n");
    project(&profile, &overlay, TEMPLATE).fails(2, &["plan", "profiles/p.toml"]);
}

#[test]
fn an_expression_is_a_value_and_no_table() {
    let overlay = OVERLAY.replace("port = 1", "port = 1\nlabels = { a = \"1\" }\nlist = { expr = \"[1]\" }");
    let template = "{{ vars.labels | json }} {{ vars.list | json }}\n{% for word in args('server') %}{% endfor %}\n";
    let profile = format!(
        "{GOOD}\n[vars.base]\nlabels = {{ expr = \"{{}}\" }}\nlist = {{ a = 2 }}\n[[outputs]]\nformat = \"tar\"\nlayers = \"merged\"\n"
    );
    let project = project(&profile, &overlay, template);
    project.must(&["pki", "init", "profiles/p.toml"]);
    project.must(&["lock", "profiles/p.toml"]);
    project.must(&["build", "profiles/p.toml"]);
    let archive = project.root().join("out/prod/1.0/public/a/rootfs.tar");
    let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg("etc/server.conf").output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap().trim(), "{} {\"a\":2}");
}
