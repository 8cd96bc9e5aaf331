//! Secrets that are told by the setting that has them: kubeconfig users, registries' logins, encryption keys.

use super::base64::decode;
use super::text::{Text, is_base64, is_placeholder, is_varied};
use super::urls::is_login;

/// A key of a setting, where its name starts and ends.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    text: Text<'a>,
    start: usize,
    end: usize,
}

impl<'a> Key<'a> {
    /// The key between two places.
    pub fn new(bytes: &'a [u8], start: usize, end: usize) -> Key<'a> {
        Key { text: Text(bytes), start, end }
    }

    /// Its value, if this is a whole key and has one.
    fn value(self) -> Option<&'a [u8]> {
        let whole = self.text.before(self.start).is_none_or(|byte| b" \t\r\n\"'{,".contains(&byte));
        self.text.value(self.end).filter(|value| whole && !is_placeholder(value))
    }

    /// The private key of a kubeconfig's user.
    pub fn client_key(self) -> Option<&'static str> {
        let value = self.value()?;
        let digits = Text(value).run(0, is_base64);
        (digits.len() >= 32 && is_varied(digits, 10)).then_some("a kubeconfig's private key")
    }

    /// The token or password of a kubeconfig's user.
    pub fn credential(self) -> Option<&'static str> {
        self.value()?;
        let all = ["apiVersion", "kind", "Config", "users"];
        let kubeconfig = all.iter().all(|word| self.text.holds(word));
        kubeconfig.then_some("a kubeconfig's token or password")
    }

    /// A registry's login, as Docker and Podman keep it.
    pub fn registry(self) -> Option<&'static str> {
        let value = self.value()?;
        (is_login(value) && self.text.holds("auths")).then_some("a registry's password")
    }

    /// A registry's token, beside its login.
    pub fn registry_token(self) -> Option<&'static str> {
        self.value()?;
        self.text.holds("auths").then_some("a registry's token")
    }

    /// A key of a configuration of encryption at rest: 16, 24 or 32 bytes.
    pub fn encryption(self) -> Option<&'static str> {
        let key = decode(self.value()?)?;
        let fits = matches!(key.len(), 16 | 24 | 32) && is_varied(&key, 8);
        (fits && self.text.holds("EncryptionConfig")).then_some("an encryption key")
    }
}

/// The login in a TOML table whose name ends with `auth`, as container runtimes read it, from the header's end.
pub fn registry_table(bytes: &[u8], end: usize) -> Option<&'static str> {
    for line in bytes[end..].split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii) {
        if line.starts_with(b"[") {
            return None;
        }
        let name = Text(line).run(0, |byte| byte.is_ascii_alphabetic());
        let known = [&b"password"[..], b"auth", b"identitytoken"].contains(&name);
        if known && Key::new(line, 0, name.len()).value().is_some() {
            return Some("a registry's password");
        }
    }
    None
}

/// A manifest of a Secret with data in it, from its `kind`.
pub fn manifest(bytes: &[u8], start: usize, end: usize) -> Option<&'static str> {
    let whole =
        bytes.get(end).is_none_or(u8::is_ascii_whitespace) && Text(bytes).before(start).is_none_or(|b| b == b'\n');
    if !whole {
        return None;
    }
    // Of the documents of a YAML stream, the one that says so.
    let ends = |part: &&[u8]| part.starts_with(b"---");
    let above = bytes[..start].split(|byte| *byte == b'\n').rev().take_while(|line| !ends(line));
    let below = bytes[end..].split(|byte| *byte == b'\n').take_while(|line| !ends(line));
    let mut lines = above.collect::<Vec<_>>();
    lines.reverse();
    lines.extend(below);
    let mut pairs = lines.windows(2);
    let opens = |line: &[u8]| [&b"data:"[..], b"stringData:"].contains(&line.trim_ascii_end());
    let filled = pairs.any(|pair| opens(pair[0]) && pair[1].starts_with(b" ") && pair[1].contains(&b':'));
    filled.then_some("a Secret's data")
}
