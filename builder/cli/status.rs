//! `pki status`: which certificates there are, and when they expire: of a profile, of a release, or of any files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::print::Printer;
use super::seed::SeedArguments;
use super::timeline;
use crate::build::{self, Plan};
use crate::bundle;
use crate::digest::Digest;
use crate::disk::{self, Access};
use crate::epoch::Epoch;
use crate::error::{Error, Result, visible};
use crate::pki::{Certificate, Held, Standing, Term};
use crate::profile::{Lock, Profile};

/// What ends sooner is shown as such.
const SOON: &str = "30d";

#[derive(Debug, Args)]
pub struct Status {
    /// A profile (.toml), a release's directory, or any directory or file.
    #[arg(value_name = "TARGET", value_hint = clap::ValueHint::AnyPath)]
    target: PathBuf,
    /// The time that days are counted from (2026-11-01T00:00:00Z); now if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<Epoch>,
    /// Draw the certificates' lives into this file.
    #[arg(long, value_name = "FILE.svg", value_hint = clap::ValueHint::FilePath)]
    timeline: Option<PathBuf>,
    #[command(flatten)]
    seed: SeedArguments,
}

/// All of it as `--format json` prints it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    target: &'a Path,
    at: String,
    certificates: Vec<CertificateReport<'a>>,
    broken: Vec<BrokenReport<'a>>,
}

/// One certificate at one place.
#[derive(Debug, Serialize)]
struct CertificateReport<'a> {
    node: Option<&'a str>,
    file: &'a str,
    subject: String,
    issuer: String,
    dns: &'a [String],
    ip: &'a [std::net::IpAddr],
    uri: &'a [String],
    usages: Vec<String>,
    authority: bool,
    path_length: Option<u8>,
    key: &'a str,
    serial: &'a str,
    not_before: String,
    not_after: String,
    days_left: i64,
    standing: &'static str,
    fingerprint: String,
    public_key_sha256: String,
}

/// Something that looked like a certificate, or a file that could not be read.
#[derive(Debug, Serialize)]
struct BrokenReport<'a> {
    node: Option<&'a str>,
    file: &'a str,
    error: String,
}

/// A certificate and every place where it lies.
pub struct Row<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// Where: the node and the file, the first in order first.
    pub places: Vec<(Option<&'a str>, &'a str)>,
    /// Where the time that was asked for stands in its life.
    pub standing: Standing,
    /// Whole days from then to its end; less than none after it.
    pub days: i64,
}

impl Status {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let term = Term { at: self.at.map_or_else(Epoch::now, Ok)?, least: SOON.parse()? };
        let mut held = self.held()?;
        // By the end, then the node, then the path; what is broken comes last, in its order.
        held.sort_by(|a, b| key(a).cmp(&key(b)));
        let rows = rows(&held, &term);
        if let Some(path) = &self.timeline {
            let svg = timeline::draw(&self.target.display().to_string(), term.at, &rows);
            disk::write(path, svg.as_bytes(), Access::Public)?;
        }
        printer.report(&self.report(&held, &term), || human(&rows, &held, &term))
    }

    fn held(&self) -> Result<Vec<Held>> {
        let directory = disk::kind(&disk::canonical(&self.target)?)? == Some(disk::Kind::Directory);
        if !directory && self.target.extension().is_some_and(|extension| extension == "toml") {
            return self.of_profile();
        }
        if directory && bundle::certificates::is_release(&self.target)? {
            return bundle::certificates(&self.target);
        }
        bundle::certificates::below(&self.target, &self.target.display().to_string())
    }

    fn of_profile(&self) -> Result<Vec<Held>> {
        let (profile, seen) = Profile::load(&self.target, Epoch::from_environment()?)?;
        let seed = self.seed.load(&profile, None);
        let seed = seed.map_err(|error| error.context("without the seed there are no certificates to show"))?;
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        build::dates::certificates(&Plan::resolve(&profile, seen, lock.as_ref(), Some(&seed))?)
    }

    fn report<'a>(&'a self, held: &'a [Held], term: &Term) -> Report<'a> {
        let certificates =
            held.iter().filter_map(|held| Some(certificate(held, held.certificate.as_ref().ok()?, term)));
        let broken = held.iter().filter_map(|held| Some((held, held.certificate.as_ref().err()?)));
        let broken = broken.map(|(held, error)| BrokenReport {
            node: held.node.as_deref(),
            file: &held.file,
            error: error.to_string(),
        });
        let (certificates, broken) = (certificates.collect(), broken.collect());
        Report { target: &self.target, at: term.at.to_string(), certificates, broken }
    }
}

/// What rows are sorted by: machines before people. Those of the same end, node and path keep the order of the file.
fn key(held: &Held) -> (u64, bool, Option<&str>, &str) {
    let end = held.certificate.as_ref().map_or(u64::MAX, |certificate| certificate.not_after().seconds());
    (end, held.node.is_none(), held.node.as_deref(), &held.file)
}

