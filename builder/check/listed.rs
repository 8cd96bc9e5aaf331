//! What is looked for: the program's own rules, and those that overlays declare.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rule::{Rule, Severity};
use super::rules;
use crate::document::{self, Data, Value};
use crate::overlay::Overlay;

/// Where overlays declare what they look for.
const DECLARED: [&str; 2] = ["agree", "checks"];

/// A rule, wherever it is from.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// By which a profile accepts it.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it finds.
    pub finds: String,
    /// What will go wrong on the machine.
    pub fate: String,
    /// What to do.
    pub remedy: String,
    /// The overlays that declare it; none if it is the program's own.
    pub overlays: Vec<String>,
}

/// All rules of the program and of these overlays, by their names. What overlays say is told as they wrote it.
pub fn list(overlays: &[Overlay]) -> Vec<Listed> {
    let own = |rule: &Rule| {
        let Rule { id, severity, finds, fate, remedy } = *rule;
        let texts = [id, finds, fate, remedy].map(str::to_owned);
        let [id, finds, fate, remedy] = texts;
        (id.clone(), Listed { id, severity, finds, fate, remedy, overlays: Vec::new() })
    };
    let mut all: BTreeMap<String, Listed> = rules().into_iter().map(own).collect();
    for overlay in overlays {
        let strangers = tables(&overlay.declarations, "servers").iter().filter_map(|server| server.get("stranger"));
        let declared = DECLARED.iter().flat_map(|key| tables(&overlay.declarations, key)).chain(strangers);
        for declared in declared.filter_map(listed) {
            let known = all.entry(declared.id.clone()).or_insert(declared);
            if !known.overlays.contains(&overlay.name) {
                known.overlays.push(overlay.name.clone());
            }
        }
    }
    all.into_values().collect()
}

/// The tables of an array of tables.
fn tables<'a>(declarations: &'a Value, key: &str) -> &'a [Value] {
    match declarations.get(key).map(|value| &value.data) {
        Some(Data::Array(tables)) => tables,
        _ => &[],
    }
}

fn listed(declared: &Value) -> Option<Listed> {
    let text = |key: &str| declared.get(key)?.as_str().map(str::to_owned);
    let severity: Option<Severity> = declared.get("severity").and_then(|value| document::read(value).ok());
    let severity = severity.unwrap_or_default();
    let finds = text("finds").or_else(|| text("says"))?;
    Some(Listed {
        id: text("id")?,
        severity,
        finds,
        fate: text("fate")?,
        remedy: text("remedy")?,
        overlays: Vec::new(),
    })
}
