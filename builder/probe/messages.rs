//! What libraries that read flags say of them, wherever in a line it stands: pflag (github.com/spf13/pflag, flag.go and
//! errors.go), the package flag of Go, urfave/cli, which uses that, and the feature gates of k8s.io/component-base.

/// A message about a flag. `says` is what stands there; names are without dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// There is no such flag.
    Unknown { flag: String, says: String },
    /// A flag stands last and wants a value.
    Lacks { flag: String, says: String },
    /// A value is refused.
    Invalid { flag: String, value: String, why: String },
    /// An item of some list is refused.
    Refused { item: String, says: String },
    /// A flag is on its way out.
    Deprecated { flag: String, says: String },
    /// An item of some list is.
    Leaving { item: String, says: String },
}

impl Message {
    /// Whether the program goes no further because of it.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Message::Deprecated { .. } | Message::Leaving { .. })
    }
}

/// The messages in what a program said, each once.
pub fn read(said: &str) -> Vec<Message> {
    let mut found = Vec::new();
    for line in said.lines() {
        let line = structured(line);
        if let Some(message) = message(&line).filter(|message| !found.contains(message)) {
            found.push(message);
        }
    }
    found
}

/// What a line of a structured log says is wrong (klog: `... err="..."`); else the line.
fn structured(line: &str) -> String {
    let quoted = line.split_once(" err=").and_then(|(_, rest)| unquote(rest));
    quoted.map_or_else(|| line.to_owned(), |(text, _)| text)
}

fn message(line: &str) -> Option<Message> {
    unknown(line).or_else(|| lacks(line)).or_else(|| invalid(line)).or_else(|| deprecated(line)).or_else(|| gate(line))
}

/// What stands behind `start` in a line, and all from `start` on.
fn behind<'a>(line: &'a str, start: &str) -> Option<(&'a str, String)> {
    let at = line.find(start)?;
    Some((&line[at + start.len()..], line[at..].trim_end().to_owned()))
}

fn name(text: &str) -> String {
    let word = text.split([' ', '=']).next().unwrap_or_default();
    word.trim_start_matches('-').trim_end_matches([',', '.']).to_owned()
}

fn unknown(line: &str) -> Option<Message> {
    let starts = ["unknown flag: ", "flag provided but not defined: ", "bad flag syntax: "];
    let found = starts.iter().find_map(|start| behind(line, start));
    let (rest, says) = match found {
        Some(found) => found,
        None => {
            // 'x' in -xyz: single letters, and what was meant is the whole word.
            let (rest, says) = behind(line, "unknown shorthand flag: ")?;
            (rest.split_once(" in ")?.1, says)
        }
    };
    Some(Message::Unknown { flag: name(rest), says })
}

fn lacks(line: &str) -> Option<Message> {
    let (rest, says) = behind(line, "flag needs an argument: ")?;
    let rest = rest.split_once(" in ").map_or(rest, |(_, word)| word);
    Some(Message::Lacks { flag: name(rest), says })
}

fn invalid(line: &str) -> Option<Message> {
    let starts = ["invalid argument ", "invalid value ", "invalid boolean value "];
    let (rest, _) = starts.iter().find_map(|start| behind(line, start))?;
    let (value, rest) = unquote(rest)?;
    // pflag: for "-v, --v" flag: WHY. Go: for flag -v: WHY, and of a truth value: for -v: WHY.
    let (flag, why) = match rest.strip_prefix(" for \"") {
        Some(rest) => rest.split_once("\" flag: ")?,
        None => {
            let rest = rest.strip_prefix(" for flag ").or_else(|| rest.strip_prefix(" for "))?;
            rest.split_once(": ")?
        }
    };
    let flag = name(flag.rsplit(", ").next().unwrap_or(flag));
    Some(Message::Invalid { flag, value, why: why.trim_end().to_owned() })
}

fn deprecated(line: &str) -> Option<Message> {
    let rest = line.strip_prefix("Flag ")?;
    let (flag, _) = rest.split_once(" has been deprecated, ")?;
    let flag = name(flag.rsplit(", ").next().unwrap_or(flag));
    Some(Message::Deprecated { flag, says: line.trim_end().to_owned() })
}

fn gate(line: &str) -> Option<Message> {
    if let Some((rest, says)) = behind(line, "unrecognized feature gate: ") {
        return Some(Message::Refused { item: name(rest), says });
    }
    let starts = ["Setting GA feature gate ", "Setting deprecated feature gate "];
    let (rest, says) = starts.iter().find_map(|start| behind(line, start))?;
    Some(Message::Leaving { item: name(rest), says })
}

