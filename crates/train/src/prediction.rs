use tinylsa_data::{Dataset, to_unit};
use tinylsa_model::InferenceModel;

/// Pictures of a forward pass in evaluation.
pub(crate) const BATCH: usize = 250;

/// The probabilities of every class for some pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Number of classes.
    pub classes: usize,
    /// A row of `classes` probabilities for each picture.
    pub probabilities: Vec<f32>,
    /// The true class of each picture.
    pub labels: Vec<u8>,
}

/// What the network is shown of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Views {
    /// The picture.
    Plain,
    /// The picture, its mirror image, and both shifted by one pixel to each of the four sides; the probabilities of
    /// the ten views are averaged.
    MirroredAndShifted,
}

impl Predictions {
    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The probabilities of one picture.
    ///
    /// # Panics
    /// If `index` is not below [`Predictions::len`].
    pub fn row(&self, index: usize) -> &[f32] {
        &self.probabilities[index * self.classes..][..self.classes]
    }

    /// The most probable class of one picture; the first of several.
    ///
    /// # Panics
    /// If `index` is not below [`Predictions::len`].
    pub fn predicted(&self, index: usize) -> usize {
        largest(self.row(index))
    }

    /// Share of pictures whose most probable class is theirs.
    pub fn accuracy(&self) -> f64 {
        let right = (0..self.len()).filter(|&index| self.predicted(index) == usize::from(self.labels[index])).count();
        right as f64 / self.len().max(1) as f64
    }

    /// Mean negative log-likelihood of the true class, in nats.
    pub fn nll(&self) -> f64 {
        let sum: f64 = (0..self.len())
            .map(|index| -f64::from(self.row(index)[usize::from(self.labels[index])].max(f32::MIN_POSITIVE)).ln())
            .sum();
        sum / self.len().max(1) as f64
    }
}

/// The position of the largest value; the first of several.
pub(crate) fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, index| if row[index] > row[best] { index } else { best })
}

/// Turns rows of `classes` logits into probabilities, in place.
pub fn softmax(logits: &mut [f32], classes: usize) {
    for row in logits.chunks_exact_mut(classes) {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for value in &mut *row {
            *value = (*value - highest).exp();
        }
        let sum: f32 = row.iter().sum();
        for value in row {
            *value /= sum;
        }
    }
}

/// Lets a network look at the pictures with these indices.
///
/// Networks are measured in the form in which they are used, with their batch normalisations folded
/// ([`TinyCnnLsa::for_inference`](tinylsa_model::TinyCnnLsa::for_inference)): its logits differ from those of the
/// unfolded network by rounding alone.
///
/// # Panics
/// If an index is not one of the dataset, or its pictures have not the network's size.
pub fn predict(model: &InferenceModel, dataset: &Dataset, indices: &[u32], views: Views) -> Predictions {
    let size = model.config().image_size;
    assert_eq!([dataset.height, dataset.width], [size, size], "pictures for a network of {size}×{size} pixels");
    let classes = model.config().classes;
    let mut probabilities = Vec::with_capacity(indices.len() * classes);
    for batch in indices.chunks(BATCH) {
        let pictures: Vec<Vec<f32>> = batch.iter().map(|&index| to_unit(dataset.image(index as usize))).collect();
        probabilities.extend(averaged(model, &pictures, views));
    }
    let labels = indices.iter().map(|&index| dataset.label(index as usize)).collect();
    Predictions { classes, probabilities, labels }
}

fn averaged(model: &InferenceModel, pictures: &[Vec<f32>], views: Views) -> Vec<f32> {
    let (size, classes) = (model.config().image_size, model.config().classes);
    let poses = poses(views);
    let mut sums = vec![0.0; pictures.len() * classes];
    for &pose in poses {
        let pixels: Vec<f32> = pictures.iter().flat_map(|picture| posed(picture, size, size, pose)).collect();
        let mut probabilities = model.logits(&pixels).expect("the pixels are those of whole pictures");
        softmax(&mut probabilities, classes);
        for (sum, probability) in sums.iter_mut().zip(probabilities) {
            *sum += probability / poses.len() as f32;
        }
    }
    sums
}

#[derive(Clone, Copy)]
struct Pose {
    mirrored: bool,
    right: isize,
    down: isize,
}

fn poses(views: Views) -> &'static [Pose] {
    const fn pose(mirrored: bool, right: isize, down: isize) -> Pose {
        Pose { mirrored, right, down }
    }
    const ALL: [Pose; 10] = [
        pose(false, 0, 0),
        pose(false, 1, 0),
        pose(false, -1, 0),
        pose(false, 0, 1),
        pose(false, 0, -1),
        pose(true, 0, 0),
        pose(true, 1, 0),
        pose(true, -1, 0),
        pose(true, 0, 1),
        pose(true, 0, -1),
    ];
    match views {
        Views::Plain => &ALL[..1],
        Views::MirroredAndShifted => &ALL,
    }
}

/// The picture in another pose; what comes in from outside is black.
fn posed(picture: &[f32], height: usize, width: usize, pose: Pose) -> Vec<f32> {
    let mut result = vec![0.0; picture.len()];
    for row in 0..height {
        for column in 0..width {
            let source_row = row.checked_add_signed(-pose.down).filter(|&row| row < height);
            let source_column = column.checked_add_signed(-pose.right).filter(|&column| column < width);
            if let (Some(source_row), Some(source_column)) = (source_row, source_column) {
                let source_column = if pose.mirrored { width - 1 - source_column } else { source_column };
                result[row * width + column] = picture[source_row * width + source_column];
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poses_shift_and_mirror() {
        let picture = [1.0, 2.0, 3.0, 4.0];
        let show = |mirrored, right, down| posed(&picture, 2, 2, Pose { mirrored, right, down });
        assert_eq!(show(false, 0, 0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(show(false, 1, 0), [0.0, 1.0, 0.0, 3.0]);
        assert_eq!(show(false, 0, -1), [3.0, 4.0, 0.0, 0.0]);
        assert_eq!(show(true, 0, 0), [2.0, 1.0, 4.0, 3.0]);
        assert_eq!(show(true, 1, 0), [0.0, 2.0, 0.0, 4.0]);
    }

    #[test]
    fn softmax_of_hand_computed_rows() {
        let mut rows = [0.0, 3.0_f32.ln(), 1000.0, 0.0];
        softmax(&mut rows, 2);
        for (found, expected) in rows.iter().zip([0.25, 0.75, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{rows:?}");
        }
    }

    #[test]
    fn the_first_of_equal_values_is_the_largest() {
        assert_eq!(largest(&[0.2, 0.4, 0.4]), 1);
    }
}