/// Each certificate once, with all its places.
fn rows<'a>(held: &'a [Held], term: &Term) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (held, certificate) in held.iter().filter_map(|held| Some((held, held.certificate.as_ref().ok()?))) {
        let place = (held.node.as_deref(), held.file.as_str());
        let next = rows.len();
        match *known.entry(certificate.der()).or_insert(next) {
            at if at < next => rows[at].places.push(place),
            _ => rows.push(Row {
                certificate,
                places: vec![place],
                standing: term.standing(certificate),
                days: days(certificate, term.at),
            }),
        }
    }
    rows
}

fn days(certificate: &Certificate, at: Epoch) -> i64 {
    // The year 9999 in seconds is far from the end of an i64.
    (certificate.not_after().seconds() as i64 - at.seconds() as i64).div_euclid(86_400)
}

fn certificate<'a>(held: &'a Held, certificate: &'a Certificate, term: &Term) -> CertificateReport<'a> {
    CertificateReport {
        node: held.node.as_deref(),
        file: &held.file,
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        dns: certificate.dns(),
        ip: certificate.ip(),
        uri: certificate.uri(),
        usages: usages(certificate),
        authority: certificate.is_authority(),
        path_length: certificate.path_length(),
        key: certificate.key_kind(),
        serial: certificate.serial(),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        days_left: days(certificate, term.at),
        standing: word(term.standing(certificate)),
        fingerprint: certificate.fingerprint().to_string(),
        public_key_sha256: Digest::of(certificate.public_key()).to_string(),
    }
}

/// The standing in one word.
pub fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Expired => "expired",
        Standing::Ending => "ending",
        Standing::Valid => "valid",
        Standing::NotYet => "not-yet",
    }
}

fn usages(certificate: &Certificate) -> Vec<String> {
    let known = certificate.usages().iter().map(ToString::to_string);
    known.chain(certificate.other_usages().iter().cloned()).collect()
}

/// A table with one line for each certificate, and what is to be said of all.
fn human(rows: &[Row<'_>], held: &[Held], term: &Term) -> String {
    let head = ["LEFT", "EXPIRES", "NODE", "FILE", "SUBJECT", "ISSUER", "FOR", "NAMES"].map(str::to_owned);
    let lines: Vec<[String; 8]> = rows.iter().map(cells).collect();
    let mut text = if lines.is_empty() { String::new() } else { table(&head, &lines) };
    let broken: Vec<(&Held, &Error)> =
        held.iter().filter_map(|held| Some((held, held.certificate.as_ref().err()?))).collect();
    for (held, error) in &broken {
        let error = error.to_string();
        text += &format!("broken: {}: {}\n", visible(&place((held.node.as_deref(), &held.file))), visible(&error));
    }
    let (places, count) = (held.len() - broken.len(), rows.len());
    let many = |standing| rows.iter().filter(|row| row.standing == standing).count();
    text += &format!(
        "{} in {} at {}: {} expired, {} with less than {SOON}, {} not valid yet; {} broken\n",
        counted(count, "certificate"),
        counted(places, "place"),
        term.at,
        many(Standing::Expired),
        many(Standing::Ending),
        many(Standing::NotYet),
        broken.len(),
    );
    if places > count {
        text += "Each is shown once, at its first place; `--format json` has a row for every place.\n";
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn cells(row: &Row<'_>) -> [String; 8] {
    let Row { certificate, places, .. } = row;
    let (node, file) = places[0];
    let more = match places.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let purpose = match certificate.is_authority() {
        true => "CA".to_owned(),
        false => usages(certificate).join(","),
    };
    let issuer = match certificate.issuer_der() == certificate.subject_der() {
        true => "itself".to_owned(),
        false => certificate.issuer().to_string(),
    };
    let names = certificate.dns().iter().cloned();
    let names = names.chain(certificate.ip().iter().map(ToString::to_string)).chain(certificate.uri().iter().cloned());
    let names: Vec<String> = names.collect();
    [
        left(row),
        certificate.not_after().to_string(),
        node.unwrap_or("-").to_owned(),
        format!("{file}{more}"),
        certificate.subject().to_string(),
        issuer,
        purpose,
        names.join(","),
    ]
}

/// How many days are left, or why none are.
pub fn left(row: &Row<'_>) -> String {
    match row.standing {
        Standing::Expired => "expired".into(),
        Standing::NotYet => "not yet".into(),
        Standing::Ending => format!("{}d !", row.days),
        Standing::Valid => format!("{}d", row.days),
    }
}

/// A place in words.
pub fn place((node, file): (Option<&str>, &str)) -> String {
    node.map_or_else(|| file.to_owned(), |node| format!("{node}: {file}"))
}

/// Columns as wide as what is in them; the last is as long as it is.
fn table(head: &[String; 8], lines: &[[String; 8]]) -> String {
    let shown = |cell: &String| if cell.is_empty() { "-".to_owned() } else { visible(cell) };
    let lines: Vec<[String; 8]> = std::iter::once(head).chain(lines).map(|line| line.each_ref().map(shown)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    lines.iter().fold(String::new(), |mut text, line| {
        for (cell, width) in line.iter().zip(&widths) {
            text += &format!("{cell:width$}  ");
        }
        text + &line[7] + "\n"
    })
}
