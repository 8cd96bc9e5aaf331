//! ELF as far as it is wanted: header, segments, the dynamic section, the names of sections (System V ABI, "Object
//! Files" and "Program Loading"; elf(5)).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{Read, Seek};

use super::window::Window;

/// The most that is read of each table, in bytes, and of each text.
const TABLE: usize = 4 << 20;
const NAMES: usize = 1 << 20;
const TEXT: usize = 4096;
/// The most libraries that a program may want.
const LIBRARIES: usize = 1024;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
/// The type of a section that takes no place in the file.
const SHT_NOBITS: u32 = 8;
const EXECUTABLE: u32 = 1;
const WRITABLE: u32 = 2;

/// What kind of ELF file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Object code that is linked or loaded later, such as a kernel module (`ET_REL`).
    Relocatable,
    /// A program at a fixed address (`ET_EXEC`).
    Executable,
    /// A library, or a program that goes to any address (`ET_DYN`).
    Shared,
    /// A core dump, or a number that the ABI leaves to others.
    Other(u16),
}

/// The machine that a program is for, as ELF numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machine(pub u16);

/// The names that the kernel and most tools use; a number where there is none here.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            3 => f.write_str("i386"),
            20 => f.write_str("ppc"),
            21 => f.write_str("ppc64"),
            22 => f.write_str("s390"),
            40 => f.write_str("arm"),
            62 => f.write_str("x86_64"),
            183 => f.write_str("aarch64"),
            243 => f.write_str("riscv"),
            247 => f.write_str("bpf"),
            258 => f.write_str("loongarch"),
            other => write!(f, "machine {other}"),
        }
    }
}

/// A part of the file that is loaded, or that says how.
#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    size: u64,
}

/// A section that has bytes in the file.
#[derive(Clone, Copy, Debug)]
struct Section {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
}

/// The tables of an ELF file.
#[derive(Debug)]
pub(super) struct Elf {
    pub(super) bits: u8,
    pub(super) big_endian: bool,
    pub(super) machine: Machine,
    pub(super) kind: Kind,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    names: Option<Section>,
}

/// How numbers are stored.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    wide: bool,
    big: bool,
}

impl Numbers {
    /// For addresses of so many bytes.
    pub(super) fn new(pointer: u8, big: bool) -> Option<Numbers> {
        matches!(pointer, 4 | 8).then_some(Numbers { wide: pointer == 8, big })
    }

    /// Bytes of an address.
    pub(super) fn width(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    fn number(self, bytes: &[u8], at: usize, width: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(width)?)?;
        let join = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        Some(if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    }

    fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        self.number(bytes, at, 2)?.try_into().ok()
    }

    fn word(self, bytes: &[u8], at: usize) -> Option<u32> {
        self.number(bytes, at, 4)?.try_into().ok()
    }

    /// An address or an offset.
    pub(super) fn address(self, bytes: &[u8], at: usize) -> Option<u64> {
        self.number(bytes, at, self.width())
    }
}

impl Elf {
    /// The tables, if this is an ELF file whose header and segments are whole. Sections may be stripped.
    pub(super) fn read<R: Read + Seek>(file: &mut Window<R>) -> Option<Elf> {
        let start = file.bytes(0, 16, 16)?;
        let [0x7f, b'E', b'L', b'F', class @ 1..=2, order @ 1..=2, 1, ..] = start[..] else { return None };
        let numbers = Numbers { wide: class == 2, big: order == 2 };
        let length = if numbers.wide { 64 } else { 52 };
        let header = file.bytes(0, length, 64)?;
        let kind = match numbers.short(&header, 16)? {
            1 => Kind::Relocatable,
            2 => Kind::Executable,
            3 => Kind::Shared,
            other => Kind::Other(other),
        };
        let machine = Machine(numbers.short(&header, 18)?);
        let width = numbers.width();
        let (segments, sections) = (numbers.address(&header, 24 + width)?, numbers.address(&header, 24 + 2 * width)?);
        // After the three addresses and the flags: the header's size, then size and number of each table's entries.
        let rest = 24 + 3 * width + 4 + 2;
        let count = |index: usize| numbers.short(&header, rest + 2 * index);
        let segments = read_table(file, segments, count(0)?, count(1)?, |bytes| Segment::read(numbers, bytes))?;
        let sections = read_table(file, sections, count(2)?, count(3)?, |bytes| Section::read(numbers, bytes));
        let sections = sections.unwrap_or_default();
        let names = sections.get(usize::from(count(4)?)).copied();
        let bits = if numbers.wide { 64 } else { 32 };
        Some(Elf { bits, big_endian: numbers.big, machine, kind, segments, sections, names })
    }

