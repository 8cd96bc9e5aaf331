//! The proof that a fault is found: one that is planted.

/// Panics on one word, which no corpus holds.
pub fn planted(data: &[u8]) {
    // Byte by byte, as readers compare: each is a step that the fuzzer sees.
    if data.first() == Some(&b'm') && data.get(1) == Some(&b'o') {
        let rest = data.get(2..4).unwrap_or_default();
        if rest.starts_with(b"l") && rest.ends_with(b"d") {
            panic!("the planted fault");
        }
    }
}
