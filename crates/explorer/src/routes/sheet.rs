//! All methods side by side as an SVG file: the drawings as they are, the words as text that can be read and changed.

use std::fmt::Write;

use tinylsa_explain::{ImageExplanation, NamedDrawing};
use tinylsa_report::decode_png;

use crate::refusal::Refusal;
use crate::subject::base64;

/// Drawings in a row.
const COLUMNS: usize = 3;
/// The width of a drawing on the sheet.
const WIDTH: u32 = 420;
const MARGIN: u32 = 24;
const HEAD: u32 = 64;
/// The height of the title above a drawing.
const TITLE: u32 = 26;

struct Cell<'a> {
    title: &'a str,
    png: &'a [u8],
    height: u32,
}

/// The drawings of the methods of an image.
pub(super) fn svg(explanation: &ImageExplanation, drawings: &[NamedDrawing]) -> Result<String, Refusal> {
    let mut cells = Vec::new();
    for drawing in drawings {
        let Some(method) = drawing.method else { continue };
        let image = decode_png(&drawing.png).map_err(|error| Refusal::failed(error.to_string()))?;
        let (width, height) = (u64::from(image.width().max(1)), u64::from(image.height()));
        let height = (height * u64::from(WIDTH)).div_ceil(width) as u32;
        cells.push(Cell { title: method.title(), png: &drawing.png, height });
    }
    let columns = COLUMNS.min(cells.len().max(1)) as u32;
    let rows: Vec<&[Cell]> = cells.chunks(COLUMNS).collect();
    let row_height = |row: &[Cell]| TITLE + row.iter().map(|cell| cell.height).max().unwrap_or(0) + MARGIN;
    let width = MARGIN + columns * (WIDTH + MARGIN);
    let height = HEAD + rows.iter().map(|row| row_height(row)).sum::<u32>() + MARGIN;
    let heading = format!(
        "{}: predicted {} {:.1} %, explained {}",
        explanation.id,
        explanation.class_name(explanation.predicted),
        100.0 * explanation.shown_probability(explanation.predicted),
        explanation.target_name()
    );
    let mut svg = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // nothing fails when a string is written to
        let _ = writeln!(svg, "{text}");
    };
    line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" fill=\"#1a1a1a\">"
    ));
    line(format_args!("<title>{}</title>", escaped(&heading)));
    line(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"));
    line(format_args!("<text x=\"{MARGIN}\" y=\"30\" font-size=\"18\">{}</text>", escaped(&heading)));
    let source = escaped(&explanation.source.to_string());
    line(format_args!("<text x=\"{MARGIN}\" y=\"50\" font-size=\"12\" fill=\"#555\">{source}</text>"));
    let mut top = HEAD;
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let left = MARGIN + column as u32 * (WIDTH + MARGIN);
            let (title, baseline, below) = (escaped(cell.title), top + 18, top + TITLE);
            line(format_args!(
                "<text x=\"{left}\" y=\"{baseline}\" font-size=\"15\" font-weight=\"600\">{title}</text>"
            ));
            line(format_args!(
                "<image x=\"{left}\" y=\"{below}\" width=\"{WIDTH}\" height=\"{}\" href=\"data:image/png;base64,{}\"/>",
                cell.height,
                base64(cell.png)
            ));
        }
        top += row_height(row);
    }
    line(format_args!("</svg>"));
    Ok(svg)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
