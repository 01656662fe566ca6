use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use rand::RngExt;
use rand::seq::SliceRandom;
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::{CoalitionValues, Coalitions, DEFAULT_TOLERANCE, SampledPlan, growing, require_tolerance};
use crate::shapley::ShapleySolution;
use crate::shapley::solution::require_players;

const PAIR: Purpose = Purpose::new("kernel shap pair");
const SELECTION: Purpose = Purpose::new("kernel shap selection of pairs");

/// Classes of up to so many pairs are listed and shuffled; of larger ones pairs are drawn until they are new.
const LISTED: f64 = 65_536.0;

/// How many pairs of coalitions the first look at the standard errors takes for each unknown: the residuals of a fit to
/// few more pairs than unknowns are small whatever the errors are.
const FIRST_PAIRS_AN_UNKNOWN: usize = 4;

/// Settings of `KernelSHAP`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelShapConfig {
    /// The most coalitions that are evaluated beside the empty and the full one. Never more than the `2^M − 2` that there
    /// are, at which the result is exact.
    pub evaluations: usize,
    /// The relative standard error at which sampling ends; 0 takes all of the evaluations.
    pub tolerance: f64,
}

impl Default for KernelShapConfig {
    /// 4 096 coalitions, twice the default of `shap`, so that 49 segments reach the tolerance of 20 % on nearly every image.
    fn default() -> Self {
        Self { evaluations: 4096, tolerance: DEFAULT_TOLERANCE }
    }
}

impl KernelShapConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("evaluations", self.evaluations, 2..=100_000_000)?;
        require_tolerance(self.tolerance)
    }

    fn budget(&self, players: usize) -> usize {
        let all = u32::try_from(players).ok().and_then(|players| 1_usize.checked_shl(players)).unwrap_or(usize::MAX);
        self.evaluations.min(all - 2)
    }
}

/// Which coalitions `KernelSHAP` evaluates, and with which weights they enter the regression.
///
/// Sizes `k` and `M − k` form a class of weight `(M − 1) / (k (M − k))`, doubled because it is two sizes unless
/// `k = M − k`. Coalitions are taken in pairs, each with its complement, one pair after the other: the next one is of the
/// class that is furthest below its share by weight (Sainte-Laguë's method: the largest weight over `n + ½` after `n` pairs),
/// among the classes that have one left, and different from all before. Every class carries exactly its weight. The first
/// pairs of a larger budget are those of a smaller one.
///
/// `shap` differs in two points: it draws the sizes at random too, and counts repeated coalitions twice. Fixed shares
/// without repetition have the same expectation and a smaller variance.
#[derive(Clone, Debug)]
pub struct KernelShapPlan {
    pub(super) coalitions: Coalitions,
    classes: Vec<SizeClass>,
    /// The class of each pair.
    class_of_pair: Vec<usize>,
    weights: Vec<f64>,
    pub(super) cancellation: Cancellation,
}

/// A class of sizes of which a part was drawn at random.
pub(super) struct Stratum {
    /// Its pairs, by their number in the plan.
    pub(super) pairs: Vec<usize>,
    /// The fraction of the class's pairs that was drawn.
    pub(super) fraction: f64,
}

/// The sizes `size` and `players - size`.
#[derive(Clone, Debug)]
struct SizeClass {
    size: usize,
    weight: f64,
    pairs: f64,
}

impl KernelShapPlan {
    /// Chooses the coalitions, those that are drawn by the seed of the execution.
    ///
    /// # Errors
    /// If there are no players, a setting is out of range, the regression would take more memory than is allowed, or the
    /// execution is cancelled.
    pub fn new(players: usize, config: &KernelShapConfig, execution: &Execution) -> Result<Self, ExplainError> {
        config.validate()?;
        require_players(players)?;
        let budget = config.budget(players);
        // the members of the coalitions, the features and their weighted copy; then the normal equations and their factor
        execution.require_memory("the regression of KernelSHAP", "evaluations", [4, budget, players])?;
        execution.require_memory("the equations of KernelSHAP", "the number of segments", [3, players, players])?;
        let classes = size_classes(players);
        let mut coalitions = Coalitions::new(players);
        coalitions.push_players([]);
        coalitions.push_players(0..players);
        let mut draws: Vec<PairDraws> = classes.iter().map(|_| PairDraws::NotBegun).collect();
        let mut counts = vec![0; classes.len()];
        let mut queue: BinaryHeap<Next> = (0..classes.len()).map(|class| Next::of(&classes, class, 0)).collect();
        let mut class_of_pair = Vec::with_capacity(budget / 2);
        while class_of_pair.len() < budget / 2 {
            let Some(Next { class, .. }) = queue.pop() else { break };
            execution.cancellation.check("coalitions", class_of_pair.len(), budget / 2)?;
            coalitions.push_players(draws[class].next(players, &classes[class], execution.seed));
            coalitions.push_complement_of_last();
            class_of_pair.push(class);
            counts[class] += 1;
            if f64::from(counts[class]) < classes[class].pairs {
                queue.push(Next::of(&classes, class, counts[class]));
            }
        }
        let cancellation = execution.cancellation.clone();
        let mut plan = Self { coalitions, classes, class_of_pair, weights: Vec::new(), cancellation };
        plan.weights = plan.weights_of_first(plan.coalitions.len());
        Ok(plan)
    }

