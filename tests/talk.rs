//! Whom an address leads to, as `check` follows it, and what it tells of it: small overlays whose servers and clients are
//! made up.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

#[expect(dead_code, reason = "a part of it is for other tests")]
mod support;

use support::Project;

const PROFILE: &str = "overlays = [\"o\"]\n[cluster]\nname = \"c\"\nversion = \"1\"\nepoch = 2026-11-01T00:00:00Z\ndomain = \"d\"\n\
    [[nodes]]\nname = \"a\"\naddress = \"10.0.0.1\"\naddresses = [\"fd00::1\"]\n\
    [[nodes]]\nname = \"b\"\naddress = \"fd00::2\"\n";

/// What `check` finds of a made-up overlay: `ID PLACE SAYS`.
fn found(overlay: &str, profile: &str, files: &[(&str, &str)]) -> Vec<String> {
    let overlay = format!("summary = \"o\"\n{overlay}");
    let profile = format!("{PROFILE}{profile}");
    let project = Project::new(&[("overlays/o/overlay.toml", &overlay), ("profiles/p.toml", &profile)]);
    for (path, text) in files {
        project.write(&format!("overlays/o/root/{path}"), text);
    }
    let output = project.command(&["--format", "json", "check", "profiles/p.toml"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| errors.clone().into());
    let tell = |finding: &serde_json::Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("id"), text("place"), text("says"))
    };
    report["findings"].as_array().map_or_else(|| vec![errors], |all| all.iter().map(tell).collect())
}

/// Whether a client on `a` finds a server that listens somewhere on each machine.
fn finds(listen: &str, url: &str) -> bool {
    let told = found(
        &format!(
            "[[servers]]\nname = \"s\"\nlisten = [\"{listen}\"]\n[[clients]]\nname = \"c\"\nserver = \"s\"\nurls = [\"{url}\"]\nwhen = \"node.name == 'a'\"\n"
        ),
        "",
        &[],
    );
    assert!(told.iter().all(|told| told.starts_with("server-absent ")), "{told:#?}");
    told.is_empty()
}

#[test]
fn addresses_of_both_families_lead_to_their_machines() {
    for (listen, url) in [
        ("*:1", "https://10.0.0.1:1"),
        ("[::]:1", "https://10.0.0.1:1,https://[fd00::2]:1"),
        ("{{ node.address | url_host }}:1", "https://[fd00:0:0::2]:1"),
        ("[fd00::1]:1", "https://[fd00::1]:1"),
        ("127.0.0.1:1,[fd00::2]:1", "localhost:1,https://b:1"),
        ("[::1]:1", "https://[::1]:1"),
        ("b.d:1", "https://b.d:1"),
        ("*:1", "https://somewhere.else:2"),
    ] {
        assert!(finds(listen, url), "{listen} {url}");
    }
    for (listen, url) in [
        ("*:1", "https://10.0.0.1:2"),
        ("10.0.0.1:1", "https://[fd00::1]:1"),
        ("[fd00::1]:1", "https://10.0.0.1:1"),
        ("127.0.0.1:1", "https://[::1]:1"),
        ("localhost:1", "https://a:1"),
        ("[fd00::2]:1", "https://10.0.0.1:1,https://[fd00::2]:1"),
    ] {
        assert!(!finds(listen, url), "{listen} {url}");
    }
}

/// A virtual address, a load balancer on each machine, and a server on one of them.
const BALANCED: &str = r#"
[args.balancer]
to = "a=10.0.0.1:1"
[[servers]]
name      = "virtual"
addresses = ["fd00:0::9"]
[[servers]]
name      = "balancer"
listen    = ["[::]:2"]
passes-to = "s"
[[clients]]
name   = "balancer"
server = "s"
urls   = ["{{ arg('balancer', 'to') | split('=') | last }}"]
[[servers]]
name   = "s"
listen = ["*:1"]
when   = "node.name == 'a'"
[[clients]]
name   = "c"
server = "s"
urls   = ["https://name:2"]
when   = "node.name == 'b'"
[[files]]
path   = "/etc/balancer"
format = "text"
"#;

