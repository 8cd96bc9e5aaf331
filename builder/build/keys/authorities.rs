//! Authorities: derived, imported, and their generations.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{AUTHORITY_DAYS, Keys, check_name, parse, parse_all, placeholder, subject};
use crate::document::{Placed, nearest};
use crate::error::{Class, Error, Place, Result};
use crate::overlay::declare::AuthorityDeclaration;
use crate::pki::{Authority, AuthorityRequest};
use crate::profile::pki::Generations;

/// An authority that was declared.
pub(super) struct Known {
    // As it was asked for, to find two askings that differ.
    asked: String,
    pub(super) current: Option<Arc<Authority>>,
    pub(super) files: AuthorityFiles,
    // The folder with what it issues, if its key is elsewhere.
    pub(super) issued: Option<String>,
}

/// What of an authority lies on machines.
#[derive(Clone)]
pub struct AuthorityFiles {
    /// The certificates of the current and the accepted generations.
    pub trusted: String,
    /// The current one's certificate and those above it.
    pub chain: String,
}

impl Keys<'_> {
    /// Makes an authority known; its files.
    pub fn authority(&mut self, declared: &AuthorityDeclaration) -> Result<AuthorityFiles> {
        let name = &declared.name;
        self.declare(declared).map_err(|error| error.at(&name.place)).inspect_err(|error| {
            self.broken.insert(name.value.clone(), error.clone());
        })
    }

    fn declare(&mut self, declared: &AuthorityDeclaration) -> Result<AuthorityFiles> {
        let name = &declared.name;
        check_name("authority", name)?;
        self.names.insert(name.value.clone());
        let request = self.authority_request(declared)?;
        let asked = format!("{request:?} {:?}", declared.issuer.as_ref().map(|issuer| &issuer.value));
        if let Some(known) = self.authorities.get(&name.value) {
            return match known.asked == asked {
                true => Ok(known.files.clone()),
                false => Err(Error::usage(format!("the authority `{}` is declared in two ways", name.value))),
            };
        }
        let generations = self.generations(name);
        let (mut trusted, mut current) = (Vec::new(), None);
        let others = generations.as_ref().map_or(&[][..], Generations::accepted).to_vec();
        for generation in [&[request.generation], &others[..]].concat() {
            let since = generations.as_ref().and_then(|generations| generations.since(generation));
            let request =
                AuthorityRequest { generation, not_before: since.unwrap_or(request.not_before), ..request.clone() };
            let authority = self.make_authority(declared, &request)?;
            trusted.push(authority.as_ref().map_or_else(
                || placeholder(&format!("authority {generation}"), None, name),
                |authority| authority.certificate_pem().to_owned(),
            ));
            current = current.or(Some(authority));
        }
        let current = current.flatten();
        if let Some(current) = &current {
            self.exports.insert(format!("{}.crt", name.value), current.certificate_pem().to_owned());
        }
        let chain = current.as_ref().map_or_else(|| placeholder("chain", None, name), |current| current.chain_pem());
        let files = AuthorityFiles { trusted: trusted.concat(), chain };
        let issued = self.imports.authority(name, request.generation).and_then(|imported| imported.issued.clone());
        self.authorities.insert(name.value.clone(), Known { asked, current, files: files.clone(), issued });
        Ok(files)
    }

    fn authority_request(&self, declared: &AuthorityDeclaration) -> Result<AuthorityRequest> {
        let name = &declared.name;
        Ok(AuthorityRequest {
            subject: subject(&declared.subject),
            not_before: self.profile.declared.pki.since.as_ref().map_or(self.profile.epoch, |since| since.value),
            days: declared.days.unwrap_or(AUTHORITY_DAYS),
            generation: self.generation(name),
            name: name.value.clone(),
            dns: declared.dns.clone(),
            key_usages: parse_all(&declared.key_usages)?,
            serial: parse(&declared.serial)?,
            algorithm: self.algorithm(name, &declared.algorithm)?,
            path_length: declared.path_length,
        })
    }

    /// One generation of an authority; none without a seed.
    fn make_authority(
        &mut self,
        declared: &AuthorityDeclaration,
        request: &AuthorityRequest,
    ) -> Result<Option<Arc<Authority>>> {
        let current = self.generation(&request.name);
        if let Some(imported) = self.imports.authority(&request.name, request.generation) {
            let signs = imported.has_key || imported.issued.is_some();
            if request.generation == current && !signs {
                let message = format!("the authority `{}` is imported without its key", request.name);
                let advice = "give `key`, or, if somebody else signs, `issued`: the folder with what was issued";
                return Err(Error::usage(message).advise(advice).at(&imported.place));
            }
            return Ok(Some(imported.authority.clone()));
        }
        let above = declared.issuer.as_ref().map(|issuer| self.known(issuer)).transpose()?;
        let above = above.and_then(|above| above.current.as_deref());
        let cluster = &self.profile.declared.cluster.name;
        self.seed.map(|seed| Authority::derive(seed, cluster, request, above).map(Arc::new)).transpose()
    }

    /// The authorities that are known, by name; none without a seed, but imported ones.
    pub fn current_authorities(&self) -> BTreeMap<String, Arc<Authority>> {
        let current = self.authorities.iter().filter_map(|(name, known)| Some((name.clone(), known.current.clone()?)));
        current.collect()
    }

    /// The key of an authority, for a node on which a profile places it, at `place`.
    pub fn authority_key(&mut self, declared: &AuthorityDeclaration, place: &Place) -> Result<Zeroizing<String>> {
        let name = &declared.name;
        if let Some(finding) = &declared.key_finding {
            self.findings.add(finding, Class::Policy, place);
        }
        let known = self.known(name)?;
        let encoding = parse(&declared.key.as_ref().and_then(|key| key.encoding.clone()))?;
        match &known.current {
            Some(authority) if self.seed.is_some() => authority.key_pem(encoding).map_err(|error| error.at(place)),
            _ => Ok(Zeroizing::new(placeholder("authority's key", None, name))),
        }
    }

    pub(super) fn known(&self, authority: &Placed<String>) -> Result<&Known> {
        self.authorities.get(&authority.value).ok_or_else(|| {
            if let Some(error) = self.broken.get(&authority.value) {
                return error.clone();
            }
            let error = Error::usage(format!("there is no authority `{}`", authority.value)).at(&authority.place);
            match nearest(authority, self.authorities.keys().map(String::as_str)) {
                Some(near) => error.advise(format!("did you mean `{near}`?")),
                None => error.advise("declare it in [[authorities]] of an overlay that comes before"),
            }
        })
    }
}
