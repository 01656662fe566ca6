//! The targets of a batch: a distribution over the classes for each image.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tinylsa_data::Batch;
use tinylsa_model::{LoadedPredictor, ModelConfig, ModelFileError, Predictor};
use tinylsa_settings::{InvalidSetting, require, require_within};

use crate::error::TrainError;
use crate::prediction::{finite_logits, softmax};
use crate::task::Task;

/// Training on the probabilities that other networks give the same varied images (Hinton et al. 2015, "Distilling the knowledge
/// in a neural network", at temperature 1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationConfig {
    /// Model files; the mean of their probabilities is taught. None switches distillation off.
    pub teachers: Vec<PathBuf>,
    /// The share of the target that comes from the teachers, 0 to 1; the rest is the label's.
    pub weight: f64,
}

impl DistillationConfig {
    pub(crate) fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("weight", self.weight, 0.0..=1.0)?;
        let is_whole = self.teachers.is_empty() == (self.weight == 0.0);
        require("weight", is_whole, || self.weight.to_string(), "more than 0 with teachers, 0 without")
    }
}

/// The loaded networks whose probabilities are training targets.
#[derive(Debug, Default)]
pub(crate) struct Teachers(Vec<Teacher>);

#[derive(Debug)]
struct Teacher {
    path: PathBuf,
    network: Box<dyn Predictor>,
    /// SHA-256 of its file, in hexadecimal.
    sha256: String,
}

/// How a teacher is read from its file: [`load_predictor`](tinylsa_model::load_predictor) for networks of one kind, or a
/// function that looks at the kind and knows several.
pub type LoadTeacher = fn(&Path) -> Result<LoadedPredictor, ModelFileError>;

impl Teachers {
    /// Reads the teachers of a student that learns these classes.
    pub(crate) fn load(
        config: &DistillationConfig,
        student: &impl ModelConfig,
        class_names: &[&str],
        load: LoadTeacher,
    ) -> Result<Self, TrainError> {
        let teacher = |path: &PathBuf| load_teacher(path, student, class_names, load);
        config.teachers.iter().map(teacher).collect::<Result<_, _>>().map(Self)
    }

    /// SHA-256 of each file in hexadecimal, in order.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|teacher| teacher.sha256.as_str())
    }

    /// The mean of their probabilities: a row of `classes` values for each image.
    fn probabilities(&self, pixels: &[f32], classes: usize) -> Result<Vec<f32>, TrainError> {
        let mut sums: Vec<f32> = Vec::new();
        for teacher in &self.0 {
            let mut probabilities = finite_logits(&*teacher.network, pixels, 0)
                .map_err(|source| TrainError::TeacherScores { path: teacher.path.clone(), source })?;
            softmax(&mut probabilities, classes);
            if sums.is_empty() {
                sums = vec![0.0; probabilities.len()];
            }
            for (sum, probability) in sums.iter_mut().zip(probabilities) {
                *sum += probability / self.0.len() as f32;
            }
        }
        Ok(sums)
    }
}

fn load_teacher(
    path: &Path,
    student: &impl ModelConfig,
    class_names: &[&str],
    load: LoadTeacher,
) -> Result<Teacher, TrainError> {
    let LoadedPredictor { predictor: network, class_names: known, sha256 } =
        load(path).map_err(|source| TrainError::Teacher { path: path.to_owned(), source })?;
    let found = Task { input: network.input(), classes: network.classes() };
    let expected = Task { input: student.input(), classes: student.classes() };
    if found != expected {
        return Err(TrainError::OtherTask { path: path.to_owned(), found, expected });
    }
    require_classes(path, &known, class_names)?;
    Ok(Teacher { path: path.to_owned(), network, sha256 })
}

/// Refuses a network of as many classes that knows others, or the same ones in another order.
pub(crate) fn require_classes(path: &Path, known: &[String], class_names: &[&str]) -> Result<(), TrainError> {
    let mut classes = known.iter().zip(class_names).enumerate();
    match classes.find(|(_, (found, expected))| found != *expected) {
        Some((class, (found, expected))) => {
            let (found, expected) = (found.clone(), (*expected).to_owned());
            Err(TrainError::OtherClasses { path: path.to_owned(), class, found, expected })
        }
        None => Ok(()),
    }
}

/// All of the target but `smoothing` on the label, `smoothing` spread evenly over all classes (Szegedy et al. 2016): a
/// row of `classes` values for each label.
///
/// # Panics
/// If a label is not below `classes`.
pub fn smoothed_targets(labels: &[u32], classes: usize, smoothing: f64) -> Vec<f32> {
    let mut targets = vec![(smoothing / classes as f64) as f32; labels.len() * classes];
    for (row, &label) in targets.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] += (1.0 - smoothing) as f32;
    }
    targets
}

