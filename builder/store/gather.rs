//! [`gather`]: many requests at once, each from the store if it is there.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::apt::{self, Apt};
use super::cache::Store;
use super::download::{Download, persist};
use super::http::{Client, Failure};
use super::members::members;
use super::unpack::Limits;
use super::url::{Scheme, Url};
use super::{Gathered, Location, Options, Package, Pin, Request, debian};
use crate::disk;
use crate::error::{Error, Result};

/// Gets everything into the store, `options.jobs` at a time; the results are in the order of the requests.
///
/// With a pin it comes from the store if it is there and whole, else it is fetched and compared before it gets a name.
/// Without one it is fetched, and what came is the result's pin. An input that several requests name is fetched once.
///
/// # Errors
/// Per request: other bytes than pinned, integrity; no usable answer, or offline and not in the store, network; an
/// unsafe archive or one that is too large, policy.
pub fn gather(store: &Store, requests: &[Request], options: &Options) -> Vec<Result<Gathered>> {
    let gatherer = Gatherer::new(store, requests, options);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((index, request)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            requests.get(index).map(|request| (index, request))
        } {
            done.push((index, gatherer.one(request)));
        }
        done
    };
    let mut results = std::thread::scope(|scope| {
        let jobs = options.jobs.clamp(1, requests.len().max(1));
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect::<BTreeMap<_, _>>()
    });
    let lost = || Err(Error::bug("a worker was lost"));
    (0..requests.len()).map(|index| results.remove(&index).unwrap_or_else(lost)).collect()
}

/// A small text from a server or a file, of at most `limit` bytes; it is not stored.
pub fn text(_store: &Store, url: &str, limit: u64, options: &Options) -> Result<String> {
    let url = Url::parse(url)?;
    if url.scheme == Scheme::File {
        return disk::read_text(&url.file_path()?, limit);
    }
    if options.offline {
        return Err(offline(&url.to_string()));
    }
    let client = Client::new(options.timeout)?;
    let bytes = persist(options, || text_once(&client, &url, limit))?;
    String::from_utf8(bytes).map_err(|_| Error::network(format!("{url} is not UTF-8")))
}

fn text_once(client: &Client, url: &Url, limit: u64) -> std::result::Result<Vec<u8>, Failure> {
    let mut answer = client.get(url, None)?;
    if answer.status != 200 || !answer.framed {
        return Err(Error::network(format!("fetching {url}: status {} without a plain body", answer.status)).into());
    }
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match answer.read(&mut buffer)? {
            0 if answer.length.is_some_and(|length| length != bytes.len() as u64) => {
                return Err(Failure::Again(Error::network(format!("fetching {url}: the connection was cut")), None));
            }
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
        if bytes.len() as u64 > limit {
            return Err(Error::policy(format!("{url} has more than {limit} bytes")).into());
        }
    }
}

fn offline(what: &str) -> Error {
    Error::network(format!("{what} is not in the store, and --offline fetches nothing"))
        .advise("run `mastermold fetch`")
}

/// What fetching gave.
#[derive(Clone)]
struct Fetched {
    pin: Pin,
    package: Option<apt::Offered>,
    packages: Vec<Package>,
}

impl Fetched {
    fn plain(pin: Pin) -> Fetched {
        Fetched { pin, package: None, packages: Vec::new() }
    }
}

type Key<'a> = (&'a Location, Option<Pin>);

struct Gatherer<'a> {
    store: &'a Store,
    options: &'a Options<'a>,
    client: OnceLock<Result<Client>>,
    apt: Apt<'a>,
    /// One cell for each different input: who comes second waits for who came first.
    fetched: BTreeMap<Key<'a>, OnceLock<Result<Fetched>>>,
}

