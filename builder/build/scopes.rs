//! The names that the templates of one node see.
//!
//! ```text
//! cluster kubernetes network pki nodes     the profile's own (its scope)
//! node overlays base                           this node; the variables of every active overlay
//! vars                                     the overlay's own variables
//! args() arg() sysctl modules              in file templates only: what all overlays together declare
//! secrets generations                      in file templates only: this node's secrets
//! images                                   in file templates only: the images that this node brings
//! file() mode()                            in checks only: the files that are placed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::alike::Alike;
use super::base::{Facts, Knowledge};
use super::images::NodeImage;
use super::keys::Generational;
use super::settings::{Probed, Settings};
use super::sight;
use crate::document::{Value, nearest};
use crate::error::{Error, Fault, Faults, Place, Result};
use crate::overlay::reads::Reads;
use crate::overlay::scope::SharedValues;
use crate::overlay::{Global, Overlay, Scope, Seen, Sharing, Variants};
use crate::profile::{Profile, merge};
use crate::tree::Tree;
use minijinja::value::{Enumerator, Kwargs, Object, Value as Jinja};

/// The scopes of one node.
pub struct NodeScopes {
    /// What declarations of the profile itself see.
    pub base: Arc<Scope>,
    /// What each overlay sees, in the profile's order.
    pub overlays: Vec<Arc<Scope>>,
    /// Which variables each overlay has on the node.
    pub variants: Variants,
    // `overlays.NAME` refers to scopes that refer to it: it is kept here, and the others hold it weakly.
    _variables: Arc<Variables>,
}

/// An overlay's names are seen by its declarations, by its file templates, and by its checks: each sees more.
const KINDS: usize = 3;

/// What the scopes of all nodes share.
pub struct Shared {
    values: Arc<SharedValues>,
    // The variables of each overlay where the node says nothing of them; none if there is something wrong with them.
    variables: Vec<Option<Value>>,
    // The variables of each overlay of which a node says something.
    differing: Vec<Arc<BTreeSet<String>>>,
}

impl Shared {
    /// Of these overlays.
    pub fn new(profile: &Profile, seen: &Seen, overlays: &[Overlay]) -> Shared {
        let variables = |overlay| {
            let mut faults = Faults::new();
            let variables = variables_of(profile, overlay, None, &mut faults);
            faults.is_empty().then_some(variables)
        };
        let differing = |overlay: &Overlay| {
            let said = seen.documents().iter().filter_map(|node| node.get("vars")?.get(&overlay.name)?.as_table());
            Arc::new(said.flat_map(|table| table.keys().map(str::to_owned)).collect())
        };
        Shared {
            values: Arc::default(),
            variables: overlays.iter().map(variables).collect(),
            differing: overlays.iter().map(differing).collect(),
        }
    }

    /// Of each overlay its variables on a node, and a number: 0 if they are those of every node that says nothing of them.
    fn variables(
        &self,
        profile: &Profile,
        overlays: &[Overlay],
        (number, node): (usize, &Value),
        faults: &mut Faults,
    ) -> Vec<(usize, Value)> {
        let own = |overlay: &Overlay| node.get("vars").is_some_and(|vars| vars.get(&overlay.name).is_some());
        let usual = overlays.iter().zip(&self.variables);
        let of = |(overlay, usual): (&Overlay, &Option<Value>)| match usual {
            Some(usual) if !own(overlay) => (0, usual.clone()),
            _ => (number + 1, variables_of(profile, overlay, Some(node), faults)),
        };
        usual.map(of).collect()
    }
}

