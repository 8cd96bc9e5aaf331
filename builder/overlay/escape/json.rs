//! JSON (RFC 8259): a bare value becomes a string, number, array or object; inside quotes it is escaped.

use super::pen::{Atom, Kind, Pen, Value, Written, breaks_line};

/// White space (RFC 8259, section 2).
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// Writes a JSON file.
pub(super) fn write(pen: &mut Pen) -> Written {
    let mut last = None;
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('"') => string(pen)?,
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => bare(pen, value, last)?,
        }
        if !matches!(atom, Atom::Char(c) if BLANK.contains(&c)) {
            last = Some(atom);
        }
    }
    Ok(())
}

/// A value outside quotes: all that stands between two of the signs `{ } [ ] , :`.
fn bare(pen: &mut Pen, value: Value, last: Option<Atom>) -> Written {
    pen.next();
    let opened = matches!(last, None | Some(Atom::Char('[' | '{' | ',' | ':')));
    let next = pen.peek_past(0, &BLANK);
    if !opened || !matches!(next, None | Some(Atom::Char(']' | '}' | ',' | ':'))) {
        return Err(pen.refuse(value, "it stands beside other text", "put both between one pair of quotes"));
    }
    match (value.kind, next == Some(Atom::Char(':'))) {
        (Kind::Json, true) => Err(pen.refuse(value, "a key is a string", "use a string as key")),
        (Kind::Json, _) => {
            pen.put(&harmless(value.text));
            Ok(())
        }
        (Kind::Number, false) => {
            pen.put(value.text);
            Ok(())
        }
        (Kind::Number, true) | (Kind::Text, _) => {
            pen.put(&quoted(value.text));
            Ok(())
        }
    }
}

/// A string of the author's, from its opening to its closing quote.
pub(super) fn string(pen: &mut Pen) -> Written {
    pen.copy(1);
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('\\') => pen.escape_sequence()?,
            Atom::Char('"') => {
                pen.copy(1);
                break;
            }
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => {
                pen.next();
                pen.put(&inner(value.text));
            }
        }
    }
    Ok(())
}

/// A string with its quotes, in the form that JSON, YAML and TOML share.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", inner(text))
}

/// The inside of a string. More is escaped than JSON asks for: YAML folds lines at U+0085, U+2028 and U+2029, and
/// TOML refuses DEL.
pub(super) fn inner(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
        out
    })
}

/// The inside of a string of several lines, where a blank beside the end of a line does not count.
pub(super) fn inner_edged(text: &str) -> String {
    let mut inside = inner(text);
    if inside.ends_with(' ') {
        inside.truncate(inside.len() - 1);
        inside.push_str("\\u0020");
    }
    if let Some(rest) = inside.strip_prefix(' ') {
        inside = format!("\\u0020{rest}");
    }
    inside
}

/// Compact JSON as it is, but for the characters in its strings that YAML would read in another way.
pub(super) fn harmless(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        match is_hidden(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
        out
    })
}

/// Characters that are not printable in YAML 1.1 (section 4.1), or end a line there; all have four digits.
pub(super) fn is_hidden(c: char) -> bool {
    breaks_line(c) && u32::from(c) <= 0xffff || c == '\t'
}
