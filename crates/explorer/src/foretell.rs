//! What a map says beforehand of an edit: a map that is honest about what pixels do says what happens when they change.

use tinylsa_explain::{Elements, Maps, MethodExplanation, PixelMap, Quantity};
use tinylsa_xai::Image;

/// What a map says of an edit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Foretold {
    /// The change of the explained score; none if the map says nothing of such an edit.
    pub(crate) change: Option<f64>,
    /// How that follows from the map, or why nothing does.
    pub(crate) basis: &'static str,
}

impl Foretold {
    fn nothing(basis: &'static str) -> Self {
        Self { change: None, basis }
    }
}

/// The change of the explained score by the map of an explanation, where the values of the image change by `changes`.
pub(crate) fn foretold(explanation: &MethodExplanation, image: &Image, changes: &[f64]) -> Foretold {
    match &explanation.maps {
        Maps::Pixels(map) => of_pixels(explanation, map, image, changes),
        Maps::Attention(_) | Maps::Rollout(_) | Maps::Flow(_) | Maps::FixedQueries(_) => {
            Foretold::nothing("attention says where the model looks, in no unit of the score")
        }
    }
}

fn of_pixels(explanation: &MethodExplanation, map: &PixelMap, image: &Image, changes: &[f64]) -> Foretold {
    let values = || map.attribution.values.iter().map(|&value| f64::from(value));
    match map.quantity {
        Quantity::Sensitivity => Foretold {
            change: Some(values().zip(changes).map(|(value, change)| value * change).sum()),
            basis: "the sum of the gradient times the change of each pixel, which holds for small changes",
        },
        // of expected gradients: the edit takes a pixel to none of its many baselines
        Quantity::Contribution if explanation.evidence.iter().any(|tensor| tensor.name == "background") => {
            Foretold::nothing("a mean over the images of a background, to none of which the edit takes a pixel")
        }
        Quantity::Contribution => Foretold {
            change: Some(of_contributions(values(), image, &mean_of(explanation, "baselines", image), changes)),
            basis: "each pixel's contribution in the proportion in which the edit takes the pixel to the baseline",
        },
        Quantity::SegmentContribution => match &map.segments {
            Some(segments) => {
                let hidden = mean_of(explanation, "replacements", image);
                let shares = shares(segments.segmentation.labels(), segments.values.len(), image, &hidden, changes);
                Foretold {
                    change: Some(-segments.values.iter().zip(shares).map(|(value, share)| value * share).sum::<f64>()),
                    basis: "each segment's contribution in the proportion in which the edit hides the segment",
                }
            }
            None => Foretold::nothing("the segments of this map are not known"),
        },
        Quantity::Fall => Foretold {
            change: mean_of_changed(&map.attribution.per_pixel(), changes).map(|fall| -fall),
            basis: "the mean fall over the pixels that change, which holds for regions of about the size of the window",
        },
        Quantity::SquaredSensitivity => Foretold::nothing("a square has no sign"),
        Quantity::Gain => Foretold::nothing("a gain is a mean over images masked at random, not over this edit"),
        Quantity::Activation => Foretold::nothing("an activation is in no unit of the score"),
    }
}

/// `Σ φ (x' − x) / (x − b)`: all of it where a pixel becomes the baseline, with the opposite sign.
fn of_contributions(values: impl Iterator<Item = f64>, image: &Image, baseline: &[f64], changes: &[f64]) -> f64 {
    let distances = image.values().iter().zip(baseline).map(|(&value, base)| f64::from(value) - base);
    let parts = values.zip(distances).zip(changes);
    parts.map(|((value, distance), change)| if distance == 0.0 { 0.0 } else { value * change / distance }).sum()
}

/// How far the edit takes each segment towards what hides it, by the projection of the change: 1 where it is hidden.
fn shares(labels: &[usize], segments: usize, image: &Image, hidden: &[f64], changes: &[f64]) -> Vec<f64> {
    let (mut along, mut lengths) = (vec![0.0; segments], vec![0.0; segments]);
    let values = image.values().iter().zip(hidden).zip(changes);
    for (&label, ((&value, hidden), change)) in labels.iter().cycle().zip(values) {
        let way = hidden - f64::from(value);
        along[label] += way * change;
        lengths[label] += way * way;
    }
    along.into_iter().zip(lengths).map(|(along, length)| if length == 0.0 { 0.0 } else { along / length }).collect()
}

/// The mean over the pixels that change.
fn mean_of_changed(map: &[f32], changes: &[f64]) -> Option<f64> {
    let has_changed = |pixel: usize| changes.iter().skip(pixel).step_by(map.len()).any(|&change| change != 0.0);
    let changed: Vec<f64> =
        (0..map.len()).filter(|&pixel| has_changed(pixel)).map(|pixel| f64::from(map[pixel])).collect();
    (!changed.is_empty()).then(|| changed.iter().sum::<f64>() / changed.len() as f64)
}

