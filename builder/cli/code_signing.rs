//! `key new --code-signing` and `pki code-signing`: the key that signs boot files for iPXE, and its certificate.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::ProfileArgument;
use super::key::write_pair;
use super::print::Printer;
use super::seed::SeedArguments;
use crate::build::{self, Plan};
use crate::disk::{self, Access};
use crate::document::nearest;
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::overlay::Seen;
use crate::pki::{Algorithm, Authority, Certificate, CodeSigningRequest, KeyEncoding, PrivateKey, PublicKey, Subject};
use crate::profile::{Lock, Profile};

/// The most bytes that a key's file may have.
const LARGEST: u64 = 64 << 10;
/// How long a signer's certificate is valid if nothing is said.
const DAYS: u32 = 365;
/// The common name of a signer: `imgverify --signer` may ask for it. Its organization is the cluster's name.
const SIGNER: &str = "boot-signer";

/// Which key is made.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// Make a key that signs boot files for iPXE's imgverify (PKCS #8), with its public half in FILE.pub.
    #[arg(long, conflicts_with = "password_file")]
    code_signing: bool,
    /// Its kind: rsa-3072, rsa-2048 or rsa-4096, which every iPXE checks; ecdsa-p256, which iPXE 2.0 does.
    #[arg(long, value_name = "KIND", requires = "code_signing", default_value = "rsa-3072")]
    algorithm: Algorithm,
}

impl NewArguments {
    /// Whether it is not minisign's.
    pub fn is_asked(&self) -> bool {
        self.code_signing
    }

    /// Makes the key; `file` and `public` do not exist yet.
    pub fn make(&self, file: &Path, public: &Path, printer: &Printer) -> Result<()> {
        let takes = [Algorithm::Rsa2048, Algorithm::Rsa3072, Algorithm::Rsa4096, Algorithm::EcdsaP256]
            .contains(&self.algorithm);
        if !takes {
            return Err(Error::usage(format!("iPXE checks no signatures by {}", self.algorithm))
                .advise("take rsa-3072, which every iPXE checks, or ecdsa-p256"));
        }
        let key = PrivateKey::generate(self.algorithm)?;
        write_pair((file, key.pem(KeyEncoding::Pkcs8)?.as_bytes()), (public, key.public()?.pem()?.as_bytes()))?;
        let kind = self.algorithm.to_string();
        printer.report(&json!({ "key": file, "public": public, "algorithm": kind }), || {
            let (file, public) = (file.display(), public.display());
            format!("made the key {file} ({kind}) for boot files, and its public key {public}\n")
        })
    }
}

#[derive(Debug, Args)]
pub struct CodeSigning {
    #[command(flatten)]
    profile: ProfileArgument,
    /// The authority that issues it, as an overlay declares it.
    #[arg(long, value_name = "NAME")]
    authority: String,
    #[command(flatten)]
    key: KeyArguments,
    /// Where the certificate is written, with those above it, the root last.
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: PathBuf,
    /// From when it is valid (2026-11-01T00:00:00Z); the profile's epoch if not given.
    #[arg(long, value_name = "TIME")]
    since: Option<Epoch>,
    /// For how many days it is valid.
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
    /// The last second at which it is valid (2027-11-01T00:00:00Z).
    #[arg(long, value_name = "TIME", conflicts_with = "days")]
    until: Option<Epoch>,
    #[command(flatten)]
    seed: SeedArguments,
}

/// Whose certificate it is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct KeyArguments {
    /// The signer's key, mode 0600.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// The signer's public key, if the key is on another machine.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    public: Option<PathBuf>,
}

impl KeyArguments {
    fn load(&self) -> Result<PublicKey> {
        match (&self.key, &self.public) {
            (Some(path), _) => {
                let key = PrivateKey::parse(&disk::read_private(path, LARGEST)?);
                key.and_then(|key| key.public()).map_err(|error| error.context(path.display()))
            }
            (None, Some(path)) => {
                PublicKey::parse(&disk::read(path, LARGEST)?).map_err(|error| error.context(path.display()))
            }
            (None, None) => Err(Error::usage("no key is given").advise("give --key or --public")),
        }
    }
}

impl CodeSigning {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        let key = self.key.load()?;
        let plan = self.plan(&profile, seen)?;
        let authority = named(&plan, &self.authority).map_err(|error| error.context(profile.file.display()))?;
        let not_before = self.since.unwrap_or(profile.epoch);
        let request = CodeSigningRequest {
            subject: Subject {
                cn: SIGNER.into(),
                o: vec![profile.declared.cluster.name.value.clone()],
                ..Subject::default()
            },
            not_before,
            not_after: self.until.unwrap_or_else(|| not_before.plus_days(self.days)),
        };
        let chain = request.issue(authority, &key)?;
        let text = chain.iter().map(Certificate::pem).collect::<Result<String>>()?;
        disk::write(&self.out, text.as_bytes(), Access::Public)?;
        self.report(&chain, printer)
    }

    fn plan(&self, profile: &Profile, seen: Seen) -> Result<Plan> {
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let locked = lock.as_ref().and_then(|lock| lock.seed.as_deref());
        let seed = self.seed.load(profile, locked)?;
        // What an authority of the wrong seed vouches for, no machine trusts.
        build::keys::check_seed(&seed, locked, &shown)?;
        Plan::resolve(profile, seen, None, Some(&seed))
    }

    fn report(&self, chain: &[Certificate], printer: &Printer) -> Result<()> {
        let [leaf, .., root] = chain else { return Err(Error::bug("a chain of one")) };
        let json = json!({
            "file": self.out, "subject": leaf.subject().to_string(), "authority": self.authority,
            "serial": leaf.serial(), "from": leaf.not_before().to_string(), "until": leaf.not_after().to_string(),
            "root": root.fingerprint(),
        });
        printer.report(&json, || {
            format!(
                "{}: {} ({}) may sign boot files until {}\niPXE has to trust `{}`, SHA-256 {}\n",
                self.out.display(),
                leaf.subject(),
                leaf.key_kind(),
                leaf.not_after(),
                root.subject(),
                root.fingerprint()
            )
        })
    }
}

fn named<'a>(plan: &'a Plan, name: &str) -> Result<&'a Authority> {
    let found = plan.authorities.get(name).map(AsRef::as_ref);
    found.ok_or_else(|| {
        let error = Error::usage(format!("there is no authority `{name}`"));
        match nearest(name, plan.authorities.keys().map(String::as_str)) {
            Some(near) => error.advise(format!("did you mean `{near}`?")),
            None => error.advise("declare it in [[authorities]] of an overlay, or take the overlay \"boot-signing\""),
        }
    })
}
