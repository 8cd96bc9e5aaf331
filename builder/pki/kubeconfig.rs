//! Kubeconfigs (kubernetes.io, "kubeconfig (v1)"), with everything inside or with paths.

use std::fmt;

use zeroize::Zeroizing;

use super::secret::base64;
use crate::error::Result;

/// What a kubeconfig says.
#[derive(Clone)]
pub struct KubeconfigRequest {
    /// What the cluster is called in the file.
    pub cluster: String,
    /// The API server's URL.
    pub server: String,
    /// What the user is called in the file.
    pub user: String,
    /// What the context is called; by default `USER@CLUSTER`, as kubeadm does.
    pub context: Option<String>,
    /// The namespace where a command names none.
    pub namespace: Option<String>,
    /// The authority of the API server's certificate.
    pub authority: TrustedAuthority,
    /// How the user proves who it is.
    pub credential: Credential,
}

/// An authority's certificate in a kubeconfig.
#[derive(Clone)]
pub enum TrustedAuthority {
    /// Inside the file, in PEM.
    Inside(String),
    /// A file on the machine.
    File(String),
}

/// How a kubeconfig's user proves who it is.
#[derive(Clone)]
pub enum Credential {
    /// With a certificate and its key, in PEM, inside the file.
    Inside {
        /// The certificate.
        certificate_pem: String,
        /// The private key.
        key_pem: Zeroizing<String>,
    },
    /// With those of two files on the machine.
    Files {
        /// The certificate's.
        certificate: String,
        /// The private key's.
        key: String,
    },
    /// With a token.
    Token(Zeroizing<String>),
}

impl Credential {
    /// Whether the file that holds it is secret.
    pub fn is_secret(&self) -> bool {
        !matches!(self, Credential::Files { .. })
    }
}

/// Shows who and where, and nothing of the credential.
impl fmt::Debug for KubeconfigRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KubeconfigRequest { cluster, server, user, .. } = self;
        f.debug_struct("KubeconfigRequest")
            .field("cluster", cluster)
            .field("server", server)
            .field("user", user)
            .finish_non_exhaustive()
    }
}

/// The file, in the order of kubeadm's (keys sorted); every string that comes from the request is quoted.
pub fn kubeconfig(request: &KubeconfigRequest) -> Result<Zeroizing<Vec<u8>>> {
    let KubeconfigRequest { cluster, user, context, namespace, .. } = request;
    let context = quoted(context.as_deref().unwrap_or(&format!("{user}@{cluster}")));
    let namespace = namespace.as_deref().map(|name| format!("    namespace: {}\n", quoted(name))).unwrap_or_default();
    let (server, cluster, user) = (quoted(&request.server), quoted(cluster), quoted(user));
    let middle = format!(
        "\n    server: {server}\n  name: {cluster}\n\
         contexts:\n- context:\n    cluster: {cluster}\n{namespace}    user: {user}\n  name: {context}\n\
         current-context: {context}\nkind: Config\nusers:\n- name: {user}\n  user:\n"
    );
    let text = |text: String| Zeroizing::new(text.into_bytes());
    let mut parts = vec![text("apiVersion: v1\nclusters:\n- cluster:\n".into())];
    match &request.authority {
        TrustedAuthority::Inside(pem) => {
            parts.extend([text("    certificate-authority-data: ".into()), base64(pem.as_bytes())?]);
        }
        TrustedAuthority::File(path) => parts.push(text(format!("    certificate-authority: {}", quoted(path)))),
    }
    parts.push(text(middle));
    match &request.credential {
        Credential::Inside { certificate_pem, key_pem } => parts.extend([
            text("    client-certificate-data: ".into()),
            base64(certificate_pem.as_bytes())?,
            text("\n    client-key-data: ".into()),
            base64(key_pem.as_bytes())?,
        ]),
        Credential::Files { certificate, key } => {
            let (certificate, key) = (quoted(certificate), quoted(key));
            parts.push(text(format!("    client-certificate: {certificate}\n    client-key: {key}")));
        }
        Credential::Token(token) => parts.push(text(format!("    token: {}", quoted(token)))),
    }
    parts.push(text("\n".into()));
    // Room for all of it at once: a buffer that grows leaves copies of the key behind.
    let mut file = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| file.extend_from_slice(part));
    Ok(file)
}

/// A double-quoted YAML scalar (YAML 1.1 and 1.2) of printable ASCII: whatever the text is, it stays one string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ if u32::from(character) > 0xffff => quoted.push_str(&format!("\\U{:08x}", u32::from(character))),
            _ => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_text_is_it_stays_one_string() {
        for (text, expected) in [
            ("on", r#""on""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("x\ny: {{", r#""x\u000ay: {{""#),
            ("\u{7f}\u{85}\u{2028}\u{feff}é😀", r#""\u007f\u0085\u2028\ufeff\u00e9\U0001f600""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