/// The targets of a batch: its labels smoothed and mixed as its images are, then mixed with what the teachers say.
///
/// # Errors
/// [`TrainError::TeacherScores`] if a teacher's logit is not finite.
pub(crate) fn targets(
    batch: &Batch,
    classes: usize,
    smoothing: f64,
    teachers: &Teachers,
    distillation: &DistillationConfig,
) -> Result<Vec<f32>, TrainError> {
    let mut targets = smoothed_targets(&batch.labels, classes, smoothing);
    let labels = batch.labels.iter().zip(&batch.mixtures);
    for (row, (&label, mixture)) in targets.chunks_exact_mut(classes).zip(labels) {
        let moved = (1.0 - mixture.share) * (1.0 - smoothing) as f32;
        row[label as usize] -= moved;
        row[mixture.other_label as usize] += moved;
    }
    let weight = distillation.weight as f32;
    for (target, taught) in targets.iter_mut().zip(teachers.probabilities(&batch.images, classes)?) {
        *target += weight * (taught - *target);
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use tinylsa_data::Mixture;
    use tinylsa_model::{InferenceModel, ModelFile, TinyCnnLsa, TinyCnnLsaConfig, load_predictor, state_of};

    use super::*;

    fn batch(mixtures: Vec<Mixture>) -> Batch {
        Batch { images: vec![0.25; 2 * 784], labels: vec![0, 2], mixtures, indices: vec![0, 1], position: 0 }
    }

    #[track_caller]
    fn check(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn labels_are_smoothed_and_mixed() {
        let none = (Teachers::default(), DistillationConfig::default());
        let plain = targets(&batch(Vec::new()), 4, 0.2, &none.0, &none.1).unwrap();
        check(&plain, &[0.85, 0.05, 0.05, 0.05, 0.05, 0.05, 0.85, 0.05]);
        check(&plain, &smoothed_targets(&[0, 2], 4, 0.2));
        let mixtures = vec![Mixture { share: 0.75, other_label: 2 }, Mixture { share: 1.0, other_label: 0 }];
        let mixed = targets(&batch(mixtures), 4, 0.2, &none.0, &none.1).unwrap();
        check(&mixed, &[0.65, 0.05, 0.25, 0.05, 0.05, 0.05, 0.85, 0.05]);
    }

    #[test]
    fn teachers_have_their_share() {
        let student = TinyCnnLsaConfig::default();
        let network = || student.init(&burn::tensor::Device::flex()).unwrap().for_inference();
        let teacher = || Teacher { path: PathBuf::new(), network: Box::new(network()), sha256: String::new() };
        let teachers = Teachers(vec![teacher(), teacher()]);
        let mut taught = network().logits(&batch(Vec::new()).images).unwrap();
        softmax(&mut taught, 10);
        let with = |weight| {
            let distillation = DistillationConfig { weight, teachers: vec![PathBuf::new(); 2] };
            targets(&batch(Vec::new()), 10, 0.1, &teachers, &distillation).unwrap()
        };
        check(&with(1.0), &taught);
        let labels = smoothed_targets(&[0, 2], 10, 0.1);
        let half: Vec<f32> = labels.iter().zip(&taught).map(|(label, taught)| f32::midpoint(*label, *taught)).collect();
        check(&with(0.5), &half);
    }

    #[test]
    fn teachers_without_weight_and_weight_without_teachers_are_refused() {
        DistillationConfig::default().validate().unwrap();
        let teachers = vec![PathBuf::from("teacher.safetensors")];
        DistillationConfig { teachers: teachers.clone(), weight: 0.5 }.validate().unwrap();
        for config in
            [DistillationConfig { teachers, weight: 0.0 }, DistillationConfig { weight: 0.5, teachers: Vec::new() }]
        {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains("more than 0 with teachers, 0 without"), "{message}");
        }
    }

    #[test]
    fn a_teacher_of_another_task_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("teacher.safetensors");
        let student = TinyCnnLsaConfig { classes: 3, ..TinyCnnLsaConfig::default() };
        let write = |model: &TinyCnnLsaConfig, names: &[&str]| {
            let bytes = model.init(&burn::tensor::Device::flex()).unwrap().to_safetensors(names, "x").unwrap();
            std::fs::write(&path, bytes).unwrap();
        };
        let load = |path: &Path| {
            let config = DistillationConfig { teachers: vec![path.to_owned()], weight: 0.5 };
            Teachers::load(&config, &student, &["a", "b", "c"], load_predictor::<TinyCnnLsa>)
        };
        write(&student, &["a", "b", "c"]);
        load(&path).unwrap();
        write(&TinyCnnLsaConfig { classes: 2, ..student.clone() }, &["a", "b"]);
        let error = load(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("takes images of 1×28×28 and knows 2 classes, expected 1×28×28 and 3 as the student"),
            "{error}"
        );
        write(&student, &["a", "c", "b"]);
        let error = load(&path).unwrap_err().to_string();
        assert!(error.ends_with("calls class 1 \"c\", expected \"b\" as the dataset"), "{error}");
        assert!(matches!(load(&folder.path().join("absent")), Err(TrainError::Teacher { .. })));
    }

    #[test]
    fn a_teacher_whose_logits_are_not_finite_is_an_error() {
        let config = TinyCnnLsaConfig::default();
        let mut state = state_of(&config.init(&burn::tensor::Device::flex()).unwrap());
        state.get_mut("norm.beta").unwrap().values.fill(1e30);
        state.get_mut("head.weight").unwrap().values.fill(1e30);
        let network = InferenceModel::from_state(&config, &state).unwrap();
        let teachers =
            Teachers(vec![Teacher { path: PathBuf::from("loud"), network: Box::new(network), sha256: String::new() }]);
        let distillation = DistillationConfig { weight: 0.5, teachers: vec![PathBuf::from("loud")] };
        let error = targets(&batch(Vec::new()), 10, 0.1, &teachers, &distillation).unwrap_err();
        assert_eq!(error.to_string(), "the teacher loud gives no probabilities");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the logit of class 0 of image 0 is inf, expected a finite number");
    }
}
