//! The part of a page that says which explanation to believe.

use crate::error::{Context, Result};
use tinylsa_report::{
    Better, Block, Column, Difference, DifferenceTable, Estimate, Figure, IntervalBar, MethodDifferences, MethodScores,
    PerturbationCurve, RankedEstimate, RankedTable, Score, Section, Table, interval_bars, perturbation_curves,
};
use tinylsa_xai::{Direction, MeanInterval, ScoreKind};

use super::sentences::capitalised;
use crate::registry::MethodId;
use crate::scores::{Comparison, MeanCurves, RANDOM, SOBEL, ScoreColumn, ScoreEntry, ScoreTable, Verdict};

/// Charts of scores that stand open; the others are folded away.
const OPEN_CHARTS: usize = 2;

/// The scores: the order over all kinds, what beats the controls, every score, and the curves of deletion and insertion.
pub(super) fn section(scores: &ScoreTable) -> Result<Section> {
    let ranked = ranked_table(scores);
    let mut blocks = vec![Block::Paragraph(format!(
        "The maps were scored on {}. A method that does not beat the controls on a score (a random map, the \
         edges of the image, the plain gradient) has shown nothing there. No score is enough alone.",
        scores.sample.describe(scores.images)
    ))];
    blocks.push(Block::Table(beaten_controls(scores)));
    blocks.push(Block::Table(ranked.to_rank_table().context("failed to rank the methods")?));
    blocks.push(Block::Paragraph(overall_words(scores)));
    let mut charts = Vec::new();
    for column in &scores.scores {
        charts.extend(bar_chart(column)?);
    }
    let folded = charts.split_off(charts.len().min(OPEN_CHARTS));
    blocks.extend(charts);
    if !folded.is_empty() {
        blocks.push(Block::Folded { summary: "The other scores with their intervals".to_owned(), blocks: folded });
    }
    blocks.extend(curve_charts(&scores.curves)?);
    let tables = scores.controls.iter().map(|control| differences(scores, control));
    blocks.push(Block::Folded {
        summary: "The differences to each control on the same images, with their intervals".to_owned(),
        blocks: tables.map(|table| Ok(Block::Table(table?))).collect::<Result<_>>()?,
    });
    let values = ranked.to_table().context("failed to make the table of scores")?;
    blocks.push(Block::Folded {
        summary: "Every score as a table, with intervals".to_owned(),
        blocks: vec![Block::Table(values)],
    });
    if !scores.notes.is_empty() {
        blocks.push(Block::List(scores.notes.iter().map(|note| capitalised(note)).collect()));
    }
    Ok(Section { heading: "Which explanation to believe".to_owned(), blocks })
}

/// In how many kinds of score each method is better and worse than each control.
fn beaten_controls(scores: &ScoreTable) -> Table {
    let mut columns = vec![Column::words("method")];
    columns.extend(scores.controls.iter().map(|control| Column::words(format!("against {}", method_title(control)))));
    let caption = "In how many kinds of score a method differs from a control by more than chance, on the same images";
    let words = |Comparison { better, worse, undecided }: Comparison| match better + worse + undecided {
        0 => "\u{2013}".to_owned(),
        of => format!("better in {better}, worse in {worse} of {of}"),
    };
    let row = |table: Table, method: &String| {
        let cells = scores.controls.iter().map(|control| words(scores.comparison(method, control)));
        table.row(std::iter::once(method_title(method)).chain(cells))
    };
    scores.methods.iter().fold(Table::new(caption, columns), row)
}