    /// The coalitions whose values are needed: the empty one, the full one, then those of the regression.
    pub fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    /// The weights of the coalitions of the regression, which are those from the third on.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// How many of the first pairs are of each class.
    fn counts(&self, pairs: usize) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.class_of_pair[..pairs].iter().for_each(|&class| counts[class] += 1);
        counts
    }

    /// The classes that the first pairs hold a part of.
    pub(super) fn strata(&self, pairs: usize) -> Vec<Stratum> {
        let mut strata: Vec<Stratum> =
            self.classes.iter().map(|_| Stratum { pairs: Vec::new(), fraction: 0.0 }).collect();
        for (pair, &class) in self.class_of_pair[..pairs].iter().enumerate() {
            strata[class].pairs.push(pair);
        }
        for (stratum, class) in strata.iter_mut().zip(&self.classes) {
            stratum.fraction = stratum.pairs.len() as f64 / class.pairs;
        }
        strata.retain(|stratum| !stratum.pairs.is_empty() && stratum.fraction < 1.0);
        strata
    }
}

impl SampledPlan for KernelShapPlan {
    type Solution = ShapleySolution;

    fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    fn stops(&self) -> Vec<usize> {
        let first = FIRST_PAIRS_AN_UNKNOWN * (self.coalitions.players() - 1);
        growing(first, self.class_of_pair.len()).into_iter().map(|pairs| 2 + 2 * pairs).collect()
    }

    fn relative_standard_error(&self, values: &CoalitionValues) -> Result<Option<f64>, ExplainError> {
        Ok(self.solve_first(values)?.relative_standard_error())
    }

    fn solve_first(&self, values: &CoalitionValues) -> Result<ShapleySolution, ExplainError> {
        self.regress(values)
    }

    fn weights_of_first(&self, coalitions: usize) -> Vec<f64> {
        let pairs = coalitions.saturating_sub(2) / 2;
        let counts = self.counts(pairs);
        let each = |class: usize| self.classes[class].weight / (2 * counts[class]) as f64;
        self.class_of_pair[..pairs].iter().flat_map(|&class| [each(class); 2]).collect()
    }
}

/// A class that has a pair left, and how far it is below its share.
struct Next {
    priority: f64,
    class: usize,
}

impl Next {
    fn of(classes: &[SizeClass], class: usize, count: u32) -> Self {
        Self { priority: classes[class].weight / (f64::from(count) + 0.5), class }
    }
}

impl Ord for Next {
    /// Of equal ones, the class of the smaller size comes first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.priority.total_cmp(&other.priority).then_with(|| Reverse(self.class).cmp(&Reverse(other.class)))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}

/// The pairs of a class in the order in which they are taken, without repetition.
enum PairDraws {
    NotBegun,
    /// All that are left, the next one last.
    Shuffled(Vec<Vec<usize>>),
    /// Those that were taken, and the number of the next draw.
    Distinct(HashSet<Vec<usize>>, u64),
}

impl PairDraws {
    /// The next pair, of which there must be one.
    fn next(&mut self, players: usize, class: &SizeClass, seed: u64) -> Vec<usize> {
        let draw = Draw { seed, purpose: SELECTION, epoch: class.size as u64, index: 0 };
        match self {
            Self::NotBegun => {
                *self = if class.pairs <= LISTED {
                    let mut pairs = all_pairs(players, class.size);
                    pairs.shuffle(&mut draw.generator());
                    Self::Shuffled(pairs)
                } else {
                    Self::Distinct(HashSet::new(), 0)
                };
                self.next(players, class, seed)
            }
            Self::Shuffled(left) => left.pop().unwrap_or_default(),
            Self::Distinct(taken, index) => {
                let mut generator = Draw { purpose: PAIR, index: *index, ..draw }.generator();
                *index += 1;
                loop {
                    let members = draw_members(players, class.size, &mut generator);
                    if taken.insert(members.clone()) {
                        return members;
                    }
                }
            }
        }
    }
}

fn size_classes(players: usize) -> Vec<SizeClass> {
    let mut classes = Vec::with_capacity(players / 2);
    let mut subsets = 1.0;
    for size in 1..=players / 2 {
        subsets *= (players - size + 1) as f64 / size as f64;
        let in_the_middle = 2 * size == players;
        let weight = (players - 1) as f64 / (size * (players - size)) as f64;
        classes.push(SizeClass {
            size,
            weight: if in_the_middle { weight } else { 2.0 * weight },
            pairs: (if in_the_middle { subsets / 2.0 } else { subsets }).round(),
        });
    }
    let total: f64 = classes.iter().map(|class| class.weight).sum();
    for class in &mut classes {
        class.weight /= total;
    }
    classes
}

/// One coalition of each pair of a class: all of the size, or in the middle those with player 0.
fn all_pairs(players: usize, size: usize) -> Vec<Vec<usize>> {
    let mut pairs = Vec::new();
    let mut members: Vec<usize> = (0..size).collect();
    loop {
        if 2 * size == players && members[0] != 0 {
            return pairs;
        }
        pairs.push(members.clone());
        // The last member that can still move up, in lexicographic order.
        let Some(place) = (0..size).rev().find(|&place| members[place] < players - size + place) else {
            return pairs;
        };
        members[place] += 1;
        for later in place + 1..size {
            members[later] = members[later - 1] + 1;
        }
    }
}

/// A uniform coalition of `size` players in ascending order, with player 0 if it is as large as its complement.
fn draw_members(players: usize, size: usize, generator: &mut impl RngExt) -> Vec<usize> {
    let mut members = if 2 * size == players {
        let others = sample(generator, players - 1, size - 1).into_iter().map(|other| other + 1);
        std::iter::once(0).chain(others).collect()
    } else {
        sample(generator, players, size).into_vec()
    };
    members.sort_unstable();
    members
}
