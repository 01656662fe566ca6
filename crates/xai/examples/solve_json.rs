//! Solves small problems that come as JSON, so that another language can set its own solution beside ours.
//!
//! ```text
//! echo '[{"quadrature": {"rule": "gauss-legendre", "steps": 2}}]' | cargo run --example solve_json
//! ```
//!
//! Standard input holds a list of problems, standard output becomes the list of their solutions. A *game* is the list of
//! the values of all coalitions: entry `c` is the value of the coalition that holds player `p` if bit `p` of `c` is set.
//! Layers are listed in the order in which the image passes through them, each as the matrices of its heads.
//! Numbers keep every bit in both directions.

use std::io::{stdin, stdout};

use serde::{Deserialize, Serialize};
use tinylsa_xai::{
    AttentionFlowConfig, AttentionRolloutConfig, Cancellation, CoalitionValues, Coalitions, ExactShapleyConfig,
    ExactShapleyPlan, Execution, ExplainError, KernelShapConfig, KernelShapPlan, LayerAttention, LimeConfig, LimePlan,
    QuadratureRule, attention_flow, attention_rollout,
};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Problem {
    Quadrature { rule: QuadratureRule, steps: usize },
    Rollout { layers: Vec<Vec<Vec<Vec<f64>>>>, config: AttentionRolloutConfig },
    Flow { layers: Vec<Vec<Vec<Vec<f64>>>>, config: AttentionFlowConfig },
    ExactShapley { game: Vec<f64> },
    KernelShap { game: Vec<f64>, config: KernelShapConfig, seed: u64 },
    Lime { game: Vec<f64>, config: LimeConfig, seed: u64 },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Solution {
    Quadrature { nodes: Vec<f64>, weights: Vec<f64> },
    Matrix { tokens: usize, values: Vec<f64> },
    Shapley { coalitions: Vec<usize>, weights: Vec<f64>, shapley: Vec<f64> },
    Linear { coalitions: Vec<usize>, weights: Vec<f64>, coefficients: Vec<f64>, intercept: f64 },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let problems: Vec<Problem> = serde_json::from_reader(stdin().lock())?;
    let solutions: Vec<Solution> = problems.into_iter().map(solve).collect::<Result<_, _>>()?;
    serde_json::to_writer(stdout().lock(), &solutions)?;
    Ok(())
}

fn solve(problem: Problem) -> Result<Solution, ExplainError> {
    Ok(match problem {
        Problem::Quadrature { rule, steps } => {
            let quadrature = rule.quadrature(steps)?;
            Solution::Quadrature { nodes: quadrature.nodes, weights: quadrature.weights }
        }
        Problem::Rollout { layers, config } => {
            let matrix = attention_rollout(&attention_of(&layers)?, &config, &Cancellation::default())?.matrix;
            Solution::Matrix { tokens: matrix.tokens(), values: matrix.values().to_vec() }
        }
        Problem::Flow { layers, config } => {
            let maps = attention_flow(&attention_of(&layers)?, None, &config, &Cancellation::default())?;
            Solution::Matrix { tokens: maps.tokens, values: maps.flows }
        }
        Problem::ExactShapley { game } => {
            let players = players_of(&game);
            let plan = ExactShapleyPlan::new(players, &ExactShapleyConfig { limit: players }, &Execution::default())?;
            let solution = plan.solve(&values_of(plan.coalitions(), &game)?)?;
            let coalitions = numbers_of(plan.coalitions());
            Solution::Shapley { coalitions, weights: Vec::new(), shapley: solution.values }
        }
        Problem::KernelShap { game, config, seed } => {
            let plan = KernelShapPlan::new(players_of(&game), &config, &Execution { seed, ..Execution::default() })?;
            let solution = plan.solve(&values_of(plan.coalitions(), &game)?)?;
            let coalitions = numbers_of(plan.coalitions());
            Solution::Shapley { coalitions, weights: plan.weights().to_vec(), shapley: solution.values }
        }
        Problem::Lime { game, config, seed } => {
            let plan = LimePlan::new(players_of(&game), &config, &Execution { seed, ..Execution::default() })?;
            let solution = plan.solve(&values_of(plan.coalitions(), &game)?)?;
            Solution::Linear {
                coalitions: numbers_of(plan.coalitions()),
                weights: plan.weights().to_vec(),
                intercept: solution.intercepts[0],
                coefficients: solution.coefficients,
            }
        }
    })
}

fn attention_of(layers: &[Vec<Vec<Vec<f64>>>]) -> Result<Vec<LayerAttention>, ExplainError> {
    let attention = |heads: &Vec<Vec<Vec<f64>>>| {
        let tokens = heads.first().map_or(0, Vec::len);
        let values = heads.iter().flatten().flatten().copied().collect();
        LayerAttention::new(values, heads.len(), tokens)
    };
    layers.iter().map(attention).collect()
}

/// The number of players `M` of a game with `2^M` values; values beyond the last power of two are not looked at.
fn players_of(game: &[f64]) -> usize {
    game.len().max(1).ilog2() as usize
}

fn values_of(coalitions: &Coalitions, game: &[f64]) -> Result<CoalitionValues, ExplainError> {
    let values = numbers_of(coalitions).into_iter().map(|number| game[number]).collect();
    CoalitionValues::new(1, values)
}

fn numbers_of(coalitions: &Coalitions) -> Vec<usize> {
    let number = |index: usize| {
        (0..coalitions.players()).filter(|&player| coalitions.contains(index, player)).map(|player| 1 << player).sum()
    };
    (0..coalitions.len()).map(number).collect()
}
