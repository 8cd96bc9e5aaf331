//! Certificates in use: by the names by which it is asked, each server is the one that its client trusts, and lets it in.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use super::blame::{Faults, Side};
use super::credentials::{self, Library, Papers, Trust};
use super::ends::{End, items};
use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::Cluster;
use super::talk::{Client, Led, Server, Servers, Talk};
use crate::bounded::Bounded;
use crate::build::Proven;
use crate::digest::Digest;
use crate::error::{Place, Result};
use crate::pki::{Certificate, Usage};
use crate::tree::TreePath;

/// A server that nobody is.
pub const SERVER_ABSENT: Rule = Rule {
    id: "server-absent",
    severity: Severity::Error,
    finds: "a client that asks a machine on which nothing of that name listens there",
    fate: "the connection is refused",
    remedy: "correct the address or port on one side",
};
/// A server that speaks another language.
pub const SERVER_SCHEME: Rule = Rule {
    id: "server-scheme",
    severity: Severity::Error,
    finds: "a client that asks with TLS a server that has none, or without TLS one that has it",
    fate: "the other side ends the connection: client sent an HTTP request to an HTTPS server, or the reverse",
    remedy: "write http:// or https:// on both sides",
};
/// A server that nobody is led to.
pub const SERVER_UNUSED: Rule = Rule {
    id: "back-end-missing",
    severity: Severity::Warning,
    finds: "a server that is in no back end of what shares connections out among its like",
    fate: "it works, and nobody who comes through there is led to it: the others have its share, and fail without it",
    remedy: "add it to the back ends",
};
/// A name that the server's certificate has not.
pub const SERVER_NAME: Rule = Rule {
    id: "server-name",
    severity: Severity::Error,
    finds: "a server whose certificate lacks a name or address by which it is asked",
    fate: "the client ends the connection: the certificate is for somebody else",
    remedy: "add it to the certificate's `dns` or `ip`, or ask by a name that it has",
};
/// An authority that the client does not trust.
pub const SERVER_UNTRUSTED: Rule = Rule {
    id: "server-untrusted",
    severity: Severity::Error,
    finds: "a server whose certificate was issued by no authority that its client trusts",
    fate: "the client ends the connection: the certificate is by an unknown authority",
    remedy: "give the client the authority that issued the server's certificate",
};
/// A certificate that the client wants.
pub const SERVER_ANONYMOUS: Rule = Rule {
    id: "server-anonymous",
    severity: Severity::Error,
    finds: "a server that shows a certificate of its own making or none, to a client that wants an authority's",
    fate: "the client ends the connection: the certificate is by an unknown authority",
    remedy: "give the server a certificate, or let the client take any",
};
/// An authority that the server does not trust.
pub const CLIENT_UNTRUSTED: Rule = Rule {
    id: "client-untrusted",
    severity: Severity::Error,
    finds: "a client whose certificate was issued by no authority that its server trusts",
    fate: "the server refuses the client",
    remedy: "issue the client's certificate by the authority that the server reads",
};
/// A certificate that the server wants.
pub const CLIENT_ANONYMOUS: Rule = Rule {
    id: "client-anonymous",
    severity: Severity::Error,
    finds: "a client without a certificate, of a server that asks for one",
    fate: "the server refuses the client",
    remedy: "give the client a certificate",
};
/// A name that is not let in.
pub const CLIENT_NAME: Rule = Rule {
    id: "client-name",
    severity: Severity::Error,
    finds: "a client whose certificate has another name or group than it must have, or than its server lets in",
    fate: "the server takes the client for somebody else, and refuses what it asks",
    remedy: "give the certificate the name that the server knows, or let that name in",
};
/// A usage that a certificate lacks.
pub const CERTIFICATE_USAGE: Rule = Rule {
    id: "certificate-usage",
    severity: Severity::Error,
    finds: "a certificate of a server or client that is not for one",
    fate: "the other side ends the connection: the certificate is for another use",
    remedy: "add `server-auth` or `client-auth` to the certificate's `usages`",
};
/// A certificate that its authority does not see the end of.
pub const CERTIFICATE_OUTLIVES: Rule = Rule {
    id: "certificate-outlives",
    severity: Severity::Warning,
    finds: "a certificate that is to last longer than the authority by which the other side knows it",
    fate: "it is refused from the authority's end on, before its own",
    remedy: "renew the authority, or have the certificate end before it",
};

