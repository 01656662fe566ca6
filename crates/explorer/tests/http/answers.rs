//! What the quick questions are answered.

use serde_json::{Value, json};
use tinylsa_experiment::models::load_model_or_pretrained;

use super::client::{IMAGES, SERVER, base64, bytes, drawing, numbers};

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found}, expected {expected}");
}

#[test]
fn a_session_tells_the_model_the_images_the_methods_and_the_limits() {
    let session = SERVER.get("/api/session").ok();
    let shipped = load_model_or_pretrained(None).unwrap();
    assert_eq!(session["input"], json!({"channels": 1, "height": 28, "width": 28}));
    assert_eq!(session["classes"][9], "Ankle boot");
    assert_eq!((&session["model"]["file"], &session["model"]["trained_on"]), (&Value::Null, &json!("fashion-mnist")));
    assert_eq!(session["model"]["parameters"], shipped.metadata.config.cost().parameters());
    assert_eq!(session["dataset"]["state"], "ready");
    assert_eq!(session["dataset"]["images"], IMAGES);
    assert_eq!(session["dataset"]["has_masks"], true);
    let methods = session["methods"].as_array().unwrap();
    assert_eq!(methods.len(), tinylsa_explain::MethodId::all().len());
    for method in methods {
        assert!(method["shows"].as_str().unwrap().len() > 10 && method["available"] == true, "{method}");
    }
    let of = |name: &str| methods.iter().find(|method| method["name"] == name).unwrap();
    assert_eq!((&of("rise")["quick"], &of("integrated-gradients")["quick"]), (&json!(false), &json!(true)));
    let sliders = of("lime")["settings"].as_array().unwrap();
    assert!(sliders.iter().any(|slider| slider["key"] == "lime.samples" && slider["type"] == "integer"), "{sliders:?}");
    assert_eq!(of("lime")["cost"]["unit"], "evaluation");
}

#[test]
fn a_gallery_gives_columns_filtered_pages_and_pixels() {
    let server = &*SERVER;
    let all = server.get("/api/gallery").ok();
    assert_eq!((all["images"].as_u64(), all["ready"].as_u64()), (Some(IMAGES as u64), Some(IMAGES as u64)));
    assert_eq!(numbers(&all["labels"]).len(), IMAGES);
    let wrong = server.get("/api/gallery?correct=false&order=-confidence").ok();
    let (labels, predicted) = (all["labels"].as_array().unwrap(), all["predicted"].as_array().unwrap());
    let pairs = labels.iter().zip(predicted);
    assert_eq!(wrong["total"].as_u64().unwrap(), pairs.filter(|(label, predicted)| label != predicted).count() as u64);
    let items = wrong["items"].as_array().unwrap();
    let sure: Vec<f64> = items.iter().map(|item| item["confidence"].as_f64().unwrap()).collect();
    assert!(sure.is_sorted_by(|left, right| left >= right), "{sure:?}");
    let item = server.get("/api/gallery?offset=4&count=1").ok()["items"][0].clone();
    assert_eq!(item["index"], 4);

    let image = server.get("/api/image?index=7").ok();
    let pixels = server.images.test.image(7);
    assert_eq!((bytes(&image["pixels"]).as_slice(), &image["name"]), (pixels, &json!("test-7")));
    assert_eq!(bytes(&image["mask"]).len(), 784);
    assert_eq!(server.get("/api/pixels?start=7&count=2").body, server.images.test.images[7 * 784..9 * 784]);
    let chosen = server.post("/api/pixels", &json!({"indices": [9, 7]})).body;
    assert_eq!(chosen, [server.images.test.image(9), pixels].concat());
    for path in ["/api/pixels?start=29&count=2", "/api/image?index=30", "/api/gallery?count=2000"] {
        server.get(path).refusal(422);
    }
    server.get("/api/pixels?start=0").refusal(400);
    server.post("/api/pixels", &json!({"indices": [30]})).refusal(422);
    server.post("/api/pixels", &json!({"indices": vec![0; 2000]})).refusal(422);
}

#[test]
fn an_image_by_its_number_and_by_its_pixels_is_the_same() {
    let server = &*SERVER;
    let by_number = server.post("/api/predict", &json!({"image": {"index": 3}})).ok();
    let pixels = base64(server.images.test.image(3));
    let by_pixels = server.post("/api/predict", &json!({"image": {"pixels": pixels, "name": "three"}})).ok();
    assert_eq!(by_number, by_pixels);
    let probabilities = numbers(&by_number["calibrated"]);
    close(probabilities.iter().sum(), 1.0);
    let gallery = server.get("/api/gallery").ok();
    assert_eq!(gallery["predicted"][3], by_number["predicted"]);
    close(gallery["confidence"][3].as_f64().unwrap(), probabilities[by_number["predicted"].as_u64().unwrap() as usize]);
}

