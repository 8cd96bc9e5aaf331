//! Files of no known format: only words and sentences that nobody takes for more.

use super::pen::{Atom, Kind, Pen, Written, breaks_line};

/// What some format gives a meaning to.
const SIGNS: &str = "\"'`\\;{}#$<>|&";

/// Writes a file of unknown format.
pub(super) fn write(pen: &mut Pen) -> Written {
    let advice = "say the file's `format` in overlay.toml, or use `| raw` if it may hold anything";
    while let Some(atom) = pen.next() {
        let Atom::Value(value) = atom else { continue };
        let why = match value.text {
            _ if value.kind == Kind::Json => return Err(pen.refuse_json(value)),
            text if text.chars().any(|c| c == '\t' || breaks_line(c)) => "it holds a control character or a line's end",
            text if text.contains(|c| SIGNS.contains(c)) => "it holds a sign that may mean something in this file",
            text if text.trim() != text => "it begins or ends with a blank",
            _ => {
                pen.put(value.text);
                continue;
            }
        };
        return Err(pen.refuse(value, why, advice));
    }
    Ok(())
}
