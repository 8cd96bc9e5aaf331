//! Who talks on the machines of a cluster: every server and client with what it shows and trusts, and whom an address
//! leads to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::credentials::{Library, Named, Papers, Reader, Trust};
use super::ends::{End, ends};
use super::finding::Findings;
use super::hosts;
use super::kubeconfig::Kubeconfig;
use super::subject::{Cluster, Machine};
use crate::document::Placed;
use crate::error::Place;
use crate::overlay::declare::{ClientDeclaration, ServerDeclaration};
use crate::tree::TreePath;

/// Where names have addresses without a name server (hosts(5)).
const HOSTS: &str = "/etc/hosts";
/// How many servers may pass a connection on, one to another.
const MOST_PASSES: usize = 4;

/// A server on its machine.
pub struct Server<'a> {
    /// The machine, among those of the cluster.
    pub at: usize,
    /// The machine.
    pub machine: &'a Machine<'a>,
    /// What it is.
    pub declared: &'a Placed<ServerDeclaration>,
    /// Where it listens.
    pub listens: Vec<End>,
    /// What it shows.
    pub certificate: Option<Papers<'a>>,
    /// By which authorities it knows clients.
    pub clients: Option<Papers<'a>>,
}

/// A client on its machine.
pub struct Client<'a> {
    /// The machine, among those of the cluster.
    pub at: usize,
    /// The machine.
    pub machine: &'a Machine<'a>,
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
    cluster: &'a Cluster<'a>,
    // The servers of each machine, and those clients.
    by_machine: Vec<(Vec<usize>, Vec<usize>)>,
    by_name: BTreeMap<&'a str, Servers>,
    // The machines that have an address or name.
    having: BTreeMap<String, BTreeSet<usize>>,
    // What machines' own files say of names.
    hosts: RefCell<hosts::Known>,
    known: RefCell<BTreeMap<Asked<'a>, Led>>,
}

/// A server's name, the name and addresses by which it is asked, and the port.
type Asked<'a> = (&'a str, String, Vec<IpAddr>, u16);

