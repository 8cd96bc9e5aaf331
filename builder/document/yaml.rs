//! YAML as it is written (yaml.org/spec/1.2.2): every value with its line and the way it is quoted, keys that stand twice
//! included. What a plain `yes` or `012` means is the reader's affair.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// The deepest that a document may go.
pub const DEEPEST: usize = 128;
/// The most bytes of memory that the values of a file may take, aliases included: a document that nests them doubles with
/// every line.
const MOST: usize = 32 << 20;
/// What a value takes beside its text, or a map's entry beside its key and value.
const VALUE: usize = 96;
/// What a map takes beside its entries, as those who sort its keys have it.
const MAP: usize = 512;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The line that it begins on, from 1.
    pub line: u32,
    /// Its tag, if it has one.
    pub tag: Option<String>,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, a number, true, null.
    Scalar {
        /// What is written, without quotes.
        text: String,
        /// Whether it has no quotes and is no block, so that a reader may take it for more than text.
        is_plain: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Keys and values, as they are written.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The line that it is on, from 1.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// Whether it has no quotes.
    pub is_plain: bool,
}

impl Node {
    /// The value of a key; of one that stands twice the last, as most readers have it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.fields().iter().rev().find(|(own, _)| own.text == key).map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its text, if it is a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text of a key, if it is a scalar.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// Its values, if it is a list.
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The values of the list at a key; none if there is no list.
    pub fn list(&self, key: &str) -> &[Node] {
        self.get(key).map_or(&[], Node::items)
    }

    /// Its keys and values, if it is a map.
    pub fn fields(&self) -> &[(Key, Node)] {
        match &self.content {
            Content::Map(fields) => fields,
            _ => &[],
        }
    }
}

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub says: String,
}

/// All documents of a text, one for each `---`.
///
/// # Errors
/// What is no YAML; a key that is no plain text; values that are too deep or too many.
pub fn read(text: &str) -> Result<Vec<Node>, Fault> {
    let mut documents = Vec::new();
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: BTreeMap::new(), cost: 0, line: 1 };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(_) => {
                reader.anchors.clear();
                let first = reader.next()?;
                documents.push(reader.node(first, 0)?);
            }
            _ => return Err(reader.fault("a document is expected here")),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, (Node, usize)>,
    cost: usize,
    line: u32,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Fault> {
        let line = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        match self.events.next() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = line(start.line());
                Ok(event)
            }
            Some(Err(error)) => Err(Fault { line: line(error.marker().line()), says: error.info().to_owned() }),
            None => Err(self.fault("the text ends too early")),
        }
    }

    fn fault(&self, says: &str) -> Fault {
        Fault { line: self.line, says: says.to_owned() }
    }

    /// Values cost about the memory that they take; too much is refused.
    fn pay(&mut self, cost: usize) -> Result<(), Fault> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > MOST { Err(self.fault("its aliases make too much of it")) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, Fault> {
        if depth > DEEPEST {
            return Err(self.fault("values lie too deep in each other"));
        }
        let (before, line) = (self.cost, self.line);
        let (anchor, tag, content) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.pay(text.len() + VALUE)?;
                let is_plain = style == ScalarStyle::Plain;
                (anchor, tag, Content::Scalar { text: text.into_owned(), is_plain })
            }
            Event::SequenceStart(anchor, tag) => (anchor, tag, self.list(depth)?),
            Event::MappingStart(anchor, tag) => (anchor, tag, self.map(depth)?),
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, cost) = known.ok_or_else(|| self.fault("an alias without an anchor"))?;
                self.pay(cost)?;
                return Ok(node);
            }
            _ => return Err(self.fault("a value is expected here")),
        };
        let tag = tag.map(|tag| written(&tag));
        let node = Node { line, tag, content };
        if anchor != 0 {
            // Kept once more for each anchor: that too is paid.
            let cost = self.cost - before;
            self.pay(cost)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Content, Fault> {
        self.pay(VALUE)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Content::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, Fault> {
        self.pay(MAP)?;
        let mut map = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Content::Map(map)),
                // Keys that are no plain text are what no configuration has.
                Event::Scalar(text, style, 0, None) => {
                    Key { line: self.line, text: text.into_owned(), is_plain: style == ScalarStyle::Plain }
                }
                _ => return Err(self.fault("a key that is no text")),
            };
            self.pay(key.text.len() + VALUE)?;
            let event = self.next()?;
            map.push((key, self.node(event, depth + 1)?));
        }
    }
}

fn written(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let documents = read("# a\na: 1\nb:\n- 'x'\n- {c: d}\n---\n- e\n").unwrap();
        assert_eq!(documents.len(), 2);
        let Content::Map(map) = &documents[0].content else { panic!("{documents:?}") };
        let plain = |text: &str| Content::Scalar { text: text.into(), is_plain: true };
        assert_eq!((map[0].0.line, &map[0].1.content), (2, &plain("1")));
        let Content::List(list) = &map[1].1.content else { panic!("{documents:?}") };
        assert_eq!(list[0].content, Content::Scalar { text: "x".into(), is_plain: false });
        assert_eq!((list[0].line, list[1].line), (4, 5));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let line = |text: &str| read(text).unwrap_err().line;
        assert_eq!(line("a: 1\nb: *c\n"), 2);
        assert_eq!(line("a:\n\tb: 1\n"), 2);
        assert_eq!(line("? [x]\n: y\n"), 1);
    }
}
