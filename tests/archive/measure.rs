//! Speed, size and memory, for `docs/decisions/codecs.md`. Not a test: run one at a time, in release, with time(1):
//!
//! ```text
//! cargo test --release --test archive --no-run
//! MEASURE="tar.zst 9 2 256 noise:4096" /usr/bin/time -v target/release/deps/archive-* --ignored --exact measure::run
//! ```
//!
//! Format, level, workers, memory in MiB, and the input: `zeros:MIB`, `noise:MIB` or a path. `sha256` in place of a format
//! hashes a path's file. `make bench` runs it too.

use std::io::{Read, Write};
use std::time::Instant;

use mastermold::archive::{NoPieces, Packing, pack};
use mastermold::digest::{Digest, HashWriter};
use mastermold::epoch::Epoch;
use mastermold::error::Result;
use mastermold::tree::{Blobs, Content, Entry, Node, Tree};

/// Files of up to 3 GiB of zeros or noise, or one from the disk.
struct Input(String);

impl Blobs for Input {
    fn open(&self, digest: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>> {
        let seed = u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap());
        Ok(match self.0.split_once(':') {
            Some(("zeros", _)) => Box::new(std::io::repeat(0).take(size)),
            Some(("noise", _)) => Box::new(super::Noise(seed).take(size)),
            _ => Box::new(std::fs::File::open(&self.0).unwrap()),
        })
    }
}

struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "a measurement, for people"]
fn run() {
    let words = std::env::var("MEASURE").unwrap();
    let words: Vec<_> = words.split(' ').collect();
    let [format, level, workers, memory, input] = words[..] else { panic!("five words") };
    if format == "sha256" {
        let mut hashed = HashWriter::new(std::io::sink());
        std::io::copy(&mut std::fs::File::open(input).unwrap(), &mut hashed).unwrap();
        return println!("{words:?}: {}", hashed.finish().1);
    }
    let total = match input.split_once(':') {
        Some((_, mebibytes)) => mebibytes.parse::<u64>().unwrap() << 20,
        None => std::fs::metadata(input).unwrap().len(),
    };
    let part = 3 << 30;
    let files = (0..total.div_ceil(part)).map(|index| {
        let content = Content::Blob { digest: Digest::of(&[index as u8]), size: part.min(total - index * part) };
        (format!("/{index}").parse().unwrap(), Entry::new(Node::File(content), "measure"))
    });
    let tree = Tree::from_iter(files);
    let packing = Packing {
        format: format.parse().unwrap(),
        level: level.parse().unwrap(),
        mtime: Epoch::FILES,
        workers: workers.parse().unwrap(),
        memory: memory.parse::<u64>().unwrap() << 20,
    };
    let (start, mut out) = (Instant::now(), Count(0));
    pack(&tree, &Input(input.into()), &NoPieces, &packing, &mut out).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let (speed, ratio) = (total as f64 / 1e6 / seconds, total as f64 / out.0 as f64);
    println!("{words:?}: {seconds:.2} s, {speed:.1} MB/s, {} bytes, ratio {ratio:.3}", out.0);
}
