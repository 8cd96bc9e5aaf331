//! Values in files, read back by readers that are not ours: PyYAML, kubectl's YAML, serde_json, the toml crate, dash,
//! bash, systemd's own reader of units and of environment files.
#![expect(clippy::disallowed_methods, reason = "tests look at the disk")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use mastermold::overlay::escape::{Refused, Syntax, escape};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value as Json, json};

/// quality.md rows 85 and 86, and what else has bitten.
const NASTY: &[&str] = &[
    "on",
    "off",
    "yes",
    "no",
    "y",
    "N",
    "~",
    "null",
    "Null",
    "true",
    "FALSE",
    "1.10",
    "0600",
    "0o600",
    "0x1F",
    "0b1",
    "1_000",
    "1,000",
    "12:30:00",
    "1:2",
    "2024-01-01",
    "2024-1-1T1:2:3Z",
    "",
    ".inf",
    "-.INF",
    ".nan",
    "inf",
    "NaN",
    "=",
    "<<",
    "-",
    "--",
    "---",
    "...",
    "--- a",
    "?",
    ":",
    "::",
    "a:",
    "a: b",
    ": a",
    "a #b",
    "#a",
    "a#b",
    "# a",
    "- a",
    "? a",
    "[a",
    "]",
    "{a}",
    "{",
    ",",
    "a,b",
    "&a",
    "*a",
    "!a",
    "!!int 1",
    "|",
    ">",
    "| a",
    "%a",
    "@a",
    "`a`",
    "'",
    "''",
    "\"",
    "\"\"",
    "it's",
    "say \"hi\"",
    "\\",
    "a\\",
    "\\n",
    "\\x20",
    "a\nb",
    "\n",
    "\na",
    "a\n",
    "a\n\nb",
    "a\r\nb",
    "\r",
    "\t",
    "a\tb",
    "\ta",
    " ",
    " a",
    "a ",
    "  a  ",
    "a b",
    "{{",
    "}}",
    "{{ x }}",
    "{% x %}",
    "%i",
    "%%",
    "%",
    "100%",
    "$(VAR)",
    "${x}",
    "$x",
    "$$",
    "$",
    "$(touch /tmp/x)",
    "`touch /tmp/x`",
    ";",
    "; rm -rf /",
    "a;b",
    "&& x",
    "| x",
    "> x",
    "<x",
    "a=b",
    "=b",
    "a\nKey=evil",
    "a\nkey: evil",
    "a\n[Service]\nExecStart=/bin/evil",
    "\"\nkey: evil\n\"",
    "'\nkey: evil\n'",
    "EOF",
    "a\nEOF\nevil",
    "*",
    "?x",
    "[a-z]",
    "~/x",
    "~root",
    "!x",
    "!!",
    "^",
    "(",
    ")",
    "a(b)",
    "\u{85}",
    "a\u{85}b",
    "\u{2028}",
    "a\u{2029}b",
    "\u{feff}",
    "\u{7f}",
    "\u{1b}[31m",
    "\u{0}",
    "é",
    "日本",
    "😀",
    "\u{a0}",
    "\u{200b}",
    "\u{fffe}",
    "192.168.5.11",
    "192.168.5.11:6443",
    "10.96.0.0/16",
    "fd00::1",
    "https://a.b:6443/x?y=z",
    "v1.34.2",
    "1.34.2",
    "1e3",
    "1e+3",
    "-1",
    "+1",
    "0",
    "00",
    "007",
    "08",
    "-0",
    "if",
    "done",
    "case",
    "true",
    "export",
    "a'b\"c",
    "-n",
    "-e",
    "--flag",
    "@x",
    ":x",
    "+x",
    "x@y",
    "50%",
    "a/b",
    "/a/b",
    "/",
    "a.b",
    "_",
    "_a",
    "a_b",
    "none",
    "a\u{b}b",
    "x\u{c}y",
    "\u{8}",
];

/// Values to be tried: the list, mixtures of signs, and any text.
fn values(count: usize) -> Vec<String> {
    let signs = prop::collection::vec(
        prop::sample::select(" \t\n\"'\\$%{}[]()#:;,-=|>&*!?@`~<abc019._/".chars().collect::<Vec<_>>()),
        0..12,
    );
    let sign_text = signs.prop_map(|chars| chars.into_iter().collect::<String>());
    let any = prop::collection::vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect::<String>());
    let word = "[a-zA-Z0-9._/:@%+,=-]{0,12}";
    let glued = (prop::sample::select(NASTY), prop::sample::select(NASTY)).prop_map(|(a, b)| format!("{a}{b}"));
    let mut runner = TestRunner::deterministic();
    let strategy = prop_oneof![3 => sign_text, 1 => any, 2 => word, 2 => glued];
    let more = (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let all = NASTY.iter().map(|value| (*value).to_owned()).chain(more);
    all.map(|value| value.replace(['\u{1}', '\u{2}'], "")).collect()
}

/// Templates, and what must be read from each for a value.
type Templates<'a, T> = [(&'a str, fn(&str) -> T)];

/// The template with the value in the place of every `V`.
fn fill(template: &str, value: &str) -> String {
    template.replace('V', &format!("\u{1}s{value}\u{2}"))
}

/// Each template with each value that is not refused: the file, and what must be read from it. The counts of what was
/// written are checked, so that refusing all does not pass.
fn cases<T>(syntax: Syntax, count: usize, templates: &Templates<T>, least: usize) -> Vec<(String, T)> {
    let values = values(count);
    let mut cases = Vec::new();
    for (template, expected) in templates {
        let before = cases.len();
        for value in &values {
            match escape(&fill(template, value), syntax) {
                Ok(text) => cases.push((text, expected(value))),
                Err(refused) => told(&refused, value),
            }
        }
        assert!(cases.len() - before >= least, "{template:?} is written for {} values only", cases.len() - before);
    }
    cases
}

fn told(refused: &Refused, value: &str) {
    assert_eq!(refused.value, value);
    assert!(!refused.why.is_empty() && !refused.advice.is_empty() && refused.line > 0);
    assert!(!refused.why.contains('\n') && !refused.advice.contains('\n'));
}

fn run(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a judge is missing");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

const PYYAML: &str = "
import json, sys, yaml
def read(text):
    try:
        return yaml.safe_load(text)
    except Exception as error:
        return 'ERROR ' + str(error)
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout, default=lambda o: 'OBJECT ' + repr(o))
";

/// What PyYAML, a reader of YAML 1.1, makes of the texts.
fn pyyaml(texts: &[&str]) -> Vec<Json> {
    let output = run(Command::new("python3").args(["-c", PYYAML]), &json!(texts).to_string());
    serde_json::from_str(&output).unwrap()
}

fn clip(text: String) -> String {
    format!("{}\n", text.trim_end_matches('\n'))
}

