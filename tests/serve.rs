//! The lab's server over real connections: what a client that keeps to no rule gets, and that none holds the others.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at the disk, and panic")]

#[path = "support/lab.rs"]
mod lab;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use lab::Lab;
use mastermold::boot::Watcher;
use mastermold::boot::serve::{Root, Secrets, Server};

/// What was noted.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Watcher for Notes {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    fn detail(&self, _: &str) {}

    fn console(&self, _: &str) -> mastermold::error::Result<()> {
        Ok(())
    }
}

/// Serves a lab while something is asked of it; what was noted.
fn served(secrets: Secrets, ask: impl FnOnce(SocketAddr, &Lab)) -> Vec<String> {
    let lab = Lab::new();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Root::open(lab.root(), secrets).unwrap()).unwrap();
    let notes = Notes::default();
    thread::scope(|scope| {
        scope.spawn(|| server.run(&notes));
        ask(server.address(), &lab);
        server.stop().stop();
    });
    notes.0.into_inner().unwrap()
}

/// Sends bytes and reads until the end: head and body.
fn ask(address: SocketAddr, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let end = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(reply[..end].to_vec()).unwrap(), reply[end..].to_vec())
}

fn get(address: SocketAddr, path: &str, fields: &str) -> (String, Vec<u8>) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: lab\r\n{fields}\r\n"))
}

#[test]
fn a_file_a_part_and_a_head() {
    let notes = served(Secrets::Refused, |address, lab| {
        let whole = lab.read("public/boot/base");
        let (head, body) = get(address, "/boot/base", "");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", whole.len())), "{head}");
        assert_eq!(body, whole);
        let (head, body) = get(address, "/boot/base", "Range: bytes=1-3\r\n");
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert!(head.contains(&format!("Content-Range: bytes 1-3/{}\r\n", whole.len())), "{head}");
        assert_eq!(body, whole[1..4]);
        let (head, body) = ask(address, "HEAD /boot/base HTTP/1.0\r\n\r\n");
        assert!(head.contains(&format!("Content-Length: {}\r\n", whole.len())) && body.is_empty(), "{head}");
    });
    // Each connection notes at its own end: in any order.
    assert!(notes.contains(&"127.0.0.1 GET /boot/base 206 3".to_owned()), "{notes:?}");
}

#[test]
fn secrets_only_where_they_are_asked_for() {
    let code = |address, path| get(address, path, "").0[9..12].to_owned();
    served(Secrets::Refused, |address, _| {
        assert_eq!(code(address, "/secrets/m0/secrets"), "403");
        assert_eq!(code(address, "/x/../secrets/m0/secrets"), "404");
    });
    served(Secrets::Served, |address, lab| {
        assert_eq!(get(address, "/secrets/m0/secrets", "").1, lab.read("secrets/m0/secrets"));
        assert_eq!(code(address, "/secrets/admin/admin.conf"), "403");
    });
}

#[test]
fn a_file_that_is_replaced_by_a_symlink_is_gone() {
    served(Secrets::Refused, |address, lab| {
        let path = lab.root().join("public/boot/base");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
        let (head, body) = get(address, "/boot/base", "");
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        assert!(String::from_utf8(body).unwrap().contains("cannot be read"));
    });
}

#[test]
fn nobody_holds_the_others_nor_the_end() {
    let begun = Instant::now();
    served(Secrets::Refused, |address, _| {
        // All but one of those who are served at once say nothing.
        let idle: Vec<_> = (0..63).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert!(get(address, "/boot/base", "").0.starts_with("HTTP/1.1 200 "));
        // Before the first of them is given up.
        assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
        drop(idle);
        std::mem::forget(TcpStream::connect(address).unwrap());
    });
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn who_keeps_talking_after_a_refusal_is_left() {
    served(Secrets::Refused, |address, _| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\n\r\n").unwrap();
        let begun = Instant::now();
        while stream.write_all(b"x").is_ok() && begun.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(100));
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    });
}