impl NodeScopes {
    /// The scopes of a node with its number, for all overlays of the profile.
    pub fn new(
        shared: &Shared,
        (profile, seen): (&Profile, &Seen),
        overlays: &[Overlay],
        number: usize,
        on: &Knowledge,
    ) -> Result<NodeScopes> {
        let mut faults = Faults::new();
        let all = shared.variables(profile, overlays, (number, &seen.documents()[number]), &mut faults);
        let variants: Variants = all.iter().map(|(variant, _)| *variant).collect();
        let sharing = |names| Sharing { values: shared.values.clone(), names, variants: variants.clone() };
        let variables = Arc::new(Variables(OnceLock::new()));
        let object = Jinja::from_object(OverlaysObject(Arc::downgrade(&variables)));
        let mut names = BTreeMap::from([
            ("node".to_owned(), Global::Ready(seen.objects()[number].clone())),
            ("overlays".to_owned(), Global::Noting(object)),
        ]);
        names.extend(base_names(on).map(|base| ("base".to_owned(), Global::Ready(base))));
        let base = seen.scope.sharing_child(names, Reads::NODE, Some(sharing(KINDS * overlays.len())));
        let (mut scopes, mut named) = (Vec::new(), BTreeMap::new());
        for (index, (overlay, (_, vars))) in overlays.iter().zip(all).enumerate() {
            let names = BTreeMap::from([("vars".to_owned(), Global::Differing(vars, shared.differing[index].clone()))]);
            let scope = base.sharing_child(names, Reads::variables(index), Some(sharing(KINDS * index)));
            named.extend(scope.get("vars").map(|vars| (overlay.name.clone(), vars)));
            scopes.push(scope);
        }
        // Filled once: the map was made a few lines above.
        let _ = variables.0.set(named);
        faults.finish(NodeScopes { base, overlays: scopes, variants, _variables: variables })
    }
}

/// What templates see as `base`: the numbers of its users and groups; nothing if there is no base. Of one that is not
/// known yet every name is there, and its number is 0.
fn base_names(base: &Knowledge) -> Option<Jinja> {
    let names = |of: fn(&Facts) -> &BTreeMap<String, u32>| match base.facts() {
        Some(facts) => Jinja::from(of(facts).clone()),
        None => Jinja::from_object(Unknown),
    };
    let object = || BTreeMap::from([("users", names(|facts| &facts.users)), ("groups", names(|facts| &facts.groups))]);
    (!matches!(base, Knowledge::None)).then(|| Jinja::from(object()))
}

/// The users or groups of a base that is not known.
#[derive(Debug)]
struct Unknown;

impl Object for Unknown {
    fn get_value(self: &Arc<Self>, _: &Jinja) -> Option<Jinja> {
        Some(Jinja::from(0))
    }
}

/// An overlay's defaults, with what the profile and then the node, if it is for one, say over them. A name that the overlay does not have
/// is a mistake.
fn variables_of(profile: &Profile, overlay: &Overlay, node: Option<&Value>, faults: &mut Faults) -> Value {
    let empty = || Value::empty_table(&overlay.declarations.place);
    let defaults = overlay.declarations.get("vars").cloned().unwrap_or_else(empty);
    let known: Vec<&str> = defaults.as_table().into_iter().flat_map(|table| table.keys()).collect();
    let mut vars = defaults.clone();
    for document in [Some(&profile.document), node].into_iter().flatten() {
        let Some(given) = document.get("vars").and_then(|vars| vars.get(&overlay.name)) else { continue };
        for (name, field) in given.as_table().into_iter().flatten() {
            if !known.contains(&name) {
                let error = Error::usage(format!("overlay `{}` has no variable `{name}`", overlay.name)).at(&field.key);
                faults.push(match nearest(name, known.iter().copied()) {
                    Some(near) => error.advise(format!("did you mean `{near}`?")),
                    None => error.advise(format!("it has: {}", known.join(", "))),
                });
            }
        }
        vars = merge(&vars, given);
    }
    vars
}

#[derive(Debug)]
struct Variables(OnceLock<BTreeMap<String, Jinja>>);

#[derive(Debug)]
struct OverlaysObject(Weak<Variables>);

impl Object for OverlaysObject {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let variables = self.0.upgrade()?;
        let key = key.as_str()?;
        let named = variables.0.get()?;
        named.get(key).or_else(|| named.get(&key.replace('_', "-"))).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let variables = self.0.upgrade();
        let names = variables.iter().filter_map(|variables| variables.0.get()).flat_map(BTreeMap::keys);
        Enumerator::Values(names.map(|name| Jinja::from(name.as_str())).collect())
    }
}

