//! A release on disk, signed, and what is asked of it.

use std::fs;
use std::path::PathBuf;

use mastermold::bundle::{Asked, Manifest, Part, Verified, identity_comment, verify};
use mastermold::error::{Class, Error};
use mastermold::sign::{SecretKey, TrustedKey};
use mastermold::tree::{Entry, Tree, TreePath};

use crate::draft::{Draft, seal};

pub struct Release {
    pub root: tempfile::TempDir,
    pub key: SecretKey,
}

impl Draft {
    pub fn release(&self) -> Release {
        let release = Release { root: tempfile::tempdir().unwrap(), key: SecretKey::generate().unwrap() };
        self.write(&release.path(), &release.key);
        release
    }
}

impl Release {
    pub fn path(&self) -> PathBuf {
        self.root.path().join("release")
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn keys(&self) -> [TrustedKey; 1] {
        [self.key.public().into()]
    }

    pub fn verify(&self) -> Result<Verified, Error> {
        verify(&self.path(), &self.keys(), &asked())
    }

    /// Sums and signs what is there now.
    pub fn seal(&self) {
        let manifest = Manifest::parse(&fs::read(self.at("public/manifest.json")).unwrap()).unwrap();
        for part in [Part::Public, Part::Secrets] {
            seal(&self.path(), part, &identity_comment(&manifest, part), &self.key);
        }
    }

    /// It must be refused, with this class and these words.
    pub fn refused(&self, class: Class, words: &str) {
        refused(self.verify(), class, words);
    }
}

pub fn asked() -> Asked {
    Asked { jobs: 2, ..Asked::default() }
}

pub fn refused<T>(result: Result<T, Error>, class: Class, words: &str) {
    let Err(error) = result else { panic!("not refused: {words}") };
    let text = error.to_string();
    assert!(text.contains(words), "`{words}` is not in:\n{text}");
    assert_eq!(error.class(), class, "{text}");
    assert_eq!(text.lines().count(), error.faults().len(), "a fault is not one line: {text}");
}

pub fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

pub fn put(tree: &mut Tree, at: &str, entry: Entry) {
    tree.replace(path(at), entry);
}

pub fn edit(tree: &mut Tree, at: &str, change: fn(&mut Entry)) {
    change(tree.get_mut(&path(at)).unwrap());
}
