use crate::gradients::quadrature::Quadrature;

/// Nodes of the first round, or fewer if fewer are asked for.
const FIRST: usize = 9;

/// In a round, as many intervals are bisected as there are nodes divided by this, and at least the number below: few,
/// so that the worst interval of a round is known, and enough for the scorer to have a batch.
const SHARE: usize = 8;
const LEAST: usize = 8;

/// The composite trapezoid rule over intervals that are bisected where the integrand changes most.
///
/// A gradient `gₖ` stands at each node. Where it changes by a jump somewhere in an interval of width `h`, the rule is off
/// by at most `h ‖(g₂ − g₁) ⊙ (x − b)‖ / 2`, which decides which intervals are bisected next.
pub(crate) struct Bisection {
    /// End minus start of the path, for each value of the image.
    path: Vec<f64>,
    /// Ascending from 0 to 1.
    nodes: Vec<f64>,
    /// The gradient at each node.
    gradients: Vec<Vec<f32>>,
    /// The largest error of each interval by one jump.
    errors: Vec<f64>,
}

impl Bisection {
    /// The nodes at which it begins when at least `steps` are wanted, 2 or more.
    pub(crate) fn first_nodes(steps: usize) -> Vec<f64> {
        let parts = steps.min(FIRST) - 1;
        (0..=parts).map(|node| node as f64 / parts as f64).collect()
    }

    /// Intervals between nodes in ascending order, with a gradient at each node.
    pub(crate) fn new(path: Vec<f64>, nodes: Vec<f64>, gradients: Vec<Vec<f32>>) -> Self {
        let mut found = Self { path, nodes, gradients, errors: Vec::new() };
        found.errors = (1..found.nodes.len()).map(|end| found.error(end - 1, end)).collect();
        found
    }

    /// Where to evaluate next, at most `most` middles of the intervals with the largest errors, ascending; empty once
    /// no interval is wide enough to have a middle. Among equal errors the widest interval comes first, then the leftmost.
    pub(crate) fn next_nodes(&self, most: usize) -> Vec<f64> {
        let width = |interval: usize| self.nodes[interval + 1] - self.nodes[interval];
        let middle = |interval: usize| f64::midpoint(self.nodes[interval], self.nodes[interval + 1]);
        let mut intervals: Vec<usize> = (0..self.errors.len())
            .filter(|&interval| self.nodes[interval] < middle(interval) && middle(interval) < self.nodes[interval + 1])
            .collect();
        intervals.sort_by(|&left, &right| {
            let by_error = self.errors[right].total_cmp(&self.errors[left]);
            by_error.then(width(right).total_cmp(&width(left))).then(left.cmp(&right))
        });
        intervals.truncate(most.min(LEAST.max(self.nodes.len() / SHARE)));
        intervals.sort_unstable();
        intervals.into_iter().map(middle).collect()
    }

    /// Takes in the gradients at nodes of [`Bisection::next_nodes`].
    pub(crate) fn insert(self, nodes: Vec<f64>, gradients: Vec<Vec<f32>>) -> Self {
        let mut old = self.nodes.into_iter().zip(self.gradients).peekable();
        let mut all = Vec::with_capacity(old.len() + nodes.len());
        for new in nodes.into_iter().zip(gradients) {
            while let Some(before) = old.next_if(|(node, _)| *node < new.0) {
                all.push(before);
            }
            all.push(new);
        }
        all.extend(old);
        let (nodes, gradients) = all.into_iter().unzip();
        Self::new(self.path, nodes, gradients)
    }

    /// The nodes so far, with the weights of the composite trapezoid rule.
    pub(crate) fn quadrature(&self) -> Quadrature {
        let mut weights = vec![0.0; self.nodes.len()];
        for end in 1..self.nodes.len() {
            let half = (self.nodes[end] - self.nodes[end - 1]) / 2.0;
            weights[end - 1] += half;
            weights[end] += half;
        }
        Quadrature { nodes: self.nodes.clone(), weights }
    }

    /// `(x − b) ⊙ Σ wₖ gₖ`.
    pub(crate) fn attribution(&self, quadrature: &Quadrature) -> Vec<f64> {
        let mut sums = vec![0.0_f64; self.path.len()];
        for (gradient, weight) in self.gradients.iter().zip(&quadrature.weights) {
            sums.iter_mut().zip(gradient).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
        sums.iter_mut().zip(&self.path).for_each(|(sum, length)| *sum *= length);
        sums
    }

    fn error(&self, start: usize, end: usize) -> f64 {
        let jump = self.gradients[start].iter().zip(&self.gradients[end]).zip(&self.path);
        let squares = jump.map(|((&start, &end), length)| ((f64::from(end) - f64::from(start)) * length).powi(2));
        (self.nodes[end] - self.nodes[start]) * squares.sum::<f64>().sqrt() / 2.0
    }
}