/// All rules.
pub const RULES: &[Rule] = &[
    SERVER_ABSENT,
    SERVER_SCHEME,
    SERVER_UNUSED,
    SERVER_NAME,
    SERVER_UNTRUSTED,
    SERVER_ANONYMOUS,
    CLIENT_UNTRUSTED,
    CLIENT_ANONYMOUS,
    CLIENT_NAME,
    CERTIFICATE_USAGE,
    CERTIFICATE_OUTLIVES,
    credentials::CERTIFICATE_UNREADABLE,
    credentials::KEY_UNREADABLE,
    credentials::KEY_MISMATCH,
    credentials::KUBECONFIG_UNREADABLE,
];

/// Looks at every pair of a client and a server that it asks.
pub fn check<'a>(
    talk: &'a Talk<'a>,
    cluster: Cluster<'a>,
    library: &mut Library,
    findings: &mut Findings,
) -> Result<()> {
    let mut trial = Trial {
        talk,
        proven: &cluster.plan().proven,
        faults: Faults::default(),
        known: Pairs::default(),
        signed: Pairs::default(),
        strangers: Findings::default(),
        sound: BTreeMap::new(),
        lists: BTreeMap::new(),
        kinds: BTreeMap::new(),
    };
    // What one machine's clients show is let go before the next one's is read.
    cluster.each(&mut |batch| {
        for machine in &batch.machines {
            let clients = talk.clients(machine, library, findings)?;
            clients.iter().for_each(|client| trial.client(client));
        }
        Ok(())
    })?;
    for server in &talk.servers {
        trial.server(server);
    }
    let Trial { faults, strangers, .. } = trial;
    faults.tell(findings);
    findings.append(strangers);
    Ok(())
}

/// Everybody, and what does not fit.
struct Trial<'a> {
    talk: &'a Talk<'a>,
    proven: &'a Proven,
    faults: Faults<'a>,
    // Which of the second file's certificates vouches for the first's: the same two meet on every machine.
    known: Pairs<Option<usize>>,
    // Whether the second signed the first.
    signed: Pairs<bool>,
    strangers: Findings,
    // What was asked of which servers without a fault of theirs.
    sound: BTreeMap<(Asking, *const BTreeSet<usize>), Servers>,
    // Of which servers many clients have a list, without a fault of theirs; the list itself stays with it, where it is.
    lists: BTreeMap<List<'a>, (Servers, Rc<[End]>)>,
    // Of servers that many clients are led to, the first of each kind.
    kinds: BTreeMap<*const BTreeSet<usize>, (Servers, Rc<[usize]>)>,
}

/// What of a client its servers' certificates must suit: the authorities that it trusts, the name that it wants on them if it is
/// not the one by which it asks, and where it asks. None trusts anyone, an empty digest the system.
type Asking = (Trusted, Option<String>, Option<End>);

/// The same of a client with a list: the server's name, and the list itself.
type List<'a> = (Trusted, Option<String>, &'a str, *const End);

type Trusted = Option<Option<Digest>>;

fn trusted(client: &Client<'_>) -> Trusted {
    match &client.trusts {
        Trust::Anyone => None,
        Trust::System(_) => Some(None),
        Trust::These(papers) => Some(Some(papers.digest)),
    }
}

/// What is asked of so few servers is not remembered.
const FEW: usize = 8;

/// What was found of two files or certificates, of so many pairs at most: most pairs that meet again do so soon.
struct Pairs<T>(RefCell<Bounded<(Digest, Digest), T, PAIRS>>);

const PAIRS: usize = 4096;

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Pairs(RefCell::default())
    }
}

impl<T: Copy> Pairs<T> {
    fn get(&self, pair: (Digest, Digest), find: impl FnOnce() -> T) -> T {
        if let Some(known) = self.0.borrow().get(&pair) {
            return *known;
        }
        let found = find();
        self.0.borrow_mut().insert(pair, found);
        found
    }
}

/// What of a server its clients' certificates must suit, and what is told if they do not.
type Welcome<'a> = (&'a str, bool, Option<(Digest, &'a Place, &'a TreePath)>, Vec<(&'a str, &'a Place)>);

