use serde::{Deserialize, Serialize};

use super::live::LiveImage;
use crate::Table;

/// A page to read: everything in one HTML file, with no reference to another file or address.
///
/// The fields are plain text; markup in them is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPage {
    /// The heading of the page and the title of its window.
    pub title: String,
    /// A line below the heading: dataset, date, seed. Empty for none.
    pub subtitle: String,
    /// What the reader must know before any number, in a banner above everything else that stays in view.
    pub warning: Option<Warning>,
    /// The figures in short, a name and a value each.
    pub summary: Vec<SummaryEntry>,
    /// The parts of the page in order.
    pub sections: Vec<Section>,
    /// The resolved config, folded away at the end.
    pub config: Option<String>,
}

/// A banner over the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The warning in a few words, as in "synthetic garments, not Fashion-MNIST".
    pub heading: String,
    /// What it means for the reader.
    pub text: String,
}

/// A line of the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryEntry {
    /// What the figure is.
    pub name: String,
    /// The figure with its unit.
    pub value: String,
}

/// A part of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its heading.
    pub heading: String,
    /// What stands in it, from top to bottom.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Block {
    /// A heading inside the section.
    Heading(String),
    /// A paragraph.
    Paragraph(String),
    /// Points of a list.
    List(Vec<String>),
    /// A figure with its caption.
    Figure(Figure),
    /// A table.
    Table(Table),
    /// Other pages, a line each.
    Links(Vec<PageLink>),
    /// Text to be shown as it is, in a monospaced font.
    Verbatim(String),
    /// An image that is live where scripts run, and nothing where they do not.
    Live(LiveImage),
    /// Blocks folded away behind a line.
    Folded {
        /// The line.
        summary: String,
        /// The blocks.
        blocks: Vec<Block>,
    },
}

/// A link to another page beside this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLink {
    /// The path of the page relative to this one, with `/` between its parts.
    pub path: String,
    /// What it is called.
    pub text: String,
    /// What else is said of it. Empty for nothing.
    pub note: String,
    /// The bytes of a small PNG file that stands in front of it.
    pub thumbnail: Option<Vec<u8>>,
}

/// A figure of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What is shown.
    pub content: FigureContent,
    /// The line below it.
    pub caption: String,
    /// What a reader who cannot see the image should hear instead; the caption if it is empty.
    pub alternative: String,
}

/// The image of a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FigureContent {
    /// An SVG document as this crate's charts return it; it is set into the page as it is.
    Svg(String),
    /// The bytes of a PNG file, set into the page.
    Png(Vec<u8>),
    /// The path of an image file relative to the page, with `/` between its parts. The page refers to the file and is not
    /// complete without it, but stays small however many images there are.
    Linked(String),
}

impl Figure {
    /// A chart.
    pub fn svg(document: impl Into<String>, caption: impl Into<String>, alternative: impl Into<String>) -> Self {
        let content = FigureContent::Svg(document.into());
        Self { content, caption: caption.into(), alternative: alternative.into() }
    }

    /// A pixel image, from the bytes of its PNG file.
    pub fn png(bytes: impl Into<Vec<u8>>, caption: impl Into<String>, alternative: impl Into<String>) -> Self {
        let content = FigureContent::Png(bytes.into());
        Self { content, caption: caption.into(), alternative: alternative.into() }
    }
}

impl Figure {
    /// An image file beside the page, by its path relative to it.
    pub fn linked(path: impl Into<String>, caption: impl Into<String>, alternative: impl Into<String>) -> Self {
        let content = FigureContent::Linked(path.into());
        Self { content, caption: caption.into(), alternative: alternative.into() }
    }
}
