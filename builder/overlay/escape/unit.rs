//! systemd's files (systemd.syntax(7)): sections, `Key=value`, comments, and lines joined by a backslash.
//!
//! How a value is written depends on the key. Command lines and `Environment=` are words in which systemd un-escapes
//! `\xNN` (systemd.service(5), "Command lines"), so there any text can be said. Other keys know no escape that holds
//! for all of them, so there a value is one plain word.

use super::pen::{Atom, Kind, Pen, Value, Written, is_identifier, is_unreadable};

const BLANK: [char; 2] = [' ', '\t'];
/// Keys that are command lines.
const COMMANDS: [&str; 8] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPre",
    "ExecStopPost",
];
/// Signs before a command that change what it means (systemd.service(5), table "Special executable prefixes").
const PREFIXES: [char; 6] = ['@', '-', ':', '+', '!', '|'];
/// Sections in which specifiers are expanded, so that `%%` is a percent sign. Elsewhere it depends on the reader.
const SPECIFIED: [&str; 11] =
    ["Unit", "Install", "Service", "Socket", "Mount", "Automount", "Swap", "Timer", "Path", "Slice", "Scope"];
/// Keys that take percentages and know no specifiers (systemd.resource-control(5)).
const PERCENTAGES: [&str; 14] = [
    "CPUQuota",
    "MemoryMin",
    "MemoryLow",
    "MemoryHigh",
    "MemoryMax",
    "MemorySwapMax",
    "MemoryZSwapMax",
    "StartupMemoryLow",
    "StartupMemoryHigh",
    "StartupMemoryMax",
    "DefaultMemoryLow",
    "DefaultMemoryMin",
    "TasksMax",
    "ManagedOOMMemoryPressureLimit",
];

/// How the value of a key is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Words of a command; `$` expands variables.
    Command,
    /// Words `NAME=value`.
    Environment,
    /// A sentence for people.
    Sentence,
    /// One or more words; a percent sign is one.
    Percentage,
    /// One or more words.
    Word,
}

/// Where in a line's words we are.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The quote that is open.
    quote: Option<char>,
    /// Something of the word is there, if only a quote.
    started: bool,
    /// Some character of the word is there.
    content: bool,
    /// All of it so far is prefixes of a command.
    prefix: bool,
    /// The word is the command itself.
    command: bool,
    /// The word is a variable's name: `$NAME`, or inside `${...}`.
    variable: bool,
    /// The word has its equals sign.
    assigned: bool,
}

struct Unit {
    mode: Mode,
    specifiers: bool,
    place: Place,
    /// The line before ended with a backslash.
    joined: bool,
}

/// Writes a unit.
pub(super) fn write(pen: &mut Pen) -> Written {
    pen.every_value(|text| !text.contains(is_unreadable), "systemd refuses it as damaged Unicode", "take it out")?;
    let mut unit = Unit { mode: Mode::Word, specifiers: false, place: Place::default(), joined: false };
    while pen.peek().is_some() {
        pen.copy_while(|c| BLANK.contains(&c));
        match pen.peek() {
            Some(Atom::Char('#' | ';')) => pen.comment()?,
            Some(Atom::Char('\n')) => unit.joined = false,
            _ if unit.joined => unit.value(pen)?,
            Some(Atom::Char('[')) => unit.header(pen)?,
            _ => unit.key(pen)?,
        }
        pen.copy(1);
    }
    Ok(())
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.@:-".contains(c)
}