fn welcome<'a>(server: &'a Server<'a>) -> Welcome<'a> {
    let clients = server.clients.as_ref().map(|papers| (papers.digest, papers.place, &papers.file));
    let names = server.declared.client_names.iter().map(|names| (names.value.as_str(), &names.place));
    (&server.declared.name, server.declared.optional, clients, names.collect())
}

impl<'a> Trial<'a> {
    fn client(&mut self, client: &Client<'a>) {
        if client.declared.urls.is_empty() && client.declared.kubeconfig.is_none() {
            self.pairs(client, &self.talk.nearest(client), &client.declared.server.place, None);
        }
        for (place, ends) in &client.urls {
            let asking = (trusted(client), client.called.clone(), &*client.declared.server.value, ends.as_ptr());
            match self.lists.get(&asking).cloned() {
                Some((servers, _)) if self.is_let_in_by(client, &servers) => {}
                _ => {
                    let before = self.faults.count;
                    let led_to = self.list(client, place, ends);
                    if let Some(servers) = led_to.filter(|servers| servers.len() > FEW && self.faults.count == before) {
                        self.lists.insert(asking, (Rc::new(servers), ends.clone()));
                    }
                }
            }
        }
    }

    /// A client and every server of a list; whom it is led to, if that is the same from every machine.
    fn list(&mut self, client: &Client<'a>, place: &'a Place, ends: &[End]) -> Option<BTreeSet<usize>> {
        let mut all = Some(BTreeSet::new());
        for end in ends {
            let led = self.talk.led(client, end);
            let from_anywhere = end.address().is_some() && !end.is_loopback();
            all = all.zip(led.all()).filter(|_| from_anywhere).map(|(mut all, servers)| {
                all.extend(servers.iter());
                all
            });
            match led {
                Led::Behind(_) if self.talk.passes(client) => {
                    let (who, whom) = (&client.declared.name, &client.declared.server.value);
                    let says = format!("{who} leads to {whom} at {end}, which is no machine's");
                    self.faults.of(&SERVER_ABSENT, Side { place, machine: &client.machine.name }, says);
                }
                Led::To(servers) | Led::Behind(servers) => self.pairs(client, &servers, place, Some(end)),
                Led::Nowhere(machine) => self.absent(client, machine, place, end),
                Led::Outside => {}
            }
        }
        all
    }

    /// Nothing listens there: something of that name may listen elsewhere on the machine.
    fn absent(&mut self, client: &Client<'a>, machine: usize, place: &'a Place, end: &End) {
        let name = &client.declared.server.value;
        let asking = Side { place, machine: &client.machine.name };
        let there = self.talk.on_machine(machine).find(|server| server.declared.name == *name);
        let listen = there.and_then(|server| Some((server, server.declared.listen.first()?)));
        let on = there.map_or_else(String::new, |server| format!(" of {}", server.machine.name));
        let says = format!("{} asks {name}{on} at {end}, where it does not listen", client.declared.name);
        match listen {
            Some((server, listen)) => {
                let listening = Side { place: &listen.place, machine: &server.machine.name };
                self.faults.between(&SERVER_ABSENT, listening, asking, says);
            }
            None => self.faults.of(&SERVER_ABSENT, asking, says),
        }
    }

    /// What a server is by itself: it has the names that nobody here asks by, and all who are like it share its work.
    fn server(&mut self, server: &'a Server<'a>) {
        for name in server.declared.names.iter().flat_map(|names| items(names).map(move |name| (names, name))) {
            let (place, name) = (&name.0.place, name.1);
            self.named(server, name, Side { place, machine: &server.machine.name });
        }
        let Some(name) = &server.declared.passes_to else { return };
        let mut missing = BTreeSet::clone(&self.talk.named(name));
        let mut place = None;
        for client in self.talk.passing(server) {
            for (said, end) in client.urls.iter().flat_map(|(place, ends)| ends.iter().map(move |end| (place, end))) {
                match self.talk.led(client, end) {
                    Led::To(servers) => missing.retain(|index| !servers.contains(index)),
                    // That one of them is not there is told.
                    _ => return,
                }
                place = place.or(Some(*said));
            }
        }
        if let (Some(place), Some(index)) = (place, missing.first()) {
            let lost = &self.talk.servers[*index];
            let says = format!("{} leads to no {name} of {}", server.declared.name, lost.machine.name);
            self.faults.of(&SERVER_UNUSED, Side { place, machine: &server.machine.name }, says);
        }
    }

