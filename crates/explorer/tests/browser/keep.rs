//! Keeping: a link that restores the state, and the command line.

use safetensors::SafeTensors;

use crate::choose::SHOE;
use crate::page::Page;

const PIXELS: &str = "const c = document.querySelector('#drawing canvas'); return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join()";

#[tokio::test]
async fn a_link_restores_the_drawing_and_what_was_asked_of_it() {
    let Some(page) = Page::open("#methods=input-gradient").await else { return };
    page.draw(&SHOE).await;
    page.until("attention", "return document.querySelector('.token-sentence')?.textContent.startsWith('Token')").await;
    page.choose("select[name=target]", "9").await;
    page.choose("select[name=against]", "7").await;
    // what it says of two classes moves what lies below
    page.until("the contrast", "return document.body.textContent.includes('explain the same difference')").await;
    page.click("input[name=tokens-map][value=head-2]").await;
    page.hover(".token-stage canvas", (0.5 / 7.0, 6.5 / 7.0)).await;
    let kept = "const link = document.querySelector('#link').value; return ['target=9', 'against=7', 'head-2', '%22token%22%3A42'].every((part) => link.includes(part))";
    page.until("the link", kept).await;
    let link = page.js("return document.querySelector('#link').value").await;
    let (pixels, sentence) = (page.js(PIXELS).await, page.text(".token-sentence").await);
    page.client.goto("about:blank").await.unwrap();
    page.client.goto(link.as_str().unwrap()).await.unwrap();
    page.until(
        "the sentence of before",
        &format!("return document.querySelector('.token-sentence')?.textContent === `{sentence}`"),
    )
    .await;
    assert_eq!(page.js(PIXELS).await, pixels);
    for (list, value) in [("target", "9"), ("against", "7")] {
        let shown = page.js(&format!("return document.querySelector('select[name={list}]').value")).await;
        assert_eq!(shown, value, "{list}");
    }
    let cards = page
        .js("return [...document.querySelectorAll('.method-card')].map((card) => card.dataset.method).join()")
        .await;
    assert_eq!(cards, "input-gradient");
    page.close().await;
}

#[tokio::test]
async fn the_image_and_its_maps_are_downloaded() {
    let Some(page) = Page::open("#methods=input-gradient").await else { return };
    page.draw(&SHOE).await;
    page.until("a map", "return document.querySelector('.method-card')?.dataset.state === 'result'").await;
    for (button, file) in [
        ("image.png", "drawing.png"),
        ("attributions.safetensors", "attributions.safetensors"),
        ("sheet.svg", "sheet.svg"),
    ] {
        page.click(&format!("button[data-file=\"{button}\"]")).await;
        let said =
            format!("return /^{file}: \\d+ bytes/.test(document.querySelector('.keep > p:last-child').textContent)");
        page.until(file, &said).await;
        let mut bytes = page.downloaded(file);
        for _ in 0..100 {
            if bytes.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            bytes = page.downloaded(file);
        }
        let bytes = bytes.unwrap_or_else(|| panic!("{file} is not in the folder of downloads"));
        match button {
            "image.png" => assert_eq!(tinylsa_report::decode_png(&bytes).unwrap().width(), 28),
            "sheet.svg" => assert!(bytes.starts_with(b"<svg")),
            _ => assert!(SafeTensors::deserialize(&bytes).unwrap().tensor("input-gradient/attribution").is_ok()),
        }
    }
    page.close().await;
}

#[tokio::test]
async fn the_command_line_names_the_image_the_class_and_the_methods() {
    let Some(page) = Page::open("#image=4&methods=input-gradient,lime&target=3&seed=5").await else { return };
    page.until(
        "the command",
        "return document.getElementById('command').textContent.startsWith('cargo xtask explain')",
    )
    .await;
    let script = "const text = document.getElementById('command').textContent; return ['--index 4', 'input-gradient', 'lime', '--seed 5'].every((part) => text.includes(part))";
    page.until("all of it", script).await;
    page.close().await;
}