const YAML: &Templates<Json> = &[
    ("key: V\nother: 1\n", |v| json!({"key": v, "other": 1})),
    ("- V\n-   V\n- x\n", |v| json!([v, v, "x"])),
    ("V: 1\n", |v| json!({v: 1})),
    ("V : 1\n", |v| json!({v: 1})),
    (
        "a:\n  V: V\n  b: V # comment\n",
        |v| if v == "b" { json!({"a": {"b": "b"}}) } else { json!({"a": {v: v, "b": v}}) },
    ),
    ("a: [V, V,V]\nb: 1\n", |v| json!({"a": [v, v, v], "b": 1})),
    ("a: [\n  V,\n  V\n ]\n", |v| json!({"a": [v, v]})),
    ("a: { V: V, \"b\": V, 'c':V }\n", |v| {
        let mut map = serde_json::Map::from_iter([(v.to_owned(), json!(v))]);
        map.insert("b".into(), json!(v));
        map.insert("c".into(), json!(v));
        json!({"a": map})
    }),
    ("key: \"a V b\"\n\"V\": 1\n", |v| {
        let mut map = serde_json::Map::from_iter([("key".to_owned(), json!(format!("a {v} b")))]);
        map.insert(v.into(), json!(1));
        json!(map)
    }),
    ("key: \"V\" # V's\n", |_| json!(null)),
    ("key: 'V'\n", |v| json!({"key": v})),
    ("key: 'it''s V'\nb: c\n", |v| json!({"key": format!("it's {v}"), "b": "c"})),
    ("key: \"x\n  aV\n  Vb\n  y\"\nb: c\n", |v| json!({"key": format!("x a{v} {v}b y"), "b": "c"})),
    ("key: 'x\n  aV\n  Vb\n  y'\nb: c\n", |v| json!({"key": format!("x a{v} {v}b y"), "b": "c"})),
    ("key: pre-V.post\nb: c\n", |v| json!({"key": format!("pre-{v}.post"), "b": "c"})),
    ("key: a V b\nb: c\n", |v| json!({"key": format!("a {v} b"), "b": "c"})),
    ("key: aV\nb: c\n", |v| json!({"key": format!("a{v}"), "b": "c"})),
    ("key: V/x\nb: c\n", |v| json!({"key": format!("{v}/x"), "b": "c"})),
    ("key: VV\nb: c\n", |v| json!({"key": format!("{v}{v}"), "b": "c"})),
    ("key: -V\nb: c\n", |v| json!({"key": format!("-{v}"), "b": "c"})),
    ("key: -V x\nb: c\n", |v| json!({"key": format!("-{v} x"), "b": "c"})),
    ("key: aV# x\nb: c\n", |v| json!({"key": format!("a{v}# x"), "b": "c"})),
    ("key: a V# x\nb: c\n", |v| json!({"key": format!("a {v}# x"), "b": "c"})),
    ("key: a:V\nb: c\n", |v| json!({"key": format!("a:{v}"), "b": "c"})),
    ("key: 1V\nb: c\n", |v| json!({"key": format!("1{v}"), "b": "c"})),
    (
        "key: [a V, bV, V.V]\nb: c\n",
        |v| json!({"key": [format!("a {v}"), format!("b{v}"), format!("{v}.{v}")], "b": "c"}),
    ),
    ("aV: 1\nb: c\n", |v| json!({format!("a{v}"): 1, "b": "c"})),
    ("V--\n", |v| json!(format!("{v}--"))),
    ("V\n", |v| json!(v)),
    ("--- V\n", |v| json!(v)),
    ("# V\nkey: 1 # V\n", |_| json!({"key": 1})),
    ("key: |\n  a V\n  V.\nother: 1\n", |v| json!({"key": format!("a {v}\n{v}.\n"), "other": 1})),
    (
        "key: |\n  V\nother: 1\n",
        |v| json!({"key": if v.is_empty() { String::new() } else { clip(v.into()) }, "other": 1}),
    ),
    ("- |\n  'V\n- k: >-\n    V.\n  l: V\n", |v| json!([format!("'{v}\n"), {"k": format!("{v}."), "l": v}])),
    ("- - |2\n     V.\n  - V\n", |v| json!([[format!(" {v}.\n"), v]])),
    (
        "args:\n  - --flag=V\n  - \"--q=V\"\n  - -V.x\n",
        |v| json!({"args": [format!("--flag={v}"), format!("--q={v}"), format!("-{v}.x")]}),
    ),
    ("? V\n: V\n", |v| json!({v: v})),
    ("a: &x V\nb: *x\n", |v| json!({"a": v, "b": v})),
    ("m: !!str V\n", |v| json!({"m": v})),
    ("a: text\n  that goes on\nb: V\n", |v| json!({"a": "text that goes on", "b": v})),
    ("a:\n- x\n- y\nb: V\n", |v| json!({"a": ["x", "y"], "b": v})),
];

#[test]
fn yaml_as_pyyaml_reads_it() {
    let comments = |template: &str| template.contains("# V's");
    let kept: Vec<_> = YAML.iter().filter(|(template, _)| !comments(template)).copied().collect();
    let cases = cases(Syntax::Yaml, 1200, &kept, 25);
    let texts: Vec<_> = cases.iter().map(|(text, _)| text.as_str()).collect();
    for ((text, expected), read) in cases.iter().zip(pyyaml(&texts)) {
        assert_eq!(read, *expected, "{text:?}");
    }
}

/// The values as a ConfigMap's data: go-yaml reads them, and the API's types refuse what is no string.
#[test]
fn yaml_as_kubernetes_reads_it() {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n";
    let templates: &Templates<Json> = &[
        ("  a: V\n  \"b\": \"-V-\"\n", |v| json!({"a": v, "b": format!("-{v}-")})),
        ("  V: V\n", |v| json!({v: v})),
        ("  a: x-V\n  b: [V][0]\n", |_| json!(null)),
        ("  a: 'V'\n", |v| json!({"a": v})),
        ("  a: |\n    .V\n", |v| json!({"a": format!(".{v}\n")})),
        ("  a: aV\n  c: V.V\n", |v| json!({"a": format!("a{v}"), "c": format!("{v}.{v}")})),
    ];
    let templates: Vec<_> = templates.iter().filter(|(template, _)| !template.contains("[0]")).copied().collect();
    let cases = cases(Syntax::Yaml, 300, &templates, 25);
    let all = cases.iter().fold(String::new(), |all, (text, _)| all + "---\n" + head + text);
    let annotate = ["annotate", "--local", "-f", "-", "x=y", "-o", "json"];
    let Ok(found) = Command::new("kubectl").arg("--help").stdout(Stdio::null()).status() else {
        eprintln!("kubectl is not here: only PyYAML judges");
        return;
    };
    assert!(found.success());
    let output = run(Command::new("kubectl").args(annotate), &all);
    let read = serde_json::Deserializer::from_str(&output).into_iter::<Json>().map(Result::unwrap);
    let read: Vec<_> = read.map(|object| object["data"].clone()).collect();
    assert_eq!(read.len(), cases.len());
    for ((text, expected), read) in cases.iter().zip(read) {
        assert_eq!(read, *expected, "{text:?}");
    }
}

fn arbitrary_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        prop::sample::select(NASTY).prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop::sample::select(NASTY).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn jsons(count: usize) -> Vec<Json> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| arbitrary_json().new_tree(&mut runner).unwrap().current()).collect()
}

