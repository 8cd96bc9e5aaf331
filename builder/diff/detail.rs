//! [`Detail`]: one thing that changed inside a file, and the list of them, which is bounded whatever comes.

use serde::Serialize;

/// The most characters of a value that are given.
const LONGEST: usize = 2000;
/// The most characters of a place that are given.
const LONGEST_PLACE: usize = 1000;
/// The most details of one file.
const MOST: usize = 2000;

/// What changed, where, from what and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// Where in the file, in the words of its format: a path of keys, `[Section] Key`, a flag.
    pub at: String,
    /// What it was; none if it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is; none if it is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of text with several lines, the difference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// Details as they are found.
#[derive(Debug, Default)]
pub struct Details {
    /// Those that are told.
    pub told: Vec<Detail>,
    /// How many more there are.
    pub more: usize,
}

impl Details {
    /// Something that changed.
    pub fn push(&mut self, at: &str, before: Option<&str>, after: Option<&str>) {
        self.add(at, before, after, Vec::new());
    }

    /// A text of several lines that changed.
    pub fn push_lines(&mut self, at: &str, lines: Vec<String>) {
        self.add(at, None, None, lines);
    }

    fn add(&mut self, at: &str, before: Option<&str>, after: Option<&str>, lines: Vec<String>) {
        if self.told.len() == MOST {
            self.more += 1;
            return;
        }
        let at = shortened_to(at, LONGEST_PLACE);
        self.told.push(Detail { at, before: before.map(shortened), after: after.map(shortened), lines });
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

/// The start of a text that is too long to be read, and how long it is.
pub fn shortened(text: &str) -> String {
    shortened_to(text, LONGEST)
}

fn shortened_to(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
