//! What happens if a part of an image changes, and what the maps said beforehand.

use serde_json::{Value, json};

use super::client::{SERVER, base64, bytes, drawing, numbers};

/// The cells of 4 × 4 pixels in the middle two rows.
fn mask() -> Value {
    let inside: Vec<u8> = (0..784).map(|pixel| u8::from((12..16).contains(&(pixel / 28)))).collect();
    base64(&inside).into()
}

fn ask(edit: &Value, more: &Value) -> Value {
    let mut body = json!({"image": {"pixels": base64(&drawing()), "name": "what-if"}, "edit": edit});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    SERVER.post("/api/what-if", &body).ok()
}

#[test]
fn what_is_erased_changes_every_logit_as_a_prediction_of_the_edited_image_says() {
    let found = ask(&json!({"kind": "erase", "mask": mask()}), &json!({"methods": []}));
    let edited = bytes(&found["pixels"]);
    assert!(edited[12 * 28..16 * 28].iter().all(|&level| level == 0));
    assert_eq!(edited[16 * 28..], drawing()[16 * 28..]);
    let after = SERVER.post("/api/predict", &json!({"image": {"pixels": found["pixels"]}})).ok();
    assert_eq!(found["after"], after);
    let (before, after) = (numbers(&found["before"]["logits"]), numbers(&after["logits"]));
    for (class, change) in numbers(&found["changes"]).into_iter().enumerate() {
        assert!((change - (after[class] - before[class])).abs() < 1e-5);
    }
    let target = found["target"].as_u64().unwrap() as usize;
    assert!((found["change"].as_f64().unwrap() - (after[target] - before[target])).abs() < 1e-5);
}

#[test]
fn maps_are_ranked_by_how_near_they_came() {
    let erase = json!({"kind": "erase", "mask": mask()});
    let methods = ["input-times-gradient", "class-evidence", "rise", "self-attention", "occlusion"];
    let before = ask(&erase, &json!({"methods": methods, "target": 1}));
    let basis = before["predictions"][0]["basis"].as_str().unwrap();
    assert_eq!(basis, "not computed yet: ask for this map first");
    let image = json!({"pixels": base64(&drawing()), "name": "what-if"});
    for method in ["input-times-gradient", "class-evidence", "self-attention", "occlusion"] {
        let body = json!({"image": image, "method": method, "target": 1});
        assert_eq!(SERVER.post("/api/explain", &body).lines().pop().unwrap()["type"], "result");
    }
    let found = ask(&erase, &json!({"target": 1}));
    let predictions = found["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 4, "every map that was computed: {predictions:?}");
    let of = |name: &str| predictions.iter().find(|prediction| prediction["method"] == name).unwrap();
    assert_eq!(of("self-attention")["predicted"], Value::Null);
    let mut ranked: Vec<(u64, f64)> = predictions
        .iter()
        .filter_map(|prediction| Some((prediction["place"].as_u64()?, prediction["error"].as_f64()?.abs())))
        .collect();
    ranked.sort_by_key(|(place, _)| *place);
    assert_eq!(ranked.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(ranked.is_sorted_by(|left, right| left.1 <= right.1), "{ranked:?}");
    for prediction in predictions.iter().filter(|prediction| !prediction["predicted"].is_null()) {
        let sum = prediction["predicted"].as_f64().unwrap() + prediction["error"].as_f64().unwrap();
        assert!((sum - found["change"].as_f64().unwrap()).abs() < 1e-9, "{prediction}");
    }
    // other settings are other maps
    let other = ask(&erase, &json!({"target": 1, "seed": 77}));
    assert_eq!(other["predictions"], json!([]));
}

#[test]
fn regions_are_blurred_shifted_and_pasted() {
    let changed = |edit: Value| bytes(&ask(&edit, &json!({"methods": []}))["pixels"]);
    let blurred = changed(json!({"kind": "blur", "mask": mask(), "sigma": 2.0}));
    assert!(blurred != drawing() && blurred[..12 * 28] == drawing()[..12 * 28]);
    let shifted = changed(json!({"kind": "shift", "mask": mask(), "dx": 0, "dy": 3}));
    assert!(shifted[12 * 28..15 * 28].iter().all(|&level| level == 0));
    assert_eq!(shifted[15 * 28..19 * 28], drawing()[12 * 28..16 * 28]);
    let pasted = changed(json!({"kind": "paste", "mask": mask(), "from": {"index": 2}}));
    assert_eq!(pasted[12 * 28..16 * 28], SERVER.images.test.image(2)[12 * 28..16 * 28]);
    let filled = changed(json!({"kind": "erase", "mask": mask(), "fill": 77}));
    assert!(filled[12 * 28..16 * 28].iter().all(|&level| level == 77));

    let refused = |edit: Value, status: u16| {
        SERVER.post("/api/what-if", &json!({"image": {"index": 0}, "edit": edit})).refusal(status);
    };
    refused(json!({"kind": "erase", "mask": base64(&[0; 784])}), 422);
    refused(json!({"kind": "erase", "mask": base64(&[1; 10])}), 422);
    refused(json!({"kind": "blur", "mask": mask(), "sigma": 1e9}), 422);
    refused(json!({"kind": "melt", "mask": mask()}), 400);
}
