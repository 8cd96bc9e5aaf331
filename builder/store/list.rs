//! [`List`]: what an archive holds, which of it a glob takes, and where links lead within it.

use super::members::Pattern;
use super::unpack::{self, Entry, Kind, Limits};
use super::{Pin, Store};
use crate::error::{Error, Faults, Result};

/// How many links are followed from one member.
const LINKS: u32 = 40;
/// How many near names an error gives.
const NEAR: usize = 5;

/// A member that is wanted: its path, and which entry has its bytes.
pub(super) struct Found<'a> {
    pub pattern: &'a str,
    pub path: &'a str,
    pub body: usize,
}

/// All entries of an archive, and where each path is.
pub(super) struct List {
    pub entries: Vec<Entry>,
    /// Indices of `entries`, by path and then by place.
    order: Vec<usize>,
}

impl List {
    /// Reads the archive once.
    pub fn read(store: &Store, pin: &Pin, name: &str, limits: &Limits) -> Result<List> {
        let mut entries = Vec::new();
        unpack::walk(store, pin, name, limits, &mut |entry, _| {
            entries.push(entry);
            Ok(())
        })?;
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].path.cmp(&entries[*b].path).then(a.cmp(b)));
        let list = List { entries, order };
        list.check_below().map_err(|error| error.context(name))?;
        Ok(list)
    }

    /// An entry below something that is no directory would be written through it, or replace it.
    fn check_below(&self) -> Result<()> {
        for entry in self.entries.iter().filter(|entry| entry.kind != Kind::Directory) {
            let prefix = format!("{}/", entry.path);
            let next = self.order.partition_point(|index| *self.entries[*index].path < *prefix);
            if let Some(below) = self.order.get(next).map(|index| &self.entries[*index])
                && below.path.starts_with(&prefix)
            {
                return Err(Error::policy(format!("{} lies below {}, which is no directory", below.path, entry.path)));
            }
        }
        Ok(())
    }

    fn at(&self, path: &str) -> &[usize] {
        let from = self.order.partition_point(|index| *self.entries[*index].path < *path);
        let to = self.order.partition_point(|index| *self.entries[*index].path <= *path);
        &self.order[from..to]
    }

    /// What a glob takes: no entry twice, and nothing but files and links to files.
    pub fn select<'a>(&'a self, pattern: &Pattern<'a>) -> Result<Vec<Found<'a>>> {
        let mut faults = Faults::new();
        let mut found = Vec::new();
        let candidates: Vec<usize> = match pattern.literal {
            true => self.at(pattern.text.trim_start_matches("./")).to_vec(),
            false => self.order.iter().copied().filter(|i| pattern.matcher.is_match(&*self.entries[*i].path)).collect(),
        };
        for index in candidates {
            let entry = &self.entries[index];
            if entry.kind == Kind::Directory && !pattern.literal {
                continue;
            }
            let body = self.once(&entry.path).and_then(|index| self.body(index));
            let body =
                body.map_err(|error| error.context(format_args!("taking {} for `{}`", entry.path, pattern.text)));
            if let Some(body) = faults.note(body) {
                found.push(Found { pattern: pattern.text, path: &entry.path, body });
            }
        }
        if found.is_empty() && faults.is_empty() {
            return Err(self.nothing(pattern));
        }
        faults.finish(found)
    }

    /// The one entry at a path: readers disagree which of two it is.
    fn once(&self, path: &str) -> Result<usize> {
        match self.at(path) {
            [index] => Ok(*index),
            [] => Err(Error::policy(format!("{path} is not in the archive"))),
            several => Err(Error::policy(format!("{path} is there {} times", several.len()))),
        }
    }

    /// The entry that holds the bytes of this one.
    fn body(&self, mut index: usize) -> Result<usize> {
        for _ in 0..LINKS {
            let entry = &self.entries[index];
            let next = match &entry.kind {
                Kind::File if entry.mode & 0o6000 != 0 => {
                    return Err(Error::policy(format!("{} is setuid or setgid ({:04o})", entry.path, entry.mode)));
                }
                Kind::File => return Ok(index),
                Kind::Directory => return Err(Error::policy(format!("{} is a directory", entry.path))),
                Kind::Other(what) => return Err(Error::policy(format!("{} is a {what}", entry.path))),
                Kind::Symlink(target) => self.resolve(&entry.path, target)?,
                Kind::Hardlink(target) => target.trim_start_matches("./").to_owned(),
            };
            let hard = matches!(entry.kind, Kind::Hardlink(_));
            let to = self.once(&next).map_err(|error| error.context(format_args!("{} links to {next}", entry.path)))?;
            if hard && (to >= index || self.entries[to].kind != Kind::File) {
                return Err(Error::policy(format!(
                    "{} is a hard link to {next}, which is no file before it",
                    entry.path
                )));
            }
            index = to;
        }
        Err(Error::policy(format!("{} is behind more than {LINKS} links", self.entries[index].path)))
    }

    /// Where a symlink leads within the archive, whose root is `/`; symlinks on the way are followed.
    fn resolve(&self, from: &str, target: &str) -> Result<String> {
        let out = || Error::policy(format!("{from} is a symlink that leads out of the archive: {target}"));
        let mut at: Vec<String> = match target.starts_with('/') {
            true => Vec::new(),
            false => from.rsplit_once('/').map_or(Vec::new(), |(parent, _)| words(parent)),
        };
        let mut todo = words(target);
        todo.reverse();
        let mut budget = LINKS;
        while let Some(word) = todo.pop() {
            match word.as_str() {
                "." => continue,
                ".." => {
                    at.pop().ok_or_else(out)?;
                    continue;
                }
                _ => at.push(word),
            }
            if todo.is_empty() {
                break; // The last is the caller's to follow.
            }
            if let [index] = self.at(&at.join("/"))
                && let Kind::Symlink(target) = &self.entries[*index].kind
            {
                budget = budget.checked_sub(1).ok_or_else(out)?;
                at.pop();
                if target.starts_with('/') {
                    at.clear();
                }
                todo.extend(words(target).into_iter().rev());
            }
        }
        Ok(at.join("/"))
    }

    fn nothing(&self, pattern: &Pattern) -> Error {
        let score = |path: &str| {
            let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            strsim::jaro_winkler(&last(path), &last(pattern.text)) + strsim::jaro_winkler(path, pattern.text) / 2.0
        };
        let files = self.order.iter().map(|index| &self.entries[*index]).filter(|e| e.kind != Kind::Directory);
        let mut near: Vec<(f64, &str)> = Vec::new();
        for entry in files {
            near.push((score(&entry.path), &entry.path));
            if near.len() > NEAR * 100 {
                keep_best(&mut near);
            }
        }
        keep_best(&mut near);
        let near: Vec<&str> = near.into_iter().map(|(_, path)| path).collect();
        let error = Error::integrity(format!("no member matches `{}`", pattern.text));
        match near.is_empty() {
            true => error.advise("the archive holds no file"),
            false => error.advise(format!("near are {}", near.join(", "))),
        }
    }
}

