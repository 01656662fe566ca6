//! Precision, recall and F1 of each class.

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{
    AXIS, Draw, FAINT_INK, Frame, GRID, INK, LegendEntry, Mark, PALETTE, as_pixels, as_svg, bold, centred, check_share,
    ending, font, legend, text_width,
};
use crate::ReportError;
use crate::raster::RgbImage;

const FIGURE: &str = "scores of the classes";
const TOP: i32 = 34;
const PLOT_HEIGHT: i32 = 300;
const GROUP_WIDTH: i32 = 86;
const BAR_WIDTH: i32 = 22;
const LEFT: i32 = 64;
const ORANGE: RGBColor = PALETTE[5];

/// Scores of one class, as fractions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// The class.
    pub name: String,
    /// Share of the images predicted as the class that are of it; `None` if none is predicted.
    pub precision: Option<f64>,
    /// Share of the images of the class that are predicted as it; `None` if there are none.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall; `None` if no image is of the class or predicted as it.
    pub f1: Option<f64>,
    /// Images of the class.
    pub support: u64,
}

/// Precision, recall and F1 of each class as bars with their values, and the number of images below them. A dash stands
/// for a score that does not exist.
pub fn per_class(classes: &[ClassScores], subtitle: &str) -> Result<String, ReportError> {
    draw(classes, subtitle, as_svg)
}

/// As [`per_class`], as pixels.
pub fn per_class_pixels(classes: &[ClassScores], subtitle: &str) -> Result<RgbImage, ReportError> {
    draw(classes, subtitle, as_pixels)
}

fn draw<D>(classes: &[ClassScores], subtitle: &str, medium: Draw<D>) -> Result<D, ReportError> {
    check(classes)?;
    let width = LEFT + classes.len() as i32 * GROUP_WIDTH + 20;
    let height = TOP + PLOT_HEIGHT + 74;
    let title = "Precision, recall and F1 by class";
    let frame = Frame { figure: FIGURE, title, subtitle, width: width.max(400) as u32, height: height as u32 };
    medium(&frame, &|area| {
        let measures = [("precision", PALETTE[0]), ("recall", ORANGE), ("F1", PALETTE[2])];
        let entries = measures.map(|(label, colour)| LegendEntry::new(label, colour, Mark::Block));
        legend(area, LEFT, 12, &entries)?;
        let bottom = TOP + PLOT_HEIGHT;
        let right = LEFT + classes.len() as i32 * GROUP_WIDTH;
        for step in 0..=5 {
            let y = bottom - step * PLOT_HEIGHT / 5;
            area.draw(&PathElement::new([(LEFT, y), (right, y)], if step == 0 { AXIS } else { GRID }))?;
            area.draw_text(&format!("{} %", step * 20), &ending(font(12, INK)), (LEFT - 8, y))?;
        }
        for (index, class) in classes.iter().enumerate() {
            let group = LEFT + index as i32 * GROUP_WIDTH;
            let first_bar = group + (GROUP_WIDTH - 3 * BAR_WIDTH) / 2;
            for (bar, (value, (_, colour))) in
                [class.precision, class.recall, class.f1].iter().zip(measures).enumerate()
            {
                let x = first_bar + bar as i32 * BAR_WIDTH;
                let Some(value) = value else {
                    area.draw_text("–", &centred(bold(11, INK)), (x + BAR_WIDTH / 2 - 1, bottom - 8))?;
                    continue;
                };
                let top = bottom - (value * f64::from(PLOT_HEIGHT)).round() as i32;
                area.draw(&Rectangle::new([(x, top), (x + BAR_WIDTH - 2, bottom)], colour.filled()))?;
                // inside a high bar, above a low one
                let inside = *value > 0.2;
                let ink = if inside && colour != ORANGE { WHITE } else { INK };
                let y = if inside { top + 20 } else { top - 20 };
                let turned = centred(bold(11, ink)).transform(FontTransform::Rotate270);
                area.draw_text(&format!("{:.1}", value * 100.0), &turned, (x + BAR_WIDTH / 2 - 1, y))?;
            }
            let middle = group + GROUP_WIDTH / 2;
            let size = if text_width(&class.name, 13) > GROUP_WIDTH { 11 } else { 13 };
            area.draw_text(&class.name, &centred(font(size, INK)), (middle, bottom + 16))?;
            let images = format!("n = {}", class.support);
            area.draw_text(&images, &centred(font(11, FAINT_INK)), (middle, bottom + 34))?;
        }
        Ok(())
    })
}

fn check(classes: &[ClassScores]) -> Result<(), ReportError> {
    if classes.is_empty() {
        return Err(ReportError::Empty { figure: FIGURE, item: "class" });
    }
    for class in classes {
        for (what, value) in [("precision", class.precision), ("recall", class.recall), ("F1", class.f1)] {
            if let Some(value) = value {
                check_share(FIGURE, value, || format!("{what} of {}", class.name))?;
            }
        }
    }
    Ok(())
}
