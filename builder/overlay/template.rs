//! Templates: minijinja, strict, and without a way to the outside. A template sees what a `Scope` gives it and
//! nothing else: no file, no environment, no clock.
//!
//! There are two kinds. A *string* of a profile or an overlay renders to a string. A *file template* (`NAME.j2`)
//! renders to text in which every value that was put in is marked, so that [`super::escape`] can write it by the rules
//! of the file's syntax.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::bounds::{self, Source};
use super::escape::{CLOSE, OPEN};
use ipnet::IpNet;
use minijinja::value::{Value, ValueKind};
use minijinja::{
    Environment, Error, ErrorKind, Expression, Output, State, Template, UndefinedBehavior, syntax::SyntaxConfig,
};

/// How many steps one template may take: a loop over 10,000 nodes is far below, a mistake that never ends is not.
const FUEL: u64 = 50_000_000;

/// For strings.
static STRINGS: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_plain));
/// For files.
static FILES: LazyLock<Environment<'static>> = LazyLock::new(|| environment(write_marked));

/// The two template environments, and what was compiled for them: the same few hundred sources serve every node.
pub struct Engine {
    /// For strings.
    pub strings: &'static Environment<'static>,
    /// For files.
    pub files: &'static Environment<'static>,
    /// What went wrong in strings that others refer to, by its text: a template error carries text alone.
    pub faults: Mutex<BTreeMap<String, crate::error::Error>>,
    expressions: Compiled<Expression<'static, 'static>>,
    texts: Compiled<Template<'static, 'static>>,
    documents: Compiled<Template<'static, 'static>>,
}

/// Compiled sources, by the source.
type Compiled<T> = Mutex<BTreeMap<String, Arc<T>>>;

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Default for Engine {
    fn default() -> Engine {
        let (expressions, texts, documents) = Default::default();
        Engine { strings: &STRINGS, files: &FILES, faults: Mutex::default(), expressions, texts, documents }
    }
}

impl Engine {
    /// An expression, compiled.
    pub fn expression(&self, source: &str) -> Result<Arc<Expression<'static, 'static>>, Error> {
        compiled(&self.expressions, source, || {
            bounds::check(source, Source::Expression)?;
            self.strings.compile_expression_owned(source.to_owned())
        })
    }

    /// A string's template, compiled.
    pub fn string(&self, source: &str) -> Result<Arc<Template<'static, 'static>>, Error> {
        compiled(&self.texts, source, || {
            bounds::check(source, Source::Text)?;
            self.strings.template_from_str(kept(source))
        })
    }

    /// A file's template, compiled; `file` is how errors name it.
    pub fn file(&self, file: &str, source: &str) -> Result<Arc<Template<'static, 'static>>, Error> {
        compiled(&self.documents, &format!("{file}\0{source}"), || {
            bounds::check(source, Source::Text)?;
            self.files.template_from_named_str(kept(file), kept(source))
        })
    }
}

/// What is in `known`, or is now.
fn compiled<T>(known: &Compiled<T>, source: &str, compile: impl FnOnce() -> Result<T, Error>) -> Result<Arc<T>, Error> {
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = lock().get(source) {
        return Ok(found.clone());
    }
    let made = Arc::new(compile()?);
    lock().insert(source.to_owned(), made.clone());
    Ok(made)
}

/// A compiled template borrows its source. It is needed as long as the profile, which is as long as the program.
fn kept(text: &str) -> &'static str {
    Box::leak(text.into())
}

fn environment(write: fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> Result<(), Error>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_formatter(write);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true); // Errors then know the expression that they are about.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    // The delimiters are the default ones, which cannot be refused.
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment.remove_global("debug");
    // Nothing here counts; a list is looped over.
    environment.remove_global("range");
    environment.remove_filter("batch");
    environment.remove_filter("slice");
    environment.add_filter("indent", bounds::indent);
    environment.add_filter("format", bounds::format);
    environment.add_filter("raw", |text: String| Value::from_safe_string(text));
    environment
        .add_filter("json", |value: Value| to_json(&value).map(|json| Value::from_safe_string(json.to_string())));
    environment.add_filter("host", nth_host);
    environment.add_filter("prefix", |network: String| Ok::<_, Error>(parse_network(&network)?.prefix_len()));
    environment.add_filter("url_host", |host: String| if host.contains(':') { format!("[{host}]") } else { host });
    environment.add_filter("overlapping", overlapping);
    environment.add_test("at_least", at_least);
    environment.add_test("overlapping", |one: String, other: String| {
        let (one, other) = (parse_network(&one)?, parse_network(&other)?);
        Ok::<_, Error>(one.contains(&other) || other.contains(&one))
    });
    environment.add_test("within", |inner: String, outer: String| {
        Ok::<_, Error>(parse_network(&outer)?.contains(&parse_network(&inner).or_else(|_| parse_host(&inner))?))
    });
    environment.add_test("public_network", |network: String| Ok::<_, Error>(is_public(&parse_network(&network)?)));
    environment.add_test("wider_than", wider_than);
    environment.add_test("loopback", |url: String| is_loopback(&url));
    environment.add_test("weak_cipher", |suite: String| WEAK_CIPHERS.iter().any(|weak| suite.contains(weak)));
    environment.add_function("fail", |text: String| Err::<Value, _>(refuse(text)));
    environment
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn parse_network(text: &str) -> Result<IpNet, Error> {
    text.parse().map_err(|_| refuse(format!("`{text}` is not a network like 10.96.0.0/16")))
}

