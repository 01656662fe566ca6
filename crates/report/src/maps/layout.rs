//! What sheets and matrices of maps are put together from: lines of text, framed pixels, colour bars.

use crate::raster::{Rgb, RgbImage};

use super::panel::ColourBar;
use crate::text::{TextStyle, draw_text};

pub(super) const MARGIN: u32 = 16;
pub(super) const PAPER: Rgb = Rgb([255; 3]);
pub(super) const INK: Rgb = Rgb([26; 3]);
pub(super) const FAINT_INK: Rgb = Rgb([90; 3]);
const EDGE: Rgb = Rgb([150; 3]);
const BAR_HEIGHT: u32 = 14;

/// A line of text with its look.
pub(super) struct Line {
    pub(super) text: String,
    style: TextStyle,
    colour: Rgb,
}

/// `text` on as many lines as it takes.
pub(super) fn lines(text: &str, style: TextStyle, colour: Rgb, width: u32) -> Vec<Line> {
    style.wrap(text, width).into_iter().map(|text| Line { text, style, colour }).collect()
}

/// Pixels that the lines take below each other.
pub(super) fn block_height(lines: &[Line]) -> u32 {
    lines.iter().map(|line| line.style.line_height()).sum()
}

/// Pixels that the longest of the lines takes.
pub(super) fn block_width(lines: &[Line]) -> u32 {
    lines.iter().map(|line| line.style.width(&line.text)).max().unwrap_or(0)
}

/// Draws the lines below each other and returns where the next one would stand.
pub(super) fn draw_lines(image: &mut RgbImage, x: u32, top: u32, lines: &[Line]) -> u32 {
    let mut y = top;
    for line in lines {
        draw_text(image, x, y, &line.text, line.style, line.colour);
        y += line.style.line_height();
    }
    y
}

/// The texts, each once.
pub(super) fn legend(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for text in texts {
        if !once.contains(&text) {
            once.push(text);
        }
    }
    once
}

/// Draws pixels with a thin edge around them.
pub(super) fn draw_framed(image: &mut RgbImage, x: u32, y: u32, pixels: &RgbImage) {
    let (width, height) = (pixels.width(), pixels.height());
    image.fill(x - 1, y - 1, width + 2, height + 2, EDGE);
    image.paste(pixels, x, y);
}

/// Pixels that a colour bar takes with its numbers.
pub(super) fn bar_height() -> u32 {
    BAR_HEIGHT + 2 + TextStyle::Label.line_height()
}

/// Draws a colour bar with its numbers and returns where the next line would stand.
pub(super) fn draw_bar(image: &mut RgbImage, x: u32, y: u32, width: u32, bar: &ColourBar) -> u32 {
    image.fill(x - 1, y - 1, width + 2, BAR_HEIGHT + 2, EDGE);
    for step in 0..width {
        let share = f64::from(step) / f64::from(width - 1).max(1.0);
        image.fill(x + step, y, 1, BAR_HEIGHT, (bar.colour)(share));
    }
    let [low, middle, high] = &bar.numbers;
    let style = TextStyle::Label;
    let numbers_y = y + BAR_HEIGHT + 2;
    let middle_x = x + (width / 2).saturating_sub(style.width(middle) / 2);
    for (text, text_x) in [(low, x), (middle, middle_x), (high, x + width.saturating_sub(style.width(high)))] {
        draw_text(image, text_x, numbers_y, text, style, INK);
    }
    numbers_y + style.line_height()
}
