//! The live images of a report, opened as a file.

use serde_json::json;
use tinylsa_report::{Block, LiveContents, LiveLayer, LiveMap, LiveMatrix, ReportPage, Section};

use crate::page::Page;

const TOKENS: usize = 9;

/// Attention of a head in which each token takes most from the token `shift` behind it.
fn matrix(shift: usize) -> Vec<f64> {
    let weight = |entry: usize| if entry % TOKENS == (entry / TOKENS + shift) % TOKENS { 0.6 } else { 0.05 };
    (0..TOKENS * TOKENS).map(weight).collect()
}

fn html() -> String {
    let map = |name: &str, sign: f32| LiveMap {
        name: name.to_owned(),
        title: name.to_owned(),
        shows: "one thing".to_owned(),
        does_not_show: "another".to_owned(),
        unit: "logits".to_owned(),
        signed: true,
        values: (0..36).map(|pixel| sign * pixel as f32).collect(),
    };
    let contents = LiveContents {
        label: "an image, live".to_owned(),
        shape: [1, 6, 6],
        pixels: (0..36).map(|pixel| 7 * pixel).collect(),
        grid: [3, 3],
        layers: vec![LiveLayer { heads: vec![matrix(1), matrix(2)], fused: Vec::new() }],
        through: vec![LiveMatrix { name: "rollout".to_owned(), title: "Rollout".to_owned(), matrix: matrix(3) }],
        maps: vec![map("first", 1.0), map("second", -2.0)],
    };
    let blocks = vec![Block::Live(contents.pack(100_000).unwrap())];
    let sections = vec![Section { heading: "An image".to_owned(), blocks }];
    ReportPage { title: "Report".to_owned(), sections, ..ReportPage::default() }.to_html().unwrap()
}

#[tokio::test]
async fn a_report_answers_a_hovered_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, html()).unwrap();
    let Some(page) = Page::at(&format!("file://{}", file.display())).await else { return };
    page.until(
        "the view",
        "return document.querySelector('.token-sentence')?.textContent.startsWith('Token at row 1, column 1')",
    )
    .await;
    page.click(".token-view summary").await;
    page.hover(".token-stage canvas", (2.5 / 3.0, 0.5 / 3.0)).await;
    page.until(
        "the token",
        "return document.querySelector('.token-sentence').textContent.startsWith('Token at row 0, column 2')",
    )
    .await;
    for (map, from) in [("head-0", 3), ("head-1", 4), ("rollout", 5)] {
        page.click(&format!("input[name=live-0-map][value={map}]")).await;
        let cells = page.js("return [...document.querySelectorAll('.token-numbers tbody td')].map((cell) => parseFloat(cell.textContent))").await;
        let largest = cells.as_array().unwrap().iter().position(|cell| (cell.as_f64().unwrap() - 0.6).abs() < 0.01);
        assert_eq!(largest, Some(from), "{map}: {cells}");
    }
    let scales = page.js("return [...document.querySelectorAll('.method-card .scale-bar > span:nth-child(3)')].map((one) => one.textContent)").await;
    assert_eq!(scales, json!(["+70.0", "+70.0"]), "one scale for one unit");
    page.click(".live fieldset input[type=checkbox]").await;
    assert_eq!(page.js("return document.querySelectorAll('.method-card').length").await, json!(1));
    page.close().await;
}
