//! DSSE envelopes, version 1 (secure-systems-lab/dsse, "protocol.md" and "envelope.md"): a JSON document that holds what
//! is signed and who signed it. What is signed is the payload with its type before it, never the JSON around it.
//!
//! ```text
//! {"payload":"BASE64","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"ID","sig":"BASE64"}]}
//! ```
//!
//! The keys are minisign's; their signatures here are Ed25519 over what `encode` gives, as every tool for DSSE makes them.
//! Written in one way (this order, no space, one line that ends in LF), and only that is read: an envelope has one
//! spelling.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _};
use serde::{Deserialize, Serialize};

use super::lines;
use super::public::{KeyId, PublicKey};
use super::secret::SecretKey;
use crate::error::{Error, Result};

/// The type of every payload here: an in-toto statement (in-toto/attestation, "Envelope").
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The longest envelope that is read, in bytes, and the most signatures in one.
const LONGEST: usize = 64 << 20;
const MOST: usize = 64;

/// The order of the fields is that of the text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Entry>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    keyid: String,
    sig: String,
}

/// The bytes that are signed ("PAE" in DSSE's words): type and payload, each after its length, so that no two pairs of
/// them give the same bytes.
fn encode(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let start = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [start.as_bytes(), payload].concat()
}

/// The envelope of a payload, signed by each key in this order: one line that ends in LF.
pub fn seal(keys: &[&SecretKey], payload: &[u8]) -> Result<String> {
    let signed = encode(PAYLOAD_TYPE, payload);
    let entry = |key: &&SecretKey| Entry {
        keyid: key.public().key_id().to_string(),
        sig: lines::encode(&key.key.sign(&signed).to_bytes()),
    };
    let signatures = keys.iter().map(entry).collect();
    let envelope = Envelope { payload: lines::encode(payload), payload_type: PAYLOAD_TYPE.into(), signatures };
    let text = envelope.to_text()?;
    let public: Vec<PublicKey> = keys.iter().map(|key| key.public()).collect();
    // A processor's mistake gives the key away to who sees it.
    match open(&public, &text)?.1.len() == keys.len() {
        true => Ok(text),
        false => Err(Error::bug("a signature that does not verify")),
    }
}

/// The payload of an envelope, and which of `keys` signed it, in the envelope's order. Signatures by other keys count for
/// nothing: if no key is returned, nobody who is trusted vouches for the payload.
///
/// # Errors
/// An envelope of another form, one without signatures, and a signature that names one of `keys` and is not by it, or is
/// by one of them and names another: [`Error::trust`].
pub fn open(keys: &[PublicKey], envelope: &str) -> Result<(Vec<u8>, Vec<KeyId>)> {
    let envelope = Envelope::parse(envelope)?;
    let payload = STANDARD.decode(&envelope.payload).map_err(|_| malformed("its payload is not base64"))?;
    let signed = encode(PAYLOAD_TYPE, &payload);
    let mut signers = Vec::new();
    for Entry { keyid, sig } in &envelope.signatures {
        let bytes = lines::decode::<64>(sig.as_bytes()).ok_or_else(|| malformed("a signature is not 64 bytes"))?;
        let named: Vec<&PublicKey> = keys.iter().filter(|key| key.key_id().to_string() == *keyid).collect();
        // Key ids are names that anybody can give: a key is found by what it verifies.
        let signature = Signature::from_bytes(&bytes);
        match named.iter().find(|key| key.key.verify_strict(&signed, &signature).is_ok()) {
            Some(key) => signers.push(key.key_id()),
            None if named.is_empty() => {
                // Nobody's program does that: the name was changed afterwards.
                if let Some(key) = keys.iter().find(|key| key.key.verify_strict(&signed, &signature).is_ok()) {
                    let id = key.key_id();
                    let message = format!("the envelope's signature names key {keyid}, and is by {id}");
                    return Err(Error::trust(message).advise("get the release again from its source"));
                }
            }
            None => {
                let message = format!("the envelope's signature by key {keyid} is not one of its payload by that key");
                return Err(Error::trust(message).advise("get the release again from its source"));
            }
        }
    }
    Ok((payload, signers))
}

