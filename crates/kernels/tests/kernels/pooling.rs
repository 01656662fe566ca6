//! The gradient of 2×2 maximum pooling where values are equal: it treats equal values equally, whatever rounded them.

use crate::common::{assert_close, bits, cases, random, values, weighted_sum};
use burn::tensor::{Tensor, TensorData, module::max_pool2d, ops::MaxPoolOptions};
use proptest::prelude::*;
use std::process::Command;
use tinylsa_kernels::{
    Activation, NormOptions, TIE_TOLERANCE, batch_norm_eval, batch_norm_eval_reference, batch_norm_train,
    batch_norm_train_reference, conv3x3, max_pool2x2,
};

/// Enough for Winograd's convolution.
const CHANNELS: usize = 16;

/// The statistics of a normalisation.
#[derive(Clone, Copy, Debug)]
enum Form {
    Training,
    Evaluation,
}

const FORMS: [Form; 2] = [Form::Training, Form::Evaluation];

/// Normalises with a residual, rectifies and pools, in the fused operation or in the reference.
fn pooled(x: Tensor<4>, residual: Option<Tensor<4>>, form: Form, activation: Activation, fused: bool) -> Tensor<4> {
    let channels = x.dims()[3];
    let vector = |seed| random::<1>(seed, [channels]);
    let options = NormOptions { activation, pool: true, ..NormOptions::default() };
    let (gamma, beta) = (vector(21).abs().add_scalar(0.5), vector(22).add_scalar(0.3));
    match form {
        Form::Training => {
            let operation = if fused { batch_norm_train } else { batch_norm_train_reference };
            operation(x, gamma, beta, residual, &options).output
        }
        Form::Evaluation => {
            let operation = if fused { batch_norm_eval } else { batch_norm_eval_reference };
            operation(x, gamma, beta, vector(23), vector(24).abs().add_scalar(0.5), residual, &options)
        }
    }
}

/// Two convolutions, the second by Winograd's algorithm and with a residual, pooling, and a sum that weighs channels alone.
struct Network {
    first: Tensor<4>,
    second: Tensor<4>,
    form: Form,
}

impl Network {
    fn new(form: Form) -> Self {
        Self {
            first: random(1, [CHANNELS, 1, 3, 3]),
            second: random(2, [CHANNELS, CHANNELS, 3, 3]).div_scalar(4),
            form,
        }
    }

    /// With filters that mirroring and turning leave as they are.
    fn symmetric(form: Form) -> Self {
        let Self { first, second, form } = Self::new(form);
        let mean = |filters: Tensor<4>| {
            let all = SYMMETRIES.map(|symmetry| symmetry.apply(filters.clone(), [2, 3]));
            all.into_iter().reduce(|sum, filter| sum + filter).expect("there are eight").div_scalar(8)
        };
        Self { first: mean(first), second: mean(second), form }
    }

    /// The gradient of the sum at images `[batch, height, width, 1]`.
    fn gradient(&self, images: &Tensor<4>) -> Tensor<4> {
        let images = images.clone().detach().require_grad();
        let x = conv3x3(images.clone(), self.first.clone(), 1);
        let y = conv3x3(x.clone(), self.second.clone(), 1);
        let output = pooled(y, Some(x), self.form, Activation::Relu, true);
        let gradients = (output * random::<1>(3, [CHANNELS]).unsqueeze::<4>()).sum().backward();
        images.grad(&gradients).expect("the images are tracked")
    }
}

/// A symmetry of the square.
#[derive(Clone, Copy, Debug)]
struct Symmetry {
    upside_down: bool,
    mirrored: bool,
    transposed: bool,
}

impl Symmetry {
    const fn new(index: usize) -> Self {
        Self { upside_down: index & 1 == 1, mirrored: index & 2 == 2, transposed: index & 4 == 4 }
    }

    fn apply(self, x: Tensor<4>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let x = if self.upside_down { x.flip([rows]) } else { x };
        let x = if self.mirrored { x.flip([columns]) } else { x };
        if self.transposed { x.swap_dims(rows, columns) } else { x }
    }
}

const SYMMETRIES: [Symmetry; 8] = [
    Symmetry::new(0),
    Symmetry::new(1),
    Symmetry::new(2),
    Symmetry::new(3),
    Symmetry::new(4),
    Symmetry::new(5),
    Symmetry::new(6),
    Symmetry::new(7),
];

/// A patch of noise on a flat ground.
fn patch_at(row: usize, column: usize, side: usize) -> Tensor<4> {
    let patch = values(&random::<4>(5, [1, 7, 5, 1]).abs());
    let mut pixels = vec![0.37_f32; side * side];
    for (index, value) in patch.into_iter().enumerate() {
        pixels[(row + index / 5) * side + column + index % 5] = value;
    }
    Tensor::from_data(TensorData::new(pixels, [1, side, side, 1]), &random::<1>(0, [1]).device())
}

