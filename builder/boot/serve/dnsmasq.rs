//! A configuration of dnsmasq, for those who have DHCP to extend: firmware is given iPXE by TFTP, and iPXE is given the
//! release's menu by HTTP.

use std::net::Ipv4Addr;

use crate::bundle::Manifest;
use crate::error::{Error, Result};

/// Where the release is served, and by which means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lab {
    /// The URL of what is served, without a last slash.
    pub url: String,
    /// dnsmasq's `dhcp-range`, if it is not beside another DHCP server.
    pub range: Option<String>,
    /// The directory that has iPXE.
    pub tftp: String,
}

/// The firmware that iPXE is made for: its tag here, its numbers in DHCP (RFC 4578, and what firmware sends), dnsmasq's
/// name of it, and iPXE's file for it as Debian calls it.
struct Firmware {
    tag: &'static str,
    arch: &'static str,
    numbers: &'static [u8],
    service: &'static str,
    file: &'static str,
}

const FIRMWARE: [Firmware; 3] = [
    Firmware { tag: "bios", arch: "amd64", numbers: &[0], service: "x86PC", file: "undionly.kpxe" },
    Firmware { tag: "efi64", arch: "amd64", numbers: &[7, 9], service: "X86-64_EFI", file: "ipxe.efi" },
    Firmware { tag: "efiarm64", arch: "arm64", numbers: &[11], service: "ARM64_EFI", file: "ipxe-arm64.efi" },
];

impl Lab {
    /// A lab whose parts fit into a line of dnsmasq's each.
    pub fn new(url: &str, range: Option<&str>, tftp: &str) -> Result<Lab> {
        let plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let url = url.trim_end_matches('/');
        let rest = url.strip_prefix("http://").filter(|rest| plain(rest, ".-_:/~") && !rest.starts_with([':', '/']));
        if rest.is_none() {
            return Err(Error::usage(format!("`{url}` is not a URL that firmware's iPXE loads"))
                .advise("write it like http://10.0.0.1:8080"));
        }
        let lab = Lab { url: url.to_owned(), range: range.map(str::to_owned), tftp: tftp.to_owned() };
        if range.is_none() && lab.host().parse::<Ipv4Addr>().is_err() {
            return Err(Error::usage(format!("`{url}` does not say in which network the machines are"))
                .advise("give an address instead of a name, or dnsmasq's dhcp-range with --dhcp-range"));
        }
        if let Some(range) = range.filter(|range| !plain(range, ".:,-")) {
            return Err(Error::usage(format!("`{range}` is no dhcp-range"))
                .advise("write it like 10.0.0.100,10.0.0.200,12h, or 10.0.0.0,proxy"));
        }
        if !tftp.starts_with('/') || !plain(tftp, "/._-+") {
            return Err(Error::usage(format!("`{tftp}` is no absolute path that dnsmasq can read")));
        }
        Ok(lab)
    }

    /// Whether another server gives the addresses.
    fn is_proxy(&self) -> bool {
        self.range.as_ref().is_none_or(|range| range.split(',').any(|part| part == "proxy"))
    }

    fn range(&self) -> String {
        self.range.clone().unwrap_or_else(|| format!("{},proxy", self.host()))
    }

    /// The server's address, or its name.
    fn host(&self) -> &str {
        self.url.trim_start_matches("http://").split(['/', ':']).next().unwrap_or_default()
    }

    /// The configuration.
    pub fn configuration(&self, manifest: &Manifest) -> String {
        let Lab { url, tftp, .. } = self;
        let mut lines = vec![
            format!("# Boots the machines of cluster {}, version {}, from {url}/.", manifest.cluster, manifest.version),
            "# Run it as it is: dnsmasq --keep-in-foreground --conf-file=FILE".into(),
            "port=0".into(),
            format!("dhcp-range={}", self.range()),
            "log-dhcp".into(),
            "enable-tftp".into(),
            format!("tftp-root={tftp}"),
            "# Firmware gets iPXE, and iPXE gets the menu.".into(),
            "dhcp-userclass=set:ipxe,iPXE".into(),
        ];
        let has = |firmware: &&Firmware| {
            let mut records = manifest.nodes.iter().filter_map(|node| node.boot.as_ref());
            records.any(|record| record.arch == firmware.arch)
        };
        for firmware in FIRMWARE.iter().filter(has) {
            lines.extend(self.firmware(firmware));
        }
        // With the server's address too: beside another DHCP server iPXE takes no file without one.
        lines.push(format!("dhcp-boot=tag:ipxe,{url}/boot.ipxe,,{}", self.host()));
        let macs = manifest.nodes.iter().filter_map(|node| Some((node.boot.as_ref()?.mac.as_ref()?, &node.name)));
        lines.extend(macs.map(|(mac, name)| format!("dhcp-host={mac},{name}")));
        lines.into_iter().map(|line| line + "\n").collect()
    }

