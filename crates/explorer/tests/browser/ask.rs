//! Asking: why not another class, and what if a part were not there.

use crate::page::Page;

#[tokio::test]
async fn a_contrast_is_the_difference_of_two_logits() {
    let Some(page) = Page::open("#image=4&methods=input-gradient").await else { return };
    page.until("a prediction", "return document.querySelector('#prediction .predicted') !== null").await;
    let logits = page.js("return [...document.querySelectorAll('#prediction tbody td:last-child')].map((one) => parseFloat(one.textContent.replace('−', '-')))").await;
    let logit = |class: usize| logits[class].as_f64().unwrap();
    page.choose("select[name=target]", "2").await;
    page.choose("select[name=against]", "7").await;
    let script =
        "return /^The logit of .* less that of .* is/.test(document.querySelector('.contrast-words').textContent)";
    page.until("the contrast", script).await;
    let words = page.text(".contrast-words").await;
    let shown: f64 = words.split(" is ").nth(1).unwrap().split(':').next().unwrap().replace('−', "-").parse().unwrap();
    assert!((shown - (logit(2) - logit(7))).abs() < 0.02, "{words}: {} and {}", logit(2), logit(7));
    assert!(words.starts_with("The logit of Pullover less that of Sneaker is"), "{words}");
    page.choose("select[name=against]", "2").await;
    page.until(
        "a hint",
        "return document.querySelector('.contrast-words').textContent.includes('compared with itself')",
    )
    .await;
    page.close().await;
}

#[tokio::test]
async fn erasing_a_segment_is_compared_with_what_the_maps_said() {
    let Some(page) = Page::open("#image=4&methods=input-times-gradient,occlusion").await else { return };
    let done = "return [...document.querySelectorAll('.method-card')].every((card) => card.dataset.state === 'result')";
    page.until("two maps", done).await;
    page.until("segments", "return document.getElementById('region-words').textContent.includes('of')").await;
    page.hover("#region canvas", (0.5, 0.5)).await;
    page.click("#region canvas").await;
    page.until("a change", "return document.querySelectorAll('.what-if tbody tr').length > 10").await;
    // before, after and change of each logit
    let rows = page
        .js("return [...document.querySelectorAll('.what-if-tables table:first-of-type')][0] && [...document.querySelectorAll('.what-if-tables > div:first-child tbody tr')].map((row) => [...row.querySelectorAll('td')].map((cell) => parseFloat(cell.textContent.replace('−', '-'))))")
        .await;
    for row in rows.as_array().unwrap() {
        let number = |index: usize| row[index].as_f64().unwrap();
        assert!((number(1) - number(0) - number(2)).abs() < 0.02, "{row}");
    }
    let methods = page.js("return [...document.querySelectorAll('.what-if-tables > div:last-child tbody tr')].map((row) => [row.dataset.method, ...[...row.children].map((cell) => cell.textContent)])").await;
    let methods = methods.as_array().unwrap();
    let named: Vec<&str> = methods.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert!(named.contains(&"input-times-gradient") && named.contains(&"occlusion"), "{methods:?}");
    let ranked = methods.iter().find(|row| row[1] == "1").expect("a first place");
    assert_ne!(ranked[3], "–", "the first has predicted something: {ranked}");
    page.click(".what-if > .buttons button").await;
    page.until("the edited image", "return document.querySelector('#link').value.includes('pixels=')").await;
    page.close().await;
}
