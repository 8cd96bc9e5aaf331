//! The shell's command language (POSIX.1-2017, XCU 2.2 and 2.3), as far as one must read it to know what quotes a
//! value stands in.
//!
//! Where the author uses what this reader does not follow to the end (backquotes, `$'..'`, quotes inside `${..}`,
//! `case` inside `$(..)`), it does not guess: from there on only values that mean the same in every kind of quotes
//! are written.

use super::pen::{Atom, Kind, Pen, Value, Written, is_identifier, is_safe};

/// What joins two lines.
const JOIN: &str = "\\\n";

/// What is open around the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// Double quotes.
    Double,
    /// `$(`, and how many parentheses in it.
    Command(usize),
}

/// A here-document whose text begins after this line.
struct Document {
    end: String,
    tabs: bool,
    expands: bool,
}

#[derive(Default)]
struct Shell {
    open: Vec<Open>,
    documents: Vec<Document>,
    /// From here on nothing is sure.
    lost: bool,
    /// A word has begun, so that `#` is no comment.
    word: bool,
}

/// Writes a shell script, or a file that a shell reads.
pub(super) fn write(pen: &mut Pen) -> Written {
    pen.every_value(|text| !text.contains('\0'), "a shell's words hold no NUL", "take it out")?;
    let mut shell = Shell::default();
    while let Some(atom) = pen.peek() {
        match shell.open.last() {
            Some(Open::Double) => shell.double(pen, atom)?,
            _ => shell.unquoted(pen, atom)?,
        }
    }
    Ok(())
}

impl Shell {
    fn unquoted(&mut self, pen: &mut Pen, atom: Atom) -> Written {
        let begins = !std::mem::replace(&mut self.word, true);
        match atom {
            Atom::Char('#') if begins => self.comment(pen)?,
            Atom::Char('\\') => {
                let joins = pen.starts_with(JOIN);
                self.word = !(begins && joins);
                // Joined in the middle of a word or a sign: what they make together is not looked for.
                self.lost |= joins && (!begins || pen.line().ends_with('<'));
                escaped(pen)?;
            }
            Atom::Char('\'') => self.single(pen)?,
            Atom::Char('"') => {
                pen.copy(1);
                self.open.push(Open::Double);
            }
            Atom::Char('$') => self.dollar(pen)?,
            Atom::Char('<') if pen.starts_with("<<<") => {
                pen.copy(3);
                self.word = false;
            }
            Atom::Char('<') if pen.starts_with("<<") => self.document(pen)?,
            Atom::Char('\n') => {
                pen.copy(1);
                self.word = false;
                self.texts(pen)?;
            }
            Atom::Char(c) => {
                self.lost |= c == '`' || (begins && !self.open.is_empty() && pen.starts_with("case"));
                self.word = !" \t;|&()<>".contains(c);
                pen.copy(1);
                self.parenthesis(c);
            }
            Atom::Value(value) => {
                pen.next();
                self.word(pen, value)?;
            }
        }
        Ok(())
    }

