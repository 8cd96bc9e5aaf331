//! Files of `key = value` lines: sysctl.d(5), environment files, os-release(5).

use std::collections::{BTreeMap, BTreeSet};

use super::align::{align, pairs};
use super::detail::Details;

/// The values of each key, in their order.
pub type Settings = BTreeMap<String, Vec<String>>;

/// Reads settings; none if a line is neither a setting nor a comment. The `export` of a shell is a part of the key.
pub fn read(text: &str) -> Option<Settings> {
    let mut settings = Settings::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        let (key, value) = line.split_once('=')?;
        let key = key.trim_end();
        let name = key.strip_prefix("export ").unwrap_or(key);
        let fine = |c: char| c.is_ascii_alphanumeric() || "_.-/*@".contains(c);
        if name.is_empty() || !name.chars().all(fine) || value.ends_with('\\') {
            return None;
        }
        settings.entry(key.to_owned()).or_default().push(value.trim_start().to_owned());
    }
    (!settings.is_empty()).then_some(settings)
}

/// What changed, by key.
pub fn compare(before: &Settings, after: &Settings, details: &mut Details) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let none = Vec::new();
        let (a, b) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
        for (i, j) in pairs(&align(a.len(), b.len(), |i, j| a[i] == b[j])) {
            details.push(key, i.map(|i| a[i].as_str()), j.map(|j| b[j].as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_key() {
        let mut details = Details::default();
        let before = read("# x\nvm.a = 1\nnet/ipv4.*.b=2\n\nA=\"x y\"\n").unwrap();
        compare(&before, &read("A=\"x y\"\nvm.a=2\nC=\n").unwrap(), &mut details);
        let told: Vec<_> =
            details.told.iter().map(|d| (d.at.as_str(), d.before.as_deref(), d.after.as_deref())).collect();
        assert_eq!(told, [("C", None, Some("")), ("net/ipv4.*.b", Some("2"), None), ("vm.a", Some("1"), Some("2"))]);
        assert_eq!(read("a = 1\nif [ x = y ]; then\n"), None);
        assert_eq!(read("overlay\nbr_netfilter\n"), None);
    }
}