/// The mean of the images that an explanation holds under a name; black if it holds none.
fn mean_of(explanation: &MethodExplanation, name: &str, image: &Image) -> Vec<f64> {
    let size = image.values().len();
    let mut mean = vec![0.0; size];
    let found = explanation.evidence.iter().find(|tensor| tensor.name == name);
    let Some(Elements::F32(values)) = found.map(|tensor| &tensor.elements) else { return mean };
    let images = values.chunks_exact(size);
    let count = images.len().max(1) as f64;
    for image in images {
        mean.iter_mut().zip(image).for_each(|(mean, &value)| *mean += f64::from(value) / count);
    }
    mean
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tinylsa_explain::{MethodId, NamedTensor, SegmentMap};
    use tinylsa_xai::{Attribution, ImageShape, Segmentation};

    use super::*;

    const SHAPE: ImageShape = ImageShape::grey(1, 4);

    fn explanation(quantity: Quantity, values: [f32; 4], evidence: Vec<NamedTensor>) -> MethodExplanation {
        let segments = (quantity == Quantity::SegmentContribution).then(|| SegmentMap {
            segmentation: Segmentation::grid(1, 4, 1, 2).unwrap(),
            values: vec![3.0, -1.0],
            standard_errors: None,
        });
        let attribution = Attribution { values: values.to_vec(), shape: SHAPE, target: 0.into() };
        let map = PixelMap { attribution, quantity, standard_error: None, segments, accounts_for: None };
        MethodExplanation {
            method: MethodId::named("lime").unwrap(),
            seconds: 0.0,
            maps: Maps::Pixels(map),
            diagnostics: json!({}),
            sentences: Vec::new(),
            settings: json!({}),
            warnings: Vec::new(),
            evidence,
        }
    }

    fn foretold_of(explanation: &MethodExplanation, changes: [f64; 4]) -> Option<f64> {
        let image = Image::new(vec![1.0, 0.5, 0.5, 0.0], SHAPE).unwrap();
        foretold(explanation, &image, &changes).change
    }

    #[test]
    fn erasing_a_pixel_takes_its_contribution_away_and_half_of_it_half() {
        let map = explanation(Quantity::Contribution, [2.0, 4.0, -1.0, 0.0], Vec::new());
        assert_eq!(foretold_of(&map, [-1.0, 0.0, 0.0, 0.0]), Some(-2.0));
        assert_eq!(foretold_of(&map, [0.0, -0.25, 0.0, 0.0]), Some(-2.0));
        assert_eq!(
            foretold_of(&map, [0.0, 0.0, 0.0, 1.0]),
            Some(0.0),
            "the map says nothing of a pixel at its baseline"
        );
        let white = NamedTensor::f32("baselines", vec![1, 1, 1, 4], vec![1.0; 4]);
        let against_white = explanation(Quantity::Contribution, [0.0, 4.0, 0.0, 1.0], vec![white]);
        assert_eq!(foretold_of(&against_white, [0.0, 0.5, 0.0, 0.0]), Some(-4.0));
    }

    #[test]
    fn a_contribution_against_many_images_says_nothing_of_an_edit() {
        let background = NamedTensor::f32("background", vec![1, 1, 1, 4], vec![0.6; 4]);
        let map = explanation(Quantity::Contribution, [-0.05; 4], vec![background]);
        assert_eq!(foretold_of(&map, [-0.1, 0.0, 0.0, 0.0]), None);
    }

    #[test]
    fn hiding_a_segment_takes_its_value_away() {
        let hidden = NamedTensor::f32("replacements", vec![1, 1, 1, 4], vec![0.75, 0.75, 0.0, 0.0]);
        let map = explanation(Quantity::SegmentContribution, [0.0; 4], vec![hidden]);
        assert_eq!(foretold_of(&map, [-0.25, 0.25, 0.0, 0.0]), Some(-3.0));
        assert_eq!(foretold_of(&map, [-0.125, 0.125, 0.0, 0.0]), Some(-1.5));
        assert_eq!(foretold_of(&map, [0.0, 0.0, -0.5, 0.0]), Some(1.0));
    }

    #[test]
    fn a_gradient_is_multiplied_and_a_fall_is_averaged() {
        let gradient = explanation(Quantity::Sensitivity, [2.0, -1.0, 0.0, 8.0], Vec::new());
        assert_eq!(foretold_of(&gradient, [-0.5, 1.0, 0.0, 0.0]), Some(-2.0));
        let fall = explanation(Quantity::Fall, [2.0, 4.0, 0.0, 8.0], Vec::new());
        assert_eq!(foretold_of(&fall, [-0.5, 1.0, 0.0, 0.0]), Some(-3.0));
        assert_eq!(foretold_of(&fall, [0.0; 4]), None);
        for quantity in [Quantity::Gain, Quantity::Activation, Quantity::SquaredSensitivity] {
            assert_eq!(foretold_of(&explanation(quantity, [1.0; 4], Vec::new()), [1.0; 4]), None);
        }
    }
}