fn has_null(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(items) => items.iter().any(has_null),
        Json::Object(items) => items.values().any(has_null),
        _ => false,
    }
}

fn has_control(json: &Json) -> bool {
    json.to_string().contains(|c: char| c.is_control() || c == '\u{fffe}' || c == '\u{feff}')
}

#[test]
fn lists_and_maps() {
    let values = jsons(500);
    let mut yaml = Vec::new();
    for value in &values {
        let marked = format!("\u{1}j{value}\u{2}");
        yaml.push(escape(&format!("k: {marked}\nl: [{marked}, \"{marked}\"]\n"), Syntax::Yaml).unwrap());
        let json = escape(&format!("{{\"k\": {marked}, \"l\": \"{marked}\"}}"), Syntax::Json).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), json!({"k": value, "l": value.to_string()}));
        match escape(&format!("k = {marked}\nl = \"{marked}\"\n"), Syntax::Toml) {
            Ok(toml) => assert_eq!(read_toml(&toml), json!({"k": value, "l": value.to_string()})),
            Err(refused) => assert!(has_null(value), "{refused:?}"),
        }
        for syntax in [Syntax::Unit, Syntax::Env, Syntax::Shell] {
            let quoted = escape(&format!("[Service]\nEnvironment=\"K={marked}\"\n"), syntax);
            assert!(quoted.as_ref().is_ok_and(|text| text.lines().count() == 2) || has_control(value), "{quoted:?}");
            let bare = escape(&format!("[Service]\nExecStart=/x {marked}\n"), syntax).unwrap_err();
            assert!(bare.why.contains("list") || has_control(value), "{bare:?}");
        }
    }
    let texts: Vec<_> = yaml.iter().map(String::as_str).collect();
    for (value, read) in values.iter().zip(pyyaml(&texts)) {
        assert_eq!(read, json!({"k": value, "l": [value, value.to_string()]}));
    }
}

#[test]
fn numbers_stay_numbers() {
    for (text, number) in
        [("0", json!(0)), ("-12", json!(-12)), ("1.5", json!(1.5)), ("true", json!(true)), ("false", json!(false))]
    {
        let marked = format!("\u{1}n{text}\u{2}");
        let yaml = escape(&format!("a: {marked}\nb: [{marked}]\nc: x{marked}\nd: '{marked}'\n"), Syntax::Yaml).unwrap();
        let expected = json!({"a": number, "b": [number], "c": format!("x{text}"), "d": text});
        assert_eq!(pyyaml(&[&yaml])[0], expected);
        let toml = escape(&format!("a = {marked}\nb = [{marked}]\n"), Syntax::Toml).unwrap();
        assert_eq!(read_toml(&toml), json!({"a": number, "b": [number]}));
        let json = escape(&format!("{{{marked}: {marked}}}"), Syntax::Json).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), json!({text: number}));
    }
    for wrong in ["inf", "NaN", "1e3", "01", "", "-", "1.", ".5", "0x1", "1_0", "null"] {
        assert!(escape(&format!("\u{1}n{wrong}\u{2}"), Syntax::Text).is_err(), "{wrong}");
    }
    let big = format!("a = \u{1}n{}\u{2}\n", u64::MAX);
    assert!(escape(&big, Syntax::Toml).unwrap_err().advice.contains("string"));
}

#[test]
fn json_as_serde_json_reads_it() {
    let templates: &Templates<Json> = &[
        ("V", |v| json!(v)),
        ("{\"a\": V, \"b\": [V, 1,V], V: 1}", |v| {
            let mut map = serde_json::Map::from_iter([("a".to_owned(), json!(v)), ("b".to_owned(), json!([v, 1, v]))]);
            map.insert(v.into(), json!(1));
            json!(map)
        }),
        ("{\"a\": \"xVy\\\\V\\\"V\", \"V\":\n V\n}", |v| {
            let mut map = serde_json::Map::from_iter([("a".to_owned(), json!(format!("x{v}y\\{v}\"{v}")))]);
            map.insert(v.into(), json!(v));
            json!(map)
        }),
    ];
    let cases = cases(Syntax::Json, 2000, templates, 2000);
    for (text, expected) in cases {
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), expected, "{text:?}");
    }
    for wrong in ["VV", "xV", "1V", "V1", "\"a\"V", "{V\"a\": 1}", "\"\\V\"", "\"\\u00V\"", "[V V]"] {
        assert!(escape(&fill(wrong, "1"), Syntax::Json).is_err(), "{wrong}");
    }
}

fn read_toml(text: &str) -> Json {
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    serde_json::to_value(table).unwrap()
}

#[test]
fn toml_as_the_crate_reads_it() {
    let templates: &Templates<Json> = &[
        ("a = V\nb = [V, V, # V\n V\n]\n", |v| json!({"a": v, "b": [v, v, v]})),
        ("b = [V, \"]\", V] # x\nc = '#'\nd = V # y\n", |v| json!({"b": [v, "]", v], "c": "#", "d": v})),
        ("a = { V = V, x.V = V }\n", |v| match v {
            "x" => json!({"a": {"x": "x"}}),
            _ => json!({"a": {v: v, "x": {v: v}}}),
        }),
        ("V = 1\n", |v| json!({v: 1})),
        ("[a.V]\nb = V\n[[V]]\nV = 1\n", |v| json!({"a": {v: {"b": v}}, v: [{v: 1}]})),
        ("p-V = 1\n", |v| json!({format!("p-{v}"): 1})),
        ("a = \"xV\\\\V\"\nb = \"\"\nc = V\n", |v| json!({"a": format!("x{v}\\{v}"), "b": "", "c": v})),
        ("a = 'V'\nb = V\n", |v| json!({"a": v, "b": v})),
        ("a = \"\"\"\nV\n\"\" V \\\n   V\"\"\"\"\nb = V\n", |v| json!({"a": format!("{v}\n\"\" {v} {v}\""), "b": v})),
        ("a = '''V\nV'''\nb = V\n", |v| json!({"a": format!("{v}\n{v}"), "b": v})),
    ];
    let cases = cases(Syntax::Toml, 1500, templates, 100);
    for (text, expected) in cases {
        // One value as a key twice, or as two keys of one name, is the template's fault.
        let duplicate = toml::from_str::<toml::Table>(&text)
            .is_err_and(|error| ["duplicate", "extend"].iter().any(|word| error.message().contains(word)));
        if !duplicate {
            assert_eq!(read_toml(&text), expected, "{text:?}");
        }
    }
    for wrong in ["a = VV\n", "a = 1V\n", "a = V.5\n", "a = \"x\"V\n", "\"x\"V = 1\n", "a = \"\\u00V\"\n", "a = 'x'V\n"]
    {
        assert!(escape(&fill(wrong, "1"), Syntax::Toml).is_err(), "{wrong}");
    }
}

