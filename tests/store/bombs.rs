//! Row 39 of the quality goals: small files that would become large ones are stopped at the limits, each in a process of
//! its own, whose memory and files are measured. Also initrds of others, which no archive of ours is.

use mastermold::build::base::{Facts, initrd};
use mastermold::error::Error;
use mastermold::store::{self, Limits, Pin, Store};

use super::{blobs, child, hostile, output_of, pin, place, variable};

/// The most memory in kB that a process may have needed, and the most bytes that it may leave.
const MEMORY: u64 = 300_000;
const DISK: u64 = 64 << 20;

#[test]
fn bombs_are_stopped_in_bounded_memory() {
    let all = [("archive", hostile::bombs::archives()), ("initrd", hostile::bombs::initrds())];
    for (kind, vector) in all.into_iter().flat_map(|(kind, vectors)| vectors.into_iter().map(move |one| (kind, one))) {
        let place = place();
        place.store.add(&mut &vector.bytes[..], u64::MAX).unwrap();
        let directory = place.store.directory().to_str().unwrap().to_owned();
        let (digest, size) = (pin(&vector.bytes).digest.to_string(), vector.bytes.len().to_string());
        let environment = [("KIND", kind), ("STORE", &*directory), ("DIGEST", &digest), ("SIZE", &size)];
        // Four times what is allowed would end it, and not this machine.
        let limited = ["sh", "-c", "ulimit -f 131072; exec timeout 60 \"$0\" \"$@\""];
        let output = child("bombs::child_opens_a_bomb", &environment, &limited).output().unwrap();
        let text = output_of(&output);
        let said =
            |what: &str| text.lines().find_map(|line| line.strip_prefix(what)).map(|rest| rest.trim().to_owned());
        assert!(output.status.success(), "{}: {text}", vector.name);
        assert_eq!(said("code:").as_deref(), Some(&*vector.code.to_string()), "{}: {text}", vector.name);
        let memory: u64 = said("VmHWM:").unwrap().trim_end_matches(" kB").parse().unwrap();
        assert!(memory < MEMORY, "{}: {memory} kB", vector.name);
        let kept: u64 = blobs(&place.store).iter().map(|blob| std::fs::metadata(blob).unwrap().len()).sum();
        assert!(kept <= vector.bytes.len() as u64 + DISK, "{}: {kept} bytes were kept", vector.name);
        assert!(std::fs::read_dir(place.store.directory().join("temp")).unwrap().next().is_none(), "{}", vector.name);
        println!("{:<45} {:>9} bytes {memory:>7} kB", vector.name, vector.bytes.len());
    }
}

#[test]
#[ignore = "a part of another test"]
fn child_opens_a_bomb() {
    let store = Store::open(std::path::Path::new(&variable("STORE"))).unwrap();
    let pin = Pin { digest: variable("DIGEST").parse().unwrap(), size: variable("SIZE").parse().unwrap() };
    let opened: Result<(), Error> = match variable("KIND").as_str() {
        "initrd" => initrd::survey(&store, &pin, &mut Facts::default()),
        _ => store::members(&store, &pin, "bomb", &["want".into()], &Limits::default()).map(drop),
    };
    println!("\ncode: {}", opened.as_ref().err().map_or(0, |error| error.class().code()));
    println!("said: {opened:?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

/// A skippable frame before, between or behind says nothing, and no byte behind it is passed over.
#[test]
fn skippable_frames_hide_nothing() {
    let archive = hostile::tar(&[hostile::entry("want", b'0', b"good", "")]);
    let frame = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"junk"].concat();
    let (whole, half) = (hostile::zstd(&archive), hostile::zstd(&archive[..700]));
    let rest = hostile::zstd(&archive[700..]);
    let taken = |parts: &[&[u8]]| {
        let place = place();
        let bytes = parts.concat();
        place.store.add(&mut &bytes[..], u64::MAX).unwrap();
        let taken = store::members(&place.store, &pin(&bytes), "a", &["want".into()], &Limits::default());
        taken.map(|members| members[0].pin).map_err(|error| error.class().code())
    };
    for parts in [&[&frame[..], &whole][..], &[&whole, &frame], &[&half, &frame, &rest]] {
        assert_eq!(taken(parts), Ok(pin(b"good")));
    }
    assert_eq!(taken(&[&whole, &frame[..10]]), Err(3));
    assert_eq!(taken(&[&whole, &frame, &whole]), Err(8));
    assert_eq!(taken(&[&frame]), Err(3));
}
