//! What an overlay says of connections and of what must agree, and what it finds wrong: rendered last, for it says what flags
//! mean.

use std::sync::Arc;

use serde::Deserialize;

use super::node::{Active, filter};
use super::scopes::FileNames;
use crate::document::{self, Data, Placed, Table, Value};
use crate::error::{Error, Faults, Result};
use crate::overlay::declare::{AgreeDeclaration, CheckDeclaration, ClientDeclaration, ServerDeclaration};
use crate::overlay::{Scope, is_template};

/// The declarations that are rendered so.
pub const KEYS: [&str; 4] = ["servers", "clients", "agree", "checks"];

/// What overlays say of a machine.
#[derive(Default, Deserialize)]
pub struct Talk {
    /// What listens.
    #[serde(default)]
    pub servers: Vec<Placed<ServerDeclaration>>,
    /// What asks.
    #[serde(default)]
    pub clients: Vec<Placed<ClientDeclaration>>,
    /// What must be the same.
    #[serde(default)]
    pub agree: Vec<Placed<AgreeDeclaration>>,
    /// What is wrong.
    #[serde(default)]
    pub checks: Vec<Placed<CheckDeclaration>>,
}

impl Talk {
    /// Of the overlays that are active on a node. A value that a flag gave stands where that was written, and one that is empty
    /// is as if it were not there.
    pub fn of(active: &[Active<'_>], names: &FileNames, faults: &mut Faults) -> Talk {
        let mut all = Talk::default();
        for one in active.iter().filter_map(|one| faults.note(said(one, names))) {
            all.servers.extend(one.servers);
            all.clients.extend(one.clients);
            all.agree.extend(one.agree);
            all.checks.extend(one.checks);
        }
        all
    }
}

fn said(one: &Active<'_>, names: &FileNames) -> Result<Talk> {
    let Some(table) = one.overlay.declarations.as_table() else { return Ok(Talk::default()) };
    let mut said = Table::clone(table);
    said.retain(|key| KEYS.contains(&key));
    let scope = names.scope(&one.scope);
    let value = Value { place: one.overlay.declarations.place.clone(), data: Data::Table(Arc::new(said)) };
    // What a template used that could not be rendered is not ours.
    names.used_secret();
    let filtered = filter(&scope, &value).map_err(|error| names.conceal(error))?;
    let rendered = render(&filtered, &scope, names).map_err(|error| names.conceal(error))?.unwrap_or(filtered);
    if names.used_secret() {
        // What is found is told, and kept, and handed to programs.
        let error = Error::policy(format!("the overlay `{}` uses a secret in {}", one.overlay.name, KEYS.join(", ")));
        return Err(error
            .advise("name the file that holds it: [[agree]] file = \"PATH\" compares and tells nothing")
            .at(&value.place));
    }
    document::read(&rendered)
}

/// Renders each string by itself, so that it is known which flag it asked for; those that are empty then are left out. None if
/// the value is as it was.
fn render(value: &Value, scope: &Arc<Scope>, names: &FileNames) -> Result<Option<Value>> {
    let data = match &value.data {
        Data::Table(table) if !is_template(value) => {
            let mut rendered: Option<Table> = None;
            for (key, field) in table.iter() {
                let new = render(&field.value, scope, names)?;
                if new.as_ref().unwrap_or(&field.value).as_str() == Some("") {
                    rendered.get_or_insert_with(|| Table::clone(table)).remove(key);
                } else if let Some(value) = new {
                    rendered.get_or_insert_with(|| Table::clone(table)).replace(key, value);
                }
            }
            rendered.map(|rendered| Data::Table(Arc::new(rendered)))
        }
        Data::Array(items) => {
            let mut rendered = Vec::new();
            for item in items.iter() {
                match render(item, scope, names)?.unwrap_or_else(|| item.clone()) {
                    // An expression that gives a list is spliced into the list that it stands in.
                    Value { data: Data::Array(inner), .. } if item.as_table().is_some() => {
                        rendered.extend(inner.iter().cloned())
                    }
                    value if value.as_str() == Some("") => {}
                    value => rendered.push(value),
                }
            }
            Some(Data::Array(Arc::new(rendered)))
        }
        _ if is_template(value) => {
            names.flag();
            let rendered = scope.render(value)?;
            let place = names.flag().unwrap_or_else(|| value.place.clone());
            return Ok(Some(Value { place, data: rendered.data }));
        }
        _ => None,
    };
    Ok(data.map(|data| Value { place: value.place.clone(), data }))
}
