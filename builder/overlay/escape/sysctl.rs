//! sysctl.d(5), `key = value`, and modprobe.d(5), whose lines are words.

use super::pen::{Atom, Kind, Pen, Value, Written, breaks_line};

/// Writes a file of sysctl or modprobe settings.
pub(super) fn write(pen: &mut Pen) -> Written {
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('#' | ';') if pen.line().trim().is_empty() => pen.comment()?,
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => {
                pen.next();
                place(pen, value)?;
            }
        }
    }
    Ok(())
}

fn place(pen: &mut Pen, value: Value) -> Written {
    let start = pen.line().trim_start();
    match start.split_once('=') {
        None => key(pen, value, start.is_empty()),
        Some((key, _)) => {
            // `options module a=1 b=2`: here a blank would begin another word.
            let words = key.trim().contains([' ', '\t']);
            setting(pen, value, words)
        }
    }
}

/// A leading `-` means "never mind if this fails" and belongs to the author.
fn key(pen: &mut Pen, value: Value, first: bool) -> Written {
    if first && !value.text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(pen.refuse(value, "a line begins with a letter or digit", "write the key into the template"));
    }
    pen.name(value, |c| c.is_ascii_alphanumeric() || "_./*-".contains(c), "letters, digits and _ . / * -")
}

fn setting(pen: &mut Pen, value: Value, words: bool) -> Written {
    let why = match value.text {
        _ if value.kind == Kind::Json => return Err(pen.refuse_json(value)),
        text if text.chars().any(breaks_line) => "it holds a control character or a line's end",
        text if text.trim() != text => "it begins or ends with a blank",
        text if text.contains(['#', ';']) => "some readers take # and ; for a comment",
        text if text.ends_with('\\') => "a backslash at its end may join two lines",
        text if words && text.contains([' ', '\t', '"', '\'', '\\']) => "it would be more than one word",
        text => {
            pen.put(text);
            return Ok(());
        }
    };
    Err(pen.refuse(value, why, "change the value, or use `| raw` if it may hold anything"))
}
