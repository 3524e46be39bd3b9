//! Completions and the man page, from the same definition as the help.

use clap::Command;

use super::{complain, exit, print};

/// Prints completions for a shell.
pub fn completions(shell: clap_complete::Shell, mut command: Command) -> u8 {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command, "overhear", &mut out);
    print(&String::from_utf8_lossy(&out))
}

/// Prints the man page: the program, then every subcommand.
pub fn man(command: Command) -> u8 {
    let mut out = Vec::new();
    let mut render = || -> std::io::Result<()> {
        clap_mangen::Man::new(command.clone()).render(&mut out)?;
        for sub in command.get_subcommands() {
            let man = clap_mangen::Man::new(sub.clone());
            man.render_synopsis_section(&mut out)?;
            man.render_description_section(&mut out)?;
            man.render_options_section(&mut out)?;
        }
        Ok(())
    };
    match render() {
        Ok(()) => print(&String::from_utf8_lossy(&out)),
        Err(e) => {
            complain(e);
            exit::FAILED
        }
    }
}