#[test]
fn names_and_virtual_addresses_lead_through_who_passes_on() {
    let hosts = |address: &str| format!("{address} other name # a comment\n");
    let file = ("etc/balancer.j2", "{{ args('balancer') | join(' ') }}\n");
    let told = |address: &str, overlay: &str| found(overlay, "", &[("etc/hosts", &hosts(address)), file]);
    assert_eq!(told("fd00::9", BALANCED), Vec::<String>::new());
    assert_eq!(told("127.0.1.1", BALANCED), Vec::<String>::new());
    let other = told("fd00::9", &BALANCED.replace("https://name:2", "https://name:3"));
    assert_eq!(
        other,
        ["server-absent overlays/o/overlay.toml:23:11 c asks s of a at name:3, where it does not listen"]
    );
    let nobody = told("fd00::9", &BALANCED.replace("a=10.0.0.1:1", "a=10.0.0.3:1"));
    assert_eq!(
        nobody,
        ["server-absent overlays/o/overlay.toml:4:6 balancer leads to s at 10.0.0.3:1, which is no machine's"]
    );
}

#[test]
fn what_a_flag_says_is_told_with_the_line_that_says_it() {
    let file = ("etc/balancer.j2", "{{ args('balancer') | join(' ') }}\n");
    let told = found(BALANCED, "[args.balancer]\nto = \"a=10.0.0.1:7\"\n", &[file]);
    assert_eq!(
        told,
        ["server-absent profiles/p.toml:15:6 balancer asks s of a at 10.0.0.1:7, where it does not listen"]
    );
}

#[test]
fn nothing_of_a_kubeconfig_or_of_a_secret_file_is_told() {
    const OVERLAY: &str = "[[files]]\npath = \"/etc/{k,s}\"\nsecret = true\nformat = \"text\"\n\
        [[servers]]\nname = \"s\"\nlisten = [\"*:1\"]\n[[clients]]\nname = \"c\"\nserver = \"s\"\nkubeconfig = \"/etc/k\"\n\
        [[agree]]\nid = \"same\"\nsays = \"they differ\"\nfate = \"f\"\nremedy = \"r\"\nfile = \"/etc/s\"\n";
    let kubeconfig = |server: &str, user: &str| {
        format!(
            "current-context: x\nclusters: [{{name: x, cluster: {{server: {server}}}}}]\n\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\nusers: [{{name: x, user: {{{user}}}}}]\n"
        )
    };
    for (server, user, expected) in [
        ("https://x:SECRETWORD@10.0.0.1:2", "token: SECRETWORD", "server-absent"),
        ("SECRETWORD", "client-key-data: SECRETWORD!", "kubeconfig-unreadable"),
        ("https://10.0.0.1:1", "client-certificate-data: U0VDUkVUV09SRA==", "certificate-unreadable"),
        ("https://10.0.0.1:1", "token: SECRETWORD", "same"),
    ] {
        let text = kubeconfig(server, user);
        let told = found(OVERLAY, "", &[("etc/k", &text), ("etc/s.j2", "SECRETWORD of {{ node.name }}\n")]);
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}: {told:#?}");
        assert!(!told.iter().any(|told| told.contains("SECRET") || told.contains("U0VD")), "{told:#?}");
    }
}

/// What the overlays below begin with.
const AUTHORITIES: &str = r#"summary = "o"
[[authorities]]
name    = "ca"
subject = { cn = "ca" }
cert    = ["/etc/ca.crt"]
[[authorities]]
name    = "other"
subject = { cn = "other" }
cert    = ["/etc/other.crt"]
"#;

/// Every machine has a server behind one address, and a client of it: one client's certificate is of another authority, and one
/// server's lacks the address.
const MANY: &str = r#"[[certificates]]
name      = "s"
authority = "ca"
subject   = { cn = "s" }
usages    = ["server-auth"]
ip        = { expr = "['10.0.0.9'] if node.name == 'n2' else ['10.9.9.9']" }
cert      = "/etc/s.crt"
key       = "/etc/s.key"
[[certificates]]
name      = "c"
authority = "ca"
subject   = { cn = "c" }
usages    = ["client-auth"]
cert      = "/etc/c.crt"
key       = "/etc/c.key"
when      = "node.name != 'n3'"
[[certificates]]
name      = "c-other"
authority = "other"
subject   = { cn = "c" }
usages    = ["client-auth"]
cert      = "/etc/c.crt"
key       = "/etc/c.key"
when      = "node.name == 'n3'"
[[servers]]
name        = "s"
listen      = ["*:1"]
certificate = "/etc/s.crt"
key         = "/etc/s.key"
clients     = "/etc/ca.crt"
[[clients]]
name        = "c"
server      = "s"
urls        = ["https://10.9.9.9:1"]
authorities = "/etc/ca.crt"
certificate = "/etc/c.crt"
key         = "/etc/c.key"
"#;

