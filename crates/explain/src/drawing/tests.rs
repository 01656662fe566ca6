//! Images of a made-up explanation: every method, both kinds of caption, what fits and what does not.

use super::example::{TOKENS, explanation};
use super::*;
use crate::error::ExplanationError;

const RED_FRAME: [u8; 3] = [230, 0, 38];

fn decode(image: &NamedDrawing) -> image::RgbImage {
    image::load_from_memory(&image.png).unwrap().to_rgb8()
}

#[test]
fn every_method_has_an_image_that_fits_a_page() {
    let images = draw(&explanation(), &Cancellation::default()).unwrap();
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    let expected: Vec<String> = MethodId::all().map(|method| format!("{}.png", method.name())).collect();
    assert_eq!(
        (names[0], &names[1..]),
        ("methods.png", expected.iter().map(String::as_str).collect::<Vec<_>>().as_slice())
    );
    for image in &images {
        let (width, height) = decode(image).dimensions();
        assert!((450..=1120).contains(&width) && (300..=2400).contains(&height), "{}: {width} x {height}", image.name);
    }
    assert_eq!(
        images,
        draw(&explanation(), &Cancellation::default()).unwrap(),
        "the same explanation gives the same bytes"
    );
}

#[test]
fn every_method_of_pixels_has_a_centred_scale_of_its_own() {
    let mut explanation = explanation();
    let limit = |explanation: &ImageExplanation, method: MethodId| {
        Subject::new(explanation).unwrap().scales.get(method).unwrap().limit()
    };
    let before: Vec<(MethodId, f32)> = explanation
        .methods
        .iter()
        .filter(|found| matches!(found.maps, Maps::Pixels(_)))
        .map(|found| (found.method, limit(&explanation, found.method)))
        .collect();
    assert!(before.len() > 2);
    // A method that is a thousand times as large leaves the scales of the others as they are.
    let noisy = before[0].0;
    let found = explanation.methods.iter_mut().find(|found| found.method == noisy).unwrap();
    let Maps::Pixels(pixels) = &mut found.maps else { unreachable!("a method of pixels") };
    pixels.attribution.values.iter_mut().for_each(|value| *value *= 1000.0);
    for (method, scale) in before {
        let factor = if method == noisy { 1000.0 } else { 1.0 };
        let found = limit(&explanation, method);
        assert!((found / (factor * scale) - 1.0).abs() < 1e-5, "{method}: {scale} {found}");
    }
}

#[test]
fn only_maps_that_depend_on_the_class_say_why() {
    let explanation = explanation();
    let subject = Subject::new(&explanation).unwrap();
    let title = |name: &str| {
        let method = explanation.methods.iter().find(|found| found.method.name() == name).unwrap();
        subject.title(method)
    };
    let target = explanation.target_name();
    assert_eq!(title("integrated-gradients"), format!("Integrated Gradients: why {target}?"));
    assert!(title("gradient-rollout").ends_with(&format!(": why {target}?")));
    assert_eq!(title("self-attention"), "Self-attention: where each layer looks");
    assert_eq!(title("attention-rollout"), "Attention rollout: where all layers together look");
    assert!(title("fixed-query").ends_with(": where some tokens look"));
}

#[test]
fn rollout_is_drawn_as_a_multiple_of_an_even_share() {
    let grid = tinylsa_xai::TokenGrid::new(1, 4);
    let even = shown::multiples(&[0.25; 4], grid).unwrap();
    assert_eq!(even.values(), [0.0; 4]);
    let peaked = shown::multiples(&[0.5, 0.25, 0.25, 0.0], grid).unwrap();
    assert_eq!(peaked.values(), [1.0, 0.0, 0.0, -1.0]);
    // a class token is one of the tokens, although it has no place on the image
    let with_class_token = shown::multiples(&[0.2; 5], grid.with_prefix(1)).unwrap();
    assert!(with_class_token.values().iter().all(|value| value.abs() < 1e-6));
}

#[test]
fn the_query_is_framed_in_its_column() {
    let explanation = explanation();
    let images = draw(&explanation, &Cancellation::default()).unwrap();
    let drawn = decode(images.iter().find(|image| image.name == "fixed-query.png").unwrap());
    let framed: Vec<(u32, u32)> =
        drawn.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == RED_FRAME).map(|(x, y, _)| (x, y)).collect();
    // blocks of 16 pixels: two rings of a frame, on three queries in two layers of two heads, fused, and minus the mean
    assert_eq!(framed.len(), (4 * 15 + 4 * 13) * 3 * 2 * 4);
    let (left, top) = (framed.iter().map(|p| p.0).min().unwrap(), framed.iter().map(|p| p.1).min().unwrap());
    // queries 24, 0 and 48 stand in row and column 3, 0 and 6; panels of 112 pixels are 12 apart
    let column = |panel: u32, token: u32| panel * (112 + 12) + token * 16;
    let first_panel = left - 3 * 16;
    for (panel, token) in [(0, 3), (1, 0), (2, 6)] {
        let corner = (first_panel + column(panel, token), top + token * 16);
        assert!(framed.contains(&corner), "query {token} of panel {panel}");
    }
}

