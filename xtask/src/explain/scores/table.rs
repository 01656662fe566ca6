//! The scores of all pictures, method by method.

use std::collections::BTreeMap;

use anyhow::Result;
use tinylsa_xai::{BootstrapConfig, Direction, Execution, MethodScore, ScoreKind, bootstrap_interval, rank_methods};

use super::measure::{Column, Curves, Measured};
use crate::explain::result::{MeanCurves, ScoreColumn, ScoreEntry, ScoreTable};

/// What was measured, in the order of the methods.
#[derive(Default)]
pub(super) struct Collected {
    methods: Vec<String>,
    /// The values of each method, one for each picture it was measured on.
    values: BTreeMap<Column, BTreeMap<String, Vec<Option<f64>>>>,
    /// The sums of the curves of each method, and of how many.
    curves: BTreeMap<(String, String), CurveSums>,
}

#[derive(Default)]
struct CurveSums {
    count: usize,
    deletion: Vec<f64>,
    insertion: Vec<f64>,
}

impl Collected {
    pub(super) fn add(&mut self, method: &str, scores: Vec<Measured>, curves: Vec<Curves>) {
        if !self.methods.iter().any(|known| known == method) {
            self.methods.push(method.to_owned());
        }
        for (column, value) in scores {
            self.values.entry(column).or_default().entry(method.to_owned()).or_default().push(value);
        }
        for Curves { variant, found } in curves {
            let sums = self.curves.entry((method.to_owned(), variant)).or_default();
            sums.count += 1;
            add(&mut sums.deletion, &found.deletion);
            add(&mut sums.insertion, &found.insertion);
        }
    }

    /// Means, intervals and ranks.
    ///
    /// # Errors
    /// If the settings of the bootstrap are out of range, or it is cancelled.
    pub(super) fn table(
        self,
        pictures: usize,
        bootstrap: &BootstrapConfig,
        execution: &Execution,
        notes: Vec<String>,
    ) -> Result<ScoreTable> {
        let mut scores = Vec::with_capacity(self.values.len());
        for (column, of_methods) in self.values {
            let mut entries = Vec::with_capacity(self.methods.len());
            for method in &self.methods {
                let values = of_methods.get(method).map_or(&[][..], Vec::as_slice);
                let defined: Vec<f64> = values.iter().filter_map(|value| *value).collect();
                let undefined = values.len() - defined.len();
                let mean = if defined.is_empty() {
                    None
                } else {
                    Some(bootstrap_interval(&defined, bootstrap, execution.seed, &execution.cancellation)?)
                };
                entries.push(ScoreEntry { method: method.clone(), mean, rank: None, undefined });
            }
            scores.push(ranked(column, entries)?);
        }
        let mean = |sums: &[f64], count: usize| sums.iter().map(|sum| sum / count as f64).collect();
        let of_method = |((method, variant), sums): ((String, String), CurveSums)| MeanCurves {
            deletion: mean(&sums.deletion, sums.count),
            insertion: mean(&sums.insertion, sums.count),
            method,
            variant,
        };
        let curves = self.curves.into_iter().map(of_method).collect();
        Ok(ScoreTable { pictures, methods: self.methods, scores, curves, notes })
    }
}

