//! What a template may ask of the machine. minijinja bounds steps and nested brackets; it compiles an expression by
//! recursion, though, and a chain like `a|b|c` or `1 ~ 1 ~ 1` goes as deep as it is long, until the stack ends and the
//! program with it. And some filters make as much text as a number says.

use minijinja::value::{Kwargs, Rest, StringInput, Value, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, filters};

/// The most operators of one expression, and the most `elif` of a template. The shipped overlays stay
/// below 50; the 2 MiB of a thread hold some thousand, 8 MiB do not hold 50,000.
const CHAIN: usize = 500;
/// The most spaces that text is indented by, and the longest field of a formatted value.
const WIDEST: usize = 999;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Text with tags in it.
    Text,
    /// An expression alone.
    Expression,
}

/// That no expression of a source is too deep to be compiled.
pub fn check(source: &str, kind: Source) -> Result<(), Error> {
    let too_many = |what| Error::new(ErrorKind::SyntaxError, format!("it has more than {CHAIN} {what}"));
    if kind == Source::Expression {
        return match Tag::of(source.as_bytes(), kind).operators {
            0..=CHAIN => Ok(()),
            _ => Err(too_many("operators in one expression")),
        };
    }
    let (mut rest, mut alternatives) = (source.as_bytes(), 0);
    while let Some(start) = rest.windows(2).position(|two| matches!(two, b"{{" | b"{%")) {
        let tag = Tag::of(&rest[start + 2..], kind);
        alternatives += usize::from(tag.is_alternative);
        if tag.operators > CHAIN {
            return Err(too_many("operators in one expression"));
        }
        if alternatives > CHAIN {
            return Err(too_many("`elif`"));
        }
        rest = &rest[start + 2 + tag.length..];
    }
    Ok(())
}

/// An expression with what is around it in a tag.
struct Tag {
    operators: usize,
    length: usize,
    is_alternative: bool,
}

impl Tag {
    /// The tag that these bytes begin. It ends, as for minijinja's lexer, at the first `}}` or `%}` that is in no string
    /// and no bracket.
    fn of(bytes: &[u8], kind: Source) -> Tag {
        let mut tag = Tag { operators: 0, length: bytes.len(), is_alternative: false };
        let (mut at, mut depth) = (0, 0_isize);
        while let Some(byte) = bytes.get(at) {
            if kind == Source::Text && depth == 0 && matches!(bytes[at..], [b'}', b'}', ..] | [b'%', b'}', ..]) {
                tag.length = at;
                break;
            }
            at += match byte {
                b'"' | b'\'' => string(&bytes[at..]),
                letter if letter.is_ascii_alphabetic() || *letter == b'_' => {
                    let length =
                        bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                    let word = &bytes[at..at + length];
                    tag.operators += usize::from(WORDS.contains(&word));
                    tag.is_alternative |= word == b"elif";
                    length
                }
                byte => {
                    depth += isize::from(matches!(byte, b'(' | b'[' | b'{'))
                        - isize::from(matches!(byte, b')' | b']' | b'}'));
                    tag.operators += usize::from(SIGNS.contains(byte));
                    1
                }
            };
        }
        tag
    }
}

/// What makes an expression deeper.
const SIGNS: &[u8] = b"-+*/%~|.[(<>=!";
const WORDS: [&[u8]; 7] = [b"and", b"or", b"not", b"in", b"is", b"if", b"else"];

/// The length of a string with its quotes.
fn string(bytes: &[u8]) -> usize {
    let mut escaped = false;
    let end = bytes.iter().skip(1).position(|byte| {
        let ends = !escaped && *byte == bytes[0];
        escaped = !escaped && *byte == b'\\';
        ends
    });
    end.map_or(bytes.len(), |end| end + 2)
}

/// The `indent` filter: minijinja's, but for how far.
pub fn indent(
    text: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let width = match width {
        Some(width) => width,
        None => named.get::<Option<usize>>("width")?.unwrap_or(4),
    };
    match width {
        0..=WIDEST => filters::indent(text, Some(width), first, blank, named),
        _ => Err(too_wide()),
    }
}