/// What the order of the methods rests on.
fn overall_words(scores: &ScoreTable) -> String {
    let titles = |kinds: &[ScoreKind]| kinds.iter().map(|kind| kind.title()).collect::<Vec<_>>().join(", ");
    if scores.overall.kinds.is_empty() {
        return "No kind of score was measured for all controls: the methods have no order over all of them."
            .to_owned();
    }
    let mut words = format!(
        "The mean rank gives each kind of score one vote: the ranks in its columns are averaged first. These vote: {}.",
        titles(&scores.overall.kinds)
    );
    for unplaced in &scores.overall.unplaced {
        let method = method_title(&unplaced.method);
        words = format!("{words} {method} is not compared, for it was not scored by {}.", titles(&unplaced.lacks));
    }
    words
}

fn ranked_table(scores: &ScoreTable) -> RankedTable {
    let overall = |name: &String| {
        let placed = scores.overall.methods.iter().find(|placed| placed.method == *name);
        placed.map(|placed| placed.mean_rank)
    };
    let of_method = |name: &String| MethodScores {
        method: method_title(name),
        control: is_control(name),
        overall: overall(name),
        values: scores.scores.iter().map(|column| ranked_estimate(column, name)).collect(),
    };
    RankedTable {
        caption: format!("Ranks of the methods over {}, 1 is the best", scores.sample.describe(scores.images)),
        scores: scores.scores.iter().map(score).collect(),
        methods: scores.methods.iter().map(of_method).collect(),
    }
}

fn score(column: &ScoreColumn) -> Score {
    let better = match column.direction {
        Direction::Higher => Better::Higher,
        Direction::Lower => Better::Lower,
    };
    Score { name: score_title(column), better }
}

fn entry<'a>(column: &'a ScoreColumn, method: &str) -> Option<&'a ScoreEntry> {
    column.entries.iter().find(|entry| entry.method == method)
}

fn ranked_estimate(column: &ScoreColumn, method: &str) -> Option<RankedEstimate> {
    let entry = entry(column, method)?;
    Some(RankedEstimate { estimate: of_interval(entry.mean.as_ref()?), rank: entry.rank })
}

fn of_interval(interval: &MeanInterval) -> Estimate {
    Estimate { value: interval.mean, low: interval.low, high: interval.high }
}

fn estimate(column: &ScoreColumn, method: &str) -> Option<Estimate> {
    Some(ranked_estimate(column, method)?.estimate)
}

/// How much every method differs from a control, in the columns that stand for their kinds.
fn differences(scores: &ScoreTable, control: &str) -> Result<Table> {
    let columns: Vec<&ScoreColumn> = scores.scores.iter().filter(|column| column.headline).collect();
    let difference = |column: &ScoreColumn, method: &str| {
        let found = entry(column, method)?.against(control)?;
        Some(Difference { estimate: of_interval(&found.difference), decided: found.verdict != Verdict::Undecided })
    };
    let table = DifferenceTable {
        caption: format!("Score minus that of {}; in bold what leaves out 0", method_title(control)),
        scores: columns.iter().map(|column| score(column)).collect(),
        methods: scores
            .methods
            .iter()
            .filter(|method| *method != control)
            .map(|method| MethodDifferences {
                method: method_title(method),
                control: is_control(method),
                values: columns.iter().map(|column| difference(column, method)).collect(),
            })
            .collect(),
    };
    table.to_table().with_context(|| format!("failed to set the methods against {control}"))
}

/// The bars of one score, the best method first; none if no method has it.
fn bar_chart(column: &ScoreColumn) -> Result<Option<Block>> {
    let bar = |name: &str| {
        let (label, control) = (method_title(name), is_control(name));
        Some(IntervalBar { label, estimate: estimate(column, name)?, control })
    };
    let mut bars: Vec<IntervalBar> = column.entries.iter().filter_map(|entry| bar(&entry.method)).collect();
    if bars.is_empty() {
        return Ok(None);
    }
    let good_end = match column.direction {
        Direction::Higher => "higher is better",
        Direction::Lower => "lower is better",
    };
    let level = column.entries.iter().find_map(|entry| entry.mean.as_ref()).map_or(0.95, |mean| mean.level);
    bars.sort_by(|a, b| match column.direction {
        Direction::Higher => b.estimate.value.total_cmp(&a.estimate.value),
        Direction::Lower => a.estimate.value.total_cmp(&b.estimate.value),
    });
    let title = score_title(column);
    let subtitle = format!("mean over the images with its {} interval; controls in grey", percent(level));
    let chart = interval_bars(&capitalised(&title), good_end, &bars, &subtitle)
        .with_context(|| format!("failed to draw the bars of {title}"))?;
    let words = format!("{}, {good_end}, best first: {}", capitalised(&title), labels(&bars));
    Ok(Some(Block::Figure(Figure::svg(chart, "", words))))
}

