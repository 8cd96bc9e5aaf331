//! Certificates: issued here, or by an outside authority.

use zeroize::Zeroizing;

use super::{CERTIFICATE_DAYS, Keys, node_of, parse, parse_all, placeholder, subject};
use crate::document::Placed;
use crate::error::{Error, Result};
use crate::overlay::declare::CertificateDeclaration;
use crate::pki::{self, CertificateRequest, Issued};

impl Keys<'_> {
    /// A certificate and its key.
    pub fn certificate(&mut self, node: &str, declared: &CertificateDeclaration) -> Result<Issued> {
        let request = CertificateRequest {
            subject: subject(&declared.subject),
            usages: parse_all(&declared.usages)?,
            key_usages: parse_all(&declared.key_usages)?,
            dns: declared.dns.clone(),
            ip: declared.ip.iter().map(|ip| ip.value).collect(),
            uri: declared.uri.clone(),
            not_before: self.profile.epoch,
            days: declared.days.unwrap_or(CERTIFICATE_DAYS),
            serial: parse(&declared.serial)?,
            name: declared.name.value.clone(),
            algorithm: self.algorithm(&declared.name, &declared.algorithm)?,
            encoding: parse(&declared.key_encoding)?,
        };
        self.asked("certificate", node, &declared.name, declared.scope, &request)?;
        self.issue(&declared.name, node_of(declared.scope, node), &declared.authority, &request)
    }

    pub(super) fn issue(
        &mut self,
        name: &Placed<String>,
        node: Option<&str>,
        authority: &Placed<String>,
        request: &CertificateRequest,
    ) -> Result<Issued> {
        self.names.insert(name.value.clone());
        if let Some(made) = self.shared_certificates.get(&request.name).filter(|_| node.is_none()) {
            return Ok(made.clone());
        }
        let issued = self.issue_anew(name, node, authority, request)?;
        if node.is_none() {
            self.shared_certificates.insert(request.name.clone(), issued.clone());
        }
        Ok(issued)
    }

    fn issue_anew(
        &mut self,
        name: &Placed<String>,
        node: Option<&str>,
        authority: &Placed<String>,
        request: &CertificateRequest,
    ) -> Result<Issued> {
        self.refuse_accepted(name)?;
        if let Some(serial) = &request.serial
            && !self.serials.insert((authority.value.clone(), serial.clone()))
        {
            let message = format!("two certificates of the authority `{}` ask for one serial number", authority.value);
            return Err(Error::usage(message).advise("leave `serial` out, or give each its own").at(&name.place));
        }
        let known = self.known(authority)?;
        if let Some(folder) = known.issued.clone() {
            return self.issued_outside(&folder, node, name, authority, request);
        }
        let (Some(seed), Some(current)) = (self.seed, known.current.clone()) else {
            return Ok(stand_in(node, name));
        };
        let issued = pki::issue(seed, &self.scope(node, name), &current, request);
        let issued = issued.map_err(|error| error.at(&name.place))?;
        self.proven.add(&issued, &current)?;
        Ok(issued)
    }

    /// A certificate that somebody else issued, or a request for it. Its file is read without a seed too, because a lock
    /// pins it.
    fn issued_outside(
        &mut self,
        folder: &str,
        node: Option<&str>,
        name: &Placed<String>,
        authority: &Placed<String>,
        request: &CertificateRequest,
    ) -> Result<Issued> {
        let file = node.map_or_else(|| request.name.clone(), |node| format!("{node}/{}", request.name));
        let (asked, file) = (format!("{file}.csr"), format!("{file}.crt"));
        let bytes = self.imports.issued(folder, &file).map_err(|error| error.at(&name.place))?;
        let Some(seed) = self.seed else { return Ok(stand_in(node, name)) };
        let made = pki::request(seed, &self.scope(node, name), request).map_err(|error| error.at(&name.place))?;
        if self.requests.insert(asked.clone(), made.clone()).is_some_and(|other| other != made) {
            let message = format!("two certificates would have one request, {asked}");
            return Err(Error::usage(message).advise("give one of them another name").at(&name.place));
        }
        let Some(bytes) = bytes else {
            let message = format!("`{}` has not issued {folder}/{file} yet", authority.value);
            let advice = format!(
                "write the requests with `mastermold pki csr {}`, and put what is issued there",
                self.profile.file.display()
            );
            self.missing.push(Error::usage(message).advise(advice).at(&name.place));
            return Ok(stand_in(node, name));
        };
        let known = self.known(authority)?;
        let Some(current) = &known.current else { return Ok(stand_in(node, name)) };
        pki::accept(seed, &self.scope(node, name), current, request, &bytes)
            .map_err(|error| error.context(format!("{folder}/{file}")).at(&name.place))
    }

    /// A certificate has nothing that could be accepted beside it.
    fn refuse_accepted(&self, name: &str) -> Result<()> {
        match self.profile.declared.pki.generations.get(name) {
            Some(several) if !several.accepted().is_empty() && !self.authorities.contains_key(name) => {
                let message = format!("`{name}` is a certificate: no other generation of it can be accepted");
                Err(Error::usage(message).advise("write its generation as a number").at(&several.place))
            }
            _ => Ok(()),
        }
    }
}

fn stand_in(node: Option<&str>, name: &str) -> Issued {
    Issued {
        certificate_pem: placeholder("certificate", node, name),
        issuers_pem: placeholder("issuers", node, name),
        key_pem: Zeroizing::new(placeholder("key", node, name)),
    }
}
