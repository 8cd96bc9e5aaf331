//! What `systemctl --root=R enable UNIT` would make: the symlinks below `/etc/systemd/system` that an `[Install]`
//! section asks for.
//!
//! systemd.unit(5) gives the keys, the rules for names, templates and aliases, and the specifiers. Path and target of
//! each link are those that systemctl writes; `tests/units.rs` compares them with the real one. Where systemctl warns
//! and goes on (a word that is no unit's name, an alias of another type), this is an error: nobody reads the warning
//! on a machine that nobody logs in to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::error::{Error, Result};
use crate::tree::TreePath;

/// Where systemctl puts links, with the leading slash.
const CONFIG: &str = "/etc/systemd/system";
/// Where systemd looks for the files of system units (systemd.unit(5), "Unit File Load Path").
const SEARCHED: [&str; 5] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/system",
];
/// The types of units.
const SUFFIXES: [&str; 11] =
    ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];
/// The types that may have a second name: the others are named after what they stand for.
const ALIASED: [&str; 6] = ["service", "socket", "device", "target", "path", "timer"];
/// The longest name of a unit, suffix included.
const LONGEST: usize = 255;

/// A symlink: where it is, and what is written in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Its place.
    pub path: TreePath,
    /// Its text: an absolute path.
    pub target: String,
}

/// The links that enable `unit`, whose file is at `unit_path` and holds `text`; in the order of their paths.
///
/// For `NAME@INSTANCE.service` the file may be that of the template. `find` gives the file of another unit by its
/// name, for `Also=`.
///
/// # Errors
/// Usage: a name that is none; a unit without `[Install]`; a template that nobody gave an instance; an `Also=` that
/// `find` does not know; a specifier that only the machine can fill in.
pub fn enable(
    unit: &str,
    text: &str,
    unit_path: &TreePath,
    find: &dyn Fn(&str) -> Option<(TreePath, String)>,
) -> Result<Vec<Link>> {
    let mut links = Links::default();
    let mut seen = BTreeSet::from([unit.to_owned()]);
    let mut queue = VecDeque::from([(unit.to_owned(), unit_path.clone(), text.to_owned())]);
    while let Some((name, path, text)) = queue.pop_front() {
        let install = Install::of(&name, &path, &text)?;
        install.links(&mut links)?;
        for also in install.also()? {
            if seen.insert(also.clone()) {
                let (path, text) = find_file(&also, find).ok_or_else(|| unknown(&name, &also))?;
                queue.push_back((also, path, text));
            }
        }
    }
    if links.0.is_empty() {
        return Err(Error::usage(format!(
            "enabling {unit}: {unit_path} has no [Install] section that asks for a link"
        ))
        .advise("name the units that want it with `wanted-by`, or leave it out of `enable`"));
    }
    Ok(links.into_vec())
}

/// The links by which each unit of `wanted_by` wants `unit`, whose file is at `unit_path`: what
/// `systemctl add-wants` would make.
///
/// # Errors
/// Usage: a name that is none, or a template without an instance.
pub fn wanted_by(unit: &str, unit_path: &TreePath, wanted_by: &[String]) -> Result<Vec<Link>> {
    let name = Name::parse(unit)?;
    located(unit, unit_path)?;
    if name.is_template() {
        return Err(Error::usage(format!("{unit} is a template and cannot be wanted as it is"))
            .advise(format!("name an instance, as {}@NAME.{}", name.prefix, name.suffix)));
    }
    let mut links = Links::default();
    for target in wanted_by {
        Name::parse(target)?;
        links.add(&format!("{target}.wants/{unit}"), unit_path)?;
    }
    Ok(links.into_vec())
}

/// Where a symlink to `/dev/null` masks `unit`.
///
/// # Errors
/// Usage: a name that is none.
pub fn mask(unit: &str) -> Result<TreePath> {
    Name::parse(unit)?;
    format!("{CONFIG}/{unit}").parse()
}