const SHELL: &Templates<Vec<String>> = &[
    ("p V aVb \"q V q\" 'r V r' x=V \"\"V V''\n", |v| {
        [v, &format!("a{v}b"), &format!("q {v} q"), &format!("r {v} r"), &format!("x={v}"), v, v]
            .map(str::to_owned)
            .into()
    }),
    ("X=V\nY=\"V\"\nexport Z='V'\np \"$X\" \"$Y\" \"$Z\"\n", |v| vec![v.into(); 3]),
    ("# V\np ok # V\n", |_| vec!["ok".into()]),
    ("p a\\ #V ab#V \"#V\"\n", |v| vec![format!("a #{v}"), format!("ab#{v}"), format!("#{v}")]),
    ("p \"$(p1 V)\" \"x$(p1 \"V\")\"\n", |v| vec![v.into(), format!("x{v}")]),
    ("case V in a) p no;; V) p yes;; esac\n", |v| vec![if v == "a" { "no" } else { "yes" }.into()]),
    ("f() { p \"${1}V\"; }; f V; : ${x:-y} \"${x}\"\n", |v| vec![format!("{v}{v}")]),
    ("p \"$((1 + 2))V\" \"it's V\" 'say \"V'\n", |v| vec![format!("3{v}"), format!("it's {v}"), format!("say \"{v}")]),
    ("cat <<END >/dev/null\nit's V\nV\nEND\np 'V'\n", |v| vec![v.into()]),
    ("cat <<-'END' >/dev/null\n\tit's \"\n\tEND\np V\n", |v| vec![v.into()]),
    ("p V>/dev/null; p1 \"V\" > /dev/null; p \\\nV\n", |v| vec![v.into()]),
    ("if [ xV = \"xV\" ]; then p same; fi\n", |_| vec!["same".into()]),
    ("p `p1 V`x\n", |v| vec![format!("{v}x")]),
    ("p \"${x:-\"b c\"}\" V\n", |v| vec!["b c".into(), v.into()]),
    ("p \"$( # it's V\np1 V)\"\n", |v| vec![v.into()]),
];

/// What each script prints, NUL after each word, and what the shell complains of. Each has a subshell of its own.
fn in_shell(shell: &str, scripts: &[String]) -> Vec<(Vec<String>, String)> {
    let directory = tempfile::tempdir().unwrap();
    let file = |at: usize, kind: &str| directory.path().join(format!("{at}.{kind}"));
    let mut driver = String::new();
    for (at, script) in scripts.iter().enumerate() {
        fs::write(file(at, "sh"), script).unwrap();
        // The worst that a random script could do is to fill the disk, or to go on for ever.
        writeln!(driver, "(ulimit -f 100; ulimit -t 2; . ./{at}.sh) </dev/null >{at}.out 2>{at}.err").unwrap();
    }
    let mut command = Command::new(shell);
    command.current_dir(directory.path()).env_clear().env("PATH", "/usr/bin:/bin");
    run(command.arg("-s"), &format!("{driver}exit 0\n"));
    // A shell that complains may cut a character in two.
    let read = |at, kind| String::from_utf8_lossy(&fs::read(file(at, kind)).unwrap()).into_owned();
    let words = |text: String| text.split_terminator('\0').map(str::to_owned).collect();
    (0..scripts.len()).map(|at| (words(read(at, "out")), read(at, "err"))).collect()
}

#[test]
fn shell_as_dash_and_bash_read_it() {
    let prelude = "p() { printf '%s\\0' \"$@\"; }; p1() { printf %s \"$1\"; }\n";
    let cases = cases(Syntax::Shell, 300, SHELL, 25);
    let scripts: Vec<_> = cases.iter().map(|(text, _)| format!("{prelude}{text}")).collect();
    for shell in ["dash", "bash"] {
        for ((text, expected), read) in cases.iter().zip(in_shell(shell, &scripts)) {
            assert_eq!(read, (expected.clone(), String::new()), "{shell}: {text:?}");
        }
    }
}

#[test]
fn shell_refuses_what_it_cannot_follow() {
    let cases = [
        ("X=$V", "name"),
        ("X=$xV", "name"),
        ("X=\"$xV\"", "name"),
        ("X=a\\V", "backslash"),
        ("X=${V}", "expansion"),
        ("X=`a V`", "expansion"),
        ("X=$'a V'", "expansion"),
        ("X=\"$(a V)\"", "expansion"),
        ("cat <<V\n", "ends"),
        ("cat <<E\nV\nE\n", "here-document"),
        ("p $(a)#$xV\n", "name"),
        ("p \"$x\\\nV\"\n", "name"),
        ("p $\\\nV\n", "name"),
        ("cat <\\\n<E\nV\nE\n", "expansion"),
        ("X=\"$(case a in a) echo V;; esac)\"", "expansion"),
        ("X=\"${a#\"}\"}V\"", "expansion"),
        ("cat <<E \"\nE\nV\"\n", "expansion"),
    ];
    for (template, word) in cases {
        let refused = escape(&fill(template, "a; b"), Syntax::Shell).unwrap_err();
        assert!(refused.why.contains(word), "{template}: {refused:?}");
    }
    let ends = escape(&fill("cat <<END\nEVD\nEND\n", "N"), Syntax::Shell).unwrap_err();
    assert!(ends.why.contains("end") && ends.line == 2, "{ends:?}");
    assert_eq!(escape(&fill("kill -V 2V>x fV\n", "9"), Syntax::Shell).unwrap(), "kill -9 2'9'>x f9\n");
    assert_eq!(escape(&fill("fV x\n", "or"), Syntax::Shell).unwrap(), "f'or' x\n");
}

fn env_cases() -> Vec<(String, String)> {
    let templates: &Templates<String> = &[
        ("KEY=V\n", str::to_owned),
        ("# it's V\nKEY=\"a V b\"\n", |v| format!("a {v} b")),
        ("KEY='V'\n", str::to_owned),
        ("KEY=aV.\n", |v| format!("a{v}.")),
        ("KEY=\"V\"\n; V\n", str::to_owned),
        ("KEY=\\$V\n", |v| format!("${v}")),
    ];
    cases(Syntax::Env, 250, templates, 40)
}

#[test]
fn env_as_a_shell_reads_it() {
    let cases = env_cases();
    let script = |text: &str| format!("{}printf '%s\\0' \"$KEY\"", text.replace("\n;", "\n#"));
    let scripts: Vec<_> = cases.iter().map(|(text, _)| script(text)).collect();
    for shell in ["dash", "bash"] {
        for ((text, expected), read) in cases.iter().zip(in_shell(shell, &scripts)) {
            assert_eq!(read, (vec![expected.clone()], String::new()), "{shell}: {text:?}");
        }
    }
}

/// systemd's reader of environment files, by the generator that shows what it read. It alone expands `$` afterwards
/// and takes no empty value, so those are left to the shells.
#[test]
fn env_as_systemd_reads_it() {
    let generator = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator";
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("environment.d")).unwrap();
    let cases: Vec<_> =
        env_cases().into_iter().filter(|(text, value)| !text.contains('$') && !value.is_empty()).collect();
    let all = cases.iter().enumerate().fold(String::new(), |mut all, (at, (text, _))| {
        all += &text.replacen("KEY=", &format!("KEY{at}="), 1);
        all
    });
    fs::write(home.path().join("environment.d/x.conf"), all).unwrap();
    let output = run(Command::new(generator).env_clear().env("XDG_CONFIG_HOME", home.path()), "");
    let read: std::collections::BTreeMap<_, _> = output.lines().filter_map(|line| line.split_once('=')).collect();
    for (at, (text, expected)) in cases.iter().enumerate() {
        let value = read.get(format!("KEY{at}").as_str()).map(|value| unquoted(value));
        let read = value.as_ref().map(|words| words.concat());
        assert_eq!(read.as_deref(), Some(expected.as_str()), "{text:?}");
    }
}

