//! The figures of a run as images of its events.

use std::fs;

use anyhow::{Context, Result, bail};
use tinylsa_report::{
    RgbImage, confusion_matrix_pixels, encode_png, per_class_pixels, reliability_pixels, training_curves_pixels,
};

use crate::folder::RunFolder;
use crate::page::PageContents;

/// The sheet of all methods in the directory of an explained image.
const SHEET: &str = "methods.png";

/// An image with the tag that it is shown under.
#[derive(Clone, Debug)]
pub(super) struct EventImage {
    pub(super) tag: String,
    pub(super) caption: String,
    pub(super) png: Vec<u8>,
    /// Width and height.
    pub(super) size: [u32; 2],
}

/// The charts, drawn as pixels, and the sheets of the explanations, read from the run directory.
///
/// # Errors
/// If a chart cannot be drawn or a sheet cannot be read.
pub(super) fn images(folder: &RunFolder, contents: &PageContents<'_>) -> Result<Vec<EventImage>> {
    let (evaluation, measured) = (contents.evaluation, contents.measured());
    let charts = [
        (
            "training-curves",
            contents.caption,
            training_curves_pixels(&contents.points(), contents.kept_epoch(), contents.caption),
        ),
        (
            "confusion-matrix",
            measured.as_str(),
            confusion_matrix_pixels(&evaluation.confusion, &evaluation.class_names(), &measured),
        ),
        ("per-class", &measured, per_class_pixels(&evaluation.class_scores(), &measured)),
        ("reliability", &measured, reliability_pixels(&contents.bins(), evaluation.ece, &measured)),
    ];
    let mut images = Vec::new();
    for (name, caption, drawn) in charts {
        images.push(chart(name, caption, &drawn.with_context(|| format!("failed to draw {name}"))?)?);
    }
    let beside = folder.figures().join("explanations.png");
    if beside.is_file() {
        images.push(sheet(&beside, "figures/explanations".to_owned(), contents.caption)?);
    }
    for id in &contents.manifest.explained {
        let path = folder.explanations().join(id).join(SHEET);
        images.push(sheet(&path, format!("explanations/{id}"), contents.caption)?);
    }
    Ok(images)
}

fn chart(name: &str, caption: &str, drawn: &RgbImage) -> Result<EventImage> {
    let png = encode_png(drawn)?;
    let size = [drawn.width(), drawn.height()];
    Ok(EventImage { tag: format!("figures/{name}"), caption: caption.to_owned(), png, size })
}

fn sheet(path: &std::path::Path, tag: String, caption: &str) -> Result<EventImage> {
    let png = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let Some(size) = size_of_png(&png) else { bail!("{} is not a PNG file", path.display()) };
    Ok(EventImage { tag, caption: caption.to_owned(), png, size })
}

/// Width and height, which stand at the beginning of every PNG file.
fn size_of_png(png: &[u8]) -> Option<[u32; 2]> {
    let (signature, rest) = png.split_first_chunk::<8>()?;
    let (_length, rest) = rest.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (width, rest) = rest.split_first_chunk::<4>()?;
    let (height, _) = rest.split_first_chunk::<4>()?;
    let is_png = *signature == *b"\x89PNG\r\n\x1a\n" && kind == b"IHDR";
    is_png.then(|| [u32::from_be_bytes(*width), u32::from_be_bytes(*height)])
}
