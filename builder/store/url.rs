//! [`Url`]: the addresses that may be fetched, and how they are shown.

use std::fmt;

use crate::error::{Error, Result};

/// How to get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In plain sight.
    Http,
    /// Under TLS.
    Https,
    /// A file of this host.
    File,
}

/// An address (RFC 3986) without user, password and fragment. Shown without its query, which may hold a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// How to get there.
    pub scheme: Scheme,
    authority: String,
    path: String,
    query: Option<String>,
}

impl Url {
    /// Reads an absolute URL.
    pub fn parse(text: &str) -> Result<Url> {
        let shown = text.split(['?', '#']).next().unwrap_or_default();
        let shown = shown.rsplit_once('@').map_or(shown, |(_, rest)| rest);
        let bad = |why: &str| Error::usage(format!("`{shown}` cannot be fetched: {why}"));
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("a URL holds visible ASCII only; write the rest as %XX"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it is not a URL"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "file" => Scheme::File,
            _ => return Err(bad("only http, https and file are fetched")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(bad("it holds a user or a password")
                .advise("let a proxy or a mirror add the credentials: profiles and locks are no place for them"));
        }
        let (path, query) = split_query(rest);
        match (scheme, authority) {
            (Scheme::File, "" | "localhost") if query.is_none() && path.len() > 1 => {}
            (Scheme::File, _) => return Err(bad("a file URL is file:///PATH")),
            (_, "") => return Err(bad("it names no host")),
            _ => {}
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Url { scheme, authority: authority.to_ascii_lowercase(), path: path.into(), query: query.map(Into::into) })
    }

    /// Where a reference from this URL leads (RFC 3986, section 5.2).
    pub fn join(&self, reference: &str) -> Result<Url> {
        let reference = reference.split('#').next().unwrap_or_default();
        let has_scheme = reference.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
        if has_scheme {
            return Url::parse(reference);
        }
        let base = self.scheme.name();
        if reference.starts_with("//") {
            return Url::parse(&format!("{base}:{reference}"));
        }
        let (path, query) = split_query(reference);
        let directory = self.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let path = match path {
            "" => self.path.clone(),
            path if path.starts_with('/') => without_dots(path),
            path => without_dots(&format!("{directory}/{path}")),
        };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Url::parse(&format!("{base}://{}{path}{query}", self.authority))
    }

    /// As it is sent, query included: for the client only, never for a message.
    pub fn full(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{}{}{query}", self.scheme.name(), self.authority, self.path)
    }

    /// The path of a file URL on this host.
    pub fn file_path(&self) -> Result<std::path::PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let bytes = decode(&self.path).ok_or_else(|| Error::usage(format!("{self} has a malformed %XX")))?;
        Ok(std::ffi::OsString::from_vec(bytes).into())
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::File => "file",
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority, self.path)?;
        f.write_str(if self.query.is_some() { "?..." } else { "" })
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    let end = if path.ends_with("/.") || path.ends_with("/..") { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    (!decoded.contains(&0)).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let url = Url::parse("https://Host.example/a?token=hunter2#x").unwrap();
        assert_eq!(url.to_string(), "https://host.example/a?...");
        assert_eq!(url.full(), "https://host.example/a?token=hunter2");
        let error = Url::parse("https://me:hunter2@host/a").unwrap_err();
        assert_eq!(error.class().code(), 2);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn refused() {
        for text in ["", "x", "ftp://h/x", "http:///x", "file://host/x", "file:///x?y", "http://h/a b", "data:x"] {
            assert_eq!(Url::parse(text).unwrap_err().class().code(), 2, "{text}");
        }
    }

    // RFC 3986, section 5.4, as far as it is allowed here.
    #[test]
    fn references() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, result) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            (".", "http://a/b/c/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("https://x/y", "https://x/y"),
        ] {
            assert_eq!(base.join(reference).unwrap().full(), result, "{reference}");
        }
    }

    #[test]
    fn file_urls() {
        let url = Url::parse("file:///a%20b/%c3%a9").unwrap();
        assert_eq!(url.file_path().unwrap(), std::path::Path::new("/a b/é"));
        assert!(Url::parse("file:///%0").unwrap().file_path().is_err());
        assert!(Url::parse("file:///%00").unwrap().file_path().is_err());
    }
}
