//! What a program says of its own flags when it is asked: run with them and a word such as `--help`, it tells which of them it
//! does not know, which values it refuses and which are on their way out. No table of flags, right for every version.
//!
//! ```text
//! PROGRAM --help             -> Help: the flags that it has, and what they take
//! PROGRAM FLAGS... --help    -> Messages: the first that is wrong is noted and left out, and it is asked again
//! ```
//!
//! This engine knows messages of libraries that read flags, and no program; how one is run is its caller's.

mod help;
mod messages;

use serde::{Deserialize, Serialize};

use self::help::Help;
use self::messages::Message;
use crate::document::nearest;
use crate::error::Result;
use crate::sandbox::Said;

/// The version of how programs are asked and understood: it grows when the same answers would be told otherwise.
pub const READING: &str = "flags-1";

/// How often one program is asked for the sake of one set of flags. Each time costs a wrong flag.
const MOST_TIMES: usize = 64;
/// Exit codes that stand for signals, as whoever waits for a program passes them on: it did not end by itself.
const SIGNALS: std::ops::RangeInclusive<i32> = 129..=192;
/// The longest message that is kept, in characters.
const LONGEST: usize = 400;

/// A flag as it is written once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: String,
    /// Its value; none if it stands alone.
    pub value: Option<String>,
}

/// What is asked of a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Question {
    /// The dashes before a flag.
    pub prefix: String,
    /// Words before the flags.
    pub words: Vec<String>,
    /// Words that end it once it has read its flags, one for each time that it is asked; the first makes it tell its flags.
    pub ends: Vec<String>,
    /// Flags whose values are lists of names that its help has.
    pub listed: Vec<String>,
    /// The flags.
    pub flags: Vec<Flag>,
}

/// What is wrong with a flag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Told {
    /// In what way.
    pub kind: Kind,
    /// The flag's name, without dashes.
    pub flag: String,
    /// The value, or the one of a list, that is meant; none if it is the flag itself.
    pub value: Option<String>,
    /// What the program says.
    pub message: String,
    /// The nearest that it knows.
    pub near: Option<String>,
}

/// In what way a flag is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// There is none of this name.
    Unknown,
    /// Its value is refused.
    Value,
    /// It works, and will not for long.
    Deprecated,
    /// Its value is not among those that the help lists.
    Unlisted,
}

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What is wrong.
    pub told: Vec<Told>,
    /// Why not all was judged, if so.
    pub unjudged: Option<String>,
}

/// Asks a program, which `run` starts with the words that it is given.
///
/// # Errors
/// What `run` says: it cannot be run here, or does not end.
pub fn ask(question: &Question, run: &mut dyn FnMut(&[String]) -> Result<Said>) -> Result<Answer> {
    let Some(first) = question.ends.first() else { return Ok(Answer::default()) };
    let alone = run(&words(question, &[], first))?;
    let is_unknown = messages::read(&alone.errors).iter().any(Message::is_fatal);
    if is_unknown || alone.code.is_none_or(|code| SIGNALS.contains(&code)) {
        let message = format!("it does not answer {first}: {}", last_words(&alone));
        return Ok(Answer { told: Vec::new(), unjudged: Some(message) });
    }
    let help = Help::read(&format!("{}\n{}", alone.output, alone.errors));
    if help.is_empty() {
        // A library that is not here, or a panic: whatever it says of flags then is nothing.
        let message = format!("{first} tells of no flags: {}", last_words(&alone));
        return Ok(Answer { told: Vec::new(), unjudged: Some(message) });
    }
    let mut inquiry = Inquiry { question, help, flags: question.flags.clone(), answer: Answer::default() };
    inquiry.look_up();
    for (number, end) in question.ends.iter().enumerate() {
        // How it ends with the first word is known; with others it fails as it likes.
        inquiry.pursue(end, (number == 0).then_some(alone.code), run)?;
    }
    let mut answer = inquiry.answer;
    answer.told.sort();
    answer.told.dedup();
    Ok(answer)
}

