//! The screenshots of the documentation.

use std::path::PathBuf;

use crate::choose::SHOE;
use crate::page::Page;
use crate::server::with_images_of_the_model;

/// The gallery is that of the data set which `FASHION_MNIST_DIR` names.
/// `cargo test --workspace --test browser -- --ignored screenshots` writes them to `docs/images`.
#[tokio::test]
#[ignore = "writes to docs/images"]
async fn screenshots_of_the_documentation() {
    let Some(page) = Page::at(&with_images_of_the_model()).await else { return };
    page.until("the gallery", "return document.querySelectorAll('.gallery-cell').length > 10").await;
    page.draw(&SHOE).await;
    page.click("input[name=tool][value=fill]").await;
    page.draw(&[(0.45, 0.5)]).await;
    let done = "return [...document.querySelectorAll('.method-card')].every((card) => card.dataset.state === 'result')";
    page.until("all maps", done).await;
    let images = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
    for (name, heading) in [
        ("explore-draw", "choose-heading"),
        ("explore-tokens", "tokens-heading"),
        ("explore-methods", "methods-heading"),
    ] {
        page.js(&format!("document.getElementById('{heading}').scrollIntoView()")).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let png = page.client.screenshot().await.unwrap();
        std::fs::write(images.join(format!("{name}.png")), png).unwrap();
    }
    page.close().await;
}
