//! Pictures of a made-up explanation: every method, both kinds of caption, what fits and what does not.

use super::example::{TOKENS, explanation};
use super::*;

const RED_FRAME: [u8; 3] = [230, 0, 38];

fn decode(picture: &NamedPicture) -> RgbImage {
    image::load_from_memory(&picture.png).unwrap().to_rgb8()
}

#[test]
fn every_method_has_a_picture_that_fits_a_page() {
    let pictures = draw(&explanation(), &Cancellation::default()).unwrap();
    let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
    let expected: Vec<String> = Method::ALL.iter().map(|method| format!("{}.png", method.name())).collect();
    assert_eq!(
        (names[0], &names[1..]),
        ("methods.png", expected.iter().map(String::as_str).collect::<Vec<_>>().as_slice())
    );
    for picture in &pictures {
        let (width, height) = decode(picture).dimensions();
        assert!(
            (450..=1080).contains(&width) && (300..=2400).contains(&height),
            "{}: {width} x {height}",
            picture.name
        );
    }
    assert_eq!(
        pictures,
        draw(&explanation(), &Cancellation::default()).unwrap(),
        "the same explanation gives the same bytes"
    );
}

#[test]
fn methods_of_one_quantity_share_a_scale_that_is_centred() {
    let explanation = explanation();
    let subject = Subject::new(&explanation).unwrap();
    let largest = |methods: &[Method]| {
        let magnitudes = explanation.methods.iter().filter(|found| methods.contains(&found.method)).flat_map(|found| {
            let MethodMaps::Pixels(pixels) = &found.maps else { panic!("{} has no pixels", found.method) };
            pixels::shown_map(pixels).unwrap().values().iter().map(|value| value.abs()).collect::<Vec<_>>()
        });
        magnitudes.fold(0.0, f32::max)
    };
    let limit = |quantity| subject.scales.get(quantity).unwrap().limit();
    let segments = [Method::ExactShapley, Method::KernelShap, Method::PermutationShap, Method::Lime];
    assert!((limit(pixels::Quantity::SegmentContribution) - largest(&segments)).abs() < 1e-6);
    // the few sharpest pixels lie beyond the end of the scale, but none by far
    let contributions = [Method::IntegratedGradients, Method::ExpectedGradients, Method::InputTimesGradient];
    let (scale, reach) = (limit(pixels::Quantity::Contribution), largest(&contributions));
    assert!(scale <= reach && scale > 0.95 * reach, "{scale} {reach}");
    let words = subject.scales.get(pixels::Quantity::Sensitivity).unwrap().describe();
    assert!(words.starts_with("signed scale from -") && words.contains("logits per unit of brightness"), "{words}");
}

#[test]
fn the_query_is_framed_in_its_column() {
    let explanation = explanation();
    let pictures = draw(&explanation, &Cancellation::default()).unwrap();
    let drawn = decode(pictures.iter().find(|picture| picture.method == Some(Method::FixedQuery)).unwrap());
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
    for (method, shown) in [(Method::KernelShap, true), (Method::ExactShapley, false), (Method::SmoothGrad, true)] {
        let found = explanation.methods.iter().find(|found| found.method == method).unwrap();
        let MethodMaps::Pixels(pixels) = &found.maps else { panic!("{method} has no pixels") };
        assert_eq!(pixels::standard_errors(pixels).unwrap().is_some(), shown, "{method}");
    }
}

#[test]
fn captions_say_what_is_known() {
    let mut explanation = explanation();
    assert_eq!(
        words::caption(&explanation),
        "test-17: predicted Pullover (probability 0.910), true label Coat; explained is the logit of Pullover; chosen \
         as wrong with the highest confidence. synthetic garments (NOT Fashion-MNIST), test split, picture 17"
    );
    (explanation.label, explanation.choice, explanation.target) = (None, None, 4);
    assert_eq!(
        verdict(&explanation),
        "predicted Pullover (probability 0.910), true label unknown; explained is the logit of Coat (probability 0.010)"
    );
}

