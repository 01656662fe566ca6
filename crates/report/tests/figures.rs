//! The charts are well-formed SVG that says what it was given, and refuse numbers that cannot be drawn.

use roxmltree::Document;
use tinylsa_report::{
    ClassScores, EpochPoint, Estimate, IntervalBar, PerturbationCurve, ReliabilityBin, ReportError, Rgb, RgbImage,
    confusion_matrix, confusion_matrix_pixels, interval_bars, per_class, per_class_pixels, perturbation_curves,
    reliability, reliability_pixels, training_curves, training_curves_pixels,
};

const SUBTITLE: &str = "synthetic garments, not <Fashion-MNIST> & \"co\"";

fn epoch(epoch: usize) -> EpochPoint {
    EpochPoint {
        epoch,
        train_loss: 1.0 / epoch as f64,
        validation_loss: Some(1.2 / epoch as f64),
        train_accuracy: Some(0.8),
        validation_accuracy: Some(0.75),
        learning_rate: 1e-3,
    }
}

fn bar(value: f64) -> IntervalBar {
    let estimate = Estimate { value, low: value - 0.1, high: value + 0.1 };
    IntervalBar { label: "LIME".to_owned(), estimate, control: false }
}

fn curve() -> PerturbationCurve {
    PerturbationCurve {
        method: "Attention Rollout".to_owned(),
        control: false,
        fractions: vec![0.0, 0.5, 1.0],
        deletion: vec![0.9, 0.3, 0.1],
        insertion: vec![0.1, 0.7, 0.9],
        deletion_auc: 0.4,
        insertion_auc: 0.6,
    }
}

fn class(name: &str, f1: f64) -> ClassScores {
    ClassScores { name: name.to_owned(), precision: Some(0.9), recall: Some(0.1), f1: Some(f1), support: 1000 }
}

fn bin(count: u64, accuracy: f64) -> ReliabilityBin {
    ReliabilityBin { lower: 0.9, upper: 1.0, count, confidence: 0.95, accuracy }
}

/// Every chart with the given subtitle and the words that it must show.
fn charts(subtitle: &str) -> Vec<(String, Vec<&'static str>)> {
    let epochs: Vec<EpochPoint> = (1..=5).map(epoch).collect();
    let counts = [vec![7, 1], vec![0, 0]];
    vec![
        (
            training_curves(&epochs, Some(4), subtitle).unwrap(),
            vec!["training loss", "validation accuracy", "learning rate", "kept epoch 4: validation accuracy 75.00 %"],
        ),
        (confusion_matrix(&counts, &["T-shirt/top", "Bag"], subtitle).unwrap(), vec!["Bag", "7", "87.5 %", "12.5 %"]),
        (
            reliability(&[bin(321, 0.9), bin(0, f64::NAN)], 0.0123, subtitle).unwrap(),
            vec!["Reliability, expected calibration error 1.23 %", "321"],
        ),
        (per_class(&[class("Shirt", 0.18)], subtitle).unwrap(), vec!["Shirt", "90.0", "10.0", "18.0", "n = 1000"]),
        (
            interval_bars("Faithfulness", "correlation", &[bar(-0.2)], subtitle).unwrap(),
            vec!["Faithfulness", "correlation", "-0.200 [-0.300, -0.100]"],
        ),
        (
            perturbation_curves(&[curve()], "probability", subtitle).unwrap(),
            vec!["Attention Rollout", "0.400", "0.600", "Deletion and insertion, probability"],
        ),
    ]
}

fn texts<'a>(document: &'a Document) -> Vec<&'a str> {
    let nodes = document.descendants().filter(|node| node.has_tag_name("text"));
    nodes.filter_map(|node| node.text()).map(str::trim).collect()
}

/// Rows and columns of the pixels of a colour: the smallest and the largest of each.
fn extent(image: &RgbImage, colour: Rgb) -> Option<[u32; 4]> {
    let places = (0..image.height()).flat_map(|y| (0..image.width()).map(move |x| (x, y)));
    places.filter(|&(x, y)| image.pixel(x, y) == Some(colour)).fold(None, |extent: Option<[u32; 4]>, (x, y)| {
        let [top, bottom, left, right] = extent.unwrap_or([y, y, x, x]);
        Some([top.min(y), bottom.max(y), left.min(x), right.max(x)])
    })
}

