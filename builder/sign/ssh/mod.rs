//! OpenSSH: public keys, signatures (PROTOCOL.sshsig), and the program that makes them.
//!
//! ```text
//! wire       strings and numbers as SSH writes them (RFC 4251, section 5)
//! key        SshKey: the line of a `.pub` file
//! signature  SshSignature: the armored file, read and checked here
//! program    SshSigner: `ssh-keygen -Y sign`, which alone sees the private key
//! ```

mod key;
mod program;
mod signature;
mod wire;

pub use key::SshKey;
pub use program::SshSigner;
pub use signature::SshSignature;
