use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

/// Where Integrated Gradients computes the gradients of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathRule {
    /// The trapezoid rule over intervals that are bisected where the gradient changes most. Every gradient is used to
    /// the end, so that their memory grows with the steps: four bytes for each value of the image and step.
    #[default]
    Adaptive,
    /// [`QuadratureRule::GaussLegendre`], its number of nodes doubled from round to round.
    GaussLegendre,
    /// [`QuadratureRule::Midpoint`], doubled likewise.
    Midpoint,
    /// [`QuadratureRule::Right`], doubled likewise.
    Right,
    /// [`QuadratureRule::Trapezoid`], doubled likewise.
    Trapezoid,
}

impl PathRule {
    /// The rule whose nodes do not depend on the integrand, if it is one.
    pub fn fixed(self) -> Option<QuadratureRule> {
        match self {
            Self::Adaptive => None,
            Self::GaussLegendre => Some(QuadratureRule::GaussLegendre),
            Self::Midpoint => Some(QuadratureRule::Midpoint),
            Self::Right => Some(QuadratureRule::Right),
            Self::Trapezoid => Some(QuadratureRule::Trapezoid),
        }
    }

    /// The smallest number of gradients that the rule can do with.
    pub(crate) fn fewest_steps(self) -> usize {
        self.fixed().map_or(2, QuadratureRule::fewest_steps)
    }
}

/// A rule for the integral of a function from 0 to 1, whose nodes do not depend on the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuadratureRule {
    /// The nodes of Gauss and Legendre, exact for polynomials up to degree `2 steps − 1`. Above 1024 steps the interval
    /// is cut into the fewest parts of at most 1024 nodes each, in which the rule is exact up to degree 1023 at least:
    /// the nodes of one rule cost the square of their number.
    GaussLegendre,
    /// The middle of each of `steps` equal parts.
    Midpoint,
    /// The right end of each of `steps` equal parts, the sum of the original paper (Sundararajan et al. 2017).
    Right,
    /// Both ends of each of `steps − 1` equal parts: the outer two nodes have half the weight of the others, and the
    /// weights sum to 1.
    Trapezoid,
}

/// Nodes and weights on the interval 0 to 1; the weights sum to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quadrature {
    /// Where the integrand is evaluated, ascending.
    pub nodes: Vec<f64>,
    /// How much each evaluation counts.
    pub weights: Vec<f64>,
}

impl QuadratureRule {
    /// The smallest number of evaluations that the rule can do with.
    pub(crate) fn fewest_steps(self) -> usize {
        match self {
            Self::Trapezoid => 2,
            Self::GaussLegendre | Self::Midpoint | Self::Right => 1,
        }
    }

    /// The nodes and weights of the rule with `steps` evaluations.
    ///
    /// # Errors
    /// If there are too few of them: none, or only one for the trapezoid rule.
    pub fn quadrature(self, steps: usize) -> Result<Quadrature, InvalidSetting> {
        require_within("steps", steps, self.fewest_steps()..)?;
        let count = steps as f64;
        let equal = |offset: f64| Quadrature {
            nodes: (0..steps).map(|step| (step as f64 + offset) / count).collect(),
            weights: vec![1.0 / count; steps],
        };
        Ok(match self {
            Self::GaussLegendre => composite_gauss_legendre(steps),
            Self::Midpoint => equal(0.5),
            Self::Right => equal(1.0),
            Self::Trapezoid => {
                let mut weights = vec![1.0 / (count - 1.0); steps];
                weights[0] /= 2.0;
                weights[steps - 1] /= 2.0;
                Quadrature { nodes: (0..steps).map(|step| step as f64 / (count - 1.0)).collect(), weights }
            }
        })
    }
}

/// The most nodes of one Gauss–Legendre rule.
const MOST_GAUSS_NODES: usize = 1024;

/// Gauss–Legendre nodes and weights in equal shares: parts of at most [`MOST_GAUSS_NODES`] nodes whose numbers differ by
/// one at most, each on the part of the interval that is its share of the nodes.
fn composite_gauss_legendre(count: usize) -> Quadrature {
    let parts = count.div_ceil(MOST_GAUSS_NODES);
    if parts == 1 {
        return gauss_legendre(count);
    }
    let (mut nodes, mut weights) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (shorter, longer) = (gauss_legendre(count / parts), gauss_legendre(count.div_ceil(parts)));
    for part in 0..parts {
        let (start, end) = (count * part / parts, count * (part + 1) / parts);
        let rule = if end - start == shorter.nodes.len() { &shorter } else { &longer };
        let (offset, width) = (start as f64 / count as f64, (end - start) as f64 / count as f64);
        nodes.extend(rule.nodes.iter().map(|node| offset + width * node));
        weights.extend(rule.weights.iter().map(|weight| width * weight));
    }
    Quadrature { nodes, weights }
}

/// Gauss–Legendre nodes and weights on 0 to 1: the roots of the Legendre polynomial of degree `count` by Newton's
/// method from the approximation of Tricomi (1950), and the weights `2 / ((1 − ξ²) P′(ξ)²)`, both halved.
///
/// Nodes and weights are symmetric around the middle to the last bit, since only one half is computed.
fn gauss_legendre(count: usize) -> Quadrature {
    let (mut nodes, mut weights) = (vec![0.5; count], vec![0.0; count]);
    let degree = count as f64;
    for index in 0..count.div_ceil(2) {
        let middle = 2 * index + 1 == count;
        let angle = PI * (index as f64 + 0.75) / (degree + 0.5);
        let mut root = if middle { 0.0 } else { (1.0 - (1.0 - 1.0 / degree) / (8.0 * degree * degree)) * angle.cos() };
        // Newton's method squares the error, 1e-4 or less at the start: five rounds pass any precision
        for _ in 0..5 {
            let legendre = legendre(count, root);
            if !middle {
                root -= legendre.value / legendre.derivative;
            }
        }
        let derivative = legendre(count, root).derivative;
        let weight = 1.0 / ((1.0 - root * root) * derivative * derivative);
        nodes[index] = f64::midpoint(1.0, -root);
        nodes[count - 1 - index] = f64::midpoint(1.0, root);
        weights[index] = weight;
        weights[count - 1 - index] = weight;
    }
    Quadrature { nodes, weights }
}

struct Legendre {
    value: f64,
    derivative: f64,
}

/// The Legendre polynomial of a degree of at least 1 inside the interval −1 to 1, by its three-term recurrence.
fn legendre(degree: usize, at: f64) -> Legendre {
    let (mut previous, mut value) = (1.0, at);
    for order in 2..=degree {
        let order = order as f64;
        let next = ((2.0 * order - 1.0) * at * value - (order - 1.0) * previous) / order;
        previous = value;
        value = next;
    }
    Legendre { value, derivative: degree as f64 * (at * value - previous) / (at * at - 1.0) }
}
