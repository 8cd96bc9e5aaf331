//! The program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use mastermold::cli::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version go to standard output and are no fault; a closed one is none either.
            let _ = message.print();
            return ExitCode::from(message.exit_code() as u8);
        }
    };
    mastermold::process::prepare();
    let printer = cli.printer();
    match cli.run(&printer) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.class().code())
        }
    }
}
