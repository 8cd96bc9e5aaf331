//! Images of a node: how one is made or looked into, what the lock pins of it, and having it in the store.

use std::collections::BTreeMap;

use super::sources::{self, Installed, Taken};
use crate::digest::{Digest, Hasher};
use crate::document::Placed;
use crate::error::{Error, Result};
use crate::image::{self, Assembly, Settings, Survey};
use crate::overlay::declare::{ImageDeclaration, Installation, Mode, SourceDeclaration};
use crate::profile::Arch;
use crate::profile::lock::{Locked, LockedImage};
use crate::store::{self, Kind, Limits, Pin, Store};
use crate::tree::{Entry, Tree, TreePath};

/// The version of how images are made: it grows when the same files would become other bytes.
const FORMAT: &str = "image 1";
/// Where archives of images are on a node if nothing else is said.
const DIRECTORY: &str = "/usr/lib/mastermold/images";

/// All that is said of an image, rendered.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its whole name.
    pub name: String,
    /// The architecture.
    pub arch: Arch,
    /// What it is made of; none if the source is an archive that holds it.
    made: Option<Made>,
}

#[derive(Clone, Debug)]
struct Made {
    contents: Vec<Installed>,
    settings: Settings,
}

/// Something that a node has in its images' directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeImage {
    /// The whole name.
    pub name: String,
    /// Where the archive is.
    pub path: String,
    /// The source.
    pub source: String,
    /// What it is made of, by path in the image; nothing if it comes as an archive, or is not locked.
    pub contents: Vec<(TreePath, Entry)>,
}

impl Recipe {
    /// What a source says of its image, checked.
    pub fn new(declared: &Placed<ImageDeclaration>, arch: Arch) -> Result<Recipe> {
        let at = |error: Error| error.at(&declared.place);
        image::check_name(&declared.name).map_err(at)?;
        let made = match (&declared.binary, declared.files.is_empty()) {
            (None, true) => None,
            (Some(_), false) => {
                let message =
                    "an image is made of `binary` (the file itself) or of `files` (of an archive), not of both";
                return Err(at(Error::usage(message)));
            }
            (binary, _) => Some(Made {
                contents: contents(declared, binary.as_deref())?,
                settings: settings(declared).map_err(at)?,
            }),
        };
        if made.is_none() && settings(declared).map_err(at)? != Settings::default() {
            let message = "what is run stands in an image that comes as an archive; only one made of `files` or \
                           `binary` takes `entrypoint`, `cmd`, `env`, `user` and `workdir`";
            return Err(at(Error::usage(message)));
        }
        Ok(Recipe { name: declared.name.clone(), arch, made })
    }

    /// The members that it is made of.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let contents = self.made.iter().flat_map(|made| &made.contents);
        contents.filter_map(|one| match &one.taken {
            Taken::Member(pattern) => Some(pattern.as_str()),
            _ => None,
        })
    }

    /// What it is made of, by path in the image; nothing if it comes as an archive.
    pub fn contents(&self, source: &str, locked: &Locked) -> Result<Vec<(TreePath, Entry)>> {
        let contents = self.made.iter().flat_map(|made| &made.contents);
        let entries = contents.map(|one| sources::entries(source, one, locked)).collect::<Result<Vec<_>>>()?;
        Ok(entries.into_iter().flatten().collect())
    }

    /// One digest over all of it. Every field is preceded by its length.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        let mut field = |text: &str| {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        [FORMAT, &self.name, self.arch.name()].into_iter().for_each(&mut field);
        let Some(made) = &self.made else { return hasher.finish().0 };
        for one in &made.contents {
            let Installation { path, mode, uid, gid } = &one.to;
            let pattern = match &one.taken {
                Taken::Member(pattern) => pattern,
                _ => "",
            };
            let mode = mode.map_or_else(String::new, |mode| format!("{:o}", mode.0));
            ["file", pattern, path, &mode, &uid.to_string(), &gid.to_string()].into_iter().for_each(&mut field);
        }
        let Settings { entrypoint, cmd, env, user, workdir } = &made.settings;
        entrypoint.iter().for_each(|word| ["entrypoint", word].into_iter().for_each(&mut field));
        cmd.iter().for_each(|word| ["cmd", word].into_iter().for_each(&mut field));
        env.iter().for_each(|(name, value)| ["env", name, value].into_iter().for_each(&mut field));
        user.iter().for_each(|user| ["user", user].into_iter().for_each(&mut field));
        workdir.iter().for_each(|workdir| ["workdir", workdir].into_iter().for_each(&mut field));
        hasher.finish().0
    }

    /// Makes or looks into the image; what is to be pinned of it. Its archive is in the store then.
    pub fn lock(&self, source: &str, locked: &Locked, store: &Store) -> Result<LockedImage> {
        let pin = Pin { digest: locked.sha256, size: locked.size };
        let (id, layer, archive) = match &self.made {
            None => {
                let archive = store::plain(store, &pin, &format!("source {source}"), &Limits::default())?;
                (
                    self.survey(&archive, store).map_err(|error| error.context(format!("source {source}")))?,
                    None,
                    archive,
                )
            }
            Some(made) => {
                let assembly = self.assembly(made, source, locked)?;
                let layer = assembly.layer(store)?;
                let archive = store.derive(None, |out| assembly.write(layer, store, out))?;
                (assembly.id(layer)?, Some(layer), archive)
            }
        };
        let (name, arch, recipe) = (self.name.clone(), self.arch.name().to_owned(), self.digest());
        Ok(LockedImage { name, arch, recipe, id, layer, sha256: archive.digest, size: archive.size })
    }

    /// Makes the archive once more, from a source that is in the store; it must become what is pinned.
    pub fn restore(&self, source: &str, locked: &Locked, image: &LockedImage, store: &Store) -> Result<()> {
        let pin = Pin { digest: image.sha256, size: image.size };
        let differs = |error: Error| {
            let advice = format!("if the change is meant: `mastermold lock --update {source}`");
            error.context(format!("source {source}: the image {}", self.name)).advise(advice)
        };
        let Some(made) = &self.made else {
            let from = Pin { digest: locked.sha256, size: locked.size };
            let archive = store::plain(store, &from, &format!("source {source}"), &Limits::default())?;
            return match archive == pin {
                true => Ok(()),
                false => Err(differs(Error::integrity(format!("it is sha256 {}, not as pinned", archive.digest)))),
            };
        };
        let layer = image.layer.ok_or_else(|| Error::usage("the lock has no layer of it")).map_err(differs)?;
        let assembly = self.assembly(made, source, locked)?;
        store.derive(Some(&pin), |out| assembly.write(layer, store, out)).map(drop).map_err(differs)
    }

    /// Whether an archive holds the image, whole; its ID.
    fn survey(&self, archive: &Pin, store: &Store) -> Result<Digest> {
        let mut survey = Survey::new();
        store::entries(store, archive, "the archive", &Limits::default(), &mut |entry, body| match &entry.kind {
            Kind::File => survey.file(&entry.path, body),
            Kind::Symlink(target) => survey.symlink(&entry.path, target),
            Kind::Directory => Ok(()),
            // Nothing that is looked for: if something refers to it, it is missing.
            Kind::Hardlink(_) | Kind::Other(_) => Ok(()),
        })?;
        survey.judge(&self.name, self.arch.name())
    }

    fn assembly(&self, made: &Made, source: &str, locked: &Locked) -> Result<Assembly> {
        let mut tree = Tree::new();
        for one in &made.contents {
            for (path, entry) in sources::entries(source, one, locked)? {
                tree.insert(path, entry).map_err(|error| error.at(&one.place))?;
            }
        }
        Assembly::new(&self.name, self.arch.name(), tree, made.settings.clone())
    }
}

