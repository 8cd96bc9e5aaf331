//! What others' base systems hold: initrds as the kernel reads them, and root file systems.

use mastermold::build::base::{Facts, Rootfs, initrd};
use mastermold::error::Class;

use crate::scratch::stored;
use crate::targets::foreign::with_right_sums;

/// An initrd, and the same bytes as a root file system.
pub fn initrd(data: &[u8]) {
    stored(data, |store, pin| {
        let mut facts = Facts::default();
        if let Err(error) = initrd::survey(store, pin, &mut facts) {
            assert!(matches!(error.class(), Class::Integrity | Class::Policy), "{error}");
        }
    });
    stored(&with_right_sums(data), |store, pin| {
        if let Err(error) = Rootfs::read(store, pin, "it") {
            assert!(matches!(error.class(), Class::Integrity | Class::Policy | Class::Usage), "{error}");
        }
    });
}
