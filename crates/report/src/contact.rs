//! Contact sheets: images of a dataset, plain beside augmented, a row for each class.

use crate::raster::{Rgb, RgbImage};

use crate::text::{TextStyle, draw_text};
use crate::{ByteImage, ReportError};

/// A row of a contact sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRow {
    /// What the images show, in front of the row.
    pub label: String,
    /// Images as they are in the dataset.
    pub plain: Vec<ByteImage>,
    /// The same images as the training sees them; empty if there are none to show.
    pub augmented: Vec<ByteImage>,
}

/// A contact sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSheet {
    /// The line above all.
    pub title: String,
    /// The line below the title, as for the dataset; empty for none.
    pub subtitle: String,
    /// Rows from top to bottom.
    pub rows: Vec<ContactRow>,
}

const ZOOM: u32 = 2;
const GAP: u32 = 6;
const MARGIN: u32 = 16;
const PAPER: Rgb = Rgb([255; 3]);
const INK: Rgb = Rgb([26; 3]);
const FAINT_INK: Rgb = Rgb([90; 3]);

impl ContactSheet {
    /// Draws the sheet: labels on the left, then the plain images, then the augmented ones, all twice as large.
    pub fn draw(&self) -> Result<RgbImage, ReportError> {
        let layout = Layout::of(self)?;
        let mut sheet = RgbImage::from_pixel(layout.width, layout.height, PAPER);
        draw_text(&mut sheet, MARGIN, MARGIN, &self.title, TextStyle::Title, INK);
        if !self.subtitle.is_empty() {
            let y = MARGIN + TextStyle::Title.line_height();
            draw_text(&mut sheet, MARGIN, y, &self.subtitle, TextStyle::Label, FAINT_INK);
        }
        let heading_y = layout.top - TextStyle::Strong.line_height() - 2;
        if layout.plain_columns > 0 {
            draw_text(&mut sheet, layout.plain_x, heading_y, "plain", TextStyle::Strong, INK);
        }
        if layout.augmented_columns > 0 {
            draw_text(&mut sheet, layout.augmented_x, heading_y, "augmented", TextStyle::Strong, INK);
        }
        for (index, row) in self.rows.iter().enumerate() {
            let y = layout.top + index as u32 * layout.cell_height;
            let label_y = y + (layout.cell_height - GAP).saturating_sub(TextStyle::Label.line_height()) / 2;
            draw_text(&mut sheet, MARGIN, label_y, &row.label, TextStyle::Label, INK);
            for (x, images) in [(layout.plain_x, &row.plain), (layout.augmented_x, &row.augmented)] {
                for (column, image) in images.iter().enumerate() {
                    let x = x + column as u32 * layout.cell_width;
                    sheet.paste(&image.enlarged(ZOOM), x, y);
                }
            }
        }
        Ok(sheet)
    }
}

/// Where the parts of a sheet stand, in pixels.
struct Layout {
    width: u32,
    height: u32,
    /// Upper edge of the first row.
    top: u32,
    cell_width: u32,
    cell_height: u32,
    plain_x: u32,
    plain_columns: u32,
    augmented_x: u32,
    augmented_columns: u32,
}

impl Layout {
    fn of(sheet: &ContactSheet) -> Result<Self, ReportError> {
        let figure = "contact sheet";
        let images = || sheet.rows.iter().flat_map(|row| row.plain.iter().chain(&row.augmented));
        let first = images().next().ok_or(ReportError::Empty { figure, item: "image" })?;
        if let Some(other) = images().find(|p| (p.width(), p.height()) != (first.width(), first.height())) {
            return Err(ReportError::Shape {
                figure,
                found_height: other.height(),
                found_width: other.width(),
                expected: format!("{}x{} as the first image", first.height(), first.width()),
            });
        }
        let longest = |count: fn(&ContactRow) -> usize| sheet.rows.iter().map(count).max().unwrap_or(0) as u32;
        let plain_columns = longest(|row| row.plain.len());
        let augmented_columns = longest(|row| row.augmented.len());
        let label_width = sheet.rows.iter().map(|row| TextStyle::Label.width(&row.label)).max().unwrap_or(0);
        let cell_width = first.width() as u32 * ZOOM + GAP;
        let cell_height = (first.height() as u32 * ZOOM).max(TextStyle::Label.line_height()) + GAP;
        let plain_x = MARGIN + label_width + 2 * GAP;
        let between = if plain_columns > 0 && augmented_columns > 0 { 3 * GAP } else { 0 };
        let augmented_x = plain_x + plain_columns * cell_width + between;
        let subtitle_height = if sheet.subtitle.is_empty() { 0 } else { TextStyle::Label.line_height() };
        let top = MARGIN + TextStyle::Title.line_height() + subtitle_height + GAP + TextStyle::Strong.line_height() + 2;
        let heading_width = if augmented_columns > 0 { TextStyle::Strong.width("augmented") } else { 0 };
        let right = (augmented_x + (augmented_columns * cell_width).max(heading_width))
            .max(MARGIN + TextStyle::Title.width(&sheet.title))
            .max(MARGIN + TextStyle::Label.width(&sheet.subtitle));
        let height = top + sheet.rows.len() as u32 * cell_height - GAP + MARGIN;
        let width = right + MARGIN;
        Ok(Self { width, height, top, cell_width, cell_height, plain_x, plain_columns, augmented_x, augmented_columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(value: u8) -> ByteImage {
        ByteImage::from_bytes([1, 28, 28], &[value; 784]).unwrap()
    }

    fn sheet() -> ContactSheet {
        let row = |label: &str, value| ContactRow {
            label: label.to_owned(),
            plain: vec![image(value); 3],
            augmented: vec![image(value + 1); 2],
        };
        ContactSheet {
            title: "Fashion-MNIST".to_owned(),
            subtitle: String::new(),
            rows: vec![row("T-shirt/top", 100), row("Ankle boot", 110)],
        }
    }

    #[test]
    fn every_image_is_on_the_sheet_at_twice_its_size() {
        let drawn = sheet().draw().unwrap();
        for (value, images) in [(100, 3), (101, 2), (110, 3), (111, 2)] {
            let pixels = drawn.pixels().iter().filter(|p| p.0 == [value; 3]).count();
            // the smoothed edge of a letter can have the same grey
            assert!((images * 56 * 56..images * 56 * 56 + 20).contains(&pixels), "{value}: {pixels}");
        }
        assert_eq!(drawn, sheet().draw().unwrap());
    }

    #[test]
    fn a_sheet_needs_images_of_one_size() {
        let empty = ContactSheet { rows: Vec::new(), ..sheet() };
        assert!(matches!(empty.draw(), Err(ReportError::Empty { .. })));
        let mut mixed = sheet();
        mixed.rows[1].augmented.push(ByteImage::from_bytes([1, 14, 14], &[0; 196]).unwrap());
        assert_eq!(
            mixed.draw().unwrap_err().to_string(),
            "contact sheet: found 14x14, expected 28x28 as the first image"
        );
    }
}
