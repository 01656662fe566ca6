use std::ops::Range;

use rayon::prelude::*;

use super::{CoalitionValues, Coalitions, EvaluatedGame, Masker, score_in_pipeline};
use crate::attribution::{ExplainedScore, Targets};
use crate::door::check_scorer;
use crate::error::{ExplainError, require_count, value_count};
use crate::execution::Execution;
use crate::image::Image;
use crate::scorer::Scorer;

/// The values of coalitions for the scores that are explained.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedValues {
    /// The score of each output.
    pub explained: Vec<ExplainedScore>,
    /// The values `[coalitions, explained scores]`.
    pub values: CoalitionValues,
}

/// The segments of an image that a game is about, and those that are left out of it.
///
/// A segment that looks the same hidden and shown changes no coalition, so that its value is 0 (the dummy axiom) and the
/// values of the others are the same without it: half the coalitions for each. It counts as shown in every coalition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Players {
    /// The segment of each player, ascending.
    pub(crate) segments: Vec<usize>,
    /// The segments that are left out, ascending.
    pub(crate) inert: Vec<usize>,
    /// The player of each segment.
    of_segment: Vec<Option<usize>>,
}

impl Players {
    /// The segments that look different hidden and shown.
    pub(crate) fn of(masker: &Masker) -> Self {
        Self::without(masker.inert_segments(), masker.segmentation().count())
    }

    /// Every segment.
    fn all(segments: usize) -> Self {
        Self::without(Vec::new(), segments)
    }

    fn without(inert: Vec<usize>, count: usize) -> Self {
        let mut of_segment = vec![None; count];
        let segments: Vec<usize> = (0..count).filter(|segment| inert.binary_search(segment).is_err()).collect();
        for (player, &segment) in segments.iter().enumerate() {
            of_segment[segment] = Some(player);
        }
        Self { segments, inert, of_segment }
    }

    /// How many players there are.
    pub(crate) fn count(&self) -> usize {
        self.segments.len()
    }

    /// How many segments the image has.
    pub(crate) fn all_segments(&self) -> usize {
        self.of_segment.len()
    }

    /// Values `[outputs, players]` as values `[outputs, segments]`, 0 for the segments that are left out.
    pub(crate) fn spread(&self, values: &[f64], outputs: usize) -> Vec<f64> {
        let of_output = |output: usize| {
            let row = &values[output * self.count()..(output + 1) * self.count()];
            self.of_segment.iter().map(move |player| player.map_or(0.0, |player| row[player]))
        };
        (0..outputs).flat_map(of_output).collect()
    }

    /// Whether each segment is shown in a coalition whose players are these bits.
    fn shown(&self, members: &[u64]) -> Vec<bool> {
        let is_in = |player: usize| members[player / 64] >> (player % 64) & 1 == 1;
        self.of_segment.iter().map(|player| player.is_none_or(is_in)).collect()
    }
}

impl Masker {
    /// The mean of each explained score for every coalition; nothing is kept of other classes. Costs one forward pass for
    /// each coalition and replacement, and two more batches that check the scorer; the next batch is made while the scorer works on the present one.
    ///
    /// # Errors
    /// If the coalitions are not of this image's segments, there are none, the class does not exist, the scorer gives
    /// the image other scores in another batch, the values would take more memory than is allowed, the call is
    /// cancelled, or the scores are not `[batch, classes]` or those of an explained class not finite.
    pub fn values<S: Scorer + ?Sized>(
        &self,
        scorer: &S,
        coalitions: &Coalitions,
        targets: &Targets,
        execution: &Execution,
    ) -> Result<ExplainedValues, ExplainError> {
        require_count("a coalition", coalitions.players(), self.segmentation.count())?;
        if coalitions.is_empty() {
            return Err(ExplainError::Empty { what: "list of coalitions" });
        }
        let players = Players::all(self.segmentation.count());
        let mut game = Game::new(self, &players, scorer, targets, execution)?;
        game.evaluate(coalitions, coalitions.len())?;
        Ok(ExplainedValues { values: game.values()?, explained: game.explained })
    }
}

