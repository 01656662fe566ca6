//! One picture of a sheet: a map with its title, colour bar, range and note.

use image::{Rgb, RgbImage};

use super::colour::{sequential_colour, signed_colour};
use super::{AttentionScale, SharedScale, ValueMap};
use crate::table::number;
use crate::text::mix;
use crate::{GreyPicture, ReportError};

/// How far a white pixel of the picture takes an overlay's colour to white or black; a black one leaves it as it is.
const PICTURE_SHARE: f64 = 0.35;
const WHITE: Rgb<u8> = Rgb([255; 3]);
const BLACK: Rgb<u8> = Rgb([0; 3]);
const QUERY_FRAME: Rgb<u8> = Rgb([230, 0, 38]);
const OUTLINE: Rgb<u8> = Rgb([255, 221, 0]);

/// A picture or map with a title, a colour bar where it has a scale, and a note.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub(super) title: String,
    pub(super) note: String,
    content: Content,
    outlines: Option<Outlines>,
    query: Option<usize>,
}

/// Borders between parts of a picture.
#[derive(Debug, Clone, PartialEq)]
struct Outlines {
    /// The part of each pixel.
    labels: Vec<usize>,
    /// What the borders are, for the foot.
    meaning: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Picture(GreyPicture),
    Attribution { map: ValueMap, scale: SharedScale },
    Magnitude { map: ValueMap, scale: AttentionScale },
    Attention { picture: GreyPicture, grid: ValueMap, scale: AttentionScale },
    Deviation { picture: GreyPicture, grid: ValueMap, scale: SharedScale },
}

/// A colour bar with the numbers below it.
pub(super) struct ColourBar {
    /// Colour at a share from 0 (left) to 1 (right).
    pub(super) colour: fn(f64) -> Rgb<u8>,
    /// Towards which colour a white pixel of the picture takes it, shown in the lower half; none without a picture.
    towards: Option<Rgb<u8>>,
    /// Left end, middle, right end.
    pub(super) numbers: [String; 3],
}

impl ColourBar {
    /// Colour in the lower half of the bar: over a white pixel of the picture, where there is one.
    pub(super) fn lower(&self, share: f64) -> Rgb<u8> {
        let exact = (self.colour)(share);
        self.towards.map_or(exact, |towards| mix(exact, towards, PICTURE_SHARE))
    }
}

impl Panel {
    /// The picture itself, enlarged without smoothing.
    pub fn picture(title: impl Into<String>, picture: &GreyPicture) -> Self {
        Self::new(title, Content::Picture(picture.clone()))
    }

    /// A signed map on a diverging colour map: blue against the class, white nothing, red for the class.
    pub fn attribution(title: impl Into<String>, map: &ValueMap, scale: &SharedScale) -> Self {
        Self::new(title, Content::Attribution { map: map.clone(), scale: *scale })
    }

    /// An unsigned map by itself, such as standard errors or a whole attention matrix.
    pub fn magnitude(title: impl Into<String>, map: &ValueMap, scale: &AttentionScale) -> Self {
        Self::new(title, Content::Magnitude { map: map.clone(), scale: *scale })
    }

    /// Attention weights over the token grid, a block for each token, lightened where the picture is light.
    pub fn attention(title: impl Into<String>, picture: &GreyPicture, grid: &ValueMap, scale: &AttentionScale) -> Self {
        Self::new(title, Content::Attention { picture: picture.clone(), grid: grid.clone(), scale: *scale })
    }

