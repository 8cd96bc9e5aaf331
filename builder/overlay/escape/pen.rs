//! [`Pen`]: reads a template's output character by character and value by value, and writes the file.

use super::{CLOSE, OPEN, Refused};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A number or a boolean, in the form that JSON, YAML and TOML share.
    Number,
    /// A list or a map, as compact JSON.
    Json,
}

/// A value in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub kind: Kind,
    pub text: &'a str,
}

/// What stands at one place of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atom<'a> {
    /// A character of the author's.
    Char(char),
    /// A value.
    Value(Value<'a>),
}

impl Atom<'_> {
    /// Whether this is the author's `c`.
    pub fn is(&self, c: char) -> bool {
        *self == Atom::Char(c)
    }
}

/// The result of writing.
pub(super) type Written = std::result::Result<(), Refused>;

/// What is still to be read, and what is written.
pub(super) struct Pen<'a> {
    atoms: Vec<Atom<'a>>,
    at: usize,
    out: String,
}

impl<'a> Pen<'a> {
    /// Takes the marks off. Raw values become the author's text.
    pub fn new(marked: &'a str) -> Result<Pen<'a>, Refused> {
        let mut pen = Pen { atoms: Vec::with_capacity(marked.len()), at: 0, out: String::with_capacity(marked.len()) };
        let mut rest = marked;
        while let Some((author, opened)) = rest.split_once(OPEN) {
            pen.author(author)?;
            let Some((value, after)) = opened.split_once(CLOSE) else { return Err(pen.bad_mark("a value has no end")) };
            match value.split_at_checked(1) {
                Some((_, text)) if text.contains(OPEN) => return Err(pen.bad_mark("a value holds a mark")),
                Some(("r", text)) => pen.author(text)?,
                Some(("s", text)) => pen.atoms.push(Atom::Value(Value { kind: Kind::Text, text })),
                Some(("n", text)) => pen.number(text)?,
                Some(("j", text)) => pen.json(text)?,
                _ => return Err(pen.bad_mark("a value has no kind")),
            }
            rest = after;
        }
        pen.author(rest)?;
        Ok(pen)
    }

    fn author(&mut self, text: &str) -> Written {
        if text.contains([OPEN, CLOSE]) {
            return Err(self.bad_mark("the template's text holds a mark"));
        }
        self.atoms.extend(text.chars().map(Atom::Char));
        Ok(())
    }

    /// Only what all three formats read as the same number: infinities and exponents have other names in each.
    fn number(&mut self, text: &'a str) -> Written {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        let plain = digits(whole) && digits(part) && (whole == "0" || !whole.starts_with('0'));
        let value = Value { kind: Kind::Number, text };
        if !plain && text != "true" && text != "false" {
            return Err(self.refuse_early(value, "not every format can say this number", "turn it into a string"));
        }
        self.atoms.push(Atom::Value(value));
        Ok(())
    }

    fn json(&mut self, text: &'a str) -> Written {
        let value = Value { kind: Kind::Json, text };
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() || text.contains('\n') {
            return Err(self.refuse_early(value, "a list or map is not compact JSON", "report this as a mistake"));
        }
        self.atoms.push(Atom::Value(value));
        Ok(())
    }

    fn bad_mark(&self, why: &str) -> Refused {
        let none = Value { kind: Kind::Text, text: "" };
        self.refuse_early(none, why, "keep U+0001 and U+0002 out of templates and values")
    }

    fn refuse_early(&self, value: Value, why: &str, advice: &str) -> Refused {
        let line = 1 + self.atoms.iter().filter(|atom| atom.is('\n')).count();
        Refused { line, value: value.text.into(), why: why.into(), advice: advice.into() }
    }

    /// What comes next.
    pub fn peek(&self) -> Option<Atom<'a>> {
        self.peek_at(0)
    }

