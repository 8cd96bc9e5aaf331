//! TOML 1.0: a bare value becomes a string, number, array or inline table; a bare key is quoted where it must be;
//! inside quotes a value is escaped, or refused where quotes know no escapes.

use serde_json::Value as Json;

use super::json::{inner, inner_edged, quoted};
use super::pen::{Atom, Kind, Pen, Value, Written};

const BLANK: [char; 2] = [' ', '\t'];

/// What may stand here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Key,
    Value,
}

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Array,
    Table,
    Header,
}

struct Toml {
    expect: Expect,
    open: Vec<Bracket>,
    /// The last character or value that is no blank; at the start of a line, the line's end before it.
    last: Option<char>,
}

/// Stands for a value or a closed string in [`Toml::last`].
const SCALAR: char = '"';

/// Writes a TOML file.
pub(super) fn write(pen: &mut Pen) -> Written {
    let mut toml = Toml { expect: Expect::Key, open: Vec::new(), last: None };
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('#') => pen.comment()?,
            Atom::Char('"') => {
                string(pen, '"')?;
                toml.last = Some(SCALAR);
            }
            Atom::Char('\'') => {
                string(pen, '\'')?;
                toml.last = Some(SCALAR);
            }
            Atom::Char(c) => {
                pen.copy(1);
                toml.sign(c);
            }
            Atom::Value(value) => {
                pen.next();
                toml.bare(pen, value)?;
                toml.last = Some(SCALAR);
            }
        }
    }
    Ok(())
}

impl Toml {
    /// A character of the author's outside strings.
    fn sign(&mut self, c: char) {
        match c {
            '=' => self.expect = Expect::Value,
            '[' if self.open.is_empty() && self.expect == Expect::Key => self.open.push(Bracket::Header),
            '[' if self.open.last() == Some(&Bracket::Header) => {}
            '[' => {
                self.open.push(Bracket::Array);
                self.expect = Expect::Value;
            }
            '{' => {
                self.open.push(Bracket::Table);
                self.expect = Expect::Key;
            }
            ']' | '}' => {
                self.open.pop();
            }
            ',' if self.open.last() == Some(&Bracket::Table) => self.expect = Expect::Key,
            ',' => self.expect = Expect::Value,
            '\n' if self.open.is_empty() || self.open.last() == Some(&Bracket::Header) => {
                self.open.clear();
                self.expect = Expect::Key;
            }
            _ => {}
        }
        if !BLANK.contains(&c) {
            self.last = Some(c);
        }
    }

    /// A value outside quotes.
    fn bare(&self, pen: &mut Pen, value: Value) -> Written {
        let next = pen.peek_past(0, &BLANK);
        match self.expect {
            Expect::Key => self.key(pen, value, next),
            Expect::Value => self.value(pen, value, next),
        }
    }

    /// A whole part of a dotted key is quoted where it must be; beside other text only what a bare key holds will do.
    fn key(&self, pen: &mut Pen, value: Value, next: Option<Atom>) -> Written {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let opened = matches!(self.last, None | Some('\n' | '.' | '[' | '{' | ','));
        let whole = opened && matches!(next, Some(Atom::Char('=' | '.' | ']')));
        if value.kind == Kind::Json || self.last == Some(SCALAR) && pen.line().ends_with(['"', '\'']) {
            return Err(pen.refuse(value, "a key is a string of its own", "use a string, and put a dot between two"));
        }
        if whole && (value.text.is_empty() || !value.text.chars().all(is_bare)) {
            pen.put(&quoted(value.text));
            return Ok(());
        }
        pen.name(value, is_bare, "letters, digits, _ and -")
    }

    fn value(&self, pen: &mut Pen, value: Value, next: Option<Atom>) -> Written {
        let opened = matches!(self.last, Some('=' | '[' | ',' | '\n'));
        if !opened || !matches!(next, None | Some(Atom::Char('\n' | '\r' | ',' | ']' | '}' | '#'))) {
            return Err(pen.refuse(value, "it stands beside other text", "put both between one pair of quotes"));
        }
        let text = match value.kind {
            Kind::Text => Some(quoted(value.text)),
            Kind::Number => number(value.text),
            Kind::Json => serde_json::from_str(value.text).ok().and_then(|json| inline(&json)),
        };
        let Some(text) = text else {
            return Err(pen.refuse(value, "TOML has no null and no integer of this size", "turn it into a string"));
        };
        pen.put(&text);
        Ok(())
    }
}

/// Integers have 64 bits; what is too long is no float either, but a mistake.
fn number(text: &str) -> Option<String> {
    let fits = text.contains(['.', 'e', 'E']) || text.parse::<i64>().is_ok() || text == "true" || text == "false";
    fits.then(|| text.to_owned())
}

/// A list or map on one line.
fn inline(json: &Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::Bool(yes) => Some(yes.to_string()),
        Json::Number(n) => number(&n.to_string()),
        Json::String(text) => Some(quoted(text)),
        Json::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(inline).collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
        Json::Object(items) => {
            let pair = |(key, item): (&String, &Json)| Some(format!("{} = {}", quoted(key), inline(item)?));
            let items: Option<Vec<_>> = items.iter().map(pair).collect();
            items.map(|items| format!("{{ {} }}", items.join(", ")))
        }
    }
}

/// A string of the author's, of one line or of several.
fn string(pen: &mut Pen, quote: char) -> Written {
    let triple: String = [quote; 3].iter().collect();
    let fence = if pen.starts_with(&triple) { 3 } else { 1 };
    pen.copy(fence);
    let mut first = true;
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('\\') if quote == '"' => pen.escape_sequence()?,
            Atom::Char(c) if c == quote && (fence == 1 || pen.starts_with(&triple)) => {
                pen.copy(fence);
                // Up to two quotes may stand before the fence; a value may not come behind it.
                pen.copy_while(|c| fence == 3 && c == quote);
                return Ok(());
            }
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => {
                pen.next();
                if fence == 3 && first && value.text.is_empty() && pen.starts_with("\n") {
                    let why = "it is empty, and an end of a line at the start of a string does not count";
                    return Err(pen.refuse(value, why, "begin the string with a line of its own"));
                }
                match quote {
                    '"' if fence == 3 => pen.put(&inner_edged(value.text)),
                    '"' => pen.put(&inner(value.text)),
                    _ => literal(pen, value, fence == 3, first)?,
                }
            }
        }
        first = false;
    }
    Ok(())
}

/// Single quotes know no escapes.
fn literal(pen: &mut Pen, value: Value, lines: bool, first: bool) -> Written {
    let forbidden = |c: char| c == '\'' || (c.is_control() && c != '\t' && !(lines && c == '\n'));
    if value.text.contains(forbidden) || (first && value.text.starts_with('\n')) {
        let why = "single quotes cannot hold quotes, controls or the end of a line";
        return Err(pen.refuse(value, why, "use double quotes"));
    }
    pen.put(value.text);
    Ok(())
}
