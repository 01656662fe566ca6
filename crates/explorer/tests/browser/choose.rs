//! Choosing an image: by drawing, from a file, from the gallery.

use serde_json::json;
use tinylsa_data::{ImageShape, encode_png};

use crate::page::Page;

/// The outline of a shoe that points to the left, in shares of the canvas.
pub(crate) const SHOE: [(f64, f64); 12] = [
    (0.75, 0.35),
    (0.75, 0.65),
    (0.10, 0.65),
    (0.12, 0.55),
    (0.30, 0.52),
    (0.50, 0.42),
    (0.72, 0.38),
    (0.65, 0.45),
    (0.70, 0.60),
    (0.20, 0.60),
    (0.40, 0.55),
    (0.65, 0.52),
];

#[tokio::test]
async fn a_drawn_shoe_changes_the_prediction() {
    let Some(page) = Page::open("").await else { return };
    assert!(page.text("#verdict").await.starts_with("Draw a garment"));
    page.draw(&[(0.45, 0.3), (0.45, 0.9)]).await;
    page.draw(&[(0.55, 0.3), (0.55, 0.9)]).await;
    page.until("a first prediction", "return document.querySelector('#prediction .predicted') !== null").await;
    let before = page.text("#verdict").await;
    page.click("#canvas-place .buttons button:nth-child(3)").await;
    page.draw(&SHOE).await;
    let shoe = "return /Sneaker|Sandal|Ankle boot/.test(document.getElementById('verdict').textContent)";
    page.until("a shoe", shoe).await;
    assert_ne!(page.text("#verdict").await, before);
    // the probabilities are those of all classes, and sum to one
    let sum = "return [...document.querySelectorAll('#prediction tbody td.number:nth-child(3)')].reduce((sum, cell) => sum + parseFloat(cell.textContent), 0)";
    let sum = page.js(sum).await.as_f64().unwrap();
    assert!((sum - 100.0).abs() < 0.5, "{sum} %");
    // what was drawn is what was asked for: taking it back gives the pixels of before
    let pixel = "const c = document.querySelector('#drawing canvas'); return [...c.getContext('2d').getImageData(140, 170, 1, 1).data][0]";
    assert_eq!(page.js(pixel).await, json!(255));
    page.click("#canvas-place .buttons button:nth-child(1)").await;
    page.until("the stroke is gone", &pixel.replace("return ", "return 0 === ")).await;
    page.close().await;
}

#[tokio::test]
async fn the_evidence_for_every_class_sums_to_its_logit() {
    let Some(page) = Page::open("").await else { return };
    page.draw(&SHOE).await;
    page.until("evidence", "return document.querySelector('.evidence-sum').textContent.includes('=')").await;
    let sums = page.js("return [...document.querySelectorAll('.evidence-sum')].map((one) => one.textContent)").await;
    let logits = page
        .js("return [...document.querySelectorAll('#prediction tbody td:last-child')].map((one) => one.textContent)")
        .await;
    let number = |text: &str| text.replace('−', "-").parse::<f64>().unwrap();
    for (sum, logit) in sums.as_array().unwrap().iter().zip(logits.as_array().unwrap()) {
        let parts: Vec<&str> = sum.as_str().unwrap().split_whitespace().collect();
        let [tokens, bias, _, _, score] = parts[..] else { panic!("{sum}") };
        assert!((number(tokens) + number(bias) - number(score)).abs() < 0.02, "{sum}");
        assert!((number(score) - number(logit.as_str().unwrap())).abs() < 0.02, "{sum}, logit {logit}");
    }
    assert_eq!(sums.as_array().unwrap().len(), 10);
    page.close().await;
}

/// A PNG file of a light bag on black, 56 × 56 pixels, as text that a script can read.
fn bag() -> String {
    use base64::Engine;
    let is_inside = |x: usize, y: usize| {
        (12..44).contains(&x) && (22..48).contains(&y)
            || ((18..22).contains(&x) || (34..38).contains(&x)) && (10..22).contains(&y)
    };
    let pixels: Vec<u8> = (0..56 * 56).map(|pixel| if is_inside(pixel % 56, pixel / 56) { 210 } else { 0 }).collect();
    base64::engine::general_purpose::STANDARD.encode(encode_png(ImageShape::grey(56, 56), &pixels).unwrap())
}

#[tokio::test]
async fn a_dropped_file_is_prepared_and_can_be_adjusted() {
    let Some(page) = Page::open("").await else { return };
    page.js(&format!(
        "const bytes = Uint8Array.from(atob('{}'), (letter) => letter.charCodeAt(0)); \
         const transfer = new DataTransfer(); transfer.items.add(new File([bytes], 'my bag.png', {{ type: 'image/png' }})); \
         document.body.dispatchEvent(new DragEvent('drop', {{ dataTransfer: transfer, bubbles: true, cancelable: true }}));",
        bag()
    ))
    .await;
    page.until("the prepared bag", "return document.querySelector('#prediction .predicted') !== null").await;
    page.until("what was found", "return document.querySelector('.photo-status').textContent.includes('56×56')").await;
    let sum = "const c = document.querySelector('#drawing canvas'); return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.reduce((a, b) => a + b, 0)";
    let upright = page.js(sum).await;
    let top = "const c = document.querySelector('#drawing canvas'); return c.getContext('2d').getImageData(0, 0, c.width, 20).data.slice(0).join()";
    let before = page.js(top).await;
    page.click(".photo-controls .buttons button:nth-child(2)").await;
    let script = format!("return (() => {{ {top} }})() !== `{}`", before.as_str().unwrap());
    page.until("a quarter turn", &script).await;
    assert!(upright.as_f64().unwrap() > 0.0);
    page.close().await;
}

#[tokio::test]
async fn wrong_predictions_are_filtered_and_one_is_opened() {
    let Some(page) = Page::open("").await else { return };
    page.until("the gallery", "return document.querySelectorAll('.gallery-cell').length > 10").await;
    let all = page.text(".gallery-count").await;
    assert_eq!(all, format!("{0} of {0} images", crate::server::IMAGES));
    page.choose("select[name=correct]", "false").await;
    page.until("fewer images", &format!("return document.querySelector('.gallery-count').textContent !== '{all}'"))
        .await;
    let labels = page
        .js("return [...document.querySelectorAll('.gallery-cell')].map((cell) => cell.getAttribute('aria-label'))")
        .await;
    let labels = labels.as_array().unwrap();
    assert!(!labels.is_empty() && labels.len() < crate::server::IMAGES, "{} are wrong", labels.len());
    assert!(labels.iter().all(|label| label.as_str().unwrap().ends_with(", wrong")), "{labels:?}");
    page.click(".gallery-cell").await;
    page.until(
        "the verdict",
        "return document.getElementById('verdict').textContent.includes('That is wrong: the label is')",
    )
    .await;
    page.close().await;
}

#[tokio::test]
async fn without_images_one_draws() {
    let Some(page) = Page::at(&crate::server::without_images()).await else { return };
    page.until(
        "a word about the gallery",
        "return document.getElementById('gallery-content')?.textContent.startsWith('There is no gallery')",
    )
    .await;
    page.draw(&SHOE).await;
    page.until("a prediction", "return document.querySelector('#prediction .predicted') !== null").await;
    page.close().await;
}
