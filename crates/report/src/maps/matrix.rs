//! Small panels in rows and columns with headings, and below them what their colours mean.

use super::Panel;
use super::layout::{
    FAINT_INK, INK, Line, MARGIN, PAPER, bar_height, block_height, block_width, draw_bar, draw_framed, draw_lines,
    legend, lines,
};
use super::panel::{ColourBar, ScaleKey};
use crate::ReportError;
use crate::raster::RgbImage;
use crate::text::TextStyle;

const GAP: u32 = 12;
/// Room for the heading of a row.
const HEADING_WIDTH: u32 = 120;
const BAR_WIDTH: u32 = 224;
/// Least room for the words beside a colour bar.
const WORDS_WIDTH: u32 = 430;
const FIGURE: &str = "matrix of maps";

/// Many maps that differ in two ways: heads by layers, tokens that ask by layers, methods by images.
///
/// Rows and columns have headings in place of the panels' own titles. The maps come first, the image beside them in the
/// size of the panels, and one colour bar for each scale below. So panels can be small; [`Sheet`](crate::Sheet) is for a
/// few large ones.
#[derive(Debug, Clone, PartialEq)]
pub struct MapMatrix {
    /// The line above all.
    pub title: String,
    /// The line below the title: class, probability, dataset. Empty for none.
    pub subtitle: String,
    /// What the maps are about, in front of the first row.
    pub image: Option<Panel>,
    /// Width of a panel in pixels, as far as whole pixels of the image allow.
    pub panel_width: usize,
    /// Headings of the columns.
    pub columns: Vec<String>,
    /// Rows from top to bottom.
    pub rows: Vec<MatrixRow>,
    /// Over which panels a scale reaches.
    pub scale: MatrixScale,
    /// Lines below the colour bars.
    pub notes: Vec<String>,
}

/// Over which panels of a [`MapMatrix`] a scale reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MatrixScale {
    /// Every panel has a scale of its own, whose ends stand below it. A faint map is as easy to read as a strong one, and
    /// colours of different panels do not compare.
    #[default]
    EachPanel,
    /// The panels keep the scales that they were made with. Equal colours mean equal values wherever that is one scale.
    AsGiven,
}

/// A row of a [`MapMatrix`].
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixRow {
    /// What the row shows, to its left.
    pub heading: String,
    /// A panel for each column; none where there is nothing to show.
    pub panels: Vec<Option<Panel>>,
}

/// A panel's pixels with the lines below them.
struct Cell {
    pixels: RgbImage,
    note: Vec<Line>,
}

/// A row with its words broken into lines.
struct DrawnRow {
    heading: Vec<Line>,
    cells: Vec<Option<Cell>>,
}

/// A colour bar with the scale in words.
struct BarWithWords {
    bar: ColourBar,
    words: Vec<Line>,
}