#[test]
fn estimates_show_their_standard_errors_and_enumerations_do_not() {
    let explanation = explanation();
    for (method, shown) in [("kernel-shap", true), ("exact-shapley", false), ("smooth-grad", true)] {
        let found = explanation.methods.iter().find(|found| found.method.name() == method).unwrap();
        let Maps::Pixels(pixels) = &found.maps else { panic!("{method} has no pixels") };
        assert_eq!(pixels::standard_errors(pixels).unwrap().is_some(), shown, "{method}");
    }
}

#[test]
fn captions_say_what_is_known() {
    let mut explanation = explanation();
    assert_eq!(
        words::caption(&explanation),
        "test-17: predicted Pullover (probability 0.910), true label Coat; explained is the logit of Pullover; chosen \
         as wrong with the highest confidence. synthetic garments (NOT Fashion-MNIST), test split, image 17"
    );
    (explanation.label, explanation.choice, explanation.target) = (None, None, 4.into());
    assert_eq!(
        verdict(&explanation),
        "predicted Pullover (probability 0.910), true label unknown; explained is the logit of Coat (probability 0.010)"
    );
}

#[test]
fn a_figure_says_how_far_to_trust_it() {
    let explanation = explanation();
    let notes = |name: &str| {
        let found = explanation.methods.iter().find(|found| found.method.name() == name).unwrap();
        words::notes(found)
    };
    assert_eq!(notes("lime"), ["a figure of lime", "warning: a warning"]);
    assert_eq!(notes("integrated-gradients"), ["a figure of integrated-gradients"]);
    assert!(notes("attention-flow").is_empty(), "said beside the scale");
}

#[test]
fn several_images_stand_side_by_side_even_if_a_method_is_missing() {
    let mut second = explanation();
    second.methods.remove(3);
    let png = side_by_side(&[explanation(), second], Scaling::EachMap).unwrap();
    let drawn = image::load_from_memory(&png).unwrap();
    // the image and fifteen methods, each three times as large as the image
    assert!(drawn.height() > 16 * 84, "{}", drawn.height());
    let many = side_by_side(&vec![explanation(); shown_beside(30).len()], Scaling::EachMethod).unwrap();
    assert!(image::load_from_memory(&many).unwrap().width() < 1150);
    assert!(side_by_side(&[], Scaling::EachMap).is_err());
}

#[test]
fn a_map_that_does_not_fit_is_an_error_with_the_name_of_the_method() {
    let mut explanation = explanation();
    let last = explanation.methods.iter_mut().find(|found| found.method.name() == "attention-rollout").unwrap();
    let Maps::Rollout(maps) = &mut last.maps else { panic!("rollout has another kind of maps") };
    maps.queries = vec![TOKENS];
    let error = draw(&explanation, &Cancellation::default()).unwrap_err();
    assert_eq!(error.to_string(), "failed to draw Attention rollout of test-17");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_class_name_cannot_command_a_terminal_or_a_page() {
    let mut explanation = explanation();
    explanation.class_names[2] = "Pull\u{1b}[2Jover\n<b>".to_owned();
    let words = verdict(&explanation);
    assert!(words.starts_with("predicted Pull\\u{1b}[2Jover\\n<b> (probability 0.910)"), "{words}");
    let images = draw(&explanation, &Cancellation::default()).unwrap();
    assert_eq!(images.len(), 1 + MethodId::all().len());
}

#[test]
fn a_calibrated_probability_is_shown_where_there_is_one() {
    let calibrated = Some(vec![0.1; 10]);
    let explanation = ImageExplanation { calibrated, temperature: Some(2.0), target: 4.into(), ..explanation() };
    let words = verdict(&explanation);
    assert!(words.starts_with("predicted Pullover (calibrated probability 0.100)"), "{words}");
    assert!(words.ends_with("the logit of Coat (calibrated probability 0.100)"), "{words}");
}

#[test]
fn drawing_hears_a_cancellation() {
    let cancellation = Cancellation::default();
    cancellation.cancel();
    let error = draw(&explanation(), &cancellation).unwrap_err();
    assert!(matches!(error, ExplanationError::Method(ExplainError::Cancelled { done: 1, .. })), "{error}");
}