    /// To the end of the line, if it is one: a value may not begin another.
    fn comment(&self, pen: &mut Pen) -> Written {
        if self.sure() {
            return pen.comment();
        }
        while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
            pen.next();
            if let Atom::Value(value) = atom {
                self.only_safe(pen, value)?;
            }
        }
        Ok(())
    }

    /// Whether it is known what is open here.
    fn sure(&self) -> bool {
        let command = self.open.iter().any(|open| matches!(open, Open::Command(_)));
        !self.lost && !command && self.documents.is_empty()
    }

    /// Inside `$(`: which parenthesis closes it.
    fn parenthesis(&mut self, c: char) {
        match (self.open.last_mut(), c) {
            (Some(Open::Command(depth)), '(') => *depth += 1,
            (Some(Open::Command(0)), ')') => {
                self.open.pop();
                // The expansion is part of a word: `$(x)#` begins no comment.
                self.word = true;
            }
            (Some(Open::Command(depth)), ')') => *depth -= 1,
            _ => {}
        }
    }

    fn double(&mut self, pen: &mut Pen, atom: Atom) -> Written {
        match atom {
            Atom::Char('"') => {
                pen.copy(1);
                self.open.pop();
            }
            Atom::Char('\\') => escaped(pen)?,
            Atom::Char('$') => self.dollar(pen)?,
            Atom::Char(c) => {
                self.lost |= c == '`' || (c == '\n' && !self.documents.is_empty());
                pen.copy(1);
            }
            Atom::Value(value) => {
                pen.next();
                if !self.only_safe(pen, value)? {
                    // `!` needs nothing: history is expanded in what is typed, not in files.
                    let put = value.text.chars().fold(String::new(), |mut out, c| {
                        if matches!(c, '"' | '$' | '\\' | '`') {
                            out.push('\\');
                        }
                        out.push(c);
                        out
                    });
                    pen.put(&put);
                }
            }
        }
        Ok(())
    }

    /// Text of the author's between single quotes; a quote in a value closes them, and opens them again.
    fn single(&mut self, pen: &mut Pen) -> Written {
        pen.copy(1);
        while let Some(atom) = pen.next() {
            match atom {
                Atom::Char('\'') => break,
                Atom::Char(c) => self.lost |= c == '\n' && !self.documents.is_empty(),
                Atom::Value(value) => {
                    if !self.only_safe(pen, value)? {
                        pen.put(&value.text.replace('\'', "'\\''"));
                    }
                }
            }
        }
        Ok(())
    }

    /// An expansion of the author's: `$name`, `${name}`, `$(command)`.
    fn dollar(&mut self, pen: &mut Pen) -> Written {
        pen.copy(1);
        joined(pen);
        match pen.peek() {
            Some(Atom::Char('(')) => {
                pen.copy(1);
                self.word = false;
                self.open.push(Open::Command(0));
            }
            Some(Atom::Char('{')) => self.braces(pen),
            Some(Atom::Char('\'')) => self.lost |= self.open.last() != Some(&Open::Double),
            Some(Atom::Char(c)) if is_identifier(c) && !c.is_ascii_digit() => {
                while pen.peek().is_some_and(|atom| matches!(atom, Atom::Char(c) if is_identifier(c))) {
                    pen.copy(1);
                    joined(pen);
                }
                if let Some(Atom::Value(value)) = pen.peek() {
                    pen.next();
                    return Err(pen.refuse(value, "it would become part of a variable's name", "write `${name}`"));
                }
            }
            Some(Atom::Char(c)) if c.is_ascii_digit() || "@*#?$!-".contains(c) => pen.copy(1),
            Some(Atom::Value(value)) => {
                pen.next();
                return Err(pen.refuse(value, "it would become a variable's name", "write `\\$` for a dollar"));
            }
            _ => {}
        }
        Ok(())
    }

    /// `${..}` without anything nested in it is passed over whole.
    fn braces(&mut self, pen: &mut Pen) {
        let end = pen.rest().iter().position(|atom| match atom {
            Atom::Char(c) => "}\"'\\`$\n".contains(*c),
            Atom::Value(_) => true,
        });
        match end {
            Some(end) if pen.peek_at(end).is_some_and(|atom| atom.is('}')) => pen.copy(end + 1),
            _ => {
                self.lost = true;
                pen.copy(1);
            }
        }
    }

    /// `<<END`: reads what ends the document.
    fn document(&mut self, pen: &mut Pen) -> Written {
        pen.copy(2);
        let tabs = pen.starts_with("-");
        pen.copy(usize::from(tabs));
        pen.copy_while(|c| c == ' ' || c == '\t');
        let mut end = String::new();
        let mut expands = true;
        while let Some(Atom::Char(c)) = pen.peek() {
            self.lost |= pen.starts_with(JOIN);
            match c {
                '"' | '\'' | '\\' => expands = false,
                c if is_identifier(c) || "._+-".contains(c) => end.push(c),
                _ => break,
            }
            pen.copy(1);
        }
        self.lost |= end.is_empty() || !self.open.is_empty();
        if let Some(Atom::Value(value)) = pen.peek() {
            pen.next();
            return Err(pen.refuse(value, "it would say where a here-document ends", "write that into the template"));
        }
        self.documents.push(Document { end, tabs, expands });
        Ok(())
    }

    /// The texts of the here-documents that the line before announced.
    fn texts(&mut self, pen: &mut Pen) -> Written {
        for document in std::mem::take(&mut self.documents) {
            while pen.peek().is_some() && !document.line(pen)? {}
        }
        Ok(())
    }

    /// A value outside quotes.
    fn word(&mut self, pen: &mut Pen, value: Value) -> Written {
        if value.kind == Kind::Json {
            return Err(pen.refuse_json(value));
        }
        if self.only_safe(pen, value)? {
            return Ok(());
        }
        match is_plain(value.text) && !redirects(pen) {
            true => pen.put(value.text),
            false => pen.put(&format!("'{}'", value.text.replace('\'', "'\\''"))),
        }
        Ok(())
    }

    /// Whether it was written as it is because nobody knows what is open here.
    fn only_safe(&self, pen: &mut Pen, value: Value) -> Result<bool, super::Refused> {
        if self.sure() {
            return Ok(false);
        }
        if value.text.is_empty() || !is_word(value.text) || continues(pen) || redirects(pen) {
            let why = "inside or after this expansion only a word of letters, digits and ._/:@%+- can stand";
            return Err(pen.refuse(value, why, "assign it to a variable first, `name='{{ value }}'`, above this"));
        }
        pen.put(value.text);
        Ok(true)
    }
}

