//! How numbers are written.

/// A number with about three significant digits, short enough for a label.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.1e}")
    } else if size < 0.01 {
        format!("{value:.5}")
    } else if size < 0.1 {
        format!("{value:.4}")
    } else if size < 10.0 {
        format!("{value:.3}")
    } else if size < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A round number without zeros at the end of its fraction: for the ticks of an axis.
pub(crate) fn tick(value: f64) -> String {
    if value != 0.0 && !(1e-5..1e5).contains(&value.abs()) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.7}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.500"),
            (-12.34, "-12.3"),
            (1234.5, "1234"),
            (2.5e-4, "2.5e-4"),
            (0.0042, "0.00420"),
            (0.0204, "0.0204"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!([0.1 + 0.2, 300.0, 5e-4, 4e-7, -0.0].map(tick), ["0.3", "300", "0.0005", "4.0e-7", "0"]);
    }
}
