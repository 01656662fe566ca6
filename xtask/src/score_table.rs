//! The scores of explanations on a terminal.

use anyhow::Result;
use tinylsa_explain::scores::{Comparison, ScoreColumn, ScoreEntry, ScoreTable};
use tinylsa_settings::counted;
use tinylsa_xai::{Direction, ScoreKind};

use crate::outcome::say;
use crate::table::table;

/// The characters of a line on a terminal.
const TERMINAL_WIDTH: usize = 80;
/// What a table draws beside the words of a column: two spaces and a line.
const BESIDE: usize = 3;

/// Says the scores and how to read them; `variant` names how those that replace pixels were measured.
pub(crate) fn say_scores(scores: &ScoreTable, variant: &str) -> Result<()> {
    for part in for_terminal(scores) {
        say(part)?;
    }
    say(format!(
        "Means over {}, in brackets the place; ↑ more is better, ↓ less is. Mean rank: over {} of score, each with one vote. \
         In how many of {} a method is better (+) and worse (−) than a control by more than chance is below \"to\". \
         Scores that replace pixels: {variant}.",
        scores.sample.describe(scores.images),
        counted(scores.overall.kinds.len(), "kind"),
        counted(scores.scores.iter().filter(|column| column.headline).count(), "kind"),
    ))
}

/// The scores for a terminal, some of them a table, a row a method, the best over all kinds first: the mean over the images
/// and, in brackets, the place. Of scores that were measured in several ways it shows the column that stands for its kind.
/// The first table has the mean rank over all kinds, and what the methods do against the controls.
fn for_terminal(scores: &ScoreTable) -> Vec<String> {
    let order = order(scores);
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
    let parts = parts.iter().map(|columns| part_for_terminal(&order, columns));
    std::iter::once(overview(scores, &order)).chain(parts).collect()
}

/// The methods, the best over all kinds first, then those that have no place there.
fn order(scores: &ScoreTable) -> Vec<&str> {
    let mut order: Vec<&str> = scores.overall.methods.iter().map(|placed| placed.method.as_str()).collect();
    for method in &scores.methods {
        if !order.contains(&method.as_str()) {
            order.push(method);
        }
    }
    order
}

/// The mean rank of each method, and in how many kinds of score it is better (+) and worse (−) than each control.
fn overview(scores: &ScoreTable, order: &[&str]) -> String {
    let header = ["method", "mean rank"].map(str::to_owned).into_iter();
    let header = header.chain(scores.controls.iter().map(|control| format!("to {control}")));
    let rows = order.iter().map(|&method| {
        let placed = scores.overall.methods.iter().find(|placed| placed.method == method);
        let mean_rank = placed.map(|placed| format!("{:.1}", placed.mean_rank)).unwrap_or_default();
        let to_controls = scores.controls.iter().map(|control| to_control(scores.comparison(method, control)));
        [method.to_owned(), mean_rank].into_iter().chain(to_controls).collect::<Vec<_>>()
    });
    table(1, header, rows)
}

fn to_control(Comparison { better, worse, undecided }: Comparison) -> String {
    if better + worse + undecided == 0 { String::new() } else { format!("{better}+ {worse}\u{2212}") }
}

fn part_for_terminal(order: &[&str], shown: &[&ScoreColumn]) -> String {
    let header = std::iter::once("method".to_owned()).chain(shown.iter().map(|column| heading(column.kind)));
    let rows = order.iter().map(|&method| {
        let of_method = |column: &&ScoreColumn| {
            column.entries.iter().find(|entry| entry.method == method).map(cell).unwrap_or_default()
        };
        std::iter::once(method.to_owned()).chain(shown.iter().map(of_method)).collect::<Vec<_>>()
    });
    table(1, header, rows)
}

/// The mean and the place of a method, nothing if the score is not defined for it.
fn cell(entry: &ScoreEntry) -> String {
    let Some(interval) = &entry.mean else { return String::new() };
    let place = entry.rank.map(|rank| format!(" ({rank})")).unwrap_or_default();
    let magnitude = interval.mean.abs();
    if magnitude == 0.0 || (1e-3..1e3).contains(&magnitude) {
        format!("{:.3}{place}", interval.mean)
    } else {
        format!("{:.1e}{place}", interval.mean)
    }
}

fn heading(kind: ScoreKind) -> String {
    let arrow = if kind.direction() == Direction::Higher { '↑' } else { '↓' };
    format!("{}{arrow}", kind.heading())
}

#[cfg(test)]
mod tests {
    use tinylsa_explain::MethodId;
    use tinylsa_explain::scores::{ControlDifference, ImageSample, Verdict};
    use tinylsa_xai::{MeanInterval, MethodScore, OverallPlace, OverallRanking, rank_methods};

    use super::*;

    const CONTROL: &str = "input-gradient";

    fn interval(mean: f64) -> MeanInterval {
        MeanInterval { mean, low: mean, high: mean, level: 0.95, count: 1 }
    }

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
            mean: score.map(interval),
            rank: ranking.rank(method),
            undefined: 0,
            against: vec![ControlDifference {
                control: CONTROL.to_owned(),
                difference: interval(1.0),
                verdict: Verdict::Better,
            }],
        };
        let entries = scores.iter().map(entry).collect();
        let direction = kind.direction();
        ScoreColumn { kind, direction, variant: String::new(), headline, images: 1, compared: 1, entries }
    }

    /// The tables of every method and score.
    fn tables(mean: impl Fn(usize) -> f64) -> Vec<String> {
        let of_kind = |kind| [column(kind, true, &mean), column(kind, false, &mean)];
        let methods: Vec<String> = MethodId::all().map(|method| method.name().to_owned()).collect();
        // the last method is the best, the first one has no place
        let placed = methods[1..].iter().rev().zip(1..);
        let placed = placed.map(|(method, place)| {
            let place = f64::from(place);
            OverallPlace { method: method.clone(), mean_rank: place + 0.25, place }
        });
        let table = ScoreTable {
            sample: ImageSample::Random,
            images: 1,
            controls: ["random", "sobel", CONTROL].map(str::to_owned).to_vec(),
            overall: OverallRanking { methods: placed.collect(), ..OverallRanking::default() },
            methods,
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
        assert_eq!(rows, tables.len() - 1, "{text}");
        let lines: Vec<Vec<&str>> = tables[0].lines().map(|line| line.split_whitespace().collect()).collect();
        let of = |method: &str| lines.iter().position(|words| words.contains(&method)).unwrap();
        let (first, last) = (MethodId::all().next().unwrap().name(), MethodId::all().last().unwrap().name());
        assert!(of(last) < of(first), "{text}");
        assert!(lines[of(last)].contains(&"1.2") && lines[of(last)].contains(&"13+"), "{text}");
    }

    #[test]
    fn large_and_small_numbers_and_shared_places_do_not_widen_the_tables() {
        for mean in [-123_456.7, 999.999, 1.234e-9, f64::MAX, 0.0] {
            // all methods but one share a place
            let shared = tables(|place| if place == 0 { mean / 2.0 } else { mean });
            for text in shared.into_iter().skip(1) {
                let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(widest <= 80, "{widest} characters:\n{text}");
                assert!(["(10)", "(10.5)", "(9"].iter().any(|place| text.contains(place)), "{text}");
            }
        }
    }
}
