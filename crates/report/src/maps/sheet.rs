//! Panels side by side, with a title above and what their colours mean below.

use crate::raster::RgbImage;

use super::Panel;
use super::layout::{
    FAINT_INK, INK, Line, MARGIN, PAPER, bar_height, block_height, draw_bar, draw_framed, draw_lines, legend, lines,
};
use crate::ReportError;
use crate::text::TextStyle;

const GAP: u32 = 20;
/// Width of a panel, as far as whole pixels allow: 28 pixels become 224.
const PANEL_WIDTH: usize = 224;

/// Panels in a grid: all methods of one image, all heads of all layers, one query in all of them.
///
/// The foot says by itself which scales the panels have and how the image shows through overlays.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The line above all.
    pub title: String,
    /// The line below the title: class, probability, dataset. Empty for none.
    pub subtitle: String,
    /// Panels in a row.
    pub columns: usize,
    /// Panels, row by row.
    pub panels: Vec<Panel>,
    /// Lines at the foot.
    pub notes: Vec<String>,
}

/// A panel with its words broken into lines.
struct Drawn {
    pixels: RgbImage,
    title: Vec<Line>,
    foot: Vec<Line>,
}

impl Sheet {
    /// Draws the sheet. The same sheet gives the same pixels.
    pub fn draw(&self) -> Result<RgbImage, ReportError> {
        let figure = "sheet of maps";
        if self.panels.is_empty() {
            return Err(ReportError::Empty { figure, item: "panel" });
        }
        if self.columns == 0 {
            return Err(ReportError::Empty { figure, item: "column" });
        }
        let pixels = self.panels.iter().map(|panel| panel.draw(PANEL_WIDTH)).collect::<Result<Vec<_>, _>>()?;
        let cell_width = pixels.iter().map(RgbImage::width).max().unwrap_or(0);
        let drawn: Vec<Drawn> =
            self.panels.iter().zip(pixels).map(|(p, pixels)| words(p, pixels, cell_width)).collect();

        let columns = self.columns.min(drawn.len()) as u32;
        let inner = columns * cell_width + (columns - 1) * GAP;
        let mut head = lines(&self.title, TextStyle::Title, INK, inner);
        head.extend(lines(&self.subtitle, TextStyle::Label, FAINT_INK, inner));
        let foot = self.foot(inner);

        let rows: Vec<&[Drawn]> = drawn.chunks(self.columns).collect();
        let row_heights = rows.iter().map(|row| row_height(row));
        let body: u32 = row_heights.map(|height| height + GAP).sum();
        let height = MARGIN + block_height(&head) + GAP / 2 + body + block_height(&foot) + MARGIN;
        let mut sheet = RgbImage::from_pixel(inner + 2 * MARGIN, height, PAPER);
        let mut y = draw_lines(&mut sheet, MARGIN, MARGIN, &head) + GAP / 2;
        for (index, row) in rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let x = MARGIN + column as u32 * (cell_width + GAP);
                let panel = &self.panels[index * self.columns + column];
                draw_cell(&mut sheet, x, y, panel, cell, title_height(row));
            }
            y += row_height(row) + GAP;
        }
        draw_lines(&mut sheet, MARGIN, y, &foot);
        Ok(sheet)
    }

    /// What the marks in the panels mean, each line once, then the notes. The scales stand below their panels.
    fn foot(&self, width: u32) -> Vec<Line> {
        let texts = legend(self.panels.iter().flat_map(Panel::marks).chain(self.notes.iter().cloned()));
        texts.iter().flat_map(|text| lines(text, TextStyle::Label, FAINT_INK, width)).collect()
    }
}

fn words(panel: &Panel, pixels: RgbImage, width: u32) -> Drawn {
    let title = lines(&panel.title, TextStyle::Strong, INK, width);
    let mut foot = lines(&panel.range().unwrap_or_default(), TextStyle::Label, FAINT_INK, width);
    foot.extend(lines(&panel.note, TextStyle::Label, INK, width));
    Drawn { pixels, title, foot }
}

