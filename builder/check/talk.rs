//! Who talks on the machines of a cluster: every server and client with what it shows and trusts, and whom an address
//! leads to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::credentials::{Library, Named, Papers, Reader, Trust};
use super::ends::{End, ends};
use super::finding::Findings;
use super::hosts::{self, List};
use super::kubeconfig::Kubeconfig;
use super::subject::{Cluster, Machine};
use crate::bounded::Bounded;
use crate::build::{NodeOutline, Nodes};
use crate::digest::Digest;
use crate::document::Placed;
use crate::error::{Place, Result};
use crate::overlay::declare::{ClientDeclaration, ServerDeclaration};
use crate::tree::TreePath;

/// Where names have addresses without a name server (hosts(5)).
const HOSTS: &str = "/etc/hosts";
/// How many servers may pass a connection on, one to another.
const MOST_PASSES: usize = 4;

/// A server on its machine.
pub struct Server<'a> {
    /// The machine's number.
    pub at: usize,
    /// The machine.
    pub machine: &'a NodeOutline,
    /// What it is.
    pub declared: &'a Placed<ServerDeclaration>,
    /// What it shows.
    pub certificate: Option<Box<Shown<'a>>>,
    /// By which authorities it knows clients.
    pub clients: Option<Box<Papers<'a>>>,
}

/// Where a server's certificates are: of all servers that would be much, and few are asked at a time. See [`Talk::shown`].
pub struct Shown<'a> {
    place: &'a Place,
    file: TreePath,
    digest: Digest,
    // None are there if they cannot be read.
    is_readable: bool,
}

impl Server<'_> {
    /// Where it listens.
    pub fn listens(&self) -> impl Iterator<Item = End> {
        self.declared.listen.iter().flat_map(|list| ends(list))
    }
}

/// A client on its machine.
pub struct Client<'a> {
    /// The machine's number.
    pub at: usize,
    /// The machine.
    pub machine: &'a NodeOutline,
    /// What it is.
    pub declared: &'a Placed<ClientDeclaration>,
    /// Whom it asks, and where that is said.
    pub urls: Vec<(&'a Place, Rc<[End]>)>,
    /// The name that it wants on the server's certificate, if not the one by which it asks.
    pub called: Option<String>,
    /// Whom it trusts.
    pub trusts: Trust<'a>,
    /// What it shows.
    pub certificate: Option<Papers<'a>>,
}

/// Whom an end leads to.
#[derive(Clone)]
pub enum Led {
    /// These of the servers.
    To(Servers),
    /// An address that is no machine's: any of these may be behind it.
    Behind(Servers),
    /// A machine of the cluster, on which no such server listens there.
    Nowhere(usize),
    /// Somewhere outside.
    Outside,
}

impl Led {
    /// The servers, if it leads to any that are known.
    pub fn all(&self) -> Option<Servers> {
        match self {
            Led::To(servers) => Some(servers.clone()),
            _ => None,
        }
    }
}

/// Some of the servers, in their order: shared, for every client of a cluster may be led to all of a name.
pub type Servers = Rc<BTreeSet<usize>>;

/// Everybody who talks: servers together, for any client may ask any of them, and clients machine by machine.
pub struct Talk<'a> {
    /// All servers, machine by machine.
    pub servers: Vec<Server<'a>>,
    // The clients by which servers pass connections on.
    passing: Vec<Client<'a>>,
    cluster: Cluster<'a>,
    // The servers of each machine, and those clients: where among the others they are.
    by_machine: Vec<(Range<usize>, Range<usize>)>,
    by_name: BTreeMap<&'a str, Servers>,
    having: Having,
    // The list of hosts of each machine, and what those say of names.
    own_lists: Vec<Option<Digest>>,
    lists: BTreeMap<Digest, Rc<str>>,
    hosts: RefCell<hosts::Known>,
    known: RefCell<Bounded<Asked, Led, ANSWERS>>,
    // The certificates of the servers that were asked last.
    library: RefCell<Library>,
}

/// A server's name, the name and addresses by which it is asked, and the port.
type Asked = (String, String, Vec<IpAddr>, u16);

