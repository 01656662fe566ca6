//! Seeing: tokens by pointer, and methods that are ended by the next stroke.

use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::choose::SHOE;
use crate::page::Page;

/// Tokens of the network that ships.
const TOKENS: usize = 49;

/// The numbers of the table of the token view.
async fn shown_row(page: &Page) -> Vec<f64> {
    let cells = page
        .js("return [...document.querySelectorAll('.token-numbers tbody td')].map((cell) => cell.textContent)")
        .await;
    cells.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().parse().unwrap()).collect()
}

/// Whether these are the numbers of a row of a matrix in the file of the maps.
#[track_caller]
fn assert_is_row(shown: &[f64], maps: &SafeTensors<'_>, name: &str, token: usize) {
    let tensor = maps.tensor(name).unwrap();
    assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F64, &[TOKENS, TOKENS][..]), "{name}");
    let row = &tensor.data()[8 * TOKENS * token..8 * TOKENS * (token + 1)];
    let exact = row.chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
    assert_eq!(shown.len(), TOKENS);
    for (shown, exact) in shown.iter().zip(exact) {
        // three decimals are shown
        assert!((shown - exact).abs() <= 0.000_501, "{name}: shown {shown}, is {exact}");
    }
}

#[tokio::test]
async fn a_hovered_token_shows_its_row_of_every_head() {
    let Some(page) = Page::open("#image=4").await else { return };
    page.until("attention", "return document.querySelector('.token-sentence')?.textContent.startsWith('Token')").await;
    page.click(".token-view summary").await;
    let maps = page
        .file(
            "/api/download/attributions.safetensors",
            &json!({ "image": { "index": 4 }, "methods": ["multi-head-attention", "attention-rollout"] }),
        )
        .await;
    let maps = SafeTensors::deserialize(&maps).unwrap();
    // the middle of the token in row 2, column 5
    page.hover(".token-stage canvas", (5.5 / 7.0, 2.5 / 7.0)).await;
    page.until(
        "the token",
        "return document.querySelector('.token-sentence').textContent.startsWith('Token at row 2, column 5')",
    )
    .await;
    let token = 2 * 7 + 5;
    assert_is_row(&shown_row(&page).await, &maps, "multi-head-attention/layer-0/fused", token);
    page.click("input[name=tokens-map][value=head-1]").await;
    assert_is_row(&shown_row(&page).await, &maps, "multi-head-attention/layer-0/head-1", token);
    page.click("input[name=tokens-map][value=rollout]").await;
    assert_is_row(&shown_row(&page).await, &maps, "attention-rollout/matrix", token);
    // arrow keys go on from there
    page.js("document.querySelector('.token-stage').focus()").await;
    page.keys("\u{e014}").await;
    page.until(
        "the next token",
        "return document.querySelector('.token-sentence').textContent.startsWith('Token at row 2, column 6')",
    )
    .await;
    assert_is_row(&shown_row(&page).await, &maps, "attention-rollout/matrix", token + 1);
    // attention flow comes by itself, a share of the flows from every token
    page.click("input[name=tokens-map][value=flow]").await;
    page.until("the flow", "return /flow: most is/.test(document.querySelector('.token-sentence').textContent)").await;
    let sum: f64 = shown_row(&page).await.iter().sum();
    assert!((sum - 1.0).abs() < 0.03, "{sum}");
    page.close().await;
}

#[tokio::test]
async fn a_stroke_ends_kernel_shap() {
    // as many evaluations as the slider allows, so that it is still at work when the stroke comes
    let settings = "settings=%7B%22kernel-shap.evaluations%22%3A20000%7D";
    let Some(page) = Page::open(&format!("#image=4&methods=kernel-shap&{settings}")).await else { return };
    let state = |states: &str| {
        format!("return /{states}/.test(document.querySelector('[data-method=kernel-shap]')?.dataset.state)")
    };
    page.until("KernelSHAP at work", &state("started|progress")).await;
    page.draw(&SHOE).await;
    page.until("KernelSHAP is ended", &state("cancelled|waiting")).await;
    page.click("[data-method=kernel-shap] button").await;
    page.until("KernelSHAP at work again", &state("started|progress|result")).await;
    page.close().await;
}

#[tokio::test]
async fn methods_appear_side_by_side_on_one_scale_for_each_unit() {
    let Some(page) =
        Page::open("#image=4&methods=input-gradient,input-times-gradient,integrated-gradients,occlusion").await
    else {
        return;
    };
    let done = "return [...document.querySelectorAll('.method-card')].map((card) => card.dataset.state).join() === 'result,result,result,result'";
    page.until("four maps", done).await;
    let scales = page
        .js("return [...document.querySelectorAll('.method-card')].map((card) => [card.querySelector('.unit').textContent, card.querySelector('.scale-bar > span:nth-child(3)').textContent])")
        .await;
    let of = |unit: &str| -> Vec<&str> {
        let all = scales.as_array().unwrap().iter();
        all.filter(|one| one[0] == unit).map(|one| one[1].as_str().unwrap()).collect()
    };
    let contributions = of("logits per pixel");
    assert_eq!(contributions.len(), 2, "{scales}");
    assert_eq!(contributions[0], contributions[1], "{scales}");
    for words in ["Shows ", "Does not show "] {
        let lines = page.js(&format!("return [...document.querySelectorAll('.meaning')].filter((line) => line.textContent.startsWith('{words}')).length")).await;
        assert_eq!(lines, json!(4), "{words}");
    }
    page.close().await;
}
