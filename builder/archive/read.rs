//! [`read`]: the entries of an archive, strictly.

use std::io::{self, Read};

use super::decode::{self, Plain, damaged};
use super::format::{Container, Format};
use super::header::Header;
use super::order::Order;
use super::parts::Cuts;
use super::{cpio, limits, tar};
use crate::error::{Error, Result};

/// Reads an archive that [`pack`](fn@super::pack) wrote and shows each entry to `visit`, with its contents. Contents that
/// `visit` leaves unread are skipped.
///
/// Memory is bounded, whatever comes. What was visited is to be trusted only once this returned Ok: a codec's checksum
/// stands at the end.
///
/// # Errors
/// Integrity: anything that our writer does not write, and anything behind the end. Environment: reading failed. And
/// what `visit` returned.
pub fn read(
    source: &mut dyn Read,
    format: Format,
    visit: &mut dyn FnMut(&Header, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let plain = decode::open(source, format.codec)?;
    let mut stream =
        Stream { plain, at: 0, order: Order::default(), mtime: None, number: 0, cuts: Cuts::default(), parts: 0 };
    loop {
        let (start, ended) = (stream.at, stream.plain.ended());
        let header = match format.container {
            Container::Tar => stream.tar()?,
            Container::Cpio => stream.cpio()?,
        };
        let Some(header) = header else {
            // The end is a part too.
            stream.cut(true, ended)?;
            break;
        };
        stream.accept(&header, format.container)?;
        let size = header.size();
        let length = stream.at - start + size.next_multiple_of(format.container.block());
        let begins = stream.cuts.next(&header.path, length, size);
        stream.cut(begins, ended)?;
        let mut contents = Contents { stream: &mut stream, left: size };
        visit(&header, &mut contents)?;
        contents.skip()?;
        stream.zeros(size.next_multiple_of(format.container.block()) - size)?;
    }
    stream.end()
}

/// The plain bytes, and how far we are.
struct Stream<'a> {
    plain: Box<dyn Plain + 'a>,
    at: u64,
    order: Order,
    mtime: Option<u64>,
    number: u32,
    cuts: Cuts,
    /// How many parts began so far.
    parts: u64,
}

