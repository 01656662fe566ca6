//! The files that a page keeps, beside those of the command.

use std::sync::LazyLock;

use burn::tensor::Device;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tinylsa_data::{encode_png, to_unit};
use tinylsa_experiment::choice::{background, subject};
use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_experiment::models::{LoadedNetwork, load_model_or_pretrained};
use tinylsa_explain::{
    Explainer, ImageToExplain, MethodId, Origin, Request, RequestedClass, Source, attributions_file, execution,
    explained,
};
use tinylsa_xai::{Cancellation, Image};

use super::client::{SERVER, base64, drawing, numbers};

const METHODS: [&str; 6] = [
    "attention-rollout",
    "integrated-gradients",
    "expected-gradients",
    "class-evidence",
    "kernel-shap",
    "multi-head-attention",
];
const OVERRIDES: [&str; 4] = [
    "explain.kernel-shap.evaluations=200",
    "explain.fill.kind=\"black\"",
    "explain.integrated-gradients.maximum_steps=40",
    "explain.expected-gradients.maximum_strata=10",
];

fn settings() -> Value {
    json!({
        "kernel-shap.evaluations": 200,
        "fill.kind": "black",
        "integrated-gradients.maximum_steps": 40,
        "expected-gradients.maximum_strata": 10,
    })
}

/// The file that the command writes, made by the library as the command makes it.
fn of_command(
    image: ImageToExplain,
    dataset: Option<String>,
    target: RequestedClass,
    against: Option<usize>,
) -> Vec<u8> {
    static MODEL: LazyLock<LoadedNetwork> = LazyLock::new(|| load_model_or_pretrained(None).unwrap());
    let LoadedNetwork { model, metadata, sha256 } = &*MODEL;
    let methods = MethodId::chosen(&METHODS).unwrap();
    let overrides: Vec<String> = OVERRIDES.iter().map(|text| (*text).to_owned()).collect();
    let settings =
        ExplainSettings::read(None, &overrides, Some(methods), Some(5)).unwrap().with_statistics_of(&metadata.config);
    let background = background(&SERVER.images.train, &settings.explain.shared.background, settings.seed).unwrap();
    let network = explained(model);
    let execution = execution(Device::flex(), settings.explain.batch_size, settings.seed, Cancellation::default());
    let explainer =
        Explainer { model: network.as_ref(), config: &settings.explain, background: &background, execution };
    let request = Request {
        methods: &settings.methods,
        target,
        against,
        class_names: &metadata.class_names,
        temperature: metadata.temperature,
    };
    let explanation = explainer.explain(image, &request).unwrap();
    attributions_file(&explanation, &Origin { model: sha256.clone(), dataset, seed: settings.seed }).unwrap()
}

#[test]
fn the_maps_of_an_image_of_the_gallery_are_the_file_of_the_command() {
    let image = subject(&SERVER.images.test, 4, None).unwrap();
    let expected = of_command(image, Some(SERVER.images.name().title().to_owned()), RequestedClass::Predicted, None);
    let body = json!({"image": {"index": 4}, "methods": METHODS, "settings": settings(), "seed": 5});
    let found = SERVER.post("/api/download/attributions.safetensors", &body);
    assert_eq!(found.status, 200, "{}", String::from_utf8_lossy(&found.body));
    assert!(found.headers.contains("filename=\"test-4-attributions.safetensors\""), "{}", found.headers);
    assert!(found.body == expected, "the same bytes");
}

#[test]
fn the_maps_of_a_drawing_are_the_file_of_the_command_for_its_png() {
    let image = ImageToExplain {
        source: Source { from: "cross.png".to_owned(), number: None },
        ..ImageToExplain::new("cross", Image::new(to_unit(&drawing()), [1, 28, 28]).unwrap())
    };
    let expected = of_command(image, None, RequestedClass::Class(7), Some(2));
    let image = json!({"pixels": base64(&drawing()), "name": "cross"});
    // made one by one, in another order, as a page asks for them
    for method in METHODS.iter().rev() {
        let body =
            json!({"image": image, "method": method, "target": 7, "against": 2, "settings": settings(), "seed": 5});
        let last = SERVER.post("/api/explain", &body).lines().pop().unwrap();
        assert_eq!((&last["type"], &last["method"]), (&json!("result"), &json!(method)), "{last}");
    }
    let body =
        json!({"image": image, "methods": METHODS, "target": 7, "against": 2, "settings": settings(), "seed": 5});
    let found = SERVER.post("/api/download/attributions.safetensors", &body);
    assert!(found.body == expected, "the same bytes");
}

#[test]
fn what_is_shown_of_a_token_is_its_row_in_the_file() {
    let image = json!({"index": 2});
    let body = json!({"image": image, "methods": ["multi-head-attention", "attention-rollout"]});
    let file = SERVER.post("/api/download/attributions.safetensors", &body).body;
    let file = SafeTensors::deserialize(&file).unwrap();
    let row = |name: &str, token: usize| -> Vec<f32> {
        let tensor = file.tensor(name).unwrap();
        let tokens = tensor.shape()[1];
        let (values, _) = tensor.data().as_chunks::<8>();
        values[token * tokens..(token + 1) * tokens].iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()
    };
    let look = SERVER.post("/api/look", &json!({"image": image})).ok();
    let shown = |matrix: &Value, token: usize| -> Vec<f32> {
        let all: Vec<f32> = numbers(matrix).into_iter().map(|number| number as f32).collect();
        let tokens = all.len().isqrt();
        all[token * tokens..(token + 1) * tokens].to_vec()
    };
    let layer = &look["attention"]["layers"][0];
    for token in [0, 24, 48] {
        assert_eq!(shown(&layer["fused"], token), row("multi-head-attention/layer-0/fused", token));
        assert_eq!(shown(&layer["heads"][0], token), row("multi-head-attention/layer-0/head-0", token));
        assert_eq!(shown(&look["attention"]["rollout"], token), row("attention-rollout/matrix", token));
    }
}

#[test]
fn drawings_sheets_and_the_image_are_files_of_their_kind() {
    let body = json!({"image": {"pixels": base64(&drawing()), "name": "cross"}, "methods": ["input-gradient", "class-evidence"]});
    for file in ["sheet.png", "class-evidence.png"] {
        let found = SERVER.post(&format!("/api/download/{file}"), &body);
        assert!(found.status == 200 && found.body.starts_with(b"\x89PNG"), "{file}");
    }
    let image = SERVER.post("/api/download/image.png", &body);
    assert!(image.headers.contains("filename=\"cross.png\""), "{}", image.headers);
    assert_eq!(image.body, encode_png(tinylsa_data::ImageShape::grey(28, 28), &drawing()).unwrap());
    let svg = String::from_utf8(SERVER.post("/api/download/sheet.svg", &body).body).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.contains(">Class evidence</text>") && svg.contains("data:image/png;base64,")
    );
    let diagnostics = SERVER.post("/api/download/diagnostics.json", &body).ok();
    assert!(diagnostics["methods"]["class-evidence"]["diagnostics"].is_object());
}
