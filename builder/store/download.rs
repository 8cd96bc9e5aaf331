//! A download that may be cut, resumed and started anew, and is whole and as pinned when it gets a name.
//!
//! `DIR/partial/KEY` holds the bytes so far, KEY being the SHA-256 of the URL; `KEY.from` the validator (RFC 9110,
//! section 8.8) of the answer that they came from. The rest is asked for with `Range` and `If-Range`, so that the
//! server sends everything if the file changed. Whoever downloads holds the lock on the partial file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::cache::{Store, hash};
use super::http::{Answer, Client, Failure};
use super::url::Url;
use super::{Options, Pin};
use crate::digest::Digest;
use crate::disk::{self, Access};
use crate::error::{Class, Error, Result};

/// How long to wait for another process that downloads the same.
const PATIENCE: Duration = Duration::from_secs(600);
/// Below this many bytes a second, over a whole time limit, a server is as good as silent.
const SLOWEST: u64 = 100;

/// One file that is to be downloaded.
pub(super) struct Download<'a> {
    pub store: &'a Store,
    pub client: &'a Client,
    pub url: &'a Url,
    pub name: &'a str,
    pub pin: Option<Pin>,
    pub limit: u64,
    pub options: &'a Options<'a>,
}

impl Download<'_> {
    /// Downloads it into the store.
    ///
    /// # Errors
    /// Other bytes than pinned: integrity, and nothing is kept. No usable answer: network, and what came is kept to
    /// be resumed.
    pub fn run(&self) -> Result<Pin> {
        let mut partial = Partial::open(self.store, self.url)?;
        if let Some(pin) = self.pin
            && self.store.check(&pin.digest, pin.size)?
        {
            return Ok(pin); // Another process had the lock before us.
        }
        if self.pin.is_none() {
            partial.clear()?; // What another run left could be told from a mixture by nothing.
        }
        let mut outcome = self.whole(&mut partial);
        if matches!(&outcome, Err(error) if error.class() == Class::Integrity) && partial.resumed {
            self.options.progress.note(&format!("{}: the resumed download is not what was pinned: anew", self.name));
            partial.clear()?;
            outcome = self.whole(&mut partial);
        }
        match outcome {
            Ok(pin) => partial.keep(self.store, &pin).map(|()| pin),
            Err(error) => {
                if error.class() != Class::Network {
                    partial.remove()?;
                }
                Err(error)
            }
        }
    }

    fn whole(&self, partial: &mut Partial) -> Result<Pin> {
        persist(self.options, || self.once(partial))?;
        let found = hash(&mut partial.file, &partial.path)?;
        match self.pin {
            Some(pin) if pin != found => Err(self.differs(&format!("sha256 {} ({} bytes)", found.digest, found.size))),
            _ => Ok(found),
        }
    }

    fn differs(&self, found: &str) -> Error {
        let pinned = self.pin.map(|pin| format!(", but sha256 {} ({} bytes) is pinned", pin.digest, pin.size));
        Error::integrity(format!("{} is {found}{}", self.url, pinned.unwrap_or_default()))
            .advise(format!("if the change is meant: `mastermold lock --update {}`", self.name))
    }

    fn once(&self, partial: &mut Partial) -> std::result::Result<(), Failure> {
        if partial.size > 0 && self.pin.is_some_and(|pin| partial.size >= pin.size) {
            partial.resumed = true; // Killed between the last byte and the name.
            return Ok(());
        }
        let rest = partial.validator.clone().filter(|_| partial.size > 0);
        let rest = rest.as_deref().map(|validator| (partial.size, validator));
        let mut answer = self.client.get(self.url, rest)?;
        if answer.status == 200 {
            self.check_length(&answer)?;
            partial.begin(&answer, self.pin.is_some())?;
        } else if rest.is_some() && self.continues(&answer, partial) {
            partial.resumed = true;
        } else {
            partial.clear()?;
            let message = format!("fetching {}: status {} instead of what was asked for", self.url, answer.status);
            return Err(Failure::Again(Error::network(message), None));
        }
        self.options.progress.begin(self.name, answer.length.map(|length| partial.size.saturating_add(length)));
        self.options.progress.advance(self.name, partial.size);
        self.receive(&mut answer, partial)
    }

    fn check_length(&self, answer: &Answer) -> Result<()> {
        match (self.pin, answer.length) {
            (Some(pin), Some(length)) if pin.size != length => Err(self.differs(&format!("{length} bytes"))),
            (None, Some(length)) if length > self.limit => Err(self.too_large()),
            (None, None) if !answer.framed => {
                let why = "the server does not say where it ends, so a cut connection could not be told";
                Err(Error::network(format!("fetching {}: {why}", self.url)))
            }
            _ => Ok(()),
        }
    }

    fn too_large(&self) -> Error {
        match self.pin {
            Some(pin) => self.differs(&format!("more than {} bytes", pin.size)),
            None => Error::policy(format!("{} has more than {} bytes", self.url, self.limit)),
        }
    }

    /// Whether a 206 is exactly the rest: `Content-Range: bytes FROM-TO/TOTAL`, of the same file.
    fn continues(&self, answer: &Answer, partial: &Partial) -> bool {
        let parse = |range: &str| -> Option<(u64, u64, u64)> {
            let (span, total) = range.strip_prefix("bytes ")?.split_once('/')?;
            let (from, to) = span.split_once('-')?;
            Some((from.parse().ok()?, to.parse().ok()?, total.parse().ok()?))
        };
        let Some((from, to, total)) = answer.range.as_deref().and_then(parse) else { return false };
        let same = answer.etag.is_none() || !partial.by_etag() || answer.etag == partial.validator;
        let expected = self.pin.map(|pin| pin.size).or(partial.total);
        answer.status == 206
            && same
            && from == partial.size
            && to.checked_add(1) == Some(total)
            && expected.is_none_or(|expected| expected == total)
    }

    fn receive(&self, answer: &mut Answer, partial: &mut Partial) -> std::result::Result<(), Failure> {
        let end = answer.length.map(|length| partial.size.saturating_add(length));
        let bound = self.pin.map_or(self.limit, |pin| pin.size);
        let cut = |why: &str| Failure::Again(Error::network(format!("fetching {}: {why}", self.url)), None);
        let mut pace = Pace::new(self.options.timeout);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = answer.read(&mut buffer)?;
            if count == 0 {
                let short = end.is_some_and(|end| partial.size < end)
                    || !answer.framed && self.pin.is_some_and(|pin| partial.size < pin.size);
                return if short { Err(cut("the connection was cut")) } else { Ok(()) };
            }
            if partial.size + count as u64 > bound {
                return Err(self.too_large().into());
            }
            partial.append(&buffer[..count])?;
            self.options.progress.advance(self.name, count as u64);
            if pace.is_too_slow(count) {
                return Err(cut(&format!("less than {SLOWEST} bytes a second")));
            }
        }
    }
}