/// The values of coalitions of an image's segments, of which more and more are evaluated.
pub(crate) struct Game<'a, S: ?Sized> {
    masker: &'a Masker,
    players: &'a Players,
    scorer: &'a S,
    pub(crate) execution: &'a Execution,
    classes: usize,
    /// The score of each output.
    pub(crate) explained: Vec<ExplainedScore>,
    /// `[coalitions, outputs]`, in the order in which they were evaluated.
    values: Vec<f64>,
}

impl<'a, S: Scorer + ?Sized> Game<'a, S> {
    /// Checks the scorer and resolves the targets, at the cost of two batches.
    pub(crate) fn new(
        masker: &'a Masker,
        players: &'a Players,
        scorer: &'a S,
        targets: &Targets,
        execution: &'a Execution,
    ) -> Result<Self, ExplainError> {
        let own = check_scorer(scorer, &masker.image, execution)?;
        let explained = targets.resolve(&own)?;
        Ok(Self { masker, players, scorer, execution, classes: own.classes(), explained, values: Vec::new() })
    }

    /// Evaluates the coalitions up to `end`, those from the first on that has no value yet.
    pub(crate) fn evaluate(&mut self, coalitions: &Coalitions, end: usize) -> Result<(), ExplainError> {
        require_count("a coalition", coalitions.players(), self.players.count())?;
        let outputs = self.explained.len();
        // the values, those of one explained score, and what a solver holds of them
        let held = [3, end, outputs];
        self.execution.require_memory(
            "the values of the coalitions",
            "the number of coalitions or of classes",
            held,
        )?;
        let rows: Range<usize> = self.values.len() / outputs..end;
        if rows.is_empty() {
            return Ok(());
        }
        let (masker, each) = (self.masker, self.masker.replacements.len());
        let mut sums: Vec<f64> = vec![0.0; rows.len() * outputs];
        let found = score_in_pipeline(
            self.scorer,
            masker.image.shape(),
            value_count("the hidden images", &[rows.len(), each])?,
            self.execution,
            |index, values| {
                let shown = self.players.shown(coalitions.bits(rows.start + index / each));
                hide(masker, &shown, &masker.replacements[index % each], values);
            },
            |index, scores| {
                let start = index / each * outputs;
                for (sum, explained) in sums[start..start + outputs].iter_mut().zip(&self.explained) {
                    let score = explained.of(scores)?;
                    *sum = if index % each == 0 { score } else { *sum + score };
                }
                Ok(())
            },
        )?;
        require_count("list of classes", found, self.classes)?;
        sums.par_iter_mut().for_each(|sum| *sum /= each as f64);
        self.values.extend(sums);
        Ok(())
    }

    /// The game if there are no players: its only coalition is the image.
    pub(crate) fn without_players(&mut self) -> Result<EvaluatedGame, ExplainError> {
        let mut coalitions = Coalitions::new(0);
        coalitions.push_players([]);
        self.evaluate(&coalitions, 1)?;
        Ok(EvaluatedGame { coalitions, players: Vec::new(), weights: Vec::new(), values: self.values()? })
    }

    /// The values of everything that was evaluated.
    pub(crate) fn values(&self) -> Result<CoalitionValues, ExplainError> {
        CoalitionValues::new(self.explained.len(), self.values.clone())
    }
}

fn hide(masker: &Masker, is_shown: &[bool], replacement: &Image, values: &mut [f32]) {
    let labels = masker.segmentation.labels();
    let planes = masker.image.values().chunks_exact(labels.len()).zip(replacement.values().chunks_exact(labels.len()));
    for (out, (shown, hidden)) in values.chunks_exact_mut(labels.len()).zip(planes) {
        for (((out, &shown), &hidden), &label) in out.iter_mut().zip(shown).zip(hidden).zip(labels) {
            *out = if is_shown[label] { shown } else { hidden };
        }
    }
}
