//! Draws what the methods say of a picture: one picture file a method, one of all methods side by side.

mod attention;
#[cfg(test)]
pub(super) mod example;
mod overview;
mod pixels;
mod queries;
mod subject;
#[cfg(test)]
mod tests;
mod through_layers;
mod words;

use anyhow::{Context, Result};
use image::RgbImage;
use tinylsa_report::encode_png;
use tinylsa_xai::{Cancellation, ExplainError};

use super::Method;
use super::result::{MethodMaps, PictureExplanation};
pub use overview::{shown_beside, side_by_side};
use subject::Subject;
pub use words::{class, diagnosis, meaning, verdict};

/// The drawing of all methods side by side.
pub(super) const SHEET: &str = "methods.png";

/// A picture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPicture {
    /// The name of the file, such as `lime.png`.
    pub name: String,
    /// The method that is shown; none for the sheet of all methods.
    pub method: Option<Method>,
    /// The bytes of the file.
    pub png: Vec<u8>,
}

/// Draws a picture for each method, `<method>.png`, and before them `methods.png` with all methods side by side.
///
/// # Errors
/// If a map does not fit the picture or its grid, or holds what is no number; if it is cancelled between two drawings.
pub fn draw(explanation: &PictureExplanation, cancellation: &Cancellation) -> Result<Vec<NamedPicture>> {
    let failed = |what: &str| format!("failed to draw {what} of {}", explanation.id);
    let subject = Subject::new(explanation).with_context(|| failed("the picture"))?;
    let sheet = overview::sheet(&subject).with_context(|| failed("the methods"))?;
    let mut pictures = vec![NamedPicture { name: SHEET.to_owned(), method: None, png: encode_png(&sheet)? }];
    let total = 1 + explanation.methods.len();
    for method in &explanation.methods {
        if cancellation.is_cancelled() {
            let (what, done) = ("drawings", pictures.len());
            return Err(ExplainError::Cancelled { what, done, total }.into());
        }
        let drawn: Result<RgbImage> = match &method.maps {
            MethodMaps::Pixels(map) => pixels::draw(&subject, method, map),
            MethodMaps::Attention(maps) if method.method == Method::MultiHeadAttention => {
                attention::draw_heads(&subject, method, maps)
            }
            MethodMaps::Attention(maps) => attention::draw_layers(&subject, method, maps),
            MethodMaps::Rollout(maps) => through_layers::draw_rollout(&subject, method, maps),
            MethodMaps::Flow(map) => through_layers::draw_flow(&subject, method, map),
            MethodMaps::FixedQueries(maps) => queries::draw(&subject, method, maps),
        };
        let drawn = drawn.with_context(|| failed(method.method.title()))?;
        let name = method.method.file_name();
        pictures.push(NamedPicture { name, method: Some(method.method), png: encode_png(&drawn)? });
    }
    Ok(pictures)
}