impl Stream<'_> {
    /// The next header of a tar; none at the end.
    fn tar(&mut self) -> Result<Option<Header>> {
        let mut block = [0; tar::BLOCK];
        self.fill(&mut block)?;
        if block == [0; tar::BLOCK] {
            self.zeros((tar::END.len() - tar::BLOCK) as u64)?;
            return Ok(None);
        }
        let mut raw = block.to_vec();
        let mut pax = tar::Pax::default();
        if let Some(size) = tar::announces_pax(&block).map_err(|why| self.wrong(why))? {
            let records = self.bytes(size.next_multiple_of(tar::BLOCK as u64) as usize)?;
            pax = tar::Pax::parse(&records[..size as usize]).map_err(|why| self.wrong(why))?;
            self.fill(&mut block)?;
            raw.extend_from_slice(&records);
            raw.extend_from_slice(&block);
        }
        let header = tar::decode(&block, pax).map_err(|why| self.wrong(why))?;
        self.compare(&header, &raw, &tar::encode(&header), tar::field_at)?;
        Ok(Some(header))
    }

    /// The next header of a cpio; none at the end.
    fn cpio(&mut self) -> Result<Option<Header>> {
        let start = self.at;
        let mut fixed = [0; cpio::HEADER];
        self.fill(&mut fixed)?;
        let numbers = cpio::Numbers::parse(&fixed).map_err(|why| self.wrong(why))?;
        let name = self.bytes(numbers.name_length().map_err(|why| self.wrong(why))?)?;
        let mut raw = fixed.to_vec();
        raw.extend_from_slice(&name);
        if cpio::is_end(&name) {
            return self.cpio_end(start, raw).map(|()| None);
        }
        let target = match numbers.target_length().map_err(|why| self.wrong(why))? {
            Some(length) => Some(self.bytes(length)?),
            None => None,
        };
        raw.extend_from_slice(target.as_deref().unwrap_or_default());
        let header = numbers.decode(&name, target.as_deref()).map_err(|why| self.wrong(why))?;
        self.number = self.number.wrapping_add(1);
        self.compare(&header, &raw, &cpio::encode(&header, self.number), cpio::field_at)?;
        Ok(Some(header))
    }

    fn cpio_end(&mut self, start: u64, mut raw: Vec<u8>) -> Result<()> {
        let padding = self.at.next_multiple_of(cpio::RECORD) - self.at;
        raw.extend(self.bytes(padding as usize)?);
        if raw != cpio::end(start)? {
            return Err(self.wrong("the end is not as mastermold writes it"));
        }
        Ok(())
    }

    /// That a header is, byte for byte, what we would write for what it says.
    fn compare(
        &self,
        header: &Header,
        raw: &[u8],
        ours: &Result<Vec<u8>>,
        field: fn(usize) -> &'static str,
    ) -> Result<()> {
        let ours = ours.as_deref().unwrap_or_default();
        if raw == ours {
            return Ok(());
        }
        let at = raw.iter().zip(ours).take_while(|(a, b)| a == b).count();
        Err(self.wrong(format!("the header of {} is not as mastermold writes it: {}", header.path, field(at))))
    }

    /// That an entry may come here.
    fn accept(&mut self, header: &Header, container: Container) -> Result<()> {
        let directory = header.kind == super::HeaderKind::Directory;
        self.order.next(&header.path, directory).map_err(damaged)?;
        if let Some(why) = limits::header_faults(header, container).first() {
            return Err(damaged(format!("{} {why}", header.path)));
        }
        if *self.mtime.get_or_insert(header.mtime) != header.mtime {
            return Err(damaged(format!("{} has another modification time than what came before", header.path)));
        }
        Ok(())
    }

    /// That frames end where parts do, and nowhere else: the kernel takes no frame that ends inside an entry. `ended` frames
    /// stand before an entry that begins a part or goes on with one.
    fn cut(&mut self, begins: bool, ended: Option<u64>) -> Result<()> {
        self.parts += u64::from(begins);
        match ended {
            Some(ended) if ended + 1 != self.parts => Err(self.wrong("a frame ends where mastermold ends none")),
            _ => Ok(()),
        }
    }

    /// That nothing is left.
    fn end(&mut self) -> Result<()> {
        match self.some(&mut [0])? {
            0 => Ok(()),
            _ => Err(damaged("there are bytes behind its end")),
        }
    }

    fn wrong(&self, why: impl std::fmt::Display) -> Error {
        damaged(format!("{}: {why}", self.order.place()))
    }

    /// This many bytes; the callers bound it.
    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// This many zeros, up to 512.
    fn zeros(&mut self, length: u64) -> Result<()> {
        let bytes = self.bytes(length as usize)?;
        if bytes.iter().any(|&byte| byte != 0) {
            return Err(self.wrong("padding is not zero"));
        }
        Ok(())
    }

    fn fill(&mut self, mut room: &mut [u8]) -> Result<()> {
        while !room.is_empty() {
            match self.some(room)? {
                0 => return Err(self.wrong("it ends too early")),
                count => room = &mut room[count..],
            }
        }
        Ok(())
    }

    fn some(&mut self, room: &mut [u8]) -> Result<usize> {
        loop {
            match self.plain.read(room) {
                Ok(count) => {
                    self.at += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", "the archive", error)),
            }
        }
    }
}

/// The contents of one entry.
struct Contents<'s, 'a> {
    stream: &'s mut Stream<'a>,
    left: u64,
}

impl Contents<'_, '_> {
    fn some(&mut self, room: &mut [u8]) -> Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        let count = self.stream.some(&mut room[..limit])?;
        if count == 0 && limit > 0 {
            return Err(self.stream.wrong("it ends inside these contents"));
        }
        self.left -= count as u64;
        Ok(count)
    }

    fn skip(&mut self) -> Result<()> {
        let mut room = [0; 16 << 10];
        while self.left > 0 {
            self.some(&mut room)?;
        }
        Ok(())
    }
}

impl Read for Contents<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.some(room).map_err(Error::into_io)
    }
}
