//! Small panels in rows and columns with headings, under shared colour bars.

use image::RgbImage;

use super::Panel;
use super::layout::{
    FAINT_INK, INK, Line, MARGIN, PAPER, bar_height, block_height, block_width, draw_bar, draw_framed, draw_lines,
    legend, lines,
};
use super::panel::ColourBar;
use crate::ReportError;
use crate::text::TextStyle;

const GAP: u32 = 12;
/// Room for the heading of a row.
const HEADING_WIDTH: u32 = 120;
const BAR_WIDTH: u32 = 224;
/// Width of the picture beside the explanations of the colours, as far as whole pixels allow.
const PICTURE_WIDTH: usize = 224;
/// Least room for words.
const WORDS_WIDTH: u32 = 430;
const FIGURE: &str = "matrix of maps";

/// Many maps that differ in two ways: heads by layers, tokens that ask by layers, methods by pictures.
///
/// Rows and columns have headings in place of the panels' own titles, and each scale has one colour bar above them. So
/// panels can be small; [`Sheet`](crate::Sheet) is for a few large ones.
#[derive(Debug, Clone, PartialEq)]
pub struct MapMatrix {
    /// The line above all.
    pub title: String,
    /// The line below the title: class, probability, dataset. Empty for none.
    pub subtitle: String,
    /// What the maps are about, large, beside what their colours mean.
    pub picture: Option<Panel>,
    /// Width of a panel in pixels, as far as whole pixels of the picture allow.
    pub panel_width: usize,
    /// Headings of the columns.
    pub columns: Vec<String>,
    /// Rows from top to bottom.
    pub rows: Vec<MatrixRow>,
    /// Lines below the colour bars.
    pub notes: Vec<String>,
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
        let rows = self.rows.iter().map(|row| self.draw_row(row)).collect::<Result<Vec<_>, _>>()?;
        let cells = || rows.iter().flat_map(|row| row.cells.iter().flatten());
        let cell_width = cells().map(|cell| cell.pixels.width()).max().unwrap_or(0);
        let heading_width = rows.iter().map(|row| block_width(&row.heading)).max().unwrap_or(0);
        let picture = self.picture.as_ref().map(|panel| panel.draw(PICTURE_WIDTH)).transpose()?;
        let left = MARGIN + if heading_width > 0 { heading_width + GAP } else { 0 };
        let right = left + self.columns.len() as u32 * (cell_width + GAP) - GAP;
        let words_left = MARGIN + picture.as_ref().map_or(0, |picture| picture.width() + 2 * GAP);
        let inner = (right.max(words_left + WORDS_WIDTH)) - MARGIN;
        let words_width = MARGIN + inner - words_left;

        let mut head = lines(&self.title, TextStyle::Title, INK, inner);
        head.extend(lines(&self.subtitle, TextStyle::Label, FAINT_INK, inner));
        let bars = self.bars(words_width);
        let words = self.words(words_width);
        let headings: Vec<Vec<Line>> =
            self.columns.iter().map(|text| lines(text, TextStyle::Strong, INK, cell_width)).collect();
        let headings_height = headings.iter().map(|lines| block_height(lines)).max().unwrap_or(0);
        let meanings_height = bars.iter().map(BarWithWords::height).sum::<u32>() + block_height(&words);
        let top_height = meanings_height.max(picture.as_ref().map_or(0, RgbImage::height)) + 2 * GAP;
        let body: u32 = rows.iter().map(|row| row.height() + GAP).sum();
        let height = MARGIN + block_height(&head) + GAP + top_height + headings_height + 4 + body - GAP + MARGIN;

        let mut drawn = RgbImage::from_pixel(inner + 2 * MARGIN, height, PAPER);
        let top = draw_lines(&mut drawn, MARGIN, MARGIN, &head) + GAP;
        if let Some(picture) = &picture {
            draw_framed(&mut drawn, MARGIN, top, picture);
        }
        let below_bars = bars.iter().fold(top, |y, bar| bar.draw(&mut drawn, words_left, y));
        draw_lines(&mut drawn, words_left, below_bars, &words);