/// Tries until it works, it cannot work, or the attempts are used up; waits a little longer each time.
pub(super) fn persist<T>(options: &Options, mut attempt: impl FnMut() -> std::result::Result<T, Failure>) -> Result<T> {
    let attempts = options.attempts.max(1);
    for count in 1.. {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(error, _)) if count >= attempts => {
                return Err(error.advise(format!("tried {attempts} times; try again later")));
            }
            Err(Failure::Again(error, wait)) => {
                options.progress.note(&format!("{error}; trying again"));
                let growing = Duration::from_millis(250) * 2u32.pow(count.min(5) - 1);
                std::thread::sleep(wait.unwrap_or(growing));
            }
        }
    }
    Err(Error::bug("attempts ended without an end"))
}

/// Finds a server that sends a byte now and then, so that no single wait is too long.
struct Pace {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(window: Duration) -> Pace {
        Pace { window, since: Instant::now(), bytes: 0 }
    }

    fn is_too_slow(&mut self, count: usize) -> bool {
        self.bytes += count as u64;
        let elapsed = self.since.elapsed();
        if elapsed < self.window {
            return false;
        }
        let slow = self.bytes < SLOWEST * elapsed.as_secs().max(1);
        *self = Pace::new(self.window);
        slow
    }
}

/// The bytes so far.
struct Partial {
    file: File,
    path: PathBuf,
    size: u64,
    /// What `If-Range` sends: a strong ETag, or a Last-Modified.
    validator: Option<String>,
    /// The size of the whole, if a server said it.
    total: Option<u64>,
    /// Whether bytes of more than one answer are in it.
    resumed: bool,
}

impl Partial {
    fn open(store: &Store, url: &Url) -> Result<Partial> {
        let path = store.directory().join("partial").join(Digest::of(url.full().as_bytes()).to_string());
        let file = lock(&path)?;
        let size = disk::size(&file)?;
        let mut partial = Partial { file, path, size, validator: None, total: None, resumed: false };
        partial.validator = match disk::kind(&partial.source())? {
            Some(_) => disk::read_text(&partial.source(), 4096).ok().filter(|text| !text.contains(char::is_control)),
            None => None,
        };
        match partial.validator {
            Some(_) => {
                partial.file.seek(SeekFrom::End(0)).map_err(|error| Error::io("reading", &partial.path, error))?
            }
            None => partial.clear().map(|()| 0)?,
        };
        Ok(partial)
    }

    fn source(&self) -> PathBuf {
        self.path.with_extension("from")
    }

    fn by_etag(&self) -> bool {
        self.validator.as_ref().is_some_and(|validator| validator.starts_with('"'))
    }

    /// Starts anew, from this answer. The validator is written before the first byte that it vouches for. A date may
    /// miss a change within a second, so it serves only where a pin will tell.
    fn begin(&mut self, answer: &Answer, pinned: bool) -> Result<()> {
        self.clear()?;
        self.total = answer.length;
        let etag = answer.etag.clone().filter(|etag| etag.starts_with('"'));
        self.validator = etag.or_else(|| answer.modified.clone().filter(|_| pinned));
        match &self.validator {
            Some(validator) => disk::write(&self.source(), validator.as_bytes(), Access::Private),
            None => Ok(()),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::io("writing", &self.path, error))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(|error| Error::io("clearing", &self.path, error))?;
        (self.size, self.validator, self.total, self.resumed) = (0, None, None, false);
        disk::remove_file(&self.source())
    }

    fn remove(&self) -> Result<()> {
        disk::remove_file(&self.path)?;
        disk::remove_file(&self.source())
    }

    fn keep(&self, store: &Store, pin: &Pin) -> Result<()> {
        store.keep(&self.file, &self.path, &pin.digest)?;
        disk::remove_file(&self.source())
    }
}

/// Opens and locks a partial file. Its last holder may have given it another name meanwhile: then the name is opened
/// again.
fn lock(path: &std::path::Path) -> Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let file = disk::open_private(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if disk::look(path)?.map(|look| look.identity) == Some(disk::look_open(&file)?.identity) => {
                return Ok(file);
            }
            Ok(()) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::busy(format!("{} is being downloaded by another mastermold", path.display()))
                    .advise("try again when it has ended"));
            }
            Err(error) => return Err(Error::io("locking", path, error.into())),
        }
    }
}
