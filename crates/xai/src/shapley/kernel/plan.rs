use std::collections::HashSet;
use std::ops::Range;

use rand::RngExt;
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::Coalitions;
use crate::shapley::solution::require_players;

const PAIR: Purpose = Purpose::new("kernel shap pair");
const SELECTION: Purpose = Purpose::new("kernel shap selection of pairs");

/// Settings of `KernelSHAP`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelShapConfig {
    /// How many coalitions are evaluated beside the empty and the full one. Never more than the `2^M − 2` that there
    /// are, at which the result is exact.
    pub evaluations: usize,
}

impl Default for KernelShapConfig {
    /// 2 048 coalitions, about the default of `shap`, which is `2M + 2048`.
    fn default() -> Self {
        Self { evaluations: 2048 }
    }
}

impl KernelShapConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("evaluations", self.evaluations, 2..=100_000_000)
    }

    fn budget(&self, players: usize) -> usize {
        let all = u32::try_from(players).ok().and_then(|players| 1_usize.checked_shl(players)).unwrap_or(usize::MAX);
        self.evaluations.min(all - 2)
    }
}

/// Which coalitions `KernelSHAP` evaluates, and with which weights they enter the regression.
///
/// Sizes `k` and `M − k` form a class of weight `(M − 1) / (k (M − k))`, doubled because it is two sizes unless
/// `k = M − k`. Starting at `k = 1`, a class is enumerated while its share of the remaining evaluations covers it. The
/// evaluations left over are shared among the other classes in proportion to their weights, and each class draws that
/// many different coalitions, every one together with its complement. Every class carries exactly its weight.
///
/// `shap` differs in one point: it draws the sizes at random too and counts repeated coalitions twice. Fixed shares
/// without repetition have the same expectation and a smaller variance.
#[derive(Clone, Debug)]
pub struct KernelShapPlan {
    pub(super) coalitions: Coalitions,
    pub(super) weights: Vec<f64>,
    pub(super) strata: Vec<Stratum>,
    pub(super) cancellation: Cancellation,
}

/// A class of sizes of which a part was drawn at random.
#[derive(Clone, Debug)]
pub(super) struct Stratum {
    /// The rows of its coalitions, complement after coalition.
    pub(super) rows: Range<usize>,
    /// The fraction of the class's pairs that was drawn.
    pub(super) fraction: f64,
}

/// The sizes `size` and `players - size`.
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
        let cancellation = execution.cancellation.clone();
        let mut plan =
            Self { coalitions: Coalitions::new(players), weights: Vec::new(), strata: Vec::new(), cancellation };
        plan.coalitions.push_players([]);
        plan.coalitions.push_players(0..players);
        if players == 1 {
            return Ok(plan);
        }

        let mut pairs_left = budget / 2;
        let classes = size_classes(players);
        let mut open = classes.as_slice();
        while let Some((class, rest)) = open.split_first() {
            let share = class.weight / open.iter().map(|class| class.weight).sum::<f64>();
            // The tolerance lets rounding of the shares not prevent a full enumeration.
            if pairs_left as f64 * share < class.pairs * (1.0 - 1e-9) {
                break;
            }
            execution.cancellation.check("coalitions", plan.coalitions.len(), budget)?;
            plan.add(all_pairs(players, class.size), class.weight);
            pairs_left -= class.pairs as usize;
            open = rest;
        }
        for (class, count) in open.iter().zip(shares(open, pairs_left)).filter(|(_, count)| *count > 0) {
            let start = plan.coalitions.len();
            plan.add(draw_pairs(players, class, count, execution)?, class.weight);
            let rows = start..plan.coalitions.len();
            plan.strata.push(Stratum { rows, fraction: count as f64 / class.pairs });
        }
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

    /// Adds coalitions with their complements, which together carry `weight`.
    fn add(&mut self, pairs: Vec<Vec<usize>>, weight: f64) {
        let each = weight / (2 * pairs.len()) as f64;
        self.weights.extend(std::iter::repeat_n(each, 2 * pairs.len()));
        for members in pairs {
            self.coalitions.push_players(members);
            self.coalitions.push_complement_of_last();
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

/// Whole numbers of pairs in proportion to the weights, by largest remainder, none above what its class holds.
fn shares(classes: &[SizeClass], pairs: usize) -> Vec<usize> {
    let total: f64 = classes.iter().map(|class| class.weight).sum();
    let exact: Vec<f64> = classes.iter().map(|class| (pairs as f64 * class.weight / total).min(class.pairs)).collect();
    let mut counts: Vec<usize> = exact.iter().map(|exact| exact.floor() as usize).collect();
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut left = pairs - counts.iter().sum::<usize>().min(pairs);
    while left > 0 {
        let before = left;
        for &class in &order {
            if left > 0 && (counts[class] as f64) < classes[class].pairs {
                counts[class] += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    counts
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

/// `count` different pairs of a class, uniformly without repetition.
fn draw_pairs(
    players: usize,
    class: &SizeClass,
    count: usize,
    execution: &Execution,
) -> Result<Vec<Vec<usize>>, ExplainError> {
    let draw = Draw { seed: execution.seed, purpose: SELECTION, epoch: class.size as u64, index: 0 };
    if 2.0 * count as f64 >= class.pairs {
        let mut all = all_pairs(players, class.size);
        let mut chosen = sample(&mut draw.generator(), all.len(), count.min(all.len())).into_vec();
        chosen.sort_unstable();
        return Ok(chosen.into_iter().map(|index| std::mem::take(&mut all[index])).collect());
    }
    let mut seen = HashSet::with_capacity(count);
    (0..count as u64)
        .map(|index| {
            execution.cancellation.check("coalitions", index as usize, count)?;
            let mut generator = Draw { purpose: PAIR, index, ..draw }.generator();
            loop {
                let members = draw_members(players, class.size, &mut generator);
                if seen.insert(members.clone()) {
                    return Ok(members);
                }
            }
        })
        .collect()
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