    /// A client and all servers that it is led to. In a large cluster many clients are led to many servers: what is sound of the
    /// servers for one client is so for all that are like it, and the clients' own is looked at with one server of each kind.
    fn pairs(&mut self, client: &Client<'a>, servers: &Servers, asked: &'a Place, end: Option<&End>) {
        if servers.len() <= FEW {
            return servers.iter().for_each(|index| self.pair(client, &self.talk.servers[*index], asked, end));
        }
        let asking = ((trusted(client), client.called.clone(), end.cloned()), Rc::as_ptr(servers));
        let before = self.faults.count;
        if self.sound.contains_key(&asking) && self.is_let_in_by(client, servers) {
            return;
        }
        servers.iter().for_each(|index| self.pair(client, &self.talk.servers[*index], asked, end));
        if self.faults.count == before {
            self.sound.insert(asking, servers.clone());
        }
    }

    /// Whether one server of each kind lets a client in.
    fn is_let_in_by(&mut self, client: &Client<'a>, servers: &Servers) -> bool {
        let before = self.faults.count;
        for index in self.kinds(servers).iter() {
            let server = &self.talk.servers[*index];
            server.clients.iter().for_each(|clients| self.lets_in(client, server, clients));
        }
        self.faults.count == before
    }

    /// The first server of each kind that lets clients in alike.
    fn kinds(&mut self, servers: &Servers) -> Rc<[usize]> {
        let talk = self.talk;
        let find = || {
            let mut known = BTreeSet::new();
            let first = servers.iter().copied().filter(|index| known.insert(welcome(&talk.servers[*index])));
            (servers.clone(), first.collect())
        };
        self.kinds.entry(Rc::as_ptr(servers)).or_insert_with(find).1.clone()
    }

    fn pair(&mut self, client: &Client<'a>, server: &'a Server<'a>, asked: &'a Place, end: Option<&End>) {
        let asking = Side { place: asked, machine: &client.machine.name };
        if let Some(end) = end.filter(|end| differ(end, server)) {
            let how = if end.tls == Some(true) { "with" } else { "without" };
            let says = format!("{} asks {} {how} TLS at {end}", client.declared.name, server.declared.name);
            let listen = server.declared.listen.first().map_or(&server.declared.place, |listen| &listen.place);
            let listening = Side { place: listen, machine: &server.machine.name };
            return self.faults.between(&SERVER_SCHEME, listening, asking, says);
        }
        if self.trusts(client, server, asked)
            && let Some(name) = client.called.as_ref().or(end.map(|end| &end.host))
            && !matches!(client.trusts, Trust::Anyone)
        {
            self.named(server, name, asking);
        }
        if let Some(clients) = &server.clients {
            self.lets_in(client, server, clients);
        }
    }

    /// Whether the client takes the server's certificate, but for its names.
    fn trusts(&mut self, client: &Client<'a>, server: &'a Server<'a>, asked: &'a Place) -> bool {
        let (who, whom) = (&client.declared.name, &server.declared.name);
        let (place, machine) = match &client.trusts {
            Trust::Anyone => return true,
            Trust::System(place) => (*place, &client.machine.name),
            Trust::These(trusted) => (trusted.place, &client.machine.name),
        };
        let trusting = Side { place, machine };
        let Some(shown) = &self.talk.shown(server) else {
            if !server.listens().any(|listen| listen.tls == Some(false)) {
                let says = format!("{who} wants a certificate of {whom}, which has none by an authority");
                let listen = server.declared.listen.first().map_or(asked, |listen| &listen.place);
                let listening = Side { place: listen, machine: &server.machine.name };
                self.faults.between(&SERVER_ANONYMOUS, listening, trusting, says);
            }
            return false;
        };
        let Some(leaf) = shown.certificates.first() else { return false };
        let showing = Side { place: shown.place, machine: &server.machine.name };
        let by = match &client.trusts {
            Trust::These(trusted) if trusted.certificates.is_empty() => return false,
            Trust::These(trusted) => self.vouched(shown, trusted).ok_or(format!("the authorities in {}", trusted.file)),
            _ => Err("the system's authorities".to_owned()),
        };
        match by {
            Ok(authority) => self.outlives(leaf, authority, shown, showing),
            Err(trusted) => {
                let says =
                    format!("{who} trusts {trusted}, of which none issued the certificate of {whom} in {}", shown.file);
                self.faults.between(&SERVER_UNTRUSTED, showing, trusting, says);
                return false;
            }
        }
        self.usable(leaf, true, shown, showing)
    }

