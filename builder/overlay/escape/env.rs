//! Environment files: what systemd reads for `EnvironmentFile=` (systemd.exec(5)) and a shell with `.`, in the subset
//! that both read alike.

use super::pen::{Atom, Kind, Pen, Value, Written, is_identifier, is_safe, is_unreadable};

/// Writes an environment file.
pub(super) fn write(pen: &mut Pen) -> Written {
    pen.every_value(|text| !text.contains(is_unreadable), "systemd refuses it as damaged Unicode", "take it out")?;
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('#' | ';') if pen.line().trim().is_empty() => pen.comment()?,
            Atom::Char('=') => {
                pen.copy(1);
                assigned(pen)?;
            }
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => key(pen, value)?,
        }
    }
    Ok(())
}

fn key(pen: &mut Pen, value: Value) -> Written {
    pen.next();
    let first = pen.line().split([' ', '\t']).next_back() == Some("");
    if first && (value.text.is_empty() || value.text.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(pen.refuse(value, "a variable begins with a letter", "write the name into the template"));
    }
    pen.name(value, is_identifier, "letters, digits and _")
}

/// What the author wrote between `KEY=` and a value.
#[derive(Default)]
struct Before {
    /// Anything at all.
    some: bool,
    /// A blank outside quotes.
    blank: bool,
    /// A `$` or backquote that a shell expands and systemd does not.
    expansion: bool,
}

/// What stands behind `KEY=`, to the end of the line.
fn assigned(pen: &mut Pen) -> Written {
    let mut before = Before::default();
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('\n') => {
                pen.copy(1);
                return Ok(());
            }
            Atom::Char('\\') => pen.escape_sequence()?,
            Atom::Char('"') => double(pen, &mut before)?,
            Atom::Char('\'') => single(pen)?,
            Atom::Char(c) => {
                before.blank |= c == ' ' || c == '\t';
                before.expansion |= c == '$' || c == '`';
                pen.copy(1);
            }
            Atom::Value(value) => {
                pen.next();
                unquoted(pen, value, &before)?;
            }
        }
        before.some = true;
    }
    Ok(())
}

/// A value without quotes of the author's.
fn unquoted(pen: &mut Pen, value: Value, before: &Before) -> Written {
    let advice = "put all behind the `=` between double quotes";
    not_expanded(pen, value, before)?;
    if value.kind == Kind::Json {
        return Err(pen.refuse_json(value));
    }
    if before.blank {
        return Err(pen.refuse(value, "a shell takes what follows a blank for a command", advice));
    }
    if value.text.chars().all(is_safe) {
        pen.put(value.text);
        return Ok(());
    }
    if before.some || !matches!(pen.peek_past(0, &[' ', '\t']), None | Some(Atom::Char('\n'))) {
        return Err(pen.refuse(value, "only letters, digits and ._/:@%+,=- may stand beside other text", advice));
    }
    let inside = escaped(pen, value)?;
    pen.put(&format!("\"{inside}\""));
    Ok(())
}

fn not_expanded(pen: &Pen, value: Value, before: &Before) -> Written {
    match before.expansion {
        true => Err(pen.refuse(value, "a shell would expand what is before it, systemd would not", "write `\\$`")),
        false => Ok(()),
    }
}

fn double(pen: &mut Pen, before: &mut Before) -> Written {
    pen.copy(1);
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('\\') => pen.escape_sequence()?,
            Atom::Char('"') => {
                pen.copy(1);
                return Ok(());
            }
            Atom::Char(c) => {
                before.expansion |= c == '$' || c == '`';
                pen.copy(1);
            }
            Atom::Value(value) => {
                pen.next();
                not_expanded(pen, value, before)?;
                let inside = escaped(pen, value)?;
                pen.put(&inside);
            }
        }
    }
    Ok(())
}

fn single(pen: &mut Pen) -> Written {
    pen.copy(1);
    while let Some(atom) = pen.next() {
        match atom {
            Atom::Char('\'') => return Ok(()),
            Atom::Char(_) => {}
            Atom::Value(value) => {
                escaped(pen, value)?;
                if value.text.contains(['\'', '\\']) {
                    return Err(pen.refuse(value, "single quotes cannot hold ' and \\", "use double quotes"));
                }
                pen.put(value.text);
            }
        }
    }
    Ok(())
}

/// The inside of double quotes: what both readers un-escape there.
fn escaped(pen: &Pen, value: Value) -> Result<String, super::Refused> {
    if value.text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(pen.refuse(value, "a variable's value is one line without controls", "put it into a file"));
    }
    Ok(value.text.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
        out
    }))
}
