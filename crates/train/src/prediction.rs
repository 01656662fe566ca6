use burn::tensor::{Device, Tensor, TensorData, activation::softmax};
use tinylsa_data::{Dataset, to_unit};
use tinylsa_model::{TinyCnnLsa, values_of};

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

/// Lets a network, in evaluation, look at the pictures with these indices.
///
/// # Panics
/// If an index is not one of the dataset, or a label none of the network's classes.
pub fn predict(model: &TinyCnnLsa, dataset: &Dataset, indices: &[u32], views: Views, device: &Device) -> Predictions {
    let classes = model.config().classes;
    let mut probabilities = Vec::with_capacity(indices.len() * classes);
    for batch in indices.chunks(BATCH) {
        let pictures: Vec<Vec<f32>> = batch.iter().map(|&index| to_unit(dataset.image(index as usize))).collect();
        probabilities.extend(averaged(model, &pictures, dataset, views, device));
    }
    let labels = indices.iter().map(|&index| dataset.label(index as usize)).collect();
    Predictions { classes, probabilities, labels }
}

fn averaged(model: &TinyCnnLsa, pictures: &[Vec<f32>], dataset: &Dataset, views: Views, device: &Device) -> Vec<f32> {
    let (height, width) = (dataset.height, dataset.width);
    let poses = poses(views);
    let mut sums = vec![0.0; pictures.len() * model.config().classes];
    for &pose in poses {
        let pixels: Vec<f32> = pictures.iter().flat_map(|picture| posed(picture, height, width, pose)).collect();
        let images = Tensor::from_data(TensorData::new(pixels, [pictures.len(), 1, height, width]), device);
        let probabilities = values_of(&softmax(model.forward(images), 1));
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
    fn the_first_of_equal_values_is_the_largest() {
        assert_eq!(largest(&[0.2, 0.4, 0.4]), 1);
    }
}