/// Words as systemd prints them: in double quotes with C's escapes where they hold more than a word.
fn unquoted(text: &str) -> Vec<String> {
    let mut words = vec![Vec::new()];
    let mut quoted = false;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let word = words.last_mut().unwrap();
        match byte {
            b'"' => quoted = !quoted,
            b' ' if !quoted => words.push(Vec::new()),
            b'\\' => {
                let escaped = bytes[at];
                at += 1;
                let known = b"abfnrtv".iter().position(|c| *c == escaped);
                if let Some(known) = known {
                    word.push(b"\x07\x08\x0c\n\r\t\x0b"[known]);
                } else if escaped.is_ascii_digit() {
                    word.push(u8::from_str_radix(&text[at - 1..at + 2], 8).unwrap());
                    at += 2;
                } else {
                    word.push(escaped);
                }
            }
            byte => word.push(byte),
        }
    }
    words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
}

/// What systemd's service manager itself understands of these service sections: its dump of each unit. The manager
/// loads them in its test mode, which it refuses to root.
fn manager(sections: &[String]) -> Vec<String> {
    sections.chunks(200).flat_map(dumps).collect()
}

fn dumps(sections: &[String]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let mut wants = String::from("[Unit]\nDefaultDependencies=no\n");
    for (at, section) in sections.iter().enumerate() {
        write(&format!("case{at}.service"), &format!("{section}[Unit]\nDefaultDependencies=no\n"));
        writeln!(wants, "Wants=case{at}.service").unwrap();
    }
    write("all.target", &wants);
    readable(directory.path());
    let root = run(Command::new("id").arg("-u"), "").trim() == "0";
    let manager = ["/usr/lib/systemd/systemd", "--test", "--system", "--unit=all.target"];
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let words: Vec<_> = nobody.iter().filter(|_| root).chain(&manager).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
    command.env("SYSTEMD_UNIT_PATH", directory.path()).env("PAGER", "cat");
    let output = command.output().expect("systemd is needed here");
    let dump = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let one = |at| {
        let head = format!(" Unit case{at}.service:\n");
        let start = dump.find(&head).unwrap_or_else(|| panic!("systemd does not load {:?}: {said}", sections[at]));
        let rest = &dump[start + head.len()..];
        rest[..["\t-> Unit ", "\t→ Unit "].iter().find_map(|next| rest.find(next)).unwrap_or(rest.len())].to_owned()
    };
    (0..sections.len()).map(one).collect()
}

