//! Reading units and drop-ins line by line (systemd.syntax(7), systemd.service(5)).

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The section, without brackets.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, its lines joined.
    pub value: String,
    /// The line that it begins on, from 1.
    pub line: u32,
}

/// The settings of a unit, in their order. What is none is left out: systemd warns of it and goes on.
pub fn read(text: &str) -> Vec<Setting> {
    let (mut settings, mut section) = (Vec::new(), String::new());
    let mut lines = (1..).zip(text.lines());
    while let Some((line, text)) = lines.next() {
        let text = text.trim();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let (false, Some((key, value))) = (is_comment(text), text.split_once('=')) {
            let mut parts = vec![value.trim_start()];
            // Comments between do not end what a backslash goes on with.
            while let Some(part) = parts.last_mut().filter(|part| part.ends_with('\\')) {
                *part = part.trim_end_matches('\\').trim_end();
                let next = lines.by_ref().map(|(_, text)| text.trim()).find(|text| !is_comment(text));
                parts.push(next.unwrap_or_default());
            }
            let (section, key, value) = (section.clone(), key.trim_end().to_owned(), parts.join(" "));
            settings.push(Setting { section, key, value, line });
        }
    }
    settings
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';'])
}

/// The words of a command line or of a list of assignments, without their quotes. What an escape stands for is not
/// looked up: no path has one.
pub fn words(value: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => word.extend(letters.next()),
            (letter, Some(open)) if letter == open => quote = None,
            (letter, Some(_)) => word.push(letter),
            ('"' | '\'', None) => (quote, is_word) = (Some(letter), true),
            (letter, None) if letter.is_whitespace() => {
                if is_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (letter, None) => word.push(letter),
        }
    }
    if is_word || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_their_lines() {
        let text = "# a\n[Unit]\nAfter=a.service b.service\n\n[Service]\nExecStart=/bin/x \\\n  # between\n  --flag=1 \\\n  --more\nnonsense\nEnvironment=\"A=1 2\" B=3\n";
        let read: Vec<_> = read(text).into_iter().map(|s| (s.section, s.key, s.value, s.line)).collect();
        let setting = |section: &str, key: &str, value: &str, line| (section.into(), key.into(), value.into(), line);
        assert_eq!(
            read,
            [
                setting("Unit", "After", "a.service b.service", 3),
                setting("Service", "ExecStart", "/bin/x --flag=1 --more", 6),
                setting("Service", "Environment", "\"A=1 2\" B=3", 11),
            ]
        );
    }

    #[test]
    fn words_without_their_quotes() {
        assert_eq!(words(r#"/bin/x  "a b" --c='d e' f\ g """#), ["/bin/x", "a b", "--c=d e", "f g", ""]);
    }
}
