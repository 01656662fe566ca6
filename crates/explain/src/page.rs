//! The explanations on a page: what each map means, the images, and which method to believe.

use std::collections::BTreeSet;

use crate::error::{Context, Result};
use serde::{Deserialize, Serialize};
use tinylsa_report::{
    Block, Column, Figure, FigureContent, PageLink, ReportPage, Section, Table, Warning, compact_png,
};

use crate::drawing::{NamedDrawing, thumbnail, verdict};
use crate::explanation::ImageExplanation;
use crate::registry::MethodId;
use crate::scores::ScoreTable;
use sentences::capitalised;
use tinylsa_settings::counted;

mod live;
mod scores;
mod sentences;
#[cfg(test)]
mod tests;

/// With more images than this a page refers to the pages of the images instead of holding them: it would grow by two
/// thirds of a megabyte an image.
const MOST_HELD: usize = 10;

/// The page of one image, in its folder.
pub(crate) const IMAGE_PAGE: &str = "index.html";

/// How a page shows its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the page itself, which then stands alone.
    Held,
    /// As links to the pages in the folders of the images, below this path relative to the page; empty, or with a slash at
    /// its end.
    Linked(&'static str),
}

impl Placement {
    /// The placement for a page of this many images whose folders lie below `path`.
    pub fn of(images: usize, path: &'static str) -> Self {
        if images > MOST_HELD { Self::Linked(path) } else { Self::Held }
    }
}

/// Explanations side by side, as [`side_by_side`](crate::side_by_side) draws them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideBySide {
    /// The line below the figure.
    pub caption: String,
    /// The bytes of its PNG file.
    pub png: Vec<u8>,
}

impl SideBySide {
    /// Several images, each on its own scale.
    pub fn images(png: Vec<u8>) -> Self {
        Self { caption: "Methods by images. Each map has a scale of its own.".to_owned(), png }
    }

    /// The classes of one image.
    pub fn classes(image: &str, png: Vec<u8>) -> Self {
        let caption = format!("Every class of {image}. Equal colours mean equal values in all maps of one unit.");
        Self { caption, png }
    }
}

/// What a page keeps of an explained image: its drawings, or a link to its own page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DrawnExplanation {
    methods: Vec<MethodId>,
    content: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Content {
    Held(Section),
    Linked(PageLink),
}

impl DrawnExplanation {
    /// Keeps what a page shows of an explanation.
    ///
    /// # Errors
    /// If a drawing cannot be encoded.
    pub fn new(explanation: &ImageExplanation, drawings: &[NamedDrawing], placement: &Placement) -> Result<Self> {
        let methods = explanation.methods.iter().map(|method| method.method).collect();
        let content = match placement {
            Placement::Held => {
                let held = |drawing: &NamedDrawing| Ok(FigureContent::Png(compact_png(&drawing.png)?));
                Content::Held(image_section(explanation, drawings, held)?)
            }
            Placement::Linked(path) => Content::Linked(PageLink {
                path: format!("{path}{}/{IMAGE_PAGE}", explanation.id),
                text: heading(explanation),
                note: verdict(explanation),
                thumbnail: Some(thumbnail(explanation)?),
            }),
        };
        Ok(Self { methods, content })
    }
}

/// The page of one image, which refers to the drawings beside it.
///
/// # Errors
/// If the page cannot be put together.
pub(crate) fn image_page(explanation: &ImageExplanation, drawings: &[NamedDrawing]) -> Result<String> {
    let beside = |drawing: &NamedDrawing| Ok(FigureContent::Linked(drawing.name.clone()));
    let page = ReportPage {
        title: heading(explanation),
        sections: vec![image_section(explanation, drawings, beside)?],
        ..ReportPage::default()
    };
    page.to_html().with_context(|| format!("failed to put the page of {} together", explanation.id))
}

fn heading(explanation: &ImageExplanation) -> String {
    let probability = explanation.shown_probability(explanation.target.class);
    format!("{}: {} {probability:.2}", explanation.id, explanation.target_name())
}

