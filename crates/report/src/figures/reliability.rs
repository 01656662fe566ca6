//! The reliability diagram: whether a classifier is as often right as it says.

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{
    AXIS, Area, ChartResult, Draw, FAINT_INK, Frame, GRID, INK, LegendEntry, Mark, PALETTE, as_pixels, as_svg, centred,
    check_finite, check_share, font, legend,
};
use crate::ReportError;
use crate::raster::RgbImage;

const FIGURE: &str = "reliability diagram";
const GAP: RGBColor = RGBColor(248, 190, 150);

/// The images whose predicted probability lies in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// How many images there are.
    pub count: u64,
    /// Mean probability of the predicted class over them; not looked at where there are none.
    pub confidence: f64,
    /// Share of them that is classified correctly; not looked at where there are none.
    pub accuracy: f64,
}

/// Accuracy by confidence, the number of images in each bin below it, and the expected calibration error (`ece`,
/// a fraction) in the title.
///
/// Guo et al., "On calibration of modern neural networks", 2017.
pub fn reliability(bins: &[ReliabilityBin], ece: f64, subtitle: &str) -> Result<String, ReportError> {
    draw(bins, ece, subtitle, as_svg)
}

/// As [`reliability`], as pixels.
pub fn reliability_pixels(bins: &[ReliabilityBin], ece: f64, subtitle: &str) -> Result<RgbImage, ReportError> {
    draw(bins, ece, subtitle, as_pixels)
}

fn draw<D>(bins: &[ReliabilityBin], ece: f64, subtitle: &str, medium: Draw<D>) -> Result<D, ReportError> {
    check(bins, ece)?;
    let title = format!("Reliability, expected calibration error {:.2} %", ece * 100.0);
    let frame = Frame { figure: FIGURE, title: &title, subtitle, width: 680, height: 640 };
    medium(&frame, &|area| {
        let entries = [
            LegendEntry::new("accuracy", PALETTE[0], Mark::Block),
            LegendEntry::new("gap to the mean confidence", GAP, Mark::Block),
            LegendEntry::new("perfect", FAINT_INK, Mark::Dashed),
        ];
        legend(area, 76, 12, &entries)?;
        let (upper, lower) = area.split_vertically(430);
        draw_accuracies(&upper, bins)?;
        draw_counts(&lower, bins)
    })
}

fn draw_accuracies(area: &Area<'_>, bins: &[ReliabilityBin]) -> ChartResult {
    let mut chart = ChartBuilder::on(area)
        .margin_top(28)
        .margin_right(24)
        .margin_left(8)
        .x_label_area_size(44)
        .y_label_area_size(68)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc("predicted probability")
        .y_desc("share of correct predictions")
        .label_style(font(12, INK))
        .axis_desc_style(font(13, INK))
        .axis_style(AXIS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        let inset = (bin.upper - bin.lower) * 0.04;
        let (left, right) = (bin.lower + inset, bin.upper - inset);
        let rectangle = |from, to, colour: RGBColor| Rectangle::new([(left, from), (right, to)], colour.filled());
        chart.draw_series([
            rectangle(0.0, bin.accuracy, PALETTE[0]),
            rectangle(bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence), GAP),
        ])?;
        let edge = [(left, bin.accuracy), (right, bin.accuracy)];
        chart.draw_series([PathElement::new(edge, PALETTE[0].stroke_width(3))])?;
    }
    chart.draw_series(DashedLineSeries::new([(0.0, 0.0), (1.0, 1.0)], 6, 4, FAINT_INK.stroke_width(2)))?;
    Ok(())
}

fn draw_counts(area: &Area<'_>, bins: &[ReliabilityBin]) -> ChartResult {
    let highest = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_right(24)
        .margin_left(8)
        .x_label_area_size(44)
        .y_label_area_size(68)
        .build_cartesian_2d(0.0..1.0, 0.0..highest * 1.15)?;
    chart
        .configure_mesh()
        .x_desc("predicted probability")
        .y_desc("images")
        .y_labels(4)
        .y_label_formatter(&|value| format!("{value:.0}"))
        .label_style(font(12, INK))
        .axis_desc_style(font(13, INK))
        .axis_style(AXIS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        let inset = (bin.upper - bin.lower) * 0.04;
        let corners = [(bin.lower + inset, 0.0), (bin.upper - inset, bin.count as f64)];
        chart.draw_series([Rectangle::new(corners, PALETTE[0].filled())])?;
        let (x, y) = chart.backend_coord(&(f64::midpoint(bin.lower, bin.upper), bin.count as f64));
        let (base_x, base_y) = area.get_base_pixel();
        area.draw_text(&bin.count.to_string(), &centred(font(11, INK)), (x - base_x, y - base_y - 8))?;
    }
    Ok(())
}

fn check(bins: &[ReliabilityBin], ece: f64) -> Result<(), ReportError> {
    if bins.is_empty() {
        return Err(ReportError::Empty { figure: FIGURE, item: "bin" });
    }
    check_finite(FIGURE, ece, || "expected calibration error".to_owned())?;
    for (index, bin) in bins.iter().enumerate() {
        let at = |what: &str| format!("{what} of bin {index}");
        check_share(FIGURE, bin.lower, || at("lower end"))?;
        check_share(FIGURE, bin.upper, || at("upper end"))?;
        if bin.count > 0 {
            check_share(FIGURE, bin.confidence, || at("confidence"))?;
            check_share(FIGURE, bin.accuracy, || at("accuracy"))?;
        }
    }
    Ok(())
}