fn keep_best(near: &mut Vec<(f64, &str)>) {
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    near.truncate(NEAR);
}

fn words(path: &str) -> Vec<String> {
    path.split('/').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, Kind)]) -> List {
        let entry = |(path, kind): &(&str, Kind)| Entry {
            path: (*path).into(),
            kind: kind.clone(),
            mode: 0o755,
            uid: 0,
            gid: 0,
            at: 0,
        };
        let entries: Vec<Entry> = entries.iter().map(entry).collect();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].path.cmp(&entries[*b].path).then(a.cmp(b)));
        List { entries, order }
    }

    fn link(target: &str) -> Kind {
        Kind::Symlink(target.into())
    }

    fn taken(list: &List, glob: &str) -> Result<Vec<(String, usize)>> {
        let pattern = Pattern::new(glob)?;
        Ok(list.select(&pattern)?.into_iter().map(|found| (found.path.to_owned(), found.body)).collect())
    }

    #[test]
    fn globs() {
        let list = list(&[
            ("v3/etcd", Kind::File),
            ("v3/bin", Kind::Directory),
            ("v3/bin/etcd", Kind::File),
            ("etcd", Kind::File),
        ]);
        let one = |path: &str, body| vec![(path.to_owned(), body)];
        assert_eq!(taken(&list, "*/etcd").unwrap(), one("v3/etcd", 0));
        assert_eq!(taken(&list, "./etcd").unwrap(), one("etcd", 3));
        assert_eq!(taken(&list, "v3/*").unwrap(), one("v3/etcd", 0));
        assert_eq!(taken(&list, "**/etcd").unwrap().len(), 3);
        assert_eq!(taken(&list, "v3/{etcd,bin/etcd}").unwrap().len(), 2);
        assert_eq!(taken(&list, "v3/bin").unwrap_err().class().code(), 8);
        for bad in ["", "/etcd", "[", "a{b", "./"] {
            assert_eq!(taken(&list, bad).unwrap_err().class().code(), 2, "{bad}");
        }
        let error = taken(&list, "*/etcdd").unwrap_err();
        assert_eq!(error.class().code(), 3);
        assert!(error.to_string().contains("v3/etcd, "), "{error}");
    }

    #[test]
    fn links() {
        let list = list(&[
            ("usr/bin/tool", Kind::File),
            ("usr/bin/a", link("tool")),
            ("usr/bin/b", link("/usr/bin/a")),
            ("bin", link("usr/bin")),
            ("c", link("bin/../bin/tool")),
            ("hard", Kind::Hardlink("./usr/bin/tool".into())),
            ("out", link("../x")),
            ("passwd", link("/etc/passwd")),
            ("x", link("y")),
            ("y", link("x")),
            ("early", Kind::Hardlink("late".into())),
            ("late", Kind::File),
            ("hardsym", Kind::Hardlink("bin".into())),
            ("dir", link("usr/..")),
            ("fifo", Kind::Other("FIFO")),
        ]);
        for good in ["usr/bin/a", "usr/bin/b", "c", "hard"] {
            assert_eq!(taken(&list, good).unwrap(), [(good.to_owned(), 0)]);
        }
        for bad in ["out", "passwd", "x", "early", "hardsym", "bin", "dir", "fifo"] {
            assert_eq!(taken(&list, bad).unwrap_err().class().code(), 8, "{bad}");
        }
    }

    #[test]
    fn ambiguous_lists() {
        let twice = list(&[("a", Kind::File), ("a", Kind::File)]);
        assert_eq!(taken(&twice, "a").unwrap_err().class().code(), 8);
        assert_eq!(taken(&twice, "*").unwrap_err().class().code(), 8);
        let through = list(&[("d", link("/etc")), ("d-e", Kind::File), ("d/passwd", Kind::File)]);
        assert_eq!(through.check_below().unwrap_err().class().code(), 8);
        let plain = list(&[("d", Kind::Directory), ("d-e", Kind::File), ("d/passwd", Kind::File)]);
        plain.check_below().unwrap();
    }
}
