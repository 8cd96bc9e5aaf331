//! The program: parse, match, exit code.

fn main() {}