/// So many answers are remembered: the same is asked on machine after machine.
const ANSWERS: usize = 4096;

impl<'a> Talk<'a> {
    /// Nobody yet.
    pub fn new(cluster: Cluster<'a>) -> Talk<'a> {
        Talk {
            servers: Vec::with_capacity(cluster.plan().nodes.outlines().map(|node| node.servers.len()).sum()),
            passing: Vec::new(),
            cluster,
            by_machine: Vec::new(),
            by_name: BTreeMap::new(),
            having: Having::of(&cluster.plan().nodes),
            own_lists: Vec::new(),
            lists: BTreeMap::new(),
            hosts: RefCell::default(),
            known: RefCell::default(),
            library: RefCell::default(),
        }
    }

    /// Takes up the servers of the machine that comes next; what is wrong with their files is found.
    pub fn hear(&mut self, machine: &Machine<'_>, library: &mut Library, findings: &mut Findings) -> Result<()> {
        let (servers, passing) = (self.servers.len(), self.passing.len());
        let mut reader = self.reader(machine, library, findings)?;
        let outline = reader.outline;
        let made: Vec<_> = outline.servers.iter().map(|declared| server(declared, &mut reader)).collect();
        let passes =
            |client: &&Arc<Placed<ClientDeclaration>>| outline.servers.iter().any(|server| passes_by(server, client));
        let clients: Vec<_> =
            outline.clients.iter().filter(passes).filter_map(|one| client(one, &mut reader)).collect();
        for (index, server) in (servers..).zip(&made) {
            Rc::make_mut(self.by_name.entry(&server.declared.name).or_default()).insert(index);
        }
        self.servers.extend(made);
        self.passing.extend(clients);
        self.by_machine.push((servers..self.servers.len(), passing..self.passing.len()));
        let path: TreePath = HOSTS.parse()?;
        let list = List::of(machine, &path);
        self.own_lists.push(list.map(|list| list.digest));
        list.map(|list| self.lists.entry(list.digest).or_insert_with(|| list.text.into()));
        Ok(())
    }

    /// The clients of a machine; what is wrong with their files is found.
    pub fn clients(
        &self,
        machine: &Machine<'_>,
        library: &mut Library,
        findings: &mut Findings,
    ) -> Result<Vec<Client<'a>>> {
        let mut reader = self.reader(machine, library, findings)?;
        Ok(reader.outline.clients.iter().filter_map(|declared| client(declared, &mut reader)).collect())
    }

