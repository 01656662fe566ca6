//! The screenshots of the documentation.

use std::path::PathBuf;
use std::time::Duration;

use crate::page::Page;
use crate::server::with_images_of_the_model;

/// A sneaker that points to the left, in shares of the canvas.
const SNEAKER: [(f64, f64); 11] = [
    (0.84, 0.40),
    (0.86, 0.62),
    (0.12, 0.62),
    (0.12, 0.56),
    (0.28, 0.52),
    (0.44, 0.45),
    (0.54, 0.38),
    (0.60, 0.37),
    (0.66, 0.43),
    (0.76, 0.44),
    (0.84, 0.40),
];

/// The gallery is that of the data set which `FASHION_MNIST_DIR` names. `EXPLORER_LINK` names a page that is served already,
/// such as that of a program which was built for speed.
/// `cargo test --workspace --test browser -- --ignored screenshots` writes them to `docs/images`.
#[tokio::test]
#[ignore = "writes to docs/images"]
async fn screenshots_of_the_documentation() {
    let link = std::env::var("EXPLORER_LINK").unwrap_or_else(|_| with_images_of_the_model());
    let Some(page) = Page::at(&link).await else { return };
    // as much of the window is the browser's own
    page.client.set_window_size(1280, 1060).await.unwrap();
    page.until(
        "the gallery",
        "return /^\\d+ of \\d+ images$/.test(document.querySelector('.gallery-count')?.textContent)",
    )
    .await;
    // the sliders of the brush
    let set = async |slider: usize, value: &str| {
        let script = "const one = document.querySelectorAll('.tools input[type=range]')[SLIDER]; one.value = VALUE; one.dispatchEvent(new Event('input'))";
        page.js(&script.replace("SLIDER", &slider.to_string()).replace("VALUE", value)).await;
    };
    set(1, "165").await;
    page.draw(&SNEAKER).await;
    page.click("input[name=tool][value=fill]").await;
    page.draw(&[(0.5, 0.55)]).await;
    set(1, "255").await;
    page.click("input[name=tool][value=brush]").await;
    page.draw(&[(0.13, 0.66), (0.86, 0.66)]).await;
    set(0, "0.4").await;
    page.draw(&[(0.42, 0.48), (0.48, 0.55)]).await;
    page.draw(&[(0.50, 0.43), (0.56, 0.50)]).await;
    let done = "return [...document.querySelectorAll('.method-card')].every((card) => card.dataset.state === 'result')";
    page.until("all maps", done).await;
    page.hover(".token-stage canvas", (3.5 / 7.0, 3.5 / 7.0)).await;
    let images = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
    let to_heading = |name: &str| format!("document.getElementById('{name}-heading').scrollIntoView()");
    for (name, scroll) in [
        ("explore-draw", "scrollTo(0, 0)".to_owned()),
        ("explore-tokens", to_heading("tokens")),
        ("explore-methods", to_heading("methods")),
    ] {
        page.js(&scroll).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let png = page.client.screenshot().await.unwrap();
        std::fs::write(images.join(format!("{name}.png")), png).unwrap();
    }
    page.close().await;
}
