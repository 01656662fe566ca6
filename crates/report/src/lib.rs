//! Heat maps, charts and the report page, from plain slices.
//!
//! The crate draws what an experiment with an image classifier leaves behind, and knows nothing about how it came
//! about: it takes slices of numbers and small structs, and returns SVG text, pixels or HTML text. Writing files is
//! left to the caller. It has four parts:
//!
//! * **charts** as SVG: [`training_curves`], [`confusion_matrix`], [`reliability`], [`per_class`] (and these four as pixels,
//!   by the names [`training_curves_pixels`] and so on, for programs that show no SVG), and for the scores
//!   of explanations [`interval_bars`] and [`perturbation_curves`], and [`bar_panels`] for things measured in several ways;
//! * **heat maps** as pixels: a [`Sheet`] holds [`Panel`]s, each an image, a signed attribution, or attention over a
//!   grid of tokens, and a [`MapMatrix`] many small ones in rows and columns; [`ContactSheet`] shows the images of a dataset; [`encode_png`] turns pixels into a file;
//! * **tables**: [`Table`], and [`RankedTable`] for methods ranked by several scores, [`DifferenceTable`] for what sets them
//!   apart from a control;
//! * **the page**: [`ReportPage`] puts all of it into one HTML file, and [`LiveContents`] an image that answers a hovered token
//!   where scripts run.
//!
//! Three decisions shape it.
//!
//! **A figure says what it shows.** Figures get cut out of reports. So the subtitle (the dataset above all), the ends
//! of the scale, the range of the values and the caveats are drawn into the image instead of beside it.
//!
//! **Equal colours mean equal values.** A map cannot be drawn without a scale, and a scale is taken from all the maps
//! that will be compared: [`SharedScale`] for signed values is symmetric with zero in pure white, [`AttentionScale`]
//! is for weights. A scale that clips says how much it clips. Nothing is mixed into the colours of a map: where it lies
//! over an image, the image is there as its outline.
//!
//! **Nothing is fetched.** Letters inside pixel images come from a bitmap font in the program, letters in SVG are
//! left to the reader's sans-serif font, and the page has no reference to another file or address, unless a figure is
//! [`Figure::linked`]. So neither a font file nor a C library is needed, and equal input gives equal bytes.
//!
//! ```
//! use tinylsa_report::{Block, Figure, ByteImage, Panel, ReportPage, Section, SharedScale, Sheet, ValueMap, encode_png};
//!
//! # fn main() -> Result<(), tinylsa_report::ReportError> {
//! let pixels: Vec<f32> = (0..784).map(|i| if i % 28 < 14 { 0.8 } else { 0.0 }).collect();
//! let image = ByteImage::from_unit([1, 28, 28], &pixels)?;
//! let gradient = ValueMap::new([28, 28], &pixels.iter().map(|p| 0.02 * p - 0.004).collect::<Vec<_>>())?;
//! let lime = ValueMap::new([28, 28], &pixels.iter().map(|p| 0.01 * p).collect::<Vec<_>>())?;
//!
//! // one scale for both methods
//! let scale = SharedScale::percentile([&gradient, &lime], 99.0)?;
//! let sheet = Sheet {
//!     title: "Two methods".to_owned(),
//!     subtitle: "class Trouser, probability 0.98".to_owned(),
//!     columns: 3,
//!     panels: vec![
//!         Panel::image("image", &image),
//!         Panel::attribution("gradient", &gradient, &scale),
//!         Panel::attribution("LIME", &lime, &scale).note("held-out R² 0.71"),
//!     ],
//!     notes: vec![],
//! };
//! let png = encode_png(&sheet.draw()?)?;
//!
//! let figure = Figure::png(png, "Two methods beside the image", "Both maps are red on the left half of the image");
//! let page = ReportPage {
//!     title: "Explanations".to_owned(),
//!     sections: vec![Section { heading: "Image 17".to_owned(), blocks: vec![Block::Figure(figure)] }],
//!     ..ReportPage::default()
//! };
//! let html = page.to_html()?;
//! assert!(html.contains("data:image/png;base64,"));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod contact;
mod error;
mod estimate;
mod figures;
mod image;
mod maps;
mod number;
mod page;
mod palette;
mod ranking;
mod raster;
mod table;
mod text;
#[cfg(feature = "xai")]
mod xai;

pub use contact::{ContactRow, ContactSheet};
pub use error::ReportError;
pub use estimate::Estimate;
pub use figures::{
    BarPanel, BarScale, ClassScores, EpochPoint, IntervalBar, PerturbationCurve, ReliabilityBin, bar_panels,
    confusion_matrix, confusion_matrix_pixels, interval_bars, per_class, per_class_pixels, perturbation_curves,
    reliability, reliability_pixels, training_curves, training_curves_pixels,
};
pub use image::{ByteImage, decode_png, encode_png};
pub use maps::{AttentionScale, MapMatrix, MatrixRow, MatrixScale, Panel, SharedScale, Sheet, ValueMap};
pub use page::{
    Block, Figure, FigureContent, LiveContents, LiveImage, LiveLayer, LiveMap, LiveMatrix, LiveModule, PageLink,
    ReportPage, Section, SummaryEntry, Warning, live_budget, live_modules,
};
pub use palette::compact_png;
pub use ranking::{
    Better, Difference, DifferenceTable, MethodDifferences, MethodScores, RankedEstimate, RankedTable, Score,
};
pub use raster::{Rgb, RgbImage};
pub use table::{Align, Cell, Column, Row, Table};
