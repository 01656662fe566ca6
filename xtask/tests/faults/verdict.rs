//! What the program did under a fault, and the table of it.

use std::fmt;

/// What the program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ended with an error that says what is wrong.
    Refused,
    /// It ended with the result that it has without the fault.
    Right,
    /// It reported success with another result.
    SilentlyWrong(String),
    /// It panicked or was killed by a signal of its own making.
    Panicked(String),
    /// It refused although the fault is one to recover from, or it did not end.
    Stuck(String),
    /// The fault cannot be caused on this machine.
    LeftOut(&'static str),
}

impl Verdict {
    /// Why this verdict breaks a promise.
    fn failure(&self) -> Option<&str> {
        match self {
            Self::Refused | Self::Right | Self::LeftOut(_) => None,
            Self::SilentlyWrong(text) | Self::Panicked(text) | Self::Stuck(text) => Some(text),
        }
    }
}

/// The verdicts of one kind of fault.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    tried: usize,
    refused: usize,
    right: usize,
    silently_wrong: usize,
    panicked: usize,
    stuck: usize,
    left_out: Option<&'static str>,
    /// The first failures, to be looked into.
    examples: Vec<String>,
}

impl Row {
    pub(crate) fn of(name: &'static str, verdicts: impl IntoIterator<Item = (u64, Verdict)>) -> Self {
        let mut row = Self { name, ..Self::default() };
        for (case, verdict) in verdicts {
            row.add(case, &verdict);
        }
        row
    }

    fn add(&mut self, case: u64, verdict: &Verdict) {
        if let Verdict::LeftOut(why) = verdict {
            self.left_out = Some(why);
            return;
        }
        self.tried += 1;
        match verdict {
            Verdict::Refused => self.refused += 1,
            Verdict::Right => self.right += 1,
            Verdict::SilentlyWrong(_) => self.silently_wrong += 1,
            Verdict::Panicked(_) => self.panicked += 1,
            Verdict::Stuck(_) => self.stuck += 1,
            Verdict::LeftOut(_) => {}
        }
        if let Some(text) = verdict.failure()
            && self.examples.len() < 3
        {
            self.examples.push(format!("{}, case {case}: {text}", self.name));
        }
    }

    fn failed(&self) -> usize {
        self.silently_wrong + self.panicked + self.stuck
    }
}

/// The verdicts of all kinds of faults.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// How many cases kept the promises, and how many did not.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let failed = self.rows.iter().map(Row::failed).sum();
        let tried: usize = self.rows.iter().map(|row| row.tried).sum();
        (tried - failed, failed)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tried, refused, right, silently_wrong, panicked, stuck, left_out, .. } = self;
        match left_out {
            Some(why) if *tried == 0 => write!(out, "| {name} | left out: {why} | | | | | |"),
            Some(_) | None => {
                write!(out, "| {name} | {tried} | {refused} | {right} | {silently_wrong} | {panicked} | {stuck} |")
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| fault | tried | refused | right | silently wrong | panics | stuck |")?;
        writeln!(out, "|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(out, "{row}")?;
        }
        for example in self.rows.iter().flat_map(|row| &row.examples) {
            writeln!(out, "\n{example}")?;
        }
        Ok(())
    }
}
