//! A seed's file that is encrypted with age (age-encryption.org/v1), binary or armored: with a passphrase (scrypt), or
//! for the holders of X25519 identities. What is encrypted is the plain seed's file, byte for byte, so that `age -d`
//! opens what is made here, and `age -p` or `age -r` makes what is opened here.
//!
//! Encrypting draws random numbers: the same seed encrypted twice gives two different files. The seed inside is the
//! same, and nothing else of the file reaches a release.

use std::io::{BufReader, Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use zeroize::Zeroizing;

use super::seed::Seed;
use crate::error::{Error, Result};

/// How an age file begins.
const BINARY: &[u8] = b"age-encryption.org/";
const ARMORED: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// The scrypt work factor (the logarithm of N) of what is written: age's own choice, 256 MiB.
const WORK: u8 = 18;
/// The greatest that is read: 1 GiB. A file says how much work it takes, and must not be able to exhaust the machine.
const MOST_WORK: u8 = 20;
/// More than this is no seed.
const LARGEST: u64 = 4096;

/// What protects a seed's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing: it is a plain seed, or no seed at all.
    None,
    /// A passphrase.
    Passphrase,
    /// It is encrypted for the holders of identities.
    Identity,
}

impl Protection {
    /// Looks at a seed's file. What starts as an age file does, or is the start of one, and is none is
    /// [`Error::integrity`].
    pub fn of(file: &[u8]) -> Result<Protection> {
        match is_age(file) {
            false => Ok(Protection::None),
            true if decryptor(file)?.is_scrypt() => Ok(Protection::Passphrase),
            true => Ok(Protection::Identity),
        }
    }
}

fn is_age(file: &[u8]) -> bool {
    let starts = |mark: &[u8]| file.starts_with(mark) || (!file.is_empty() && mark.starts_with(file));
    starts(BINARY) || starts(ARMORED)
}

/// A passphrase. Wiped from memory when it goes; never shown.
pub struct Passphrase(SecretString);

impl Passphrase {
    /// A passphrase from its bytes, which age wants to be UTF-8.
    pub fn new(bytes: &[u8]) -> Result<Passphrase> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::usage("the passphrase is not UTF-8"))?;
        match text.is_empty() {
            true => Err(Error::usage("the passphrase is empty")),
            // Exactly as long as it is: it is never moved, which would leave a copy.
            false => Ok(Passphrase(SecretString::from(text.to_owned()))),
        }
    }

    /// The seed in a file that this passphrase protects.
    pub fn open(&self, file: &[u8]) -> Result<Seed> {
        let mut identity = scrypt::Identity::new(self.0.clone());
        identity.set_max_work_factor(MOST_WORK);
        let wrong = "the passphrase does not open the seed";
        open(file, &[&identity], wrong, "give the one that it was encrypted with")
    }

    /// The seed's file, armored, encrypted with this passphrase.
    pub fn seal(&self, seed: &Seed) -> Result<String> {
        let mut recipient = scrypt::Recipient::new(self.0.clone());
        recipient.set_work_factor(WORK);
        seal(seed, &[&recipient])
    }
}

/// Secret keys, each of which opens what is encrypted for its recipient. Wiped from memory when they go; never shown.
pub struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// Reads an identity file as `age-keygen` writes it: a key a line, empty lines and comments.
    pub fn parse(file: &[u8]) -> Result<Identities> {
        if is_age(file) {
            return Err(Error::usage("the identities are encrypted themselves").advise("decrypt them with `age -d`"));
        }
        // With room for all: a vector that grows leaves a copy.
        let mut identities = Vec::with_capacity(lines(file)?.count());
        for (number, line) in lines(file)? {
            identities.push(identity(line).map_err(|error| at(number, error))?);
        }
        match identities.is_empty() {
            true => Err(Error::usage("there is no identity in it").advise("make one with `age-keygen`")),
            false => Ok(Identities(identities)),
        }
    }

    /// The seed in a file that is encrypted for at least one of these.
    pub fn open(&self, file: &[u8]) -> Result<Seed> {
        let identities: Vec<&dyn age::Identity> = self.0.iter().map(|identity| identity as _).collect();
        let wrong = match identities.len() {
            1 => "the identity does not open the seed",
            _ => "none of the identities opens the seed",
        };
        open(file, &identities, wrong, "give the identity of one that it was encrypted for")
    }
}