    fn numbers(&self) -> Numbers {
        Numbers { wide: self.bits == 64, big: self.big_endian }
    }

    /// The program that starts it: none in the inner place if nothing does, none in the outer one if that is damaged.
    pub(super) fn interpreter<R: Read + Seek>(&self, file: &mut Window<R>) -> Option<Option<String>> {
        let Some(segment) = self.segments.iter().find(|segment| segment.kind == PT_INTERP) else { return Some(None) };
        let bytes = file.bytes(segment.offset, segment.size, TEXT)?;
        super::window::plain(bytes.strip_suffix(&[0])?).map(Some)
    }

    /// The libraries that it wants; none if the table of them is damaged.
    pub(super) fn needed<R: Read + Seek>(&self, file: &mut Window<R>) -> Option<Vec<String>> {
        let Some(segment) = self.segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else {
            return Some(Vec::new());
        };
        let bytes = file.bytes(segment.offset, segment.size, TABLE)?;
        let (numbers, width) = (self.numbers(), self.numbers().width());
        let entries = bytes.chunks_exact(2 * width).map_while(|entry| {
            let (tag, value) = (numbers.address(entry, 0)?, numbers.address(entry, width)?);
            (tag != DT_NULL).then_some((tag, value))
        });
        let entries: Vec<(u64, u64)> = entries.collect();
        let wanted: Vec<u64> = entries.iter().filter(|(tag, _)| *tag == DT_NEEDED).map(|(_, at)| *at).collect();
        if wanted.is_empty() {
            return Some(Vec::new());
        }
        let (_, names) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB)?;
        let names = self.offset(*names)?;
        let name = |at: &u64| file.text(names.checked_add(*at)?, TEXT);
        if wanted.len() > LIBRARIES {
            return None;
        }
        wanted.iter().map(name).collect()
    }

    /// Where in the file the byte of this address is.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        let loaded = self.segments.iter().filter(|segment| segment.kind == PT_LOAD);
        let inside =
            |segment: &&Segment| address.checked_sub(segment.address).is_some_and(|distance| distance < segment.size);
        let segment = loaded.clone().find(inside)?;
        segment.offset.checked_add(address - segment.address)
    }

    /// Where a section's bytes are in the file, and how many.
    pub(super) fn section<R: Read + Seek>(&self, wanted: &str, file: &mut Window<R>) -> Option<(u64, u64)> {
        let names = self.names.filter(|names| names.kind != SHT_NOBITS)?;
        let names = file.bytes(names.offset, names.size, NAMES)?;
        let is_it = |section: &&Section| {
            let name = usize::try_from(section.name).ok().and_then(|at| names.get(at..));
            let rest = name.and_then(|name| name.strip_prefix(wanted.as_bytes()));
            rest.is_some_and(|rest| rest.first() == Some(&0)) && section.kind != SHT_NOBITS
        };
        self.sections.iter().find(is_it).map(|section| (section.offset, section.size))
    }

    /// Where the first segment of writable data is in the file, and how many bytes of it: where Go's linker puts what has
    /// lost its section.
    pub(super) fn data(&self) -> Option<(u64, u64)> {
        let is_data =
            |segment: &&Segment| segment.kind == PT_LOAD && segment.flags & (EXECUTABLE | WRITABLE) == WRITABLE;
        self.segments.iter().find(is_data).map(|segment| (segment.offset, segment.size))
    }
}

/// The entries of a table, if all of it is there.
fn read_table<R: Read + Seek, T>(
    file: &mut Window<R>,
    at: u64,
    size: u16,
    count: u16,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<Vec<T>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let bytes = file.bytes(at, u64::from(size) * u64::from(count), TABLE)?;
    bytes.chunks_exact(usize::from(size).max(1)).map(read).collect()
}

impl Segment {
    fn read(numbers: Numbers, bytes: &[u8]) -> Option<Segment> {
        let width = numbers.width();
        // The flags moved between the classes, for alignment.
        let (flags, first) = if numbers.wide { (4, 8) } else { (24, 4) };
        Some(Segment {
            kind: numbers.word(bytes, 0)?,
            flags: numbers.word(bytes, flags)?,
            offset: numbers.address(bytes, first)?,
            address: numbers.address(bytes, first + width)?,
            size: numbers.address(bytes, first + 3 * width)?,
        })
    }
}

impl Section {
    fn read(numbers: Numbers, bytes: &[u8]) -> Option<Section> {
        let width = numbers.width();
        Some(Section {
            name: numbers.word(bytes, 0)?,
            kind: numbers.word(bytes, 4)?,
            offset: numbers.address(bytes, 8 + 2 * width)?,
            size: numbers.address(bytes, 8 + 3 * width)?,
        })
    }
}
