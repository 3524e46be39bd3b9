//! The command line program: everything but the exit code is in the library.

fn main() {}
