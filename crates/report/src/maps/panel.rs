//! One image of a sheet: a map with its title, colour bar, range and note.

use crate::raster::{Rgb, RgbImage};

use super::colour::{sequential_colour, signed_colour};
use super::contour::light_part;
use super::numbers::draw_numbers;
use super::{AttentionScale, SharedScale, ValueMap};
use crate::number::number;
use crate::{ByteImage, ReportError};

/// A token must be this large for a frame around it to leave something of it.
const SMALLEST_FRAME: u32 = 8;
const QUERY_FRAME: Rgb = Rgb([230, 0, 38]);
const OUTLINE: Rgb = Rgb([255, 221, 0]);
/// The outline of the image on colours from dark blue to yellow, and on colours around white.
const CONTOUR_ON_DARK: Rgb = Rgb([255; 3]);
const CONTOUR_ON_LIGHT: Rgb = Rgb([90; 3]);

/// An image or map with a title, a colour bar where it has a scale, and a note.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub(super) title: String,
    pub(super) note: String,
    content: Content,
    outlines: Option<Outlines>,
    query: Option<usize>,
}

/// Borders between parts of an image.
#[derive(Debug, Clone, PartialEq)]
struct Outlines {
    /// The part of each pixel.
    labels: Vec<usize>,
    /// What the borders are, for the foot.
    meaning: String,
    /// Whether the number of each part is written into it.
    numbered: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Image(ByteImage),
    Attribution { map: ValueMap, scale: SharedScale },
    Magnitude { map: ValueMap, scale: AttentionScale },
    Attention { image: ByteImage, grid: ValueMap, scale: AttentionScale },
    Deviation { image: ByteImage, grid: ValueMap, scale: SharedScale },
}

/// The kind and unit of a map: only maps that agree in both have a scale in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScaleKey {
    pub(super) is_signed: bool,
    pub(super) unit: &'static str,
}

/// A colour bar with the numbers below it.
pub(super) struct ColourBar {
    /// Colour at a share from 0 (left) to 1 (right).
    pub(super) colour: fn(f64) -> Rgb,
    /// Left end, middle, right end.
    pub(super) numbers: [String; 3],
}

impl Panel {
    /// The image itself, enlarged without smoothing.
    pub fn image(title: impl Into<String>, image: &ByteImage) -> Self {
        Self::new(title, Content::Image(image.clone()))
    }

    /// A signed map on a diverging colour map: blue against the class, white nothing, red for the class.
    pub fn attribution(title: impl Into<String>, map: &ValueMap, scale: &SharedScale) -> Self {
        Self::new(title, Content::Attribution { map: map.clone(), scale: *scale })
    }

    /// An unsigned map by itself, such as standard errors or a whole attention matrix.
    pub fn magnitude(title: impl Into<String>, map: &ValueMap, scale: &AttentionScale) -> Self {
        Self::new(title, Content::Magnitude { map: map.clone(), scale: *scale })
    }

    /// Attention weights over the token grid, a block for each token, with the outline of the image's light part.
    pub fn attention(title: impl Into<String>, image: &ByteImage, grid: &ValueMap, scale: &AttentionScale) -> Self {
        Self::new(title, Content::Attention { image: image.clone(), grid: grid.clone(), scale: *scale })
    }

    /// Signed deviations of attention over the token grid, as from the mean over the queries, with the outline of the
    /// image's light part.
    pub fn deviation(title: impl Into<String>, image: &ByteImage, grid: &ValueMap, scale: &SharedScale) -> Self {
        Self::new(title, Content::Deviation { image: image.clone(), grid: grid.clone(), scale: *scale })
    }

    fn new(title: impl Into<String>, content: Content) -> Self {
        Self { title: title.into(), note: String::new(), content, outlines: None, query: None }
    }

    /// Adds a note below the panel, as in "tokens see more than their patch".
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Draws the borders between segments; `labels` holds the segment of each pixel, row by row.
    #[must_use]
    pub fn outlined(self, labels: &[usize]) -> Self {
        self.outlined_as(labels, "the borders of the segments")
    }

    /// As [`outlined`](Self::outlined), for parts that are no segments; `meaning` says at the foot what the lines are.
    #[must_use]
    pub fn outlined_as(mut self, labels: &[usize], meaning: impl Into<String>) -> Self {
        self.outlines = Some(Outlines { labels: labels.to_vec(), meaning: meaning.into(), numbered: false });
        self
    }

    /// Writes the number of each part into it, where there is room; for panels with outlines.
    #[must_use]
    pub fn numbered(mut self) -> Self {
        if let Some(outlines) = &mut self.outlines {
            outlines.numbered = true;
        }
        self
    }

    /// Draws a frame around the token that asks, counted row by row; for panels on a token grid.
    #[must_use]
    pub fn query(mut self, token: usize) -> Self {
        self.query = Some(token);
        self
    }

