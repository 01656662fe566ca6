use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

/// A range as it reads in an error: "1 to 10", "at least 1", "more than 0 and less than 1".
pub(crate) fn in_words<T: Display>(range: &impl RangeBounds<T>) -> String {
    let lower = match range.start_bound() {
        Bound::Included(start) => Some(format!("at least {start}")),
        Bound::Excluded(start) => Some(format!("more than {start}")),
        Bound::Unbounded => None,
    };
    let upper = match range.end_bound() {
        Bound::Included(end) => Some(format!("at most {end}")),
        Bound::Excluded(end) => Some(format!("less than {end}")),
        Bound::Unbounded => None,
    };
    match (range.start_bound(), range.end_bound(), lower, upper) {
        (Bound::Included(start), Bound::Included(end), ..) => format!("{start} to {end}"),
        (_, _, Some(lower), Some(upper)) => format!("{lower} and {upper}"),
        (_, _, Some(bound), None) | (_, _, None, Some(bound)) => bound,
        (_, _, None, None) => "any value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_range_has_words() {
        assert_eq!(in_words(&(1..=10)), "1 to 10");
        assert_eq!(in_words(&(1..)), "at least 1");
        assert_eq!(in_words(&(..10)), "less than 10");
        assert_eq!(in_words(&(..=10)), "at most 10");
        assert_eq!(in_words(&(0..10)), "at least 0 and less than 10");
        assert_eq!(in_words(&(Bound::Excluded(0.0), Bound::Included(1.5))), "more than 0 and at most 1.5");
        assert_eq!(in_words::<i32>(&..), "any value");
    }

    #[test]
    fn nan_lies_in_no_range() {
        let error = crate::require_within("rate", f64::NAN, 0.0..).unwrap_err();
        assert_eq!(error.to_string(), "rate is NaN, expected at least 0");
    }
}