/// The part of a run's page about explanations: an introduction, the scores, and a section for each image.
///
/// # Errors
/// If a chart or table cannot be made of the scores.
pub fn sections(
    explained: &[DrawnExplanation],
    scores: Option<&ScoreTable>,
    side_by_side: &[SideBySide],
) -> Result<Vec<Section>> {
    let mut sections = vec![introduction(explained, side_by_side)?];
    sections.extend(scores.map(scores::section).transpose()?);
    let mut links = Vec::new();
    for one in explained {
        match &one.content {
            Content::Held(section) => sections.push(section.clone()),
            Content::Linked(link) => links.push(link.clone()),
        }
    }
    if !links.is_empty() {
        sections.push(Section { heading: counted(links.len(), "image"), blocks: vec![Block::Links(links)] });
    }
    Ok(sections)
}

/// A page of explanations alone, for the images that a command named.
///
/// # Errors
/// If an image cannot be put on a page.
pub fn index(
    subtitle: impl Into<String>,
    warning: Option<Warning>,
    explained: &[DrawnExplanation],
    scores: Option<&ScoreTable>,
    side_by_side: &[SideBySide],
) -> Result<String> {
    let page = ReportPage {
        title: "Explanations".to_owned(),
        subtitle: subtitle.into(),
        warning,
        sections: sections(explained, scores, side_by_side)?,
        ..ReportPage::default()
    };
    page.to_html().context("failed to put the page of explanations together")
}

fn introduction(explained: &[DrawnExplanation], side_by_side: &[SideBySide]) -> Result<Section> {
    let methods: BTreeSet<MethodId> = explained.iter().flat_map(|one| one.methods.iter().copied()).collect();
    let mut table = Table::new(
        "What the maps mean",
        vec![Column::words("method"), Column::words("shows"), Column::words("does not show")],
    );
    for method in methods {
        let meaning = method.facts().meaning;
        table = table.row([method.title(), meaning.shows, meaning.does_not_show]);
    }
    let mut blocks = vec![Block::Table(table)];
    // a single explanation has its sheet
    for SideBySide { caption, png } in side_by_side.iter().filter(|_| explained.len() > 1) {
        let words = "A row of maps for each method, a column for each explanation";
        blocks.push(Block::Figure(Figure::png(compact_png(png)?, caption, words)));
    }
    Ok(Section { heading: "Explanations".to_owned(), blocks })
}

fn image_section(
    explanation: &ImageExplanation,
    drawings: &[NamedDrawing],
    content: impl Fn(&NamedDrawing) -> Result<FigureContent>,
) -> Result<Section> {
    let figure = |method: Option<MethodId>, caption: String, alternative: String| -> Result<Option<Block>> {
        let Some(drawing) = drawings.iter().find(|drawing| drawing.method == method) else { return Ok(None) };
        Ok(Some(Block::Figure(Figure { content: content(drawing)?, caption, alternative })))
    };
    let source = explanation.source.to_string();
    let mut facts = format!("{}. {}.", capitalised(&verdict(explanation)), source.trim_end_matches('.'));
    if let Some(choice) = &explanation.choice {
        facts = format!("{facts} Chosen as {choice}.");
    }
    let mut blocks = vec![Block::Paragraph(facts)];
    blocks.extend(figure(None, String::new(), format!("Maps of all methods for {}", explanation.id))?);
    blocks.extend(live::live_view(explanation, format!("{}, live", heading(explanation)))?);
    for found in &explanation.methods {
        let (title, line) = (found.method.title(), found.method.facts().meaning.line());
        let drawing = figure(Some(found.method), line.clone(), format!("{title} of {}", explanation.id))?;
        let mut inner = vec![drawing.unwrap_or(Block::Paragraph(line))];
        let warnings = found.warnings.iter().map(|warning| format!("Warning: {warning}"));
        let remarks: Vec<String> =
            found.sentences.iter().map(|sentence| capitalised(sentence)).chain(warnings).collect();
        if !remarks.is_empty() {
            inner.push(Block::List(remarks));
        }
        blocks.push(Block::Folded { summary: title.to_owned(), blocks: inner });
    }
    Ok(Section { heading: heading(explanation), blocks })
}
