//! YAML, written so that readers of YAML 1.1 (PyYAML, Kubernetes' go-yaml) and of 1.2 see the same.
//!
//! A string that is a whole scalar stays plain only if nobody can take it for anything else; otherwise it is quoted as
//! JSON, which is YAML. Beside other text of a plain scalar nothing can be quoted, so there a value is refused unless
//! the scalar as a whole is unmistakable.

use super::ambiguous::is_ambiguous;
use super::json::{harmless, inner, inner_edged, is_hidden};
use super::pen::{Atom, Kind, Pen, Value, Written, breaks_line, is_identifier, is_safe};

const BLANK: [char; 3] = [' ', '\t', '\r'];
/// The signs of flow collections.
const FLOW: &str = "[]{},";
/// The longest key that readers look for on one line is 1024 characters (YAML 1.2.2, section 7.4).
const LONGEST_KEY: usize = 1000;
const QUOTE: &str = "put the whole scalar between double quotes";

#[derive(Default)]
struct Yaml {
    /// How many `[` and `{` are open.
    flow: usize,
    /// The column of the collection that the next node lies in; none at the top.
    parent: Option<usize>,
    /// Where the node began that may turn out to be a key.
    node: Option<usize>,
    /// A plain scalar ended with its line, and may go on in the next.
    plain: bool,
    /// In a block scalar whose lines are deeper than this.
    block: Option<Option<usize>>,
}

/// Writes a YAML file.
pub(super) fn write(pen: &mut Pen) -> Written {
    let mut yaml = Yaml::default();
    while pen.peek().is_some() {
        yaml.line(pen)?;
    }
    Ok(())
}

/// Whether nothing but the end of a word can come next.
fn is_end(atom: Option<Atom>) -> bool {
    matches!(atom, None | Some(Atom::Char(' ' | '\t' | '\r' | '\n')))
}

impl Yaml {
    /// From the start of a line to its end, or to the end of the line on which a quoted scalar ends.
    fn line(&mut self, pen: &mut Pen) -> Written {
        pen.copy_while(|c| c == ' ');
        let empty = matches!(pen.peek_past(0, &BLANK), None | Some(Atom::Char('\n')));
        let deeper = |parent: Option<usize>| parent.is_none_or(|parent| pen.column() > parent);
        match self.block {
            Some(parent) if empty || deeper(parent) => return block_line(pen, parent),
            _ if empty => {}
            _ => {
                self.block = None;
                self.node = None;
                let goes_on = self.plain && self.flow == 0 && deeper(self.parent);
                if goes_on && !pen.starts_with("#") {
                    self.scalar(pen)?;
                } else if pen.column() == 0 && pen.starts_with("%") {
                    self.directive(pen)?;
                } else if pen.column() == 0 && is_marker(pen) {
                    *self = Yaml::default();
                    pen.copy(3);
                }
            }
        }
        while pen.peek().is_some_and(|atom| !atom.is('\n')) && self.block.is_none() {
            self.token(pen)?;
        }
        pen.copy(1);
        Ok(())
    }

    /// One token of a line, or the blanks before it.
    fn token(&mut self, pen: &mut Pen) -> Written {
        let Some(atom) = pen.peek() else { return Ok(()) };
        let blank_before = pen.line().is_empty() || pen.line().ends_with(BLANK);
        let Atom::Char(c) = atom else { return self.scalar(pen) };
        match c {
            ' ' | '\t' | '\r' => {
                pen.copy(1);
                return Ok(());
            }
            '#' if blank_before => {
                pen.comment()?;
                self.plain = false;
                return Ok(());
            }
            _ if self.plain && self.flow > 0 && !FLOW.contains(c) && c != ':' => return self.scalar(pen),
            c if FLOW.contains(c) && (self.flow > 0 || c == '[' || c == '{') => self.flow_sign(pen, c),
            '-' | '?' if self.flow == 0 && is_end(pen.peek_at(1)) => {
                self.parent = Some(pen.column());
                self.node = None;
                pen.copy(1);
            }
            ':' if is_end(pen.peek_at(1)) || self.flow > 0 => {
                if self.flow == 0 {
                    self.parent = Some(self.node.take().unwrap_or(pen.column()));
                }
                pen.copy(1);
            }
            '"' | '\'' => {
                self.node.get_or_insert(pen.column());
                quoted(pen, c)?;
            }
            '|' | '>' if self.flow == 0 => return self.header(pen),
            '&' | '*' | '!' => {
                self.node.get_or_insert(pen.column());
                property(pen)?;
            }
            _ => return self.scalar(pen),
        }
        self.plain = false;
        Ok(())
    }

    fn flow_sign(&mut self, pen: &mut Pen, c: char) {
        match c {
            '[' | '{' => {
                self.node.get_or_insert(pen.column());
                self.flow += 1;
            }
            ']' | '}' => self.flow -= 1,
            _ => {}
        }
        pen.copy(1);
    }