fn add(sums: &mut Vec<f64>, values: &[f64]) {
    sums.resize(values.len(), 0.0);
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

fn ranked(column: Column, mut entries: Vec<ScoreEntry>) -> Result<ScoreColumn> {
    let of_entry = |entry: &ScoreEntry| MethodScore {
        method: entry.method.clone(),
        score: entry.mean.as_ref().map(|interval| interval.mean),
    };
    let ranking = rank_methods(column.kind, &entries.iter().map(of_entry).collect::<Vec<_>>())?;
    for entry in &mut entries {
        entry.rank = ranking.methods.iter().find(|place| place.method == entry.method).map(|place| place.rank);
    }
    Ok(ScoreColumn { kind: column.kind, direction: ranking.direction, variant: column.variant, entries })
}

/// The characters of a line on a terminal.
const TERMINAL_WIDTH: usize = 80;
/// What a table draws beside the words of a column: two spaces and a line.
const BESIDE: usize = 3;

impl ScoreTable {
    /// The scores for a terminal, some of them a table, a row a method: the mean over the pictures and, in brackets, the
    /// place. Of scores that were measured in several ways it shows the first, of the randomisation of parameters that of
    /// all layers.
    pub(crate) fn for_terminal(&self, first_variant: &str) -> Vec<comfy_table::Table> {
        let shown: Vec<&ScoreColumn> = self.scores.iter().filter(|column| is_shown(column, first_variant)).collect();
        let first = 1 + self.methods.iter().map(String::len).max().unwrap_or(0) + BESIDE;
        let mut parts: Vec<Vec<&ScoreColumn>> = Vec::new();
        let mut width = TERMINAL_WIDTH;
        for column in shown {
            let words = std::iter::once(heading(column.kind)).chain(column.entries.iter().map(cell));
            let more = words.map(|words| words.chars().count()).max().unwrap_or(0) + BESIDE;
            match parts.last_mut() {
                Some(part) if width + more <= TERMINAL_WIDTH => {
                    part.push(column);
                    width += more;
                }
                _ => {
                    parts.push(vec![column]);
                    width = first + more;
                }
            }
        }
        parts.iter().map(|columns| self.part_for_terminal(columns)).collect()
    }

    fn part_for_terminal(&self, shown: &[&ScoreColumn]) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        let headings = shown.iter().map(|column| heading(column.kind));
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_header(std::iter::once("method".to_owned()).chain(headings));
        for (row, method) in self.methods.iter().enumerate() {
            let cells = shown.iter().map(|column| column.entries.get(row).map(cell).unwrap_or_default());
            table.add_row(std::iter::once(method.clone()).chain(cells));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        table
    }
}

/// The mean and the place of a method, nothing if the score is not defined for it.
fn cell(entry: &ScoreEntry) -> String {
    let (Some(interval), Some(rank)) = (&entry.mean, entry.rank) else { return String::new() };
    let magnitude = interval.mean.abs();
    if magnitude == 0.0 || (1e-3..1e3).contains(&magnitude) {
        format!("{:.3} ({rank})", interval.mean)
    } else {
        format!("{:.1e} ({rank})", interval.mean)
    }
}

fn is_shown(column: &ScoreColumn, first_variant: &str) -> bool {
    match column.kind {
        ScoreKind::ParameterRandomisation => column.variant == "all layers",
        ScoreKind::DeletionArea
        | ScoreKind::InsertionArea
        | ScoreKind::FaithfulnessCorrelation
        | ScoreKind::MuFidelity
        | ScoreKind::Infidelity => column.variant == first_variant,
        _ => true,
    }
}

fn heading(kind: ScoreKind) -> String {
    let arrow = if kind.direction() == Direction::Higher { '↑' } else { '↓' };
    format!("{}{arrow}", short_name(kind))
}

/// What fits above a column of a terminal.
fn short_name(kind: ScoreKind) -> &'static str {
    match kind {
        ScoreKind::DeletionArea => "deletion",
        ScoreKind::InsertionArea => "insertion",
        ScoreKind::FaithfulnessCorrelation => "faithful",
        ScoreKind::MuFidelity => "μFidelity",
        ScoreKind::Infidelity => "infidelity",
        ScoreKind::MaxSensitivity => "sensitive",
        ScoreKind::Sparseness => "sparse",
        ScoreKind::Complexity => "complex",
        ScoreKind::ParameterRandomisation => "randomised",
        ScoreKind::PointingGame => "pointing",
        ScoreKind::RelevanceRankAccuracy => "rank",
        ScoreKind::RelevanceMassAccuracy => "mass",
        ScoreKind::Completeness => "complete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Method;
    use crate::explain::scores::measure::column;

    /// The tables of every method and score, the mean of the method in this place.
    fn tables(mean: impl Fn(usize) -> f64) -> Vec<comfy_table::Table> {
        let variant = "black, logits";
        let mut collected = Collected::default();
        for (place, method) in Method::ALL.into_iter().enumerate() {
            let measured = ScoreKind::ALL.map(|kind| {
                let variant = if kind == ScoreKind::ParameterRandomisation { "all layers" } else { variant };
                (column(kind, variant), Some(mean(place)))
            });
            collected.add(method.name(), measured.into(), Vec::new());
        }
        let table = collected.table(1, &BootstrapConfig::default(), &Execution::default(), Vec::new()).unwrap();
        table.for_terminal(variant)
    }

    #[test]
    fn the_tables_fit_a_terminal_and_show_every_score_and_method() {
        let tables = tables(|place| -0.1 * (1 + place) as f64);
        let text = tables.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{widest} characters:\n{text}");
        for kind in ScoreKind::ALL {
            assert_eq!(text.matches(&heading(kind)).count(), 1, "{kind:?}:\n{text}");
        }
        let rows = text.lines().filter(|line| line.contains("-0.100")).count();
        assert_eq!(rows, tables.len(), "{text}");
    }

    #[test]
    fn large_and_small_numbers_and_shared_places_do_not_widen_the_tables() {
        for mean in [-123_456.7, 999.999, 1.234e-9, f64::MAX, 0.0] {
            // all methods but one share a place
            let shared = tables(|place| if place == 0 { mean / 2.0 } else { mean });
            for table in shared {
                let text = table.to_string();
                let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(widest <= 80, "{widest} characters:\n{text}");
                assert!(text.contains("(7.5)") || text.contains("(8"), "{text}");
            }
        }
    }
}
