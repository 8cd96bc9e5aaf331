//! [`Order`]: entries come ascending, once, and after their directory.

use super::header::Parsed;
use crate::tree::TreePath;

/// What came last, and which prefixes of it are directories. A path's bytes bound the memory, however many came.
#[derive(Default)]
pub(super) struct Order {
    last: String,
    /// Lengths of the prefixes of `last` that came as directories, ascending. `last` itself may be one.
    directories: Vec<usize>,
}

impl Order {
    /// Takes the next path; says what is wrong with its place.
    pub fn next(&mut self, path: &TreePath, directory: bool) -> Parsed<()> {
        let next = path.as_str();
        if !self.last.is_empty() && next <= self.last.as_str() {
            let what = if next == self.last { "comes twice" } else { "is out of order" };
            return Err(format!("{path} {what}, after /{}", self.last));
        }
        // Sorted bytewise, all paths that begin with a directory's name come in one run ("a", "a-b", "a/x"): a directory
        // can be forgotten once a path does not begin with its name.
        let shared = self.last.bytes().zip(next.bytes()).take_while(|(a, b)| a == b).count();
        self.directories.retain(|&length| length <= shared);
        if let Some(parent) = path.parent()
            && !self.directories.contains(&parent.as_str().len())
        {
            return Err(format!("{path} comes without its directory"));
        }
        if directory {
            self.directories.push(next.len());
        }
        next.clone_into(&mut self.last);
        Ok(())
    }

    /// Where we are, for messages.
    pub fn place(&self) -> String {
        if self.last.is_empty() { "at the start".into() } else { format!("after /{}", self.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(paths: &[&str]) -> Parsed<()> {
        let mut order = Order::default();
        paths.iter().try_for_each(|path| {
            let name = path.trim_end_matches('/');
            order.next(&TreePath::from_relative(name).unwrap(), path.ends_with('/'))
        })
    }

    #[test]
    fn parents_are_remembered_as_long_as_needed() {
        run(&["a/", "a-b/", "a-b/c", "a-c", "a/x/", "a/x-", "a/x/y", "ab"]).unwrap();
        for wrong in [
            &["a", "a/x"][..],
            &["a/", "a/b/c"],
            &["a-b/", "a/x"],
            &["a/", "b/", "a/x"],
            &["a/", "a/x", "a/x"],
            &["b", "a"],
            &["a/", "ab", "ab/x"],
        ] {
            assert!(run(wrong).is_err(), "{wrong:?}");
        }
    }
}