fn readable(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    for file in fs::read_dir(directory).unwrap() {
        fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// The words of the commands in a dump, with what exec does at last: `$$` becomes `$`. A single `$` would be expanded.
fn commands(dump: &str) -> Vec<Vec<String>> {
    let lines = dump.lines().filter_map(|line| line.trim_start().strip_prefix("Command Line: "));
    let exec = |word: String| {
        assert!(!word.replace("$$", "").contains('$'), "{word:?} would be expanded");
        word.replace("$$", "$")
    };
    lines.map(|line| unquoted(line).into_iter().map(exec).collect()).collect()
}

#[test]
fn commands_as_systemd_reads_them() {
    let head = "[Service]\nType=oneshot\n";
    let templates: &Templates<Vec<Vec<String>>> = &[
        ("ExecStart=/bin/x V --f=V \"V q\" 'V' aVb V\n", |v| {
            vec![
                ["/bin/x", v, &format!("--f={v}"), &format!("{v} q"), v, &format!("a{v}b"), v]
                    .map(str::to_owned)
                    .into(),
            ]
        }),
        ("ExecStart=/bin/x VV ; /bin/y V\nExecStart=/bin/z \\\n  V \\\n# V\n V\n", |v| {
            let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            vec![command(&["/bin/x", &format!("{v}{v}")]), command(&["/bin/y", v]), command(&["/bin/z", v, v])]
        }),
        ("ExecStart=-/bin/V.x V\n# V\n", |v| vec![vec![format!("/bin/{v}.x"), v.into()]]),
        ("ExecStart=/V \"\"V V'' %% $$ V\n", |v| vec![[&format!("/{v}"), v, v, "%", "$", v].map(str::to_owned).into()]),
    ];
    let sections: Vec<_> = templates.iter().map(|(text, expected)| (format!("{head}{text}"), *expected)).collect();
    let templates: Vec<_> = sections.iter().map(|(text, expected)| (text.as_str(), *expected)).collect();
    // A command's path: systemd refuses one that is no path; what it says of the others is compared.
    let is_path = |words: &[Vec<String>]| {
        let path = &words[0][0];
        !path.contains("..")
            && !path.contains("//")
            && !path.contains("/./")
            && !path.ends_with('/')
            && path.is_ascii()
            && !path.ends_with("/.x")
    };
    let cases = cases(Syntax::Unit, 200, &templates, 60);
    let cases: Vec<_> = cases.into_iter().filter(|(_, words)| is_path(words)).collect();
    let units: Vec<_> = cases.iter().map(|(text, _)| text.clone()).collect();
    for ((text, expected), dump) in cases.iter().zip(manager(&units)) {
        assert_eq!(commands(&dump), *expected, "{text:?}");
    }
}

#[test]
fn settings_as_systemd_reads_them() {
    let templates: &Templates<[String; 2]> = &[
        ("[Service]\nType=oneshot\nExecStart=/bin/x\nEnvironment=KEY=V\n", |v| ["Environment: KEY=".into(), v.into()]),
        ("[Service]\nType=oneshot\nExecStart=/bin/x\nEnvironment='KEY=aVb'\n", |v| {
            ["Environment: KEY=".into(), format!("a{v}b")]
        }),
        ("[Service]\nType=oneshot\nExecStart=/bin/x\nEnvironment=\"KEY=aV b\"\n", |v| {
            ["Environment: KEY=".into(), format!("a{v} b")]
        }),
        ("[Service]\nType=oneshot\nExecStart=/bin/x\n[Unit]\nDescription=The V\n", |v| {
            ["Description: ".into(), format!("The {v}").trim_end().into()]
        }),
        ("[Service]\nType=oneshot\nExecStart=/bin/x\n[Unit]\nDescription=The \\\nV\n", |v| {
            ["Description: ".into(), format!("The  {v}").trim_end().into()]
        }),
        ("[Service]\nType=oneshot\nExecStart=/bin/x\nUtmpIdentifier=xV\n", |v| {
            ["UtmpIdentifier: ".into(), format!("x{v}")]
        }),
    ];
    let cases = cases(Syntax::Unit, 200, templates, 60);
    let units: Vec<_> = cases.iter().map(|(text, _)| text.clone()).collect();
    for ((text, [key, expected]), dump) in cases.iter().zip(manager(&units)) {
        let start = dump.find(&format!("\t{key}")).unwrap_or_else(|| panic!("{text:?}: {dump}")) + key.len() + 1;
        assert!(dump[start..].starts_with(&format!("{expected}\n\t")), "{text:?}: {:?}", &dump[start..start + 40]);
        assert_eq!(commands(&dump), [["/bin/x"]], "{text:?}");
    }
}

/// Lines that no value gets through, and what is said of them.
#[test]
fn units_refuse_what_they_cannot_say() {
    let cases = [
        ("ExecStart=V\n", "", "name"),
        ("ExecStart=V\n", "-/bin/x", "first sign"),
        ("ExecStart=-V\n", "+x", "first sign"),
        ("ExecStart=V\n", "/a\"b", "quotes"),
        ("ExecStart=/x ; V\n", "@x", "first sign"),
        ("ExecStart=/x $V\n", "HOME", "variable"),
        ("ExecStart=/x ${V}\n", "HOME", "variable"),
        ("ExecStart=/x $HOMEV\n", "x", "variable"),
        ("ExecStart=/x %V\n", "i", "specifier"),
        ("ExecStart=/x \\V\n", "n", "escape"),
        ("ExecStart=/x \\x4V\n", "1", "escape"),
        ("ExecStart=/x \"$HV\"\n", "x", "variable"),
        ("Environment=V\n", "A=b", "name"),
        ("Environment=V=b\n", "", "name"),
        ("Environment=A=1 V\n", "B=2", "name"),
        ("After=V\n", "a b", "word"),
        ("After=V\n", "a\nRequires=b", "word"),
        ("After=V\n", "a\\", "escape"),
        ("After=\\\nV\n", "#a", "escape"),
        ("Description=V\n", "a\\", "backslash"),
        ("Description=V\n", " a", "blank"),
        ("Description=\\\nV\n", "# a", "comment"),
        ("Description=a\n\nV=b\n", "X Y", "name"),
        ("V=b\n", "", "begins"),
        ("V=b\n", "#x", "begins"),
        ("V\n", "[Service]", "begins"),
        ("[V]\n", "a]\n[b", "name"),
        ("# V\n", "a\nb", "comment"),
        ("; V\n", "a\rb", "comment"),
        ("ExecStart=/x \\\n\nV=b\n", "a b", "name"),
        ("ExecStart=/x V\n", "\0", "NUL"),
    ];
    for (template, value, word) in cases {
        let marked = fill(&format!("[Service]\n{template}"), value).replace("Ser\u{1}s", "Ser");
        let marked = marked.replacen(&fill("[Service]", value), "[Service]", 1);
        let refused = escape(&marked, Syntax::Unit).unwrap_err();
        assert!(refused.why.contains(word), "{template:?} {value:?}: {refused:?}");
        told(&refused, value);
    }
    let network = escape(&fill("[Network]\nDNS=V\n", "fe80::1%eth0"), Syntax::Unit).unwrap_err();
    assert!(network.why.contains("specifier") && network.line == 2);
    assert_eq!(escape(&fill("[Service]\nCPUQuota=V\n", "20%"), Syntax::Unit).unwrap(), "[Service]\nCPUQuota=20%\n");
    assert_eq!(escape(&fill("[Unit]\nAfter=V\n", "a%b"), Syntax::Unit).unwrap(), "[Unit]\nAfter=a%%b\n");
}

#[test]
fn sysctl_keeps_lines_and_keys() {
    let templates: &Templates<String> =
        &[("# V\nnet.x = V\n", str::to_owned), ("net.V.x=V\n", str::to_owned), ("-net.x = V\n", str::to_owned)];
    for (text, value) in cases(Syntax::Sysctl, 1000, templates, 50) {
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(['#', ';'])).collect();
        assert_eq!(lines.len(), 1, "{text:?}");
        assert_eq!(lines[0].split_once('=').unwrap().1.trim(), value, "{text:?}");
    }
    let words = |value| escape(&fill("options nf hashsize=V\n", value), Syntax::Sysctl);
    assert!(words("65536").is_ok() && words("1 evil=2").is_err());
    for value in ["", "-x", "#x", "a=b", "a b"] {
        assert!(escape(&fill("V = 1\n", value), Syntax::Sysctl).is_err(), "{value}");
    }
    assert_eq!(escape(&fill("k.p = V\n", "|/bin/dump %P %u"), Syntax::Sysctl).unwrap(), "k.p = |/bin/dump %P %u\n");
}

#[test]
fn text_takes_words_and_sentences() {
    for value in values(2000) {
        if let Ok(text) = escape(&fill("V", &value), Syntax::Text) {
            assert_eq!(text, value);
            let sign = |c: char| c.is_control() || "\"'`\\;{}#$<>|&".contains(c);
            assert!(!text.contains(sign) && text.trim() == text, "{text:?}");
        }
    }
    assert_eq!(escape(&fill("hello V!", "big world"), Syntax::Text).unwrap(), "hello big world!");
    assert!(escape(&fill("V", "a\nb"), Syntax::Text).unwrap_err().advice.contains("format"));
}

#[test]
fn yaml_refuses_with_a_reason() {
    let cases = [
        ("k: a V\n", "b: c", "only letters"),
        ("k: xV:\n", "a:", "read as"),
        ("k: a V\n", "#", "only letters"),
        ("k: 0V\n", "600", "read as"),
        ("k: -V\n", "", "read as"),
        ("k: V0\n", "1.1", "read as"),
        ("k: |\n  V\n", "a\nb", "indented"),
        ("k: |\n  V\n", " a", "indentation"),
        ("k: |V\n  x\n", "2", "head"),
        ("k: '\n  V'\n", "a\nb", "single"),
        ("k: \"a\"V\n", "x", "closing"),
        ("k: 'a'V\n", "'", "closing"),
        ("k: \"\\V\"\n", "n", "escape"),
        ("k: \"\\x4V\"\n", "1", "escape"),
        ("k: \"a\nV\"\n", "---", "document"),
        ("k: &V x\n", "a b", "name"),
        ("k: !V x\n", "!int", "name"),
        ("%YAML V\n---\n", "1.1", "directive"),
        ("k: a\n  V\n", "b", "goes on"),
        ("# V\n", "a\nb: c", "comment"),
        ("# V\n", "a\u{2028}b", "comment"),
        ("|\n V\n", "x", "document"),
        ("k: [a V]\n", "b,c", "only letters"),
        ("k: V/\n", "-", "read as"),
        ("V-\n", "--", "read as"),
        ("V.\n", "..", "read as"),
        ("k: VV\n", "", "read as"),
        ("k: [a\n V]\n", "b", "goes on"),
    ];
    for (template, value, word) in cases {
        let refused = escape(&fill(template, value), Syntax::Yaml).unwrap_err();
        assert!(refused.why.contains(word), "{template:?} {value:?}: {refused:?}");
        told(&refused, value);
    }
    assert!(escape(&fill("V: 1\n", &"x y".repeat(400)), Syntax::Yaml).unwrap_err().why.contains("1000"));
    assert_eq!(escape(&fill("a: 1\n\nb: x V\n", "\n"), Syntax::Yaml).unwrap_err().line, 3);
}

#[test]
fn yaml_stays_plain_where_it_can() {
    for value in ["etcd", "a-b", "/etc/x", "https://a.b:6443/x", "k=v", "a.b/c", "v1.34.2", "user@host"] {
        assert_eq!(escape(&fill("k: V\n", value), Syntax::Yaml).unwrap(), format!("k: {value}\n"));
    }
    for (template, value, text) in [
        ("e: V:6443\n", "192.168.5.11", "e: 192.168.5.11:6443\n"),
        ("e: V/16\n", "10.96.0.0", "e: 10.96.0.0/16\n"),
        ("i: registry.k8s.io/x:V\n", "3.6.5-0", "i: registry.k8s.io/x:3.6.5-0\n"),
        ("- --name=V\n", "", "- --name=\n"),
    ] {
        assert_eq!(escape(&fill(template, value), Syntax::Yaml).unwrap(), text);
    }
}

#[test]
fn marks_are_kept_apart() {
    for syntax in [Syntax::Text, Syntax::Yaml, Syntax::Shell] {
        for wrong in [
            "\u{1}sx",
            "x\u{2}",
            "\u{1}\u{2}",
            "\u{1}qx\u{2}",
            "\u{1}sa\u{1}sb\u{2}\u{2}",
            "\u{1}éx\u{2}",
            "\u{1}j{\u{2}",
            "\u{1}rx\u{1}\u{2}",
        ] {
            assert!(escape(wrong, syntax).is_err(), "{wrong:?}");
        }
    }
    let raw = "k: \u{1}ra: 'b\n \u{2}V'\n".replace('V', "\u{1}sit's\u{2}");
    assert_eq!(escape(&raw, Syntax::Yaml).unwrap(), "k: a: 'b\n it''s'\n");
}

#[test]
fn the_name_tells_the_syntax() {
    let cases = [
        ("/etc/systemd/system/a.service", Syntax::Unit),
        ("/etc/systemd/system/a.service.d/10.conf", Syntax::Unit),
        ("/etc/systemd/system/service.d/10.conf", Syntax::Unit),
        ("/etc/systemd/network/a.network", Syntax::Unit),
        ("/etc/systemd/network/a.network.d/b.conf", Syntax::Unit),
        ("/etc/x/a.nspawn", Syntax::Unit),
        ("/etc/systemd/journald.conf.d/a.conf", Syntax::Text),
        ("/etc/a.yaml", Syntax::Yaml),
        ("/etc/a.yml", Syntax::Yaml),
        ("/root/admin.kubeconfig", Syntax::Yaml),
        ("/a.json", Syntax::Json),
        ("/etc/cni/net.d/10-a.conflist", Syntax::Json),
        ("/etc/cni/net.d/a.conf", Syntax::Text),
        ("/etc/containerd/config.toml", Syntax::Toml),
        ("/etc/sysctl.d/a.conf", Syntax::Sysctl),
        ("/etc/default/a.env", Syntax::Env),
        ("/etc/profile.d/a.sh", Syntax::Shell),
        ("/etc/hosts", Syntax::Text),
        ("/service", Syntax::Text),
    ];
    for (path, syntax) in cases {
        assert_eq!(Syntax::of(&path.parse().unwrap()), syntax, "{path}");
    }
    assert_eq!("sysctl".parse::<Syntax>().unwrap(), Syntax::Sysctl);
    assert!("ini".parse::<Syntax>().unwrap_err().to_string().contains("unit, yaml"));
}

/// A value that stands for itself wherever it is.
const BENIGN: &str = "Zq7/Zq";

/// Templates glued from pieces, each with the benign value and with another one.
fn glued(
    syntax: Syntax,
    head: &'static str,
    pieces: &'static [&'static str],
    most: usize,
    count: usize,
) -> Vec<(String, String, String)> {
    let trimmed = |value: &String| !value.is_empty() && value.trim() == value;
    let values: Vec<_> = values(300).into_iter().filter(trimmed).collect();
    let template = prop::collection::vec(prop::sample::select(pieces), 1..most)
        .prop_map(move |pieces| head.to_owned() + &pieces.concat());
    let strategy = (template, prop::sample::select(values));
    let mut runner = TestRunner::deterministic();
    let all = (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let both = |(template, value): (String, String)| {
        let benign = escape(&fill(&template, BENIGN), syntax).ok()?;
        Some((benign, escape(&fill(&template, &value), syntax).ok()?, value))
    };
    all.filter(|(template, _)| template.contains('V')).filter_map(both).collect()
}

fn replaced(json: Json, value: &str) -> Json {
    match json {
        Json::String(text) => text.replace(BENIGN, value).into(),
        Json::Array(items) => items.into_iter().map(|item| replaced(item, value)).collect(),
        Json::Object(items) => {
            items.into_iter().map(|(key, item)| (key.replace(BENIGN, value), replaced(item, value))).collect()
        }
        other => other,
    }
}

fn is_error(json: &Json) -> bool {
    json.as_str().is_some_and(|text| text.starts_with("ERROR"))
}

const YAML_PIECES: &[&str] = &[
    "a: ",
    "b: ",
    "V: ",
    "V",
    "V",
    "V",
    " V",
    "V ",
    "\n",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "\n    ",
    "- ",
    "  - ",
    "? ",
    ": ",
    ":",
    "\"",
    "\"",
    "'",
    "'",
    "''",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    "|\n  ",
    ">-\n    ",
    "|2\n",
    " # ",
    "#",
    "&x ",
    "*x",
    "!t ",
    "---\n",
    "---",
    "x",
    "\\",
    "x y",
    "-",
    "a: V\n",
    "- V\n",
    "  c: |\n    V\n",
    "\"V\": ",
    "...\n",
    "%",
    "1",
];

/// Whatever the template: what a reader finds with one value is what it finds with another, but for the value.
#[test]
fn no_value_changes_what_the_rest_of_a_yaml_file_means() {
    let cases = glued(Syntax::Yaml, "", YAML_PIECES, 10, 30000);
    let texts: Vec<_> = cases.iter().flat_map(|(benign, text, _)| [benign.as_str(), text.as_str()]).collect();
    let mut compared = 0;
    for ((_, text, value), read) in cases.iter().zip(pyyaml(&texts).chunks(2)) {
        if !is_error(&read[0]) && !text.contains("!t") {
            let expected = replaced(read[0].clone(), value);
            assert!(read[1] == expected, "{text:?} with {value:?}: {} is not {expected}", read[1]);
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared} compared");
}

const TOML_PIECES: &[&str] = &[
    "a = ",
    "b = ",
    "V = ",
    "V",
    "V",
    "V",
    "\n",
    "\n",
    "[",
    "]",
    "[[V]]\n",
    "[x.V]\n",
    "{ ",
    " }",
    ", ",
    "c = ",
    "\"",
    "\"",
    "'",
    "'",
    "\"\"\"",
    "'''",
    " # ",
    "1",
    ".",
    "x",
    "\\",
    "a = V\n",
    "d = [V]\n",
    " ",
];

#[test]
fn no_value_changes_what_the_rest_of_a_toml_file_means() {
    let mut compared = 0;
    for (benign, text, value) in glued(Syntax::Toml, "", TOML_PIECES, 10, 60000) {
        let Ok(benign) = toml::from_str::<toml::Table>(&benign) else { continue };
        let Ok(read) = toml::from_str::<toml::Table>(&text) else {
            let error = toml::from_str::<toml::Table>(&text).unwrap_err();
            let twice = ["duplicate", "extend"].iter().any(|word| error.message().contains(word));
            assert!(twice, "{text:?}: {error}");
            continue;
        };
        let expected = replaced(serde_json::to_value(benign).unwrap(), &value);
        assert_eq!(serde_json::to_value(read).unwrap(), expected, "{text:?}");
        compared += 1;
    }
    assert!(compared > 1000, "{compared} compared");
}

const SHELL_PIECES: &[&str] = &[
    "p ",
    "p ",
    "p1 ",
    "V",
    "V",
    " V",
    "a",
    " ",
    "\n",
    "\np ",
    "; p ",
    "\"",
    "'",
    "\\",
    "$(p1 ",
    ")",
    "`",
    "${x}",
    "${x:-y}",
    "$x",
    " # ",
    "#",
    "cat <<E\n",
    "E\n",
    "\nE\n",
    "<<'E'",
    "y=V\n",
    "p \"V\"\n",
    "p 'V'\n",
    "p $(p1 V)\n",
    "case V in V) p 1;; esac\n",
    "case",
    "\\\n",
    "$((1+2))",
    "$'",
    "\"$(p1 \"V\")\"",
    "=",
    ",",
    "\"V a\"",
    "'V b'",
    "\"$(p1 V)V\"",
    "${x}V",
    "'V'",
    "\"V\"",
    " 'a'\"V\"V ",
    "cat <<E\nV it's\nE\np V",
    "`p1 V`",
    "\"${x:-\"V\"}\"",
    "\"\\\"V\"",
    "'\\'V",
    "\\\"V",
    " \\# V ",
    "<<<V",
];

#[test]
fn no_value_changes_what_the_rest_of_a_script_does() {
    let prelude = "p() { printf '%s\\0' \"$@\"; }; p1() { printf %s \"$1\"; }; x=1\n";
    let cases = glued(Syntax::Shell, "p ", SHELL_PIECES, 8, 6000);
    let scripts = cases.iter().flat_map(|(benign, text, _)| [benign, text]).map(|text| format!("{prelude}{text}\n"));
    let scripts: Vec<_> = scripts.collect();
    for shell in ["dash", "bash"] {
        let mut compared = 0;
        for ((_, text, value), read) in cases.iter().zip(in_shell(shell, &scripts).chunks(2)) {
            let (benign, errors) = &read[0];
            // A value in a command's place is no command, and the benign one is none either: then there is an error.
            if errors.is_empty() {
                let expected: Vec<_> = benign.iter().map(|word| word.replace(BENIGN, value)).collect();
                assert_eq!(read[1], (expected, String::new()), "{shell}: {text:?} with {value:?}");
                compared += 1;
            }
        }
        assert!(compared > 300, "{compared} compared");
    }
}

/// What systemd would execute and set, as it prints it; nothing for a unit that it refuses.
fn effects(dump: &str) -> Option<(Vec<Vec<String>>, String)> {
    let lines = dump.lines().filter_map(|line| line.trim_start().strip_prefix("Command Line: "));
    let set = dump.split_once("\t\tEnvironment: ").map(|(_, rest)| rest.split("\t\tRuntimeDirectoryPreserve").next());
    let set = set.flatten().unwrap_or_default().to_owned();
    dump.contains("Unit Load State: loaded").then(|| (lines.map(unquoted).collect(), set))
}

const UNIT_PIECES: &[&str] = &[
    "V",
    "V",
    " V",
    "V ",
    "\"",
    "\"",
    "'",
    " ",
    "\\\n",
    "\n",
    "\n# ",
    "\n; ",
    "\nExecStart=/bin/y ",
    " ; /bin/y ",
    ";",
    "%%",
    "$$",
    "${HOME}",
    "$HOME",
    "\nEnvironment=A=V",
    "\nEnvironment=",
    "B=V ",
    "a",
    "\\x20",
    "=",
    "\"V a\"",
    "'V b'",
    "\\\nV",
    "\\\n# V\n V",
    "\n[Unit]\nDescription=V",
    "\n[Service]\n",
    "\\\\",
    "\\\"V",
];

#[test]
fn no_value_changes_what_the_rest_of_a_unit_means() {
    const HEAD: &str = "[Service]\nType=oneshot\nExecStart=/bin/x ";
    let cases = glued(Syntax::Unit, HEAD, UNIT_PIECES, 8, 1200);
    let texts: Vec<_> =
        cases.iter().flat_map(|(benign, text, _)| [benign.clone() + "\n", text.clone() + "\n"]).collect();
    let mut compared = 0;
    for ((_, text, value), dumps) in cases.iter().zip(manager(&texts).chunks(2)) {
        if let Some((commands, set)) = effects(&dumps[0]) {
            let replaced = |word: &String| word.replace(BENIGN, &value.replace('$', "$$"));
            let commands: Vec<Vec<_>> = commands.iter().map(|words| words.iter().map(replaced).collect()).collect();
            assert_eq!(effects(&dumps[1]), Some((commands, set.replace(BENIGN, value))), "{text:?} with {value:?}");
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared} compared");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No text and no value, however odd, makes it fall over, and what the author wrote stays in order.
    #[test]
    fn nothing_falls_over(
        pieces in prop::collection::vec(
            prop_oneof![
                "[ \\n\\t\"'\\\\$%{}\\[\\]()#:;,=|>&*!?@`~<a0._/-]{0,8}".prop_map(|text| (text, false)),
                prop::sample::select(vec!["key: ", "- ", "|\n  ", "ExecStart=", "[Service]\n", "$(", "${", "<<E\n", "E\n", "\"\"\"", "'''", " = "])
                    .prop_map(|text| (text.to_owned(), false)),
                prop::sample::select(NASTY).prop_map(|text| (text.to_owned(), true)),
            ],
            0..10,
        ),
    ) {
        let marked: String = pieces.iter().map(|(text, value)| if *value { format!("\u{1}s{text}\u{2}") } else { text.clone() }).collect();
        let author: String = pieces.iter().filter(|(_, value)| !value).map(|(text, _)| text.as_str()).collect();
        let lines = author.matches('\n').count();
        for syntax in [Syntax::Unit, Syntax::Yaml, Syntax::Json, Syntax::Toml, Syntax::Sysctl, Syntax::Env, Syntax::Shell, Syntax::Text] {
            let Ok(text) = escape(&marked, syntax) else { continue };
            let mut rest = text.chars();
            prop_assert!(author.chars().all(|c| rest.any(|found| found == c)), "{syntax:?}: {marked:?} {text:?}");
            let quotes = matches!(syntax, Syntax::Shell | Syntax::Toml);
            prop_assert!(quotes || text.matches('\n').count() == lines, "{syntax:?}: {marked:?} {text:?}");
        }
    }
}