    /// Whether a server that asks for certificates takes the client's.
    fn lets_in(&mut self, client: &Client<'a>, server: &'a Server<'a>, clients: &Papers<'a>) {
        let (who, whom) = (&client.declared.name, &server.declared.name);
        let Some(own) = &client.certificate else {
            if !server.declared.optional {
                let side = Side { place: &client.declared.server.place, machine: &client.machine.name };
                self.faults.of(&CLIENT_ANONYMOUS, side, format!("{who} has no certificate for {whom}"));
            }
            return;
        };
        let showing = Side { place: own.place, machine: &client.machine.name };
        let Some(leaf) = own.certificates.first() else {
            // It is made on the machine, with the name that it must have.
            let name = client.declared.common_name.as_ref();
            return name.map_or((), |name| self.is_let_in(client, server, name, showing));
        };
        if !clients.certificates.is_empty() {
            match self.vouched(own, clients) {
                Some(authority) => self.outlives(leaf, authority, own, showing),
                None => {
                    let says = format!(
                        "{who} shows the certificate in {}, which none of the authorities in {} issued, by which {whom} knows clients",
                        own.file, clients.file
                    );
                    let knowing = Side { place: clients.place, machine: &server.machine.name };
                    // Two that are like each other are each the other's client and server.
                    if !self.faults.has(&SERVER_UNTRUSTED, showing.place, knowing.place) {
                        self.faults.between(&CLIENT_UNTRUSTED, knowing, showing, says);
                    }
                    return;
                }
            }
        }
        if self.usable(leaf, false, own, showing) {
            self.is_known(client, server, leaf, showing);
        }
    }

    /// That a client has the name and groups that it must have, and that its server lets in.
    fn is_known(&mut self, client: &Client<'a>, server: &'a Server<'a>, leaf: &Certificate, showing: Side<'a>) {
        let who = &client.declared.name;
        let name = leaf.subject().cn.as_deref().unwrap_or_default();
        if let Some(wanted) = client.declared.common_name.as_ref().filter(|wanted| *wanted.value != *name) {
            self.faults.of(&CLIENT_NAME, showing, format!("{who} is `{name}`, and must be `{}`", wanted.value));
        }
        for group in client.declared.groups.iter().filter(|group| !leaf.subject().o.contains(group)) {
            let says = format!("{who} is `{}`, and must be of the group `{}`", leaf.subject(), group.value);
            self.faults.of(&CLIENT_NAME, showing, says);
        }
        self.is_let_in(client, server, name, showing);
    }

    fn is_let_in(&mut self, client: &Client<'a>, server: &'a Server<'a>, name: &str, showing: Side<'a>) {
        let mut let_in = server.declared.client_names.iter().flat_map(|names| items(names)).peekable();
        if let_in.peek().is_none() || let_in.any(|own| own == name) {
            return;
        }
        let let_in: Vec<&str> = server.declared.client_names.iter().flat_map(|names| items(names)).collect();
        let (who, whom) = (&client.declared.name, &server.declared.name);
        let says = format!("{who} is `{name}`, and {whom} let in {}", let_in.join(", "));
        let Some(stranger) = &server.declared.stranger else {
            return self.faults.of(&CLIENT_NAME, showing, says);
        };
        self.faults.count += 1;
        self.strangers.note(Finding {
            id: stranger.id.clone(),
            severity: stranger.severity,
            says: format!("{}: {says}", stranger.says),
            fate: stranger.fate.clone(),
            remedy: stranger.remedy.clone(),
            place: server.declared.client_names.first().map(|names| names.place.clone()),
            file: None,
            on: [client.machine.name.clone()].into(),
        });
    }

