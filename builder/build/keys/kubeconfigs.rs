//! Kubeconfigs.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{CERTIFICATE_DAYS, Generational, KUBECONFIG, Keys, node_of, subject};
use crate::document::nearest;
use crate::error::{Error, Result};
use crate::overlay::declare::{KubeconfigDeclaration, ScopeDeclaration, SubjectDeclaration};
use crate::pki::{self, CertificateRequest, Credential, Issued, KubeconfigRequest, TrustedAuthority};

impl Keys<'_> {
    /// A kubeconfig, and whether it is secret.
    pub fn kubeconfig(
        &mut self,
        node: &str,
        declared: &KubeconfigDeclaration,
        secrets: &BTreeMap<String, Generational>,
    ) -> Result<(Zeroizing<Vec<u8>>, bool)> {
        let scope = if declared.admin.is_some() { ScopeDeclaration::Cluster } else { ScopeDeclaration::Node };
        let credential = self.credential(node, declared, scope, secrets)?;
        let user = declared.user.clone().or_else(|| declared.subject.as_ref().map(|subject| subject.cn.clone()));
        let Some(user) = user else {
            let error = Error::usage(format!("the kubeconfig `{}` has no `user`", declared.name.value));
            return Err(error.advise("say what the file calls the user").at(&declared.name.place));
        };
        let known = self.known(&declared.authority)?;
        let authority = match &declared.authority_file {
            Some(path) => TrustedAuthority::File(path.to_string()),
            None => TrustedAuthority::Inside(known.files.trusted.clone()),
        };
        let is_secret = credential.is_secret();
        let file = pki::kubeconfig(&KubeconfigRequest {
            cluster: declared.cluster.clone().unwrap_or_else(|| self.profile.declared.cluster.name.value.clone()),
            server: declared.server.value.clone(),
            user,
            context: declared.context.clone(),
            namespace: declared.namespace.clone(),
            authority,
            credential,
        })?;
        Ok((file, is_secret))
    }

    /// How the user of a kubeconfig proves who it is: exactly one way.
    fn credential(
        &mut self,
        node: &str,
        declared: &KubeconfigDeclaration,
        scope: ScopeDeclaration,
        secrets: &BTreeMap<String, Generational>,
    ) -> Result<Credential> {
        let name = &declared.name;
        match (&declared.subject, &declared.cert_file, &declared.key_file, &declared.token) {
            (Some(subject), None, None, None) => {
                let issued = self.client_certificate(node, declared, subject, scope)?;
                Ok(Credential::Inside { certificate_pem: issued.certificate_pem, key_pem: issued.key_pem })
            }
            (None, Some(certificate), Some(key), None) => {
                Ok(Credential::Files { certificate: certificate.to_string(), key: key.to_string() })
            }
            (None, None, None, Some(token)) => {
                let secret = secrets.get(&token.value).and_then(|generations| generations.first());
                let (_, secret) = secret.ok_or_else(|| {
                    let error = Error::usage(format!("there is no secret `{}` on node {node}", token.value));
                    match nearest(token, secrets.keys().map(String::as_str)) {
                        Some(near) => error.advise(format!("did you mean `{near}`?")).at(&token.place),
                        None => error.advise("declare it in [[secrets]] before").at(&token.place),
                    }
                })?;
                let text = String::from_utf8(secret.to_vec()).map_err(|_| Error::bug("a token that is no text"))?;
                Ok(Credential::Token(Zeroizing::new(text)))
            }
            _ => Err(Error::usage(format!("the kubeconfig `{}` has no user, or more than one", name.value))
                .advise("give `subject` for a certificate of its own, `cert-file` with `key-file`, or `token`")
                .at(&name.place)),
        }
    }

    fn client_certificate(
        &mut self,
        node: &str,
        declared: &KubeconfigDeclaration,
        who: &SubjectDeclaration,
        scope: ScopeDeclaration,
    ) -> Result<Issued> {
        let request = CertificateRequest {
            subject: subject(who),
            usages: vec![pki::Usage::ClientAuth],
            key_usages: Vec::new(),
            not_before: self.profile.epoch,
            days: declared.days.unwrap_or(CERTIFICATE_DAYS),
            name: format!("{KUBECONFIG}{}", declared.name.value),
            dns: Vec::new(),
            ip: Vec::new(),
            uri: Vec::new(),
            serial: None,
            algorithm: self.algorithm(&declared.name, &declared.algorithm)?,
            encoding: None,
        };
        self.asked("kubeconfig", node, &declared.name, scope, &(&request, &declared.server.value))?;
        self.issue(&declared.name, node_of(scope, node), &declared.authority, &request)
    }
}