/// The template that an instance is made from: `a@.service` of `a@b.service`; none of what is no instance.
pub fn template(unit: &str) -> Option<String> {
    Name::parse(unit).ok().filter(Name::is_instance).map(|name| name.template())
}

/// A unit's file: its own, or its template's.
fn find_file(unit: &str, find: &dyn Fn(&str) -> Option<(TreePath, String)>) -> Option<(TreePath, String)> {
    find(unit).or_else(|| find(&template(unit)?))
}

fn unknown(unit: &str, also: &str) -> Error {
    Error::usage(format!("enabling {unit}: its `Also=` names {also}, which is in no overlay and no source"))
        .advise("enable it with `wanted-by` if it is the base's, and take it out of `Also=`")
}

fn located(unit: &str, path: &TreePath) -> Result<()> {
    let directory = path.parent().map(|parent| parent.to_string()).unwrap_or_default();
    match SEARCHED.contains(&directory.as_str()) {
        true => Ok(()),
        false => Err(Error::usage(format!("{unit} is at {path}, where systemd does not look for units"))
            .advise(format!("put it in one of {}", SEARCHED.join(", ")))),
    }
}

/// Links by path: two with one path and one target are one.
#[derive(Default)]
struct Links(BTreeMap<TreePath, String>);

impl Links {
    fn add(&mut self, below: &str, target: &TreePath) -> Result<()> {
        let path: TreePath = format!("{CONFIG}/{below}").parse()?;
        let target = target.to_string();
        match self.0.insert(path.clone(), target.clone()) {
            Some(old) if old != target => {
                Err(Error::usage(format!("{path} is asked for twice, as a link to {old} and to {target}")))
            }
            _ => Ok(()),
        }
    }

    fn into_vec(self) -> Vec<Link> {
        self.0.into_iter().map(|(path, target)| Link { path, target }).collect()
    }
}

/// The parts of a unit's name: `PREFIX.SUFFIX`, `PREFIX@.SUFFIX` or `PREFIX@INSTANCE.SUFFIX`.
#[derive(Clone, Copy, Debug)]
struct Name<'a> {
    whole: &'a str,
    prefix: &'a str,
    instance: Option<&'a str>,
    suffix: &'a str,
}

impl<'a> Name<'a> {
    fn parse(whole: &'a str) -> Result<Name<'a>> {
        let bad = |why: &str| Error::usage(format!("`{whole}` is not a unit's name: {why}"));
        let Some((stem, suffix)) = whole.rsplit_once('.').filter(|(_, suffix)| SUFFIXES.contains(suffix)) else {
            return Err(bad("it ends with none of the types of units").advise(format!("end it with .{}", SUFFIXES[0])));
        };
        let known = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if let Some(c) = whole.chars().find(|c| !known(*c)) {
            return Err(bad(&format!("it holds `{c}`")).advise("use letters, digits, `:`, `-`, `_`, `.`, `\\`, `@`"));
        }
        if whole.len() > LONGEST {
            return Err(bad(&format!("it has {} bytes, at most {LONGEST} fit", whole.len())));
        }
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        match prefix.is_empty() {
            true => Err(bad("nothing stands before its type or its `@`")),
            false => Ok(Name { whole, prefix, instance, suffix }),
        }
    }

    fn is_template(&self) -> bool {
        self.instance == Some("")
    }

    fn is_instance(&self) -> bool {
        self.instance.is_some_and(|instance| !instance.is_empty())
    }

    /// `PREFIX@.SUFFIX`.
    fn template(&self) -> String {
        self.instantiate("")
    }

    /// `PREFIX@INSTANCE.SUFFIX`.
    fn instantiate(&self, instance: &str) -> String {
        format!("{}@{instance}.{}", self.prefix, self.suffix)
    }
}

/// What a unit's `[Install]` section says.
struct Install<'a> {
    name: Name<'a>,
    path: &'a TreePath,
    default: Option<String>,
    lists: BTreeMap<&'static str, Vec<String>>,
}