/// The pixels of windows one after another, `[windows, channels, 4]`, from `[batch, height, width, channels]`.
fn windows(x: Tensor<4>) -> Tensor<3> {
    let [batch, height, width, channels] = x.dims();
    let windows: Tensor<6> = x.reshape([batch, height / 2, 2, width / 2, 2, channels]);
    windows.permute([0, 1, 3, 5, 2, 4]).reshape([batch * height * width / 4, channels, 4])
}

/// The inverse of [`windows`].
fn from_windows(x: Tensor<3>, [batch, height, width, channels]: [usize; 4]) -> Tensor<4> {
    let windows: Tensor<6> = x.reshape([batch, height / 2, width / 2, channels, 2, 2]);
    windows.permute([0, 1, 4, 2, 5, 3]).reshape([batch, height, width, channels])
}

/// Values of a few levels, so that most windows have ties, clearly apart from each other.
fn few_levels(seed: u64, dims: [usize; 4]) -> Tensor<4> {
    random(seed, dims).mul_scalar(1.4).round()
}

#[test]
fn on_a_flat_image_the_four_values_of_a_window_take_a_quarter_each() {
    for (form, residual, activation) in
        FORMS.into_iter().flat_map(|form| [(form, false, Activation::Identity), (form, true, Activation::Relu)])
    {
        let flat = Tensor::<4>::full([2, 22, 22, CHANNELS], 0.37, &random::<1>(0, [1]).device());
        let filters = random(7, [CHANNELS, CHANNELS, 3, 3]);
        let x = conv3x3(flat.clone(), filters, 1).detach().require_grad();
        let second = conv3x3(flat, random(8, [CHANNELS, CHANNELS, 3, 3]), 1).detach();
        let output = pooled(x.clone(), residual.then_some(second), form, activation, true);
        let gradients = weighted_sum(output.clone()).backward();
        let gradient = x.grad(&gradients).expect("x is tracked").slice([0..2, 2..20, 2..20]);
        let passes = values(&output.slice([0..2, 1..10, 1..10]));
        let all = values(&windows(gradient));
        let largest = all.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(passes.iter().filter(|&&value| value > 0.0).count() > passes.len() / 4);
        for window in all.chunks_exact(4) {
            let spread = window.iter().map(|value| (value - window[0]).abs()).fold(0.0, f32::max);
            assert!(spread <= 1e-5 * largest, "{form:?}, {activation:?}: {window:?}, largest {largest}");
        }
    }
}

#[test]
fn the_gradient_moves_with_what_stands_on_a_flat_ground() {
    for form in FORMS {
        let network = Network::new(form);
        let [at, moved] = [(10, 10), (12, 16)].map(|(row, column)| network.gradient(&patch_at(row, column, 36)));
        let around =
            |x: Tensor<4>, row: usize, column: usize| x.slice([0..1, row - 6..row + 14, column - 6..column + 12]);
        assert_close(&format!("{form:?}"), &around(moved, 12, 16), &around(at, 10, 10), 1e-4);
    }
}