    /// Beside another DHCP server only a boot service is offered (`pxe-service`); alone, a boot file.
    fn firmware(&self, firmware: &Firmware) -> Vec<String> {
        let Firmware { tag, numbers, service, file, .. } = firmware;
        if self.is_proxy() {
            return vec![format!("pxe-service=tag:!ipxe,{service},\"iPXE\",{file}")];
        }
        let matched = numbers.iter().map(|number| format!("dhcp-match=set:{tag},option:client-arch,{number}"));
        matched.chain([format!("dhcp-boot=tag:!ipxe,tag:{tag},{file}")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::manifest::FORMAT;
    use crate::bundle::{BootRecord, NodeRecord};
    use crate::digest::Digest;

    fn lab() -> Manifest {
        let boot = |mac: Option<&str>| BootRecord {
            arch: "amd64".into(),
            mac: mac.map(str::to_owned),
            kernel: "public/boot/vmlinuz".into(),
            initrds: Vec::new(),
            cmdline: String::new(),
            memory: 0,
        };
        let node = |name: &str, boot| NodeRecord { name: name.into(), artifacts: Vec::new(), boot };
        let digest = Digest::of(b"x");
        Manifest {
            format: FORMAT,
            tool: "mastermold".into(),
            cluster: "lab".into(),
            version: "1.0.0".into(),
            epoch: "2026-11-01T00:00:00Z".into(),
            profile: digest,
            overlays: digest,
            lock: digest,
            part: None,
            nodes: vec![
                node("m0", Some(boot(Some("52:54:00:00:00:10")))),
                node("m1", Some(boot(None))),
                node("m2", None),
            ],
            artifacts: Vec::new(),
        }
    }

    #[test]
    fn beside_another_server() {
        let text = Lab::new("http://10.0.0.1:8080/", None, "/usr/lib/ipxe").unwrap().configuration(&lab());
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "port=0",
                "dhcp-range=10.0.0.1,proxy",
                "log-dhcp",
                "enable-tftp",
                "tftp-root=/usr/lib/ipxe",
                "dhcp-userclass=set:ipxe,iPXE",
                "pxe-service=tag:!ipxe,x86PC,\"iPXE\",undionly.kpxe",
                "pxe-service=tag:!ipxe,X86-64_EFI,\"iPXE\",ipxe.efi",
                "dhcp-boot=tag:ipxe,http://10.0.0.1:8080/boot.ipxe,,10.0.0.1",
                "dhcp-host=52:54:00:00:00:10,m0",
            ]
        );
    }

    #[test]
    fn alone() {
        let lab_with = Lab::new("http://boot.lab", Some("10.0.0.100,10.0.0.200,12h"), "/srv/tftp").unwrap();
        let text = lab_with.configuration(&lab());
        assert!(text.contains("dhcp-range=10.0.0.100,10.0.0.200,12h\n"));
        assert!(text.contains("dhcp-match=set:efi64,option:client-arch,9\ndhcp-boot=tag:!ipxe,tag:efi64,ipxe.efi\n"));
        assert!(!text.contains("pxe-service") && !text.contains("arm64"));
    }

    #[test]
    fn what_fits_no_line_is_refused() {
        for (url, range, tftp) in [
            ("https://10.0.0.1", None, "/t"),
            ("http://boot.lab", None, "/t"),
            ("http://", None, "/t"),
            ("http:///x", Some("10.0.0.0,proxy"), "/t"),
            ("http://[fd00::1]", Some("10.0.0.0,proxy"), "/t"),
            ("http://10.0.0.1/a\nb", None, "/t"),
            ("http://10.0.0.1/#", None, "/t"),
            ("http://10.0.0.1", Some("10.0.0.0,proxy\nport=53"), "/t"),
            ("http://10.0.0.1", Some(""), "/t"),
            ("http://10.0.0.1", None, "t"),
            ("http://10.0.0.1", None, "/t,eth0"),
        ] {
            assert_eq!(Lab::new(url, range, tftp).unwrap_err().class().code(), 2, "{url} {range:?} {tftp}");
        }
    }
}
