//! One program for all targets, so that it is built and linked once: `FUZZ_TARGET=NAME fuzz [libFuzzer's options] [CORPUS]`.
//! `FUZZ_TARGET=list` prints the names. What is written on disk goes below `FUZZ_SCRATCH`, best on a tmpfs.
//!
//! A target fails by a panic: those of the program itself, and those of what is claimed here of every input: that what
//! is read is written the same, that a reader gives no more than its limits, that no allocation is out of proportion.

#![no_main]

mod memory;
mod scratch;
mod targets {
    pub mod archives;
    pub mod bases;
    pub mod certificates;
    pub mod control;
    pub mod foreign;
    pub mod images;
    pub mod lists;
    pub mod programs;
    pub mod projects;
    pub mod records;
    pub mod requests;
    pub mod signatures;
    pub mod templates;
}

use std::sync::LazyLock;

use targets::*;

/// Something that is done with any bytes.
type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 36] = [
    ("control", control::planted),
    // What people write.
    ("profile", projects::profile),
    ("overlay", projects::overlay),
    ("plan", projects::plan),
    ("template", templates::template),
    ("escape", templates::escape_anything),
    ("escape-json", templates::escape_json),
    ("escape-toml", templates::escape_toml),
    ("escape-lines", templates::escape_lines),
    // What a release holds.
    ("lock", records::lock),
    ("manifest", records::manifest),
    ("sums", records::sums),
    ("signature", signatures::signature),
    ("ssh-signature", signatures::ssh),
    ("dsse", signatures::dsse),
    ("cms", signatures::cms),
    ("public-key", signatures::public_key),
    ("secret-key", signatures::secret_key),
    ("tar", archives::tar),
    ("cpio", archives::cpio),
    ("compressed", archives::compressed),
    // What others made.
    ("unpack-tar", foreign::tar),
    ("unpack-deb", foreign::any),
    ("unpack-zip", foreign::any),
    ("unpack-compressed", foreign::compressed),
    ("image", images::survey),
    ("initrd", bases::initrd),
    ("certificate", certificates::certificate),
    ("key", certificates::key),
    ("seed", certificates::seed),
    // What the network and Debian's tools say.
    ("request", requests::request),
    ("url", lists::url),
    ("checksum", lists::checksum),
    ("package-list", lists::packages),
    // What is looked into.
    ("program", programs::identify),
    ("document", programs::documents),
];

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    if name == "list" {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        std::process::exit(0);
    }
    match TARGETS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => *target,
        None => {
            eprintln!("FUZZ_TARGET is `{name}`, and not one of those that FUZZ_TARGET=list prints");
            std::process::exit(2);
        }
    }
});

libfuzzer_sys::fuzz_target!(
    init: {
        LazyLock::force(&CHOSEN);
    },
    |data: &[u8]| {
        let target = *CHOSEN;
        memory::watched(|| target(data));
    }
);