impl Unit {
    /// `[Section]`.
    fn header(&mut self, pen: &mut Pen) -> Written {
        while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
            pen.next();
            if let Atom::Value(value) = atom {
                pen.name(value, is_name, "letters, digits and _ . @ : -")?;
            }
        }
        let name = pen.line().trim().trim_start_matches('[').trim_end_matches(']');
        self.specifiers = SPECIFIED.contains(&name);
        Ok(())
    }

    /// `Key=`, and what follows.
    fn key(&mut self, pen: &mut Pen) -> Written {
        while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
            pen.next();
            match atom {
                Atom::Char('=') => {
                    let key = pen.line().trim_end_matches('=').trim().to_owned();
                    pen.copy_while(|c| BLANK.contains(&c));
                    return self.begin(pen, &key);
                }
                Atom::Char(_) => {}
                Atom::Value(value) => {
                    if pen.line().trim().is_empty() && !value.text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                        return Err(pen.refuse(value, "a key begins with a letter", "write it into the template"));
                    }
                    pen.name(value, is_name, "letters, digits and _ . @ : -")?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, pen: &mut Pen, key: &str) -> Written {
        self.mode = match key {
            command if COMMANDS.contains(&command) => Mode::Command,
            "Environment" => Mode::Environment,
            "Description" => Mode::Sentence,
            key if PERCENTAGES.contains(&key) => Mode::Percentage,
            _ => Mode::Word,
        };
        self.place = self.first_word();
        self.value(pen)
    }

    fn first_word(&self) -> Place {
        let command = self.mode == Mode::Command;
        Place { command, prefix: command, ..Place::default() }
    }

    /// The rest of a line behind `Key=`, or all of one that is joined to it.
    fn value(&mut self, pen: &mut Pen) -> Written {
        self.joined = false;
        while let Some(atom) = pen.peek().filter(|atom| !atom.is('\n')) {
            match atom {
                Atom::Char('\\') if pen.peek_at(1) == Some(Atom::Char('\n')) => {
                    pen.copy(1);
                    self.joined = true;
                    self.blank();
                    return Ok(());
                }
                Atom::Char(c) => self.author(pen, c)?,
                Atom::Value(value) => self.written(pen, value)?,
            }
        }
        Ok(())
    }

    /// Blanks end a word outside quotes.
    fn blank(&mut self) {
        if self.place.quote.is_none() {
            let command = self.place.command && !self.place.started;
            self.place = Place { command, prefix: command, ..Place::default() };
        }
    }

    /// A character of the author's, with what it takes along: a sign and what it escapes are one.
    fn author(&mut self, pen: &mut Pen, c: char) -> Written {
        let words = matches!(self.mode, Mode::Command | Mode::Environment);
        match c {
            '\\' => {
                pen.escape_sequence()?;
                self.content();
            }
            '%' if self.mode != Mode::Percentage => {
                self.pair(pen, "of a specifier", "write `%%`")?;
                self.content();
            }
            '$' if self.mode == Mode::Command => self.dollar(pen)?,
            '}' if self.place.variable => {
                pen.copy(1);
                self.place.variable = false;
                self.content();
            }
            ' ' | '\t' => {
                pen.copy(1);
                self.blank();
            }
            quote @ ('"' | '\'') if words && self.place.quote.is_none_or(|open| open == quote) => {
                pen.copy(1);
                self.place.quote = self.place.quote.xor(Some(quote));
                self.place.started = true;
            }
            ';' if self.ends_command(pen) => {
                pen.copy(1);
                self.place = Place { started: false, ..self.first_word() };
            }
            c => {
                pen.copy(1);
                self.place.assigned |= c == '=';
                let prefix = self.place.prefix && PREFIXES.contains(&c);
                self.content();
                self.place.prefix = prefix;
            }
        }
        Ok(())
    }

    fn content(&mut self) {
        self.place = Place { started: true, content: true, prefix: false, ..self.place };
    }

    /// A sign and the character behind it, which a value cannot be.
    fn pair(&self, pen: &mut Pen, what: &str, advice: &str) -> Written {
        pen.copy(1);
        match pen.next() {
            Some(Atom::Value(value)) => Err(pen.refuse(value, &format!("it would become part {what}"), advice)),
            _ => Ok(()),
        }
    }

    /// `$$` is a dollar; `${NAME}` is a variable, and so is a word that begins with `$NAME`.
    fn dollar(&mut self, pen: &mut Pen) -> Written {
        let first = !self.place.content;
        match pen.peek_at(1) {
            Some(Atom::Char('$')) => pen.copy(2),
            Some(Atom::Char('{')) => {
                pen.copy(2);
                self.place.variable = true;
            }
            Some(Atom::Value(_)) => self.pair(pen, "of a variable's name", "write `$$`")?,
            _ => {
                pen.copy(1);
                self.place.variable = first;
            }
        }
        self.content();
        Ok(())
    }

    /// A semicolon that is a word of its own begins another command.
    fn ends_command(&self, pen: &Pen) -> bool {
        self.mode == Mode::Command
            && !self.place.started
            && matches!(pen.peek_at(1), None | Some(Atom::Char(' ' | '\t' | '\n' | '\\')))
    }

    fn written(&mut self, pen: &mut Pen, value: Value) -> Written {
        pen.next();
        if value.kind == Kind::Json && self.place.quote.is_none() {
            return Err(pen.refuse_json(value));
        }
        match self.mode {
            Mode::Command if self.place.variable => {
                return Err(pen.refuse(value, "it would become part of a variable's name", "write `$$` for a dollar"));
            }
            Mode::Command if self.place.command => self.executable(pen, value)?,
            Mode::Environment if !self.place.assigned => {
                let advice = "write `NAME={{ value }}`, the name in the template";
                if !value.text.chars().all(is_identifier) || (!self.place.content && value.text.is_empty()) {
                    let why = "a variable's name holds only letters, digits and _";
                    return Err(pen.refuse(value, why, advice));
                }
                pen.put(value.text);
            }
            Mode::Command | Mode::Environment => self.word(pen, value)?,
            Mode::Sentence => self.sentence(pen, value)?,
            Mode::Percentage | Mode::Word => self.plain(pen, value)?,
        }
        if !value.text.is_empty() {
            self.content();
        }
        Ok(())
    }

    /// The command: systemd expands no variables in it, and refuses quotes and controls.
    fn executable(&mut self, pen: &mut Pen, value: Value) -> Written {
        let advice = "write the path of the command into the template";
        let why = match value.text {
            "" if self.place.prefix => "a command has a name",
            text if text.chars().any(|c| c.is_control() || matches!(c, '"' | '\'' | '\\' | '$')) => {
                "a command's path holds no quotes, backslashes, dollars or controls"
            }
            text if self.place.prefix && text.starts_with(PREFIXES) => "a command's first sign may change its meaning",
            _ => return self.word(pen, value),
        };
        Err(pen.refuse(value, why, advice))
    }

    /// Any text, as a word or a part of one.
    fn word(&mut self, pen: &mut Pen, value: Value) -> Written {
        let dollar = if self.mode == Mode::Command { "$$" } else { "$" };
        let mut out = String::with_capacity(value.text.len());
        for c in value.text.chars() {
            match c {
                '\0' => return Err(pen.refuse(value, "systemd's words hold no NUL", "take it out")),
                '%' => out.push_str(self.percent(pen, value)?),
                '$' => out.push_str(dollar),
                '"' | '\'' | '\\' | ';' | '#' | ' ' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => out.push(c),
            }
        }
        if out.is_empty() && self.ends_empty(pen) {
            out.push_str("\"\"");
            self.place.started = true;
        }
        pen.put(&out);
        Ok(())
    }

    /// Whether nothing but empty values makes up this word, and this is the last of them.
    fn ends_empty(&self, pen: &Pen) -> bool {
        let end = match pen.peek() {
            Some(Atom::Char('\\')) => pen.peek_at(1) == Some(Atom::Char('\n')),
            next => matches!(next, None | Some(Atom::Char(' ' | '\t' | '\n'))),
        };
        end && !self.place.started
    }

    fn percent(&self, pen: &Pen, value: Value) -> Result<&'static str, super::Refused> {
        match (self.mode, self.specifiers) {
            (Mode::Percentage, _) => Ok("%"),
            (_, true) => Ok("%%"),
            _ => Err(pen.refuse(
                value,
                "in this section `%` may begin a specifier or not",
                "use `| raw` if you know which",
            )),
        }
    }

    fn sentence(&self, pen: &mut Pen, value: Value) -> Written {
        let first = pen.line().trim().is_empty();
        let why = match value.text {
            text if text.chars().any(char::is_control) => "it holds a control character or a line's end",
            text if text.contains('\\') => "a backslash may join two lines or escape what follows",
            text if text.trim() != text => "it begins or ends with a blank",
            text if first && text.starts_with(['#', ';']) => "at the start of a line it would be a comment",
            text => {
                let percent = if text.contains('%') { self.percent(pen, value)? } else { "" };
                pen.put(&text.replace('%', percent));
                return Ok(());
            }
        };
        Err(pen.refuse(value, why, "change the value"))
    }

    fn plain(&self, pen: &mut Pen, value: Value) -> Written {
        let why = match value.text {
            text if text.chars().any(|c| c.is_control() || c.is_whitespace()) => "it would be more than one word",
            text if text.contains(['"', '\'', '\\', ';', '#']) => {
                "this key knows no escape for quotes, backslashes, `;` and `#`"
            }
            text => {
                let percent = if text.contains('%') { self.percent(pen, value)? } else { "" };
                pen.put(&text.replace('%', percent));
                return Ok(());
            }
        };
        Err(pen.refuse(value, why, "change the value, or use `| raw` if it may hold anything"))
    }
}
