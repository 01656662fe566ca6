//! The statistics that several scores share.

/// Pearson's correlation; `None` if there are fewer than two pairs or one side does not vary.
pub(super) fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let moment = |x: &[f64], mean_x: f64, y: &[f64], mean_y: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum()
    };
    let (spread_a, spread_b) = (moment(a, mean_a, a, mean_a), moment(b, mean_b, b, mean_b));
    // Rounding of the mean leaves a spread of about this size in values that are all the same.
    let varies = |spread: f64, mean: f64| spread > 1e-24 * count * mean * mean;
    let defined = a.len() >= 2 && varies(spread_a, mean_a) && varies(spread_b, mean_b);
    defined.then(|| (moment(a, mean_a, b, mean_b) / (spread_a * spread_b).sqrt()).clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's between the ranks, equal values sharing the mean of theirs.
pub(super) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

/// Ranks from 1, equal values sharing the mean of theirs.
#[expect(clippy::float_cmp, reason = "ties are values that are exactly equal")]
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    ranks_with_ties(values, |a, b| a == b)
}

/// Ranks from 1 by rising value. Values that tie with the least of a group belong to the group and share the mean of its
/// places.
pub(super) fn ranks_with_ties(values: &[f64], is_tie: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    while below < order.len() {
        let least = values[order[below]];
        let size = order[below..].iter().take_while(|&&index| is_tie(least, values[index])).count().max(1);
        for &index in &order[below..below + size] {
            ranks[index] = below as f64 + (size + 1) as f64 / 2.0;
        }
        below += size;
    }
    ranks
}

/// The area under points at equal distances on 0 to 1, by the trapezoid rule.
pub(super) fn trapezoid(values: &[f64]) -> f64 {
    let intervals = (values.len() - 1).max(1) as f64;
    values.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).sum::<f64>() / intervals
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the expected values are exact")]
mod tests {
    use super::*;

    #[test]
    fn ranks_share_ties() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
        // 0.9 ties with 0, 1.5 with 0.9 but not with 0
        let close = |a: f64, b: f64| (a - b).abs() < 1.0;
        assert_eq!(ranks_with_ties(&[1.5, 0.9, 0.0, 2.0], close), [3.5, 1.5, 1.5, 3.5]);
        assert_eq!(ranks_with_ties(&[], close), [0.0; 0]);
    }

    #[test]
    fn correlations_of_known_series() {
        assert_eq!(pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), Some(1.0));
        assert_eq!(pearson(&[1.0, 2.0, 3.0], &[0.1, 0.1, 0.1]), None);
        assert_eq!(pearson(&[1.0], &[1.0]), None);
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-15);
        close(pearson(&[0.0, 1.0, 2.0], &[0.0, 0.0, 3.0]), 3.0 / 12.0_f64.sqrt());
        // 1 − 6 Σd² / (n (n² − 1)) and the rank differences are 0, 1, 1, 1, 1.
        close(spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[10.0, 30.0, 20.0, 60.0, 30.5]), 1.0 - 6.0 * 4.0 / 120.0);
        close(spearman(&[1.0, 2.0, 3.0], &[1.0, 10.0, 1000.0]), 1.0);
        close(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, -7.0]), -1.0);
    }

    #[test]
    fn trapezoid_is_exact_on_lines() {
        assert_eq!(trapezoid(&[1.0, 0.5, 0.0]), 0.5);
        assert_eq!(trapezoid(&[2.0, 2.0]), 2.0);
        assert_eq!(trapezoid(&[0.0, 1.0, 0.0]), 0.5);
    }
}
