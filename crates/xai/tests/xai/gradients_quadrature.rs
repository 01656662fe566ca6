//! Quadrature rules against polynomials, closed forms and the eigenvalues of Golub and Welsch.

use nalgebra::{DMatrix, SymmetricEigen};
use tinylsa_xai::{Quadrature, QuadratureRule};

fn gauss(steps: usize) -> Quadrature {
    QuadratureRule::GaussLegendre.quadrature(steps).expect("steps are in range")
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found:e}, expected {expected:e}");
    }
}

#[test]
fn few_nodes_have_closed_forms() {
    let on_the_unit_interval = |nodes: &[f64]| nodes.iter().map(|node| f64::midpoint(1.0, *node)).collect::<Vec<_>>();
    close(&gauss(1).nodes, &[0.5], 0.0);
    close(&gauss(1).weights, &[1.0], 1e-15);
    let root = 1.0 / 3.0_f64.sqrt();
    close(&gauss(2).nodes, &on_the_unit_interval(&[-root, root]), 1e-15);
    close(&gauss(2).weights, &[0.5, 0.5], 1e-15);
    let root = (3.0 / 5.0_f64).sqrt();
    close(&gauss(3).nodes, &on_the_unit_interval(&[-root, 0.0, root]), 1e-15);
    close(&gauss(3).weights, &[5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0], 1e-15);
    let [inner, outer] = [-1.0, 1.0].map(|sign| (3.0 / 7.0 + sign * 2.0 / 7.0 * (6.0 / 5.0_f64).sqrt()).sqrt());
    close(&gauss(4).nodes, &on_the_unit_interval(&[-outer, -inner, inner, outer]), 1e-15);
    let [light, heavy] = [-1.0, 1.0].map(|sign| (18.0 + sign * 30.0_f64.sqrt()) / 72.0);
    close(&gauss(4).weights, &[light, heavy, heavy, light], 1e-15);
}

#[test]
fn nodes_are_the_eigenvalues_of_the_jacobi_matrix() {
    // Golub and Welsch 1969: the nodes are the eigenvalues of a tridiagonal matrix, the weights the squares of the
    // first components of its eigenvectors
    for steps in [2, 3, 5, 8, 16, 31, 50, 64, 100, 128, 256] {
        let off = |order: usize| order as f64 / (4.0 * (order * order) as f64 - 1.0).sqrt();
        let jacobi = DMatrix::from_fn(steps, steps, |i, j| if i.abs_diff(j) == 1 { off(i.max(j)) } else { 0.0 });
        let eigen = SymmetricEigen::new(jacobi);
        let mut expected: Vec<(f64, f64)> = (0..steps)
            .map(|k| (f64::midpoint(1.0, eigen.eigenvalues[k]), eigen.eigenvectors[(0, k)].powi(2)))
            .collect();
        expected.sort_by(|left, right| left.0.total_cmp(&right.0));
        let found = gauss(steps);
        let (nodes, weights): (Vec<f64>, Vec<f64>) = expected.into_iter().unzip();
        close(&found.nodes, &nodes, 1e-13);
        close(&found.weights, &weights, 1e-13);
    }
}

#[test]
fn gauss_is_exact_for_polynomials_up_to_its_degree() {
    for steps in 2..=256 {
        let rule = gauss(steps);
        for degree in [0, 1, 2, steps, 2 * steps - 2, 2 * steps - 1] {
            let sum: f64 =
                rule.nodes.iter().zip(&rule.weights).map(|(node, weight)| weight * node.powi(degree as i32)).sum();
            let expected = 1.0 / (degree as f64 + 1.0);
            assert!((sum - expected).abs() < 1e-13, "{steps} steps, degree {degree}: {sum:e} and {expected:e}");
        }
    }
}

#[test]
fn weights_of_every_rule_sum_to_1_and_nodes_ascend() {
    let rules =
        [QuadratureRule::GaussLegendre, QuadratureRule::Midpoint, QuadratureRule::Right, QuadratureRule::Trapezoid];
    for rule in rules {
        for steps in 2..=256 {
            let found = rule.quadrature(steps).expect("steps are in range");
            assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-13, "{rule:?} with {steps} steps");
            assert!(found.nodes.is_sorted() && found.nodes[0] >= 0.0 && found.nodes[steps - 1] <= 1.0);
        }
    }
    close(&QuadratureRule::Trapezoid.quadrature(3).expect("in range").nodes, &[0.0, 0.5, 1.0], 0.0);
    close(&QuadratureRule::Trapezoid.quadrature(3).expect("in range").weights, &[0.25, 0.5, 0.25], 0.0);
    close(&QuadratureRule::Right.quadrature(4).expect("in range").nodes, &[0.25, 0.5, 0.75, 1.0], 0.0);
    close(&QuadratureRule::Midpoint.quadrature(2).expect("in range").nodes, &[0.25, 0.75], 0.0);
}

#[test]
fn a_rule_without_steps_is_an_error() {
    assert_eq!(
        QuadratureRule::Midpoint.quadrature(0).expect_err("0 steps").to_string(),
        "steps is 0, expected at least 1"
    );
    assert_eq!(
        QuadratureRule::Trapezoid.quadrature(1).expect_err("1 step").to_string(),
        "steps is 1, expected at least 2"
    );
}

#[test]
fn many_nodes_are_parts_of_few() {
    // the fewest parts of at most 1024 nodes, each of them exact
    let composite = gauss(2050);
    assert_eq!((composite.nodes.len(), composite.weights.len()), (2050, 2050));
    let part = gauss(683);
    for (index, (node, weight)) in part.nodes.iter().zip(&part.weights).take(683).enumerate() {
        assert!((composite.nodes[index] - node * 683.0 / 2050.0).abs() < 1e-15);
        assert!((composite.weights[index] - weight * 683.0 / 2050.0).abs() < 1e-18);
    }
    // the largest number that a config allows, as many as would take hours in one rule
    let largest = gauss(1 << 20);
    assert!(largest.nodes.is_sorted() && largest.nodes.iter().all(|node| (0.0..=1.0).contains(node)));
    assert!((largest.weights.iter().sum::<f64>() - 1.0).abs() < 1e-11);
    for degree in [1, 7, 100] {
        let sum: f64 =
            largest.nodes.iter().zip(&largest.weights).map(|(node, weight)| weight * node.powi(degree)).sum();
        assert!((sum - 1.0 / (f64::from(degree) + 1.0)).abs() < 1e-11, "degree {degree}: {sum}");
    }
}