fn words(question: &Question, flags: &[Flag], end: &str) -> Vec<String> {
    let word = |flag: &Flag| match &flag.value {
        Some(value) => format!("{}{}={value}", question.prefix, flag.name),
        None => format!("{}{}", question.prefix, flag.name),
    };
    // One that stands alone and wants a value takes the next word for it: here that is none that is judged.
    let (with, without): (Vec<&Flag>, Vec<&Flag>) = flags.iter().partition(|flag| flag.value.is_some());
    let flags = with.into_iter().chain(without).map(word);
    question.words.iter().cloned().chain(flags).chain([end.to_owned()]).collect()
}

struct Inquiry<'a> {
    question: &'a Question,
    help: Help,
    /// What has not been found wrong.
    flags: Vec<Flag>,
    answer: Answer,
}

impl Inquiry<'_> {
    /// What the help alone tells: flags that want a value and have none, and names that are not in its lists.
    fn look_up(&mut self) {
        let lone = |flag: &Flag| flag.value.is_none() && self.help.wants_value(&flag.name);
        let (lone, rest): (Vec<Flag>, Vec<Flag>) = self.flags.drain(..).partition(lone);
        self.flags = rest;
        for flag in lone {
            let message = "it needs a value, and takes the next word for it".to_owned();
            self.tell(Kind::Value, &flag.name, None, message, None);
        }
        for flag in self.flags.clone().iter().filter(|flag| self.question.listed.contains(&flag.name)) {
            let listed = self.help.listed(&flag.name);
            let items = flag.value.iter().flat_map(|value| items(value)).map(|item| item.trim_start_matches('-'));
            for item in items.filter(|item| !listed.is_empty() && !matches!(*item, "" | "*")) {
                if !listed.iter().any(|name| name == item) {
                    let near = nearest(item, listed.iter().map(String::as_str)).map(str::to_owned);
                    let message = "its help does not list it".to_owned();
                    self.tell(Kind::Unlisted, &flag.name, Some(item.to_owned()), message, near);
                }
            }
        }
    }

    /// Asks until nothing more is refused.
    fn pursue(
        &mut self,
        end: &str,
        usual: Option<Option<i32>>,
        run: &mut dyn FnMut(&[String]) -> Result<Said>,
    ) -> Result<()> {
        for _ in 0..MOST_TIMES {
            let said = run(&words(self.question, &self.flags, end))?;
            let text = format!("{}\n{}", said.errors, said.output);
            let mut again = false;
            for message in messages::read(&text) {
                again |= self.take(&message);
            }
            if !again {
                if usual.is_some_and(|usual| usual != said.code) {
                    self.answer.unjudged = Some(format!("with {end} it says: {}", last_words(&said)));
                }
                return Ok(());
            }
        }
        self.answer.unjudged = Some(format!("more than {MOST_TIMES} of its flags are wrong"));
        Ok(())
    }

    /// Takes up what was said; whether something was left out because of it.
    fn take(&mut self, message: &Message) -> bool {
        let before = self.flags.len();
        match message {
            Message::Unknown { flag, says } => {
                let Some(name) = self.own(flag) else { return false };
                let near = self.help.nearest(&name);
                self.flags.retain(|flag| flag.name != name);
                self.tell(Kind::Unknown, &name, None, says.clone(), near);
            }
            Message::Lacks { flag, says } => {
                let Some(name) = self.own(flag) else { return false };
                self.flags.retain(|flag| flag.name != name || flag.value.is_some());
                self.tell(Kind::Value, &name, None, says.clone(), None);
            }
            Message::Invalid { flag, value, why } => {
                let Some(name) = self.own(flag) else { return false };
                return self.leave_out(&name, value, why);
            }
            Message::Refused { item, says } => {
                let Some(flag) = self.flags.iter().find(|flag| flag.has(item)).cloned() else { return false };
                return self.leave_out(&flag.name, flag.value.as_deref().unwrap_or_default(), says);
            }
            Message::Deprecated { flag, says } => {
                if let Some(name) = self.own(flag) {
                    self.tell(Kind::Deprecated, &name, None, says.clone(), None);
                }
            }
            Message::Leaving { item, says } => {
                if let Some(flag) = self.flags.iter().find(|flag| flag.has(item)).cloned() {
                    self.tell(Kind::Deprecated, &flag.name, Some(item.clone()), says.clone(), None);
                }
            }
        }
        self.flags.len() < before
    }

    /// A flag of ours, by what a message calls it.
    fn own(&self, called: &str) -> Option<String> {
        self.flags.iter().find(|flag| flag.name == called).map(|flag| flag.name.clone())
    }

    /// Leaves out a value, or the one of a list that the message is about.
    fn leave_out(&mut self, name: &str, value: &str, why: &str) -> bool {
        let of_name: Vec<usize> = (0..self.flags.len()).filter(|at| self.flags[*at].name == name).collect();
        let is_meant = |at: &&usize| self.flags[**at].value.as_deref() == Some(value);
        let at = match (of_name.iter().find(is_meant), &of_name[..]) {
            (Some(at), _) => *at,
            // It does not repeat the value as it was given.
            (None, [at]) => *at,
            _ => return false,
        };
        let value = self.flags[at].value.clone().unwrap_or_default();
        let wrong = meant(&value, why);
        let rest: Vec<&str> = items(&value).filter(|item| *item != wrong).collect();
        match wrong == value || rest.is_empty() {
            true => drop(self.flags.remove(at)),
            false => self.flags[at].value = Some(rest.join(",")),
        }
        let near = nearest(key(wrong), self.help.keys(name).iter().map(String::as_str)).map(str::to_owned);
        self.tell(Kind::Value, name, Some(wrong.to_owned()), why.to_owned(), near);
        true
    }

    fn tell(&mut self, kind: Kind, flag: &str, value: Option<String>, message: String, near: Option<String>) {
        let message = message.chars().take(LONGEST).collect();
        self.answer.told.push(Told { kind, flag: flag.to_owned(), value, message, near });
    }
}

