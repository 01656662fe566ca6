//! The curves of a training: losses, accuracies and the learning rate by epoch.

use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::canvas::{
    AXIS, Area, ChartResult, Draw, FAINT_INK, Frame, GRID, INK, LegendEntry, Mark, PALETTE, as_pixels, as_svg,
    check_finite, check_share, font, legend,
};
use crate::ReportError;
use crate::number::{number, tick};
use crate::raster::RgbImage;

const FIGURE: &str = "training curves";
const CHART_HEIGHT: u32 = 240;
const LEGEND_HEIGHT: u32 = 26;
const LABEL_WIDTH: u32 = 84;

/// What a training measured in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochPoint {
    /// The epoch's number.
    pub epoch: usize,
    /// Mean loss over the training images.
    pub train_loss: f64,
    /// Mean loss over the validation images, if they were looked at.
    pub validation_loss: Option<f64>,
    /// Share of the training images that were classified correctly, if it was counted.
    pub train_accuracy: Option<f64>,
    /// Share of the validation images that were classified correctly, if they were looked at.
    pub validation_accuracy: Option<f64>,
    /// The learning rate at the end of the epoch.
    pub learning_rate: f64,
}

/// Loss, accuracy and learning rate by epoch, one chart below the other.
///
/// `kept_epoch`, where given, is marked in all three. The chart of accuracies is left out if there are none.
pub fn training_curves(
    epochs: &[EpochPoint],
    kept_epoch: Option<usize>,
    subtitle: &str,
) -> Result<String, ReportError> {
    draw(epochs, kept_epoch, subtitle, as_svg)
}

/// As [`training_curves`], as pixels.
pub fn training_curves_pixels(
    epochs: &[EpochPoint],
    kept_epoch: Option<usize>,
    subtitle: &str,
) -> Result<RgbImage, ReportError> {
    draw(epochs, kept_epoch, subtitle, as_pixels)
}

fn draw<D>(
    epochs: &[EpochPoint],
    kept_epoch: Option<usize>,
    subtitle: &str,
    medium: Draw<D>,
) -> Result<D, ReportError> {
    if epochs.is_empty() {
        return Err(ReportError::Empty { figure: FIGURE, item: "epoch" });
    }
    check(epochs)?;
    let panels = panels(epochs);
    let height = panels.len() as u32 * CHART_HEIGHT + 8;
    let frame = Frame { figure: FIGURE, title: "Training curves", subtitle, width: 820, height };
    medium(&frame, &|area| {
        for (index, panel) in panels.iter().enumerate() {
            let top = index as i32 * CHART_HEIGHT as i32;
            let chart_area = area.clone().shrink((0, top), (820, CHART_HEIGHT));
            draw_panel(&chart_area, panel, kept_epoch, x_range(epochs))?;
        }
        Ok(())
    })
}

struct Series {
    label: &'static str,
    colour: RGBColor,
    points: Vec<(i32, f64)>,
}

struct Panel {
    axis: &'static str,
    series: Vec<Series>,
    low: f64,
    high: f64,
    label: fn(&f64) -> String,
    value: fn(f64) -> String,
}

fn panels(epochs: &[EpochPoint]) -> Vec<Panel> {
    let series = |label, colour, value: fn(&EpochPoint) -> Option<f64>| Series {
        label,
        colour,
        points: epochs.iter().filter_map(|point| Some((point.epoch as i32, value(point)?))).collect(),
    };
    let mut panels = Vec::new();

    let losses = vec![
        series("training loss", PALETTE[0], |point| Some(point.train_loss)),
        series("validation loss", PALETTE[1], |point| point.validation_loss),
    ];
    let high = largest(&losses) * 1.05;
    panels.push(Panel { axis: "loss", series: losses, low: 0.0, high, label: |value| tick(*value), value: number });

    let accuracies = vec![
        series("training accuracy", PALETTE[0], |point| point.train_accuracy),
        series("validation accuracy", PALETTE[1], |point| point.validation_accuracy),
    ];
    if accuracies.iter().any(|series| !series.points.is_empty()) {
        let smallest = accuracies.iter().flat_map(|s| &s.points).map(|point| point.1).fold(1.0, f64::min);
        // whole steps of 5 % below the smallest value, so that late epochs stay apart
        let low = ((smallest * 20.0).floor() / 20.0).clamp(0.0, 0.95);
        let label: fn(&f64) -> String = |value| format!("{} %", tick(value * 100.0));
        let value = |value| format!("{:.2} %", value * 100.0);
        panels.push(Panel { axis: "accuracy", series: accuracies, low, high: 1.0, label, value });
    }

    let rates = vec![series("learning rate", PALETTE[2], |point| Some(point.learning_rate))];
    let high = largest(&rates) * 1.05;
    panels.push(Panel {
        axis: "learning rate",
        series: rates,
        low: 0.0,
        high,
        label: |value| tick(*value),
        value: number,
    });
    panels
}

