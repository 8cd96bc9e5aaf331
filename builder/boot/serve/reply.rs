//! Replies: a file or a part of it, or a sentence that says why not.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::range::Range;
use super::request::{Method, Request};
use super::root::{Found, Root};
use super::{SILENCE, SLOWEST};

/// How many bytes are sent at once.
const PIECE: usize = 64 << 10;
/// How long a small reply may take.
const AT_LEAST: Duration = Duration::from_secs(60);
/// For how long what a client still sends is taken before the connection is closed.
const LINGER: Duration = Duration::from_millis(500);

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The file.
    Ok,
    /// A part of it.
    Part,
    /// The client has it.
    NotModified,
    /// This is no request.
    Bad,
    /// A secret.
    Forbidden,
    /// Nothing of the release.
    NotFound,
    /// Not GET or HEAD.
    Method,
    /// The head did not come in time.
    Timeout,
    /// A range that has no bytes.
    Range,
    /// The head is too long.
    TooLarge,
}

impl Status {
    /// Its number.
    pub fn code(self) -> u16 {
        self.line().0
    }

    fn line(self) -> (u16, &'static str) {
        match self {
            Status::Ok => (200, "OK"),
            Status::Part => (206, "Partial Content"),
            Status::NotModified => (304, "Not Modified"),
            Status::Bad => (400, "Bad Request"),
            Status::Forbidden => (403, "Forbidden"),
            Status::NotFound => (404, "Not Found"),
            Status::Method => (405, "Method Not Allowed"),
            Status::Timeout => (408, "Request Timeout"),
            Status::Range => (416, "Range Not Satisfiable"),
            Status::TooLarge => (431, "Request Header Fields Too Large"),
        }
    }
}

/// Why a request gets no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its number.
    pub status: Status,
    why: String,
    /// The size of a file of which nothing was asked for.
    size: Option<u64>,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(status: Status, why: impl Into<String>) -> Refusal {
        Refusal { status, why: why.into(), size: None }
    }
}

/// Whether a reply has its body or only says how long that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It has.
    Sent,
    /// It only says.
    Told,
}

/// How many bytes of a body went out.
#[derive(Debug)]
pub struct Sent {
    bytes: u64,
    whole: bool,
}

impl Sent {
    /// For a line about the request.
    pub fn shown(&self) -> String {
        let cut = if self.whole { "" } else { " (cut)" };
        format!("{}{cut}", self.bytes)
    }
}

/// Answers a request.
pub fn answer(stream: &mut TcpStream, request: &Request, root: &Root) -> (Status, Sent) {
    let body = if request.method == Method::Get { Body::Sent } else { Body::Told };
    let replied = root.find(&request.path).and_then(|found| part(request, &found).map(|part| (found, part)));
    match replied {
        Ok((found, (status, first, length))) => {
            let sent = send(stream, found, status, first, length, body);
            (status, sent)
        }
        Err(refusal) => (refusal.status, refuse(stream, refusal, body)),
    }
}

/// What of a file goes out: from which byte, and how many.
fn part(request: &Request, found: &Found) -> Result<(Status, u64, u64), Refusal> {
    let is = |tags: &str| {
        let mut tags = tags.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
        found.tag.as_ref().is_some_and(|ours| tags.any(|tag| tag == ours || tag == "*"))
    };
    if request.if_none_match.as_deref().is_some_and(is) {
        return Ok((Status::NotModified, 0, 0));
    }
    // A client that has a part of another file must not join this one's rest to it.
    let same = request.if_range.as_ref().is_none_or(|tag| found.tag.as_ref() == Some(tag));
    let range = request.range.as_deref().filter(|_| same && request.method == Method::Get);
    match range.map_or(Range::Whole, |range| Range::parse(range, found.size)) {
        Range::Whole => Ok((Status::Ok, 0, found.size)),
        Range::Part { first, last } => Ok((Status::Part, first, last - first + 1)),
        Range::Unsatisfiable => {
            let why = format!("the file has {} bytes", found.size);
            Err(Refusal { size: Some(found.size), ..Refusal::new(Status::Range, why) })
        }
    }
}