/// A chart as pixels is the SVG document at five quarters of its size.
#[track_caller]
fn check_pixels(svg: &str, image: &RgbImage, shape: &str, colour: Rgb) {
    let document = Document::parse(svg).unwrap();
    let size = |name: &str| document.root_element().attribute(name).unwrap().parse::<u32>().unwrap();
    assert_eq!((image.width(), image.height()), (size("width") * 5 / 4, size("height") * 5 / 4));
    let Rgb([red, green, blue]) = colour;
    let fill = format!("#{red:02X}{green:02X}{blue:02X}");
    let shapes: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name(shape) && node.attribute("fill") == Some(&fill))
        .collect();
    let number = |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let left = shapes.iter().map(|node| number(node, "x")).fold(f64::INFINITY, f64::min) * 1.25;
    let bottom = shapes.iter().map(|node| number(node, "y") + number(node, "height")).fold(0.0, f64::max) * 1.25;
    let [_, lowest, leftmost, _] = extent(image, colour).expect("the colour of the bars");
    assert!((f64::from(leftmost) - left).abs() <= 2.0, "{leftmost} for {left}");
    assert!((f64::from(lowest) - bottom).abs() <= 2.0, "{lowest} for {bottom}");
}

#[test]
fn the_charts_of_a_run_are_the_same_as_pixels() {
    let blue = Rgb([0, 114, 178]);
    let scores = [class("Shirt", 0.18), class("Bag", 0.5)];
    check_pixels(&per_class(&scores, SUBTITLE).unwrap(), &per_class_pixels(&scores, SUBTITLE).unwrap(), "rect", blue);
    let bins = [bin(321, 0.9), bin(0, f64::NAN)];
    let (svg, pixels) = (reliability(&bins, 0.01, "").unwrap(), reliability_pixels(&bins, 0.01, "").unwrap());
    check_pixels(&svg, &pixels, "rect", blue);
    let counts = [vec![8, 0], vec![0, 0]];
    let (svg, pixels) = (
        confusion_matrix(&counts, &["top", "Bag"], "").unwrap(),
        confusion_matrix_pixels(&counts, &["top", "Bag"], "").unwrap(),
    );
    let all_correct = colorous::BLUES.eval_continuous(0.9);
    check_pixels(&svg, &pixels, "rect", Rgb([all_correct.r, all_correct.g, all_correct.b]));
    let epochs: Vec<EpochPoint> = (1..=5).map(epoch).collect();
    let curves = training_curves_pixels(&epochs, Some(4), SUBTITLE).unwrap();
    for colour in [blue, Rgb([213, 94, 0]), Rgb([0, 158, 115])] {
        let [_, _, left, right] = extent(&curves, colour).expect("a curve");
        assert!(right - left > curves.width() * 3 / 4, "{colour:?} from {left} to {right}");
    }
    let error = training_curves_pixels(&[], None, "").unwrap_err().to_string();
    assert_eq!(error, training_curves(&[], None, "").unwrap_err().to_string());
}

#[test]
fn charts_are_well_formed_and_show_their_words_and_subtitle() {
    for (svg, words) in charts(SUBTITLE) {
        let document = Document::parse(&svg).unwrap();
        assert!(document.root_element().has_tag_name("svg"));
        let texts = texts(&document);
        for word in words.into_iter().chain([SUBTITLE]) {
            assert!(texts.contains(&word), "{word:?} is not among {texts:?}");
        }
    }
}

#[test]
fn charts_have_a_title_for_screen_readers() {
    for (svg, _) in charts(SUBTITLE) {
        let document = Document::parse(&svg).unwrap();
        let title = document.root_element().first_element_child().unwrap();
        assert!(title.has_tag_name("title") && title.text().unwrap().ends_with(SUBTITLE));
    }
}

#[test]
fn nothing_is_drawn_outside_a_chart() {
    for (svg, _) in charts(SUBTITLE) {
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        let limit = |name: &str| root.attribute(name).unwrap().parse::<f64>().unwrap();
        let (width, height) = (limit("width"), limit("height"));
        for node in root.descendants() {
            let inside = |names: [&str; 3], end: f64| {
                let values = names.iter().filter_map(|name| node.attribute(*name)?.parse::<f64>().ok());
                values.into_iter().all(|value| (0.0..=end).contains(&value))
            };
            assert!(inside(["x", "x1", "x2"], width) && inside(["y", "y1", "y2"], height), "{node:?}");
        }
    }
}