/// The `format` filter: minijinja's, but for how wide a field may be.
pub fn format(state: &mut State, text: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let given = text.as_str().unwrap_or_default();
    let longest = given.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    match longest <= WIDEST.to_string().len() && !given.contains('*') {
        true => filters::format(state, text, values),
        false => Err(too_wide()),
    }
}

fn too_wide() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("no field and no indentation is wider than {WIDEST}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Engine;

    /// Chains of every kind that minijinja compiles by recursion.
    fn chains(length: usize) -> Vec<String> {
        let of = |start: &str, link: &str, end: &str| format!("{start}{}{end}", link.repeat(length));
        vec![
            of("{{ ", "-", "1 }}"),
            of("{{ a", ".a", " }}"),
            of("{{ a", "['a']", " }}"),
            of("{{ a", "()", " }}"),
            of("{{ a", "|int", " }}"),
            of("{{ 1", " ~ 1", " }}"),
            of("{{ 1", " + 1", " }}"),
            of("{{ 1", " ** 1", " }}"),
            of("{{ 1", " // 1", " }}"),
            of("{{ 1", " and 1", " }}"),
            of("{{ 1", " or 1", " }}"),
            of("{{ 1", " in 1", " }}"),
            of("{{ 1", " is defined", " }}"),
            of("{{ 1", " < 1", " }}"),
            of("{{ 1", " == 1", " }}"),
            of("{{ 1", " if 1 else 1", " }}"),
            of("{{ {'a': {}, 'b': '}}'}", "|int", " }}"),
            of("{{ '\\'}}'", "|int", " }}"),
            of("{% set x = 1", "|int", " %}"),
            of("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
        ]
    }

    #[test]
    fn what_is_taken_is_compiled_and_what_is_too_deep_is_refused_before() {
        for engine in [Engine::default().strings, Engine::default().files] {
            // As deep as one may go: it need not mean anything, but the stack holds it. Some links have two operators.
            for (long, half) in chains(CHAIN).into_iter().zip(chains(CHAIN / 2)) {
                let source = if check(&long, Source::Text).is_ok() { long } else { half };
                check(&source, Source::Text).unwrap();
                let _ = engine.render_str(&source, ());
            }
        }
        for source in chains(CHAIN + 1) {
            let error = check(&source, Source::Text).unwrap_err();
            assert!(error.to_string().contains("more than 500"), "{}: {error}", &source[..20]);
            if let Some(inner) = source.strip_prefix("{{ ") {
                assert!(check(inner.trim_end_matches(" }}"), Source::Expression).is_err(), "{}", &source[..20]);
            }
        }
    }

    #[test]
    fn many_short_expressions_and_long_data_are_taken() {
        check(&"{{ a.b | c }} - ... \n".repeat(10_000), Source::Text).unwrap();
        check(&format!("{{% set x = [{}] %}}", "'a-b.c', ".repeat(10_000)), Source::Text).unwrap();
        check("{{ never ends", Source::Text).unwrap();
        check("{{ 'never ends }}", Source::Text).unwrap();
        check("}} {", Source::Text).unwrap();
    }

    #[test]
    fn nothing_is_as_wide_as_a_number_says() {
        let engine = Engine::default();
        let render = |source: &str| engine.strings.render_str(source, ());
        for source in [
            "{{ 'a' | indent(18446744073709551615, true) }}",
            "{{ 'a' | indent(1000) }}",
            "{{ 'a' | indent(width=99999999999) }}",
            "{{ '%99999999999d' | format(1) }}",
            "{{ '%.99999999999f' | format(1) }}",
            "{{ '%*d' | format(99999999999, 1) }}",
            "{{ [1] | batch(999999999999, 'x') | list }}",
            "{{ [1] | slice(999999999999) | list }}",
            "{{ 'a' * 999999999999 }}",
        ] {
            assert!(render(source).is_err(), "{source}");
        }
        assert_eq!(render("{{ 'a\nb' | indent(2) }}{{ 'a' | indent(first=true, width=1) }}").unwrap(), "a\n  b a");
        assert_eq!(render("{{ '%03d %s' | format(7, 'x') }}").unwrap(), "007 x");
    }
}