impl<'a> Gatherer<'a> {
    fn new(store: &'a Store, requests: &'a [Request], options: &'a Options<'a>) -> Gatherer<'a> {
        let key = |request: &'a Request| ((&request.location, request.pin), OnceLock::new());
        let fetched = requests.iter().map(key).collect();
        Gatherer { store, options, client: OnceLock::new(), apt: Apt::new(store), fetched }
    }

    fn one(&self, request: &Request) -> Result<Gathered> {
        let bug = || Error::bug("an input without a cell");
        let cell = self.fetched.get(&(&request.location, request.pin)).ok_or_else(bug)?;
        let source = format!("source {}", request.name);
        let fetched = cell.get_or_init(|| self.obtain(request)).clone();
        let Fetched { pin, package, packages } = fetched.map_err(|error| error.context(&source))?;
        let members = match request.members.is_empty() {
            true => Vec::new(),
            false => members(self.store, &pin, &source, &request.members, &Limits::default())?,
        };
        let (version, resolved) = package.map(|package| (package.version, package.file_name)).unzip();
        Ok(Gathered { pin, version, resolved, members, packages })
    }

    fn obtain(&self, request: &Request) -> Result<Fetched> {
        if let Some(pin) = request.pin
            && self.store.check(&pin.digest, pin.size)?
        {
            return Ok(Fetched::plain(pin));
        }
        let plain = Fetched::plain;
        match &request.location {
            Location::Path(path) => self.file(request, path).map(plain),
            Location::Url(url) => {
                let url = Url::parse(url)?;
                match url.scheme {
                    Scheme::File => self.file(request, &url.file_path()?).map(plain),
                    _ => self.download(request, &url).map(plain),
                }
            }
            Location::Deb { package, version, arch } => self.deb(request, package, version.as_deref(), arch),
            Location::Debian { suite, packages, arch, epoch, versions } => {
                if self.options.offline {
                    return Err(offline(&format!("the Debian system {suite} ({arch})")));
                }
                let system = debian::System { suite, packages, arch, epoch: *epoch, versions };
                self.options.progress.note(&format!("making the Debian system {suite} ({arch})"));
                let (pin, packages) = system.make(self.store, request.pin.as_ref(), &request.name)?;
                Ok(Fetched { pin, package: None, packages })
            }
        }
    }

    fn file(&self, request: &Request, path: &Path) -> Result<Pin> {
        if !path.is_absolute() {
            return Err(Error::usage(format!("{} is not an absolute path", path.display())));
        }
        let mut file = disk::open(path)?;
        self.take(request, &mut file, &path.display().to_string())
    }

    /// Stores what `source` gives, if it is as pinned.
    fn take(&self, request: &Request, source: &mut dyn Read, name: &str) -> Result<Pin> {
        if let Some(pin) = request.pin {
            let advice = format!("if the change is meant: `mastermold lock --update {}`", request.name);
            return self.store.add_pinned(source, name, &pin).map(|()| pin).map_err(|error| error.advise(advice));
        }
        let added = self.store.add(source, request.limit).map_err(|error| error.context(name));
        added.map(|(digest, size)| Pin { digest, size })
    }

    fn download(&self, request: &Request, url: &Url) -> Result<Pin> {
        let Request { name, pin, limit, .. } = request;
        if self.options.offline {
            return Err(offline(&url.to_string()));
        }
        let client = self.client.get_or_init(|| Client::new(self.options.timeout)).as_ref().map_err(Clone::clone)?;
        let (store, options) = (self.store, self.options);
        let result = Download { store, client, url, name, pin: *pin, limit: *limit, options }.run();
        options.progress.end(name);
        result
    }

    fn deb(&self, request: &Request, package: &str, version: Option<&str>, arch: &str) -> Result<Fetched> {
        let shown = version.map_or_else(|| package.to_owned(), |version| format!("{package}={version}"));
        if self.options.offline {
            return Err(offline(&format!("Debian package {shown} ({arch})")));
        }
        self.options.progress.begin(&request.name, request.pin.map(|pin| pin.size));
        let result = self.apt.fetch(&request.name, package, version, arch, |package, file| {
            let indexed = Pin { digest: package.digest, size: package.size };
            if request.pin.is_none() && indexed.size > request.limit {
                return Err(Error::policy(format!("{shown} has more than {} bytes", request.limit)));
            }
            if request.pin.is_some_and(|pin| pin != indexed) {
                let what = format!("{shown} ({arch}) has another digest in apt's index than the pinned one");
                return Err(Error::integrity(what)
                    .advise(format!("if the change is meant: `mastermold lock --update {}`", request.name)));
            }
            self.store.add_pinned(file, &shown, &indexed)?;
            Ok(Fetched { package: Some(package.clone()), ..Fetched::plain(indexed) })
        });
        self.options.progress.end(&request.name);
        result
    }
}