    fn reader<'f>(
        &self,
        machine: &'f Machine<'f>,
        library: &'f mut Library,
        findings: &'f mut Findings,
    ) -> Result<Reader<'a, 'f>>
    where
        'a: 'f,
    {
        let (plan, real) = (self.cluster.plan(), self.cluster.has_keys());
        Ok(Reader { machine, outline: plan.nodes.outline(machine.at)?, real, library, proven: &plan.proven, findings })
    }

    /// What a server shows.
    pub fn shown(&self, server: &Server<'a>) -> Option<Papers<'a>> {
        let Shown { place, file, digest, is_readable } = &**server.certificate.as_ref()?;
        let shelf = |machine: &Machine<'_>| self.library.borrow_mut().read(machine.bytes(file)?).1.ok();
        let kept = self.library.borrow_mut().find(digest);
        let certificates = match is_readable {
            true => kept.or_else(|| self.cluster.one(server.at, shelf).ok()?),
            false => None,
        };
        let certificates = certificates.unwrap_or_else(|| Rc::new([]));
        Some(Papers { place, file: file.clone(), certificates, digest: *digest })
    }

    /// Whom a client asks who says no address: the server on its machine, or else all of them.
    pub fn nearest(&self, client: &Client<'a>) -> Servers {
        let there = self.by_machine[client.at].0.clone();
        let own = there.filter(|index| self.servers[*index].declared.name == client.declared.server.value);
        let own: BTreeSet<usize> = own.collect();
        if own.is_empty() { self.named(&client.declared.server) } else { Rc::new(own) }
    }

    /// The clients of a server's machine that it passes connections on by.
    pub fn passing(&self, server: &Server<'a>) -> impl Iterator<Item = &Client<'a>> {
        self.passing[self.by_machine[server.at].1.clone()]
            .iter()
            .filter(move |client| passes_by(server.declared, client.declared))
    }

    /// Whether it is what a server passes connections on by.
    pub fn passes(&self, client: &Client<'a>) -> bool {
        self.on_machine(client.at).any(|server| passes_by(server.declared, client.declared))
    }

    /// The servers of a machine.
    pub fn on_machine(&self, at: usize) -> impl Iterator<Item = &Server<'a>> {
        self.servers[self.by_machine[at].0.clone()].iter()
    }

    /// All servers of a name.
    pub fn named(&self, name: &str) -> Servers {
        self.by_name.get(name).cloned().unwrap_or_default()
    }

    /// Whom a client means by an end.
    pub fn led(&self, client: &Client<'a>, end: &End) -> Led {
        self.follow(client.at, &client.declared.server.value, end, 0)
    }

    /// Those whom a server reaches that passes connections on, among them who is not where it asks.
    fn passed(&self, middle: &Server<'a>, depth: usize) -> BTreeSet<usize> {
        let asked = self
            .passing(middle)
            .flat_map(|client| client.urls.iter().flat_map(|(_, ends)| ends.iter()).map(move |end| (client, end)));
        let led = asked.map(|(client, end)| self.follow(client.at, &client.declared.server.value, end, depth + 1));
        let reached = led.filter_map(|led| if let Led::To(servers) = led { Some(servers) } else { None });
        reached.flat_map(|servers| servers.iter().copied().collect::<Vec<_>>()).collect()
    }

    fn follow(&self, from: usize, name: &str, end: &End, depth: usize) -> Led {
        // A server that nobody speaks of is somebody else's.
        let Some(all) = self.by_name.get(name).filter(|_| depth <= MOST_PASSES) else { return Led::Outside };
        let addresses = self.resolve(from, &end.host);
        if addresses.iter().any(|address| address.is_loopback()) {
            return self.on(BTreeSet::from([from]), name, end, &addresses, depth);
        }
        let asked = (name.to_owned(), end.host.clone(), addresses.clone(), end.port);
        if let Some(known) = self.known.borrow().get(&asked) {
            return known.clone();
        }
        let names = addresses.iter().map(ToString::to_string).chain([end.host.clone()]);
        let mut machines = BTreeSet::new();
        names.for_each(|name| machines.extend(self.having.get(&name)));
        let led = match machines.is_empty() {
            true => Led::Behind(all.clone()),
            false => self.on(machines, name, end, &addresses, depth),
        };
        self.known.borrow_mut().insert(asked, led.clone());
        led
    }

    /// Who of a name listens at an end on each of these machines, or passes on what comes there.
    fn on(&self, machines: BTreeSet<usize>, name: &str, end: &End, addresses: &[IpAddr], depth: usize) -> Led {
        let mut found = BTreeSet::new();
        for machine in machines {
            let listens = |server: &Server<'_>| {
                let own = &server.machine.addresses;
                server.listens().any(|listen| {
                    let is_named = listen.address().is_none() && own.contains(&listen.host);
                    let by_name = addresses.is_empty() && own.contains(&listen.host);
                    listen.port == end.port && (listen.answers(&end.host, addresses) || is_named || by_name)
                })
            };
            let there: Vec<usize> =
                self.by_machine[machine].0.clone().filter(|index| listens(&self.servers[*index])).collect();
            let direct = there.iter().copied().filter(|index| self.servers[*index].declared.name == name);
            let middles = there.iter().map(|index| &self.servers[*index]);
            let mut middles = middles.filter(|server| server.declared.passes_to.as_deref() == Some(name)).peekable();
            let direct: BTreeSet<usize> = direct.collect();
            if direct.is_empty() && middles.peek().is_none() {
                return Led::Nowhere(machine);
            }
            found.extend(direct);
            found.extend(middles.flat_map(|middle| self.passed(middle, depth)));
        }
        Led::To(Rc::new(found))
    }

    /// The addresses of a name, as a machine knows it.
    fn resolve(&self, machine: usize, host: &str) -> Vec<IpAddr> {
        if let Ok(address) = host.parse() {
            return vec![address];
        }
        let list = self.own_lists[machine].and_then(|digest| Some(List { digest, text: self.lists.get(&digest)? }));
        let listed = list.map(|list| self.hosts.borrow_mut().addresses(host, &list)).unwrap_or_default();
        match listed.is_empty() && host == "localhost" {
            true => ["127.0.0.1", "::1"].iter().filter_map(|text| text.parse().ok()).collect(),
            false => listed.to_vec(),
        }
    }
}