/// A text in quotes as Go's `%q` writes it, at the start of `text`, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut letters = text.strip_prefix('"')?.char_indices();
    let mut unquoted = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((unquoted, &text[at + 2..])),
            '\\' => unquoted.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            letter => unquoted.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> String {
        let read = read(line);
        assert!(read.len() <= 1, "{read:?}");
        match read.into_iter().next() {
            None => "nothing".to_owned(),
            Some(Message::Unknown { flag, .. }) => format!("unknown {flag}"),
            Some(Message::Lacks { flag, .. }) => format!("lacks {flag}"),
            Some(Message::Invalid { flag, value, why }) => format!("invalid {flag} | {value} | {why}"),
            Some(Message::Refused { item, .. }) => format!("refused {item}"),
            Some(Message::Deprecated { flag, .. }) => format!("deprecated {flag}"),
            Some(Message::Leaving { item, .. }) => format!("leaving {item}"),
        }
    }

    /// Each as a real program printed it: kube-apiserver, kubelet and kube-scheduler 1.20.2, etcd 3.4.23, containerd 1.7.24.
    #[test]
    fn real_messages() {
        for (line, told) in [
            ("Error: unknown flag: --nonsense", "unknown nonsense"),
            ("F1122 04:37:21.904629       2 server.go:156] unknown flag: --nonsense", "unknown nonsense"),
            ("Error: unknown shorthand flag: 'x' in -x", "unknown x"),
            ("flag provided but not defined: -nonsense", "unknown nonsense"),
            ("containerd: flag provided but not defined: -nonsense", "unknown nonsense"),
            ("Incorrect Usage. flag provided but not defined: -nonsense", "unknown nonsense"),
            (
                "Error: invalid argument \"abc\" for \"--secure-port\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax",
                "invalid secure-port | abc | strconv.ParseInt: parsing \"abc\": invalid syntax",
            ),
            (
                "F1122 04:37:22.251623       2 server.go:156] invalid argument \"abc\" for \"-v, --v\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax",
                "invalid v | abc | strconv.ParseInt: parsing \"abc\": invalid syntax",
            ),
            (
                "Error: invalid argument \"A=true,Nope=true\" for \"--feature-gates\" flag: unrecognized feature gate: Nope",
                "invalid feature-gates | A=true,Nope=true | unrecognized feature gate: Nope",
            ),
            (
                "invalid value \"foo,https://1.2.3.4:2379\" for flag -listen-client-urls: URL scheme must be http, https, unix, or unixs: foo",
                "invalid listen-client-urls | foo,https://1.2.3.4:2379 | URL scheme must be http, https, unix, or unixs: foo",
            ),
            (
                "invalid boolean value \"maybe\" for -client-cert-auth: parse error",
                "invalid client-cert-auth | maybe | parse error",
            ),
            (
                "Flag --insecure-port has been deprecated, This flag has no effect now and will be removed in v1.24.",
                "deprecated insecure-port",
            ),
            ("F1122 04:32:58.117700       2 server.go:182] unrecognized feature gate: Nope", "refused Nope"),
            (
                "W1122 04:32:58.446241       2 feature_gate.go:235] Setting GA feature gate CSINodeInfo=true. It will be removed in a future release.",
                "leaving CSINodeInfo",
            ),
            ("      --network-plugin string   The name of the network plugin to be invoked", "nothing"),
            ("Usage:", "nothing"),
        ] {
            assert_eq!(one(line), told, "{line}");
        }
    }

    /// In the manner of later versions of the same programs (component-base, cli/run.go), and what has quotes in it.
    #[test]
    fn quoted_messages() {
        let line = r#"E0101 00:00:00.000000 1 run.go:74] "command failed" err="failed to parse flag: invalid argument \"a\\\"b\" for \"--max-pods\" flag: strconv.ParseInt: parsing \"x\": invalid syntax""#;
        assert_eq!(one(line), "invalid max-pods | a\"b | strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(one("flag needs an argument: --config"), "lacks config");
        assert_eq!(one("flag needs an argument: 'c' in -c"), "lacks c");
        assert_eq!(one("invalid argument \"never ends"), "nothing");
    }

    #[test]
    fn each_once() {
        let twice =
            "containerd: flag provided but not defined: -x\n\nIncorrect Usage. flag provided but not defined: -x\n";
        assert_eq!(read(twice).len(), 1);
    }
}