    /// What comes `ahead` places after that.
    pub fn peek_at(&self, ahead: usize) -> Option<Atom<'a>> {
        self.atoms.get(self.at + ahead).copied()
    }

    /// Whether the author wrote `text` next.
    pub fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek_at(ahead) == Some(Atom::Char(c)))
    }

    /// Everything that is still to be read.
    pub fn rest(&self) -> &[Atom<'a>] {
        self.atoms.get(self.at..).unwrap_or_default()
    }

    /// The first thing that is no character of `blank`, from `ahead` on.
    pub fn peek_past(&self, ahead: usize, blank: &[char]) -> Option<Atom<'a>> {
        let is_blank = |atom: &&Atom| matches!(atom, Atom::Char(c) if blank.contains(c));
        self.rest().iter().skip(ahead).find(|atom| !is_blank(atom)).copied()
    }

    /// Takes the next thing, and writes it if it is the author's.
    pub fn next(&mut self) -> Option<Atom<'a>> {
        let atom = self.peek()?;
        self.at += 1;
        if let Atom::Char(c) = atom {
            self.out.push(c);
        }
        Some(atom)
    }

    /// Takes and writes `count` characters of the author's.
    pub fn copy(&mut self, count: usize) {
        for _ in 0..count {
            self.next();
        }
    }

    /// Takes `count` things and writes nothing.
    pub fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Takes and writes the author's characters as long as they are of `set`.
    pub fn copy_while(&mut self, set: impl Fn(char) -> bool) {
        while matches!(self.peek(), Some(Atom::Char(c)) if set(c)) {
            self.next();
        }
    }

    /// Writes `text` for a value.
    pub fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// What is written on this line so far.
    pub fn line(&self) -> &str {
        self.out.rsplit('\n').next().unwrap_or_default()
    }

    /// The column of what comes next, from 0, in characters.
    pub fn column(&self) -> usize {
        self.line().chars().count()
    }

    /// Takes a backslash of the author's and what it escapes. A value cannot be the rest of an escape.
    pub fn escape_sequence(&mut self) -> Written {
        self.next();
        let digits = match self.next() {
            Some(Atom::Value(value)) => return Err(self.refuse_escape(value)),
            Some(Atom::Char('x' | '0'..='7')) => 2,
            Some(Atom::Char('u')) => 4,
            Some(Atom::Char('U')) => 8,
            _ => 0,
        };
        for _ in 0..digits {
            match self.peek() {
                Some(Atom::Value(value)) => return Err(self.refuse_escape(value)),
                Some(Atom::Char(c)) if c.is_ascii_hexdigit() => self.copy(1),
                _ => break,
            }
        }
        Ok(())
    }

    fn refuse_escape(&self, value: Value) -> Refused {
        self.refuse(value, "it would become part of an escape sequence", "take away the backslash before it")
    }

    /// Why `value` cannot be written here.
    pub fn refuse(&self, value: Value, why: &str, advice: &str) -> Refused {
        let line = 1 + self.out.matches('\n').count();
        Refused { line, value: value.text.into(), why: why.into(), advice: advice.into() }
    }

    /// Refuses the first value that is not `fit`, wherever it stands.
    pub fn every_value(&self, fit: impl Fn(&str) -> bool, why: &str, advice: &str) -> Written {
        let mut line = 1;
        for atom in self.rest() {
            match atom {
                Atom::Char('\n') => line += 1,
                Atom::Value(value) if !fit(value.text) => {
                    return Err(Refused { line, ..self.refuse(*value, why, advice) });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Why a list or map cannot be written outside quotes here.
    pub fn refuse_json(&self, value: Value) -> Refused {
        let advice = "join its items, or put it between quotes to have its JSON";
        self.refuse(value, "a list or map is not a word", advice)
    }

    /// A value to the end of a comment: it may not begin another line.
    pub fn comment(&mut self) -> Written {
        while let Some(atom) = self.peek().filter(|atom| !atom.is('\n')) {
            self.next();
            if let Atom::Value(value) = atom {
                // systemd joins a comment of an environment file that ends with a backslash to the next line.
                if value.text.chars().any(breaks_line) || value.text.ends_with('\\') {
                    return Err(self.refuse(value, "a comment has one line", "leave it out of the comment"));
                }
                self.put(value.text);
            }
        }
        Ok(())
    }

    /// A value that takes part in a name: of a key, a section, an anchor.
    pub fn name(&mut self, value: Value, known: impl Fn(char) -> bool, rule: &str) -> Written {
        if !value.text.chars().all(known) {
            let why = format!("a name holds only {rule}");
            return Err(self.refuse(value, &why, "write the name into the template, or change the value"));
        }
        self.put(value.text);
        Ok(())
    }

    /// The file.
    pub fn into_text(self) -> String {
        self.out
    }
}

/// Controls other than the tab, what some reader takes for the end of a line, and what some reader takes nowhere.
pub(super) fn breaks_line(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}') || is_unreadable(c)
}

/// What stands for no character: systemd takes a text that holds a noncharacter (Unicode 15, section 23.7) for damaged,
/// and leaves out a byte order mark.
pub(super) fn is_unreadable(c: char) -> bool {
    let code = u32::from(c);
    c == '\u{feff}' || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// Characters that no format here gives a meaning to, wherever they stand after a first letter.
pub(super) fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._/:@%+,=-".contains(c)
}

/// Letters, digits and the underscore.
pub(super) fn is_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
