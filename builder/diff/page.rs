//! A [`Comparison`] as a page for a person: what is released, then what every machine has, then what some have.

use super::detail::Detail;
use super::report::{Change, Comparison, Facts, Group, Kind, Named};
use crate::bundle::lists::{LISTS, is_any_list};
use crate::error::visible;

/// The most lines that are shown of one file on a machine.
const SHOWN: usize = 60;
/// And of one beside them: what lists the rest has many that nobody reads.
const SHOWN_BESIDE: usize = 12;

impl Comparison {
    /// The page, a line each; whatever the names and contents are, each is one line and shows what is there.
    pub fn lines(&self) -> Vec<String> {
        let mut page = vec![format!("--- {}", self.before.path), format!("+++ {}", self.after.path)];
        page.extend(self.missing());
        if self.same {
            page.push("no difference".to_owned());
        }
        let (archives, facts): (Vec<&Detail>, Vec<&Detail>) =
            self.release.iter().partition(|detail| detail.at.starts_with("archive "));
        if !self.release.is_empty() {
            page.push(String::new());
            page.push("release".to_owned());
            page.extend(facts.iter().map(|detail| format!("  {}", sentence(detail))));
            page.extend(counted(&archives));
        }
        for group in &self.groups {
            page.push(String::new());
            page.push(heading(group));
            page.extend(changes(&group.changes, SHOWN));
        }
        if !self.files.is_empty() {
            page.push(String::new());
            page.push("files of the release".to_owned());
            page.extend(changes(&self.files, SHOWN_BESIDE));
        }
        page.into_iter().map(|line| visible(&line)).collect()
    }

    /// Each difference as a sentence of its own that names machine, entry and field; of releases, what their manifests
    /// say is left out. Lists that follow from the rest come only if there is nothing else. `names` is what the two are
    /// called.
    pub fn sentences(&self, names: (&str, &str)) -> Vec<String> {
        let on = |group: &Group| match group.nodes.is_empty() {
            true => String::new(),
            false => format!("{}: ", heading(group)),
        };
        let groups = self.groups.iter().flat_map(|group| group.changes.iter().map(move |change| (on(group), change)));
        let all: Vec<_> = groups.chain(self.files.iter().map(|change| (String::new(), change))).collect();
        let (lists, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, change)| follows(change));
        let told = if others.is_empty() { lists } else { others };
        told.into_iter().flat_map(|(on, change)| said(&on, change, names)).collect()
    }

    /// Secrets that could not be compared.
    fn missing(&self) -> Option<String> {
        let absent = |side: &Named| side.secrets == Some(false);
        match (absent(&self.before), absent(&self.after)) {
            (false, false) => None,
            (true, true) => Some("secrets are on neither side: not compared".to_owned()),
            (true, false) => Some(format!("secrets are not in {}: not compared", self.before.path)),
            (false, true) => Some(format!("secrets are not in {}: not compared", self.after.path)),
        }
    }
}

/// How many archives changed; those that came and went are mostly named by what is in them.
fn counted(archives: &[&Detail]) -> Option<String> {
    let count = |kind| archives.iter().filter(|detail| kind_of(detail) == kind).count();
    let counts = [(Kind::Changed, "changed"), (Kind::Added, "added"), (Kind::Removed, "removed")];
    let told = counts.map(|(kind, word)| (count(kind), word));
    let told: Vec<_> =
        told.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    (!told.is_empty()).then(|| format!("  archives: {}", told.join(", ")))
}

fn kind_of(detail: &Detail) -> Kind {
    Kind::of(detail.before.is_some(), detail.after.is_some())
}

fn heading(group: &Group) -> String {
    let names = group.nodes.join(", ");
    match (group.every, group.nodes.len()) {
        (_, 0) => "entries".to_owned(),
        (true, 2..) => format!("every node ({names})"),
        (_, 1) => format!("node {names}"),
        _ => format!("nodes {names}"),
    }
}

/// Whether a change follows from others: that of a list which a layer carries of itself.
fn follows(change: &Change) -> bool {
    change.change == Kind::Changed && is_any_list(&change.path)
}

/// What follows from the rest is counted where the rest is told.
fn changes(changes: &[Change], most: usize) -> Vec<String> {
    let (lists, others): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| follows(change));
    let mut lines: Vec<String> = others.iter().flat_map(|change| told(change, most)).collect();
    lines.extend(match (lists.len(), others.len()) {
        (0, _) => Vec::new(),
        (_, 0) => lists.iter().flat_map(|change| told(change, most)).collect(),
        (1, _) => vec![format!("  ~ {}: this layer's own list", lists[0].path)],
        (count, _) => vec![format!("  ~ {LISTS}/: {count} of the layers' own lists")],
    });
    lines
}

/// One change: what happened, then what is inside.
fn told(change: &Change, most: usize) -> Vec<String> {
    let mark = match change.change {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Changed => '~',
    };
    let mut lines = vec![format!("  {mark} {}{}", change.path, facts(change))];
    let Some(inside) = &change.inside else { return lines };
    let mut details: Vec<String> = inside.details.iter().flat_map(detail).collect();
    details.extend(inside.lines.iter().cloned());
    // The text ends with a line end: nothing stands behind it.
    if change.change == Kind::Added && details.last().is_some_and(|last| last == "+") {
        details.pop();
    }
    let more = details.len().saturating_sub(most) + inside.more;
    details.truncate(most);
    lines.extend(details.into_iter().map(|line| format!("      {line}")));
    if more > 0 {
        lines.push(format!("      and {more} more lines: --format json has them"));
    }
    lines
}