/// The keys that are lists, and the directory that each one's links go to.
const LISTS: [(&str, &str); 5] =
    [("Alias", ""), ("WantedBy", ".wants"), ("RequiredBy", ".requires"), ("UpheldBy", ".upholds"), ("Also", "")];

impl<'a> Install<'a> {
    fn of(unit: &'a str, path: &'a TreePath, text: &str) -> Result<Install<'a>> {
        let name = Name::parse(unit)?;
        located(unit, path)?;
        if path.name() != unit && path.name() != name.template() {
            return Err(Error::usage(format!("enabling {unit}: {path} is the file of another unit")));
        }
        let mut install = Install { name, path, default: None, lists: BTreeMap::new() };
        for (key, value) in assignments(text).map_err(|error| error.context(format!("reading {path}")))? {
            install.assign(&key, &value).map_err(|error| error.context(format!("{path}, {key}=")))?;
        }
        Ok(install)
    }

    /// An empty value takes back what a list held before. `Also=` is read by other rules: it knows no quotes, and what
    /// it named stays named.
    fn assign(&mut self, key: &str, value: &str) -> Result<()> {
        if key == "DefaultInstance" && self.name.is_template() {
            let instance = self.expand(value)?;
            Name::parse(&self.name.instantiate(&instance))?;
            self.default = Some(instance).filter(|instance| !instance.is_empty());
        } else if let Some((list, _)) = LISTS.iter().find(|(list, _)| *list == key) {
            let words = match key {
                "Also" => value.split(BLANK).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
                _ => words(value)?,
            };
            let held = self.lists.entry(list).or_default();
            if words.is_empty() && key != "Also" {
                held.clear();
            }
            held.extend(words);
        }
        Ok(())
    }

    fn list(&self, key: &str) -> impl Iterator<Item = Result<String>> + '_ {
        self.lists.get(key).into_iter().flatten().map(|word| self.expand(word))
    }

    /// The units to be enabled with this one.
    fn also(&self) -> Result<Vec<String>> {
        let checked = |name: String| {
            Name::parse(&name).map_err(|error| error.context(format!("{}, Also=", self.path)))?;
            Ok(name)
        };
        self.list("Also").map(|name| name.and_then(checked)).collect()
    }

    /// The name that links to this unit bear: a template's is that of its default instance.
    fn source(&self) -> String {
        match &self.default {
            Some(default) if self.name.is_template() => self.name.instantiate(default),
            _ => self.name.whole.to_owned(),
        }
    }

    fn links(&self, links: &mut Links) -> Result<()> {
        for alias in self.list("Alias") {
            self.alias(&alias?, links)?;
        }
        let source = self.source();
        for (key, directory) in LISTS.iter().filter(|(_, directory)| !directory.is_empty()) {
            for wanting in self.list(key) {
                let wanting = wanting?;
                let name = Name::parse(&wanting).map_err(|error| error.context(format!("{}, {key}=", self.path)))?;
                if Name::parse(&source)?.is_template() && name.instance.is_none() {
                    return Err(self.no_instance());
                }
                links.add(&format!("{wanting}{directory}/{source}"), self.path)?;
            }
        }
        Ok(())
    }

    fn no_instance(&self) -> Error {
        let Name { whole, .. } = self.name;
        Error::usage(format!("enabling {whole}: it is a template, and {} has no DefaultInstance=", self.path))
            .advise(format!("enable an instance, as {}", self.name.instantiate("NAME")))
    }

    /// A second name, of the same type; of an instance, with the same instance. The old form `X.wants/NAME` is a
    /// dependency under the unit's own name.
    fn alias(&self, alias: &str, links: &mut Links) -> Result<()> {
        let refused = |why: &str| {
            Err(Error::usage(format!("{}, Alias=: {} cannot be called {alias}: {why}", self.path, self.name.whole)))
        };
        if let Some((directory, name)) = alias.split_once('/') {
            let wanting = directory.strip_suffix(".wants").or_else(|| directory.strip_suffix(".requires"));
            return match wanting.map(Name::parse) {
                Some(Ok(_)) if name == self.source() => links.add(alias, self.path),
                _ => refused("a name with a slash is its own below a unit's .wants or .requires"),
            };
        }
        let mut alias = alias.to_owned();
        let mut name = Name::parse(&alias)?;
        if let (true, Some(instance)) = (name.is_template(), self.name.instance) {
            alias = name.instantiate(instance);
            name = Name::parse(&alias)?;
        }
        let same_form = match (name.instance, self.name.instance) {
            (None, None) | (Some(_), Some("")) => true,
            (Some(there), Some(here)) => there == here,
            _ => false,
        };
        match () {
            () if alias == self.name.whole => Ok(()),
            () if name.suffix != self.name.suffix => refused("the types differ"),
            () if !ALIASED.contains(&name.suffix) => refused("a unit of this type has one name"),
            () if !same_form => refused("one is a template or an instance that the other is not"),
            () => links.add(&alias, self.path),
        }
    }

    /// The specifiers that depend on the unit's name alone (systemd.unit(5), "Specifiers").
    fn expand(&self, word: &str) -> Result<String> {
        let name = &self.name;
        let instance = match (name.instance, &self.default) {
            (Some(""), Some(default)) => default,
            (instance, _) => instance.unwrap_or_default(),
        };
        let full = match name.instance {
            Some(_) => format!("{}@{instance}", name.prefix),
            None => name.prefix.to_owned(),
        };
        let mut out = String::with_capacity(word.len());
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '%' { chars.next() } else { None }) {
                ('%', Some('%')) => out.push('%'),
                ('%', Some('i')) => out.push_str(instance),
                ('%', Some('j')) => out.push_str(name.prefix.rsplit('-').next().unwrap_or_default()),
                ('%', Some('n')) => out.push_str(&format!("{full}.{}", name.suffix)),
                ('%', Some('N')) => out.push_str(&full),
                ('%', Some('p')) => out.push_str(name.prefix),
                ('%', other) => {
                    let specifier = other.map(String::from).unwrap_or_default();
                    return Err(Error::usage(format!("{}: `%{specifier}` is known on the machine only", self.path))
                        .advise("write the name out, or use %i, %j, %n, %N or %p"));
                }
                (c, _) => out.push(c),
            }
        }
        Ok(out)
    }
}

