//! The experiment runner: `cargo xtask --help` lists its commands.

fn main() {}
