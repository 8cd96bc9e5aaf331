//! Passwords in URLs (RFC 3986, 3.2.1) and in what stands for them: netrc, and HTTP's Basic (RFC 7617).

use super::base64::decode;
use super::text::{Text, is_base64, is_placeholder};

/// `scheme://user:password@host`, from the end of `://`. An image's `name:tag@sha256:...` is none.
pub fn password(bytes: &[u8], start: usize, end: usize) -> Option<&'static str> {
    let text = Text(bytes);
    if !text.before(start)?.is_ascii_alphanumeric() {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"/@\"'<>\\`?#,()|".contains(&byte);
    let user_info = text.run(end, plain);
    let host = bytes.get(end + user_info.len()..)?.strip_prefix(b"@")?;
    let colon = user_info.iter().position(|byte| *byte == b':')?;
    let secret = &user_info[colon + 1..];
    let digest = host.starts_with(b"sha256:") || host.starts_with(b"sha512:");
    let named = host.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'[');
    (named && !digest && !is_example(host) && !is_placeholder(secret)).then_some("a URL with a password")
}

/// A host that is nobody's (RFC 2606).
fn is_example(host: &[u8]) -> bool {
    let name = Text(host).run(0, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let reserved = ["example", "example.com", "example.net", "example.org", "invalid"];
    reserved.iter().any(|one| {
        let before = name.strip_suffix(one.as_bytes());
        before.is_some_and(|before| before.is_empty() || before.ends_with(b"."))
    })
}

/// `machine HOST login USER password PASSWORD`, as netrc and apt_auth.conf(5) have it.
pub fn netrc(bytes: &[u8], start: usize, end: usize) -> Option<&'static str> {
    let words = |part: &[u8]| -> Vec<Vec<u8>> {
        part.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let white = |at: Option<&u8>| at.is_some_and(u8::is_ascii_whitespace);
    if !white(bytes.get(start.checked_sub(1)?)) || !white(bytes.get(end)) {
        return None;
    }
    let before = words(&bytes[start.saturating_sub(512)..start]);
    let [.., machine, _, login, _] = before.as_slice() else { return None };
    let after = bytes[end..].trim_ascii_start();
    let secret = Text(after).run(0, |byte| !byte.is_ascii_whitespace());
    let found = machine == b"machine" && login == b"login" && !is_placeholder(secret);
    found.then_some("a password (netrc)")
}

/// `Authorization: Basic BASE64`, in any spelling of a header's setting.
pub fn basic(bytes: &[u8], start: usize, end: usize) -> Option<&'static str> {
    let before = bytes[start.saturating_sub(24)..start].to_ascii_lowercase();
    let value = Text(bytes).run(end, |byte| is_base64(byte) || byte == b'=');
    (Text(&before).holds("authorization") && is_login(value)).then_some("a password (HTTP Basic)")
}

/// Whether base64 holds `user:password`.
pub fn is_login(value: &[u8]) -> bool {
    let Some(login) = decode(value) else { return false };
    let secret = login.iter().position(|byte| *byte == b':').map(|colon| &login[colon + 1..]);
    login.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') && secret.is_some_and(|one| !is_placeholder(one))
}