impl Envelope {
    fn to_text(&self) -> Result<String> {
        let text = serde_json::to_string(self).map_err(|error| Error::bug(format!("writing an envelope: {error}")))?;
        Ok(text + "\n")
    }

    fn parse(text: &str) -> Result<Envelope> {
        if text.len() > LONGEST {
            return Err(malformed(&format!("it has more than {LONGEST} bytes")));
        }
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed(&format!("its payload is of type `{}`", envelope.payload_type)));
        }
        let count = envelope.signatures.len();
        let twice = envelope.signatures.iter().enumerate().any(|(at, one)| envelope.signatures[..at].contains(one));
        if !(1..=MOST).contains(&count) || twice {
            return Err(malformed(&format!("it has not 1 to {MOST} different signatures")));
        }
        match envelope.to_text()? == text {
            true => Ok(envelope),
            false => Err(malformed("it is not one line of JSON without spaces that ends in LF")),
        }
    }
}

fn malformed(what: &str) -> Error {
    Error::trust(format!("this is not a strict DSSE envelope of an in-toto statement: {what}"))
        .advise("get the release again from its source")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of DSSE's protocol.md.
    #[test]
    fn what_is_signed_is_as_the_protocol_says() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(encode("http://example.com/HelloWorld", b"hello world"), expected);
    }

    #[test]
    fn sealed_and_opened() {
        let keys: Vec<SecretKey> = (0..3).map(|_| SecretKey::generate().unwrap()).collect();
        let text = seal(&[&keys[0], &keys[1]], b"{}").unwrap();
        assert_eq!(text, seal(&[&keys[0], &keys[1]], b"{}").unwrap());
        assert!(text.ends_with("\"}]}\n") && text.matches('\n').count() == 1);
        let ids = |keys: &[&SecretKey]| keys.iter().map(|key| key.public().key_id()).collect::<Vec<_>>();
        let opened =
            |trusted: &[&SecretKey]| open(&trusted.iter().map(|key| key.public()).collect::<Vec<_>>(), &text).unwrap();
        assert_eq!(opened(&[&keys[1], &keys[0]]), (b"{}".to_vec(), ids(&[&keys[0], &keys[1]])));
        assert_eq!(opened(&[&keys[1], &keys[2]]).1, ids(&[&keys[1]]));
        assert_eq!(opened(&[&keys[2]]).1, ids(&[]));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = SecretKey::generate().unwrap();
        let text = seal(&[&key], b"{\"a\":1}").unwrap();
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(open(&[key.public()], &changed).is_err(), "byte {at}, bit {bit}: {changed}");
            }
        }
    }

    #[test]
    fn there_is_one_spelling() {
        let key = SecretKey::generate().unwrap();
        let text = seal(&[&key], b"{\"a\":12}").unwrap();
        let entry = &text[text.find("{\"keyid").unwrap()..text.len() - 3];
        let wrong = [
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!(" {text}"),
            text.replace(':', ": "),
            text.replace("\"payload\"", "\"p\\u0061yload\""),
            text.replace("{\"keyid", "{\"more\":1,\"keyid"),
            text.replacen("{\"payload\":", "{\"payload\":\"e30=\",\"payload\":", 1),
            text.replace("vnd.in-toto", "vnd.other"),
            text.replace(entry, ""),
            text.replace(entry, &format!("{entry},{entry}")),
            text.replace('=', ""),
            text.replace('\n', "\r\n"),
            String::new(),
        ];
        for text in wrong {
            assert_eq!(open(&[key.public()], &text).unwrap_err().class().code(), 4, "{text}");
        }
    }
}