#[test]
fn a_long_subtitle_widens_the_chart() {
    let width = |svg: &str| {
        let document = Document::parse(svg).unwrap();
        document.root_element().attribute("width").unwrap().parse::<usize>().unwrap()
    };
    let long = "synthetic garments, not Fashion-MNIST; ".repeat(8);
    for ((plain, _), (widened, _)) in charts("").iter().zip(&charts(&long)) {
        assert!(width(plain) <= 900 && width(widened) > long.len() * 7, "{}", width(widened));
    }
}

#[test]
fn charts_without_a_subtitle_have_no_empty_line() {
    for (svg, _) in charts("") {
        let document = Document::parse(&svg).unwrap();
        assert!(texts(&document).iter().all(|text| !text.is_empty()));
    }
}

#[test]
fn the_same_numbers_give_the_same_bytes() {
    assert_eq!(charts(SUBTITLE), charts(SUBTITLE));
}

#[test]
fn a_score_that_does_not_exist_is_a_dash_and_not_a_zero() {
    let unseen = ClassScores { precision: None, f1: None, ..class("Bag", 0.0) };
    let svg = per_class(&[unseen], "").unwrap();
    let document = Document::parse(&svg).unwrap();
    let texts = texts(&document);
    assert_eq!(texts.iter().filter(|&&text| text == "–").count(), 2, "{texts:?}");
    assert!(texts.contains(&"10.0") && !texts.contains(&"0.0"), "{texts:?}");
}

#[test]
fn one_epoch_and_one_of_everything_can_be_drawn() {
    let one = EpochPoint { validation_loss: None, train_accuracy: None, validation_accuracy: None, ..epoch(1) };
    let svg = training_curves(&[one], None, "").unwrap();
    assert!(!svg.contains("accuracy") && !svg.contains("kept epoch"));
    Document::parse(&svg).unwrap();
    let zero = EpochPoint { train_loss: 0.0, learning_rate: 0.0, ..one };
    Document::parse(&training_curves(&[zero], Some(9), "").unwrap()).unwrap();
    Document::parse(&interval_bars("zero", "zero", &[bar(0.0)], "").unwrap()).unwrap();
    let flat = IntervalBar { estimate: Estimate { value: 0.0, low: 0.0, high: 0.0 }, ..bar(0.0) };
    Document::parse(&interval_bars("flat", "flat", &[flat], "").unwrap()).unwrap();
}

#[test]
fn numbers_that_cannot_be_drawn_are_named() {
    let check = |result: Result<String, ReportError>, expected: &str| {
        assert_eq!(result.unwrap_err().to_string(), expected);
    };
    check(training_curves(&[], None, ""), "training curves: nothing to draw, expected at least one epoch");
    check(
        training_curves(&[epoch(1), EpochPoint { train_loss: f64::NAN, ..epoch(2) }], None, ""),
        "training curves: found NaN at training loss of epoch 2, expected a finite number",
    );
    check(
        training_curves(&[EpochPoint { validation_accuracy: Some(91.5), ..epoch(3) }], None, ""),
        "training curves: found 91.5 at validation accuracy of epoch 3, expected a number from 0 to 1",
    );
    check(confusion_matrix(&[vec![1, 2]], &["a", "b"], ""), "confusion matrix: found 1 rows, expected 2");
    check(confusion_matrix(&[vec![1], vec![1]], &["a", "b"], ""), "confusion matrix: found 1 columns, expected 2");
    check(
        reliability(&[bin(3, f64::NAN)], 0.1, ""),
        "reliability diagram: found NaN at accuracy of bin 0, expected a finite number",
    );
    check(
        per_class(&[class("Bag", f64::INFINITY)], ""),
        "scores of the classes: found inf at F1 of Bag, expected a finite number",
    );
    check(
        interval_bars("t", "a", &[bar(f64::NAN)], ""),
        "bars with intervals: found NaN at LIME, expected a finite number",
    );
    check(
        perturbation_curves(&[PerturbationCurve { insertion: vec![0.5], ..curve() }], "a", ""),
        "deletion and insertion curves: found 1 insertion scores, expected 3",
    );
}
