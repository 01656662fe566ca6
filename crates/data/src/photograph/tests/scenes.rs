//! Photographs that no catalogue would print: each comes out nearly as the same garment in even light does.

use image::{Rgb, RgbImage};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use tinylsa_random::{Draw, Purpose};

use super::*;
use crate::photograph::Doubt;

const RANDOM: Draw = Draw { seed: 1, purpose: Purpose::new("test/photograph"), epoch: 0, index: 0 };
const WIDTH: u32 = 200;
const HEIGHT: u32 = 240;

/// A shirt with two sleeves, striped.
fn is_shirt(x: u32, y: u32) -> bool {
    let (x, y) = (x.abs_diff(100), y);
    (40..210).contains(&y) && x < 35 || (40..69).contains(&y) && x < 35 + (y - 40)
}

fn shirt(page: f32, x: u32, y: u32) -> f32 {
    match (is_shirt(x, y), y / 24 % 2) {
        (true, 0) => 0.2 * page,
        (true, _) => 0.5 * page,
        (false, _) => page,
    }
}

fn photograph(level: impl Fn(u32, u32) -> f32) -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb([level(x, y).round() as u8; 3]))
}

/// The photograph comes out like the shirt on an even page.
#[track_caller]
fn check(image: RgbImage) {
    check_file(&png(image));
}

#[track_caller]
fn check_file(file: &[u8]) {
    let expected = prepared(&png(photograph(|x, y| shirt(240.0, x, y)))).unwrap();
    let found = prepared(file).unwrap();
    assert!(!found.found.is_doubtful(), "{:?}", found.found);
    let distance = distance(&found.pixels, &expected.pixels);
    assert!(distance < 10.0, "the mean distance is {distance}, shown is {:?}", found.shown);
}

fn noisy(image: &RgbImage, deviation: f32) -> RgbImage {
    let mut noise = Distribution::<f32>::sample_iter(StandardNormal, RANDOM.generator());
    let mut noisy = image.clone();
    for level in noisy.iter_mut() {
        *level = (f32::from(*level) + deviation * noise.next().unwrap()).round() as u8;
    }
    noisy
}

#[test]
fn grounds_of_any_level() {
    for page in [255.0, 200.0, 150.0] {
        check(photograph(|x, y| shirt(page, x, y)));
    }
}

#[test]
fn noise() {
    for deviation in [2.0, 4.0, 8.0, 12.0] {
        check(noisy(&photograph(|x, y| shirt(235.0, x, y)), deviation));
    }
}

#[test]
fn files_with_losses() {
    for quality in [10, 30, 90] {
        check_file(&jpeg(photograph(|x, y| shirt(235.0, x, y)), quality));
    }
}

#[test]
fn falling_light_and_vignettes() {
    check(photograph(|x, y| shirt(255.0 - 0.2 * x as f32, x, y)));
    check(photograph(|x, y| shirt(255.0 - 0.2 * x as f32 - 0.15 * y as f32, x, y)));
    let vignette = |x: u32, y: u32| {
        let [x, y] = [(x as f32 - 100.0) / 100.0, (y as f32 - 120.0) / 120.0];
        255.0 * (1.0 - 0.2 * (x * x + y * y))
    };
    check(photograph(|x, y| shirt(vignette(x, y), x, y)));
}

#[test]
fn a_shadow_over_a_corner_of_the_page() {
    let light = |x: u32, y: u32| 1.0 - 0.35 / (1.0 + (-(x as f32 + y as f32 - 330.0) / 14.0).exp());
    check(photograph(|x, y| shirt(240.0 * light(x, y), x, y)));
}

#[test]
fn frames_and_bars_are_cut_away() {
    let framed = |level: f32, across: u32, down: u32| {
        RgbImage::from_fn(WIDTH + 2 * across, HEIGHT + 2 * down, |x, y| {
            let is_inside = (across..WIDTH + across).contains(&x) && (down..HEIGHT + down).contains(&y);
            Rgb([if is_inside { shirt(215.0, x - across, y - down) } else { level }.round() as u8; 3])
        })
    };
    check(framed(255.0, 12, 12));
    check(framed(40.0, 12, 12));
    check(framed(0.0, 40, 0));
    check(framed(0.0, 0, 40));
    check(noisy(&framed(0.0, 0, 40), 5.0));
}

#[test]
fn a_garment_with_straight_edges_from_side_to_side_is_no_bar() {
    let bag = GrayImage::from_fn(140, 140, |x, y| {
        let is_bag = (40..120).contains(&y);
        let is_handle = (20..40).contains(&y) && (50..90).contains(&x) && !(56..84).contains(&x);
        Luma([if is_bag || is_handle { 60 + (x / 20 * 10) as u8 } else { 250 }])
    });
    let found = prepared(&png(bag)).unwrap();
    assert_eq!(found.shown, Area { left: 0, top: 20, width: 140, height: 100 });
}

#[test]
fn specks_are_not_garment() {
    let mut image = photograph(|x, y| shirt(235.0, x, y));
    let mut random = RANDOM.generator();
    for _ in 0..60 {
        let (x, y) = (random.random_range(0..WIDTH - 1), random.random_range(0..HEIGHT - 1));
        for (x, y) in [(x, y), (x + 1, y), (x, y + 1)] {
            image.put_pixel(x, y, Rgb([90; 3]));
        }
    }
    check(image);
}

#[test]
fn a_large_photograph_is_the_same_as_a_small_one() {
    let large = RgbImage::from_fn(5 * WIDTH, 5 * HEIGHT, |x, y| Rgb([shirt(240.0, x / 5, y / 5).round() as u8; 3]));
    check(large);
}

#[test]
fn a_photograph_of_noise_is_doubtful() {
    let mut random = RANDOM.generator();
    let image = RgbImage::from_fn(WIDTH, HEIGHT, |_, _| Rgb([0; 3].map(|_: u8| random.random_range(0..=255))));
    if let Ok(prepared) = prepared(&png(image)) {
        assert!(prepared.found.is_doubtful(), "{:?}", prepared.found);
    }
}

#[test]
fn what_makes_a_find_doubtful_is_said() {
    let doubts = |image: RgbImage| prepared(&png(image)).unwrap().found;
    let faint = doubts(photograph(|x, y| if is_shirt(x, y) { 225.0 } else { 238.0 }));
    assert!(faint.is_doubtful() && faint.doubts.contains(&Doubt::Faint), "{faint:?}");
    let speck = doubts(photograph(|x, y| if (100..103).contains(&x) && (90..93).contains(&y) { 0.0 } else { 238.0 }));
    assert!(speck.is_doubtful() && speck.doubts.contains(&Doubt::Small), "{speck:?}");
    let patches = doubts(photograph(|x, y| if (x / 50 + y / 60).is_multiple_of(2) { 30.0 } else { 220.0 }));
    assert!(patches.is_doubtful() && patches.doubts.contains(&Doubt::UnevenGround), "{patches:?}");
}
