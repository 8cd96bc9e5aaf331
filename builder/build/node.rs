//! One node resolved: its overlays' declarations, its files, its keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use globset::GlobMatcher;
use zeroize::Zeroizing;

use super::alike::Alike;
use super::base::Knowledge;
use super::contents::Contents;
use super::credentials::Credentials;
use super::files::{Same, check_same, glob, place_directories, place_files, same_files};
use super::images::NodeImage;
use super::keys::{Generational, Keys};
use super::leak::known::Known;
use super::nodes::{NodeOutline, NodePlan};
use super::place::Placing;
use super::placements::Placements;
use super::plan::Pending;
use super::scopes::{FileNames, NodeScopes, Shared};
use super::settings::Settings;
use super::sources::{self, Installed, PlannedSource};
use super::talk::{self, Talk};
use crate::document::{self, Data, Placed, Table, Value};
use crate::error::{Error, Faults, Result};
use crate::overlay::declare::{Declarations, Provision, SourceDeclaration};
use crate::overlay::{Overlay, Remembered, Scope, Seen, units};
use crate::profile::lock::{Locked, Wanted};
use crate::profile::{Lock, NodeDeclaration as Machine, Profile};
use crate::tree::{Content, Entry, Node, Tree, TreePath};

/// What nodes are resolved from.
pub struct Ground<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// What templates see of it.
    pub seen: &'a Seen,
    /// Its overlays, in its order.
    pub overlays: &'a [Overlay],
    /// What the lock has.
    pub lock: Option<&'a Lock>,
    /// Whether there is a seed.
    pub keyed: bool,
    /// What nodes share.
    pub shared: Shared,
    /// What overlays declare, by their numbers, where it is the same on several nodes.
    pub declared: Remembered<usize, Said>,
    /// What files hold that are the same on several nodes.
    pub contents: Arc<Contents>,
    /// What plans have alike.
    pub alike: Alike,
}

/// What is gathered from all nodes, one after the other in the order of the profile.
pub struct Gathering<'a, 'k> {
    /// The keys.
    pub keys: &'a mut Keys<'k>,
    /// What the profile places on nodes.
    pub placements: &'a mut Placements,
    /// Every source that a node wants.
    pub sources: &'a mut BTreeMap<Wanted, PlannedSource>,
    /// Files for people.
    pub admin: &'a mut BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Files that must be the same on all nodes: on which node each was first, and what it held.
    pub same: &'a mut BTreeMap<TreePath, (String, Content)>,
    /// What file templates asked for.
    pub asked: &'a mut BTreeSet<String>,
    /// The values that must be in no public file.
    pub known: &'a mut Known,
}

/// A node before its credentials are placed.
pub struct Prepared<'a> {
    node: &'a Machine,
    base: Knowledge,
    scopes: NodeScopes,
    active: Vec<Active<'a>>,
    settings: Settings,
    placing: Placing,
    sources: Vec<NodeSource>,
    images: Vec<NodeImage>,
    faults: Faults,
    // Those of its sources, which are told behind those of its credentials.
    more: Faults,
}

impl Prepared<'_> {
    /// The node's name.
    pub fn name(&self) -> &str {
        &self.node.name
    }
}

/// What a node tells beside its plan.
pub struct Told {
    sources: Vec<(Wanted, PlannedSource)>,
    asked: BTreeSet<String>,
    same: Vec<Same>,
}

/// An overlay that is active on a node, its declarations rendered.
pub struct Active<'a> {
    /// The overlay.
    pub overlay: &'a Overlay,
    /// What its templates see.
    pub scope: Arc<Scope>,
    /// Its number among the profile's.
    pub number: usize,
    rendered: Value,
    /// What it declares for the node.
    pub declared: Arc<Declarations>,
    /// Globs of files that do not exist on this node.
    pub absent: Arc<[GlobMatcher]>,
}

/// An overlay's declarations, rendered.
#[derive(Clone)]
pub struct Said {
    rendered: Value,
    declared: Arc<Declarations>,
    absent: Arc<[GlobMatcher]>,
}