impl<'a> Talk<'a> {
    /// The servers of a cluster; what is wrong with their files is found.
    pub fn of(cluster: &'a Cluster<'a>, library: &mut Library<'a>, findings: &mut Findings) -> Talk<'a> {
        let (mut servers, mut passing) = (Vec::new(), Vec::new());
        for (at, machine) in cluster.machines.iter().enumerate() {
            let mut reader = reader(cluster, at, library, findings);
            servers.extend(machine.plan.servers.iter().map(|declared| server(at, declared, &mut reader)));
            let passes = |client: &&Arc<Placed<ClientDeclaration>>| {
                machine.plan.servers.iter().any(|server| passes_by(server, client))
            };
            passing.extend(machine.plan.clients.iter().filter(passes).filter_map(|one| client(at, one, &mut reader)));
        }
        let mut by_machine = vec![(Vec::new(), Vec::new()); cluster.machines.len()];
        let mut by_name: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (index, server) in servers.iter().enumerate() {
            by_machine[server.at].0.push(index);
            by_name.entry(&server.declared.name).or_default().insert(index);
        }
        for (index, client) in passing.iter().enumerate() {
            let client: &Client<'_> = client;
            by_machine[client.at].1.push(index);
        }
        let by_name = by_name.into_iter().map(|(name, servers)| (name, Rc::new(servers))).collect();
        let (hosts, known) = (RefCell::default(), RefCell::default());
        Talk { servers, passing, cluster, by_machine, by_name, having: having(cluster), hosts, known }
    }

    /// The clients of a machine; what is wrong with their files is found.
    pub fn clients(&self, at: usize, library: &mut Library<'a>, findings: &mut Findings) -> Vec<Client<'a>> {
        let mut reader = reader(self.cluster, at, library, findings);
        let declared = self.cluster.machines[at].plan.clients.iter();
        declared.filter_map(|declared| client(at, declared, &mut reader)).collect()
    }

    /// Whom a client asks who says no address: the server on its machine, or else all of them.
    pub fn nearest(&self, client: &Client<'a>) -> Servers {
        let there = self.by_machine[client.at].0.iter().copied();
        let own = there.filter(|index| self.servers[*index].declared.name == client.declared.server.value);
        let own: BTreeSet<usize> = own.collect();
        if own.is_empty() { self.named(&client.declared.server) } else { Rc::new(own) }
    }

    /// The clients of a server's machine that it passes connections on by.
    pub fn passing(&self, server: &Server<'a>) -> impl Iterator<Item = &Client<'a>> {
        let there = self.by_machine[server.at].1.iter().map(|index| &self.passing[*index]);
        there.filter(move |client| passes_by(server.declared, client.declared))
    }

    /// Whether it is what a server passes connections on by.
    pub fn passes(&self, client: &Client<'a>) -> bool {
        self.on_machine(client.at).any(|server| passes_by(server.declared, client.declared))
    }

    /// The servers of a machine.
    pub fn on_machine(&self, at: usize) -> impl Iterator<Item = &Server<'a>> {
        self.by_machine[at].0.iter().map(|index| &self.servers[*index])
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

    fn follow(&self, from: usize, name: &'a str, end: &End, depth: usize) -> Led {
        // A server that nobody speaks of is somebody else's.
        let Some(all) = self.by_name.get(name).filter(|_| depth <= MOST_PASSES) else { return Led::Outside };
        let addresses = self.resolve(from, &end.host);
        if addresses.iter().any(|address| address.is_loopback()) {
            return self.on(BTreeSet::from([from]), name, end, &addresses, depth);
        }
        let asked = (name, end.host.clone(), addresses.clone(), end.port);
        if let Some(known) = self.known.borrow().get(&asked) {
            return known.clone();
        }
        let names = addresses.iter().map(ToString::to_string).chain([end.host.clone()]);
        let machines: BTreeSet<usize> = names.filter_map(|name| self.having.get(&name)).flatten().copied().collect();
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
            let own = &self.cluster.machines[machine].plan.addresses;
            let listens = |server: &Server<'_>| {
                server.listens.iter().any(|listen| {
                    let is_named = listen.address().is_none() && own.contains(&listen.host);
                    let by_name = addresses.is_empty() && own.contains(&listen.host);
                    listen.port == end.port && (listen.answers(&end.host, addresses) || is_named || by_name)
                })
            };
            let there: Vec<usize> =
                self.by_machine[machine].0.iter().copied().filter(|index| listens(&self.servers[*index])).collect();
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
        let text = HOSTS.parse().ok().and_then(|path: TreePath| self.cluster.machines[machine].text(&path));
        let listed = self.hosts.borrow_mut().addresses(host, text.unwrap_or_default());
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

fn reader<'a, 'f>(
    cluster: &'a Cluster<'a>,
    at: usize,
    library: &'f mut Library<'a>,
    findings: &'f mut Findings,
) -> Reader<'a, 'f> {
    let (machine, proven) = (&cluster.machines[at], &cluster.plan().proven);
    Reader { machine, real: cluster.has_keys(), library, proven, findings }
}

fn server<'a>(at: usize, declared: &'a Placed<ServerDeclaration>, reader: &mut Reader<'a, '_>) -> Server<'a> {
    let certificate = declared.certificate.as_ref().map(|path| reader.pair(path, declared.key.as_ref()));
    let clients = declared.clients.as_ref().map(|path| reader.papers(path));
    let listens = declared.listen.iter().flat_map(|list| ends(list)).collect();
    Server { at, machine: reader.machine, declared, listens, certificate, clients }
}

fn client<'a>(at: usize, declared: &'a Placed<ClientDeclaration>, reader: &mut Reader<'a, '_>) -> Option<Client<'a>> {
    let machine = reader.machine;
    let urls = declared.urls.iter().map(|url| (&url.place, reader.library.ends(url))).collect();
    let Some(path) = &declared.kubeconfig else {
        let certificate = declared.certificate.as_ref().map(|path| reader.pair(path, declared.key.as_ref()));
        let trusts = declared.authorities.as_ref().map(|path| Trust::These(reader.papers(path)));
        let trusts = trusts.unwrap_or(Trust::Anyone);
        return Some(Client { at, machine, declared, urls, called: None, trusts, certificate });
    };
    let read = reader.kubeconfig(path.into())?;
    // What is wrong in it stands where it was made.
    let path = Named { place: machine.place(path).unwrap_or(&path.place), file: path };
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

/// Which machines have a name or address: their own, and those that they may have through a server.
fn having(cluster: &Cluster<'_>) -> BTreeMap<String, BTreeSet<usize>> {
    let mut having: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (at, machine) in cluster.machines.iter().enumerate() {
        let through = machine.plan.servers.iter().flat_map(|server| &server.addresses);
        // Addresses of IPv6 are written in more than one way.
        let through =
            through.map(|text| text.parse().map_or(text.value.clone(), |address: IpAddr| address.to_string()));
        for name in machine.plan.addresses.iter().cloned().chain(through) {
            having.entry(name).or_default().insert(at);
        }
    }
    having
}
