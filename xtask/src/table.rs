//! Tables on a terminal, and figures in them.

use comfy_table::{CellAlignment, Row, Table, presets};
use tinylsa_experiment::statistics::Spread;

/// A table. The first columns, as many as `words`, hold words and are aligned to the left; the others hold numbers and
/// are aligned to the right.
pub(crate) fn table<Cells: Into<Row>>(
    words: usize,
    header: impl Into<Row>,
    rows: impl IntoIterator<Item = Cells>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// `412 (398..420)`
pub(crate) fn with_range(spread: Spread, decimals: usize) -> String {
    let Spread { median, least, most } = spread;
    format!("{median:.decimals$} ({least:.decimals$}..{most:.decimals$})")
}

/// A fraction as a percentage; a dash where there is none.
pub(crate) fn per_cent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "–".to_owned(), |fraction| format!("{:.0} %", 100.0 * fraction))
}

/// Bytes in units of a million; a dash where the system does not say.
pub(crate) fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_aligned_to_the_left_and_numbers_to_the_right() {
        let text = table(1, ["name", "figure"], [["a", "1"]]);
        let row = text.lines().find(|line| line.contains('a') && line.contains('1')).unwrap();
        assert_eq!(row, "│ a    ┆      1 │", "{text}");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(with_range(Spread { median: 2.0, least: 1.25, most: 3.0 }, 1), "2.0 (1.2..3.0)");
        assert_eq!(per_cent(Some(0.756)), "76 %");
        assert_eq!(per_cent(None), "–");
        assert_eq!(megabytes(Some(12_400_000)), "12");
        assert_eq!(megabytes(None), "–");
    }
}
