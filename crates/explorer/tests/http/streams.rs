//! Answers that come line by line, and what ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::client::{SERVER, base64, drawing};

/// As long as the page allows: seconds of work.
fn heaviest(name: &str) -> Value {
    let image = json!({"pixels": base64(&drawing()), "name": name});
    json!({"image": image, "method": "rise", "settings": {"rise.masks": 32_000}})
}

fn light(name: &str) -> Value {
    let image = json!({"pixels": base64(&drawing()), "name": name});
    json!({"image": image, "method": "rise", "settings": {"rise.masks": 600}})
}

#[test]
fn a_method_tells_its_progress_its_error_and_its_map() {
    let lines = SERVER.post("/api/explain", &light("progress")).lines();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"started") && kinds.last() == Some(&"result"), "{kinds:?}");
    let preview = lines.iter().find(|line| line["type"] == "preview").expect("a first look");
    assert_eq!((&preview["method"], &preview["maps"]["quantity"]), (&json!("rise"), &json!("gain")));
    let errors: Vec<&Value> = lines.iter().filter(|line| line["relative_standard_error"].is_f64()).collect();
    assert!(!errors.is_empty(), "a running standard error");
    for line in lines.iter().filter(|line| line["type"] == "progress") {
        assert!(line["done"].as_u64() <= line["total"].as_u64(), "{line}");
    }
    let result = lines.last().unwrap();
    assert_eq!((&result["method"], &result["cached"]), (&json!("rise"), &json!(false)));
    assert_eq!((&result["maps"]["kind"], &result["maps"]["quantity"]), (&json!("pixels"), &json!("gain")));
    assert_eq!(result["maps"]["values"].as_array().unwrap().len(), 784);
    assert_eq!(result["settings"]["method"]["masks"], 600);
    let again = SERVER.post("/api/explain", &light("progress")).lines().pop().unwrap();
    assert_eq!((&again["cached"], &again["maps"]), (&json!(true), &result["maps"]));
    let shap = json!({"image": {"index": 0}, "method": "kernel-shap", "settings": {"kernel-shap.evaluations": 600}});
    let lines = SERVER.post("/api/explain", &shap).lines();
    assert!(
        lines.iter().any(|line| line["what"] == "coalitions" && line["relative_standard_error"].is_f64()),
        "{lines:?}"
    );
    let segments = &lines.last().unwrap()["maps"]["segments"];
    assert_eq!(segments["values"].as_array().unwrap().len(), 49);
}

#[test]
fn every_method_that_the_model_serves_has_an_answer() {
    for method in SERVER.get("/api/session").ok()["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let few = [
            ("rise", json!({"rise.masks": 300})),
            ("lime", json!({"lime.samples": 400})),
            ("kernel-shap", json!({"kernel-shap.evaluations": 400})),
            ("permutation-shap", json!({"permutation-shap.permutations": 4})),
            ("exact-shapley", json!({"exact-shapley.grid.rows": 2})),
            ("smooth-grad", json!({"smooth-grad.samples": 64})),
            ("integrated-gradients", json!({"integrated-gradients.maximum_steps": 40})),
            (
                "expected-gradients",
                json!({"expected-gradients.strata": 2, "expected-gradients.maximum_strata": 2, "background.images": 3}),
            ),
        ];
        let settings = few.into_iter().find(|(of, _)| *of == name).map_or(json!({}), |(_, settings)| settings);
        let body = json!({"image": {"index": 6}, "method": name, "settings": settings});
        let last = SERVER.post("/api/explain", &body).lines().pop().unwrap();
        assert_eq!((&last["type"], &last["method"]), (&json!("result"), &json!(name)), "{last}");
    }
}

#[test]
fn a_later_stroke_cancels_a_method_and_the_next_begins() {
    let page = |stroke: &'static str| [("x-explorer-client", "drawing-page"), ("x-explorer-stroke", stroke)];
    let mut running = SERVER.start("/api/explain", &page("1"), &heaviest("stroke"));
    assert_eq!(running.status().0, 200);
    running.until("progress");
    let image = json!({"image": {"pixels": base64(&drawing())}});
    assert_eq!(SERVER.post_as("/api/predict", &page("2"), &image).status, 200);
    assert_eq!(running.until("cancelled")["reason"], "superseded");
    assert_eq!(running.chunk(), None, "nothing behind the last line");
    let next = SERVER.post_as("/api/explain", &page("2"), &light("stroke")).lines().pop().unwrap();
    assert_eq!(next["type"], "result");
    SERVER.post_as("/api/explain", &page("1"), &light("stroke")).refusal(409);
}

#[test]
fn a_client_that_goes_away_leaves_the_lane_to_others() {
    for number in 0..6 {
        let mut running = SERVER.start("/api/explain", &[], &heaviest(&format!("gone-{number}")));
        assert_eq!(running.status().0, 200);
        drop(running);
    }
    // six of the heaviest would take minutes; what is abandoned ends at its next batch
    let last = SERVER.post("/api/explain", &light("after")).lines().pop().unwrap();
    assert_eq!(last["type"], "result");
}

#[test]
fn a_page_has_so_many_jobs_and_no_more() {
    let page = [("x-explorer-client", "greedy")];
    let held: Vec<_> = (0..8)
        .map(|number| {
            let mut sent = SERVER.start("/api/explain", &page, &heaviest(&format!("greedy-{number}")));
            assert_eq!(sent.status().0, 200);
            sent
        })
        .collect();
    let error = SERVER.post_as("/api/explain", &page, &light("greedy")).refusal(429);
    assert_eq!(error, "8 jobs of this page wait or run already, as many as may");
    drop(held);
}

#[test]
fn twenty_clients_and_one_that_reads_nothing_are_served_beside_the_heaviest_method() {
    let mut heavy = SERVER.start("/api/explain", &[], &heaviest("beside"));
    heavy.status();
    // asks for much and reads none of it
    let _slow: Vec<_> =
        (0..5).map(|_| SERVER.start("/api/look", &[], &json!({"image": {"pixels": base64(&drawing())}}))).collect();
    let has_failed = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        for client in 0..20 {
            let has_failed = Arc::clone(&has_failed);
            scope.spawn(move || {
                for _ in 0..5 {
                    let image = json!({"image": {"index": client}});
                    let name = format!("client-{client}");
                    let answer = SERVER.post_as("/api/predict", &[("x-explorer-client", &name)], &image);
                    has_failed.fetch_or(answer.status != 200, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(!has_failed.load(Ordering::Relaxed));
    drop(heavy);
}

#[test]
fn scores_of_the_maps_of_an_image_come_with_the_controls() {
    let body = json!({"image": {"index": 8}, "methods": ["input-times-gradient", "class-evidence", "fixed-query"]});
    let lines = SERVER.post("/api/scores", &body).lines();
    let result = lines.last().unwrap();
    assert_eq!(result["type"], "result", "{result}");
    let rows = result["rows"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|row| row["method"] == name);
    assert!(of("random").unwrap()["control"] == true && of("fixed-query").is_none(), "{rows:?}");
    let columns = result["columns"].as_array().unwrap();
    let evidence = of("class-evidence").unwrap()["scores"].as_array().unwrap();
    assert_eq!(evidence.len(), columns.len());
    let deletion = columns.iter().position(|column| column["name"] == "deletion-area" && column["headline"] == true);
    assert!(evidence[deletion.unwrap()].is_f64());
    assert!(columns.iter().any(|column| column["name"] == "pointing-game"), "the mask of the garment is known");
    SERVER.post("/api/scores", &json!({"image": {"index": 8}, "methods": ["fixed-query"]})).refusal(422);
}