/// `'10.96.0.0/16' | host(1)` is 10.96.0.1: the address that many above the network's own.
fn nth_host(network: String, index: u32) -> Result<String, Error> {
    let parsed = parse_network(&network)?;
    let address = match parsed.network() {
        std::net::IpAddr::V4(base) => {
            u32::from(base).checked_add(index).map(|sum| std::net::Ipv4Addr::from(sum).into())
        }
        std::net::IpAddr::V6(base) => {
            u128::from(base).checked_add(index.into()).map(|sum| std::net::Ipv6Addr::from(sum).into())
        }
    };
    let inside = address.filter(|address: &std::net::IpAddr| parsed.contains(address));
    inside.map(|address| address.to_string()).ok_or_else(|| refuse(format!("{network} has no address number {index}")))
}

/// Those of a list of networks that overlap another one of it, as they are written there. Networks are one in another or apart,
/// so each is compared with the widest before it alone.
fn overlapping(networks: Vec<String>) -> Result<Vec<String>, Error> {
    let parsed = networks.iter().map(|text| parse_network(text)).collect::<Result<Vec<_>, _>>()?;
    let mut order: Vec<usize> = (0..parsed.len()).collect();
    order.sort_by_key(|index| (parsed[*index].network(), parsed[*index].prefix_len()));
    let (mut found, mut widest) = (BTreeSet::new(), None);
    for index in order {
        match widest.filter(|widest: &usize| parsed[*widest].contains(&parsed[index])) {
            Some(widest) => found.extend([widest, index]),
            None => widest = Some(index),
        }
    }
    Ok(found.into_iter().map(|index| networks[index].clone()).collect())
}

/// An address as the network of it alone.
fn parse_host(text: &str) -> Result<IpNet, Error> {
    text.parse::<IpAddr>().map(IpNet::from).map_err(|_| refuse(format!("`{text}` is neither an address nor a network")))
}

/// Networks that nobody has on the Internet: of sites, of links, of carriers, for documents and for tests (IANA's
/// special-purpose address registries).
const OWN_NETWORKS: [&str; 14] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Whether somebody on the Internet may have the network's addresses.
pub fn is_public(network: &IpNet) -> bool {
    !OWN_NETWORKS.iter().filter_map(|own| own.parse::<IpNet>().ok()).any(|own| own.contains(network))
}

/// `kubernetes.version is at_least('1.24')`: dot-separated numbers, compared as numbers; a leading `v` is ignored.
fn at_least(version: String, least: String) -> Result<bool, Error> {
    let numbers = |text: &str| -> Result<Vec<u64>, Error> {
        let bad = || refuse(format!("`{text}` is not a version like 1.34.2"));
        text.trim_start_matches('v').split('.').map(|part| part.parse().map_err(|_| bad())).collect()
    };
    Ok(numbers(&version)? >= numbers(&least)?)
}

/// Parts of the names of cipher suites (IANA, "TLS Cipher Suites") that RFC 9325, 4.2 tells not to use.
const WEAK_CIPHERS: [&str; 5] = ["_NULL_", "_EXPORT_", "_RC4_", "_3DES_", "_CBC_"];

/// Whether a URL, HOST:PORT or host is the machine's own.
fn is_loopback(url: &str) -> bool {
    let authority = url.rsplit("://").next().unwrap_or_default().split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if authority.matches(':').count() == 1 => authority.split(':').next().unwrap_or_default(),
        None => authority,
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `'0644' is wider_than('0600')`: whether it lets somebody do what the other does not. What is not there lets nobody.
fn wider_than(mode: Value, most: String) -> Result<bool, Error> {
    let octal = |text: &str| u32::from_str_radix(text, 8).map_err(|_| refuse(format!("`{text}` is no mode like 0644")));
    let most = octal(&most)?;
    mode.as_str().map_or(Ok(false), |mode| Ok(octal(mode)? & !most != 0))
}

/// A template value as JSON, keys sorted.
pub fn to_json(value: &Value) -> Result<serde_json::Value, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Err(refuse("a value is missing")),
        ValueKind::Bool => Ok(value.is_true().into()),
        ValueKind::Number => match (i64::try_from(value.clone()), f64::try_from(value.clone())) {
            (Ok(whole), _) => Ok(whole.into()),
            (_, Ok(number)) => Ok(number.into()),
            _ => Err(refuse(format!("{value} is not a number that can be written"))),
        },
        ValueKind::String => Ok(value.as_str().unwrap_or_default().into()),
        ValueKind::Map => {
            let entry = |key: Value| {
                let name = key.as_str().map(str::to_owned).ok_or_else(|| refuse("a key is not a string"))?;
                Ok((name, to_json(&value.get_item(&key)?)?))
            };
            value.try_iter()?.map(entry).collect()
        }
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.map(|item| to_json(&item)).collect(),
        // An invalid value says of itself what is wrong.
        ValueKind::Invalid => Err(refuse(value.to_string())),
        kind => Err(refuse(format!("a {kind} cannot be written"))),
    }
}