    /// Signed deviations of attention over the token grid, as from the mean over the queries, darkened where the picture
    /// is light, so that zero over a black pixel is pure white.
    pub fn deviation(title: impl Into<String>, picture: &GreyPicture, grid: &ValueMap, scale: &SharedScale) -> Self {
        Self::new(title, Content::Deviation { picture: picture.clone(), grid: grid.clone(), scale: *scale })
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
        self.outlines = Some(Outlines { labels: labels.to_vec(), meaning: meaning.into() });
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
            Content::Picture(picture) => picture.enlarged(zoom),
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
            Content::Attention { picture, grid, scale } => {
                overlay(&picture.enlarged(zoom), grid, WHITE, |value| sequential_colour(scale.position(value)))?
            }
            Content::Deviation { picture, grid, scale } => {
                overlay(&picture.enlarged(zoom), grid, BLACK, |value| signed_colour(scale.position(value)))?
            }
        };
        if let Some(outlines) = &self.outlines {
            self.draw_outlines(&mut drawn, &outlines.labels, zoom)?;
        }
        if let Some(token) = self.query {
            self.draw_query(&mut drawn, token)?;
        }
        Ok(drawn)
    }

    /// The bar that explains the colours.
    pub(super) fn bar(&self) -> Option<ColourBar> {
        match &self.content {
            Content::Picture(_) => None,
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => {
                let limit = number(f64::from(scale.limit()));
                let ends = (scale.limit() > 0.0).then(|| [format!("-{limit}"), format!("+{limit}")]);
                let [low, high] = ends.unwrap_or_default();
                let towards = matches!(self.content, Content::Deviation { .. }).then_some(BLACK);
                let numbers = [low, "0".to_owned(), high];
                Some(ColourBar { colour: |share| signed_colour(2.0 * share - 1.0), towards, numbers })
            }
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => {
                let middle = f64::midpoint(f64::from(scale.low()), f64::from(scale.high()));
                let numbers = [f64::from(scale.low()), middle, f64::from(scale.high())].map(number);
                let towards = matches!(self.content, Content::Attention { .. }).then_some(WHITE);
                Some(ColourBar { colour: sequential_colour, towards, numbers })
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
        let overlay = |change: &str| {
            let share = PICTURE_SHARE * 100.0;
            format!("light parts of the picture {change} by up to {share:.0} % (lower half of the bar)")
        };
        let mut lines = match &self.content {
            Content::Picture(_) | Content::Attribution { .. } | Content::Magnitude { .. } => Vec::new(),
            Content::Attention { .. } => vec![overlay("lighten the colours of attention")],
            Content::Deviation { .. } => vec![overlay("darken the colours of deviations")],
        };
        if let Some(outlines) = &self.outlines {
            lines.push(format!("yellow lines: {}", outlines.meaning));
        }
        if self.query.is_some() {
            lines.push("red frame: the token that asks".to_owned());
        }
        lines
    }

    fn scale_unit(&self) -> &'static str {
        match &self.content {
            Content::Picture(_) => "",
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => scale.unit(),
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => scale.unit(),
        }
    }

    /// The scale in words; none for a picture.
    pub(super) fn scale_words(&self) -> Option<String> {
        match &self.content {
            Content::Picture(_) => None,
            Content::Attribution { scale, .. } | Content::Deviation { scale, .. } => Some(scale.describe()),
            Content::Magnitude { scale, .. } | Content::Attention { scale, .. } => Some(scale.describe()),
        }
    }

    fn map(&self) -> Option<&ValueMap> {
        match &self.content {
            Content::Picture(_) => None,
            Content::Attribution { map, .. } | Content::Magnitude { map, .. } => Some(map),
            Content::Attention { grid, .. } | Content::Deviation { grid, .. } => Some(grid),
        }
    }

    /// Width and height before enlarging.
    fn pixels(&self) -> (usize, usize) {
        match &self.content {
            Content::Attribution { map, .. } | Content::Magnitude { map, .. } => (map.width(), map.height()),
            Content::Picture(picture) | Content::Attention { picture, .. } | Content::Deviation { picture, .. } => {
                (picture.width(), picture.height())
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
        let label = |x: usize, y: usize| labels[y * width + x];
        for y in 0..height {
            for x in 0..width {
                let (left, top) = (x as u32 * zoom, y as u32 * zoom);
                if x + 1 < width && label(x, y) != label(x + 1, y) {
                    fill(drawn, left + zoom - 1, top, line, zoom, OUTLINE);
                }
                if y + 1 < height && label(x, y) != label(x, y + 1) {
                    fill(drawn, left, top + zoom - 1, zoom, line, OUTLINE);
                }
            }
        }
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
        let (width, height) = (drawn.width() / grid.width() as u32, drawn.height() / grid.height() as u32);
        let (left, top) = ((token % grid.width()) as u32 * width, (token / grid.width()) as u32 * height);
        for (inset, colour) in [(0, QUERY_FRAME), (1, QUERY_FRAME), (2, Rgb([255; 3]))] {
            let (x, y, w, h) = (left + inset, top + inset, width - 2 * inset, height - 2 * inset);
            fill(drawn, x, y, w, 1, colour);
            fill(drawn, x, y + h - 1, w, 1, colour);
            fill(drawn, x, y, 1, h, colour);
            fill(drawn, x + w - 1, y, 1, h, colour);
        }
        Ok(())
    }
}

/// The colour of the token of each pixel, taken towards `towards` by the brightness of the enlarged picture.
fn overlay(
    enlarged: &RgbImage,
    grid: &ValueMap,
    towards: Rgb<u8>,
    colour: impl Fn(f32) -> Rgb<u8>,
) -> Result<RgbImage, ReportError> {
    let mut drawn = enlarged.clone();
    let (width, height) = (drawn.width() as usize, drawn.height() as usize);
    // a block of a few pixels at least, so that a frame fits into it
    let fits = |whole: usize, parts: usize| whole.is_multiple_of(parts) && whole / parts >= 8;
    if !fits(width, grid.width()) || !fits(height, grid.height()) {
        return Err(ReportError::Shape {
            figure: "token grid",
            found_width: grid.width(),
            found_height: grid.height(),
            expected: format!("a grid of whole blocks of at least 8 pixels on {width}x{height} pixels"),
        });
    }
    let (block_width, block_height) = (width / grid.width(), height / grid.height());
    for (x, y, pixel) in drawn.enumerate_pixels_mut() {
        let brightness = f64::from(pixel.0[0]) / 255.0;
        let token = colour(grid.at(x as usize / block_width, y as usize / block_height));
        *pixel = mix(token, towards, PICTURE_SHARE * brightness);
    }
    Ok(drawn)
}

/// Fills a rectangle; what falls outside the picture is left out.
pub(super) fn fill(picture: &mut RgbImage, left: u32, top: u32, width: u32, height: u32, colour: Rgb<u8>) {
    for y in top..(top + height).min(picture.height()) {
        for x in left..(left + width).min(picture.width()) {
            picture.put_pixel(x, y, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn black() -> GreyPicture {
        GreyPicture::from_bytes(28, 28, &[0; 784]).unwrap()
    }

    fn hot(side: usize, token: usize) -> ValueMap {
        let mut values = vec![0.0; side * side];
        values[token] = 1.0;
        ValueMap::new(side, side, &values).unwrap()
    }

    /// The rectangle of all pixels of `colour`: left, top, right and bottom, the last two exclusive.
    fn rectangle(drawn: &RgbImage, colour: Rgb<u8>) -> (u32, u32, u32, u32) {
        let pixels: Vec<(u32, u32)> =
            drawn.enumerate_pixels().filter(|(_, _, p)| **p == colour).map(|(x, y, _)| (x, y)).collect();
        let (left, right) = (pixels.iter().map(|p| p.0).min().unwrap(), pixels.iter().map(|p| p.0).max().unwrap());
        let (top, bottom) = (pixels.iter().map(|p| p.1).min().unwrap(), pixels.iter().map(|p| p.1).max().unwrap());
        assert_eq!(pixels.len() as u32, (right - left + 1) * (bottom - top + 1), "not a filled rectangle");
        (left, top, right + 1, bottom + 1)
    }

    #[test]
    fn a_hot_token_colours_exactly_its_block() {
        let hot_colour = sequential_colour(1.0);
        for (side, row, column) in [(7, 0, 0), (7, 6, 6), (7, 2, 5), (14, 3, 10), (14, 13, 0)] {
            let grid = hot(side, row * side + column);
            let scale = AttentionScale::from_zero([&grid]).unwrap();
            let drawn = Panel::attention("hot", &black(), &grid, &scale).draw(224).unwrap();
            assert_eq!(drawn.dimensions(), (224, 224));
            let block = 224 / side as u32;
            let (left, top) = (column as u32 * block, row as u32 * block);
            assert_eq!(rectangle(&drawn, hot_colour), (left, top, left + block, top + block));
        }
    }

    #[test]
    fn a_light_picture_lightens_attention_and_darkens_deviations_as_the_bar_shows() {
        let white = GreyPicture::from_bytes(28, 28, &[255; 784]).unwrap();
        let grid = hot(7, 0);
        let attention = Panel::attention("a", &white, &grid, &AttentionScale::from_zero([&grid]).unwrap());
        let deviation = Panel::deviation("d", &white, &grid, &SharedScale::largest([&grid]).unwrap());
        for (panel, neutral) in [(&attention, 0.0), (&deviation, 0.5)] {
            let (drawn, bar) = (panel.draw(224).unwrap(), panel.bar().unwrap());
            assert_eq!((*drawn.get_pixel(0, 0), *drawn.get_pixel(100, 100)), (bar.lower(1.0), bar.lower(neutral)));
        }
        assert!(attention.draw(224).unwrap().get_pixel(0, 0).0[2] > sequential_colour(1.0).0[2]);
        let black = Panel::deviation("d", &black(), &grid, &SharedScale::largest([&grid]).unwrap()).draw(224).unwrap();
        assert_eq!(black.get_pixel(100, 100).0, [255; 3]);
    }

    #[test]
    fn the_query_frame_runs_along_the_edge_of_its_block() {
        let grid = hot(7, 0);
        let scale = SharedScale::largest([&grid]).unwrap();
        let drawn = Panel::deviation("query", &black(), &grid, &scale).query(17).draw(224).unwrap();
        let red: Vec<(u32, u32)> =
            drawn.enumerate_pixels().filter(|(_, _, p)| **p == QUERY_FRAME).map(|(x, y, _)| (x, y)).collect();
        // token 17 stands in row 2, column 3; two rings of frame on a block of 32 pixels
        assert_eq!(red.len(), 4 * 31 + 4 * 29);
        assert!(red.iter().all(|&(x, y)| (96..128).contains(&x) && (64..96).contains(&y)));
        assert!(red.contains(&(96, 64)) && red.contains(&(127, 95)));
    }

    #[test]
    fn attributions_have_the_colours_of_the_scale_at_eight_times_the_size() {
        let mut values = [0.0; 784];
        (values[28], values[29]) = (2.0, -2.0);
        let map = ValueMap::new(28, 28, &values).unwrap();
        let scale = SharedScale::largest([&map]).unwrap();
        let drawn = Panel::attribution("map", &map, &scale).draw(224).unwrap();
        assert_eq!(rectangle(&drawn, signed_colour(1.0)), (0, 8, 8, 16));
        assert_eq!(rectangle(&drawn, signed_colour(-1.0)), (8, 8, 16, 16));
        assert_eq!(drawn.pixels().filter(|p| p.0 == [255; 3]).count(), 782 * 64);
    }

    #[test]
    fn a_matrix_of_magnitudes_is_drawn_in_whole_pixels_without_a_picture() {
        let map = hot(49, 50);
        let panel = Panel::magnitude("A", &map, &AttentionScale::from_zero([&map]).unwrap());
        let drawn = panel.draw(224).unwrap();
        assert_eq!(drawn.dimensions(), (196, 196));
        assert_eq!(rectangle(&drawn, sequential_colour(1.0)), (4, 4, 8, 8));
        assert_eq!((panel.bar().unwrap().lower(0.3), panel.marks()), (sequential_colour(0.3), Vec::new()));
    }

    #[test]
    fn outlines_run_between_the_segments_and_nowhere_else() {
        let labels: Vec<usize> = (0..784).map(|i| usize::from(i % 28 >= 10)).collect();
        let drawn = Panel::picture("two halves", &black()).outlined(&labels).draw(224).unwrap();
        assert_eq!(rectangle(&drawn, OUTLINE), (79, 0, 81, 224));
        let undivided = Panel::picture("one", &black()).outlined(&[4; 784]).draw(224).unwrap();
        assert!(undivided.pixels().all(|p| p.0 == [0; 3]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let grid = hot(5, 0);
        let scale = SharedScale::largest([&grid]).unwrap();
        assert_eq!(
            Panel::deviation("five", &black(), &grid, &scale).draw(224).unwrap_err().to_string(),
            "token grid: found 5x5, expected a grid of whole blocks of at least 8 pixels on 224x224 pixels"
        );
        assert_eq!(
            Panel::picture("labels", &black()).outlined(&[0; 3]).draw(224).unwrap_err().to_string(),
            "segment outlines: found 3 labels, expected 784"
        );
        let grid = hot(7, 0);
        assert_eq!(
            Panel::deviation("far", &black(), &grid, &scale).query(49).draw(224).unwrap_err().to_string(),
            "query token: found 49 at panel \"far\", expected a number from 0 to 48"
        );
        assert!(matches!(Panel::picture("none", &black()).query(0).draw(224), Err(ReportError::Empty { .. })));
    }

    #[test]
    fn a_map_refuses_what_is_no_number() {
        let error = ValueMap::new(2, 2, &[0.0, 1.0, 2.0, f32::NAN]).unwrap_err().to_string();
        assert_eq!(error, "map: found NaN at row 1, column 1, expected a finite number");
        assert!(matches!(ValueMap::new(1, 1, &[f32::INFINITY]), Err(ReportError::NotFinite { .. })));
        assert!(matches!(ValueMap::new(2, 1, &[0.0]), Err(ReportError::Size { .. })));
    }
}