#[test]
fn a_mirrored_or_turned_image_has_the_gradient_mirrored_or_turned() {
    for form in FORMS {
        let network = Network::symmetric(form);
        let image = patch_at(4, 12, 24);
        let gradient = network.gradient(&image);
        for symmetry in SYMMETRIES {
            let found = network.gradient(&symmetry.apply(image.clone(), [1, 2]));
            assert_close(&format!("{form:?}, {symmetry:?}"), &found, &symmetry.apply(gradient.clone(), [1, 2]), 1e-4);
        }
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_permuted_window_has_its_gradient_permuted(
        rows in 1_usize..4, columns in 1_usize..4, channels in 1_usize..20, order in Just([0, 1, 2, 3]).prop_shuffle(),
        relu: bool, with_residual: bool, seed: u64,
    ) {
        let dims = [2, 2 * rows, 2 * columns, channels];
        let activation = if relu { Activation::Relu } else { Activation::Identity };
        let permute = |x: Tensor<4>| {
            let order = Tensor::from_data(order, &x.device());
            from_windows(windows(x).select(2, order), dims)
        };
        let gradient = |x: Tensor<4>, residual: Option<Tensor<4>>, form| {
            let x = x.detach().require_grad();
            let gradients = weighted_sum(pooled(x.clone(), residual, form, activation, true)).backward();
            x.grad(&gradients).expect("x is tracked")
        };
        let (x, residual) = (few_levels(seed, dims), with_residual.then(|| few_levels(seed ^ 1, dims)));
        for form in FORMS {
            let found = gradient(permute(x.clone()), residual.clone().map(permute), form);
            let expected = permute(gradient(x.clone(), residual.clone(), form));
            assert_close(&format!("{form:?}"), &found, &expected, 1e-5);
        }
    }

    #[test]
    fn the_fused_gradient_is_that_of_the_reference_at_ties_and_away_from_them(
        height in 2_usize..8, width in 2_usize..8, channels in 1_usize..40, relu: bool, with_residual: bool, tied: bool,
        seed: u64,
    ) {
        let dims = [2, height, width, channels];
        let activation = if relu { Activation::Relu } else { Activation::Identity };
        let draw = |seed| if tied { few_levels(seed, dims) } else { random(seed, dims) };
        let residual = with_residual.then(|| draw(seed ^ 1));
        for form in FORMS {
            let gradient = |fused| {
                let x = draw(seed).detach().require_grad();
                let gradients = weighted_sum(pooled(x.clone(), residual.clone(), form, activation, fused)).backward();
                x.grad(&gradients).expect("x is tracked")
            };
            assert_close(&format!("{form:?}"), &gradient(true), &gradient(false), 2e-4);
        }
    }

    #[test]
    fn over_equal_values_the_maximum_has_the_gradient_of_the_mean(side in 2_usize..7, seed: u64) {
        // every pixel stands for four, and the filters see nothing else
        let small = random::<4>(seed, [1, side, side, CHANNELS]);
        let image = small.unsqueeze_dim::<5>(3).unsqueeze_dim::<6>(2).repeat(&[1, 1, 2, 1, 2, 1])
            .reshape([1, 2 * side, 2 * side, CHANNELS]);
        let centre = Tensor::<4>::zeros([CHANNELS, CHANNELS, 3, 3], &image.device())
            .slice_assign([0..CHANNELS, 0..CHANNELS, 1..2, 1..2], random(seed ^ 1, [CHANNELS, CHANNELS, 1, 1]));
        let gradient = |average: bool| {
            let image = image.clone().detach().require_grad();
            let x = conv3x3(image.clone(), centre.clone(), 1);
            let [gamma, beta] = [3, 4].map(|seed| random::<1>(seed, [CHANNELS]));
            let (mean, variance) = (beta.zeros_like(), beta.ones_like());
            let options = NormOptions { activation: Activation::Relu, pool: !average, ..NormOptions::default() };
            let output = batch_norm_eval(x, gamma, beta, mean, variance, None, &options);
            let output = if average { windows(output).mean_dim(2) } else { windows_of_one(output) };
            image.grad(&weighted_sum(output).backward()).expect("the image is tracked")
        };
        assert_close("the gradient", &gradient(false), &gradient(true), 1e-4);
    }

    #[test]
    fn the_values_are_those_of_burns_own_pooling_bit_for_bit(
        height in 2_usize..8, width in 2_usize..8, channels in 1_usize..5, seed: u64,
    ) {
        // zeros of both signs, and infinite values
        let x = few_levels(seed, [2, height, width, channels]);
        let x = x.clone().mask_fill(x.clone().greater_elem(0.5), f32::INFINITY);
        let burns = |x: Tensor<4>| {
            max_pool2d(x.permute([0, 3, 1, 2]), MaxPoolOptions::new([2, 2])).permute([0, 2, 3, 1])
        };
        let plain = max_pool2x2(x.clone().inner());
        prop_assert_eq!(bits(&plain), bits(&max_pool2x2(x.clone().require_grad())));
        prop_assert_eq!(values(&plain), values(&burns(x.inner())));
        // away from ties, so is the gradient
        let x = random::<4>(seed, [2, height, width, channels]);
        let gradient = |pool: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let x = x.clone().detach().require_grad();
            let gradients = weighted_sum(pool(x.clone())).backward();
            x.grad(&gradients).expect("x is tracked")
        };
        assert_close("the gradient", &gradient(&max_pool2x2), &gradient(&burns), 1e-6);
    }

    #[test]
    fn the_gradient_lies_between_the_one_sided_derivatives(tied: bool, symmetric: bool, seed: u64) {
        let dims = [1, 4, 4, 3];
        // a quarter apart at least where not equal, more than a step can turn around
        let x = if tied { few_levels(seed, dims) } else { distinct(seed, dims) };
        let weights = random::<4>(seed ^ 1, [1, 2, 2, 3]).abs().add_scalar(0.1);
        let score = |x: Tensor<4>| (max_pool2x2(x) * weights.clone()).sum();
        // along (a, b, b, a) the two one-sided derivatives lie symmetrically around the share of four equal values
        let x = if symmetric { x.zeros_like() } else { x }.detach().require_grad();
        let direction = if symmetric {
            let [a, b] = [2, 3].map(|offset| windows(random(seed ^ offset, dims)).slice([0..4, 0..3, 0..1]));
            from_windows(Tensor::cat(vec![a.clone(), b.clone(), b, a], 2), dims)
        } else {
            random(seed ^ 2, dims)
        };
        let step = 1.0 / 64.0;
        let one_sided = |sign: f32| {
            let there = x.clone().detach() + direction.clone() * (sign * step);
            values(&(score(there) - score(x.clone().detach())))[0] / (sign * step)
        };
        let gradient = x.grad(&score(x.clone()).backward()).expect("x is tracked");
        let along = values(&(gradient * direction.clone().inner()).sum())[0];
        let (backward, forward) = (one_sided(-1.0), one_sided(1.0));
        prop_assert!(backward - 1e-3 <= along && along <= forward + 1e-3, "{backward} {along} {forward}");
        if symmetric || !tied {
            prop_assert!((along - 0.5 * (backward + forward)).abs() < 1e-3, "{backward} {along} {forward}");
        }
    }
}