fn write_plain(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Invalid => Err(refuse(value.to_string())),
        ValueKind::String | ValueKind::Number => Ok(write!(out, "{value}")?),
        // Jinja's own spelling is Python's; ours is that of TOML and of every file that we write.
        ValueKind::Bool => Ok(write!(out, "{}", value.is_true())?),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        kind => Err(refuse(format!(
            "a {kind} cannot become a part of a string; pick an item, use `join`, or write {{ expr = \"...\" }}"
        ))),
    }
}

fn write_marked(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        if text.contains(OPEN) {
            return Ok(out.write_str(text)?); // What a macro or a set block made: its values are marked already.
        }
        let kind = if value.is_safe() { 'r' } else { 's' };
        return Ok(write!(out, "{OPEN}{kind}{text}{CLOSE}")?);
    }
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Number | ValueKind::Bool => Ok(write!(out, "{OPEN}n{}{CLOSE}", to_json(value)?)?),
        _ => Ok(write!(out, "{OPEN}j{}{CLOSE}", to_json(value)?)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(source: &str) -> Result<String, Error> {
        let scope = minijinja::context! { a => "x", list => [1, 2], version => "1.10.2", net => "10.96.0.0/29" };
        Engine::default().strings.render_str(source, scope)
    }

    #[test]
    fn strict_and_blind() {
        assert_eq!(string("{{ a }}-{{ list | join(',') }}").unwrap(), "x-1,2");
        for source in [
            "{{ b }}",
            "{{ a.b }}",
            "{{ list }}",
            "{{ none }}",
            "{{ debug() }}",
            "{% include 'x' %}",
            "{{ env('HOME') }}",
            "{{ now() }}",
        ] {
            assert!(string(source).is_err(), "{source}");
        }
    }

    #[test]
    fn networks_and_versions() {
        assert_eq!(
            string("{{ net | host(1) }} {{ net | prefix }} {{ 'fd00::/8' | host(10) }}").unwrap(),
            "10.96.0.1 29 fd00::a"
        );
        assert!(string("{{ net | host(8) }}").is_err() && string("{{ a | host(1) }}").is_err());
        assert_eq!(string("{{ version is at_least('1.9') }} {{ version is at_least('1.11') }}").unwrap(), "true false");
    }

    #[test]
    fn networks_that_overlap() {
        let of = |list: &str| string(&format!("{{{{ '{list}' | split(' ') | overlapping | join(' ') }}}}"));
        assert_eq!(of("10.0.1.0/24 10.0.0.0/24 fd00::/64 10.0.2.0/23").unwrap(), "");
        assert_eq!(
            of("10.0.1.0/24 10.1.0.0/16 10.0.0.0/16 10.0.2.0/25 10.2.0.1/24").unwrap(),
            "10.0.1.0/24 10.0.0.0/16 10.0.2.0/25"
        );
        assert_eq!(of("10.2.0.0/24 10.2.0.7/24 10.3.0.0/24").unwrap(), "10.2.0.0/24 10.2.0.7/24");
        assert!(of("10.0.0.0/24 x").is_err());
    }

    #[test]
    fn modes() {
        let source =
            "{{ '0644' is wider_than('0600') }} {{ '0400' is wider_than('0600') }} {{ none is wider_than('0600') }}";
        assert_eq!(string(source).unwrap(), "true false false");
        assert!(string("{{ 'x' is wider_than('0600') }}").is_err());
    }

    #[test]
    fn loopback_and_ciphers() {
        for own in ["http://127.0.0.1:2379", "localhost:80", "[::1]:80", "::1", "https://127.1.2.3/x"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["http://10.0.0.1:2379", "https://[::]:80", "", "localhost.example.org:1"] {
            assert!(!is_loopback(other), "{other}");
        }
        let source =
            "{{ ['TLS_RSA_WITH_RC4_128_SHA', 'TLS_AES_128_GCM_SHA256', ''] | select('weak_cipher') | join(',') }}";
        assert_eq!(string(source).unwrap(), "TLS_RSA_WITH_RC4_128_SHA");
    }

    #[test]
    fn values_in_files_are_marked_through_macros_too() {
        let engine = Engine::default();
        let source = "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(a) }} {{ 1 }} {{ [a] }} {{ a | raw }}\n";
        let text = engine.files.render_str(source, minijinja::context! { a => "x" }).unwrap();
        assert_eq!(text, "<\u{1}sx\u{2}> \u{1}n1\u{2} \u{1}j[\"x\"]\u{2} \u{1}rx\u{2}\n");
    }
}
