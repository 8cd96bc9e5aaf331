//! `schema`: JSON Schema of profiles and overlays, from the types that read them.

use clap::{Args, ValueEnum};
use schemars::generate::SchemaSettings;

use super::print::Printer;
use crate::error::{Error, Result};
use crate::overlay::Declarations;
use crate::profile::ProfileDeclaration;

#[derive(Debug, Args)]
pub struct Schema {
    /// Of which kind of file.
    #[arg(value_enum, default_value_t)]
    of: Of,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Of {
    /// profiles/NAME.toml
    #[default]
    Profile,
    /// overlays/NAME/overlay.toml
    Overlay,
}

impl Schema {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        // Draft 7 is what TOML plugins of editors read.
        let generator = SchemaSettings::draft07().into_generator();
        let schema = match self.of {
            Of::Profile => generator.into_root_schema_for::<ProfileDeclaration>(),
            Of::Overlay => generator.into_root_schema_for::<Declarations>(),
        };
        let text = serde_json::to_string_pretty(&schema).map_err(|error| Error::bug(error.to_string()))?;
        printer.text(&format!("{text}\n"))
    }
}
