//! The count of what operations cost. One test, because the counters belong to the process.

mod common;

use common::random;
use tinylsa_kernels::{
    Activation, FeatureMap, LinearAttentionOptions, conv3x3, linear, linear_attention,
    profile::{self, Phase},
};

fn forward_and_backward() {
    let (x, weight) = (random(1, [2, 6, 6, 4]).require_grad(), random(2, [8, 4, 3, 3]).require_grad());
    let tokens = conv3x3(x, weight, 1).reshape([2, 36, 8]);
    let qkv = linear(tokens, random(3, [8, 12]).require_grad(), None, Activation::Gelu);
    linear_attention(qkv, LinearAttentionOptions::new(2, FeatureMap::EluPlusOne)).sum().backward();
}

#[test]
fn counts_what_runs_between_start_and_stop() {
    forward_and_backward();
    profile::start();
    assert!(profile::stop().operations.is_empty(), "nothing ran since the start");

    profile::start();
    forward_and_backward();
    forward_and_backward();
    let found = profile::stop();
    let convolution = 2 * 2 * 9 * 2 * 36 * 4 * 8;
    let linear = 2 * 2 * 2 * 36 * 8 * 12;
    for (phase, flops) in [
        (Phase::ConvolutionForward, convolution),
        (Phase::ConvolutionInputGradient, convolution),
        (Phase::ConvolutionWeightGradient, convolution),
        (Phase::LinearForward, linear),
        (Phase::LinearInputGradient, linear),
        (Phase::LinearWeightGradient, linear),
    ] {
        let counted = found.phase(phase).unwrap_or_else(|| panic!("{} ran", phase.name()));
        assert_eq!(counted.flops, flops, "{}", phase.name());
        assert!(counted.calls >= 2 && counted.seconds > 0.0 && counted.bytes > 0, "{counted:?}");
    }
    assert!(found.phase(Phase::AttentionBackward).is_some() && found.phase(Phase::Loss).is_none());
    assert!(found.flops() > 3 * (convolution + linear) && found.seconds() > 0.0);

    forward_and_backward();
    assert_eq!(profile::stop(), found, "nothing is counted after the stop");
}
