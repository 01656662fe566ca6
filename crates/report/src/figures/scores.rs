//! Charts of the scores of explanations: bars with intervals, deletion and insertion curves.

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{
    AXIS, Area, CONTROL, ChartResult, FAINT_INK, Frame, GRID, INK, Mark, PALETTE, beginning, bold, centred,
    check_finite, check_share, ending, font, mark, text_width,
};
use crate::ReportError;
use crate::estimate::{Estimate, Precision};
use crate::number::{number, tick};

const BARS: &str = "bars with intervals";
const CURVES: &str = "deletion and insertion curves";
const BAR_PITCH: i32 = 30;

/// A bar with the interval around its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntervalBar {
    /// What was scored.
    pub label: String,
    /// The score.
    pub estimate: Estimate,
    /// Whether it is a control, drawn in grey.
    pub control: bool,
}

/// Horizontal bars from zero in the given order, with the ends of their intervals and their values.
///
/// `axis` names the score and says which end is the good one.
pub fn interval_bars(title: &str, axis: &str, bars: &[IntervalBar], subtitle: &str) -> Result<String, ReportError> {
    if bars.is_empty() {
        return Err(ReportError::Empty { figure: BARS, item: "bar" });
    }
    for bar in bars {
        bar.estimate.check(BARS, &bar.label)?;
    }
    let left = 28 + bars.iter().map(|bar| text_width(&bar.label, 13)).max().unwrap_or(0);
    let right = left + 460;
    let bottom = 8 + bars.len() as i32 * BAR_PITCH;
    let frame = Frame { figure: BARS, title, subtitle, width: (right + 190) as u32, height: (bottom + 56) as u32 };
    let reach = |pick: fn(f64, f64) -> f64| {
        bars.iter().flat_map(|b| [b.estimate.low, b.estimate.high, b.estimate.value]).fold(0.0, pick)
    };
    let scale = Scale::new(reach(f64::min), reach(f64::max), left, right);
    let precision = Precision::of(bars.iter().map(|bar| &bar.estimate));
    frame.draw(&|area| {
        for at in scale.ticks() {
            let x = scale.x(at);
            area.draw(&PathElement::new([(x, 0), (x, bottom)], if at == 0.0 { AXIS } else { GRID }))?;
            area.draw_text(&tick(at), &centred(font(12, INK)), (x, bottom + 14))?;
        }
        area.draw_text(axis, &centred(font(13, INK)), (i32::midpoint(left, right), bottom + 36))?;
        for (index, bar) in bars.iter().enumerate() {
            draw_bar(area, bar, &scale, 8 + index as i32 * BAR_PITCH + BAR_PITCH / 2 - 4, precision)?;
        }
        Ok(())
    })
}

fn draw_bar(area: &Area<'_>, bar: &IntervalBar, scale: &Scale, y: i32, precision: Precision) -> ChartResult {
    let colour = if bar.control { CONTROL } else { PALETTE[0] };
    let (zero, end) = (scale.x(0.0), scale.x(bar.estimate.value));
    let (low, high) = (scale.x(bar.estimate.low), scale.x(bar.estimate.high));
    area.draw(&Rectangle::new([(zero.min(end), y - 9), (zero.max(end), y + 9)], colour.filled()))?;
    area.draw(&PathElement::new([(low, y), (high, y)], INK.stroke_width(2)))?;
    for x in [low, high] {
        area.draw(&PathElement::new([(x, y - 5), (x, y + 5)], INK.stroke_width(2)))?;
    }
    area.draw_text(&bar.label, &ending(font(13, INK)), (scale.left - 10, y))?;
    area.draw_text(&precision.estimate(&bar.estimate), &beginning(font(12, FAINT_INK)), (scale.right + 12, y))
}

/// A horizontal axis with round ticks.
struct Scale {
    low: f64,
    step: f64,
    high: f64,
    left: i32,
    right: i32,
}

impl Scale {
    /// An axis over at least `low` to `high`, which take in zero.
    fn new(low: f64, high: f64, left: i32, right: i32) -> Self {
        let span = if high > low { high - low } else { 1.0 };
        let rough = span / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&s| s >= rough).unwrap_or(rough);
        let high = if high > low { high } else { low + 1.0 };
        Self { low: (low / step).floor() * step, step, high: (high / step).ceil() * step, left, right }
    }

    fn x(&self, value: f64) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        self.left + (share * f64::from(self.right - self.left)).round() as i32
    }

    fn ticks(&self) -> Vec<f64> {
        let first = (self.low / self.step).round() as i64;
        let last = (self.high / self.step).round() as i64;
        (first..=last).map(|i| i as f64 * self.step).collect()
    }
}

/// How the model's score falls and rises as the pixels that a method ranks highest are taken away or put in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerturbationCurve {
    /// The method that ranked the pixels.
    pub method: String,
    /// Whether it is a control, drawn dashed and grey.
    pub control: bool,
    /// Share of the pixels changed, rising from 0 to 1.
    pub fractions: Vec<f64>,
    /// Score after that share was replaced by the baseline.
    pub deletion: Vec<f64>,
    /// Score after that share was put onto the baseline.
    pub insertion: Vec<f64>,
    /// Area under the deletion curve; less is better.
    pub deletion_auc: f64,
    /// Area under the insertion curve; more is better.
    pub insertion_auc: f64,
}

