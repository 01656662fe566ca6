//! Every fault, one line each.

use rayon::prelude::*;

use crate::bench::Bench;
use crate::verdict::{Row, Verdict};
use crate::{damage, files, kills, processes, writes};

/// A kind of fault and how to cause one of it.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Cases of the short selection.
    pub(crate) short: u64,
    /// Cases of the complete one.
    pub(crate) full: u64,
    /// Causes the fault; the number of the case decides where or when.
    pub(crate) cause: fn(&Bench, u64) -> Verdict,
}

#[rustfmt::skip]
pub(crate) const FAULTS: &[Fault] = &[
    Fault { name: "kill at a random time", short: 6, full: 100, cause: kills::at_a_random_time },
    Fault { name: "kill at a system call that writes", short: 6, full: 240, cause: kills::at_a_write },
    Fault { name: "SIGINT, SIGTERM or SIGHUP at a random time", short: 3, full: 30, cause: processes::signal },
    Fault { name: "two processes, one run directory", short: 2, full: 20, cause: processes::two_at_once },
    Fault { name: "standard output closed early", short: 1, full: 10, cause: processes::closed_output },
    Fault { name: "error of a system call that writes", short: 6, full: 240, cause: writes::failing_call },
    Fault { name: "full disk", short: 2, full: 30, cause: writes::full_disk },
    Fault { name: "bit flip in the last checkpoint", short: 8, full: 300, cause: damage::flip_last },
    Fault { name: "bit flip in the best checkpoint", short: 4, full: 100, cause: damage::flip_best },
    Fault { name: "cut, overwritten or emptied checkpoint", short: 4, full: 60, cause: damage::mangle_checkpoint },
    Fault { name: "foreign, stale, swapped or missing checkpoint", short: 6, full: 12, cause: damage::exchange_checkpoint },
    Fault { name: "bit flip in a file of a finished run", short: 6, full: 200, cause: damage::flip_finished },
    Fault { name: "mutated config", short: 40, full: 2000, cause: files::config },
    Fault { name: "mutated model file", short: 40, full: 3000, cause: files::model },
    Fault { name: "mutated PNG", short: 60, full: 1500, cause: files::png },
    Fault { name: "mutated JPEG", short: 60, full: 1500, cause: files::jpeg },
    Fault { name: "mutated data file (gzip)", short: 10, full: 1000, cause: files::gzip },
    Fault { name: "mutated data file (IDX)", short: 10, full: 1000, cause: files::idx },
];

impl Fault {
    /// Causes the fault in `cases` ways.
    pub(crate) fn try_all(&self, bench: &Bench, cases: u64) -> Row {
        let verdicts: Vec<(u64, Verdict)> =
            (0..cases).into_par_iter().map(|case| (case, (self.cause)(bench, case))).collect();
        Row::of(self.name, verdicts)
    }
}