    fn directive(&self, pen: &mut Pen) -> Written {
        while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
            pen.next();
            if let Atom::Value(value) = atom {
                return Err(pen.refuse(value, "it would become part of a directive", "write it into the template"));
            }
        }
        Ok(())
    }

    /// `|` or `>` and its signs: the lines below are text.
    fn header(&mut self, pen: &mut Pen) -> Written {
        pen.copy_while(|c| "|>+-0123456789 \t\r".contains(c));
        match pen.peek() {
            Some(Atom::Value(value)) => {
                return Err(pen.refuse(value, "it would become part of a block scalar's head", "begin a new line"));
            }
            Some(Atom::Char('#')) => pen.comment()?,
            _ => pen.copy_while(|c| c != '\n'),
        }
        self.block = Some(self.parent);
        self.plain = false;
        pen.copy(1);
        Ok(())
    }

    /// A plain scalar, or a value that is one.
    fn scalar(&mut self, pen: &mut Pen) -> Written {
        let goes_on = self.plain;
        let start = pen.column();
        self.node.get_or_insert(start);
        let end = self.end_of_plain(pen);
        let atoms: Vec<Atom> = pen.rest().iter().take(end).copied().collect();
        let key = pen.peek_past(end, &BLANK).is_some_and(|atom| atom.is(':'));
        let mut values =
            atoms.iter().filter_map(|atom| if let Atom::Value(value) = atom { Some(*value) } else { None });
        match (atoms.as_slice(), values.next_back()) {
            (_, None) => pen.copy(end.max(1)),
            (_, Some(value)) if goes_on => {
                pen.copy(end);
                return Err(pen.refuse(value, "the plain scalar goes on over several lines", QUOTE));
            }
            ([Atom::Value(value)], _) => {
                pen.next();
                let text = self.whole(pen, *value, key)?;
                if text.starts_with('"') && self.goes_on_below(pen) {
                    return Err(pen.refuse(*value, "the plain scalar goes on over several lines", QUOTE));
                }
                pen.put(&text);
            }
            (atoms, Some(last)) => {
                let text = self.mixed(pen, atoms, last, start)?;
                pen.skip(end);
                pen.put(&text);
            }
        }
        self.plain = is_end(pen.peek_past(0, &BLANK)) && !key;
        Ok(())
    }

    /// Whether the scalar that ends here ends with its line, and the next line with text would be more of it.
    fn goes_on_below(&self, pen: &Pen) -> bool {
        if !pen.peek_past(0, &BLANK).is_some_and(|atom| atom.is('\n')) {
            return false;
        }
        let mut column = 0;
        for atom in pen.rest() {
            match atom {
                Atom::Char('\n') => column = 0,
                Atom::Char(c) if BLANK.contains(c) => column += 1,
                Atom::Char('#') => return false,
                Atom::Char(c) if self.flow > 0 => return !FLOW.contains(*c) && *c != ':',
                _ => return self.flow > 0 || self.parent.is_none_or(|parent| column > parent),
            }
        }
        false
    }

    /// How many things from here on belong to a plain scalar: author's signs end it, values never do.
    fn end_of_plain(&self, pen: &Pen) -> usize {
        let mut end = 0;
        let rest = pen.rest();
        for (at, atom) in rest.iter().enumerate() {
            let next = rest.get(at + 1).copied();
            let in_flow = |c: char| self.flow > 0 && FLOW.contains(c);
            match atom {
                Atom::Char('\n') => break,
                Atom::Char('#') if at > end => break,
                Atom::Char(':') if is_end(next) || matches!(next, Some(Atom::Char(c)) if in_flow(c)) => break,
                Atom::Char(c) if in_flow(*c) => break,
                Atom::Char(c) if BLANK.contains(c) => {}
                _ => end = at + 1,
            }
        }
        end
    }

    /// A value that is all of a scalar.
    fn whole(&self, pen: &Pen, value: Value, key: bool) -> Result<String, super::Refused> {
        let text = match value.kind {
            Kind::Number => value.text.to_owned(),
            Kind::Json if key => return Err(pen.refuse(value, "a key is a string", "use a string as key")),
            Kind::Json => harmless(value.text),
            Kind::Text if self.is_plain(value.text) => value.text.to_owned(),
            Kind::Text => format!("\"{}\"", inner(value.text)),
        };
        if key && text.chars().count() > LONGEST_KEY {
            return Err(pen.refuse(value, "a key of more than 1000 characters is not read as one", "shorten it"));
        }
        Ok(text)
    }

    /// Whether this is a string to everybody, and nothing else.
    fn is_plain(&self, text: &str) -> bool {
        let flow_safe = |c: char| self.flow == 0 || (c != ',' && c != ':');
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
            && text.chars().all(|c| is_safe(c) && flow_safe(c))
            && !text.ends_with(':')
            && !is_ambiguous(text)
    }

    /// Author's text and values that make up one plain scalar.
    fn mixed(&self, pen: &Pen, atoms: &[Atom], last: Value, column: usize) -> Result<String, super::Refused> {
        let mut text = String::new();
        for atom in atoms {
            match atom {
                Atom::Char(c) => text.push(*c),
                Atom::Value(value) => {
                    let flow_safe = |c: char| self.flow == 0 || c != ',';
                    if value.kind == Kind::Json || !value.text.chars().all(|c| is_safe(c) && flow_safe(c)) {
                        let why = "beside other text of a plain scalar only letters, digits and ._/:@%+,=- can stand";
                        return Err(pen.refuse(*value, why, QUOTE));
                    }
                    text.push_str(value.text);
                }
            }
        }
        let first_is_value = matches!(atoms.first(), Some(Atom::Value(_)));
        if self.is_misread(&text, first_is_value, column) || is_ambiguous(&text) {
            return Err(pen.refuse(last, "the plain scalar that it is part of would be read as something else", QUOTE));
        }
        Ok(text)
    }

    /// Whether values made signs out of what the author wrote as text.
    fn is_misread(&self, text: &str, first_is_value: bool, column: usize) -> bool {
        let mut chars = text.chars();
        let first = chars.next();
        let begins = match first {
            Some('-' | '?' | ':') => chars.next().is_none_or(|c| BLANK.contains(&c)) || first_is_value,
            Some(c) => first_is_value && !(c.is_ascii_alphanumeric() || "/._+".contains(c)),
            None => true,
        };
        let marker = column == 0 && (text.starts_with("---") || text.starts_with("..."));
        let ends = text.ends_with([' ', '\t', ':']) || text.starts_with([' ', '\t']);
        let signs = [": ", ":\t", " #", "\t#"].iter().any(|sign| text.contains(sign));
        let flow = self.flow > 0 && [":,", ":[", ":]", ":{", ":}"].iter().any(|sign| text.contains(sign));
        begins || marker || ends || signs || flow
    }
}