fn title_height(row: &[Drawn]) -> u32 {
    row.iter().map(|cell| block_height(&cell.title)).max().unwrap_or(0)
}

fn row_height(row: &[Drawn]) -> u32 {
    let below = |cell: &Drawn| cell.pixels.height() + 2 + 6 + bar_height() + block_height(&cell.foot);
    title_height(row) + 4 + row.iter().map(below).max().unwrap_or(0)
}

/// Draws title, pixels with an edge around them, colour bar and foot of a panel.
fn draw_cell(sheet: &mut RgbImage, x: u32, top: u32, panel: &Panel, cell: &Drawn, title_height: u32) {
    // titles of one line stand directly above their image, beside titles of two
    draw_lines(sheet, x, top + title_height - block_height(&cell.title), &cell.title);
    let y = top + title_height + 4;
    let (width, height) = (cell.pixels.width(), cell.pixels.height());
    draw_framed(sheet, x, y, &cell.pixels);
    let mut below = y + height + 6;
    if let Some(bar) = panel.bar() {
        below = draw_bar(sheet, x, below, width, &bar);
    }
    draw_lines(sheet, x, below, &cell.foot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionScale, ByteImage, SharedScale, ValueMap};

    fn sheet() -> Sheet {
        let image = ByteImage::from_bytes([1, 28, 28], &[200; 784]).unwrap();
        let values: Vec<f32> = (0..784).map(|i| i as f32 - 392.0).collect();
        let map = ValueMap::new([28, 28], &values).unwrap();
        let grid = ValueMap::new([7, 7], &[0.25; 49]).unwrap();
        let signed = SharedScale::largest([&map]).unwrap();
        let attention = AttentionScale::from_zero([&grid]).unwrap();
        Sheet {
            title: "Every method".to_owned(),
            subtitle: "class Pullover, probability 0.91".to_owned(),
            columns: 2,
            panels: vec![
                Panel::image("image", &image),
                Panel::attribution("Integrated Gradients", &map, &signed),
                Panel::attention("rollout", &image, &grid, &attention).note("tokens see more than their patch"),
            ],
            notes: vec!["a note".to_owned()],
        }
    }

    #[test]
    fn panels_stand_whole_and_apart() {
        let drawn = sheet().draw().unwrap();
        assert_eq!(drawn.width(), 2 * 224 + GAP + 2 * MARGIN);
        let plain = drawn.pixels().iter().filter(|p| p.0 == [200; 3]).count();
        assert!((224 * 224..224 * 224 + 40).contains(&plain), "{plain} pixels of the plain image");
        for x in 0..drawn.width() {
            assert_eq!((drawn.pixel(x, 0), drawn.pixel(x, drawn.height() - 1)), (Some(PAPER), Some(PAPER)));
        }
        for y in 0..drawn.height() {
            assert_eq!((drawn.pixel(0, y), drawn.pixel(drawn.width() - 1, y)), (Some(PAPER), Some(PAPER)));
        }
    }

    #[test]
    fn the_foot_says_everything_once_and_no_scale() {
        let mut sheet = sheet();
        sheet.panels.push(sheet.panels[1].clone().note("again"));
        let foot: Vec<String> = sheet.foot(1000).into_iter().map(|line| line.text).collect();
        assert_eq!(foot.iter().filter(|line| line.starts_with("white line")).count(), 1, "{foot:?}");
        assert!(foot.iter().all(|line| !line.contains("scale from")), "{foot:?}");
        assert_eq!(foot.last().unwrap(), "a note");
    }

    #[test]
    fn the_same_sheet_gives_the_same_bytes() {
        let bytes = || crate::encode_png(&sheet().draw().unwrap()).unwrap();
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn a_sheet_needs_panels_and_columns() {
        let without = Sheet { panels: Vec::new(), ..sheet() };
        assert!(matches!(without.draw(), Err(ReportError::Empty { item: "panel", .. })));
        let without = Sheet { columns: 0, ..sheet() };
        assert!(matches!(without.draw(), Err(ReportError::Empty { item: "column", .. })));
    }
}
