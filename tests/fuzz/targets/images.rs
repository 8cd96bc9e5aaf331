//! Archives of images: the survey of their entries. An input is the files: `PATH LF CONTENTS`, with NUL between them.
//! In contents `@N` stands for the digest of the file number N and `#N` for its size, in a path `@` for its own digest;
//! else no change would get past the digests.

use mastermold::digest::Digest;
use mastermold::error::Class;
use mastermold::image::{Survey, check_name};

const NAME: &str = "registry.example/etcd:3.6.5";

/// Looks at the files and judges the image.
pub fn survey(data: &[u8]) {
    let (mut survey, mut known) = (Survey::new(), Vec::new());
    for file in data.split(|byte| *byte == 0).take(64) {
        let at = file.iter().position(|byte| *byte == b'\n').unwrap_or(file.len());
        let contents = filled(file.get(at + 1..).unwrap_or_default(), &known);
        let digest = Digest::of(&contents).to_string();
        let path = String::from_utf8_lossy(&file[..at]).replace('@', &digest);
        known.push((digest, contents.len()));
        let looked = match path.split_once(" -> ") {
            Some((path, target)) => survey.symlink(path, target),
            None => survey.file(&path, &mut &contents[..]),
        };
        if looked.is_err() {
            return;
        }
    }
    match survey.judge(NAME, "amd64") {
        Ok(id) => assert!(known.iter().any(|(digest, _)| *digest == id.to_string()), "an image that is not there"),
        Err(error) => {
            assert!(matches!(error.class(), Class::Integrity | Class::Policy | Class::Usage), "{error}");
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = check_name(text);
    }
}

fn filled(contents: &[u8], known: &[(String, usize)]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(contents.len());
    let mut rest = contents;
    while let Some((byte, tail)) = rest.split_first() {
        let file = tail.first().filter(|digit| digit.is_ascii_digit());
        let file = file.and_then(|digit| known.get(usize::from(digit - b'0')));
        match (byte, file) {
            (b'@', Some((digest, _))) => filled.extend_from_slice(digest.as_bytes()),
            (b'#', Some((_, size))) => filled.extend_from_slice(size.to_string().as_bytes()),
            _ => {
                filled.push(*byte);
                rest = tail;
                continue;
            }
        }
        rest = &tail[1..];
    }
    filled
}
