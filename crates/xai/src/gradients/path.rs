use crate::attribution::{ExplainedScore, Target};
use crate::door::pass_differentiable_door;
use crate::error::{ExplainError, require_shape};
use crate::execution::Execution;
use crate::image::Image;
use crate::scorer::{Scorer, Scores, batch_scores, check_scores, image_batch, read_scores};

/// The score that is explained, with its value at the image and at each baseline.
pub(crate) struct PathEnds {
    pub(crate) explained: ExplainedScore,
    pub(crate) score: f64,
    pub(crate) baseline_scores: Vec<f64>,
}

/// Scores the image and its baselines, all of one shape and at least one of them.
pub(crate) fn path_ends<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    baselines: &[Image],
    target: Target,
    execution: &Execution,
) -> Result<PathEnds, ExplainError> {
    if baselines.is_empty() {
        return Err(ExplainError::Empty { what: "list of baselines" });
    }
    for baseline in baselines {
        require_shape("a baseline", &baseline.shape().dims(), &image.shape().dims())?;
    }
    // as many as a batch may hold go through the door with the image
    let room = execution.batch_size.saturating_sub(2).min(baselines.len());
    let (first, rest) = baselines.split_at(room);
    let mut values = pass_differentiable_door(scorer, image, first, execution)?.tracked.into_values();
    let classes = values.len() / (1 + first.len());
    execution.in_batches("evaluations", rest.len(), |batch| {
        let rows = batch.len();
        let fill = |index: usize, values: &mut [f32]| values.copy_from_slice(rest[index].values());
        let images = image_batch(image.shape(), batch, execution, fill)?.autodiff().require_grad();
        let scores = batch_scores(scorer, images);
        check_scores(&scores, rows, classes)?;
        values.extend(read_scores(scores, None)?);
        Ok(())
    })?;
    let scores = Scores::new(values, classes)?;
    let explained = target.resolve(&scores)?;
    let score = explained.of(scores.of(0))?;
    let baseline_scores = (1..scores.len()).map(|index| explained.of(scores.of(index))).collect::<Result<_, _>>()?;
    Ok(PathEnds { explained, score, baseline_scores })
}

/// The attributions so far, by their steps.
#[derive(Default)]
pub(crate) struct Rounds(Vec<(usize, Vec<f64>)>);

impl Rounds {
    pub(crate) fn push(&mut self, steps: usize, attribution: Vec<f64>) {
        self.0.push((steps, attribution));
    }

    /// The change since the last round of at most half of these steps, the half rounded up.
    pub(crate) fn change(&self, steps: usize, attribution: &[f64]) -> Option<MapChange> {
        let coarser = self.0.iter().rev().find(|(coarser, _)| *coarser <= steps.div_ceil(2))?;
        Some(MapChange::between(&coarser.1, attribution))
    }
}

/// By how much a refinement changed an attribution, and how large it is, in Euclidean norms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapChange {
    change: f64,
    size: f64,
}

impl MapChange {
    fn between(coarser: &[f64], finer: &[f64]) -> Self {
        let norm = |squares: f64| squares.sqrt();
        Self {
            change: norm(coarser.iter().zip(finer).map(|(coarser, finer)| (finer - coarser).powi(2)).sum()),
            size: norm(finer.iter().map(|value| value * value).sum()),
        }
    }

    /// Whether the change is at most this share of the size.
    pub(crate) fn is_within(&self, share: f64) -> bool {
        self.change <= share * self.size
    }

    pub(crate) fn relative(&self) -> Option<f64> {
        if self.change == 0.0 { Some(0.0) } else { (self.size > 0.0).then(|| self.change / self.size) }
    }
}

/// Writes the point `start + position (end − start)`.
pub(crate) fn interpolate(start: &Image, end: &Image, position: f64, values: &mut [f32]) {
    for (value, (&start, &end)) in values.iter_mut().zip(start.values().iter().zip(end.values())) {
        let (start, end) = (f64::from(start), f64::from(end));
        *value = (start + position * (end - start)) as f32;
    }
}