impl Gathering<'_, '_> {
    /// Places a node's credentials; the secrets that its templates may use.
    pub fn place(&mut self, prepared: &mut Prepared<'_>) -> BTreeMap<String, Generational> {
        let credentials = Credentials {
            node: &prepared.node.name,
            keys: self.keys,
            placements: self.placements,
            admin: self.admin,
            placing: &mut prepared.placing,
        };
        let secrets = credentials.place(&prepared.active, &mut prepared.faults);
        for (name, generations) in &secrets {
            generations.iter().for_each(|(_, value)| self.known.add(&format!("the secret `{name}`"), value));
        }
        secrets
    }

    /// Takes up what a node told.
    pub fn take(&mut self, node: &str, told: Told, faults: &mut Faults) {
        self.asked.extend(told.asked);
        for (wanted, source) in told.sources {
            match self.sources.get_mut(&wanted) {
                Some(known) => known.join(source),
                None => drop(self.sources.insert(wanted, source)),
            }
        }
        check_same(node, told.same, self.same, faults);
    }
}

impl<'a> Ground<'a> {
    /// What a node is as far as it depends on no other.
    pub fn prepare(&self, number: usize, node: &'a Machine, base: Knowledge) -> Result<Prepared<'a>> {
        let scopes = NodeScopes::new(&self.shared, (self.profile, self.seen), self.overlays, number, &base)?;
        let active = self.activate(&scopes)?;
        let (mut faults, mut more) = (Faults::new(), Faults::new());
        let settings = settings(self.profile, &active, &scopes, &mut faults);
        let placing = Placing::new(self.profile.declared.cluster.usr_merge, self.contents.clone());
        let sources = self.node_sources(node, &scopes, &active, &mut more);
        let images = images(&sources, &|wanted| self.locked(wanted), &mut more);
        Ok(Prepared { node, base, scopes, active, settings, placing, sources, images, faults, more })
    }

    /// The node, when its credentials are placed.
    pub fn finish(&self, prepared: Prepared<'a>, secrets: BTreeMap<String, Generational>) -> (Result<NodePlan>, Told) {
        let Prepared { node, base, scopes, active, settings, mut placing, sources, images, mut faults, more } =
            prepared;
        faults.append(more);
        let mut names = FileNames::new(settings, secrets, self.keyed, &images);
        for one in &active {
            placing.for_guard(one.declared.guard);
            place_files(one, &names, (&self.contents, &scopes.variants), &mut placing, &mut faults);
            place_directories(one, &mut placing, &mut faults);
        }
        placing.for_guard(false);
        let asked = names.see(placing.tree());
        let talk = Talk::of(&active, &names, &mut faults);
        let (pending, sources) = self.place_sources(sources, &mut placing, &mut faults);
        for one in &active {
            placing.for_guard(one.declared.guard);
            place_units(one, &mut placing, &mut faults);
        }
        let (tree, places) = self.tree(placing, &base, &mut faults);
        let same = active.iter().flat_map(|one| same_files(one, &tree, &self.contents, &mut faults)).collect();
        let schemas = active.iter().flat_map(|one| one.declared.schemas.iter().cloned()).collect();
        let alike = &self.alike;
        let mut roles = node.roles.clone();
        roles.sort();
        let overlays = active.iter().map(|one| one.overlay.name.clone()).collect();
        let outline = NodeOutline {
            provides: alike.provides.one((), provided(&active, &tree, &pending, &images)),
            name: node.name.value.clone(),
            arch: node.arch,
            roles: alike.names.one("roles", roles),
            overlays: alike.names.one("overlays", overlays),
            places: alike.places.one((), places),
            pending,
            images: alike.images.one((), images),
            probed: names.probed(alike),
            repeated: alike.repeated.one((), names.repeated()),
            servers: alike.servers.each(talk.servers),
            clients: alike.clients.each(talk.clients),
            agree: alike.agree.each(talk.agree),
            schemas: alike.schemas.one((), schemas),
            checks: alike.checks.each(talk.checks),
            addresses: addresses(node),
            base,
        };
        (faults.finish(NodePlan { outline: Arc::new(outline), tree }), Told { sources, asked, same })
    }

    fn locked(&self, wanted: &Wanted) -> Option<&'a Locked> {
        self.lock?.sources.get(wanted)
    }