/// `---` or `...` at the start of a line.
fn is_marker(pen: &Pen) -> bool {
    (pen.starts_with("---") || pen.starts_with("...")) && is_end(pen.peek_at(3))
}

/// A quoted scalar of the author's, to its closing quote, over as many lines as it has.
fn quoted(pen: &mut Pen, quote: char) -> Written {
    pen.copy(1);
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char('\\') if quote == '"' => pen.escape_sequence()?,
            Atom::Char('\'') if quote == '\'' && pen.starts_with("''") => pen.copy(2),
            Atom::Char(c) if c == quote => {
                pen.copy(1);
                return match pen.peek() {
                    Some(Atom::Value(value)) => {
                        Err(pen.refuse(value, "it follows a closing quote", "put it before the quote"))
                    }
                    _ => Ok(()),
                };
            }
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => {
                pen.next();
                if pen.column() == 0 {
                    return Err(pen.refuse(value, "at the start of a line it may end the document", "indent the line"));
                }
                match quote {
                    '"' => pen.put(&inner_edged(value.text)),
                    _ => single(pen, value)?,
                }
            }
        }
    }
    Ok(())
}

/// Between single quotes: only the quote itself can be escaped, and blanks beside the end of a line are lost.
fn single(pen: &mut Pen, value: Value) -> Written {
    let starts_line = pen.line().trim().is_empty();
    let ends_line = matches!(pen.peek_past(0, &BLANK), Some(Atom::Char('\n')));
    let blank = |c: char| BLANK.contains(&c);
    if value.text.contains(is_hidden)
        || (starts_line && value.text.starts_with(blank))
        || (ends_line && value.text.ends_with(blank))
    {
        let why = "single quotes cannot hold controls, the end of a line, or a blank beside it";
        return Err(pen.refuse(value, why, "use double quotes"));
    }
    pen.put(&value.text.replace('\'', "''"));
    Ok(())
}

/// An anchor, an alias or a tag.
fn property(pen: &mut Pen) -> Written {
    while let Some(atom) = pen.peek() {
        match atom {
            Atom::Char(c) if c == '\n' || BLANK.contains(&c) || FLOW.contains(c) => break,
            Atom::Char(_) => pen.copy(1),
            Atom::Value(value) => {
                pen.next();
                let known = |c: char| is_identifier(c) || c == '-' || c == '.';
                pen.name(value, known, "letters, digits and _ - .")?;
            }
        }
    }
    Ok(())
}

/// One line of a block scalar: its indentation is what holds it together.
fn block_line(pen: &mut Pen, parent: Option<usize>) -> Written {
    while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
        let first = pen.line().trim().is_empty();
        pen.next();
        let Atom::Value(value) = atom else { continue };
        let why = match value.text {
            text if text.contains('\n') => "a block scalar's lines are indented, and those of a value are not",
            text if text.chars().any(|c| breaks_line(c) || is_hidden(c) && c != '\t') => "it holds a control character",
            text if first && text.starts_with(BLANK) => "a blank at the start of a line changes the indentation",
            _ if parent.is_none() => "a block scalar that is the whole document may end with any line",
            text => {
                pen.put(text);
                continue;
            }
        };
        return Err(pen.refuse(value, why, "use double quotes, or `| indent(N) | raw` for a text of several lines"));
    }
    pen.copy(1);
    Ok(())
}