/// The assignments of all `[Install]` sections, in order (systemd.syntax(7)).
fn assignments(text: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in logical_lines(text) {
        let line = line.trim_matches(BLANK);
        if let Some(header) = line.strip_prefix('[') {
            let Some(section) = header.strip_suffix(']') else {
                return Err(Error::usage(format!("`{line}` is not a section's header")));
            };
            inside = section == "Install";
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            found.push((key.trim_matches(BLANK).to_owned(), value.trim_matches(BLANK).to_owned()));
        }
    }
    Ok(found)
}

/// What systemd takes for blank.
const BLANK: [char; 3] = [' ', '\t', '\r'];

/// Lines without comments and blank ones, joined where one ends with a backslash; a comment in between does not end
/// the joining.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        let start = line.trim_start_matches(BLANK);
        if start.starts_with(['#', ';']) {
            continue;
        }
        let mut joined = open.take().unwrap_or_default();
        joined.push_str(line);
        let slashes = joined.len() - joined.trim_end_matches('\\').len();
        if slashes % 2 == 1 {
            joined.pop();
            joined.push(' ');
            open = Some(joined);
        } else if !joined.trim_matches(BLANK).is_empty() {
            lines.push(joined);
        }
    }
    lines.extend(open);
    lines
}

/// Words between blanks; quotes hold one together, a backslash stands for itself.
fn words(value: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in value.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if BLANK.contains(&c) => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(Error::usage(format!("a {open} is opened and never closed"))),
        None => Ok(words),
    }
}