impl Flag {
    /// Whether its value is this, or a list that has it, by the whole item or by the key before `=`.
    pub fn has(&self, wanted: &str) -> bool {
        let is = |item: &str| item == wanted || key(item) == wanted || item.trim_start_matches('-') == wanted;
        self.value.as_deref().is_some_and(|value| value == wanted || items(value).any(is))
    }
}

fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

fn key(item: &str) -> &str {
    item.split_once('=').map_or(item, |(key, _)| key)
}

/// The item of a list that a message is about; the whole value if it names none.
fn meant<'a>(value: &'a str, why: &str) -> &'a str {
    let words: Vec<&str> = why.split([' ', ':', ',', '"', '\'']).collect();
    let is_named = |word: &&str| items(value).find(|item| item == word || key(item) == *word);
    let named = words.iter().rev().filter(|word| !word.is_empty()).find_map(is_named);
    named.filter(|_| items(value).count() > 1).unwrap_or(value)
}

/// The first line of what it complains of, or else the last of what it says.
fn last_words(said: &Said) -> String {
    let is_told = |line: &&str| !line.trim().is_empty() && !line.starts_with("Flag --");
    let line = said.errors.lines().find(is_told).or_else(|| said.output.lines().rev().find(is_told));
    line.unwrap_or("nothing").trim().chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in the manner of pflag that knows `--name NAME`, `--gates A=..,B=..`, `--bare` and `--old`, and stops at the first
    /// fault; it counts how often it is asked.
    fn program(words: &[String], count: &mut usize) -> Said {
        *count += 1;
        let help = "      --name string   The name. Names: one, two, three\n      --gates map   Options are:\n        Alpha=true|false\n        Beta=true|false\n      --bare   b\n";
        let said = |code: i32, errors: String| Said { code: Some(code), output: help.to_owned(), errors };
        let mut errors = String::new();
        for word in words.iter().filter(|word| *word != "--help") {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "--name" | "--bare" => {}
                "--old" => errors += "Flag --old has been deprecated, use --name\n",
                "--gates" => {
                    let unknown = value.split(',').map(key).find(|gate| !["Alpha", "Beta"].contains(gate));
                    if let Some(gate) = unknown {
                        errors += &format!(
                            "Error: invalid argument \"{value}\" for \"--gates\" flag: unrecognized feature gate: {gate}\n"
                        );
                        return said(1, errors);
                    }
                }
                _ => return said(1, errors + &format!("Error: unknown flag: {name}\n")),
            }
        }
        said(0, errors)
    }

    fn asked(flags: &[(&str, &str)]) -> (Vec<String>, usize) {
        let flag = |(name, value): &(&str, &str)| Flag {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()).filter(|value| !value.is_empty()),
        };
        let question = Question {
            prefix: "--".to_owned(),
            words: Vec::new(),
            ends: vec!["--help".to_owned()],
            listed: vec!["name".to_owned()],
            flags: flags.iter().map(flag).collect(),
        };
        let mut count = 0;
        let answer = ask(&question, &mut |words| Ok(program(words, &mut count))).unwrap();
        assert_eq!(answer.unjudged, None);
        let told = |told: Told| {
            let Told { kind, flag, value, near, .. } = told;
            format!("{kind:?} {flag}={} {}", value.unwrap_or_default(), near.unwrap_or_default())
        };
        (answer.told.into_iter().map(told).collect(), count)
    }

    #[test]
    fn what_is_right_is_asked_once() {
        assert_eq!(asked(&[("name", "one"), ("gates", "Alpha=true"), ("bare", "")]), (vec![], 2));
    }

    #[test]
    fn every_fault_is_told_once() {
        let flags = [
            ("nam", "x"),
            ("name", "thre"),
            ("gates", "Alpha=true,Bete=true,None=true"),
            ("gates", "None=false"),
            ("old", "1"),
        ];
        let told = [
            "Unknown nam= name",
            "Value gates=Bete=true Beta",
            "Value gates=None=false ",
            "Value gates=None=true ",
            "Deprecated old= ",
            "Unlisted name=thre three",
        ];
        assert_eq!(asked(&flags), (told.map(str::to_owned).to_vec(), 6));
    }

    #[test]
    fn what_wants_a_value_is_known_from_the_help() {
        assert_eq!(asked(&[("name", ""), ("bare", "")]).0, ["Value name= "]);
    }

    /// A program that fails in a way that nothing is known of is not said to be right.
    #[test]
    fn what_is_not_understood_is_said() {
        let question = |ends: &str| Question {
            prefix: "--".to_owned(),
            words: Vec::new(),
            ends: vec![ends.to_owned()],
            listed: Vec::new(),
            flags: vec![Flag { name: "x".to_owned(), value: None }],
        };
        let mut fails = |words: &[String]| {
            let errors = if words.len() > 1 { "something else\n".to_owned() } else { String::new() };
            Ok(Said { code: Some(i32::from(words.len() > 1)), output: "  --x  a flag\n".to_owned(), errors })
        };
        let answer = ask(&question("--help"), &mut fails).unwrap();
        assert_eq!(answer.unjudged.as_deref(), Some("with --help it says: something else"));
        let mut count = 0;
        let answer = ask(&question("--hlp"), &mut |words| Ok(program(words, &mut count))).unwrap();
        assert_eq!(
            (answer.unjudged.as_deref(), count),
            (Some("it does not answer --hlp: Error: unknown flag: --hlp"), 1)
        );
        // A loader that lacks a library says the same whatever the flags are.
        let errors = "error while loading shared libraries: libx.so: cannot open shared object file\n".to_owned();
        let mut lacks = |_: &[String]| Ok(Said { code: Some(127), output: String::new(), errors: errors.clone() });
        assert!(ask(&question("--help"), &mut lacks).unwrap().unjudged.is_some());
        let mut dies = |_: &[String]| Ok(Said { code: Some(139), output: String::new(), errors: String::new() });
        assert!(ask(&question("--help"), &mut dies).unwrap().unjudged.is_some());
        // A message without end is cut, and what stays wrong whatever is left out ends the asking.
        let mut again = |_: &[String]| {
            Ok(Said {
                code: Some(0),
                output: String::new(),
                errors: format!("unrecognized feature gate: {}", "x".repeat(9999)),
            })
        };
        assert!(ask(&question("--help"), &mut again).unwrap().told.is_empty());
    }
}
