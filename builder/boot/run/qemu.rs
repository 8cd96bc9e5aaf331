//! QEMU's command line for a machine.

use std::ffi::OsString;
use std::path::PathBuf;

use super::accelerator::Accelerator;
use super::disk::Attached;
use super::programs::value;
use crate::error::Result;

/// A machine as QEMU is told of it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Who it is: the `product_uuid` of its firmware.
    pub uuid: String,
    /// What it starts from.
    pub start: Start,
    /// Who executes its instructions.
    pub accelerator: Accelerator,
    /// Bytes of memory.
    pub memory: u64,
    /// How many processors.
    pub cpus: u16,
    /// Its network cards, in order.
    pub cards: Vec<Card>,
    /// Its disks, in order.
    pub disks: Vec<Attached>,
    /// Where its second serial port writes.
    pub second_serial: Option<PathBuf>,
}

/// What a machine starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A kernel in its memory.
    Direct {
        /// The kernel.
        kernel: PathBuf,
        /// Its initrd.
        initrd: PathBuf,
        /// Its command line.
        cmdline: String,
    },
    /// Its first network card, by the card's own iPXE.
    Bios,
    /// Its first network card, by UEFI.
    Uefi {
        /// The firmware's code.
        code: PathBuf,
        /// The firmware's variables, which it writes.
        variables: PathBuf,
    },
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its address.
    pub mac: String,
    /// Where its wire goes.
    pub wire: Wire,
}

/// Where a wire goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A segment that machines of this host share: UDP multicast that does not leave the loopback.
    Segment {
        /// Its port.
        port: u16,
    },
    /// The host's network, by QEMU's own router.
    User {
        /// What that router serves.
        tftp: Option<Tftp>,
    },
}

/// A directory served by TFTP, and the file of it that firmware is told to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tftp {
    /// The directory.
    pub directory: PathBuf,
    /// The file's name in it.
    pub file: &'static str,
}

impl Machine {
    /// QEMU's words.
    pub fn arguments(&self) -> Result<Vec<OsString>> {
        let mut words = Words::default();
        words.add(self.accelerator.arguments());
        words.add(["-m", &format!("{}M", self.memory.div_ceil(1 << 20)), "-smp", &self.cpus.to_string()]);
        words.add(["-uuid", &self.uuid]);
        // A reset is the end: what a node does then is its own next start.
        words.add(["-nographic", "-no-reboot", "-serial", "mon:stdio"]);
        if let Some(path) = &self.second_serial {
            words.add(["-serial", &format!("file:{}", value(path)?)]);
        }
        match &self.start {
            Start::Direct { kernel, initrd, cmdline } => {
                words.0.extend(["-kernel".into(), kernel.into(), "-initrd".into(), initrd.into()]);
                words.add(["-append", cmdline]);
            }
            Start::Bios => {}
            Start::Uefi { code, variables } => {
                let flash = |rest: &str, path| Ok(format!("if=pflash,format=raw,{rest}file={}", value(path)?));
                words.add(["-machine", "q35", "-drive", &flash("readonly=on,", code)?]);
                words.add(["-drive", &flash("", variables)?]);
            }
        }
        self.add_cards(&mut words)?;
        for (number, disk) in self.disks.iter().enumerate() {
            let file = format!("driver=raw,node-name=d{number},file.driver=file,file.filename={}", value(&disk.path)?);
            words.add(["-blockdev", &file]);
            words.add(["-device", &format!("virtio-blk-pci,drive=d{number},serial={}", disk.serial)]);
        }
        Ok(words.0)
    }

