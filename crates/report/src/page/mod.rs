//! The report page: one HTML file that needs nothing beside it.

mod live;
mod parts;
mod render;

pub use live::{LiveContents, LiveImage, LiveLayer, LiveMap, LiveMatrix, LiveModule, live_budget, live_modules};
pub use parts::{Block, Figure, FigureContent, PageLink, ReportPage, Section, SummaryEntry, Warning};

use crate::ReportError;

impl ReportPage {
    /// The HTML document. The same page gives the same text.
    pub fn to_html(&self) -> Result<String, ReportError> {
        render::page(self)
    }
}