    /// Pixels and tokens, without title, bar and note, as near to `target_width` as whole pixels allow.
    pub(super) fn draw(&self, target_width: usize) -> Result<RgbImage, ReportError> {
        let zoom = (target_width / self.pixels().0).max(1) as u32;
        let mut drawn = match &self.content {
            Content::Image(image) => image.enlarged(zoom),
            Content::Attribution { map, scale } => {
                RgbImage::from_fn(map.width() as u32 * zoom, map.height() as u32 * zoom, |x, y| {
                    signed_colour(scale.position(map.at((x / zoom) as usize, (y / zoom) as usize)))
                })
            }
            Content::Magnitude { map, scale } => {
                RgbImage::from_fn(map.width() as u32 * zoom, map.height() as u32 * zoom, |x, y| {
                    sequential_colour(scale.position(map.at((x / zoom) as usize, (y / zoom) as usize)))
                })
            }
            Content::Attention { image, grid, scale } => {
                let mut drawn = blocks(image, grid, zoom, |value| sequential_colour(scale.position(value)))?;
                draw_contour(&mut drawn, image, zoom, CONTOUR_ON_DARK);
                drawn
            }
            Content::Deviation { image, grid, scale } => {
                let mut drawn = blocks(image, grid, zoom, |value| signed_colour(scale.position(value)))?;
                draw_contour(&mut drawn, image, zoom, CONTOUR_ON_LIGHT);
                drawn
            }
        };
        if let Some(outlines) = &self.outlines {
            self.draw_outlines(&mut drawn, &outlines.labels, zoom)?;
            if outlines.numbered {
                draw_numbers(&mut drawn, &outlines.labels, self.pixels().0, zoom, OUTLINE);
            }
        }
        if let Some(token) = self.query {
            self.draw_query(&mut drawn, token)?;
        }
        Ok(drawn)
    }

    /// The bar that explains the colours.
    pub(super) fn bar(&self) -> Option<ColourBar> {
        match &self.content {
            Content::Image(_) => None,
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => {
                let limit = number(f64::from(scale.limit()));
                let ends = (scale.limit() > 0.0).then(|| [format!("-{limit}"), format!("+{limit}")]);
                let [low, high] = ends.unwrap_or_default();
                let numbers = [low, "0".to_owned(), high];
                Some(ColourBar { colour: |share| signed_colour(2.0 * share - 1.0), numbers })
            }
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => {
                let middle = f64::midpoint(f64::from(scale.low()), f64::from(scale.high()));
                let numbers = [f64::from(scale.low()), middle, f64::from(scale.high())].map(number);
                Some(ColourBar { colour: sequential_colour, numbers })
            }
        }
    }

    /// The panel with its map on a scale that is taken from this map alone.
    pub(super) fn rescaled(&self) -> Result<Self, ReportError> {
        let mut panel = self.clone();
        match &mut panel.content {
            Content::Image(_) => {}
            Content::Attribution { map, scale } | Content::Deviation { grid: map, scale, .. } => {
                *scale = scale.of_others([&*map])?;
            }
            Content::Magnitude { map, scale } | Content::Attention { grid: map, scale, .. } => {
                *scale = scale.of_others([&*map])?;
            }
        }
        Ok(panel)
    }

    /// What maps must have in common to share a scale; none for an image.
    pub(super) fn scale_key(&self) -> Option<ScaleKey> {
        let is_signed = match self.content {
            Content::Image(_) => return None,
            Content::Attribution { .. } | Content::Deviation { .. } => true,
            Content::Magnitude { .. } | Content::Attention { .. } => false,
        };
        Some(ScaleKey { is_signed, unit: self.scale_unit() })
    }

    /// The ends of the scale, short enough to stand below a small panel; none for an image.
    pub(super) fn ends(&self) -> Option<String> {
        match &self.content {
            Content::Image(_) => None,
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => {
                Some(format!("\u{b1}{}", number(f64::from(scale.limit()))))
            }
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => {
                Some(format!("{} to {}", number(f64::from(scale.low())), number(f64::from(scale.high()))))
            }
        }
    }

    /// The smallest and largest value in words.
    pub(super) fn range(&self) -> Option<String> {
        let map = self.map()?;
        let range = format!("min {}, max {}", number(f64::from(map.min())), number(f64::from(map.max())));
        let unit = self.scale_unit();
        Some(if unit.is_empty() { range } else { format!("{unit}: {range}") })
    }

    /// What the foot must say about the panel's colours and marks, apart from the scale.
    pub(super) fn marks(&self) -> Vec<String> {
        let contour = |colour: &str| format!("{colour} line: outline of the light part of the image");
        let mut lines = match &self.content {
            Content::Image(_) | Content::Attribution { .. } | Content::Magnitude { .. } => Vec::new(),
            Content::Attention { .. } => vec![contour("white")],
            Content::Deviation { .. } => vec![contour("grey")],
        };
        if let Some(outlines) = &self.outlines {
            lines.push(format!("yellow lines: {}", outlines.meaning));
            lines.extend(outlines.numbered.then(|| "yellow numbers: those of the segments".to_owned()));
        }
        if self.query.is_some() {
            lines.push("red frame: the token that asks".to_owned());
        }
        lines
    }