    fn add_cards(&self, words: &mut Words) -> Result<()> {
        if self.cards.is_empty() {
            words.add(["-nic", "none"]);
        }
        for (number, Card { mac, wire }) in self.cards.iter().enumerate() {
            let (net, starts) = match wire {
                Wire::Segment { port } => {
                    (format!("socket,id=n{number},mcast=230.0.0.1:{port},localaddr=127.0.0.1"), false)
                }
                Wire::User { tftp: None } => (format!("user,id=n{number}"), false),
                Wire::User { tftp: Some(Tftp { directory, file }) } => {
                    (format!("user,id=n{number},tftp={},bootfile={file}", value(directory)?), true)
                }
            };
            // The card's own iPXE is for BIOS, and only where it is needed: it takes seconds, and a package.
            let own = match (starts, &self.start) {
                (true, Start::Bios) => "bootindex=1",
                (true, _) => "bootindex=1,romfile=",
                (false, _) => "romfile=",
            };
            words.add(["-netdev", &net, "-device", &format!("virtio-net-pci,netdev=n{number},mac={mac},{own}")]);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        self.0.extend(words.into_iter().map(OsString::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(start: Start) -> Machine {
        Machine {
            uuid: "u".into(),
            start,
            accelerator: Accelerator::Tcg,
            memory: (1 << 30) + 1,
            cpus: 2,
            cards: Vec::new(),
            disks: Vec::new(),
            second_serial: None,
        }
    }

    fn text(machine: &Machine) -> String {
        let words = machine.arguments().unwrap();
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn directly() {
        let direct = Start::Direct { kernel: "/k".into(), initrd: "/i".into(), cmdline: "console=ttyS0 a=b".into() };
        assert_eq!(
            text(&machine(direct)),
            "-accel tcg,thread=multi -cpu max,-cx16 -m 1025M -smp 2 -uuid u -nographic -no-reboot -serial mon:stdio \
             -kernel /k -initrd /i -append console=ttyS0 a=b -nic none"
        );
    }

    #[test]
    fn with_all_that_there_is() {
        let tftp = Tftp { directory: "/t,x".into(), file: "ipxe.efi" };
        let card = |mac: &str, wire| Card { mac: mac.into(), wire };
        let all = Machine {
            accelerator: Accelerator::Kvm,
            cards: vec![card("a", Wire::User { tftp: Some(tftp) }), card("b", Wire::Segment { port: 20_000 })],
            disks: vec![Attached { path: "s.img".into(), serial: "state".into() }],
            second_serial: Some("r".into()),
            ..machine(Start::Uefi { code: "/c".into(), variables: "/v".into() })
        };
        assert_eq!(
            text(&all),
            "-accel kvm -cpu host -m 1025M -smp 2 -uuid u -nographic -no-reboot -serial mon:stdio -serial file:r \
             -machine q35 -drive if=pflash,format=raw,readonly=on,file=/c -drive if=pflash,format=raw,file=/v \
             -netdev user,id=n0,tftp=/t,,x,bootfile=ipxe.efi -device virtio-net-pci,netdev=n0,mac=a,bootindex=1,romfile= \
             -netdev socket,id=n1,mcast=230.0.0.1:20000,localaddr=127.0.0.1 -device virtio-net-pci,netdev=n1,mac=b,romfile= \
             -blockdev driver=raw,node-name=d0,file.driver=file,file.filename=s.img \
             -device virtio-blk-pci,drive=d0,serial=state"
        );
    }

    #[test]
    fn by_the_cards_own_ipxe() {
        let tftp = Tftp { directory: "/t".into(), file: "boot.ipxe" };
        let card = Card { mac: "a".into(), wire: Wire::User { tftp: Some(tftp) } };
        let bios = Machine { cards: vec![card], ..machine(Start::Bios) };
        assert!(text(&bios).ends_with(
            "-netdev user,id=n0,tftp=/t,bootfile=boot.ipxe -device virtio-net-pci,netdev=n0,mac=a,bootindex=1"
        ));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let odd = Machine { second_serial: Some("a\nb".into()), ..machine(Start::Bios) };
        assert_eq!(odd.arguments().unwrap_err().class().code(), 2);
    }
}
