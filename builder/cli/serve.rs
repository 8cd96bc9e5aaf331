//! `serve`: a release over HTTP, for a lab; or what dnsmasq needs to lead machines to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::print::Printer;
use crate::boot::manifest;
use crate::boot::serve::dnsmasq::Lab;
use crate::boot::serve::{Root, Secrets, Server};
use crate::disk::{self, Access};
use crate::error::Result;
use crate::process;

#[derive(Debug, Args)]
pub struct Serve {
    /// The release's directory; verify it first.
    #[arg(value_name = "RELEASE", value_hint = clap::ValueHint::DirPath)]
    release: PathBuf,
    /// The address and port to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve the machines' secrets too, at secrets/NODE/..., to whoever can reach the address.
    #[arg(long)]
    secrets: bool,
    /// Write a dnsmasq configuration here (`-` for standard output), and serve nothing.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    dnsmasq: Option<PathBuf>,
    /// For the configuration: the URL that machines see, if it is not the one of --listen.
    #[arg(long, value_name = "URL", requires = "dnsmasq")]
    url: Option<String>,
    /// For the configuration: dnsmasq's dhcp-range, if there is no other DHCP server in the network.
    #[arg(long, value_name = "RANGE", requires = "dnsmasq")]
    dhcp_range: Option<String>,
    /// For the configuration: the directory that has iPXE.
    #[arg(long, value_name = "DIR", requires = "dnsmasq", default_value = "/usr/lib/ipxe")]
    tftp_root: String,
}

impl Serve {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let url = self.url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        match &self.dnsmasq {
            Some(path) => self.write(path, &url, printer),
            None => self.serve(printer),
        }
    }

    fn write(&self, path: &Path, url: &str, printer: &Printer) -> Result<()> {
        let lab = Lab::new(url, self.dhcp_range.as_deref(), &self.tftp_root)?;
        let text = lab.configuration(&manifest(&disk::canonical(&self.release)?)?);
        let ip = self.listen.ip();
        if self.url.is_none() && (ip.is_loopback() || ip.is_unspecified()) {
            printer
                .note(&format!("{url} is no way to this host from others: give the one that machines see with --url"));
        }
        match path.to_str() {
            Some("-") => printer.text(&text),
            _ => disk::write(path, text.as_bytes(), Access::Public),
        }
    }

    fn serve(&self, printer: &Printer) -> Result<()> {
        let secrets = if self.secrets { Secrets::Served } else { Secrets::Refused };
        let server = Server::bind(self.listen, Root::open(&self.release, secrets)?)?;
        let address = server.address();
        if self.secrets && !address.ip().is_loopback() {
            printer.note("the machines' keys are served to whoever can reach this address, without encryption");
        }
        printer.note(&format!(
            "for DHCP: boot file http://{address}/boot.ipxe for iPXE (user class iPXE), iPXE itself by TFTP for others; \
             --dnsmasq writes that for dnsmasq"
        ));
        // Scripts wait for this line: from now on connections are taken.
        let url = format!("http://{address}/");
        printer.report(&json!({ "url": url, "secrets": self.secrets }), || {
            format!("serving {} at {url}\n", self.release.display())
        })?;
        let stop = server.stop();
        process::at_stop(move || stop.stop());
        server.run(printer);
        Ok(())
    }
}