fn largest(series: &[Series]) -> f64 {
    let largest = series.iter().flat_map(|s| &s.points).map(|point| point.1).fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

fn x_range(epochs: &[EpochPoint]) -> std::ops::Range<i32> {
    let first = epochs.iter().map(|point| point.epoch as i32).min().unwrap_or(0);
    let last = epochs.iter().map(|point| point.epoch as i32).max().unwrap_or(0);
    first..last.max(first + 1)
}

fn draw_panel(area: &Area<'_>, panel: &Panel, kept_epoch: Option<usize>, x: std::ops::Range<i32>) -> ChartResult {
    let kept = kept_epoch.map(|epoch| epoch as i32).filter(|epoch| (x.start..=x.end).contains(epoch));
    let shown = || panel.series.iter().filter(|series| !series.points.is_empty());
    let mut entries: Vec<LegendEntry> =
        shown().map(|series| LegendEntry::new(series.label, series.colour, Mark::Line)).collect();
    if let Some(epoch) = kept {
        let at_kept = shown().next_back().and_then(|series| {
            let point = series.points.iter().find(|point| point.0 == epoch)?;
            Some(format!(": {} {}", series.label, (panel.value)(point.1)))
        });
        let value = at_kept.unwrap_or_default();
        entries.push(LegendEntry::new(format!("kept epoch {epoch}{value}"), FAINT_INK, Mark::Dashed));
    }
    legend(area, LABEL_WIDTH as i32, LEGEND_HEIGHT as i32 / 2, &entries)?;

    let mut chart = ChartBuilder::on(area)
        .margin_top(LEGEND_HEIGHT)
        .margin_right(24)
        .margin_left(8)
        .x_label_area_size(44)
        .y_label_area_size(LABEL_WIDTH - 8)
        .build_cartesian_2d(x, panel.low..panel.high)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(panel.axis)
        .x_labels(12)
        .y_labels(6)
        .y_label_formatter(&panel.label)
        .label_style(font(12, INK))
        .axis_desc_style(font(13, INK))
        .axis_style(AXIS)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;
    if let Some(epoch) = kept {
        let line = [(epoch, panel.low), (epoch, panel.high)];
        chart.draw_series(DashedLineSeries::new(line, 5, 4, FAINT_INK.stroke_width(2)))?;
    }
    for series in shown() {
        chart.draw_series(LineSeries::new(series.points.iter().copied(), series.colour.stroke_width(2)))?;
        if series.points.len() <= 60 {
            let dot = |&point| Circle::new(point, 3, series.colour.filled());
            chart.draw_series(series.points.iter().map(dot))?;
        }
    }
    Ok(())
}

fn check(epochs: &[EpochPoint]) -> Result<(), ReportError> {
    for point in epochs {
        let at = |what: &str| format!("{what} of epoch {}", point.epoch);
        check_finite(FIGURE, point.train_loss, || at("training loss"))?;
        check_finite(FIGURE, point.learning_rate, || at("learning rate"))?;
        if let Some(loss) = point.validation_loss {
            check_finite(FIGURE, loss, || at("validation loss"))?;
        }
        if let Some(accuracy) = point.train_accuracy {
            check_share(FIGURE, accuracy, || at("training accuracy"))?;
        }
        if let Some(accuracy) = point.validation_accuracy {
            check_share(FIGURE, accuracy, || at("validation accuracy"))?;
        }
    }
    Ok(())
}