    /// The finished tree, which can be laid on the base.
    fn tree(
        &self,
        placing: Placing,
        base: &Knowledge,
        faults: &mut Faults,
    ) -> (Tree, BTreeMap<TreePath, crate::error::Place>) {
        let finished = placing.finish(self.profile.declared.cluster.case_sensitive, &base.parents());
        let (tree, places) = faults.note(finished).unwrap_or_default();
        if let Some(facts) = base.facts() {
            faults.note(facts.check(&tree, &places));
        }
        (tree, places)
    }

    /// The overlays whose `when` holds, with their declarations rendered and read.
    fn activate(&self, scopes: &NodeScopes) -> Result<Vec<Active<'a>>> {
        let mut faults = Faults::new();
        let mut active = Vec::new();
        let replaced = replaced_flags(self.profile);
        for (number, (overlay, scope)) in self.overlays.iter().zip(&scopes.overlays).enumerate() {
            let holds = overlay.declarations.get("when").map_or(Ok(true), |when| scope.holds(when));
            if faults.note(holds) == Some(true) {
                let said = self.declared.get(number, &scopes.variants, |_| true, || say(overlay, scope, &replaced));
                active.extend(faults.note(said).map(|Said { rendered, declared, absent }| {
                    let scope = scope.clone();
                    Active { overlay, scope, number, rendered, declared, absent }
                }));
            }
        }
        faults.finish(active)
    }

    /// The sources of a node by name, those of the profile laid over those of its overlays.
    fn node_sources(
        &self,
        node: &Machine,
        scopes: &NodeScopes,
        active: &[Active<'_>],
        faults: &mut Faults,
    ) -> Vec<NodeSource> {
        let of_overlays = overlay_sources(active, faults);
        let of_profile = self.profile.document.get("sources");
        let of_profile = of_profile.and_then(|value| faults.note(filter(&scopes.base, value)));
        let of_profile = of_profile.and_then(|value| faults.note(scopes.base.render(&value)));
        let of = |overlay: &Overlay, name: &str| {
            overlay.declarations.get("sources").is_some_and(|all| all.get(name).is_some())
        };
        let elsewhere = |name: &str| self.overlays.iter().any(|overlay| of(overlay, name));
        let mut found = Vec::new();
        for (name, value) in sources::merge(&of_overlays, of_profile.as_ref(), &elsewhere) {
            let declared: Option<Placed<SourceDeclaration>> = faults.note(document::read(&value));
            let Some(declared) = declared else { continue };
            let planned = sources::plan(self.profile, &name, &declared, node.arch);
            let Some((wanted, source, installed)) = faults.note(planned) else { continue };
            found.push(NodeSource { wanted, source, installed, overrides: declared.overrides });
        }
        found
    }

    /// Places what sources bring, as far as they are locked; what is not locked yet, and the sources.
    fn place_sources(
        &self,
        sources: Vec<NodeSource>,
        placing: &mut Placing,
        faults: &mut Faults,
    ) -> (Vec<Pending>, Vec<(Wanted, PlannedSource)>) {
        let (mut pending, mut all) = (Vec::new(), Vec::new());
        for NodeSource { wanted, source, installed, overrides } in sources {
            let locked = self.locked(&wanted);
            for one in installed {
                let entries = locked.map(|locked| faults.note(sources::entries(&wanted.name, &one, locked)));
                let entries = entries.map(Option::unwrap_or_default);
                // An image is made only by `lock`: that its source is pinned is not enough.
                let missing = entries.as_ref().is_none_or(|entries| entries.is_empty() && one.is_image());
                for (path, entry) in entries.unwrap_or_default() {
                    faults.note(placing.put(&path, entry, overrides, &one.place));
                }
                if missing {
                    let pattern = one.taken.pattern().map(str::to_owned);
                    pending.push(Pending { path: one.to.path, source: wanted.name.clone(), pattern });
                }
            }
            all.push((wanted, source));
        }
        pending.sort();
        (pending, all)
    }
}