impl Document {
    /// One line of the document; whether it was the last. A value is written if it is the same with and without
    /// expansion, and does not end the document.
    fn line(&self, pen: &mut Pen) -> Result<bool, super::Refused> {
        let mut last = None;
        while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
            let expands = self.expands && continues(pen);
            pen.next();
            if let Atom::Value(value) = atom {
                last = Some(value);
                if !is_word(value.text) || expands {
                    let advice = "assign it to a variable first, or write the file as a template of its own";
                    let why = "in a here-document only letters, digits and ._/:@%+- can stand";
                    return Err(pen.refuse(value, why, advice));
                }
                pen.put(value.text);
            }
        }
        let line = pen.line();
        let ends = if self.tabs { line.trim_start_matches('\t') } else { line } == self.end;
        if let (true, Some(value)) = (ends, last) {
            return Err(pen.refuse(value, "it would end the here-document", "choose another word as its end"));
        }
        pen.copy(1);
        Ok(ends)
    }
}

/// Whether what comes next could be more of a name or an escape.
fn continues(pen: &Pen) -> bool {
    pen.line().trim_end_matches(is_identifier).ends_with(['$', '{', '\\'])
}

/// Whether what comes next would take digits before it for a file descriptor, as `2` in `2>`.
fn redirects(pen: &Pen) -> bool {
    matches!(pen.peek(), Some(Atom::Char('<' | '>')))
}

/// Passes over joined lines, which a shell does not see.
fn joined(pen: &mut Pen) {
    while pen.starts_with(JOIN) {
        pen.copy(2);
    }
}

/// A backslash and what it escapes.
fn escaped(pen: &mut Pen) -> Written {
    pen.copy(1);
    match pen.next() {
        Some(Atom::Value(value)) => Err(pen.refuse(value, "the backslash before it would be lost", "take it away")),
        _ => Ok(()),
    }
}

/// Letters, digits and signs that mean nothing to a shell, quoted or not. `,` makes words between braces and `=` an
/// assignment.
fn is_word(text: &str) -> bool {
    text.chars().all(|c| is_safe(c) && c != ',' && c != '=')
}

/// What needs no quotes. Letters alone may be, or end, a reserved word; a sign at the end may begin a pattern.
fn is_plain(text: &str) -> bool {
    let telling = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || "/._:@%+-".contains(c);
    let ends_well = text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    matches!(text, "true" | "false") || (is_word(text) && text.contains(telling) && ends_well)
}