    fn scale_unit(&self) -> &'static str {
        match &self.content {
            Content::Image(_) => "",
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => scale.unit(),
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => scale.unit(),
        }
    }

    /// The scale in words; none for an image.
    pub(super) fn scale_words(&self) -> Option<String> {
        match &self.content {
            Content::Image(_) => None,
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => Some(scale.describe()),
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => Some(scale.describe()),
        }
    }

    fn map(&self) -> Option<&ValueMap> {
        match &self.content {
            Content::Image(_) => None,
            Content::Attribution { map, .. } | Content::Magnitude { map, .. } => Some(map),
            Content::Attention { grid, .. } | Content::Deviation { grid, .. } => Some(grid),
        }
    }

    /// Width and height before enlarging.
    fn pixels(&self) -> (usize, usize) {
        match &self.content {
            Content::Attribution { map, .. } | Content::Magnitude { map, .. } => (map.width(), map.height()),
            Content::Image(image) | Content::Attention { image, .. } | Content::Deviation { image, .. } => {
                (image.width(), image.height())
            }
        }
    }

    fn draw_outlines(&self, drawn: &mut RgbImage, labels: &[usize], zoom: u32) -> Result<(), ReportError> {
        let (width, height) = self.pixels();
        if labels.len() != width * height {
            let figure = "segment outlines";
            return Err(ReportError::Size { figure, item: "labels", found: labels.len(), expected: width * height });
        }
        // two pixels of line, one on each side of the border; one on small panels
        let line = if zoom < 6 { 1 } else { 2 };
        draw_borders(drawn, [width, height], zoom, line, OUTLINE, |x, y| labels[y * width + x]);
        Ok(())
    }

    fn draw_query(&self, drawn: &mut RgbImage, token: usize) -> Result<(), ReportError> {
        let figure = "query token";
        let (Content::Attention { grid, .. } | Content::Deviation { grid, .. }) = &self.content else {
            return Err(ReportError::Empty { figure, item: "token grid" });
        };
        let tokens = grid.width() * grid.height();
        if token >= tokens {
            return Err(ReportError::OutOfRange {
                figure,
                position: format!("panel \"{}\"", self.title),
                value: token as f64,
                low: 0.0,
                high: tokens as f64 - 1.0,
            });
        }
        // the first pixel of a block is the first that is mapped to its token
        let start = |place: usize, whole: u32, parts: usize| (place * whole as usize).div_ceil(parts) as u32;
        let (row, column) = (token / grid.width(), token % grid.width());
        let (left, top) = (start(column, drawn.width(), grid.width()), start(row, drawn.height(), grid.height()));
        let width = start(column + 1, drawn.width(), grid.width()) - left;
        let height = start(row + 1, drawn.height(), grid.height()) - top;
        if width < SMALLEST_FRAME || height < SMALLEST_FRAME {
            return Err(ReportError::Shape {
                figure,
                found_height: grid.height(),
                found_width: grid.width(),
                expected: format!("a grid whose tokens are {SMALLEST_FRAME} pixels or larger when drawn"),
            });
        }
        for (inset, colour) in [(0, QUERY_FRAME), (1, QUERY_FRAME), (2, Rgb([255; 3]))] {
            let (x, y, w, h) = (left + inset, top + inset, width - 2 * inset, height - 2 * inset);
            drawn.fill(x, y, w, 1, colour);
            drawn.fill(x, y + h - 1, w, 1, colour);
            drawn.fill(x, y, 1, h, colour);
            drawn.fill(x + w - 1, y, 1, h, colour);
        }
        Ok(())
    }
}

/// The colour of the token of each pixel of the enlarged image.
fn blocks(image: &ByteImage, grid: &ValueMap, zoom: u32, colour: impl Fn(f32) -> Rgb) -> Result<RgbImage, ReportError> {
    let (width, height) = (image.width() * zoom as usize, image.height() * zoom as usize);
    if width < grid.width() || height < grid.height() {
        return Err(ReportError::Shape {
            figure: "map over an image",
            found_height: grid.height(),
            found_width: grid.width(),
            expected: format!("at most {height}x{width}, as many as the drawn image has pixels"),
        });
    }
    Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
        colour(grid.at(x as usize * grid.width() / width, y as usize * grid.height() / height))
    }))
}

/// Draws the outline of the light part of the image.
fn draw_contour(drawn: &mut RgbImage, image: &ByteImage, zoom: u32, colour: Rgb) {
    let (light, width) = (light_part(image), image.width());
    draw_borders(drawn, [width, image.height()], zoom, 1, colour, |x, y| light[y * width + x]);
}

/// Draws a line between neighbouring pixels of an enlarged image that belong to different parts.
fn draw_borders<P: PartialEq>(
    drawn: &mut RgbImage,
    [width, height]: [usize; 2],
    zoom: u32,
    line: u32,
    colour: Rgb,
    part: impl Fn(usize, usize) -> P,
) {
    for y in 0..height {
        for x in 0..width {
            let (left, top) = (x as u32 * zoom, y as u32 * zoom);
            if x + 1 < width && part(x, y) != part(x + 1, y) {
                drawn.fill(left + zoom - 1, top, line, zoom, colour);
            }
            if y + 1 < height && part(x, y) != part(x, y + 1) {
                drawn.fill(left, top + zoom - 1, zoom, line, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests;