/// What is found of so many machines with one overlay: the texts, each with how many machines it is told of.
fn told(overlay: &str, count: usize) -> Vec<(String, usize)> {
    let node = |at: usize| format!("[[nodes]]\nname = \"n{at}\"\naddress = \"10.0.{}.{}\"\n", at / 200, at % 200 + 1);
    let nodes: String = (0..count).map(node).collect();
    let profile = "overlays = [\"o\"]\n[cluster]\nname = \"c\"\nversion = \"1\"\nepoch = 2026-11-01T00:00:00Z\n"
        .to_owned()
        + &nodes;
    let overlay = format!("{AUTHORITIES}{overlay}");
    let project = Project::new(&[("overlays/o/overlay.toml", &overlay), ("profiles/p.toml", &profile)]);
    let output = project.command(&["--format", "json", "check", "profiles/p.toml"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let tell = |finding: &serde_json::Value| {
        let machines = finding["machines"].as_array().unwrap().len();
        (format!("{} {} {}", finding["id"], finding["place"], finding["says"]), machines)
    };
    report["findings"].as_array().unwrap().iter().map(tell).collect::<Vec<_>>()
}

#[test]
fn of_many_machines_the_same_is_told_as_of_few() {
    let (few, many) = (told(MANY, 5), told(MANY, 30));
    let texts = |told: &[(String, usize)]| told.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&few), texts(&many));
    assert_eq!(few.iter().map(|(_, machines)| *machines).collect::<Vec<_>>(), [5, 1], "{few:#?}");
    assert_eq!(many.iter().map(|(_, machines)| *machines).collect::<Vec<_>>(), [30, 1], "{many:#?}");
    let right = MANY.replace("['10.0.0.9']", "['10.9.9.9']").replace("authority = \"other\"", "authority = \"ca\"");
    assert_eq!(told(&right, 30), []);
}

/// Each asks a list of all: what was sound for the first is not looked at again, but who comes is.
#[test]
fn who_has_a_list_of_all_is_let_in_by_himself_alone() {
    let list = "{% for n in nodes %}{{ '' if loop.first else ',' }}https://{{ n.address }}:1{% endfor %}";
    let named = MANY.replace("https://10.9.9.9:1", list);
    let named =
        named.replace("{ expr = \"['10.0.0.9'] if node.name == 'n2' else ['10.9.9.9']\" }", "[\"{{ node.address }}\"]");
    for count in [5, 30] {
        let found = told(&named, count);
        assert!(matches!(&found[..], [(text, 1)] if text.contains("client-untrusted")), "{count}: {found:#?}");
        assert_eq!(told(&named.replace("authority = \"other\"", "authority = \"ca\""), count), []);
    }
}

/// One machine is otherwise, ODD: it says something else than all, and than itself; its client has a certificate of another
/// authority than the server on n0 knows, and its server's certificate lacks the name by which n1 asks.
const ODD: &str = r#"[[certificates]]
name      = "s"
authority = "ca"
subject   = { cn = "s" }
usages    = ["server-auth"]
ip        = ["{{ '10.9.9.9' if node.name == 'ODD' else node.address }}"]
cert      = "/etc/s.crt"
key       = "/etc/s.key"
when      = "node.name in ['n0', 'ODD']"
[[certificates]]
name      = "c"
authority = "{{ 'other' if node.name == 'ODD' else 'ca' }}"
subject   = { cn = "c" }
usages    = ["client-auth"]
cert      = "/etc/c.crt"
key       = "/etc/c.key"
[[servers]]
name        = "first"
listen      = ["*:1"]
certificate = "/etc/s.crt"
key         = "/etc/s.key"
clients     = "/etc/ca.crt"
when        = "node.name == 'n0'"
[[servers]]
name        = "odd"
listen      = ["*:2"]
certificate = "/etc/s.crt"
key         = "/etc/s.key"
when        = "node.name == 'ODD'"
[[clients]]
name        = "c"
server      = "first"
urls        = ["https://10.0.0.1:1"]
authorities = "/etc/ca.crt"
certificate = "/etc/c.crt"
key         = "/etc/c.key"
[[clients]]
name        = "d"
server      = "odd"
urls        = ["https://{{ (nodes | selectattr('name', 'equalto', 'ODD') | first).address }}:2"]
authorities = "/etc/ca.crt"
when        = "node.name == 'n1'"
[[agree]]
id     = "as-all"
says   = "all say the same"
fate   = "f"
remedy = "r"
value  = "{{ 'x' if node.name == 'ODD' else 'y' }}"
[[agree]]
id     = "as-itself"
says   = "each says one thing"
fate   = "f"
remedy = "r"
scope  = "node"
value  = "y"
[[agree]]
id     = "as-itself"
says   = "each says one thing"
fate   = "f"
remedy = "r"
scope  = "node"
value  = "{{ 'x' if node.name == 'ODD' else 'y' }}"
"#;