impl MapMatrix {
    /// Draws the matrix. The same matrix gives the same pixels.
    pub fn draw(&self) -> Result<RgbImage, ReportError> {
        self.check()?;
        let scaled = self.scaled()?;
        let rows = scaled.iter().map(|row| self.draw_row(row)).collect::<Result<Vec<_>, _>>()?;
        let image = self.image.as_ref().map(|panel| panel.draw(self.panel_width)).transpose()?;
        let cells = || rows.iter().flat_map(|row| row.cells.iter().flatten());
        let cell_width = cells().map(|cell| cell.pixels.width()).max().unwrap_or(0);
        let heading_width = rows.iter().map(|row| block_width(&row.heading)).max().unwrap_or(0);
        let image_left = MARGIN + if heading_width > 0 { heading_width + GAP } else { 0 };
        let left = image_left + image.as_ref().map_or(0, |image| image.width() + GAP);
        let right = left + self.columns.len() as u32 * (cell_width + GAP) - GAP;
        let inner = right.max(MARGIN + BAR_WIDTH + GAP + WORDS_WIDTH) - MARGIN;

        let mut head = lines(&self.title, TextStyle::Title, INK, inner);
        head.extend(lines(&self.subtitle, TextStyle::Label, FAINT_INK, inner));
        let headings: Vec<Vec<Line>> =
            self.columns.iter().map(|text| lines(text, TextStyle::Strong, INK, cell_width)).collect();
        let headings_height = headings.iter().map(|lines| block_height(lines)).max().unwrap_or(0);
        let image_height = image.as_ref().map_or(0, RgbImage::height);
        let row_height = |place: usize| rows[place].height().max(if place == 0 { image_height } else { 0 });
        let body: u32 = (0..rows.len()).map(|place| row_height(place) + GAP).sum();
        let bars = self.bars(inner - BAR_WIDTH - GAP);
        let words = self.words(inner);
        let legend_height = bars.iter().map(BarWithWords::height).sum::<u32>() + block_height(&words);
        let height = MARGIN + block_height(&head) + GAP + headings_height + 4 + body + GAP + legend_height + MARGIN;

        let mut drawn = RgbImage::from_pixel(inner + 2 * MARGIN, height, PAPER);
        let mut y = draw_lines(&mut drawn, MARGIN, MARGIN, &head) + GAP;
        let column_x = |column: usize| left + column as u32 * (cell_width + GAP);
        for (column, words) in headings.iter().enumerate() {
            // short headings stand directly above their panels, beside longer ones
            draw_lines(&mut drawn, column_x(column), y + headings_height - block_height(words), words);
        }
        y += headings_height + 4;
        if let Some(image) = &image {
            draw_framed(&mut drawn, image_left, y, image);
        }
        for (place, row) in rows.iter().enumerate() {
            draw_lines(&mut drawn, MARGIN, y, &row.heading);
            for (column, cell) in row.cells.iter().enumerate() {
                if let Some(cell) = cell {
                    draw_framed(&mut drawn, column_x(column), y, &cell.pixels);
                    draw_lines(&mut drawn, column_x(column), y + cell.pixels.height() + 2, &cell.note);
                }
            }
            y += row_height(place) + GAP;
        }
        let below_bars = bars.iter().fold(y + GAP, |y, bar| bar.draw(&mut drawn, MARGIN, y));
        draw_lines(&mut drawn, MARGIN, below_bars, &words);
        Ok(drawn)
    }

    /// The rows with the scales that the matrix has.
    fn scaled(&self) -> Result<Vec<MatrixRow>, ReportError> {
        match self.scale {
            MatrixScale::AsGiven => Ok(self.rows.clone()),
            MatrixScale::EachPanel => {
                let of_row = |row: &MatrixRow| {
                    let panels = row.panels.iter().map(|panel| panel.as_ref().map(Panel::rescaled).transpose());
                    Ok(MatrixRow { heading: row.heading.clone(), panels: panels.collect::<Result<_, ReportError>>()? })
                };
                self.rows.iter().map(of_row).collect()
            }
        }
    }

    fn check(&self) -> Result<(), ReportError> {
        if self.columns.is_empty() {
            return Err(ReportError::Empty { figure: FIGURE, item: "column" });
        }
        if self.panels().next().is_none() {
            return Err(ReportError::Empty { figure: FIGURE, item: "panel" });
        }
        let wrong = self.rows.iter().find(|row| row.panels.len() != self.columns.len());
        wrong.map_or(Ok(()), |row| {
            Err(ReportError::Size {
                figure: FIGURE,
                item: "panels in a row",
                found: row.panels.len(),
                expected: self.columns.len(),
            })
        })
    }

    fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| row.panels.iter().flatten())
    }

    fn draw_row(&self, row: &MatrixRow) -> Result<DrawnRow, ReportError> {
        let cell = |panel: &Panel| {
            let pixels = panel.draw(self.panel_width)?;
            let ends = panel.ends().filter(|_| self.scale == MatrixScale::EachPanel);
            let mut note = lines(&ends.unwrap_or_default(), TextStyle::Label, INK, pixels.width());
            note.extend(lines(&panel.note, TextStyle::Label, FAINT_INK, pixels.width()));
            Ok(Cell { pixels, note })
        };
        let cells = row.panels.iter().map(|panel| panel.as_ref().map(cell).transpose());
        Ok(DrawnRow {
            heading: lines(&row.heading, TextStyle::Label, INK, HEADING_WIDTH),
            cells: cells.collect::<Result<_, ReportError>>()?,
        })
    }

    /// A bar for each scale, in the order in which they appear; a scale of its own for each panel is shown once.
    fn bars(&self, width: u32) -> Vec<BarWithWords> {
        let mut known: Vec<String> = Vec::new();
        let mut bars = Vec::new();
        for panel in self.panels() {
            let (Some(mut bar), Some(mut text), Some(key)) = (panel.bar(), panel.scale_words(), panel.scale_key())
            else {
                continue;
            };
            if self.scale == MatrixScale::EachPanel {
                let ends = if key.is_signed { ["-", "0", "+"] } else { ["lowest", "", "highest"] };
                bar.numbers = ends.map(str::to_owned);
                text = words_of_panels(key);
            }
            if !known.contains(&text) {
                let words = lines(&text, TextStyle::Label, INK, width);
                bars.push(BarWithWords { bar, words });
                known.push(text);
            }
        }
        bars
    }

    /// What else must be known of the colours and marks, each line once, then the notes.
    fn words(&self, width: u32) -> Vec<Line> {
        let texts = legend(self.panels().chain(&self.image).flat_map(Panel::marks).chain(self.notes.iter().cloned()));
        texts.iter().flat_map(|text| lines(text, TextStyle::Label, FAINT_INK, width)).collect()
    }
}

/// What a bar of scales that differ from panel to panel says.
fn words_of_panels(key: ScaleKey) -> String {
    let unit = if key.unit.is_empty() { String::new() } else { format!("{}: ", key.unit) };
    format!("{unit}each map has a scale of its own, whose ends stand below it")
}

impl DrawnRow {
    fn height(&self) -> u32 {
        let cell = |cell: &Cell| cell.pixels.height() + 2 + block_height(&cell.note);
        self.cells.iter().flatten().map(cell).max().unwrap_or(0).max(block_height(&self.heading))
    }
}

impl BarWithWords {
    /// Draws bar and words beside each other and returns where the next bar would stand.
    fn draw(&self, image: &mut RgbImage, x: u32, y: u32) -> u32 {
        draw_bar(image, x, y, BAR_WIDTH, &self.bar);
        draw_lines(image, x + BAR_WIDTH + GAP, y, &self.words);
        y + self.height()
    }

    fn height(&self) -> u32 {
        bar_height().max(block_height(&self.words)) + 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionScale, ByteImage, Rgb, SharedScale, ValueMap};

    fn matrix() -> MapMatrix {
        let image = ByteImage::from_bytes([1, 28, 28], &[200; 784]).unwrap();
        let grid = ValueMap::new([7, 7], &[0.25; 49]).unwrap();
        let signed = SharedScale::largest([&grid]).unwrap().with_unit("weight");
        let weights = AttentionScale::from_zero([&grid]).unwrap();
        let row = |heading: &str| MatrixRow {
            heading: heading.to_owned(),
            panels: vec![
                Some(Panel::image("", &image)),
                Some(Panel::attention("", &image, &grid, &weights).note("a note")),
                Some(Panel::deviation("", &image, &grid, &signed).query(24)),
                None,
            ],
        };
        MapMatrix {
            title: "Heads".to_owned(),
            subtitle: "class Pullover".to_owned(),
            image: Some(Panel::image("", &image)),
            panel_width: 112,
            columns: ["image", "weights", "deviation", "a longer heading of a column"].map(str::to_owned).to_vec(),
            rows: vec![row("layer 1"), row("layer 2 of two, the last one")],
            scale: MatrixScale::AsGiven,
            notes: vec!["tokens see more than their patch".to_owned()],
        }
    }

    #[test]
    fn panels_stand_whole_and_apart() {
        let drawn = matrix().draw().unwrap();
        let plain = drawn.pixels().iter().filter(|p| p.0 == [200; 3]).count();
        let expected = 3 * 112 * 112;
        assert!((expected..expected + 60).contains(&plain), "{plain} pixels of the plain images");
        for x in 0..drawn.width() {
            assert_eq!((drawn.pixel(x, 0), drawn.pixel(x, drawn.height() - 1)), (Some(PAPER), Some(PAPER)));
        }
        for y in 0..drawn.height() {
            assert_eq!((drawn.pixel(0, y), drawn.pixel(drawn.width() - 1, y)), (Some(PAPER), Some(PAPER)));
        }
    }

