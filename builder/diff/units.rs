//! Files of sections and keys as systemd reads them (systemd.syntax(7)): units, drop-ins, networkd's files.

use std::collections::{BTreeMap, BTreeSet};

use super::align::{align, pairs};
use super::detail::Details;
use super::words;

/// The values of each `[Section] Key`, in their order.
pub type Unit = BTreeMap<String, Vec<String>>;

/// Reads a unit; none if a line is neither a section, a setting nor a comment, or if a section stands twice: each of
/// `[WireGuardPeer]` is another peer.
pub fn read(text: &str) -> Option<Unit> {
    let (mut unit, mut section, mut seen): (Unit, Option<String>, _) = (Unit::new(), None, BTreeSet::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() || is_comment(line) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if !seen.insert(name) {
                return None;
            }
            section = Some(name.to_owned());
            continue;
        }
        let (key, value) = line.split_once('=')?;
        let (key, mut value) = (key.trim_end(), value.trim_start().to_owned());
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if key.is_empty() || !key.chars().all(word) {
            return None;
        }
        // A backslash at the end stands for a blank, and comments between do not end what goes on.
        while value.ends_with('\\') {
            let next = lines.by_ref().map(str::trim).find(|line| !is_comment(line)).unwrap_or_default();
            value.pop();
            value.truncate(value.trim_end().len());
            value.push(' ');
            value.push_str(next);
        }
        unit.entry(format!("[{}] {key}", section.as_ref()?)).or_default().push(value);
    }
    (!unit.is_empty()).then_some(unit)
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';'])
}

/// What changed, by section and key; in what is run, by flag.
pub fn compare(before: &Unit, after: &Unit, details: &mut Details) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let none = Vec::new();
        let (a, b) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
        for (i, j) in pairs(&align(a.len(), b.len(), |i, j| a[i] == b[j])) {
            match (i.map(|i| a[i].as_str()), j.map(|j| b[j].as_str())) {
                (Some(a), Some(b)) if key.contains("] Exec") => {
                    words::compare(key, &words::split(a), &words::split(b), details);
                }
                (a, b) => details.push(key, a, b),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let mut details = Details::default();
        compare(&read(before).unwrap(), &read(after).unwrap(), &mut details);
        let show = |text: Option<String>| text.unwrap_or("-".into());
        details.told.into_iter().map(|d| format!("{}: {} > {}", d.at, show(d.before), show(d.after))).collect()
    }

    #[test]
    fn directives_and_flags() {
        let before = "# a\n[Unit]\nAfter=x\n[Service]\nExecStart=/p --a=1 \\\n  # no\n  --b=2\nRestart=no\n";
        assert!(told(before, "[Service]\nRestart = no\nExecStart=/p --a=1 --b=2\n[Unit]\nAfter=x").is_empty());
        assert_eq!(
            told(before, "[Unit]\nAfter=x\nAfter=y\n[Service]\nExecStart=/p --a=1 --b=3 --c\nRestart=always\n"),
            [
                "[Service] ExecStart --b: 2 > 3",
                "[Service] ExecStart --c: - > ",
                "[Service] Restart: no > always",
                "[Unit] After: - > y"
            ]
        );
        // Directives of several lines are lists, and an empty one resets them.
        assert_eq!(told("[S]\nE=a\nE=b\n", "[S]\nE=\nE=b\n"), ["[S] E: a > "]);
    }

    #[test]
    fn a_line_of_many_lines_takes_as_long_as_many_lines() {
        let timed = |text: &str| {
            let start = std::time::Instant::now();
            (read(text).unwrap(), start.elapsed())
        };
        let (_, many) = timed(&format!("[S]\n{}", "A=xy\n".repeat(1_000_000)));
        let (unit, one) = timed(&format!("[S]\nA=a \\\n{}\n", "xy\\\n".repeat(1_000_000)));
        assert_eq!(unit["[S] A"][0].len(), 1 + 3 * 1_000_000 + 1);
        assert!(one < many * 20, "{one:?} and {many:?}");
    }

    #[test]
    fn other_files_are_none() {
        for text in ["", "a=1\n", "[S]\nnot a setting\n", "[S]\na b = 1\n", "# x\n", "[S]\na=1\n[T]\nb=1\n[S]\na=2\n"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
