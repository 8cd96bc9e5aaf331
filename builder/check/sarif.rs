//! SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"): findings as a code review shows them in place.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Finding, Severity, rules};

/// The schema that the log says it has.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log of one run: every rule of the program and of the findings, and a result for each finding. What is accepted is
/// suppressed, with the reason.
pub fn log(findings: &[Finding], accepted: &[(Finding, String)]) -> Value {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for rule in rules() {
        known.insert(rule.id.to_owned(), described(rule.id, rule.severity, rule.finds, rule.fate, rule.remedy));
    }
    for finding in findings.iter().chain(accepted.iter().map(|(finding, _)| finding)) {
        let Finding { id, severity, fate, remedy, .. } = finding;
        known.entry(id.clone()).or_insert_with(|| described(id, *severity, fate, fate, remedy));
    }
    let index: BTreeMap<&str, usize> = known.keys().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let told = findings.iter().map(|finding| result(finding, &index, None));
    let suppressed = accepted.iter().map(|(finding, reason)| result(finding, &index, Some(reason)));
    let results: Vec<Value> = told.chain(suppressed).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mastermold",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": known.values().collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn described(id: &str, severity: Severity, finds: &str, fate: &str, remedy: &str) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": finds },
        "fullDescription": { "text": fate },
        "help": { "text": remedy },
        "defaultConfiguration": { "level": severity.name() },
    })
}

fn result(finding: &Finding, index: &BTreeMap<&str, usize>, reason: Option<&String>) -> Value {
    let Finding { id, severity, says, fate, remedy, place, file, on } = finding;
    let mut result = json!({
        "ruleId": id,
        "ruleIndex": index.get(id.as_str()),
        "level": severity.name(),
        "message": { "text": format!("{says}: {fate}. {remedy}") },
    });
    // Where it lies on the machines is nowhere in the project: it is a name.
    let names: Vec<Value> = match file {
        Some((path, line)) => {
            let at = line.map_or_else(String::new, |line| format!(":{line}"));
            on.iter().map(|machine| json!({ "fullyQualifiedName": format!("{machine}:{path}{at}") })).collect()
        }
        None => on.iter().map(|machine| json!({ "fullyQualifiedName": machine })).collect(),
    };
    let mut location = serde_json::Map::new();
    if let Some(place) = place {
        let region = json!({ "startLine": place.line, "startColumn": place.column });
        let physical = json!({ "artifactLocation": { "uri": uri(&place.file) }, "region": region });
        location.insert("physicalLocation".to_owned(), physical);
    }
    if !names.is_empty() {
        location.insert("logicalLocations".to_owned(), Value::Array(names));
    }
    if let (Some(result), false) = (result.as_object_mut(), location.is_empty()) {
        result.insert("locations".to_owned(), json!([location]));
    }
    if let (Some(result), Some(reason)) = (result.as_object_mut(), reason) {
        let suppression = json!({ "kind": "inSource", "status": "accepted", "justification": reason });
        result.insert("suppressions".to_owned(), json!([suppression]));
    }
    result
}

/// A path as a relative reference (RFC 3986): what is no unreserved character is escaped, but slashes.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        match byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}
