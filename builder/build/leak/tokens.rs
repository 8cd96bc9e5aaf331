//! Tokens that are told by their shape: those with a prefix of their own, JSON Web Tokens, bootstrap tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Leak;
use super::text::{Text, is_base64_url, is_varied, is_word};

/// A service's token: what it starts with, how many characters follow at least, and what it is.
pub struct Token {
    /// The prefix.
    pub prefix: &'static str,
    /// The fewest characters behind it.
    pub least: usize,
    /// What it is.
    pub what: &'static str,
}

const fn token(prefix: &'static str, least: usize, what: &'static str) -> Token {
    Token { prefix, least, what }
}

/// Those that people put on machines to fetch images and packages, to register, to report. As their services document
/// them.
pub const TOKENS: [Token; 22] = [
    token("ghp_", 36, "a GitHub token"),
    token("gho_", 36, "a GitHub token"),
    token("ghu_", 36, "a GitHub token"),
    token("ghs_", 36, "a GitHub token"),
    token("ghr_", 36, "a GitHub token"),
    token("github_pat_", 60, "a GitHub token"),
    token("glpat-", 20, "a GitLab token"),
    token("gldt-", 20, "a GitLab token"),
    token("glrt-", 20, "a GitLab token"),
    token("glptt-", 20, "a GitLab token"),
    token("glagent-", 50, "a GitLab token"),
    token("xoxa-", 24, "a Slack token"),
    token("xoxb-", 24, "a Slack token"),
    token("xoxp-", 24, "a Slack token"),
    token("xoxr-", 24, "a Slack token"),
    token("xoxs-", 24, "a Slack token"),
    token("hooks.slack.com/services/T", 40, "a Slack webhook"),
    token("hvs.", 24, "a Vault token"),
    token("hvb.", 24, "a Vault token"),
    token("hvr.", 24, "a Vault token"),
    token("dop_v1_", 64, "a DigitalOcean token"),
    token("tskey-", 20, "a Tailscale key"),
];

/// A token of a service, from its start.
pub fn service(bytes: &[u8], start: usize, token: &Token) -> Option<&'static str> {
    let text = Text(bytes);
    let rest = text.run(start + token.prefix.len(), |byte| is_word(byte) || byte == b'/');
    let digits = rest.iter().any(u8::is_ascii_digit);
    let real = text.starts_word(start) && rest.len() >= token.least && digits && is_varied(rest, 10);
    real.then_some(token.what)
}

/// The secret key that stands next to the id of an access key of AWS: 40 characters of base64.
pub fn aws(bytes: &[u8], start: usize) -> Option<&'static str> {
    const NEAR: usize = 300;
    let text = Text(bytes);
    let id = text.run(start, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if id.len() != 20 || !text.starts_word(start) || id.ends_with(b"EXAMPLE") {
        return None;
    }
    let near = &bytes[start.saturating_sub(NEAR)..bytes.len().min(start + NEAR)];
    let mut words = near.split(|byte| !super::text::is_base64(*byte));
    let mixed = |word: &[u8]| {
        let has = |kind: fn(&u8) -> bool| word.iter().any(kind);
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
    };
    let is_secret = |word: &[u8]| word.len() == 40 && mixed(word) && !word.ends_with(b"EXAMPLEKEY");
    words.any(is_secret).then_some("an AWS secret key")
}

/// A JSON Web Token (RFC 7519) with a signature, from its start: the header says an algorithm, and the claims are JSON.
pub fn json_web(bytes: &[u8], start: usize) -> Option<&'static str> {
    let text = Text(bytes);
    if !text.starts_word(start) {
        return None;
    }
    let part = |at: usize| text.run(at, is_base64_url);
    let header = part(start);
    let claims = part(start + header.len() + 1);
    let last = start + header.len() + 1 + claims.len();
    let signature = part(last + 1);
    let dotted = bytes.get(start + header.len()) == Some(&b'.') && bytes.get(last) == Some(&b'.');
    let object = |part: &[u8]| -> Option<serde_json::Value> {
        let decoded = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(part).ok()?);
        serde_json::from_slice(&decoded).ok().filter(serde_json::Value::is_object)
    };
    let signed = dotted && signature.len() >= 20;
    let says = signed && object(header)?.get("alg").is_some() && object(claims).is_some();
    says.then_some("a JSON Web Token")
}

/// A bootstrap token anywhere: `abcdef.0123456789abcdef` as a whole word. The second part of a made one has digits and
/// letters (all but one in 200 of them); a name, a time stamp and a file's hash before its ending pass.
///
/// The token of the documentation is a token like another: a cluster that takes it is open to everyone who read it.
pub fn bootstrap(bytes: &[u8]) -> Option<Leak> {
    let dots = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
    let mut starts = dots.filter_map(|dot| dot.checked_sub(6).filter(|start| is_bootstrap(bytes, *start)));
    starts.next().map(|at| Leak { what: "a bootstrap token", at })
}

fn is_bootstrap(bytes: &[u8], start: usize) -> bool {
    let Some((id, rest)) = bytes[start..].split_at_checked(6) else { return false };
    let Some((secret, after)) = rest[1..].split_at_checked(16) else { return false };
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let joins = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'/');
    let ends = match after {
        [b'.', next, ..] => !is_word(*next),
        [next, ..] => !joins(*next),
        [] => true,
    };
    let starts = Text(bytes).before(start).is_none_or(|byte| !joins(byte));
    let both = secret.iter().any(u8::is_ascii_digit) && secret.iter().any(u8::is_ascii_lowercase);
    starts && ends && both && id.iter().chain(secret).all(plain)
}