#[test]
fn diagnostics_are_put_into_words() {
    let explanation = explanation();
    let words = |method: Method| {
        let found = explanation.methods.iter().find(|found| found.method == method).unwrap();
        words::notes(found).join("; ")
    };
    assert_eq!(
        words(Method::IntegratedGradients),
        "contributions miss the difference of 3.000 logits by 1.0e-2 (0.33 %); 64 to 128 steps along the path from the \
         baseline"
    );
    assert_eq!(
        words(Method::ExpectedGradients),
        "contributions miss the difference of 4.000 logits by -2.0e-2 (0.50 %); relative standard error of the map 12.5 %"
    );
    assert_eq!(
        words(Method::Lime),
        "R² 0.900 in-sample, undefined held out, 16 segments; logit of the whole picture: 4.500 by the linear function, \
         5.000 by the model; warning: a warning"
    );
    assert_eq!(
        words(Method::KernelShap),
        "shares of the logit's difference of 4.000, additivity residual 2.0e-16; 2080 coalitions evaluated, largest \
         standard error 1.00e-2 logits"
    );
    let flow = explanation.methods.iter().find(|found| found.method == Method::AttentionFlow).unwrap();
    assert!(diagnosis(flow)[0].starts_with("saturated: 62.5 %"));
    for method in Method::ALL {
        assert!(meaning(method).line().starts_with("Shows "), "{method}");
    }
}

#[test]
fn several_pictures_stand_side_by_side_even_if_a_method_is_missing() {
    let mut second = explanation();
    second.methods.remove(3);
    let png = side_by_side(&[explanation(), second]).unwrap();
    let drawn = image::load_from_memory(&png).unwrap();
    // the picture and fifteen methods, each three times as large as the picture
    assert!(drawn.height() > 16 * 84, "{}", drawn.height());
    let many = side_by_side(&vec![explanation(); shown_beside(30).len()]).unwrap();
    assert!(image::load_from_memory(&many).unwrap().width() < 1150);
    assert!(side_by_side(&[]).is_err());
}

#[test]
fn a_map_that_does_not_fit_is_an_error_with_the_name_of_the_method() {
    let mut explanation = explanation();
    let last = explanation.methods.iter_mut().find(|found| found.method == Method::AttentionRollout).unwrap();
    let MethodMaps::Rollout(maps) = &mut last.maps else { panic!("rollout has another kind of maps") };
    maps.queries = vec![TOKENS];
    let error = format!("{:#}", draw(&explanation, &Cancellation::default()).unwrap_err());
    assert!(error.starts_with("failed to draw Attention rollout of test-17: "), "{error}");
}

#[test]
fn a_class_name_cannot_command_a_terminal_or_a_page() {
    let mut explanation = explanation();
    explanation.class_names[2] = "Pull\u{1b}[2Jover\n<b>".to_owned();
    let words = verdict(&explanation);
    assert!(words.starts_with("predicted Pull\\u{1b}[2Jover\\n<b> (probability 0.910)"), "{words}");
    let pictures = draw(&explanation, &Cancellation::default()).unwrap();
    assert_eq!(pictures.len(), 1 + Method::ALL.len());
}

#[test]
fn a_calibrated_probability_is_shown_where_there_is_one() {
    let calibrated = Some(vec![0.1; 10]);
    let explanation = PictureExplanation { calibrated, temperature: Some(2.0), target: 4, ..explanation() };
    let words = verdict(&explanation);
    assert!(words.starts_with("predicted Pullover (calibrated probability 0.100)"), "{words}");
    assert!(words.ends_with("the logit of Coat (calibrated probability 0.100)"), "{words}");
}

#[test]
fn drawing_hears_a_cancellation() {
    let cancellation = Cancellation::default();
    cancellation.cancel();
    let error = draw(&explanation(), &cancellation).unwrap_err();
    assert!(error.downcast_ref().is_some_and(|found| matches!(found, ExplainError::Cancelled { done: 1, .. })));
}