fn send(stream: &mut TcpStream, mut found: Found, status: Status, first: u64, length: u64, body: Body) -> Sent {
    let mut fields = format!("Content-Type: {}\r\nAccept-Ranges: bytes\r\n", found.kind);
    if let Some(tag) = &found.tag {
        fields += &format!("ETag: {tag}\r\n");
    }
    if status == Status::Part {
        fields += &format!("Content-Range: bytes {first}-{}/{}\r\n", first + length - 1, found.size);
    }
    if status != Status::NotModified {
        fields += &format!("Content-Length: {length}\r\n");
    }
    let begun = found.file.seek(SeekFrom::Start(first)).and_then(|_| head(stream, status, &fields));
    if begun.is_err() || body == Body::Told || length == 0 {
        close(stream);
        return Sent { bytes: 0, whole: begun.is_ok() };
    }
    let bytes = copy(&mut found.file, length, stream);
    close(stream);
    Sent { bytes, whole: bytes == length }
}

/// Sends a refusal.
pub fn refuse(stream: &mut TcpStream, refusal: Refusal, body: Body) -> Sent {
    let text = format!("{}\n", refusal.why);
    let mut fields = format!("Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n", text.len());
    match refusal.status {
        Status::Method => fields += "Allow: GET, HEAD\r\n",
        Status::Range => fields += &format!("Content-Range: bytes */{}\r\n", refusal.size.unwrap_or_default()),
        _ => {}
    }
    let begun = head(stream, refusal.status, &fields);
    let bytes = match (begun, body) {
        (Ok(()), Body::Sent) => copy(&mut text.as_bytes(), text.len() as u64, stream),
        _ => 0,
    };
    close(stream);
    Sent { bytes, whole: body == Body::Told || bytes == text.len() as u64 }
}

fn head(stream: &mut TcpStream, status: Status, fields: &str) -> io::Result<()> {
    let (code, phrase) = status.line();
    stream.set_write_timeout(Some(SILENCE))?;
    stream.write_all(format!("HTTP/1.1 {code} {phrase}\r\n{fields}Connection: close\r\n\r\n").as_bytes())
}

/// Copies so many bytes, or as many as the client takes in the time that they may take.
fn copy(from: &mut dyn Read, length: u64, stream: &mut TcpStream) -> u64 {
    let deadline = Instant::now() + AT_LEAST + Duration::from_secs(length / SLOWEST);
    let mut buffer = vec![0; PIECE];
    let mut sent = 0;
    while sent < length && Instant::now() < deadline {
        let wanted = buffer.len().min(usize::try_from(length - sent).unwrap_or(buffer.len()));
        match from.read(&mut buffer[..wanted]) {
            Ok(count) if count > 0 && stream.write_all(&buffer[..count]).is_ok() => sent += count as u64,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    sent
}

/// Closes for writing, and takes what still comes: to close with bytes unread would take the reply back (RFC 9112, 9.6).
/// Not for long, however little comes at a time.
fn close(stream: &mut TcpStream) {
    let deadline = Instant::now() + LINGER;
    let mut buffer = [0; 4096];
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while let Some(rest) = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
        if stream.set_read_timeout(Some(rest)).is_err() || !matches!(stream.read(&mut buffer), Ok(count) if count > 0) {
            return;
        }
    }
}

/// The type of a file, by its name: what a person may want to look at is text.
pub fn kind(name: &str) -> &'static str {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    match name {
        // RFC 8551, 3.2.1.
        _ if name.starts_with("SHA256SUMS.cms/") => "application/pkcs7-signature",
        _ if ends(&[".json"]) => "application/json",
        _ if ends(&[".ipxe", ".cfg", "SHA256SUMS", ".minisig", "cmdline"]) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
