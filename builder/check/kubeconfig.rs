//! Kubeconfigs, read (kubernetes.io, "Organizing Cluster Access Using kubeconfig Files" and "kubeconfig (v1)"): whom the
//! current context asks, whom it trusts, and how it proves who it is.
//!
//! A kubeconfig may hold a key or a token. What is read of it is wiped when it goes, as far as the YAML reader gives it out of
//! its hands; and what is said of one that is wrong has nothing of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saphyr_parser::{Event, Parser};
use zeroize::Zeroizing;

use crate::tree::TreePath;

/// How deep values may be in one another.
const DEEPEST: usize = 16;

/// What the current context of a kubeconfig says.
pub struct Kubeconfig {
    /// The server's URL.
    pub server: Zeroizing<String>,
    /// The name that the server's certificate must have, if not that of the URL.
    pub called: Option<String>,
    /// Whom it trusts; none are the system's authorities.
    pub authorities: Option<Material>,
    /// Whether it takes any certificate of the server.
    pub takes_any: bool,
    /// Its certificate.
    pub certificate: Option<Material>,
    /// The certificate's key.
    pub key: Option<Material>,
}

/// Something in PEM.
pub enum Material {
    /// Inside the kubeconfig.
    Inside(Zeroizing<Vec<u8>>),
    /// In a file.
    File(TreePath),
}

/// What is wrong with one, in words without a part of it.
pub type Wrong = &'static str;

impl Kubeconfig {
    /// Reads the one at a path, beside which relative paths are.
    pub fn read(bytes: &[u8], at: &TreePath) -> Result<Kubeconfig, Wrong> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        let root = parse(text).ok_or("is not YAML")?;
        let current = root.text("current-context").filter(|name| !name.is_empty()).ok_or("has no current-context")?;
        let context = root.named("contexts", current, "context").ok_or("lacks the context that it calls current")?;
        let of = |list, key, kind| root.named(list, context.text(key)?, kind);
        let cluster = of("clusters", "cluster", "cluster").ok_or("lacks the cluster that its current context names")?;
        let user = of("users", "user", "user").ok_or("lacks the user that its current context names")?;
        let material = |table: &Yaml, key: &str| material(table, key, at);
        Ok(Kubeconfig {
            server: Zeroizing::new(cluster.text("server").ok_or("names no server")?.to_owned()),
            called: cluster.text("tls-server-name").map(str::to_owned),
            authorities: material(cluster, "certificate-authority")?,
            takes_any: cluster.text("insecure-skip-tls-verify") == Some("true"),
            certificate: material(user, "client-certificate")?,
            key: material(user, "client-key")?,
        })
    }
}

/// What is inside counts before a file.
fn material(table: &Yaml, key: &str, at: &TreePath) -> Result<Option<Material>, Wrong> {
    let filled = |key: &str| table.text(key).filter(|text| !text.is_empty());
    if let Some(text) = filled(&format!("{key}-data")) {
        // base64(1) breaks lines, and readers of YAML keep that.
        let text = Zeroizing::new(text.split_ascii_whitespace().collect::<String>());
        let mut bytes = Zeroizing::new(vec![0; text.len().div_ceil(4) * 3]);
        let length = STANDARD.decode_slice(text.as_str(), &mut bytes).map_err(|_| "has something that is no base64")?;
        bytes.truncate(length);
        return Ok(Some(Material::Inside(bytes)));
    }
    let Some(path) = filled(key) else { return Ok(None) };
    let beside = at.parent().map(|parent| format!("{parent}/")).filter(|_| !path.starts_with('/'));
    let path = format!("{}{path}", beside.unwrap_or_default());
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = TreePath::from_relative(&parts.join("/"));
    path.map(|path| Some(Material::File(path))).map_err(|_| "names a file by no path")
}

/// A value of YAML; what kind of scalar it is does not matter here.
enum Yaml {
    Text(Zeroizing<String>),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The last counts, as readers of Kubernetes have it.
    fn get(&self, key: &str) -> Option<&Yaml> {
        let Yaml::Map(entries) = self else { return None };
        entries.iter().rev().find(|(own, _)| own == key).map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Yaml::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// What `kind` is of the item with a name in a list: `{ name: NAME, KIND: .. }`.
    fn named(&self, list: &str, name: &str, kind: &str) -> Option<&Yaml> {
        let Yaml::List(items) = self.get(list)? else { return None };
        items.iter().find(|item| item.text("name") == Some(name))?.get(kind)
    }
}

/// The first document. Aliases are in no kubeconfig.
fn parse(text: &str) -> Option<Yaml> {
    let mut events = Parser::new_from_str(text);
    let mut next = move || events.next()?.ok().map(|(event, _)| event);
    loop {
        match next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return value(event, &mut next, 0),
        }
    }
}

fn value<'a>(event: Event<'a>, next: &mut impl FnMut() -> Option<Event<'a>>, depth: usize) -> Option<Yaml> {
    match event {
        _ if depth > DEEPEST => None,
        Event::Scalar(text, ..) => Some(Yaml::Text(Zeroizing::new(text.into_owned()))),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next()? {
                    Event::SequenceEnd => return Some(Yaml::List(items)),
                    event => items.push(value(event, next, depth + 1)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            loop {
                let key = match next()? {
                    Event::MappingEnd => return Some(Yaml::Map(entries)),
                    Event::Scalar(text, ..) => text.into_owned(),
                    _ => return None,
                };
                let event = next()?;
                entries.push((key, value(event, next, depth + 1)?));
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: b
clusters:
- { name: x, cluster: { server: 'https://x:1' } }
- { name: y, cluster: { server: \"https://y:2\", certificate-authority: pki/ca.crt, tls-server-name: z } }
contexts:
- { name: a, context: { cluster: x, user: u } }
- { name: b, context: { cluster: y, user: v } }
users:
- { name: u, user: { token: t } }
- name: v
  user:
    client-certificate-data: QUJD
    client-key: /k.key
";

    fn read(text: &str) -> Result<Kubeconfig, Wrong> {
        Kubeconfig::read(text.as_bytes(), &"/etc/x/kubeconfig".parse().unwrap())
    }

    #[test]
    fn the_current_context_counts() {
        let read = read(GOOD).unwrap();
        assert_eq!((read.server.as_str(), read.called.as_deref(), read.takes_any), ("https://y:2", Some("z"), false));
        let file = |material: &Option<Material>| match material {
            Some(Material::File(path)) => path.to_string(),
            Some(Material::Inside(bytes)) => format!("{} bytes", bytes.len()),
            None => "none".into(),
        };
        let told = [&read.authorities, &read.certificate, &read.key].map(file);
        assert_eq!(told, ["/etc/x/pki/ca.crt", "3 bytes", "/k.key"]);
    }

    #[test]
    fn what_is_wrong_is_told_without_a_part_of_it() {
        for (from, to, expected) in [
            ("current-context: b", "", "has no current-context"),
            ("current-context: b", "current-context: c", "lacks the context that it calls current"),
            ("cluster: y, user", "cluster: q, user", "lacks the cluster that its current context names"),
            ("user: v", "user: w", "lacks the user that its current context names"),
            ("server: \"https://y:2\", ", "", "names no server"),
            ("QUJD", "QUJD!", "has something that is no base64"),
            ("kind: Config", "kind: [", "is not YAML"),
            ("kind: Config", "kind: *a", "is not YAML"),
        ] {
            assert_eq!(read(&GOOD.replacen(from, to, 1)).err(), Some(expected), "{to}");
        }
        assert_eq!(read(&"[".repeat(1000)).err(), Some("is not YAML"));
    }
}