/// What the overlays and then the profile say of flags, kernel parameters and modules.
fn settings(profile: &Profile, active: &[Active<'_>], scopes: &NodeScopes, faults: &mut Faults) -> Settings {
    let mut settings = Settings::default();
    for one in active {
        settings.add_overlay(one.overlay, &one.declared, faults);
    }
    settings.add_profile(profile, &scopes.base, faults);
    settings
}

/// A source as one node wants it.
struct NodeSource {
    wanted: Wanted,
    source: PlannedSource,
    installed: Vec<Installed>,
    overrides: bool,
}

/// The images that sources bring; two of one name are a fault, since a runtime would keep the last.
fn images<'a>(
    sources: &[NodeSource],
    locked: &dyn Fn(&Wanted) -> Option<&'a Locked>,
    faults: &mut Faults,
) -> Vec<NodeImage> {
    let mut images: Vec<NodeImage> = Vec::new();
    for one in sources {
        for (recipe, installed) in one.source.images.values().zip(&one.installed) {
            let contents = locked(&one.wanted).map(|locked| recipe.contents(&one.wanted.name, locked));
            let image = NodeImage {
                name: recipe.name.clone(),
                path: installed.to.path.clone(),
                source: one.wanted.name.clone(),
                // What is wrong with them is told where the image is made.
                contents: contents.and_then(Result::ok).unwrap_or_default(),
            };
            if let Some(twin) = images.iter().find(|other| other.name == image.name) {
                let message =
                    format!("the sources `{}` and `{}` both bring the image {}", twin.source, image.source, image.name);
                faults.push(Error::usage(message).advise("leave one out").at(&installed.place));
            }
            images.push(image);
        }
    }
    images
}

