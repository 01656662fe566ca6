//! Fault injection: kills, write errors, full disks, damaged files, two processes, signals.
//!
//! Every fault is really caused, on the program as a user runs it or on the library that reads the damaged file. What
//! the program does then is judged by what `docs/reliability.md` promises: damage is refused, an interrupted run resumes
//! to the digest of a run that was not interrupted, and nothing panics, hangs, or ends in a wrong result.
//!
//! `cargo test --workspace` runs a short selection. The complete one takes about 20 minutes on two cores:
//!
//! ```text
//! cargo test --workspace --test faults -- --full [--seed N] [--only NAME]
//! ```
//!
//! The faults of the file system need `strace` and, for the full disk, the right to mount; what is missing is listed as
//! left out.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use bench::Bench;
use verdict::Table;

mod bench;
mod damage;
mod files;
#[path = "../program/mod.rs"]
mod isolation;
mod kills;
mod mutate;
mod processes;
mod program;
mod registry;
mod verdict;
mod writes;

/// How much to try.
#[derive(Parser, Debug)]
struct Options {
    /// Try the complete list instead of the short one.
    #[arg(long)]
    full: bool,
    /// Seed of the places and times of the faults.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only faults whose name contains this text.
    #[arg(long)]
    only: Option<String>,
    /// What the test runner of cargo passes on; ignored.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let bench = Bench::new(options.seed);
    let mut table = Table::default();
    for fault in registry::FAULTS {
        if options.only.as_ref().is_some_and(|text| !fault.name.contains(text.as_str())) {
            continue;
        }
        let cases = if options.full { fault.full } else { fault.short };
        eprintln!("{}: {cases} cases", fault.name);
        let row = fault.try_all(&bench, cases);
        eprintln!("{row}");
        table.rows.push(row);
    }
    println!("{table}");
    println!("seed {}, {:.0} s", options.seed, started.elapsed().as_secs_f64());
    let (passed, failed) = table.totals();
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