        let column_x = |column: usize| left + column as u32 * (cell_width + GAP);
        let mut y = top + top_height;
        for (column, words) in headings.iter().enumerate() {
            // short headings stand directly above their panels, beside longer ones
            draw_lines(&mut drawn, column_x(column), y + headings_height - block_height(words), words);
        }
        y += headings_height + 4;
        for row in &rows {
            draw_lines(&mut drawn, MARGIN, y, &row.heading);
            for (column, cell) in row.cells.iter().enumerate() {
                if let Some(cell) = cell {
                    draw_framed(&mut drawn, column_x(column), y, &cell.pixels);
                    draw_lines(&mut drawn, column_x(column), y + cell.pixels.height() + 2, &cell.note);
                }
            }
            y += row.height() + GAP;
        }
        Ok(drawn)
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
            let note = lines(&panel.note, TextStyle::Label, FAINT_INK, pixels.width());
            Ok(Cell { pixels, note })
        };
        let cells = row.panels.iter().map(|panel| panel.as_ref().map(cell).transpose());
        Ok(DrawnRow {
            heading: lines(&row.heading, TextStyle::Label, INK, HEADING_WIDTH),
            cells: cells.collect::<Result<_, ReportError>>()?,
        })
    }

    /// A bar for each scale, in the order in which they appear.
    fn bars(&self, width: u32) -> Vec<BarWithWords> {
        let mut known: Vec<String> = Vec::new();
        let mut bars = Vec::new();
        for panel in self.panels() {
            let (Some(bar), Some(text)) = (panel.bar(), panel.scale_words()) else { continue };
            if !known.contains(&text) {
                let words = lines(&text, TextStyle::Label, INK, width - BAR_WIDTH - GAP);
                bars.push(BarWithWords { bar, words });
                known.push(text);
            }
        }
        bars
    }

    /// What else must be known of the colours and marks, each line once, then the notes.
    fn words(&self, width: u32) -> Vec<Line> {
        let texts = legend(self.panels().chain(&self.picture).flat_map(Panel::marks).chain(self.notes.iter().cloned()));
        texts.iter().flat_map(|text| lines(text, TextStyle::Label, FAINT_INK, width)).collect()
    }
}

impl DrawnRow {
    fn height(&self) -> u32 {
        let cell = |cell: &Cell| cell.pixels.height() + 2 + block_height(&cell.note);
        self.cells.iter().flatten().map(cell).max().unwrap_or(0).max(block_height(&self.heading))
    }
}

impl BarWithWords {
    /// Draws bar and words beside each other and returns where the next bar would stand.
    fn draw(&self, picture: &mut RgbImage, x: u32, y: u32) -> u32 {
        draw_bar(picture, x, y, BAR_WIDTH, &self.bar);
        draw_lines(picture, x + BAR_WIDTH + GAP, y, &self.words);
        y + self.height()
    }

    fn height(&self) -> u32 {
        bar_height().max(block_height(&self.words)) + 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionScale, GreyPicture, SharedScale, ValueMap};

    fn matrix() -> MapMatrix {
        let picture = GreyPicture::from_bytes(28, 28, &[200; 784]).unwrap();
        let grid = ValueMap::new(7, 7, &[0.25; 49]).unwrap();
        let signed = SharedScale::largest([&grid]).unwrap().with_unit("weight");
        let weights = AttentionScale::from_zero([&grid]).unwrap();
        let row = |heading: &str| MatrixRow {
            heading: heading.to_owned(),
            panels: vec![
                Some(Panel::picture("", &picture)),
                Some(Panel::attention("", &picture, &grid, &weights).note("a note")),
                Some(Panel::deviation("", &picture, &grid, &signed).query(24)),
                None,
            ],
        };
        MapMatrix {
            title: "Heads".to_owned(),
            subtitle: "class Pullover".to_owned(),
            picture: Some(Panel::picture("", &picture)),
            panel_width: 112,
            columns: ["picture", "weights", "deviation", "a longer heading of a column"].map(str::to_owned).to_vec(),
            rows: vec![row("layer 1"), row("layer 2 of two, the last one")],
            notes: vec!["tokens see more than their patch".to_owned()],
        }
    }

    #[test]
    fn panels_stand_whole_and_apart() {
        let drawn = matrix().draw().unwrap();
        let plain = drawn.pixels().filter(|p| p.0 == [200; 3]).count();
        let expected = 2 * 112 * 112 + 224 * 224;
        assert!((expected..expected + 60).contains(&plain), "{plain} pixels of the plain pictures");
        for x in 0..drawn.width() {
            assert_eq!((drawn.get_pixel(x, 0).0, drawn.get_pixel(x, drawn.height() - 1).0), ([255; 3], [255; 3]));
        }
        for y in 0..drawn.height() {
            assert_eq!((drawn.get_pixel(0, y).0, drawn.get_pixel(drawn.width() - 1, y).0), ([255; 3], [255; 3]));
        }
    }

    #[test]
    fn each_scale_has_one_bar() {
        let matrix = matrix();
        let bars = matrix.bars(1000);
        assert_eq!(bars.len(), 2);
        assert_eq!(bars[0].words[0].text, "scale from 0 to 0.250");
        assert!(bars[1].words[0].text.starts_with("signed scale from -0.250 to +0.250 (weight)"));
        let foot: Vec<String> = matrix.words(1000).into_iter().map(|line| line.text).collect();
        assert_eq!(foot.last().unwrap(), "tokens see more than their patch");
        assert_eq!(foot.iter().filter(|line| line.starts_with("red frame")).count(), 1);
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
