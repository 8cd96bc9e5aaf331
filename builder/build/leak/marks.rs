//! The marks by which secrets are found in one pass, and what is looked at where a mark is.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::Leak;
use super::keys;
use super::settings::{Key, manifest, registry_table};
use super::tokens::{self, TOKENS};
use super::urls;

/// What is looked at where a mark is: the bytes, and the mark's start and end. It gives what was found.
type Check = fn(&[u8], usize, usize) -> Option<&'static str>;

const MARKS: [(&str, Check); 24] = [
    (keys::PRIVATE, |bytes, _, end| keys::block(bytes, end).map(|block| block.what)),
    ("PuTTY-User-Key-File-", |bytes, start, _| keys::putty(bytes, start)),
    (keys::AGE, |bytes, _, end| keys::age(bytes, end)),
    (keys::SEED, |bytes, _, end| keys::seed(bytes, end)),
    ("RWRTY0Iy", |bytes, start, _| keys::signing(bytes, start)),
    ("RWQAAEIy", |bytes, start, _| keys::signing(bytes, start)),
    ("RWRCSw", |bytes, start, _| keys::signing(bytes, start)),
    ("PrivateKey", keys::wireguard),
    ("PresharedKey", keys::wireguard),
    ("client-key-data", |bytes, start, end| Key::new(bytes, start, end).client_key()),
    ("token", |bytes, start, end| Key::new(bytes, start, end).credential()),
    ("password", |bytes, start, end| {
        Key::new(bytes, start, end).credential().or_else(|| urls::netrc(bytes, start, end))
    }),
    ("auth", |bytes, start, end| Key::new(bytes, start, end).registry()),
    ("identitytoken", |bytes, start, end| Key::new(bytes, start, end).registry_token()),
    ("registrytoken", |bytes, start, end| Key::new(bytes, start, end).registry_token()),
    ("secret", |bytes, start, end| Key::new(bytes, start, end).encryption()),
    (".auth]", |bytes, _, end| registry_table(bytes, end)),
    ("kind: Secret", manifest),
    ("Basic ", urls::basic),
    ("basic ", urls::basic),
    ("://", urls::password),
    ("AKIA", |bytes, start, _| tokens::aws(bytes, start)),
    ("ASIA", |bytes, start, _| tokens::aws(bytes, start)),
    // The start of `{"` in base64.
    ("eyJ", |bytes, start, _| tokens::json_web(bytes, start)),
];

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|token| token.prefix);
    AhoCorasick::new(MARKS.iter().map(|(mark, _)| *mark).chain(tokens)).ok()
});

/// The first mark with a secret behind it.
pub fn first(bytes: &[u8]) -> Option<Leak> {
    let Some(automaton) = AUTOMATON.as_ref() else {
        // Cannot be: the marks are few and fixed. If it is, nothing passes unseen.
        return Some(Leak { what: "what cannot be looked into", at: 0 });
    };
    let mut found = automaton.find_overlapping_iter(bytes).filter_map(|hit| {
        let (index, at) = (hit.pattern().as_usize(), hit.start());
        let what = match MARKS.get(index) {
            Some((_, check)) => check(bytes, at, hit.end()),
            None => TOKENS.get(index - MARKS.len()).and_then(|token| tokens::service(bytes, at, token)),
        };
        what.map(|what| Leak { what, at })
    });
    found.next()
}
