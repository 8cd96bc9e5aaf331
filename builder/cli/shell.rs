//! `completions` and `man`: from the same definition as `--help`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::print::Printer;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "mastermold", &mut text);
        printer.text(&String::from_utf8_lossy(&text))
    }
}

/// The manual pages of the program and of all its verbs, one after the other.
pub fn man(printer: &Printer) -> Result<()> {
    let mut text = Vec::new();
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    render(&command, &mut text)?;
    printer.text(&String::from_utf8_lossy(&text))
}

fn render(command: &clap::Command, text: &mut Vec<u8>) -> Result<()> {
    let page = clap_mangen::Man::new(command.clone());
    page.render(text).map_err(|error| Error::bug(format!("writing the manual page: {error}")))?;
    command.get_subcommands().try_for_each(|verb| render(verb, text))
}
