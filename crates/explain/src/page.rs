//! The explanations on a page: what each map means, the pictures, and which method to believe.

use std::collections::BTreeSet;

use crate::error::{Context, Result};
use tinylsa_report::{
    Better, Block, Column, Estimate, Figure, IntervalBar, MethodScores, PerturbationCurve, RankedTable, ReportPage,
    Score, Section, Table, Warning, compact_png, interval_bars, perturbation_curves,
};
use tinylsa_xai::{Direction, ScoreKind};

use crate::drawing::{NamedDrawing, verdict};
use crate::explanation::ImageExplanation;
use crate::registry::MethodId;
use crate::scores::{MeanCurves, RANDOM, SOBEL, ScoreColumn, ScoreTable};
use tinylsa_settings::counted;

#[cfg(test)]
mod tests;

/// Charts of scores that stand open; the others are folded away.
const OPEN_CHARTS: usize = 2;

/// With more images than this a page refers to their drawings instead of holding them: it would grow by two thirds of a
/// megabyte an image.
const MOST_HELD: usize = 50;

/// Where the drawings on a page are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the page itself, which then stands alone.
    Held,
    /// In the folders of the images, below this path relative to the page; empty, or with a slash at its end.
    Linked(&'static str),
}

impl Placement {
    /// The placement for a page of this many images whose folders lie below `path`.
    pub fn of(images: usize, path: &'static str) -> Self {
        if images > MOST_HELD { Self::Linked(path) } else { Self::Held }
    }
}

/// A drawing as a page keeps it: the bytes of its PNG file, or the path of the file.
#[derive(Clone, Debug)]
enum Drawing {
    Held(Vec<u8>),
    Linked(String),
}

impl Drawing {
    fn figure(&self, caption: impl Into<String>, alternative: impl Into<String>) -> Block {
        Block::Figure(match self {
            Self::Held(png) => Figure::png(png.clone(), caption, alternative),
            Self::Linked(path) => Figure::linked(path, caption, alternative),
        })
    }
}

/// What the page keeps of an explained picture: words and drawn pictures, or where these are; no maps.
#[derive(Clone, Debug)]
pub struct DrawnExplanation {
    id: String,
    verdict: String,
    source: String,
    choice: Option<String>,
    /// The class that is explained and its probability, for the heading.
    class: String,
    methods: Vec<DrawnMethod>,
    /// The sheet of all methods.
    sheet: Option<Drawing>,
}

#[derive(Clone, Debug)]
struct DrawnMethod {
    method: MethodId,
    drawing: Option<Drawing>,
    remarks: Vec<String>,
}

impl DrawnExplanation {
    /// Keeps the words of an explanation with its pictures, in the fewest bytes that show them.
    ///
    /// # Errors
    /// If a picture cannot be encoded.
    pub fn new(explanation: &ImageExplanation, pictures: &[NamedDrawing], placement: &Placement) -> Result<Self> {
        let drawing = |method: Option<MethodId>| -> Result<Option<Drawing>> {
            let Some(found) = pictures.iter().find(|picture| picture.method == method) else { return Ok(None) };
            Ok(Some(match placement {
                Placement::Held => Drawing::Held(compact_png(&found.png)?),
                Placement::Linked(path) => Drawing::Linked(format!("{path}{}/{}", explanation.id, found.name)),
            }))
        };
        let mut methods = Vec::new();
        for found in &explanation.methods {
            let mut remarks = found.sentences.clone();
            remarks.extend(found.warnings.iter().map(|warning| format!("Warning: {warning}")));
            methods.push(DrawnMethod { method: found.method, drawing: drawing(Some(found.method))?, remarks });
        }
        let name = explanation.target_name();
        let probability = explanation.shown_probability(explanation.target.class);
        Ok(Self {
            id: explanation.id.clone(),
            verdict: verdict(explanation),
            source: explanation.source.to_string(),
            choice: explanation.choice.clone(),
            class: format!("{name} {probability:.2}"),
            methods,
            sheet: drawing(None)?,
        })
    }
}

/// The part of a run's page about explanations: an introduction, the scores, and a section for each picture.
///
/// # Errors
/// If a chart or table cannot be made of the scores.
pub fn sections(
    explained: &[DrawnExplanation],
    scores: Option<&ScoreTable>,
    side_by_side: Option<&[u8]>,
) -> Result<Vec<Section>> {
    let mut sections = vec![introduction(explained, side_by_side)?];
    sections.extend(scores.map(score_section).transpose()?);
    sections.extend(explained.iter().map(picture_section));
    Ok(sections)
}

/// A page of explanations alone, for the pictures that a command named.
///
/// # Errors
/// If a picture cannot be put on a page.
pub fn index(
    subtitle: impl Into<String>,
    warning: Option<Warning>,
    explained: &[DrawnExplanation],
    side_by_side: Option<&[u8]>,
) -> Result<String> {
    let page = ReportPage {
        title: "Explanations".to_owned(),
        subtitle: subtitle.into(),
        warning,
        sections: sections(explained, None, side_by_side)?,
        ..ReportPage::default()
    };
    page.to_html().context("failed to put the page of explanations together")
}

