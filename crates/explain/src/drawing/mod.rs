//! Draws what the methods say of an image: one image file a method, one of all methods side by side.

mod attention;
#[cfg(test)]
pub(crate) mod example;
mod overview;
mod pixel_scales;
mod pixels;
mod queries;
mod shown;
mod subject;
#[cfg(test)]
mod tests;
mod through_layers;
mod words;

use crate::error::{Context, Result};
use tinylsa_report::{RgbImage, encode_png};
use tinylsa_xai::{Cancellation, ExplainError};

use crate::explanation::ImageExplanation;
use crate::maps::{AttentionView, Maps};
use crate::registry::MethodId;
pub use overview::{Scaling, models_side_by_side, shown_beside, side_by_side};
use subject::Subject;
pub use words::verdict;

/// The drawing of all methods side by side.
pub(super) const SHEET: &str = "methods.png";

/// The file of a drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDrawing {
    /// The name of the file, such as `lime.png`.
    pub name: String,
    /// The method that is shown; none for the sheet of all methods.
    pub method: Option<MethodId>,
    /// The bytes of the file.
    pub png: Vec<u8>,
}

/// The image itself as a small PNG file.
pub(crate) fn thumbnail(explanation: &ImageExplanation) -> Result<Vec<u8>> {
    Ok(encode_png(&shown::grey(explanation)?.enlarged(1))?)
}

/// Draws an image for each method, `<method>.png`, and before them `methods.png` with all methods side by side.
///
/// # Errors
/// If a map does not fit the image or its grid, or holds what is no number; if it is cancelled between two drawings.
pub fn draw(explanation: &ImageExplanation, cancellation: &Cancellation) -> Result<Vec<NamedDrawing>> {
    let failed = |what: &str| format!("failed to draw {what} of {}", explanation.id);
    let subject = Subject::new(explanation).with_context(|| failed("the image"))?;
    let sheet = overview::sheet(&subject).with_context(|| failed("the methods"))?;
    let mut images = vec![NamedDrawing { name: SHEET.to_owned(), method: None, png: encode_png(&sheet)? }];
    let total = 1 + explanation.methods.len();
    for method in &explanation.methods {
        if cancellation.is_cancelled() {
            let (what, done) = ("drawings", images.len());
            return Err(ExplainError::Cancelled { what, done, total }.into());
        }
        let drawn: Result<RgbImage> = match &method.maps {
            Maps::Pixels(map) => pixels::draw(&subject, method, map),
            Maps::Attention(maps) => match maps.view {
                AttentionView::Heads => attention::draw_heads(&subject, method, maps),
                AttentionView::Fused => attention::draw_layers(&subject, method, maps),
            },
            Maps::Rollout(maps) => through_layers::draw_rollout(&subject, method, maps),
            Maps::Flow(map) => through_layers::draw_flow(&subject, method, map),
            Maps::FixedQueries(maps) => queries::draw(&subject, method, maps),
        };
        let drawn = drawn.with_context(|| failed(method.method.title()))?;
        let name = method.method.file_name();
        images.push(NamedDrawing { name, method: Some(method.method), png: encode_png(&drawn)? });
    }
    Ok(images)
}
