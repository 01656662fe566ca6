//! Every network that the program knows, with colour images and other classes than garments.

use std::sync::Arc;

use burn::tensor::Device;
use serde_json::{Value, json};
use tinylsa_data::{ImageShape, encode_png};
use tinylsa_experiment::models::{LoadedNetwork, NetworkMetadata};
use tinylsa_explorer::{Explorer, ExplorerConfig, ExplorerImages};
use tinylsa_model::networks::NetworkKind;
use tinylsa_model::{ConfigOfImages, ImageKeys, ModelConfig};

use super::client::{SERVER, Server, base64, bytes, numbers};

const SHAPE: ImageShape = ImageShape { channels: 3, height: 28, width: 28 };

/// A small network of a kind, with the weights that it begins with.
fn network(kind: NetworkKind) -> LoadedNetwork {
    let config = kind.small().with_image_keys(ImageKeys {
        input: Some(SHAPE),
        classes: Some(4),
        mean: Some(vec![0.5; 3]),
        deviation: Some(vec![0.25; 3]),
    });
    let metadata = NetworkMetadata::new(&config, &["ant", "bee", "cat", "dog"], "memory/animals");
    LoadedNetwork { model: config.init(&Device::flex()).unwrap(), metadata, sha256: "0".repeat(64) }
}

fn pixels() -> Vec<u8> {
    (0..SHAPE.values()).map(|value| (37 * value % 251) as u8).collect()
}

#[test]
fn any_network_is_explored_by_what_it_gives() {
    for &kind in NetworkKind::ALL {
        let images = ExplorerImages::Without;
        let explorer = Explorer::start(ExplorerConfig { images, ..ExplorerConfig::new(network(kind)) }).unwrap();
        let (address, token) = (explorer.address(), explorer.token().to_owned());
        let server = Server { address, token, images: Arc::clone(&SERVER.images) };
        let session = server.get("/api/session").ok();
        assert_eq!((&session["model"]["kind"], &session["classes"][2]), (&json!(kind.name()), &json!("cat")));
        assert_eq!((&session["dataset"]["state"], &session["finds_garment"]), (&json!("none"), &json!(false)));
        let image = json!({"pixels": base64(&pixels()), "name": "animal"});
        let prediction = server.post("/api/predict", &json!({"image": image})).ok();
        assert_eq!((numbers(&prediction["logits"]).len(), &prediction["calibrated"]), (4, &Value::Null));
        let look = server.post("/api/look", &json!({"image": image, "target": 1})).ok();
        assert_eq!(look["prediction"], prediction, "{}", kind.name());
        for (what, key) in [("attention", "attention"), ("token_evidence", "evidence")] {
            assert_eq!(session["gives"][what], json!(look[key].is_object()), "{}: {what}", kind.name());
        }
        assert_eq!(numbers(&look["gradient"]["values"]).len(), SHAPE.values());
        for method in session["methods"].as_array().unwrap() {
            let name = method["name"].as_str().unwrap();
            let asked = json!({"image": image, "method": name});
            if method["available"] == false {
                let error = server.post("/api/explain", &asked).refusal(422);
                assert!(error.contains("which the model does not give"), "{}: {error}", kind.name());
            } else if method["quick"] == true && method["cost"].is_null() {
                let last = server.post("/api/explain", &asked).lines().pop().unwrap();
                assert_eq!(last["type"], "result", "{}: {last}", kind.name());
            }
        }
        let png = encode_png(SHAPE, &pixels()).unwrap();
        let kept = server.send("POST", "/api/prepare", &[], &png).answer().ok();
        assert_eq!(bytes(&kept["pixels"]), pixels(), "at its own size a photograph keeps its levels");
    }
}