#[test]
fn a_look_has_rows_that_sum_to_one_and_evidence_that_sums_to_the_scores() {
    let image = json!({"pixels": base64(&drawing())});
    let look = SERVER.post("/api/look", &json!({"image": image})).ok();
    assert_eq!(look["prediction"], SERVER.post("/api/predict", &json!({"image": image})).ok());
    assert_eq!(look["target"], look["prediction"]["predicted"]);
    let attention = &look["attention"];
    let tokens =
        (attention["grid"]["rows"].as_u64().unwrap() * attention["grid"]["columns"].as_u64().unwrap()) as usize;
    for matrix in [&attention["layers"][0]["fused"], &attention["layers"][0]["heads"][0], &attention["rollout"]] {
        let values = numbers(matrix);
        assert_eq!(values.len(), tokens * tokens);
        values.chunks(tokens).for_each(|row| close(row.iter().sum(), 1.0));
    }
    let evidence = &look["evidence"];
    for class in 0..10 {
        let sum: f64 = numbers(&evidence["values"][class]).iter().sum();
        close(sum + evidence["biases"][class].as_f64().unwrap(), look["prediction"]["logits"][class].as_f64().unwrap());
    }
    let by_method =
        SERVER.post("/api/explain", &json!({"image": image, "method": "input-gradient"})).lines().pop().unwrap();
    assert_eq!(look["gradient"]["values"], by_method["maps"]["values"], "the bits of the method");

    let flow = SERVER.post("/api/flow", &json!({"image": image, "query": 24})).ok();
    assert_eq!(numbers(&flow["flow"]).len(), tokens);
    let flows = numbers(&SERVER.post("/api/flow", &json!({"image": image, "query": null})).ok()["flows"]);
    assert_eq!(flows[24 * tokens..25 * tokens], numbers(&flow["flow"])[..]);
    SERVER.post("/api/flow", &json!({"image": image, "query": tokens})).refusal(422);
}

#[test]
fn a_contrast_is_the_difference_of_two_logits_token_by_token() {
    let body = json!({"image": {"index": 1}, "target": 2, "against": 6});
    let contrast = SERVER.post("/api/contrast", &body).ok();
    let logits = numbers(&contrast["prediction"]["logits"]);
    close(contrast["difference"].as_f64().unwrap(), logits[2] - logits[6]);
    let values = numbers(&contrast["evidence"]["values"]);
    close(values.iter().sum::<f64>() + contrast["evidence"]["bias"].as_f64().unwrap(), logits[2] - logits[6]);
    let most = contrast["for"][0].as_u64().unwrap() as usize;
    assert!(values.iter().all(|value| *value <= values[most]));
    SERVER.post("/api/contrast", &json!({"image": {"index": 1}, "target": 2, "against": 2})).refusal(422);
}

#[test]
fn segments_are_those_that_the_settings_ask_for() {
    let image = json!({"index": 5});
    let grid = SERVER.post("/api/segments", &json!({"image": image})).ok();
    assert_eq!((&grid["kind"], &grid["count"], numbers(&grid["labels"]).len()), (&json!("grid"), &json!(49), 784));
    let settings = json!({"segmentation.kind": "slic", "segmentation.slic.segments": 12});
    let slic = SERVER.post("/api/segments", &json!({"image": image, "settings": settings})).ok();
    assert_eq!(slic["kind"], "slic");
    assert!((1..=12).contains(&slic["count"].as_u64().unwrap()));
}

#[test]
fn a_command_names_what_was_asked_for() {
    let command = |body: Value| SERVER.post("/api/command", &body).ok();
    let of_gallery = command(json!({"image": {"index": 5}, "methods": ["lime", "rise"], "target": 3, "seed": 9,
        "settings": {"lime.samples": 500, "fill.kind": "black"}}));
    let expected = "cargo xtask explain --index 5 --method lime,rise --target 3 --seed 9 --set \
                    'explain.fill.kind=\"black\"' --set explain.lime.samples=500 --out explanations";
    assert_eq!((of_gallery["command"].as_str(), &of_gallery["file"]), (Some(expected), &Value::Null));
    let image = json!({"pixels": base64(&drawing()), "name": "cross"});
    let of_drawing = command(json!({"image": image, "methods": ["all"], "against": 2, "seed": 9}));
    let expected = "cargo xtask explain cross.png --method all --against 2 --seed 9 --out explanations";
    assert_eq!((of_drawing["command"].as_str(), &of_drawing["file"]), (Some(expected), &json!("cross.png")));
    let without_draws = command(json!({"image": image, "methods": ["input-gradient"], "seed": 9}));
    let expected = "cargo xtask explain cross.png --method input-gradient --set run.seed=9 --out explanations";
    assert_eq!(without_draws["command"], expected, "as an option the command refuses a seed without draws");
    let noise = command(json!({"image": image, "methods": ["integrated-gradients"], "seed": 9,
        "settings": {"baseline.kinds": ["noise"]}}));
    assert!(noise["command"].as_str().unwrap().contains(" --seed 9 "), "{noise}");
}

#[test]
fn a_command_that_would_see_another_image_says_so() {
    let note = |pixels: &[u8]| {
        let image = json!({"pixels": base64(pixels), "name": "cross"});
        let answer = SERVER.post("/api/command", &json!({"image": image, "methods": ["input-gradient"]})).ok();
        answer["note"].as_str().unwrap().to_owned()
    };
    assert!(note(&drawing()).starts_with("seed "), "{}", note(&drawing()));
    let on_white: Vec<u8> = drawing().iter().map(|level| u8::MAX - level).collect();
    assert_eq!(note(&on_white), "the command gives other maps, since `explain` makes the ground of cross.png black");
}
