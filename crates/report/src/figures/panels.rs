//! The same things measured in several ways: a column of bars for each measure.

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{
    AXIS, Area, ChartResult, FAINT_INK, Frame, INK, PALETTE, beginning, bold, check_finite, ending, font, text_width,
};
use crate::ReportError;

const FIGURE: &str = "panels of bars";
const TOP: i32 = 30;
const PITCH: i32 = 30;
const BARS: i32 = 150;
/// Left of the values that stand behind the bars.
const GAP: i32 = 8;
/// The shortest bar, so that the least value is seen.
const SHORTEST: f64 = 3.0;

/// One measure of everything that is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BarPanel {
    /// What was measured, its unit, and which end is the good one.
    pub heading: String,
    /// A bar with the text behind it for each thing that is compared; nothing where nothing was measured.
    pub bars: Vec<Option<(f64, String)>>,
    /// How long the bars are.
    pub scale: BarScale,
}

/// How the length of a bar follows from its value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum BarScale {
    /// By its logarithm: equal factors are equal distances. The heading should say so.
    Logarithmic,
    /// From this value on.
    From(f64),
}

/// Rows of horizontal bars, a column for each measure. The first label is set apart by its colour.
pub fn bar_panels(title: &str, labels: &[String], panels: &[BarPanel], subtitle: &str) -> Result<String, ReportError> {
    check(labels, panels)?;
    let left = 28 + labels.iter().map(|label| text_width(label, 13)).max().unwrap_or(0);
    let widths: Vec<i32> = panels.iter().map(BarPanel::width).collect();
    let height = TOP + labels.len() as i32 * PITCH + 12;
    let width = left + widths.iter().sum::<i32>();
    let frame = Frame { figure: FIGURE, title, subtitle, width: width as u32, height: height as u32 };
    frame.draw(&|area| {
        for (row, label) in labels.iter().enumerate() {
            area.draw_text(label, &ending(font(13, INK)), (left - 10, middle_of(row)))?;
        }
        let mut start = left;
        for (panel, width) in panels.iter().zip(&widths) {
            panel.draw(area, start, height)?;
            start += width;
        }
        Ok(())
    })
}

fn middle_of(row: usize) -> i32 {
    TOP + row as i32 * PITCH + PITCH / 2
}

impl BarPanel {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.bars.iter().flatten().map(|(value, _)| *value)
    }

    fn width(&self) -> i32 {
        let texts = self.bars.iter().flatten().map(|(_, text)| text_width(text, 12)).max().unwrap_or(0);
        (BARS + GAP + texts).max(text_width(&self.heading, 13)) + 28
    }

    fn draw(&self, area: &Area<'_>, start: i32, height: i32) -> ChartResult {
        area.draw_text(&self.heading, &beginning(bold(13, INK)), (start, 14))?;
        area.draw(&PathElement::new([(start, TOP), (start, height - 12)], AXIS))?;
        for (row, bar) in self.bars.iter().enumerate() {
            let y = middle_of(row);
            let Some((value, text)) = bar else {
                area.draw_text("–", &beginning(font(12, FAINT_INK)), (start + GAP, y))?;
                continue;
            };
            let end = start + (self.share(*value) * f64::from(BARS)).max(SHORTEST).round() as i32;
            let colour = if row == 0 { PALETTE[1] } else { PALETTE[0] };
            area.draw(&Rectangle::new([(start, y - 9), (end, y + 9)], colour.filled()))?;
            area.draw_text(text, &beginning(font(12, INK)), (end + GAP, y))?;
        }
        Ok(())
    }

    /// Of the longest bar.
    fn share(&self, value: f64) -> f64 {
        let most = self.values().fold(f64::NEG_INFINITY, f64::max);
        let share = match self.scale {
            BarScale::From(low) => (value - low) / (most - low),
            BarScale::Logarithmic => {
                // the least value gets a tenth of the length
                let least = self.values().fold(f64::INFINITY, f64::min);
                0.1 + 0.9 * (value / least).ln() / (most / least).ln()
            }
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
    }
}

fn check(labels: &[String], panels: &[BarPanel]) -> Result<(), ReportError> {
    if labels.is_empty() {
        return Err(ReportError::Empty { figure: FIGURE, item: "row" });
    }
    for panel in panels {
        let (found, expected) = (panel.bars.len(), labels.len());
        if found != expected {
            return Err(ReportError::Size { figure: FIGURE, item: "bars", found, expected });
        }
        for (label, bar) in labels.iter().zip(&panel.bars) {
            let Some((value, _)) = bar else { continue };
            let position = || format!("{} of {label}", panel.heading);
            check_finite(FIGURE, *value, position)?;
            if panel.scale == BarScale::Logarithmic && *value <= 0.0 {
                let (value, position) = (*value, position());
                return Err(ReportError::OutOfRange {
                    figure: FIGURE,
                    position,
                    value,
                    low: f64::MIN_POSITIVE,
                    high: f64::MAX,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(scale: BarScale, values: &[Option<f64>]) -> BarPanel {
        let bars = values.iter().map(|value| value.map(|value| (value, format!("{value}")))).collect();
        BarPanel { heading: "images/s".to_owned(), bars, scale }
    }

    #[test]
    fn bars_are_as_long_as_their_scale_says() {
        let logarithmic = panel(BarScale::Logarithmic, &[Some(1.0), Some(10.0), None, Some(100.0)]);
        for (value, expected) in [(1.0, 0.1), (10.0, 0.55), (100.0, 1.0)] {
            assert!((logarithmic.share(value) - expected).abs() < 1e-12, "{value}");
        }
        let linear = panel(BarScale::From(0.5), &[Some(0.5), Some(0.75), Some(1.0)]);
        assert!((linear.share(0.75) - 0.5).abs() < 1e-12);
        let alone = panel(BarScale::Logarithmic, &[Some(3.0)]);
        assert!((alone.share(3.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_what_cannot_be_drawn_is_refused() {
        let labels = ["ours".to_owned(), "theirs".to_owned()];
        let drawn = bar_panels("Cost", &labels, &[panel(BarScale::Logarithmic, &[Some(2.0), None])], "here").unwrap();
        assert!(drawn.contains("ours") && drawn.contains("theirs") && drawn.contains('–'), "{drawn}");
        let refused = |values: &[Option<f64>]| {
            bar_panels("Cost", &labels, &[panel(BarScale::Logarithmic, values)], "here").unwrap_err().to_string()
        };
        assert!(refused(&[Some(1.0)]).contains("bars"));
        assert!(refused(&[Some(1.0), Some(0.0)]).contains("images/s of theirs"));
        assert!(refused(&[Some(1.0), Some(f64::NAN)]).contains("images/s of theirs"));
        assert!(bar_panels("Cost", &[], &[], "here").is_err());
    }
}