    /// That a server's certificate has a name.
    fn named(&mut self, server: &'a Server<'a>, name: &str, asking: Side<'a>) {
        let Some(shown) = self.talk.shown(server) else { return };
        let Some(leaf) = shown.certificates.first() else { return };
        let has = match name.parse::<IpAddr>() {
            Ok(address) => leaf.ip().contains(&address),
            Err(_) => leaf.dns().iter().any(|own| matches(own, name)),
        };
        if !has {
            let all = leaf.dns().iter().cloned().chain(leaf.ip().iter().map(ToString::to_string));
            let all: Vec<String> = all.collect();
            let all = if all.is_empty() { "no name".to_owned() } else { all.join(", ") };
            let says = format!(
                "{} is asked as {name}, and its certificate in {} is for {all}",
                server.declared.name, shown.file
            );
            let showing = Side { place: shown.place, machine: &server.machine.name };
            self.faults.between(&SERVER_NAME, showing, asking, says);
        }
    }

    fn usable(&mut self, leaf: &Certificate, serves: bool, papers: &Papers<'_>, side: Side<'a>) -> bool {
        let (usage, word) = if serves { (Usage::ServerAuth, "a server") } else { (Usage::ClientAuth, "a client") };
        let any = leaf.usages().is_empty() && leaf.other_usages().is_empty();
        let usable =
            any || leaf.usages().contains(&usage) || leaf.other_usages().iter().any(|other| other == ANY_USAGE);
        if !usable {
            self.faults.of(&CERTIFICATE_USAGE, side, format!("the certificate in {} is not for {word}", papers.file));
        }
        usable
    }

    fn outlives(&mut self, leaf: &Certificate, authority: &Certificate, papers: &Papers<'_>, side: Side<'a>) {
        let (own, above) = (leaf.not_after(), authority.not_after());
        if own > above {
            let says =
                format!("the certificate in {} is valid until {own}, and its authority until {above}", papers.file);
            self.faults.of(&CERTIFICATE_OUTLIVES, side, says);
        }
    }

    /// The one of `trusted` that issued a certificate, or one between both.
    fn vouched<'t>(&self, shown: &Papers<'_>, trusted: &'t Papers<'_>) -> Option<&'t Certificate> {
        let found = self.known.get((shown.digest, trusted.digest), || self.vouching(shown, trusted));
        trusted.certificates.get(found?)
    }

    fn vouching(&self, shown: &Papers<'_>, trusted: &Papers<'_>) -> Option<usize> {
        let mut current = shown.certificates.first()?;
        let mut file = Some(&shown.digest);
        let mut seen = BTreeSet::new();
        loop {
            let signs = |authority: &Certificate| self.signed(current, file, authority);
            if let Some(index) = trusted.certificates.iter().position(signs) {
                return Some(index);
            }
            let next = shown.certificates.iter().skip(1).find(|above| self.signed(current, file, above))?;
            if !seen.insert(next.fingerprint()) {
                return None;
            }
            (current, file) = (next, None);
        }
    }

    /// Whether one signed a certificate; `file` has it first, if it does.
    fn signed(&self, certificate: &Certificate, file: Option<&Digest>, by: &Certificate) -> bool {
        // Who signs has its subject's name: most are told apart by that alone.
        if certificate.issuer_der() != by.subject_der() {
            return false;
        }
        // Of other keys than ours some are not trusted, whatever they signed.
        if by.key_kind().starts_with("ECDSA") && file.is_some_and(|file| self.proven.is_signed(file, by)) {
            return certificate.check_signed_by(by).is_ok();
        }
        let both = (certificate.fingerprint(), by.fingerprint());
        self.signed.get(both, || certificate.check_issued_by(by).is_ok())
    }
}

/// anyExtendedKeyUsage (RFC 5280, 4.2.1.12).
const ANY_USAGE: &str = "2.5.29.37.0";

/// Whether one side speaks TLS, and the other says that there is none.
fn differ(end: &End, server: &Server<'_>) -> bool {
    let listen = server.listens().find(|listen| listen.port == end.port);
    let serves = listen.and_then(|listen| listen.tls).or(server.certificate.as_ref().map(|_| true));
    end.tls.zip(serves).is_some_and(|(asks, serves)| asks != serves)
}

/// RFC 9525, 6.3: a wildcard stands for one label.
fn matches(own: &str, name: &str) -> bool {
    let (own, name) = (own.trim_end_matches('.'), name.trim_end_matches('.'));
    let wild =
        own.strip_prefix("*.").zip(name.split_once('.')).is_some_and(|(own, (_, rest))| own.eq_ignore_ascii_case(rest));
    wild || own.eq_ignore_ascii_case(name)
}
