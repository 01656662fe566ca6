//! What all charts share: the frame with title and subtitle, fonts, colours, the legend.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::paper::Paper;
use super::pixels::PixelBackend;
use crate::ReportError;
use crate::raster::RgbImage;

pub(super) type Area<'a> = DrawingArea<Paper<'a>, Shift>;
pub(super) type ChartResult = Result<(), DrawingAreaErrorKind<io::Error>>;

pub(super) const INK: RGBColor = RGBColor(26, 26, 30);
pub(super) const FAINT_INK: RGBColor = RGBColor(90, 93, 102);
pub(super) const GRID: RGBColor = RGBColor(226, 228, 233);
pub(super) const AXIS: RGBColor = RGBColor(120, 124, 133);
pub(super) const CONTROL: RGBColor = RGBColor(150, 153, 160);

/// Colours that readers with any colour vision tell apart (Okabe and Ito 2008), the pale yellow left out.
pub(super) const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// Draws what lies below title and subtitle.
pub(super) type Body<'a> = &'a dyn Fn(&Area<'_>) -> ChartResult;
/// [`as_svg`] or [`as_pixels`].
pub(super) type Draw<D> = fn(&Frame<'_>, Body<'_>) -> Result<D, ReportError>;

/// Height of the title and subtitle.
const HEADER: u32 = 54;
const MARGIN: i32 = 16;

/// Name, lines above and size of a figure.
pub(super) struct Frame<'a> {
    /// By which errors name the figure.
    pub(super) figure: &'static str,
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
    /// Width, unless title or subtitle need more.
    pub(super) width: u32,
    /// Height below title and subtitle.
    pub(super) height: u32,
}

impl Frame<'_> {
    /// Draws title, subtitle and, in the area below them, `body` as an SVG document.
    pub(super) fn draw(&self, body: Body<'_>) -> Result<String, ReportError> {
        let mut document = String::new();
        self.draw_on(Paper::Svg(SVGBackend::with_string(&mut document, self.size())), body)?;
        let spoken =
            if self.subtitle.is_empty() { self.title.to_owned() } else { format!("{}, {}", self.title, self.subtitle) };
        if let Some(end_of_root) = document.find('>') {
            document.insert_str(end_of_root + 1, &format!("\n<title>{}</title>", escape(&spoken)));
        }
        Ok(document)
    }

    fn size(&self) -> (u32, u32) {
        let header = text_width(self.title, 18).max(text_width(self.subtitle, 13)) + 2 * MARGIN;
        (self.width.max(header as u32), self.height + HEADER)
    }

    fn draw_on(&self, paper: Paper<'_>, body: Body<'_>) -> Result<(), ReportError> {
        self.draw_all(paper, body)
            .map_err(|error| ReportError::Chart { figure: self.figure, message: error.to_string() })
    }

    fn draw_all(&self, paper: Paper<'_>, body: Body<'_>) -> ChartResult {
        let root = paper.into_drawing_area();
        root.fill(&WHITE)?;
        root.draw_text(self.title, &bold(18, INK), (MARGIN, 10))?;
        if !self.subtitle.is_empty() {
            root.draw_text(self.subtitle, &font(13, FAINT_INK), (MARGIN, 33))?;
        }
        let (_, below) = root.split_vertically(HEADER);
        body(&below)?;
        root.present()
    }
}

/// A figure as an SVG document.
pub(super) fn as_svg(frame: &Frame<'_>, body: Body<'_>) -> Result<String, ReportError> {
    frame.draw(body)
}

/// A figure as pixels.
pub(super) fn as_pixels(frame: &Frame<'_>, body: Body<'_>) -> Result<RgbImage, ReportError> {
    let mut pixels = PixelBackend::new(frame.size());
    frame.draw_on(Paper::Pixels(&mut pixels), body)?;
    Ok(pixels.into_image())
}

/// Text of `size` pixels, its upper left corner at the position at which it is drawn.
pub(super) fn font(size: i32, colour: RGBColor) -> TextStyle<'static> {
    text_style(size, FontStyle::Normal, colour)
}

/// As [`font`], bold.
pub(super) fn bold(size: i32, colour: RGBColor) -> TextStyle<'static> {
    text_style(size, FontStyle::Bold, colour)
}

fn text_style(size: i32, weight: FontStyle, colour: RGBColor) -> TextStyle<'static> {
    // plotters writes 1 / 1.24 of the size into the document
    let font = ("sans-serif", f64::from(size) * 1.24, weight).into_font();
    TextStyle { font, color: colour.to_backend_color(), pos: Pos::new(HPos::Left, VPos::Top) }
}

/// The style with its text centred on the position, both ways.
pub(super) fn centred(style: TextStyle<'static>) -> TextStyle<'static> {
    TextStyle { pos: Pos::new(HPos::Center, VPos::Center), ..style }
}

/// The style with its text ending at the position, centred on its height.
pub(super) fn ending(style: TextStyle<'static>) -> TextStyle<'static> {
    TextStyle { pos: Pos::new(HPos::Right, VPos::Center), ..style }
}

/// The style with its text beginning at the position, centred on its height.
pub(super) fn beginning(style: TextStyle<'static>) -> TextStyle<'static> {
    TextStyle { pos: Pos::new(HPos::Left, VPos::Center), ..style }
}

/// About how wide `text` is at `size` pixels in the common sans-serif fonts; on the safe side.
pub(super) fn text_width(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * 0.58).ceil() as i32
}

/// How an entry of the legend looks in the chart.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Line,
    Dashed,
    Block,
}

/// An entry of a legend.
pub(super) struct LegendEntry {
    pub(super) label: String,
    pub(super) colour: RGBColor,
    pub(super) mark: Mark,
}

impl LegendEntry {
    pub(super) fn new(label: impl Into<String>, colour: RGBColor, mark: Mark) -> Self {
        Self { label: label.into(), colour, mark }
    }
}

/// Draws the entries on one line that begins at `left` and is centred on `y`.
pub(super) fn legend(area: &Area<'_>, left: i32, y: i32, entries: &[LegendEntry]) -> ChartResult {
    let mut x = left;
    for entry in entries {
        mark(area, x, y, entry.colour, entry.mark)?;
        area.draw_text(&entry.label, &beginning(font(13, INK)), (x + 28, y))?;
        x += 28 + text_width(&entry.label, 13) + 16;
    }
    Ok(())
}

/// Draws the sample of a legend entry, 22 pixels wide.
pub(super) fn mark(area: &Area<'_>, x: i32, y: i32, colour: RGBColor, mark: Mark) -> ChartResult {
    match mark {
        Mark::Line => area.draw(&PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3))),
        Mark::Dashed => {
            for piece in 0..3 {
                let from = x + piece * 8;
                area.draw(&PathElement::new([(from, y), (from + 5, y)], colour.stroke_width(2)))?;
            }
            Ok(())
        }
        Mark::Block => area.draw(&Rectangle::new([(x + 4, y - 6), (x + 18, y + 6)], colour.filled())),
    }
}

/// Fails on the first value that is no finite number; `position` words where it stands.
pub(super) fn check_finite(figure: &'static str, value: f64, position: impl Fn() -> String) -> Result<(), ReportError> {
    if value.is_finite() { Ok(()) } else { Err(ReportError::NotFinite { figure, position: position(), value }) }
}

/// Fails on the first value that is no number from 0 to 1.
pub(super) fn check_share(figure: &'static str, value: f64, position: impl Fn() -> String) -> Result<(), ReportError> {
    check_finite(figure, value, &position)?;
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(ReportError::OutOfRange { figure, position: position(), value, low: 0.0, high: 1.0 })
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