/// What file templates see beside their overlay's names, and what of it they asked for.
pub struct FileNames {
    settings: Arc<Settings>,
    names: BTreeMap<String, Global>,
    asked: Arc<Mutex<BTreeSet<String>>>,
    // Where the first flag was written whose value was asked for since the last time that somebody wanted to know.
    flag: Arc<Mutex<Option<Place>>>,
    secrets: Arc<SecretsObject>,
    // Whether checks see the files now.
    is_seen: bool,
}

impl FileNames {
    /// The names that these settings, secrets and images give; the secrets are `real` if there is a seed.
    pub fn new(
        settings: Settings,
        secrets: BTreeMap<String, Generational>,
        real: bool,
        images: &[NodeImage],
    ) -> FileNames {
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let secrets = Arc::new(SecretsObject { secrets, real, touched: AtomicBool::new(false) });
        let generations = Jinja::from_object(GenerationsObject(secrets.clone()));
        let (sysctl, modules) = (settings.sysctl_value(), settings.modules_value());
        let settings = Arc::new(settings);
        let (for_args, for_arg) = (settings.clone(), settings.clone());
        let (asked_args, asked_arg) = (asked.clone(), asked.clone());
        let flag = Arc::new(Mutex::new(None));
        let written = flag.clone();
        let args = move |command: String, options: Kwargs| {
            ask(&asked_args, &format!("args.{command}"));
            let group: Option<String> = options.get("group")?;
            options.assert_all_used()?;
            for_args.words(&command, group.as_deref()).map_err(template_error)
        };
        let arg = move |command: String, flag: String, default: Option<String>| {
            ask(&asked_arg, &format!("args.{command}"));
            let value = for_arg.value(&command, &flag);
            if let Some(value) = &value {
                written.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| value.place.clone());
            }
            value.map(|value| value.value).or(default).ok_or_else(|| {
                template_error(Error::usage(format!("the command `{command}` has no flag `{flag}` here")))
            })
        };
        let ready = |name: &str, value: Jinja| (name.to_owned(), Global::Ready(value));
        let tracked = |name: &'static str, value: Jinja| {
            ready(name, Jinja::from_object(Tracked { value, name, asked: asked.clone() }))
        };
        let names = BTreeMap::from([
            ready("args", Jinja::from_function(args)),
            ready("arg", Jinja::from_function(arg)),
            ready("secrets", Jinja::from_dyn_object(secrets.clone())),
            ready("generations", generations),
            ready("images", images.iter().map(image_value).collect()),
            tracked("sysctl", sysctl),
            tracked("modules", modules),
        ]);
        FileNames { settings, names, asked, flag, secrets, is_seen: false }
    }

    /// When all files are placed: what their templates asked for. Checks that come now see the files.
    pub fn see(&mut self, tree: &Tree) -> BTreeSet<String> {
        self.is_seen = true;
        self.names.extend(sight::functions(tree));
        self.asked()
    }

    /// The scope of an overlay's file templates.
    pub fn scope(&self, overlay: &Arc<Scope>) -> Arc<Scope> {
        // The same source may mean something else where there are more names.
        let kind = if self.is_seen { 2 } else { 1 };
        let sharing = overlay.sharing().map(|sharing| Sharing { names: sharing.names + kind, ..sharing.clone() });
        overlay.sharing_child(self.names.clone(), Reads::NODE, sharing)
    }

    /// Whether a secret was used since the last time that this was asked.
    pub fn used_secret(&self) -> bool {
        self.secrets.touched.swap(false, Ordering::Relaxed)
    }

    /// Where the first flag was written whose value a template asked for since the last time that this was asked.
    pub fn flag(&self) -> Option<Place> {
        self.flag.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// An error of a template as it may be told: what has a part of a secret in it is replaced, such as the text of
    /// `fail(...)`, or a value that a filter does not take.
    pub fn conceal(&self, error: Error) -> Error {
        error.retell(|fault| {
            let parts = [Some(&fault.message), fault.advice.as_ref()];
            let name = parts.into_iter().flatten().find_map(|text| self.secrets.shown_in(text));
            match name {
                None => fault,
                Some(name) => Fault {
                    message: format!("what is wrong here has a part of the secret `{name}` in it"),
                    advice: Some("it is not shown therefore; look at how the line uses it".to_owned()),
                    ..fault
                },
            }
        })
    }

    /// The commands that templates wrote and whose programs may be asked.
    pub fn probed(&self, alike: &Alike) -> Vec<Arc<Probed>> {
        self.settings.probed(&self.asked(), alike)
    }

    /// The flags that may be given more than once, each behind the name of its program's file.
    pub fn repeated(&self) -> BTreeSet<(String, String)> {
        self.settings.repeated()
    }

    /// What templates asked for: `sysctl`, `modules`, `args.NAME`.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn image_value(image: &NodeImage) -> Jinja {
    Jinja::from(BTreeMap::from([("name", image.name.clone()), ("path", image.path.clone())]))
}