/// Deletion curves beside insertion curves, with the areas under them in a legend below.
///
/// `score` names what is on the vertical axes, as in "probability of the class, black baseline". Petsiuk et al., "RISE", 2018.
pub fn perturbation_curves(curves: &[PerturbationCurve], score: &str, subtitle: &str) -> Result<String, ReportError> {
    check_curves(curves)?;
    let legend_height = 34 + curves.len() as u32 * 22;
    let title = format!("Deletion and insertion, {score}");
    let frame = Frame { figure: CURVES, title: &title, subtitle, width: 900, height: 340 + legend_height };
    let values = || curves.iter().flat_map(|curve| curve.deletion.iter().chain(&curve.insertion)).copied();
    let low = values().fold(0.0, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let high = if high > low { high + 0.04 * (high - low) } else { low + 1.0 };
    frame.draw(&|area| {
        let (charts, below) = area.split_vertically(340);
        let (left, right) = charts.split_horizontally(450);
        draw_chart(&left, curves, "deletion (lower is better)", low..high, |curve| &curve.deletion)?;
        draw_chart(&right, curves, "insertion (higher is better)", low..high, |curve| &curve.insertion)?;
        draw_legend(&below, curves)
    })
}

fn look(curves: &[PerturbationCurve], index: usize) -> (RGBColor, Mark) {
    if curves[index].control {
        return (CONTROL, Mark::Dashed);
    }
    let before = curves[..index].iter().filter(|curve| !curve.control).count();
    (PALETTE[before % PALETTE.len()], if before < PALETTE.len() { Mark::Line } else { Mark::Dashed })
}

fn draw_chart(
    area: &Area<'_>,
    curves: &[PerturbationCurve],
    heading: &str,
    range: std::ops::Range<f64>,
    scores: fn(&PerturbationCurve) -> &Vec<f64>,
) -> ChartResult {
    area.draw_text(heading, &centred(bold(13, INK)), (250, 12))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(26)
        .margin_right(18)
        .margin_left(8)
        .x_label_area_size(44)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..1.0, range)?;
    chart
        .configure_mesh()
        .x_desc("share of the pixels changed")
        .y_desc("score")
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|value| format!("{:.0} %", value * 100.0))
        .y_label_formatter(&|value| tick(*value))
        .label_style(font(12, INK))
        .axis_desc_style(font(12, INK))
        .axis_style(AXIS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let (colour, mark) = look(curves, index);
        let points = curve.fractions.iter().copied().zip(scores(curve).iter().copied());
        match mark {
            Mark::Dashed => chart.draw_series(DashedLineSeries::new(points, 6, 4, colour.stroke_width(2)))?,
            _ => chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
        };
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, curves: &[PerturbationCurve]) -> ChartResult {
    let widest = curves.iter().map(|curve| text_width(&curve.method, 13)).max().unwrap_or(0);
    let deletion_x = 74 + 40 + widest + 110;
    let insertion_x = deletion_x + 120;
    for (x, text) in [(deletion_x, "deletion AUC"), (insertion_x, "insertion AUC")] {
        area.draw_text(text, &ending(bold(12, INK)), (x, 14))?;
    }
    for (index, curve) in curves.iter().enumerate() {
        let y = 36 + index as i32 * 22;
        let (colour, sample) = look(curves, index);
        mark(area, 74, y, colour, sample)?;
        area.draw_text(&curve.method, &beginning(font(13, INK)), (74 + 32, y))?;
        for (x, value) in [(deletion_x, curve.deletion_auc), (insertion_x, curve.insertion_auc)] {
            area.draw_text(&number(value), &ending(font(13, INK)), (x, y))?;
        }
    }
    Ok(())
}

fn check_curves(curves: &[PerturbationCurve]) -> Result<(), ReportError> {
    if curves.is_empty() {
        return Err(ReportError::Empty { figure: CURVES, item: "curve" });
    }
    for curve in curves {
        let expected = curve.fractions.len();
        for (item, scores) in [("deletion scores", &curve.deletion), ("insertion scores", &curve.insertion)] {
            if scores.len() != expected {
                return Err(ReportError::Size { figure: CURVES, item, found: scores.len(), expected });
            }
            for (step, &score) in scores.iter().enumerate() {
                check_finite(CURVES, score, || format!("step {step} of {}, {item}", curve.method))?;
            }
        }
        for (step, &fraction) in curve.fractions.iter().enumerate() {
            check_share(CURVES, fraction, || format!("step {step} of {}, share of the pixels", curve.method))?;
        }
        check_finite(CURVES, curve.deletion_auc, || format!("deletion AUC of {}", curve.method))?;
        check_finite(CURVES, curve.insertion_auc, || format!("insertion AUC of {}", curve.method))?;
    }
    Ok(())
}