/// One change in sentences: the entry with each field.
fn said(on: &str, change: &Change, (before, after): (&str, &str)) -> Vec<String> {
    let verb = match change.change {
        Kind::Added => format!("is only in {after}"),
        Kind::Removed => format!("is only in {before}"),
        Kind::Changed => "differs".to_owned(),
    };
    let mut sentences = Vec::new();
    if let Some(inside) = &change.inside {
        sentences.extend(inside.details.iter().map(|detail| format!("{on}{}: {}", change.path, in_one_line(detail))));
        let lines = inside.lines.iter().filter(|line| line.starts_with(['+', '-']));
        if change.change == Kind::Changed && !inside.lines.is_empty() {
            sentences.push(format!("{on}{}: {}", change.path, lines.cloned().collect::<Vec<_>>().join(" ")));
        }
    }
    let facts = facts(change);
    if sentences.is_empty() || (change.change == Kind::Changed && !facts.is_empty()) {
        sentences.insert(0, format!("{on}{} {verb}{facts}", change.path));
    }
    sentences
}

fn in_one_line(detail: &Detail) -> String {
    match detail.lines.is_empty() {
        true => sentence(detail),
        false => {
            let lines = detail.lines.iter().filter(|line| line.starts_with(['+', '-'])).cloned();
            format!("{}: {}", detail.at, lines.collect::<Vec<_>>().join(" "))
        }
    }
}

fn facts(change: &Change) -> String {
    let (Some(a), Some(b)) = (&change.before, &change.after) else {
        let only = change.before.as_ref().or(change.after.as_ref());
        let secret = if change.secret { ", secret" } else { "" };
        return only.map_or_else(String::new, |facts| format!(": {}{secret}", described(facts)));
    };
    let mut words = Vec::new();
    for field in &change.fields {
        words.extend(match *field {
            "type" => Some(format!("{} -> {}", a.kind, b.kind)),
            "mode" => Some(format!("mode {} -> {}", a.mode, b.mode)),
            "owner" => Some(format!("owner {} -> {}", a.uid, b.uid)),
            "group" => Some(format!("group {} -> {}", a.gid, b.gid)),
            "target" => Some(format!("-> {} is -> {}", target(a), target(b))),
            "secret" => Some("is a secret on one side alone".to_owned()),
            _ => None,
        });
    }
    words.extend(contents(change, a, b));
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

/// What is said of contents in one line: nothing if details follow.
fn contents(change: &Change, a: &Facts, b: &Facts) -> Option<String> {
    if !change.fields.contains(&"contents") {
        return None;
    }
    let sizes = match (a.size, b.size) {
        (Some(a), Some(b)) if a != b => format!("{a} -> {b} bytes"),
        (Some(a), _) => format!("{a} bytes"),
        _ => String::new(),
    };
    let inside = change.inside.as_ref()?;
    match inside.format {
        "secret" => Some("other contents, secret".to_owned()),
        _ if inside.writing_only => Some("only the writing changed, no value".to_owned()),
        "binary" | "large" | "program" => Some(match (a.sha256, b.sha256) {
            (Some(a), Some(b)) => format!("{sizes}, SHA-256 {} -> {}", a.short(), b.short()),
            _ => format!("other contents, {sizes}"),
        }),
        _ => None,
    }
}

fn described(facts: &Facts) -> String {
    let owner = format!("{}:{}", facts.uid, facts.gid);
    match (facts.kind, facts.size) {
        ("symlink", _) => format!("symlink -> {}", target(facts)),
        ("file", Some(size)) => format!("file {} {owner} {size} bytes", facts.mode),
        (kind, _) => format!("{kind} {} {owner}", facts.mode),
    }
}

fn target(facts: &Facts) -> &str {
    facts.target.as_deref().unwrap_or("nothing")
}

fn detail(detail: &Detail) -> Vec<String> {
    if detail.lines.is_empty() {
        return vec![sentence(detail)];
    }
    let lines = detail.lines.iter().map(|line| format!("  {line}"));
    std::iter::once(format!("{}:", detail.at)).chain(lines).collect()
}

/// `at: before -> after`; what came and what went have a mark in front.
fn sentence(detail: &Detail) -> String {
    let value = |text: &String| if text.is_empty() { String::new() } else { format!(": {text}") };
    match (&detail.before, &detail.after) {
        (Some(a), Some(b)) => {
            let shown = |text: &String| if text.is_empty() { "(empty)".to_owned() } else { text.clone() };
            format!("{}: {} -> {}", detail.at, shown(a), shown(b))
        }
        (None, Some(b)) => format!("+ {}{}", detail.at, value(b)),
        (Some(a), None) => format!("- {}{}", detail.at, value(a)),
        (None, None) => detail.at.clone(),
    }
}