fn ask(asked: &Mutex<BTreeSet<String>>, name: &str) {
    asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
}

fn template_error(error: Error) -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string())
}

/// A table that notes that it was looked at.
#[derive(Debug)]
struct Tracked {
    value: Jinja,
    name: &'static str,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Object for Tracked {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        ask(&self.asked, self.name);
        self.value.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        ask(&self.asked, self.name);
        let keys = self.value.try_iter().map(|keys| keys.collect()).unwrap_or_default();
        Enumerator::Values(keys)
    }
}

/// The node's secrets by name. Whoever takes one is noted: its file must be secret too.
struct SecretsObject {
    secrets: BTreeMap<String, Generational>,
    // Whether there is a seed; without one, what stands for a secret is a few words.
    real: bool,
    touched: AtomicBool,
}

/// Fewer characters in a row tell nothing.
const TELLING: usize = 6;

impl SecretsObject {
    fn get(&self, key: &Jinja) -> Option<&Generational> {
        let key = key.as_str()?;
        let secret = self.secrets.get(key).or_else(|| self.secrets.get(&key.replace('_', "-")))?;
        self.touched.store(true, Ordering::Relaxed);
        Some(secret)
    }

    /// The secret of which a part is in a text, whatever case its letters have.
    fn shown_in(&self, text: &str) -> Option<&str> {
        let shown = |secret: &[u8]| {
            let mut parts = secret.windows(TELLING.min(secret.len()).max(1));
            parts.any(|part| text.as_bytes().windows(part.len()).any(|there| there.eq_ignore_ascii_case(part)))
        };
        let of = |generations: &Generational| generations.iter().any(|(_, secret)| shown(secret));
        self.secrets.iter().find(|(_, generations)| self.real && of(generations)).map(|(name, _)| name.as_str())
    }

    fn names(&self) -> Enumerator {
        Enumerator::Values(self.secrets.keys().map(|name| Jinja::from(name.as_str())).collect())
    }
}

/// Every shape that a declaration can name is text.
fn text(secret: &[u8]) -> Jinja {
    Jinja::from(String::from_utf8_lossy(secret).into_owned())
}

impl std::fmt::Debug for SecretsObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.secrets.len())
    }
}

impl Object for SecretsObject {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let (_, current) = self.get(key)?.first()?;
        Some(text(current))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.names()
    }
}

/// The node's secrets in all generations that count, the current one first: each has `generation` and `value`.
#[derive(Debug)]
struct GenerationsObject(Arc<SecretsObject>);

impl Object for GenerationsObject {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let all = self.0.get(key)?.iter().map(|(generation, value)| {
            BTreeMap::from([("generation", Jinja::from(*generation)), ("value", text(value))])
        });
        Some(Jinja::from(all.map(Jinja::from).collect::<Vec<_>>()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.0.names()
    }
}