    #[test]
    fn each_scale_has_one_bar() {
        let matrix = matrix();
        let bars = matrix.bars(1000);
        assert_eq!(bars.len(), 2);
        assert_eq!(bars[0].words[0].text, "0 to 0.250");
        assert!(bars[1].words[0].text.starts_with("-0.250 to +0.250 (weight)"));
        let foot: Vec<String> = matrix.words(1000).into_iter().map(|line| line.text).collect();
        assert_eq!(foot.last().unwrap(), "tokens see more than their patch");
        assert_eq!(foot.iter().filter(|line| line.starts_with("red frame")).count(), 1);
    }

    #[test]
    fn each_panel_has_its_own_scale_unless_one_is_asked_for() {
        let image = ByteImage::from_bytes([1, 8, 8], &[200; 64]).unwrap();
        let map = |value: f32| ValueMap::new([1, 2], &[value, -value]).unwrap();
        let (faint, strong) = (map(0.001), map(2.0));
        let shared = SharedScale::largest([&faint, &strong]).unwrap().with_unit("logits");
        let panel = |map: &ValueMap| Some(Panel::attribution("", map, &shared));
        let mut matrix = MapMatrix {
            title: "Two images".to_owned(),
            subtitle: String::new(),
            image: Some(Panel::image("", &image)),
            panel_width: 80,
            columns: vec!["faint".to_owned(), "strong".to_owned()],
            rows: vec![
                MatrixRow { heading: "a method".to_owned(), panels: vec![panel(&faint), panel(&strong)] },
                MatrixRow { heading: "another".to_owned(), panels: vec![panel(&map(0.0005)), None] },
            ],
            scale: MatrixScale::default(),
            notes: Vec::new(),
        };
        let ends = |matrix: &MapMatrix| -> Vec<String> {
            let rows = matrix.scaled().unwrap();
            rows.iter().flat_map(|row| row.panels.iter().flatten().filter_map(Panel::ends)).collect()
        };
        assert_eq!(ends(&matrix), ["\u{b1}0.00100", "\u{b1}2.000", "\u{b1}5.0e-4"]);
        let darkest = |drawn: &RgbImage| drawn.pixels().iter().filter(|pixel| pixel.0 == [103, 0, 31]).count();
        let apart = matrix.draw().unwrap();
        let of_panels = matrix.bars(1000);
        assert_eq!(of_panels.len(), 1);
        assert!(of_panels[0].words[0].text.starts_with("logits: each map has a scale of its own"));
        matrix.scale = MatrixScale::AsGiven;
        assert_eq!(ends(&matrix), ["\u{b1}2.000"; 3]);
        let given = matrix.draw().unwrap();
        // half of a panel of 80 × 40 pixels has the colour of the end, in three panels or in one
        assert!(darkest(&apart) - darkest(&given) >= 3200, "{} {}", darkest(&apart), darkest(&given));
    }

    #[test]
    fn the_maps_come_before_what_their_colours_mean() {
        let drawn = matrix().draw().unwrap();
        // a row of the image, and not of a letter whose edge has the same grey
        let is_of_image =
            |y: &u32| (0..drawn.width()).filter(|&x| drawn.pixel(x, *y) == Some(Rgb([200; 3]))).count() > 99;
        let image_end = (0..drawn.height()).filter(is_of_image).max().unwrap();
        // the brightest colour of viridis stands at the end of a bar
        let bar = drawn.enumerate_pixels().filter(|(x, _, _)| *x < MARGIN + BAR_WIDTH);
        let bar_start = bar.filter(|(_, _, pixel)| *pixel == Rgb([253, 231, 37])).map(|(_, y, _)| y).min().unwrap();
        assert!(image_end < bar_start, "the last image ends in row {image_end}, the first bar begins in {bar_start}");
    }

    #[test]
    fn a_matrix_needs_a_panel_for_each_column() {
        let mut short = matrix();
        short.rows[1].panels.pop();
        assert_eq!(short.draw().unwrap_err().to_string(), "matrix of maps: found 3 panels in a row, expected 4");
        let empty = MapMatrix { rows: Vec::new(), ..matrix() };
        assert!(matches!(empty.draw(), Err(ReportError::Empty { item: "panel", .. })));
        let empty = MapMatrix { columns: Vec::new(), ..matrix() };
        assert!(matches!(empty.draw(), Err(ReportError::Empty { item: "column", .. })));
    }
}