/// The public half of an identity.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Reads `age1...`. What is wrong is not repeated: it may be a secret that was taken for its public half.
    pub fn parse(text: &str) -> Result<Recipient> {
        let foreign = |what: &str| {
            Error::usage(format!("this is {what}")).advise("give an X25519 recipient: `age-keygen -y` prints it")
        };
        match text {
            _ if is_secret(text) => Err(Error::trust("this is a secret key, not a recipient").advise(
                "give its public half, or that of a new one if this one stood on a command line (`age-keygen -y`)",
            )),
            _ if text.starts_with("ssh-") => Err(foreign("an ssh key, which is not taken")),
            _ => text.parse().map(Recipient).map_err(|_| foreign("no age recipient of the kind `age1...`")),
        }
    }

    /// Reads a file of recipients: one a line, empty lines and comments.
    pub fn parse_list(file: &[u8]) -> Result<Vec<Recipient>> {
        let recipients = lines(file)?.map(|(number, line)| Recipient::parse(line).map_err(|error| at(number, error)));
        let recipients: Vec<_> = recipients.collect::<Result<_>>()?;
        match recipients.is_empty() {
            true => Err(Error::usage("there is no recipient in it").advise("write one `age1...` a line")),
            false => Ok(recipients),
        }
    }

    /// The seed's file, armored, encrypted so that any of these opens it.
    pub fn seal(recipients: &[Recipient], seed: &Seed) -> Result<String> {
        let recipients: Vec<&dyn age::Recipient> = recipients.iter().map(|recipient| &recipient.0 as _).collect();
        seal(seed, &recipients)
    }
}

/// Lines that say something, with their numbers.
fn lines(file: &[u8]) -> Result<impl Iterator<Item = (usize, &str)>> {
    let text = std::str::from_utf8(file).map_err(|_| Error::usage("it is not text"))?;
    let numbered = (1..).zip(text.lines().map(str::trim));
    Ok(numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')))
}

fn at(number: usize, error: Error) -> Error {
    error.context(format_args!("line {number}"))
}

/// A secret key of age (Bech32 may be written in either case) or of ssh.
fn is_secret(text: &str) -> bool {
    text.contains("PRIVATE KEY") || text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("AGE-"))
}

/// One line of an identity file.
fn identity(line: &str) -> Result<x25519::Identity> {
    let foreign = |what: &str| {
        Error::usage(format!("this is {what}")).advise("give an X25519 identity (AGE-SECRET-KEY-1...) of `age-keygen`")
    };
    match line {
        _ if line.starts_with("AGE-PLUGIN-") => Err(foreign("an identity of an age plugin, which is not taken")),
        _ if line.starts_with("AGE-SECRET-KEY-PQ-") => Err(foreign("a post-quantum identity, which is not taken")),
        _ if line.starts_with("-----BEGIN") => Err(foreign("a key of ssh or OpenSSL, which is not taken")),
        _ => line.parse().map_err(|_| foreign("no age identity")),
    }
}

fn decryptor(file: &[u8]) -> Result<Decryptor<ArmoredReader<BufReader<&[u8]>>>> {
    Decryptor::new_buffered(ArmoredReader::new(file))
        .map_err(|_| damaged("its header is cut short, changed, or of a version of age that is not known"))
}

fn damaged(how: &str) -> Error {
    Error::integrity(format!("the encrypted seed is damaged: {how}")).advise("take its copy")
}

/// What age says, in our words and classes. A stanza that was changed cannot be told from one for somebody else.
fn refused(error: &DecryptError, wrong: &str, remedy: &str) -> Error {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed => Error::trust(wrong).advise(remedy),
        DecryptError::ExcessiveWork { required, .. } => {
            let message =
                format!("opening the seed would take scrypt with N = 2^{required}; at most 2^{MOST_WORK} is done");
            Error::usage(message).advise("encrypt it again with `age -p`, which takes 2^18")
        }
        DecryptError::InvalidMac => damaged("its header was changed"),
        _ => damaged("its header is malformed"),
    }
}

