//! The confusion matrix.

use plotters::prelude::*;

use super::canvas::{Draw, FAINT_INK, Frame, INK, as_pixels, as_svg, bold, centred, ending, font, text_width};
use crate::ReportError;
use crate::raster::RgbImage;

const FIGURE: &str = "confusion matrix";
const CELL_WIDTH: i32 = 72;
const CELL_HEIGHT: i32 = 44;
const TOP: i32 = 62;

/// How often each class was taken for each: counts and percentages of the true class, a row for each true class.
///
/// `counts[truth][prediction]`; as many rows and columns as there are `classes`.
pub fn confusion_matrix(counts: &[Vec<u64>], classes: &[&str], subtitle: &str) -> Result<String, ReportError> {
    draw(counts, classes, subtitle, as_svg)
}

/// As [`confusion_matrix`], as pixels.
pub fn confusion_matrix_pixels(counts: &[Vec<u64>], classes: &[&str], subtitle: &str) -> Result<RgbImage, ReportError> {
    draw(counts, classes, subtitle, as_pixels)
}

fn draw<D>(counts: &[Vec<u64>], classes: &[&str], subtitle: &str, medium: Draw<D>) -> Result<D, ReportError> {
    check(counts, classes)?;
    let count = classes.len() as i32;
    let left = 44 + classes.iter().map(|class| text_width(class, 13)).max().unwrap_or(0);
    let width = (left + count * CELL_WIDTH + 16).max(420);
    let height = TOP + count * CELL_HEIGHT + 40;
    let title = "Confusion matrix";
    let frame = Frame { figure: FIGURE, title, subtitle, width: width as u32, height: height as u32 };
    medium(&frame, &|area| {
        let middle = left + count * CELL_WIDTH / 2;
        area.draw_text("predicted class", &centred(bold(13, INK)), (middle, 12))?;
        let turned = centred(bold(13, INK)).transform(FontTransform::Rotate270);
        area.draw_text("true class", &turned, (20, TOP + count * CELL_HEIGHT / 2))?;
        for (index, class) in classes.iter().enumerate() {
            let index = index as i32;
            let x = left + index * CELL_WIDTH + CELL_WIDTH / 2;
            let lines = heading_lines(class);
            for (line, text) in lines.iter().enumerate() {
                let y = TOP - 10 - (lines.len() - 1 - line) as i32 * 14;
                area.draw_text(text, &centred(font(12, INK)), (x, y))?;
            }
            let y = TOP + index * CELL_HEIGHT + CELL_HEIGHT / 2;
            area.draw_text(class, &ending(font(13, INK)), (left - 8, y))?;
        }
        for (row, line) in counts.iter().enumerate() {
            let total: u64 = line.iter().sum();
            for (column, &value) in line.iter().enumerate() {
                let share = if total == 0 { 0.0 } else { value as f64 / total as f64 };
                let (x, y) = (left + column as i32 * CELL_WIDTH, TOP + row as i32 * CELL_HEIGHT);
                // the root spreads the few errors of a good classifier over the colours
                let shade = colorous::BLUES.eval_continuous(share.sqrt() * 0.9);
                let fill = if value == 0 { WHITE } else { RGBColor(shade.r, shade.g, shade.b) };
                let corners = [(x, y), (x + CELL_WIDTH - 1, y + CELL_HEIGHT - 1)];
                area.draw(&Rectangle::new(corners, fill.filled()))?;
                if row == column {
                    area.draw(&Rectangle::new(corners, FAINT_INK))?;
                }
                let dark = share.sqrt() > 0.6;
                let (strong, faint) = if dark { (WHITE, WHITE) } else { (INK, FAINT_INK) };
                let middle = x + CELL_WIDTH / 2;
                if value == 0 {
                    area.draw_text("0", &centred(font(14, faint)), (middle, y + CELL_HEIGHT / 2))?;
                } else {
                    let percentage = format!("{:.1} %", share * 100.0);
                    area.draw_text(&value.to_string(), &centred(font(14, strong)), (middle, y + 15))?;
                    area.draw_text(&percentage, &centred(font(11, faint)), (middle, y + 32))?;
                }
            }
        }
        let note = "percentages of the true class (each row adds up to 100 %); colour by their square root";
        area.draw_text(note, &font(12, FAINT_INK), (16, height - 26))
    })
}

/// A class name on up to two lines, broken at a space or after a slash.
fn heading_lines(class: &str) -> Vec<String> {
    let short = text_width(class, 12) < CELL_WIDTH;
    let broken = class.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    let broken = broken.or_else(|| class.split_once('/').map(|(a, b)| (format!("{a}/"), b.to_owned())));
    match broken {
        Some((first, second)) if !short => vec![first, second],
        _ => vec![class.to_owned()],
    }
}

fn check(counts: &[Vec<u64>], classes: &[&str]) -> Result<(), ReportError> {
    let expected = classes.len();
    if expected == 0 {
        return Err(ReportError::Empty { figure: FIGURE, item: "class" });
    }
    if counts.len() != expected {
        return Err(ReportError::Size { figure: FIGURE, item: "rows", found: counts.len(), expected });
    }
    match counts.iter().find(|row| row.len() != expected) {
        Some(row) => Err(ReportError::Size { figure: FIGURE, item: "columns", found: row.len(), expected }),
        None => Ok(()),
    }
}
