//! The command line: arguments to validated configuration, one file for each subcommand.

mod args;
mod devices;
mod explain;
mod generate;
mod listen;
mod progress;
mod protocols;
mod read;
mod schema;
mod signals;
mod signatures;
mod suppress;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use args::Cli;

pub use crate::report::document::exit;

/// Asks the kernel for pages of 4 KiB only. Where transparent huge pages are on, each buffer that is
/// begun costs the clearing of 2 MiB, which takes longer than the processor gains by them, and
/// `--memory` could be kept only roughly.
fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    // SAFETY: sets an attribute of this process and touches no memory; where the kernel does not know
    // it, nothing happens.
    unsafe {
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}

/// Runs the program with its arguments.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    without_huge_pages();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::COMPLETE };
            // Nothing can be done where even the message cannot be printed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let line = arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let code = match cli.command {
        args::Command::Read(read) => read::run(read, line),
        args::Command::Listen(listen) => listen::run(listen, line),
        args::Command::Devices(devices) => devices::run(&devices),
        args::Command::Suppress(suppress) => suppress::run(&suppress),
        args::Command::Explain(explain) => explain::run(&explain),
        args::Command::Protocols(protocols) => protocols::run(&protocols),
        args::Command::Signatures(signatures) => signatures::run(&signatures),
        args::Command::Schema(schema) => schema::run(&schema),
        args::Command::Completions { shell } => generate::completions(shell, Cli::command()),
        args::Command::Man => generate::man(Cli::command()),
    };
    ExitCode::from(code)
}

/// Prints an error the way every subcommand does.
fn complain(what: impl std::fmt::Display) {
    eprintln!("overhear: {what}");
}

/// Prints to standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) -> u8 {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => exit::COMPLETE,
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => exit::COMPLETE,
        Err(e) => {
            complain(format_args!("cannot write to standard output: {e}"));
            exit::FAILED
        }
    }
}