/// A tensor in the shape of windows with one value each.
fn windows_of_one(x: Tensor<4>) -> Tensor<3> {
    let [batch, height, width, channels] = x.dims();
    x.reshape([batch * height * width, channels, 1])
}

/// Values that are at least a quarter apart within every window.
fn distinct(seed: u64, dims: [usize; 4]) -> Tensor<4> {
    let order = Tensor::<3>::from_data([[[0.0_f32, 1.0, 2.0, 3.0]]], &random::<1>(0, [1]).device());
    let [batch, height, width, channels] = dims;
    let rolled = windows(random(seed, dims)).mul_scalar(0.25);
    from_windows(rolled + order.expand([batch * height * width / 4, channels, 4]), dims)
}

#[test]
fn what_counts_as_equal_lies_within_the_tolerance() {
    for (largest, scale) in [(0.5, 1.0), (100.0, 100.0), (-100.0, 100.0), (0.0, 1.0)] {
        for (share_of_tolerance, is_tied) in [(0.8, true), (1.25, false)] {
            let lower = largest - share_of_tolerance * TIE_TOLERANCE * scale;
            let window = [[lower, -200.0], [largest, -200.0]];
            let x = Tensor::<2>::from_data(window, &random::<1>(0, [1]).device()).reshape([1, 2, 2, 1]);
            let expected = if is_tied { [0.5, 0.0, 0.5, 0.0] } else { [0.0, 0.0, 1.0, 0.0] };
            let vector = |value: f32| random::<1>(0, [1]).zeros_like().add_scalar(value);
            let options = NormOptions { epsilon: 0.0, pool: true, ..NormOptions::default() };
            let normalised =
                |x: Tensor<4>| batch_norm_eval(x, vector(1.0), vector(0.0), vector(0.0), vector(1.0), None, &options);
            for pool in [&max_pool2x2 as &dyn Fn(Tensor<4>) -> Tensor<4>, &normalised] {
                let x = x.clone().detach().require_grad();
                let gradients = pool(x.clone()).sum().backward();
                assert_eq!(values(&x.grad(&gradients).expect("x is tracked")), expected, "{window:?}");
            }
        }
    }
}

#[test]
fn a_rectified_maximum_passes_all_of_its_gradient_or_nothing() {
    // two that are tied around 0 within rounding, and one window below 0
    let x = [[2e-7_f32, -1.0, -2.0, -2.0], [-2e-7, -3.0, -2.0, -2.0]];
    for operation in [batch_norm_eval, batch_norm_eval_reference] {
        let x = Tensor::<2>::from_data(x, &random::<1>(0, [1]).device()).reshape([1, 2, 4, 1]).require_grad();
        let vector = |value: f32| random::<1>(0, [1]).zeros_like().add_scalar(value);
        let options = NormOptions { epsilon: 0.0, activation: Activation::Relu, pool: true };
        let output = operation(x.clone(), vector(1.0), vector(0.0), vector(0.0), vector(1.0), None, &options);
        let gradient = x.grad(&output.sum().backward()).expect("x is tracked");
        assert_eq!(values(&gradient), [0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0]);
    }
}

#[test]
#[should_panic(expected = "2×2 pooling of the input [1, 1, 4, 2] leaves nothing")]
fn a_single_row_is_refused() {
    max_pool2x2(random(0, [1, 1, 4, 2]));
}

#[test]
fn all_of_this_holds_in_every_instruction_set() {
    if std::env::var_os("TINYLSA_SIMD").is_some() {
        return;
    }
    let this = std::env::current_exe().expect("the test knows its program");
    for name in ["portable", "avx2", "avx512"] {
        let output =
            Command::new(&this).arg("pooling::").env("TINYLSA_SIMD", name).output().expect("the test can start itself");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains(" 0 passed"), "{name}: {said}");
    }
}