/// Machines are looked at 64 at a time.
#[test]
fn machines_that_are_far_apart_are_compared() {
    let near = told(&ODD.replace("ODD", "n2"), 5);
    let ids: Vec<_> = near.iter().map(|(text, machines)| (text.split('"').nth(1).unwrap(), *machines)).collect();
    assert_eq!(ids, [("client-untrusted", 1), ("server-name", 1), ("as-all", 1), ("as-itself", 1)], "{near:#?}");
    for odd in ["n2", "n63", "n64", "n299"] {
        let told = told(&ODD.replace("ODD", odd), 300);
        let number: usize = odd[1..].parse().unwrap();
        let address = format!("10.0.{}.{}", number / 200, number % 200 + 1);
        let named = |text: &str| text.replace(&format!("on {odd}"), "on n2").replace(&address, "10.0.0.3");
        let texts: Vec<_> = told.iter().map(|(text, machines)| (named(text), *machines)).collect();
        assert_eq!(texts, near, "{odd}");
    }
}

/// What is compared and found is told and kept, so no secret gets there.
#[test]
fn what_is_told_has_no_secret() {
    const RULE: &str = "id = \"x\"\nfate = \"f\"\nremedy = \"r\"\n";
    for declared in [
        format!("[[agree]]\n{RULE}says = \"s\"\nvalue = \"{{{{ secrets.token }}}}\"\n"),
        format!("[[checks]]\n{RULE}says = \"the token is {{{{ secrets.token }}}}\"\n"),
        format!("[[checks]]\n{RULE}says = \"s\"\nrun = [\"sh\", \"-c\", \"{{{{ secrets.token }}}}\"]\n"),
        format!("[[checks]]\n{RULE}says = \"{{{{ fail(secrets.token) }}}}\"\n"),
        format!("[[checks]]\n{RULE}says = \"s\"\nwhen = \"fail(secrets.token)\"\n"),
        "[[clients]]\nname = \"c\"\nserver = \"{{ secrets.token }}\"\n".to_owned(),
    ] {
        let overlay = format!(
            "[[secrets]]\nname = \"token\"\nshape = \"hex\"\npath = \"/etc/token\"\nscope = \"cluster\"\n{declared}"
        );
        let told = found(&overlay, "", &[]).join("\n");
        assert!(told.contains("uses a secret") || told.contains("has a part of the secret"), "{declared}{told}");
        let digits = |text: &str| text.split(|c: char| !c.is_ascii_hexdigit()).any(|word| word.len() >= 32);
        assert!(!digits(&told), "{told}");
    }
}

/// What most machines say is right, however those are scattered that say otherwise, and all of these are named.
#[test]
fn machines_agree_by_their_number() {
    let value = |odd: &[usize]| {
        let names: Vec<String> = odd.iter().map(|number| format!("'n{number}'")).collect();
        format!(
            "[[agree]]\nid = \"a\"\nsays = \"s\"\nfate = \"f\"\nremedy = \"r\"\nvalue = \"{{{{ 'x' if node.name in [{}] else 'y' }}}}\"\n",
            names.join(", ")
        )
    };
    for (odd, first) in [(&[0, 2, 4, 6][..], 1), (&[3, 4, 5, 6], 0), (&[0, 1, 9, 10, 11], 2)] {
        let told = told(&value(odd), 12);
        let [(text, machines)] = &told[..] else { panic!("{odd:?}: {told:#?}") };
        assert_eq!(*machines, odd.len(), "{odd:?}");
        assert!(text.contains(&format!("`x` on n{}, `y` on n{first}", odd[0])), "{odd:?}: {text}");
    }
}
