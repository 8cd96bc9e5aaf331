//! A small read-only HTTP server for a lab: GET and HEAD of what a release's sums name, and nothing else.
//!
//! A thread serves a connection, and a connection is one request: what a machine fetches at boot are few and large
//! files. How many there are, how long a head is, how long it takes to come and how slowly a reply may go is bounded,
//! so that nobody holds the server.

pub mod dnsmasq;
mod range;
mod reply;
mod request;
mod root;

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Watcher;
use crate::error::{Error, Result};

pub use range::Range;
pub use reply::{Refusal, Status};
pub use request::{Method, Request};
pub use root::{Root, Secrets};

/// How many connections are served at once; the others wait in the kernel's queue.
const MOST: usize = 64;
/// How long a request's head may take to come.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may take nothing of a reply.
const SILENCE: Duration = Duration::from_secs(20);
/// The fewest bytes a second that a client must take, after a first minute.
const SLOWEST: u64 = 16 << 10;
/// How long replies that are on their way may take when the server is stopped.
const GRACE: Duration = Duration::from_secs(5);

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    root: Root,
    stopping: Arc<AtomicBool>,
}

/// What ends a server from elsewhere.
#[derive(Clone, Debug)]
pub struct Stop {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl Stop {
    /// Has the server take no connection any more, and end when the replies that are on their way are out.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // It waits for a connection: this is one. If there can be none, somebody else's will come.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    streams: Mutex<BTreeMap<u64, TcpStream>>,
    fewer: Condvar,
}

impl Open {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for another.
    fn wait_for_room(&self) {
        let mut streams = self.streams();
        while streams.len() >= MOST {
            streams = self.fewer.wait(streams).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until all have ended, but not longer than that, and then ends them.
    fn finish(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut streams = self.streams();
        while let Some(rest) = deadline.checked_duration_since(Instant::now()).filter(|_| !streams.is_empty()) {
            streams = self.fewer.wait_timeout(streams, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        for stream in streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Takes the connection out of the open ones, however its thread ends.
struct Served<'a> {
    open: &'a Open,
    number: u64,
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.open.streams().remove(&self.number);
        self.open.fewer.notify_all();
    }
}

impl Server {
    /// Listens; connections wait until [`Server::run`].
    pub fn bind(address: SocketAddr, root: Root) -> Result<Server> {
        let bound = TcpListener::bind(address).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = bound.map_err(|error| {
            Error::environment(format!("listening on {address}: {error}")).advise("take another with --listen")
        })?;
        Ok(Server { listener, address, root, stopping: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it.
    pub fn stop(&self) -> Stop {
        Stop { address: self.address, stopping: self.stopping.clone() }
    }

    /// Serves until it is stopped.
    pub fn run(&self, watcher: &dyn Watcher) {
        let open = Open::default();
        thread::scope(|scope| {
            for number in 0.. {
                open.wait_for_room();
                let accepted = self.listener.accept();
                if self.stopping.load(Ordering::SeqCst) {
                    break;
                }
                let Ok((stream, peer)) = accepted else {
                    // Too many open files, or a connection that is gone already: neither is better at once.
                    thread::sleep(Duration::from_millis(50));
                    continue;
                };
                let Ok(kept) = stream.try_clone() else { continue };
                open.streams().insert(number, kept);
                let served = Served { open: &open, number };
                scope.spawn(move || {
                    let _served = served;
                    self.serve(stream, peer, watcher);
                });
            }
            open.finish(GRACE);
        });
    }

    /// One connection: a request, a reply, a line about it.
    fn serve(&self, mut stream: TcpStream, peer: SocketAddr, watcher: &dyn Watcher) {
        let request = match request::read(&mut stream, Instant::now() + HEAD) {
            Ok(Some(request)) => request,
            // Somebody looked whether we are there.
            Ok(None) => return,
            Err(refusal) => {
                let status = refusal.status;
                let sent = reply::refuse(&mut stream, refusal, reply::Body::Sent);
                watcher.note(&format!("{} - {} {}", peer.ip(), status.code(), sent.shown()));
                return;
            }
        };
        let (status, sent) = reply::answer(&mut stream, &request, &self.root);
        watcher.note(&format!(
            "{} {} {} {} {}",
            peer.ip(),
            request.method.name(),
            request.shown(),
            status.code(),
            sent.shown()
        ));
    }
}
