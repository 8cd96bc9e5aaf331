//! Templates, and values in files: a value reads back as itself and adds nothing.

use std::str::from_utf8;
use std::sync::{Arc, LazyLock};

use mastermold::document::Value;
use mastermold::overlay::escape::{CLOSE, OPEN, Syntax, escape};
use mastermold::overlay::{Engine, Global, Scope, Seen};

const SYNTAXES: [Syntax; 8] =
    [Syntax::Unit, Syntax::Yaml, Syntax::Json, Syntax::Toml, Syntax::Sysctl, Syntax::Env, Syntax::Shell, Syntax::Text];

/// What templates see.
const NAMES: &str = "[cluster]\nname = 'prod'\nnested = '{{ cluster.name }}-x'\nlist = ['a', 'b c', '#']\nnumber = 7\n\
                     [odd]\nquote = \"\\\"'`$(x)${y}%i\"\nlines = \"a\\n\\tb: c\\n\"\nempty = ''\n";

thread_local! {
    static SCOPE: LazyLock<Arc<Scope>> = LazyLock::new(|| {
        let document = Value::parse(NAMES, "names.toml").unwrap();
        let names = ["cluster", "odd"].map(|name| (name.to_owned(), Global::Document(document.get(name).unwrap().clone())));
        Seen::new(Arc::new(Engine::default()), names.into(), Vec::new()).scope
    });
}

/// A file template in every syntax, and a string: rendered twice, it is the same.
pub fn template(data: &[u8]) {
    let Ok(source) = from_utf8(data) else { return };
    SCOPE.with(|scope| {
        let _ =
            mastermold::document::Value::parse(&format!("a = {}", serde_json::to_string(source).unwrap()), "a.toml")
                .and_then(|value| scope.render(&value));
        let Ok(marked) = scope.render_file(source, "a.j2") else { return };
        assert_eq!(scope.render_file(source, "a.j2").ok().as_deref(), Some(&*marked));
        for syntax in SYNTAXES {
            check_marks(&marked, syntax);
        }
    });
}

/// Any marked text: no mark stays, and an author's text without values is not changed. The first byte is the syntax.
pub fn escape_anything(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(marked) = from_utf8(rest) else { return };
    check_marks(marked, SYNTAXES[usize::from(*first) % SYNTAXES.len()]);
}

fn check_marks(marked: &str, syntax: Syntax) {
    let Ok(text) = escape(marked, syntax) else { return };
    assert!(!text.contains([OPEN, CLOSE]));
    if !marked.contains(OPEN) {
        assert_eq!(text, marked);
    }
}

fn string(value: &str) -> String {
    format!("{OPEN}s{value}{CLOSE}")
}

/// Writes a value into an author's text and gives the result, if it can be said there.
fn put(author: &str, value: &str, syntax: Syntax) -> Option<String> {
    // No document has such a value.
    if value.contains([OPEN, CLOSE]) {
        return None;
    }
    let written = escape(&author.replace("{}", &string(value)), syntax).ok()?;
    let (before, after) = author.split_once("{}").unwrap_or((author, ""));
    // The author's text around a value is never changed, whatever the value.
    assert!(
        written.starts_with(before) && (author.matches("{}").count() > 1 || written.ends_with(after)),
        "{written:?}"
    );
    Some(written)
}

/// JSON: the value is one string, a part of one, a key.
pub fn escape_json(data: &[u8]) {
    let Ok(value) = from_utf8(data) else { return };
    let read = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    };
    if let Some(text) = put("{\"a\": {}, \"b\": 1}", value, Syntax::Json) {
        assert_eq!(read(&text), serde_json::json!({"a": value, "b": 1}));
    }
    if let Some(text) = put("{\"a\": \"x {} y\", \"b\": 1}", value, Syntax::Json) {
        assert_eq!(read(&text), serde_json::json!({"a": format!("x {value} y"), "b": 1}));
    }
    if let Some(text) = put("{{}: [1]}", value, Syntax::Json) {
        assert_eq!(read(&text)[value], serde_json::json!([1]));
    }
}

/// TOML: the value is one string, a part of one of each kind, a key.
pub fn escape_toml(data: &[u8]) {
    let Ok(value) = from_utf8(data) else { return };
    let read = |text: &str| text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let a = |text: &str| read(text)["a"].as_str().map(str::to_owned);
    for (author, expected) in [
        ("a = {}\nb = 1\n", value.to_owned()),
        ("a = \"x {} y\"\nb = 1\n", format!("x {value} y")),
        ("a = 'x {} y'\nb = 1\n", format!("x {value} y")),
        ("a = \"\"\"x {} y\"\"\"\nb = 1\n", format!("x {value} y")),
        ("a = '''x {} y'''\nb = 1\n", format!("x {value} y")),
    ] {
        if let Some(text) = put(author, value, Syntax::Toml) {
            assert_eq!(a(&text), Some(expected), "{text:?}");
            assert_eq!(read(&text).len(), 2, "{text:?}");
        }
    }
    if let Some(text) = put("t = { {} = 1 }\n", value, Syntax::Toml) {
        assert_eq!(read(&text)["t"][value].as_integer(), Some(1), "{text:?}");
    }
}

/// Formats of lines: whatever the value, there are as many lines, and those around it are the author's.
pub fn escape_lines(data: &[u8]) {
    let Ok(value) = from_utf8(data) else { return };
    let templates = [
        (Syntax::Unit, "[Service]\nExecStart=/bin/x {} --end\nUser=a\n"),
        (Syntax::Unit, "[Service]\nExecStart=/bin/x --y={} \"z {}\"\nUser=a\n"),
        (Syntax::Unit, "[Service]\nEnvironment=\"A={}\"\nUser=a\n"),
        (Syntax::Unit, "[Unit]\nDescription={}\nAfter=a\n"),
        (Syntax::Sysctl, "a.b = {}\nc.d = 1\n"),
        (Syntax::Env, "A={}\nB=1\n"),
        (Syntax::Env, "A=\"x {} y\"\nB=1\n"),
        (Syntax::Env, "A='x {} y'\nB=1\n"),
        (Syntax::Shell, "a {} b\nc\n"),
        (Syntax::Shell, "a \"{}\" b\nc\n"),
        (Syntax::Shell, "a '{}' b\nc\n"),
        (Syntax::Text, "a {} b\nc\n"),
        (Syntax::Yaml, "a: {}\nb: 1\n"),
        (Syntax::Yaml, "a: \"x {} y\"\nb: 1\n"),
        (Syntax::Yaml, "a: 'x {} y'\nb: 1\n"),
        (Syntax::Yaml, "- {}\n- b\n"),
        (Syntax::Yaml, "{}: a\nb: c\n"),
    ];
    for (syntax, author) in templates {
        let Some(text) = put(author, value, syntax) else { continue };
        // Inside quotes a shell takes a line break for itself.
        let quotes = matches!(syntax, Syntax::Shell | Syntax::Env);
        let own = if quotes { value.matches('\n').count() } else { 0 };
        let lines = text.matches('\n').count();
        let expected = author.matches('\n').count();
        assert!(lines == expected || lines == expected + own, "{syntax:?}: {text:?}");
        assert!(!text.contains('\0') && (quotes || !text.contains('\r')), "{syntax:?}: {text:?}");
    }
}
