use rand::RngExt;
use tinylsa_random::Draw;

/// The independent standard normal numbers of a draw, by the method of Box and Muller 1958.
pub(crate) fn standard_normals(draw: Draw) -> impl Iterator<Item = f64> {
    let mut generator = draw.generator();
    std::iter::repeat_with(move || {
        let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * generator.random::<f64>()).cos()
    })
}

#[cfg(test)]
mod tests {
    use tinylsa_random::Purpose;

    use super::*;

    #[test]
    fn moments_are_those_of_the_standard_normal_distribution() {
        let draw = Draw { seed: 1, purpose: Purpose::new("moments"), epoch: 0, index: 0 };
        let numbers: Vec<f64> = standard_normals(draw).take(40_000).collect();
        let moment = |power: i32| numbers.iter().map(|number| number.powi(power)).sum::<f64>() / 40_000.0;
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            assert!((moment(power) - expected).abs() < 0.1, "moment {power} is {}", moment(power));
        }
    }
}