fn labels(bars: &[IntervalBar]) -> String {
    bars.iter().map(|bar| bar.label.as_str()).collect::<Vec<_>>().join(", ")
}

/// A chart for each baseline and scale that pixels were deleted and inserted with.
fn curve_charts(curves: &[MeanCurves]) -> Result<Vec<Block>> {
    let mut variants: Vec<&str> = Vec::new();
    for curve in curves {
        if !variants.contains(&curve.variant.as_str()) {
            variants.push(&curve.variant);
        }
    }
    let chart = |variant: &str| -> Result<Block> {
        let drawn: Vec<PerturbationCurve> =
            curves.iter().filter(|curve| curve.variant == variant).map(perturbation_curve).collect();
        let svg = perturbation_curves(&drawn, variant, "mean over the images")
            .with_context(|| format!("failed to draw deletion and insertion, {variant}"))?;
        let words = format!("The score of the class while pixels are deleted and inserted, {variant}");
        Ok(Block::Folded {
            summary: format!("Deletion and insertion, {variant}"),
            blocks: vec![Block::Figure(Figure::svg(svg, "", words))],
        })
    };
    variants.into_iter().map(chart).collect()
}

fn perturbation_curve(curve: &MeanCurves) -> PerturbationCurve {
    let last = curve.deletion.len().saturating_sub(1).max(1) as f64;
    PerturbationCurve {
        method: method_title(&curve.method),
        control: is_control(&curve.method),
        fractions: (0..curve.deletion.len()).map(|step| step as f64 / last).collect(),
        deletion: curve.deletion.clone(),
        insertion: curve.insertion.clone(),
        deletion_auc: area(&curve.deletion),
        insertion_auc: area(&curve.insertion),
    }
}

/// The area under equally spaced points from 0 to 1, by trapezoids.
fn area(points: &[f64]) -> f64 {
    let steps = points.len().saturating_sub(1).max(1) as f64;
    points.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).sum::<f64>() / steps
}

/// The name of a method or control as people write it.
fn method_title(name: &str) -> String {
    match name {
        RANDOM => "Random map".to_owned(),
        SOBEL => "Sobel edges".to_owned(),
        _ => MethodId::named(name).map_or_else(|| name.to_owned(), |method| method.title().to_owned()),
    }
}

fn is_control(name: &str) -> bool {
    [RANDOM, SOBEL].contains(&name) || MethodId::named(name).is_some_and(|method| method.facts().is_control)
}

fn score_title(column: &ScoreColumn) -> String {
    let name = column.kind.title();
    if column.variant.is_empty() { name.to_owned() } else { format!("{name}, {}", column.variant) }
}

/// A level as it is said: 0.95 is "95 %".
fn percent(level: f64) -> String {
    format!("{} %", (level * 1e6).round() / 1e4)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "areas of halves are exact in binary")]
mod tests {
    use super::*;

    #[test]
    fn areas_are_trapezoids() {
        assert_eq!([area(&[1.0, 0.5, 0.0]), area(&[0.0, 1.0, 1.0])], [0.5, 0.75]);
    }

    #[test]
    fn levels_are_said_in_percent() {
        assert_eq!([percent(0.95), percent(0.9999)], ["95 %", "99.99 %"]);
    }
}
