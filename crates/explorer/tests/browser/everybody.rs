//! For everybody: by keyboard alone, on a phone, by a screen reader.

use std::path::PathBuf;

use serde_json::json;

use crate::page::Page;

const TAB: &str = "\u{e004}";
const RIGHT: &str = "\u{e014}";
const DOWN: &str = "\u{e015}";

/// Presses Tab until something is focused that a selector finds.
async fn tab_to(page: &Page, selector: &str) {
    for _ in 0..80 {
        if page.js(&format!("return document.activeElement.matches('{selector}')")).await == json!(true) {
            let outline = page.js("return getComputedStyle(document.activeElement).outlineStyle").await;
            assert_ne!(outline, "none", "{selector} has no visible focus");
            return;
        }
        page.keys(TAB).await;
    }
    panic!("Tab never came to {selector}");
}

#[tokio::test]
async fn everything_goes_by_keyboard() {
    let Some(page) = Page::open("#methods=input-gradient").await else { return };
    page.until("the gallery", "return document.querySelectorAll('.gallery-cell').length > 10").await;
    // draws a stroke and takes it back
    tab_to(&page, "#drawing").await;
    page.keys(" ").await;
    for _ in 0..6 {
        page.keys(&format!("\u{e008}{DOWN}")).await;
        page.keys("\u{e000}").await;
    }
    page.until("a prediction", "return document.querySelector('#prediction .predicted') !== null").await;
    let first = page.text("#verdict").await;
    // chooses an image of the gallery
    tab_to(&page, ".gallery-list").await;
    page.keys(RIGHT).await;
    page.keys(RIGHT).await;
    page.keys("\u{e007}").await;
    page.until("the gallery's image", &format!("const now = document.getElementById('verdict').textContent; return now.includes('That is') && now !== `{first}`")).await;
    // goes from token to token
    tab_to(&page, ".token-stage").await;
    page.until(
        "attention",
        "return document.querySelector('.token-sentence').textContent.startsWith('Token at row 3, column 3')",
    )
    .await;
    page.keys(DOWN).await;
    page.until(
        "the token below",
        "return document.querySelector('.token-sentence').textContent.startsWith('Token at row 4, column 3')",
    )
    .await;
    // switches to a head
    tab_to(&page, ".token-map input").await;
    page.keys(RIGHT).await;
    page.until("head 0", "return document.querySelector('.token-sentence').textContent.includes('head 0')").await;
    // erases a segment
    tab_to(&page, "#region").await;
    page.keys(RIGHT).await;
    page.keys(" ").await;
    page.until("a change", "return document.querySelectorAll('.what-if tbody tr').length >= 10").await;
    tab_to(&page, "#command, .command").await;
    page.close().await;
}

#[tokio::test]
async fn the_page_fits_a_phone() {
    let Some(page) = Page::open("#image=4&methods=input-gradient").await else { return };
    page.client.set_window_size(375, 800).await.unwrap();
    page.until("the map", "return document.querySelector('[data-method=input-gradient]')?.dataset.state === 'result'")
        .await;
    let wide = page.js("return [innerWidth, document.documentElement.scrollWidth]").await;
    assert_eq!(wide[0], 375, "the window is as narrow as a phone");
    assert!(wide[1].as_u64().unwrap() <= 375, "the page is {} pixels wide", wide[1]);
    // buttons and lists are large enough for a finger
    let small = page.js("return [...document.querySelectorAll('button, select')].filter((one) => one.offsetParent && (one.offsetHeight < 24 || one.offsetWidth < 24)).map((one) => one.textContent)").await;
    assert_eq!(small, json!([]));
    page.close().await;
}

#[tokio::test]
async fn nothing_moves_while_answers_come() {
    let Some(page) = Page::open("").await else { return };
    page.until("the gallery", "return document.querySelectorAll('.gallery-cell').length > 10").await;
    let tops = "return [...document.querySelectorAll('h2')].map((one) => Math.round(one.getBoundingClientRect().top + scrollY)).join()";
    let before = page.js(tops).await;
    page.draw(&crate::choose::SHOE).await;
    page.until("attention", "return document.querySelector('.token-sentence')?.textContent.startsWith('Token')").await;
    assert_eq!(before, page.js(tops).await, "every part stays where it is");
    page.close().await;
}

/// The file of axe-core that a variable names, or the one that the checks install.
fn axe() -> Option<PathBuf> {
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/axe-core/package/axe.min.js");
    std::env::var_os("AXE_CORE").map(PathBuf::from).or(Some(installed)).filter(|path| path.is_file())
}

#[tokio::test]
async fn an_accessibility_check_finds_nothing_serious() {
    let Some(axe) = axe() else {
        eprintln!("axe-core is not here (AXE_CORE names its file): the accessibility check is left out");
        return;
    };
    let Some(page) = Page::open("#image=4&methods=input-gradient,occlusion").await else { return };
    page.until(
        "the maps",
        "return [...document.querySelectorAll('.method-card')].every((card) => card.dataset.state === 'result')",
    )
    .await;
    page.js("for (const one of document.querySelectorAll('details')) one.open = true;").await;
    let script = std::fs::read_to_string(axe).unwrap();
    page.js(&script.replace("module.exports", "window.unused")).await;
    let found = page
        .promised("axe.run().then((result) => result.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`))")
        .await;
    assert_eq!(found, json!([]), "{found:#}");
    page.close().await;
}
