//! The scores of explanations on a terminal.

use tinylsa_explain::scores::{ScoreColumn, ScoreEntry, ScoreTable};
use tinylsa_xai::{Direction, ScoreKind};

use crate::table::table;

/// The characters of a line on a terminal.
const TERMINAL_WIDTH: usize = 80;
/// What a table draws beside the words of a column: two spaces and a line.
const BESIDE: usize = 3;

/// The scores for a terminal, some of them a table, a row a method: the mean over the images and, in brackets, the
/// place. Of scores that were measured in several ways it shows the column that stands for its kind.
pub(crate) fn for_terminal(scores: &ScoreTable) -> Vec<String> {
    let shown: Vec<&ScoreColumn> = scores.scores.iter().filter(|column| column.headline).collect();
    let first = 1 + scores.methods.iter().map(String::len).max().unwrap_or(0) + BESIDE;
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
    parts.iter().map(|columns| part_for_terminal(scores, columns)).collect()
}

fn part_for_terminal(scores: &ScoreTable, shown: &[&ScoreColumn]) -> String {
    let header = std::iter::once("method".to_owned()).chain(shown.iter().map(|column| heading(column.kind)));
    let rows = scores.methods.iter().enumerate().map(|(row, method)| {
        let cells = shown.iter().map(move |column| column.entries.get(row).map(cell).unwrap_or_default());
        std::iter::once(method.clone()).chain(cells)
    });
    table(1, header, rows)
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

fn heading(kind: ScoreKind) -> String {
    let arrow = if kind.direction() == Direction::Higher { '↑' } else { '↓' };
    format!("{}{arrow}", kind.heading())
}

#[cfg(test)]
mod tests {
    use tinylsa_explain::MethodId;
    use tinylsa_xai::{BootstrapInterval, MethodScore, rank_methods};

    use super::*;

    /// A score of all methods, the mean of the method in this place.
    fn column(kind: ScoreKind, headline: bool, mean: &impl Fn(usize) -> f64) -> ScoreColumn {
        let score = |(place, method): (usize, MethodId)| MethodScore {
            method: method.name().to_owned(),
            score: Some(mean(place)),
        };
        let scores: Vec<MethodScore> = MethodId::all().enumerate().map(score).collect();
        let ranking = rank_methods(kind, &scores).unwrap();
        let entry = |MethodScore { method, score }: &MethodScore| ScoreEntry {
            method: method.clone(),
            mean: score.map(|mean| BootstrapInterval { mean, low: mean, high: mean, level: 0.95, count: 1 }),
            rank: ranking.methods.iter().find(|place| place.method == *method).map(|place| place.rank),
            undefined: 0,
        };
        let entries = scores.iter().map(entry).collect();
        ScoreColumn { kind, direction: kind.direction(), variant: String::new(), headline, entries }
    }

    /// The tables of every method and score.
    fn tables(mean: impl Fn(usize) -> f64) -> Vec<String> {
        let of_kind = |kind| [column(kind, true, &mean), column(kind, false, &mean)];
        let table = ScoreTable {
            images: 1,
            methods: MethodId::all().map(|method| method.name().to_owned()).collect(),
            scores: ScoreKind::ALL.into_iter().flat_map(of_kind).collect(),
            curves: Vec::new(),
            notes: Vec::new(),
        };
        for_terminal(&table)
    }

    #[test]
    fn the_tables_fit_a_terminal_and_show_every_score_and_method() {
        let tables = tables(|place| -0.1 * (1 + place) as f64);
        let text = tables.join("\n");
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
            for text in shared {
                let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(widest <= 80, "{widest} characters:\n{text}");
                assert!(text.contains("(10)") || text.contains("(9"), "{text}");
            }
        }
    }
}