/// Whether a client is what a server of its machine passes connections on by.
fn passes_by(server: &ServerDeclaration, client: &ClientDeclaration) -> bool {
    server.name == client.name && server.passes_to.as_deref() == Some(client.server.as_str())
}

fn server<'a>(declared: &'a Placed<ServerDeclaration>, reader: &mut Reader<'a, '_>) -> Server<'a> {
    let certificate = declared.certificate.as_ref().map(|path| {
        let Papers { place, file, certificates, digest } = reader.pair(path, declared.key.as_ref());
        Box::new(Shown { place, file, digest, is_readable: !certificates.is_empty() })
    });
    let clients = declared.clients.as_ref().map(|path| Box::new(reader.papers(path)));
    Server { at: reader.machine.at, machine: reader.outline, declared, certificate, clients }
}

fn client<'a>(declared: &'a Placed<ClientDeclaration>, reader: &mut Reader<'a, '_>) -> Option<Client<'a>> {
    let (at, machine) = (reader.machine.at, reader.outline);
    let urls = declared.urls.iter().map(|url| (&url.place, reader.library.ends(url))).collect();
    let Some(path) = &declared.kubeconfig else {
        let certificate = declared.certificate.as_ref().map(|path| reader.pair(path, declared.key.as_ref()));
        let trusts = declared.authorities.as_ref().map(|path| Trust::These(reader.papers(path)));
        let trusts = trusts.unwrap_or(Trust::Anyone);
        return Some(Client { at, machine, declared, urls, called: None, trusts, certificate });
    };
    let read = reader.kubeconfig(path.into())?;
    // What is wrong in it stands where it was made.
    let path = Named { place: machine.places.get(&path.value).unwrap_or(&path.place), file: path };
    let urls = vec![(path.place, ends(&read.server).collect())];
    let (trusts, certificate) = (trusts(&read, path, reader), shown(&read, path, reader));
    Some(Client { at, machine, declared, urls, called: read.called, trusts, certificate })
}

fn trusts<'a>(read: &Kubeconfig, path: Named<'a>, reader: &mut Reader<'a, '_>) -> Trust<'a> {
    match &read.authorities {
        _ if read.takes_any => Trust::Anyone,
        Some(authorities) => Trust::These(reader.material(authorities, path)),
        None => Trust::System(path.place),
    }
}

fn shown<'a>(read: &Kubeconfig, path: Named<'a>, reader: &mut Reader<'a, '_>) -> Option<Papers<'a>> {
    let papers = reader.material(read.certificate.as_ref()?, path);
    Some(match &read.key {
        Some(key) => reader.matched(papers, key, path),
        None => papers,
    })
}

/// Which machines have a name or address: their own, and those that they may have through a server. Sorted.
struct Having(Vec<(Box<str>, usize)>);

impl Having {
    fn of(nodes: &Nodes) -> Having {
        let mut all = Vec::new();
        for (at, node) in nodes.outlines().enumerate() {
            let through = node.servers.iter().flat_map(|server| &server.addresses);
            // Addresses of IPv6 are written in more than one way.
            let through =
                through.map(|text| text.parse().map_or(text.value.clone(), |address: IpAddr| address.to_string()));
            all.extend(node.addresses.iter().cloned().chain(through).map(|name| (name.into_boxed_str(), at)));
        }
        all.sort_unstable();
        all.dedup();
        Having(all)
    }

    fn get(&self, name: &str) -> impl Iterator<Item = usize> {
        let first = self.0.partition_point(|(own, _)| **own < *name);
        self.0[first..].iter().take_while(move |(own, _)| **own == *name).map(|(_, at)| *at)
    }
}
