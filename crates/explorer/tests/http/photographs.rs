//! Photographs that are dropped on the page.

use serde_json::{Value, json};
use tinylsa_data::photograph::{Photograph, prepare};
use tinylsa_data::{ImageShape, encode_png};

use super::client::{SERVER, bytes, drawing};

/// A dark square, right of the middle, on a light page.
fn photograph() -> Vec<u8> {
    let is_inside = |pixel: usize| (60..90).contains(&(pixel % 100)) && (20..60).contains(&(pixel / 100));
    (0..100 * 80).map(|pixel| if is_inside(pixel) { 40 } else { 240 }).collect()
}

fn png() -> Vec<u8> {
    encode_png(ImageShape::grey(80, 100), &photograph()).unwrap()
}

fn prepared(query: &str) -> Value {
    SERVER.send("POST", &format!("/api/prepare{query}"), &[], &png()).answer().ok()
}

#[test]
fn a_photograph_is_prepared_as_classify_does() {
    let rgb: Vec<u8> = photograph().into_iter().flat_map(|level| [level; 3]).collect();
    let expected = prepare(&Photograph::from_rgb(100, 80, rgb).unwrap(), ImageShape::grey(28, 28)).unwrap();
    let found = prepared("?name=shirt");
    assert_eq!(bytes(&found["pixels"]), expected.pixels);
    assert_eq!((&found["width"], &found["height"], &found["name"]), (&json!(100), &json!(80), &json!("shirt")));
    assert_eq!(found["shown"], json!({"left": 0.6, "top": 0.25, "width": 0.3, "height": 0.5}));
    assert_eq!(
        (&found["inverted"], &found["doubtful"], &found["adjusted"]),
        (&json!(true), &json!(false), &json!(false))
    );
}

#[test]
fn a_photograph_is_turned_cropped_and_of_another_polarity() {
    let turned = prepared("?turns=1");
    assert_eq!((&turned["width"], &turned["adjusted"]), (&json!(80), &json!(true)));
    // what was right of the middle is below it
    assert_eq!(turned["shown"]["top"], 0.6);
    let cropped = prepared("?crop=0.5,0,0.5,1");
    assert_eq!(cropped["shown"], prepared("")["shown"], "where it lies on the whole photograph");
    let lighter = prepared("?invert=no");
    assert_eq!((&lighter["inverted"], bytes(&lighter["pixels"]).iter().max()), (&json!(false), Some(&0)));
}

#[test]
fn an_image_that_was_kept_comes_back_unchanged() {
    let png = encode_png(ImageShape::grey(28, 28), &drawing()).unwrap();
    let found = SERVER.send("POST", "/api/prepare", &[], &png).answer().ok();
    assert_eq!(bytes(&found["pixels"]), drawing());
}
