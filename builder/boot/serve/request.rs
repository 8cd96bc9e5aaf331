//! A request's head: read within bounds, taken apart by httparse, and its path decoded.

use std::io::Read;
use std::net::TcpStream;
use std::time::Instant;

use super::reply::{Refusal, Status};

/// The most bytes of a head. What iPXE, GRUB or curl send has some hundred.
const LONGEST: usize = 8 << 10;
/// The most fields of a head.
const FIELDS: usize = 64;
/// How much of a path is shown.
const SHOWN: usize = 200;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The file.
    Get,
    /// What would be said of the file.
    Head,
}

impl Method {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
        }
    }
}

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The path, decoded, without its first slash.
    pub path: String,
    /// `Range`, if there is exactly one.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
}

impl Request {
    /// Takes a head apart; nothing if it is not whole yet.
    pub fn parse(head: &[u8]) -> Result<Option<Request>, Refusal> {
        let bad = |why: &str| Refusal::new(Status::Bad, why);
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::new(Status::TooLarge, "the request has too many fields"));
            }
            Err(error) => return Err(bad(&format!("this is no HTTP/1.1 request: {error}"))),
        }
        let method = match request.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            _ => return Err(Refusal::new(Status::Method, "only GET and HEAD are answered")),
        };
        let path = decode(request.path.unwrap_or_default()).ok_or_else(|| bad("the request's path is malformed"))?;
        let field = |name: &str| {
            let mut all = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let first = all.next().and_then(|field| std::str::from_utf8(field.value).ok());
            first.filter(|_| all.next().is_none()).map(|value| value.trim().to_owned())
        };
        let (range, if_range, if_none_match) = (field("range"), field("if-range"), field("if-none-match"));
        Ok(Some(Request { method, path, range, if_range, if_none_match }))
    }

    /// The path for a line about the request.
    pub fn shown(&self) -> String {
        let end = self.path.char_indices().nth(SHOWN).map_or(self.path.len(), |(at, _)| at);
        format!("/{}", &self.path[..end])
    }
}

/// Reads a head; nothing if the connection ends before its first byte.
pub fn read(stream: &mut TcpStream, deadline: Instant) -> Result<Option<Request>, Refusal> {
    let late = || Refusal::new(Status::Timeout, "the request did not come in time");
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let rest = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()).ok_or_else(late)?;
        stream.set_read_timeout(Some(rest)).map_err(|_| late())?;
        let count = match stream.read(&mut buffer) {
            Ok(0) | Err(_) if head.is_empty() && Instant::now() < deadline => return Ok(None),
            Ok(0) => return Err(Refusal::new(Status::Bad, "the request is cut short")),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(late()),
        };
        head.extend_from_slice(&buffer[..count]);
        if head.len() > LONGEST {
            return Err(Refusal::new(Status::TooLarge, "the request's head is too long"));
        }
        if let Some(request) = Request::parse(&head)? {
            return Ok(Some(request));
        }
    }
}

/// The path of a target (`/PATH?QUERY`, or with `http://HOST` before it), percent-decoded, without its first slash.
fn decode(target: &str) -> Option<String> {
    let target = match target.split_once("://") {
        Some(("http", rest)) => &rest[rest.find('/')?..],
        _ => target,
    };
    let path = target.strip_prefix('/')?.split(['?', '#']).next()?;
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().filter(|path| !path.contains('\0'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (target, path) in [
            ("/", Some("")),
            ("/a/b.zst", Some("a/b.zst")),
            ("/a?x=/y", Some("a")),
            ("http://10.0.2.2:80/a", Some("a")),
            ("/%61%2Fb%2b", Some("a/b+")),
            ("/%2e%2e/x", Some("../x")),
            ("/..%252fx", Some("..%2fx")),
            ("/%00", None),
            ("/%ff", None),
            ("/%4", None),
            ("/%+1", None),
            ("a", None),
            ("*", None),
            ("http://host", None),
        ] {
            assert_eq!(decode(target).as_deref(), path, "{target}");
        }
    }

    #[test]
    fn heads() {
        let code = |head: &str| Request::parse(head.as_bytes()).map_err(|refusal| refusal.status.code());
        let whole = code("GET /a HTTP/1.1\r\nHost: x\r\nrange:  bytes=1-2 \r\n\r\n").unwrap().unwrap();
        assert_eq!((whole.path.as_str(), whole.range.as_deref()), ("a", Some("bytes=1-2")));
        assert_eq!(code("GET /a HTTP/1.1\r\nHost: x\r\n"), Ok(None));
        let twice = code("GET /a HTTP/1.0\r\nRange: bytes=1-2\r\nRange: bytes=3-4\r\n\r\n").unwrap().unwrap();
        assert_eq!(twice.range, None);
        assert_eq!(code("POST /a HTTP/1.1\r\n\r\n"), Err(405));
        assert_eq!(code("GET /%zz HTTP/1.1\r\n\r\n"), Err(400));
        assert_eq!(code("PRI * HTTP/2.0\r\n\r\n"), Err(400));
        assert_eq!(code("\u{16}\u{3}\u{1}"), Err(400));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS + 1));
        assert_eq!(code(&many), Err(431));
    }
}