fn open(file: &[u8], identities: &[&dyn age::Identity], wrong: &str, remedy: &str) -> Result<Seed> {
    let opened = decryptor(file)?.decrypt(identities.iter().copied());
    let reader = opened.map_err(|error| refused(&error, wrong, remedy))?;
    // Never moved, which would leave a copy: there is room for all that is read.
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    let read = reader.take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|_| damaged("its contents were changed or cut short, or something follows them"))?;
    Seed::parse(&text).map_err(|error| error.context("what is encrypted"))
}

fn seal(seed: &Seed, recipients: &[&dyn age::Recipient]) -> Result<String> {
    let write = || {
        let encryptor = Encryptor::with_recipients(recipients.iter().copied()).ok()?;
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).ok()?;
        let mut writer = encryptor.wrap_output(armor).ok()?;
        writer.write_all(seed.to_text().as_bytes()).ok()?;
        String::from_utf8(writer.finish().ok()?.finish().ok()?).ok()
    };
    // Memory takes all that is written, recipients of one kind go together, and armor is text.
    write().ok_or_else(|| Error::bug("encrypting the seed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;
    use proptest::prelude::*;

    fn code<T>(result: Result<T>) -> u8 {
        result.map_or_else(|error| error.class().code(), |_| 0)
    }

    fn armored(file: &[u8]) -> Vec<u8> {
        let mut writer = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).unwrap();
        writer.write_all(file).unwrap();
        writer.finish().unwrap()
    }

    /// A binary age file, as another program would write it.
    fn encrypted(text: &[u8], recipients: &[&dyn age::Recipient]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer =
            Encryptor::with_recipients(recipients.iter().copied()).unwrap().wrap_output(&mut file).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap();
        file
    }

    /// With a cheap work factor.
    fn protected(text: &[u8], passphrase: &str, work: u8) -> Vec<u8> {
        let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
        recipient.set_work_factor(work);
        encrypted(text, &[&recipient])
    }

    fn identities(keys: &[&x25519::Identity]) -> Identities {
        let text: String = keys.iter().map(|key| format!("# one\n\n{}\n", key.to_string().expose_secret())).collect();
        Identities::parse(text.as_bytes()).unwrap()
    }

    fn passphrase() -> Passphrase {
        Passphrase::new("correct horse".as_bytes()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_and_is_never_the_same_twice() {
        let (seed, key, other) =
            (Seed::generate().unwrap(), x25519::Identity::generate(), x25519::Identity::generate());
        let recipient = Recipient::parse(&key.to_public().to_string()).unwrap();
        let second = Recipient::parse(&other.to_public().to_string()).unwrap();
        let [one, two] = [(); 2].map(|()| Recipient::seal(&[recipient.clone(), second.clone()], &seed).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
        for (file, key) in [(&one, &key), (&one, &other), (&two, &key), (&two, &other)] {
            assert_eq!(Protection::of(file.as_bytes()).unwrap(), Protection::Identity);
            let opened = identities(&[key]).open(file.as_bytes()).unwrap();
            assert_eq!(opened.to_text(), seed.to_text());
        }
        let file = passphrase().seal(&seed).unwrap();
        assert_eq!(Protection::of(file.as_bytes()).unwrap(), Protection::Passphrase);
        assert_eq!(passphrase().open(file.as_bytes()).unwrap().to_text(), seed.to_text());
    }

    #[test]
    fn the_wrong_key_is_a_matter_of_trust() {
        let (seed, key, other) =
            (Seed::generate().unwrap(), x25519::Identity::generate(), x25519::Identity::generate());
        let file = encrypted(seed.to_text().as_bytes(), &[&key.to_public()]);
        assert_eq!(code(identities(&[&other]).open(&file)), 4);
        assert_eq!(code(identities(&[&other, &key]).open(&file)), 0);
        let file = protected(seed.to_text().as_bytes(), "correct horse", 2);
        assert_eq!(code(Passphrase::new(b"wrong horse").unwrap().open(&file)), 4);
        assert_eq!(code(passphrase().open(&file)), 0);
    }

    /// Each byte in turn, and each length. A mark that is changed is no mark, a stanza that is changed may be one for
    /// another; the rest is damage, and nothing opens.
    #[test]
    fn no_damage_opens() {
        let (seed, key) = (Seed::generate().unwrap(), x25519::Identity::generate());
        let files = [
            encrypted(seed.to_text().as_bytes(), &[&key.to_public(), &key.to_public()]),
            protected(seed.to_text().as_bytes(), "correct horse", 2),
        ];
        let open = |file: &[u8]| match Protection::of(file)? {
            Protection::None => Seed::parse(file),
            Protection::Passphrase => passphrase().open(file),
            Protection::Identity => identities(&[&key]).open(file),
        };
        for file in files {
            assert_eq!(code(open(&file)), 0);
            let mac = file.windows(5).position(|bytes| bytes == b"\n--- ").unwrap();
            for place in 0..file.len() {
                let mut damaged = file.clone();
                damaged[place] ^= 1;
                let found = code(open(&damaged));
                let allowed: &[u8] = match place {
                    _ if place < BINARY.len() => &[2],
                    _ if place < mac => &[3, 4],
                    _ => &[3],
                };
                assert!(allowed.contains(&found), "byte {place} of {}: {found}", file.len());
            }
            for whole in [file.clone(), armored(&file)] {
                for length in 1..whole.len() - 1 {
                    assert_eq!(code(open(&whole[..length])), 3, "the first {length} of {} bytes", whole.len());
                }
                assert_eq!(code(open(&[&whole[..], b"x"].concat())), 3);
                assert_eq!(code(open(&[&whole[..], &whole].concat())), 3);
            }
        }
        assert_eq!(code(open(b"")), 2);
    }

    #[test]
    fn a_file_that_is_cut_between_chunks_does_not_open() {
        let key = x25519::Identity::generate();
        let seed = Seed::generate().unwrap();
        let text = [seed.to_text().as_bytes(), &[b'x'; 200_000]].concat();
        let file = encrypted(&text, &[&key.to_public()]);
        let start = file.len() - 200_000 - seed.to_text().len() - 4 * 16;
        for chunk in 0..4 {
            let cut = &file[..start + chunk * (65_536 + 16)];
            assert_eq!(code(identities(&[&key]).open(cut)), if chunk == 0 { 3 } else { 2 }, "{chunk} chunks");
        }
        assert_eq!(code(identities(&[&key]).open(&file)), 2);
    }

    #[test]
    fn work_that_exhausts_is_refused() {
        let seed = Seed::generate().unwrap();
        let file = protected(seed.to_text().as_bytes(), "correct horse", 2);
        let text = String::from_utf8_lossy(&file).into_owned();
        let end = text.find(" 2\n").unwrap();
        for work in ["21", "40", "63"] {
            let asked = [&file[..end], b" ", work.as_bytes(), &file[end + 2..]].concat();
            let error = passphrase().open(&asked).err().unwrap();
            assert_eq!(error.class().code(), 2);
            assert!(error.to_string().contains(&format!("2^{work}")), "{error}");
        }
        for work in ["0", "02", "-1", "256", "99999999999"] {
            let asked = [&file[..end], b" ", work.as_bytes(), &file[end + 2..]].concat();
            assert_eq!(code(passphrase().open(&asked)), 3, "{work}");
        }
    }

    #[test]
    fn what_is_inside_must_be_a_seed() {
        let key = x25519::Identity::generate();
        let text = Seed::generate().unwrap().to_text();
        let same = format!("mastermold-seed-1:{}\n", "41".repeat(32));
        let twice = format!("{}{}", text.as_str(), text.as_str());
        for (inside, class) in [("", 2), ("x\n", 2), (twice.as_str(), 2), (same.as_str(), 4), (text.trim_end(), 0)] {
            assert_eq!(code(identities(&[&key]).open(&encrypted(inside.as_bytes(), &[&key.to_public()]))), class);
        }
    }

    #[test]
    fn armor_may_have_either_line_end() {
        let (seed, key) = (Seed::generate().unwrap(), x25519::Identity::generate());
        let file = armored(&encrypted(seed.to_text().as_bytes(), &[&key.to_public()]));
        let other = String::from_utf8(file).unwrap().replace('\n', "\r\n");
        assert_eq!(code(identities(&[&key]).open(other.as_bytes())), 0);
    }

    #[test]
    fn other_keys_are_refused_and_not_repeated() {
        let key = x25519::Identity::generate();
        let (secret, public) = (key.to_string().expose_secret().to_owned(), key.to_public().to_string());
        let rows = [
            ("", "no identity"),
            ("# only a comment\n", "no identity"),
            (public.as_str(), "line 1"),
            ("AGE-PLUGIN-YUBIKEY-1QGQZQQSLAVEY\n", "plugin"),
            ("AGE-SECRET-KEY-PQ-1QQQSLAVEY\n", "post-quantum"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nSLAVEY\n", "ssh"),
            (&secret[..40], "no age identity"),
        ];
        for (text, said) in rows {
            let error = Identities::parse(text.as_bytes()).err().unwrap();
            assert_eq!(error.class().code(), 2);
            assert!(error.to_string().contains(said) && !error.to_string().contains("SLAVEY"), "{error}");
        }
        assert_eq!(code(Identities::parse(&[0xff, 0xfe])), 2);
        assert_eq!(code(Identities::parse(&encrypted(secret.as_bytes(), &[&key.to_public()]))), 2);
        assert_eq!(code(Identities::parse(format!("# made today\r\n{secret}\r\n").as_bytes())), 0);

        for (text, class) in [(secret.to_lowercase(), 4), (secret.clone(), 4), ("ssh-ed25519 AAAA".into(), 2)] {
            let error = Recipient::parse(&text).err().unwrap();
            assert_eq!(error.class().code(), class);
            assert!(!error.to_string().contains(&text), "{error}");
        }
        for text in ["", "age1", "age1yubikey1qqqq", &public[..50], &public.replace("age1", "age2")] {
            assert_eq!(code(Recipient::parse(text)), 2, "{text}");
        }
        assert_eq!(code(Recipient::parse_list(format!("# a\n\n{public}\r\n{public}").as_bytes())), 0);
        assert_eq!(code(Recipient::parse_list(b"# a\n")), 2);
        assert_eq!(code(Recipient::parse_list(secret.as_bytes())), 4);
        assert_eq!(code(Passphrase::new(b"")), 2);
        assert_eq!(code(Passphrase::new(&[0xff])), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

        /// Headers of pieces that are almost right neither open nor panic.
        #[test]
        fn no_header_is_too_strange(pieces in proptest::collection::vec(
            prop_oneof![
                Just("-> X25519 "), Just("-> scrypt "), Just("AAAAAAAAAAAAAAAAAAAAAA "), Just("2"), Just("\n"), Just("---"),
                Just("CJM36AHmTbdHSuOQL+NESqyVQE75f2e610iRdLPEN20\n"), Just(" "), Just("Ys8=\n"), Just("\0"),
                Just("C3ZAeY64NXS4QFrksLm3EGz+uPRyI0eQsWw7LWbbYig\n"), Just("\n--- fgMiVLJHMlg9fW7CVG/hPS5EAU4Zeg19LyCP7SoH5nA\n")
            ], 0..12,
        )) {
            let file = format!("age-encryption.org/v1\n{}", pieces.concat());
            let key = x25519::Identity::generate();
            prop_assert!(identities(&[&key]).open(file.as_bytes()).is_err());
            prop_assert!(passphrase().open(file.as_bytes()).is_err());
            prop_assert!(identities(&[&key]).open(&armored(file.as_bytes())).is_err());
        }
    }
}