/// Where the archive of a source's image goes.
pub fn archive(source: &str, declared: &ImageDeclaration) -> Installation {
    let path = declared.path.clone().unwrap_or_else(|| format!("{DIRECTORY}/{source}.tar"));
    Installation { path, mode: declared.mode, uid: declared.uid, gid: declared.gid }
}

fn contents(declared: &Placed<ImageDeclaration>, binary: Option<&str>) -> Result<Vec<Installed>> {
    let program = binary.map(|path| Installed {
        taken: Taken::Itself,
        to: Installation { path: path.to_owned(), mode: Some(Mode(0o755)), uid: 0, gid: 0 },
        place: declared.place.clone(),
    });
    let members = declared.files.iter().map(|(pattern, to)| Installed {
        taken: Taken::Member(pattern.clone()),
        to: sources::full(&to.value),
        place: to.place.clone(),
    });
    let contents: Vec<Installed> = program.into_iter().chain(members).collect();
    contents.iter().try_for_each(sources::check_installed)?;
    Ok(contents)
}

fn settings(declared: &ImageDeclaration) -> Result<Settings> {
    let number = |text: &str| !text.is_empty() && text.len() <= 10 && text.bytes().all(|digit| digit.is_ascii_digit());
    if let Some(user) =
        declared.user.as_deref().filter(|user| !user.split(':').all(number) || user.matches(':').count() > 1)
    {
        let error = Error::usage(format!("the image's user `{user}` is not a number, or two as UID:GID"));
        return Err(error.advise("names would need an /etc/passwd in the image"));
    }
    let bad_name = |name: &&String| name.is_empty() || name.contains('=');
    if let Some(name) = declared.env.keys().find(bad_name) {
        return Err(Error::usage(format!("`{name}` is no name of an environment variable")));
    }
    if let Some(workdir) = declared.workdir.as_deref().filter(|workdir| !workdir.starts_with('/')) {
        return Err(Error::usage(format!("the image's workdir `{workdir}` is not an absolute path")));
    }
    let entrypoint = match (&declared.binary, declared.entrypoint.is_empty()) {
        (Some(binary), true) => vec![binary.clone()],
        _ => declared.entrypoint.clone(),
    };
    Ok(Settings {
        entrypoint,
        cmd: declared.cmd.clone(),
        env: declared.env.clone(),
        user: declared.user.clone(),
        workdir: declared.workdir.clone(),
    })
}

/// The recipes of a source by their digests.
pub type Recipes = BTreeMap<Digest, Recipe>;

/// What a source's image needs: the image as one of its recipes, and where its archive goes.
pub fn plan(source: &str, declared: &SourceDeclaration, arch: Arch) -> Result<Option<(Recipe, Installed)>> {
    let Some(image) = &declared.image else { return Ok(None) };
    let recipe = Recipe::new(image, arch)?;
    let to = archive(source, image);
    let installed = Installed { taken: Taken::Image(recipe.digest()), to, place: image.place.clone() };
    Ok(Some((recipe, installed)))
}

/// Whether every archive of a source's images is in the store.
pub fn are_there(locked: &Locked, store: &Store) -> Result<bool> {
    for image in &locked.images {
        if !store.has(&image.sha256, image.size)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes what is missing, or what is damaged if all is to be hashed.
pub fn complete(source: &str, recipes: &Recipes, locked: &Locked, hash: bool, store: &Store) -> Result<()> {
    for image in &locked.images {
        let there = match hash {
            true => store.check(&image.sha256, image.size)?,
            false => store.has(&image.sha256, image.size)?,
        };
        if let Some(recipe) = recipes.get(&image.recipe).filter(|_| !there) {
            recipe.restore(source, locked, image, store)?;
        }
    }
    Ok(())
}
