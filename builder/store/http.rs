//! One question to an HTTP server and its answer (RFC 9110), with the redirects between.
//!
//! Through a proxy (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) everything goes by CONNECT, `http` too.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::url::{Scheme, Url};
use crate::disk;
use crate::epoch;
use crate::error::{Error, Result};

/// How many redirects are followed.
const REDIRECTS: u32 = 10;
/// The longest that a server's `Retry-After` is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Where distributions keep the trusted certificates, as one PEM file: Debian and Alpine, Fedora, openSUSE, BSD.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why a question got no usable answer.
pub(super) enum Failure {
    /// Asking again may help, after the time that the server wishes.
    Again(Error, Option<Duration>),
    /// It will not.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Final(error)
    }
}

/// The head of an answer, and its body to be read.
pub(super) struct Answer {
    /// 200, 206 or 416.
    pub status: u16,
    /// The body's size, if the server says it.
    pub length: Option<u64>,
    /// Whether the end of the body can be told from a cut connection.
    pub framed: bool,
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub range: Option<String>,
    body: Box<dyn Read + Send>,
    shown: String,
}

impl Answer {
    /// The next bytes of the body; 0 at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> std::result::Result<usize, Failure> {
        loop {
            match self.body.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(|error| broken(&self.shown, ureq::Error::from(error))),
            }
        }
    }
}

/// Asks servers. Holds the trusted certificates and the limits of patience; no cookies, no credentials.
pub(super) struct Client {
    agent: ureq::Agent,
}

impl Client {
    /// A client that waits at most `timeout` for a connection, for an answer's head, and for each piece of its body.
    pub fn new(timeout: Duration) -> Result<Client> {
        check_proxies()?;
        let limit = Some(timeout);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("mastermold/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(roots()?).build())
            .timeout_resolve(limit)
            .timeout_connect(limit)
            .timeout_send_request(limit)
            .timeout_recv_response(limit)
            .timeout_per_read(limit)
            .build();
        Ok(Client { agent: config.into() })
    }

    /// Asks for `url`, or for the rest of it: from a byte on, if it still has this validator.
    pub fn get(&self, url: &Url, rest: Option<(u64, &str)>) -> std::result::Result<Answer, Failure> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTS {
            let shown = at.to_string();
            let response = self.send(&at, rest).map_err(|error| broken(&shown, error))?;
            match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => at = follow(&at, response.headers())?,
                200 | 206 | 416 => return answer(response, shown),
                status => return Err(refused(&shown, status, response.headers())),
            }
        }
        Err(Failure::Final(Error::network(format!("fetching {url}: more than {REDIRECTS} redirects"))))
    }

    fn send(&self, url: &Url, rest: Option<(u64, &str)>) -> std::result::Result<Response<ureq::Body>, ureq::Error> {
        let mut request = self.agent.get(url.full());
        if let Some((from, validator)) = rest {
            request = request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, validator);
        }
        request.call()
    }
}

fn follow(from: &Url, headers: &HeaderMap) -> Result<Url> {
    let bad = |why: String| Error::network(format!("fetching {from}: it redirects {why}"));
    let location = value(headers, header::LOCATION).ok_or_else(|| bad("to nowhere".into()))?;
    let to = from.join(&location).map_err(|error| bad(format!("where it cannot be followed: {error}")))?;
    match (from.scheme, to.scheme) {
        (_, Scheme::File) => Err(bad(format!("to a file of this host, {to}"))),
        (Scheme::Https, Scheme::Http) => Err(bad(format!("from https to {to}"))),
        _ => Ok(to),
    }
}

fn answer(response: Response<ureq::Body>, shown: String) -> std::result::Result<Answer, Failure> {
    let headers = response.headers();
    if let Some(coding) = value(headers, header::CONTENT_ENCODING).filter(|coding| coding != "identity") {
        let message = format!("fetching {shown}: it is sent as content-encoding `{coding}`, which was not asked for");
        return Err(Failure::Final(Error::network(message)));
    }
    let length = value(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    Ok(Answer {
        status: response.status().as_u16(),
        length,
        framed: length.is_some() || headers.contains_key(header::TRANSFER_ENCODING),
        etag: value(headers, header::ETAG),
        modified: value(headers, header::LAST_MODIFIED),
        range: value(headers, header::CONTENT_RANGE),
        body: Box::new(response.into_body().into_reader()),
        shown,
    })
}

fn refused(shown: &str, status: u16, headers: &HeaderMap) -> Failure {
    let error = Error::network(format!("fetching {shown}: the server answers {status}"));
    match status {
        408 | 429 | 500..=599 => {
            let seconds = value(headers, header::RETRY_AFTER).and_then(|text| text.trim().parse().ok());
            Failure::Again(error, seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)))
        }
        404 | 410 => Failure::Final(error.advise("check the URL, and whether the version still exists")),
        _ => Failure::Final(error),
    }
}

/// What ureq says, without a proxy's password.
fn broken(shown: &str, error: ureq::Error) -> Failure {
    let fail = |why: &str| Error::network(format!("fetching {shown}: {why}"));
    match error {
        ureq::Error::Timeout(what) => {
            Failure::Again(fail(&format!("no progress within the time limit ({what})")), None)
        }
        ureq::Error::HostNotFound => Failure::Again(fail("its host is not found"), None),
        ureq::Error::ConnectProxyFailed(why) => Failure::Again(fail(&format!("the proxy refuses: {why}")), None),
        ureq::Error::Rustls(why) => Failure::Final(distrusted(fail(&why.to_string()))),
        // What rustls finds wrong with a certificate comes through the socket.
        ureq::Error::Io(why) if why.kind() == io::ErrorKind::InvalidData => {
            Failure::Final(distrusted(fail(&why.to_string())))
        }
        ureq::Error::Io(why) => Failure::Again(fail(&why.to_string()), None),
        error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_)) => Failure::Final(fail(&error.to_string())),
        error => Failure::Again(fail(&error.to_string()), None),
    }
}

fn distrusted(error: Error) -> Error {
    match error.to_string().contains("UnknownIssuer") {
        true => error.advise(
            "if an authority of your own signs this server, set SSL_CERT_FILE to a PEM file of those you trust",
        ),
        false => error,
    }
}

fn value(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// A malformed proxy must not mean no proxy, which is what ureq makes of it; it also ignores SOCKS proxies.
fn check_proxies() -> Result<()> {
    for name in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        let Some(text) = epoch::variable(name) else { continue };
        let proxy = text.to_str().and_then(|text| ureq::Proxy::new(text).ok());
        if !proxy
            .is_some_and(|proxy| matches!(proxy.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https))
        {
            let message = format!("{name} is not the URL of an HTTP proxy");
            return Err(Error::usage(message).advise("write it like http://proxy.example:3128"));
        }
    }
    Ok(())
}

/// The certificates that this system trusts: `SSL_CERT_FILE`, else the distribution's, else Mozilla's as linked in.
fn roots() -> Result<RootCerts> {
    if let Some(path) = epoch::variable("SSL_CERT_FILE") {
        return certificates(Path::new(&path)).map_err(|error| error.context("SSL_CERT_FILE"));
    }
    match BUNDLES.iter().map(Path::new).find(|path| disk::exists(path)) {
        Some(path) => certificates(path),
        None => Ok(RootCerts::WebPki),
    }
}

fn certificates(path: &Path) -> Result<RootCerts> {
    let pem = disk::read(path, 16 << 20)?;
    let bad = |why: &str| Error::environment(format!("{} {why}", path.display()));
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| bad("is not PEM"))? {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(bad("holds no certificate")),
        false => Ok(RootCerts::from(found)),
    }
}
