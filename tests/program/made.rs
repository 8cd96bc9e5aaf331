//! Small ELF files with Go's build information, in every form that Go ever wrote it.

/// What a made file is like.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Addresses of eight bytes, not four.
    pub wide: bool,
    /// The most significant byte first.
    pub big: bool,
    /// Texts after their lengths (Go 1.18 and later), not pointers to strings.
    pub inline: bool,
    /// No sections: they were stripped.
    pub stripped: bool,
}

/// Where the data is in the file, and where in memory.
const DATA: u64 = 0x200;
const BASE: u64 = 0x40_0000;

impl Form {
    fn number(self, width: usize, value: u64) -> Vec<u8> {
        match self.big {
            true => value.to_be_bytes()[8 - width..].to_vec(),
            false => value.to_le_bytes()[..width].to_vec(),
        }
    }

    fn width(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    fn address(self, value: u64) -> Vec<u8> {
        self.number(self.width(), value)
    }

    fn build_information(self, version: &str, modules: &[u8]) -> Vec<u8> {
        let mut bytes = b"\xff Go buildinf:".to_vec();
        bytes.push(self.width() as u8);
        bytes.push(u8::from(self.big) | if self.inline { 2 } else { 0 });
        if self.inline {
            bytes.resize(32, 0);
            for text in [version.as_bytes(), modules] {
                bytes.extend(varint(text.len()));
                bytes.extend(text);
            }
            return bytes;
        }
        // Behind the header two strings of pointer and length, behind them what they point to.
        let at = BASE + DATA;
        let (texts, width) = (at + 32 + 4 * self.width() as u64, self.width() as u64);
        bytes.extend(self.address(at + 32));
        bytes.extend(self.address(at + 32 + 2 * width));
        bytes.resize(32, 0);
        for (start, length) in [(texts, version.len()), (texts + version.len() as u64, modules.len())] {
            bytes.extend(self.address(start));
            bytes.extend(self.address(length as u64));
        }
        bytes.extend(version.as_bytes());
        bytes.extend(modules);
        bytes
    }

    /// A static program with these texts of Go's.
    pub fn program(self, version: &str, modules: &[u8]) -> Vec<u8> {
        let data = self.build_information(version, modules);
        let names = b"\0.shstrtab\0.go.buildinfo\0";
        let names_at = DATA + data.len() as u64;
        let sections_at = names_at + names.len() as u64;
        let (short, word) = (|value| self.number(2, value), |value| self.number(4, value));
        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([if self.wide { 2 } else { 1 }, if self.big { 2 } else { 1 }, 1]);
        bytes.resize(16, 0);
        let (header, segment, section) = if self.wide { (64, 56, 64) } else { (52, 32, 40) };
        let (count, sections_at) = if self.stripped { (0, 0) } else { (3, sections_at) };
        for part in [short(2), short(62), word(1), self.address(BASE), self.address(header), self.address(sections_at)]
        {
            bytes.extend(part);
        }
        bytes.extend(word(0));
        for part in [header, segment, 1, section, count, if self.stripped { 0 } else { 1 }] {
            bytes.extend(short(part));
        }
        let (readable_writable, size) = (word(6), self.address(data.len() as u64));
        bytes.extend(word(1));
        let place = [self.address(DATA), self.address(BASE + DATA), self.address(BASE + DATA), size.clone(), size];
        match self.wide {
            true => {
                bytes.extend(readable_writable);
                bytes.extend(place.concat());
            }
            false => {
                bytes.extend(place.concat());
                bytes.extend(readable_writable);
            }
        }
        bytes.extend(self.address(16));
        bytes.resize(DATA as usize, 0);
        bytes.extend(&data);
        if self.stripped {
            return bytes;
        }
        bytes.extend(names);
        for (name, kind, address, at, size) in
            [(0, 0, 0, 0, 0), (1, 3, 0, names_at, names.len()), (11, 1, BASE + DATA, DATA, data.len())]
        {
            bytes.extend(word(name));
            bytes.extend(word(kind));
            for value in [0, address, at, size as u64] {
                bytes.extend(self.address(value));
            }
            bytes.extend([word(0), word(0)].concat());
            bytes.extend([self.address(1), self.address(0)].concat());
        }
        bytes
    }
}

/// What Go puts around the modules.
pub fn framed(modules: &str) -> Vec<u8> {
    let start = [0x30, 0x77, 0xaf, 0x0c, 0x92, 0x74, 0x08, 0x02, 0x41, 0xe1, 0xc1, 0x07, 0xe6, 0xd6, 0x18, 0xe6];
    let end = [0xf9, 0x32, 0x43, 0x31, 0x86, 0x18, 0x20, 0x72, 0x00, 0x82, 0x42, 0x10, 0x41, 0x16, 0xd8, 0xf2];
    [&start[..], modules.as_bytes(), &end].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
