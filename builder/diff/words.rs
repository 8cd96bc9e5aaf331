//! Command lines: flags by name, other words by their order. Which flag takes a value nobody knows here: a word behind
//! one without `=` is taken for its value, which shows the same change, only under the flag's name.

use std::collections::BTreeMap;

use super::align::{align, pairs};
use super::detail::Details;

/// Whether these words look like a program's flags.
pub fn are_flags<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.any(|word| word.len() > 1 && word.starts_with('-') && !word.contains(char::is_whitespace))
}

/// The words of a line, as they are written; quotes keep blanks together.
pub fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// Flags and what they are set to; other words under no name.
fn named(words: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next() {
        let (name, value) = match word.split_once('=') {
            // `name=value` without a dash is what the kernel's command line has.
            Some((name, value)) if !name.is_empty() && !name.contains(['"', '\'', '/']) => (name, value),
            _ if word.len() > 1 && word.starts_with('-') => {
                (word, rest.next_if(|next| !next.starts_with('-')).unwrap_or_default())
            }
            _ => ("", word),
        };
        named.entry(name).or_default().push(value);
    }
    named
}

/// What changed between two command lines; `at` says whose.
pub fn compare(at: &str, before: &[String], after: &[String], details: &mut Details) {
    if before == after {
        return;
    }
    let known = details.told.len() + details.more;
    let (old, new) = (named(before), named(after));
    let mut names: Vec<&str> = old.keys().chain(new.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let none = Vec::new();
        let (a, b) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        let place = if name.is_empty() { format!("{at} (word)") } else { format!("{at} {name}") };
        for (a, b) in pairs(&align(a.len(), b.len(), |i, j| a[i] == b[j]))
            .into_iter()
            .map(|(i, j)| (i.map(|i| a[i]), j.map(|j| b[j])))
        {
            details.push(place.trim_start(), a, b);
        }
    }
    if details.told.len() + details.more == known {
        details.push(format!("{at} (order)").trim_start(), Some(&before.join(" ")), Some(&after.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let mut details = Details::default();
        compare("run", &split(before), &split(after), &mut details);
        let show = |text: Option<String>| text.unwrap_or("-".into());
        details.told.into_iter().map(|d| format!("{}: {} > {}", d.at, show(d.before), show(d.after))).collect()
    }

    #[test]
    fn flags_by_name_words_by_order() {
        assert!(told("p --a=1 --b", "p --a=1 --b").is_empty());
        assert_eq!(told("p --a=1 --b", "p --a=2"), ["run --a: 1 > 2", "run --b:  > -"]);
        assert_eq!(told("p --a 1", "p --a 2"), ["run --a: 1 > 2"]);
        assert_eq!(told("p --s=1 --s=2", "p --s=1 --s=3 --s=2"), ["run --s: - > 3"]);
        assert_eq!(told("p run", "p go"), ["run (word): run > go"]);
        assert_eq!(told("p --a --b", "p --b --a"), ["run (order): p --a --b > p --b --a"]);
        assert_eq!(told("quiet console=ttyS0", "console=tty0 quiet"), ["run console: ttyS0 > tty0"]);
    }

    #[test]
    fn quotes_keep_blanks() {
        assert_eq!(split(" a  \"b c\" 'd e'f "), ["a", "\"b c\"", "'d e'f"]);
    }
}
