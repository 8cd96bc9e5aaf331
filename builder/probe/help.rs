//! The help of a program, as far as it is in the form of pflag, of Go's flag package, of urfave/cli or the like: lines that begin
//! with dashes, and what follows until the next.

use std::collections::BTreeMap;

use crate::document::nearest;

/// So many names one flag may have, so long may be what is said of it, in bytes, and so many lists may be in that: a help comes
/// from a program that nobody vouches for.
const MOST_NAMES: usize = 8;
/// See [`MOST_NAMES`].
const LONGEST: usize = 64 << 10;
/// See [`MOST_NAMES`].
const MOST_LISTS: usize = 64;

/// What a help says.
#[derive(Debug, Default)]
pub struct Help(BTreeMap<String, Described>);

#[derive(Debug, Default)]
struct Described {
    /// Whether a value must follow it; not if nobody says so.
    wants_value: bool,
    text: String,
}

impl Help {
    /// Reads it.
    pub fn read(text: &str) -> Help {
        let mut help = Help::default();
        let mut last: Vec<String> = Vec::new();
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() {
                last.clear();
            } else if trimmed.starts_with('-') {
                let (head, rest) = trimmed.split_once("  ").unwrap_or((trimmed, ""));
                last.clear();
                for part in head.split(", ").take(MOST_NAMES) {
                    let Some((name, wants_value)) = flag(part) else { continue };
                    // What is described and what its description speaks of: the first one counts.
                    if !help.0.contains_key(name) {
                        let text = rest.trim().to_owned();
                        help.0.insert(name.to_owned(), Described { wants_value, text });
                        last.push(name.to_owned());
                    }
                }
            } else {
                for name in &last {
                    help.0.entry(name.clone()).and_modify(|described| {
                        if described.text.len() < LONGEST {
                            described.text.push('\n');
                            described.text.push_str(trimmed);
                        }
                    });
                }
            }
        }
        help
    }

    /// Whether it speaks of no flag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nearest flag that there is.
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.0.keys().map(String::as_str)).map(str::to_owned)
    }

    /// Whether a flag does not stand alone.
    pub fn wants_value(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|described| described.wants_value)
    }

    /// The names that the description of a flag lists behind a colon, with commas between: the longest list. None if there is
    /// none.
    pub fn listed(&self, name: &str) -> Vec<String> {
        let Some(Described { text, .. }) = self.0.get(name) else { return Vec::new() };
        let lists = text.match_indices(':').take(MOST_LISTS).map(|(at, _)| list(&text[at + 1..]));
        lists.max_by_key(Vec::len).filter(|list| list.len() > 1).unwrap_or_default()
    }

    /// The keys that the description of a flag has in lines `KEY=...`.
    pub fn keys(&self, name: &str) -> Vec<String> {
        let lines = self.0.get(name).into_iter().flat_map(|described| described.text.lines());
        let keys = lines.filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
        keys.filter(|key| is_name(key)).map(str::to_owned).collect()
    }
}

/// `--name`, `--name TYPE`, `--name=VALUE`, `--name type[=default]`: the name, and whether a value must follow. What stands in quotes
/// is a default, and may be a truth value's.
fn flag(part: &str) -> Option<(&str, bool)> {
    let part = part.trim_start_matches('-');
    let end = part.find([' ', '=', '[', '\t']).unwrap_or(part.len());
    let (name, rest) = part.split_at(end);
    let takes = rest.trim();
    let is_type = !takes.is_empty() && takes.chars().all(|c| c.is_ascii_alphanumeric());
    is_name(name).then_some((name, is_type && rest.starts_with(' ')))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

/// The names with commas between at the start of a text, up to the end of a sentence or a line.
fn list(text: &str) -> Vec<String> {
    let text = text.split(". ").next().unwrap_or_default();
    let text = text.split(['\n', ';', '(']).next().unwrap_or_default().trim().trim_end_matches('.');
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    match names.iter().all(|name| is_name(name)) {
        true => names.into_iter().map(str::to_owned).collect(),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut from what kube-apiserver and kube-controller-manager 1.20.2, etcd 3.4.23 and containerd 1.7.24 print; a name is left out.
    const PRINTED: &str = "\
Admission flags:

      --disable-admission-plugins strings      admission plugins that should be disabled although they are in the default enabled plugins list (NamespaceLifecycle, LimitRanger). Comma-delimited list of admission plugins: AlwaysAdmit, NodeRestriction, PodSecurityPolicy. The order of plugins in this flag does not matter.
  -h, --help                                   help for server
      --feature-gates mapStringBool            A set of key=value pairs that describe feature gates for alpha/experimental features. Options are:
                                               APIListChunking=true|false (BETA - default=true)
                                               AllAlpha=true|false (ALPHA - default=false)
      --controllers strings                    A list of controllers to enable. '*' enables all on-by-default controllers, 'foo' enables the controller named 'foo', '-foo' disables the controller named 'foo'.
                                               All controllers: attachdetach, bootstrapsigner, cronjob, ttl-after-finished
                                               Disabled-by-default controllers: bootstrapsigner, tokencleaner (default [*])
      --config string                          The path to the configuration file. The following flags can overwrite fields in this file:
                                                 --address
      --version version[=true]                 Print version information and quit

Member:
  --name 'default'
    Human-readable name for this member.
  --client-cert-auth 'false'
    Enable client cert authentication.

GLOBAL OPTIONS:
   --config-dir value, -c value  Path to the configuration file (default: \"/etc/containerd/config.toml\")
   --help, -h                    show help
";

    #[test]
    fn flags_and_what_they_take() {
        let help = Help::read(PRINTED);
        let wants = |name: &str| help.wants_value(name);
        assert!(wants("controllers") && wants("config") && wants("config-dir") && wants("c"));
        assert!(!wants("help") && !wants("h") && !wants("version") && !wants("name") && !wants("client-cert-auth"));
        assert_eq!(help.nearest("contollers").as_deref(), Some("controllers"));
        assert_eq!(help.nearest("zzz"), None);
    }

    #[test]
    fn lists_in_descriptions() {
        let help = Help::read(PRINTED);
        assert_eq!(help.listed("disable-admission-plugins"), ["AlwaysAdmit", "NodeRestriction", "PodSecurityPolicy"]);
        assert_eq!(help.listed("controllers"), ["attachdetach", "bootstrapsigner", "cronjob", "ttl-after-finished"]);
        assert_eq!(help.keys("feature-gates"), ["APIListChunking", "AllAlpha"]);
        assert!(help.listed("help").is_empty() && help.listed("none").is_empty());
    }
}