fn introduction(explained: &[DrawnExplanation], side_by_side: Option<&[u8]>) -> Result<Section> {
    let methods: BTreeSet<MethodId> = explained.iter().flat_map(|one| one.methods.iter().map(|m| m.method)).collect();
    let mut table = Table::new(
        "What the maps mean",
        vec![Column::words("method"), Column::words("shows"), Column::words("does not show")],
    );
    for method in methods {
        let meaning = method.facts().meaning;
        table = table.row([method.title(), meaning.shows, meaning.does_not_show]);
    }
    let mut blocks = vec![Block::Table(table)];
    // a single picture has its sheet
    if let Some(png) = side_by_side.filter(|_| explained.len() > 1) {
        let caption = "Methods by pictures. Equal colours mean equal values in all maps of the same unit.";
        let words = "A row of maps for each method, a column for each picture";
        blocks.push(Block::Figure(Figure::png(compact_png(png)?, caption, words)));
    }
    Ok(Section { heading: "Explanations".to_owned(), blocks })
}

fn picture_section(explained: &DrawnExplanation) -> Section {
    let mut facts = format!("{}. {}.", capitalised(&explained.verdict), explained.source.trim_end_matches('.'));
    if let Some(choice) = &explained.choice {
        facts = format!("{facts} Chosen as {choice}.");
    }
    let mut blocks = vec![Block::Paragraph(facts)];
    if let Some(sheet) = &explained.sheet {
        let words = format!("Maps of all methods for {}", explained.id);
        blocks.push(sheet.figure("", words));
    }
    for method in &explained.methods {
        let mut inner = Vec::new();
        let line = method.method.facts().meaning.line();
        match &method.drawing {
            Some(drawing) => {
                let words = format!("{} of {}", method.method.title(), explained.id);
                inner.push(drawing.figure(line, words));
            }
            None => inner.push(Block::Paragraph(line)),
        }
        if !method.remarks.is_empty() {
            inner.push(Block::List(method.remarks.iter().map(|remark| capitalised(remark)).collect()));
        }
        blocks.push(Block::Folded { summary: method.method.title().to_owned(), blocks: inner });
    }
    Section { heading: format!("{}: {}", explained.id, explained.class), blocks }
}

fn score_section(scores: &ScoreTable) -> Result<Section> {
    let ranked = ranked_table(scores);
    let mut blocks = vec![Block::Paragraph(format!(
        "The maps were scored on {}. A method that does not beat the controls on a score (a random map, the \
         edges of the image, the plain gradient) has shown nothing there. No score is enough alone.",
        counted(scores.pictures, "image")
    ))];
    blocks.push(Block::Table(ranked.to_rank_table().context("failed to rank the methods")?));
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
    let values = ranked.to_table().context("failed to make the table of scores")?;
    blocks.push(Block::Folded {
        summary: "Every score as a table, with 95 % bootstrap intervals".to_owned(),
        blocks: vec![Block::Table(values)],
    });
    if !scores.notes.is_empty() {
        blocks.push(Block::List(scores.notes.iter().map(|note| capitalised(note)).collect()));
    }
    Ok(Section { heading: "Which explanation to believe".to_owned(), blocks })
}

fn ranked_table(scores: &ScoreTable) -> RankedTable {
    let of_method = |name: &String| MethodScores {
        method: method_title(name),
        control: is_control(name),
        values: scores.scores.iter().map(|column| estimate(column, name)).collect(),
    };
    let of_score = |column: &ScoreColumn| Score {
        name: score_title(column),
        better: match column.direction {
            Direction::Higher => Better::Higher,
            Direction::Lower => Better::Lower,
        },
    };
    RankedTable {
        caption: format!("Ranks of the methods over {}, 1 is the best", counted(scores.pictures, "image")),
        scores: scores.scores.iter().map(of_score).collect(),
        methods: scores.methods.iter().map(of_method).collect(),
    }
}

fn estimate(column: &ScoreColumn, method: &str) -> Option<Estimate> {
    let mean = column.entries.iter().find(|entry| entry.method == method)?.mean.as_ref()?;
    Some(Estimate { value: mean.mean, low: mean.low, high: mean.high })
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
    bars.sort_by(|a, b| match column.direction {
        Direction::Higher => b.estimate.value.total_cmp(&a.estimate.value),
        Direction::Lower => a.estimate.value.total_cmp(&b.estimate.value),
    });
    let title = score_title(column);
    let subtitle = "mean over the pictures with its 95 % bootstrap interval; controls in grey";
    let chart = interval_bars(&capitalised(&title), good_end, &bars, subtitle)
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
        let svg = perturbation_curves(&drawn, variant, "mean over the pictures")
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
    let name = match column.kind {
        ScoreKind::DeletionArea => "deletion area",
        ScoreKind::InsertionArea => "insertion area",
        ScoreKind::FaithfulnessCorrelation => "faithfulness correlation",
        ScoreKind::MuFidelity => "\u{3bc}Fidelity",
        ScoreKind::Infidelity => "infidelity",
        ScoreKind::MaxSensitivity => "max-sensitivity",
        ScoreKind::Sparseness => "sparseness",
        ScoreKind::Complexity => "complexity",
        ScoreKind::ParameterRandomisation => "parameter randomisation",
        ScoreKind::PointingGame => "pointing game",
        ScoreKind::RelevanceRankAccuracy => "relevance rank accuracy",
        ScoreKind::RelevanceMassAccuracy => "relevance mass accuracy",
        ScoreKind::Completeness => "completeness error",
        _ => "score",
    };
    if column.variant.is_empty() { name.to_owned() } else { format!("{name}, {}", column.variant) }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    // μFidelity and R² keep their first letters
    match characters.next() {
        Some(first) if first.is_ascii_lowercase() => first.to_ascii_uppercase().to_string() + characters.as_str(),
        _ => text.to_owned(),
    }
}