/// What the base or a registry has, without what the node brings itself: another overlay or source may bring what an
/// overlay expects there.
fn provided(active: &[Active<'_>], tree: &Tree, pending: &[Pending], images: &[NodeImage]) -> Vec<Provision> {
    let has_path = |path: &TreePath| {
        tree.get(path).is_some() || pending.iter().any(|one| one.path.parse().is_ok_and(|to: TreePath| to == *path))
    };
    let mut all = Vec::new();
    for declared in active.iter().flat_map(|one| &one.declared.provides) {
        let Provision { by, mut paths, programs, units, libraries, images: mut named, when } = declared.value.clone();
        paths.retain(|path| !has_path(path));
        named.retain(|name| !images.iter().any(|image| image.name == *name));
        let rest = [programs.len(), units.len(), libraries.len()].iter().sum::<usize>();
        let is_empty = paths.is_empty() && rest == 0 && named.is_empty();
        all.extend((!is_empty).then_some(Provision { by, paths, programs, units, libraries, images: named, when }));
    }
    all
}

/// The flags that the profile gives a value or drops, by command: what an overlay says of them counts no more, and what it
/// says may not even have a value here.
fn replaced_flags(profile: &Profile) -> BTreeSet<(&str, &str)> {
    let tables = profile.layers.iter().filter_map(|layer| layer.get("args")?.as_table()).flatten();
    let flags = tables.filter_map(|(command, flags)| Some((command, flags.value.as_table()?)));
    let all = flags.flat_map(|(command, flags)| flags.iter().map(move |(flag, field)| (command, flag, &field.value)));
    let edits = |value: &Value| value.get("add").is_some() || value.get("remove").is_some();
    all.filter(|(_, _, value)| !edits(value)).map(|(command, flag, _)| (command, flag)).collect()
}

/// An overlay's declarations without those flags.
fn without_flags(declarations: &Value, replaced: &BTreeSet<(&str, &str)>) -> Value {
    let (Some(table), Some(args)) = (declarations.as_table(), declarations.get("args").and_then(Value::as_table))
    else {
        return declarations.clone();
    };
    let mut args = args.clone();
    for (command, field) in args.iter_mut() {
        if let Some(flags) = field.value.as_table() {
            let mut flags = flags.clone();
            flags.retain(|flag| !replaced.contains(&(command, flag)));
            field.value.data = Data::Table(Arc::new(flags));
        }
    }
    let mut table = table.clone();
    if let Some(field) = table.get_mut("args") {
        field.value.data = Data::Table(Arc::new(args));
    }
    Value { place: declarations.place.clone(), data: Data::Table(Arc::new(table)) }
}

fn say(overlay: &Overlay, scope: &Arc<Scope>, replaced: &BTreeSet<(&str, &str)>) -> Result<Said> {
    let mut faults = Faults::new();
    let declarations =
        without_flags(&without(&overlay.declarations, &[&["vars", "when"], &talk::KEYS[..]].concat()), replaced);
    let absent = absent_files(&declarations, scope, &mut faults);
    let present = faults.note(filter(scope, &declarations)).unwrap_or_else(|| declarations.clone());
    let rendered = faults.note(scope.render(&present)).unwrap_or(present);
    let declared = match faults.is_empty() {
        true => faults.note(document::read(&rendered)).unwrap_or_default(),
        false => Declarations::default(),
    };
    faults.finish(Said { rendered, declared: Arc::new(declared), absent: absent.into() })
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let Some(table) = value.as_table() else { return value.clone() };
    let mut kept = Table::clone(table);
    kept.retain(|key| !keys.contains(&key));
    Value { place: value.place.clone(), data: Data::Table(Arc::new(kept)) }
}

/// The declarations whose `when` holds, in tables of any depth; those keys themselves are gone.
pub(super) fn filter(scope: &Arc<Scope>, value: &Value) -> Result<Value> {
    Ok(filtered(scope, value)?.unwrap_or_else(|| value.clone()))
}

/// None if the value is as it was.
fn filtered(scope: &Arc<Scope>, value: &Value) -> Result<Option<Value>> {
    let keep = |item: &Value| item.get("when").map_or(Ok(true), |when| scope.holds(when));
    let data = match &value.data {
        Data::Array(items) => {
            let mut kept: Option<Vec<Value>> = None;
            for (index, item) in items.iter().enumerate() {
                let is_kept = keep(item)?;
                let new = if is_kept { filtered(scope, item)? } else { None };
                if !is_kept || new.is_some() {
                    kept.get_or_insert_with(|| items[..index].to_vec());
                }
                if let (Some(kept), true) = (&mut kept, is_kept) {
                    kept.push(new.unwrap_or_else(|| item.clone()));
                }
            }
            kept.map(|kept| Data::Array(Arc::new(kept)))
        }
        Data::Table(table) => {
            let mut kept: Option<Table> = None;
            for (key, field) in table.iter() {
                if key == "when" || !keep(&field.value)? {
                    kept.get_or_insert_with(|| Table::clone(table)).remove(key);
                } else if let Some(value) = filtered(scope, &field.value)? {
                    kept.get_or_insert_with(|| Table::clone(table)).replace(key, value);
                }
            }
            kept.map(|kept| Data::Table(Arc::new(kept)))
        }
        _ => None,
    };
    Ok(data.map(|data| Value { place: value.place.clone(), data }))
}

/// The globs of `[[files]]` whose `when` does not hold.
fn absent_files(declarations: &Value, scope: &Arc<Scope>, faults: &mut Faults) -> Vec<GlobMatcher> {
    let files = declarations.get("files").map_or(&[][..], Value::items).iter();
    let gone = files.filter(|file| file.get("when").is_some_and(|when| faults.note(scope.holds(when)) == Some(false)));
    let paths: Vec<Value> = gone.filter_map(|file| file.get("path").cloned()).collect();
    let globs = paths.iter().map(|path| {
        let rendered = scope.render(path)?;
        glob(rendered.as_str().unwrap_or_default(), &path.place)
    });
    globs.filter_map(|matcher| faults.note(matcher)).collect()
}

/// The sources of all active overlays by name; two that differ are a fault unless the later one overrides.
fn overlay_sources(active: &[Active<'_>], faults: &mut Faults) -> BTreeMap<String, Value> {
    let mut sources: BTreeMap<String, (&str, Value)> = BTreeMap::new();
    for one in active {
        for (name, field) in one.rendered.get("sources").and_then(Value::as_table).into_iter().flatten() {
            let says = field.value.get("override").is_some_and(|value| value.data == Data::Boolean(true));
            if let Some((other, old)) = sources.get(name)
                && old.to_json() != field.value.to_json()
                && !says
                && !one.overlay.overrides()
            {
                let message = format!(
                    "overlays {other} ({}) and {} declare the source `{name}` differently",
                    old.place, one.overlay.name
                );
                faults.push(
                    Error::usage(message)
                        .advise("say `override = true` in the later one if that is meant")
                        .at(&field.key),
                );
            }
            sources.insert(name.to_owned(), (&one.overlay.name, field.value.clone()));
        }
    }
    sources.into_iter().map(|(name, (_, value))| (name, value)).collect()
}

/// Where units are, the first place that has one counts (systemd.unit(5)).
const UNIT_DIRECTORIES: [&str; 3] = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

fn place_units(one: &Active<'_>, placing: &mut Placing, faults: &mut Faults) {
    for declared in &one.declared.units {
        for unit in &declared.enable {
            let links = match declared.wanted_by.is_empty() {
                true => enable(unit, placing),
                false => base_unit(unit).and_then(|path| units::wanted_by(unit, &path, &declared.wanted_by)),
            };
            for link in faults.note(links.map_err(|error| error.at(&unit.place))).unwrap_or_default() {
                let from = format!("overlay {}: {} enabled", one.overlay.name, unit.value);
                faults.note(placing.put(&link.path, Entry::new(Node::Symlink(link.target), from), false, &unit.place));
            }
        }
        for unit in &declared.mask {
            let Some(path) = faults.note(units::mask(unit).map_err(|error| error.at(&unit.place))) else { continue };
            let from = format!("overlay {}: {} masked", one.overlay.name, unit.value);
            faults.note(placing.put(&path, Entry::new(Node::Symlink("/dev/null".into()), from), false, &unit.place));
        }
    }
}

/// Where the base has a unit's file: an instance is made from its template.
fn base_unit(unit: &str) -> Result<TreePath> {
    let file = units::template(unit).unwrap_or_else(|| unit.to_owned());
    format!("{}/{file}", UNIT_DIRECTORIES[2]).parse()
}

fn enable(unit: &Placed<String>, placing: &Placing) -> Result<Vec<units::Link>> {
    let find = |name: &str| -> Option<(TreePath, String)> {
        UNIT_DIRECTORIES.iter().find_map(|directory| {
            let path: TreePath = format!("{directory}/{name}").parse().ok()?;
            match &placing.get(&path)?.node {
                Node::File(Content::Inline(bytes)) => Some((path, String::from_utf8_lossy(bytes).into_owned())),
                _ => None,
            }
        })
    };
    // An instance is made from its template.
    let found = find(unit).or_else(|| find(&units::template(unit)?));
    let (path, text) = found.ok_or_else(|| {
        let message = format!("the unit `{}` is not among the overlays' files of this node", unit.value);
        Error::usage(message).advise("if the base or a package has it, say `wanted-by = [...]` as its [Install] does")
    })?;
    units::enable(unit, &text, &path, &find)
}

/// What others may call the machine: its names and addresses.
fn addresses(node: &Machine) -> Vec<String> {
    let numbers = node.address.iter().chain(&node.addresses).map(|address| address.value.to_string());
    [node.name.value.clone(), node.fqdn.clone()].into_iter().chain(numbers).collect()
}
