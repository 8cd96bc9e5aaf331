//! What lies behind base64 (RFC 4648, section 4), wherever it starts and however its lines are folded.

use std::ops::ControlFlow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::text::{Text, is_base64};

/// Shorter texts hold nothing that could be told.
const LEAST: usize = 24;
/// A line that is shorter is a word.
const FOLDED: usize = 16;

/// Takes what a cut made of it: no padding, and bits left over.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of one base64 text; none if it is none.
pub fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    LENIENT.decode(text).ok().map(Zeroizing::new)
}

/// Shows what every base64 text in these bytes holds, and where the text starts, until `visit` has enough. The start of
/// an encoding may be anywhere in what looks like one text (`path/LS0t...`), so each is decoded at all four places.
pub fn decode_each<B>(bytes: &[u8], visit: &mut dyn FnMut(usize, &[u8]) -> ControlFlow<B>) -> Option<B> {
    let mut at = 0;
    while at < bytes.len() {
        // Most of what is looked at are words: they hold nothing, and end where they end.
        let word = Text(bytes).run(at, is_base64);
        if word.len() < FOLDED {
            at += word.len().max(1);
            continue;
        }
        let (text, end) = gather(bytes, at);
        for shift in (0..4).filter(|_| text.len() >= LEAST) {
            let part = &text[shift..];
            // A last digit alone holds no whole byte.
            let whole = if part.len() % 4 == 1 { &part[..part.len() - 1] } else { part };
            if let Some(decoded) = decode(whole)
                && let ControlFlow::Break(found) = visit(at, &decoded)
            {
                return Some(found);
            }
        }
        at = end;
    }
    None
}

/// The base64 text that starts at a place, its lines joined, and where it ends.
fn gather(bytes: &[u8], start: usize) -> (Zeroizing<Vec<u8>>, usize) {
    let mut at = start;
    let mut lines = Vec::new();
    loop {
        let line = Text(bytes).run(at, is_base64);
        lines.push(line);
        at += line.len();
        // What follows a word on the next line is no part of it.
        let fold = if line.len() < FOLDED { 0 } else { fold(&bytes[at..]) };
        if fold == 0 {
            break;
        }
        at += fold;
    }
    // In one piece: a buffer that grows leaves a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(lines.iter().map(|line| line.len()).sum()));
    lines.iter().for_each(|line| text.extend_from_slice(line));
    (text, at)
}

/// The length of a line break with indentation, also as strings write it (`\n`); 0 if there is none.
fn fold(bytes: &[u8]) -> usize {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let white = Text(bytes).run(0, blank);
    if white.contains(&b'\n') {
        return white.len();
    }
    match bytes {
        [b'\\', b'r', b'\\', b'n', ..] => 4,
        [b'\\', b'n', ..] => 2,
        _ => 0,
    }
}
