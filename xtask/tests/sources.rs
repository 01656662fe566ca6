//! Images of every source through every command: trained, measured, explained, classified, shown, exported.

use std::path::{Path, PathBuf};
use std::process::Output;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tinylsa_data::{SyntheticConfig, synthetic_garments};

mod program;
#[path = "program/succeeds.rs"]
mod succeeds;
use program::xtask;
use succeeds::succeeds;

/// A network and budgets of a second.
const SMALL: [&str; 40] = [
    "train.epochs=3",
    "train.batch_size=20",
    "train.checkpoint_steps=0",
    "data.validation=20",
    "model.tinycnn-lsa.stages.0.channels=8",
    "model.tinycnn-lsa.stages.1.channels=8",
    "model.tinycnn-lsa.stages.2.channels=16",
    "model.tinycnn-lsa.attention.blocks=1",
    "model.tinycnn-lsa.attention.heads=2",
    "model.tinycnn-lsa.attention.mlp_width=16",
    "explain.images.right_highest=0",
    "explain.images.right_lowest=0",
    "explain.images.wrong_highest=0",
    "explain.images.random=0",
    "explain.images.indices=[0, 3]",
    "explain.integrated-gradients.steps=4",
    "explain.integrated-gradients.maximum_steps=4",
    "explain.background.images=3",
    "explain.expected-gradients.strata=1",
    "explain.expected-gradients.maximum_strata=1",
    "explain.smooth-grad.samples=4",
    "explain.segmentation.kind=grid",
    "explain.segmentation.grid.rows=2",
    "explain.segmentation.grid.columns=2",
    "explain.exact-shapley.limit=4",
    "explain.exact-shapley.grid.rows=2",
    "explain.exact-shapley.grid.columns=2",
    "explain.kernel-shap.evaluations=10",
    "explain.permutation-shap.permutations=2",
    "explain.lime.samples=20",
    "explain.scores.sensitivity_images=1",
    "explain.scores.randomisation_images=1",
    "explain.scores.deletion.steps=4",
    "explain.scores.faithfulness.subsets=5",
    "explain.scores.mu_fidelity.samples=5",
    "explain.scores.infidelity.samples=5",
    "explain.scores.rerun.steps=2",
    "explain.scores.rerun.coalitions=10",
    "explain.scores.rerun.noisy=4",
    "explain.scores.rerun.background=2",
];

fn config(name: &str) -> String {
    format!("{}/../configs/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    xtask(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard error of a command that must fail with this exit code.
#[track_caller]
fn fails(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = output(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

/// `experiment` with one of the configs and a small network, changed by `more`.
fn experiment(config: &str, more: &[&str]) -> Vec<String> {
    let settings = SMALL.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]);
    let more = more.iter().map(|&argument| argument.to_owned());
    ["experiment".to_owned(), config.to_owned()].into_iter().chain(settings).chain(more).collect()
}

#[track_caller]
fn runs(folder: &Path, config: &str, more: &[&str]) -> String {
    let arguments = experiment(config, more);
    succeeds(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn accuracy(document: &str) -> f64 {
    serde_json::from_str::<Value>(document).unwrap()["accuracy"].as_f64().unwrap()
}

/// A colour of its own for each class, with noise that no other image has.
fn pixel(class: usize, number: usize, row: usize, column: usize) -> [u8; 3] {
    let noise = ((number * 7919 + row * 131 + column * 17) % 61) as u8;
    let mut pixel = [20 + noise; 3];
    pixel[class % 3] = 190 + noise;
    pixel
}

/// The binary files of CIFAR-10 with 20 images each, which show the colour of their class.
fn cifar_10(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let files = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    for (file, name) in files.into_iter().enumerate() {
        let mut bytes = Vec::new();
        for number in 20 * file..20 * (file + 1) {
            let class = number % 10;
            bytes.push(class as u8);
            for channel in 0..3 {
                bytes.extend((0..1024).map(|place| pixel(class, number, place / 32, place % 32)[channel]));
            }
        }
        std::fs::write(directory.join(name).with_extension("bin"), bytes).unwrap();
    }
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";
    std::fs::write(directory.join("batches.meta.txt"), names).unwrap();
}

/// PNG files of 24×20 pixels in classes, `count` of each in train and half as many in test.
fn colours(directory: &Path, classes: &[&str], count: usize) {
    for (split, first, count) in [("train", 0, count), ("test", 1000, count / 2)] {
        for (class, name) in classes.iter().enumerate() {
            let place = directory.join(split).join(name);
            std::fs::create_dir_all(&place).unwrap();
            for number in 0..count {
                let number = first + class * 100 + number;
                let image = RgbImage::from_fn(20, 24, |x, y| Rgb(pixel(class, number, y as usize, x as usize)));
                image.save(place.join(format!("{number:04}.png"))).unwrap();
            }
        }
    }
}

fn is_in_colour(png: &Path) -> bool {
    let image = image::open(png).unwrap().to_rgb8();
    image.pixels().any(|Rgb([red, green, blue])| red.abs_diff(*green).max(green.abs_diff(*blue)) > 100)
}

#[test]
fn colour_photographs_go_through_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    cifar_10(&path.join("cifar"));
    let all = MethodNames::all();
    let methods = format!("explain.methods={}", all.list());
    runs(
        path,
        &config("cifar10"),
        &["--data-dir", "cifar", "--out", "run", "--set", &methods, "--set", "device.threads=2"],
    );

    // What the config left to the images, the run says: the mean of the images that are trained on, not of all.
    let resolved: toml::Table = std::fs::read_to_string(path.join("run/config.toml")).unwrap().parse().unwrap();
    let network = &resolved["model"]["tinycnn-lsa"];
    assert_eq!(network["input"]["channels"].as_integer(), Some(3));
    assert_eq!((network["input"]["height"].as_integer(), network["classes"].as_integer()), (Some(32), Some(10)));
    let list = |value: &toml::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_float().unwrap()).collect()
    };
    let mean = list(&network["input_mean"]);
    assert!(mean.len() == 3 && mean[0] > mean[1] + 0.05, "classes 0, 3, 6 and 9 are red: {mean:?}");
    for table in ["fill", "baseline"] {
        assert_eq!(list(&resolved["explain"][table]["mean"]), mean, "{table}");
        assert_eq!(list(&resolved["explain"][table]["deviation"]), list(&network["input_deviation"]), "{table}");
    }

    let manifest = json(path.join("run/manifest.json"));
    assert_eq!((&manifest["status"], &manifest["dataset"]), (&"finished".into(), &"cifar-10".into()));
    for method in &all.0 {
        assert!(path.join(format!("run/explanations/test-0/{method}.png")).is_file(), "{method}");
    }
    assert!(is_in_colour(&path.join("run/figures/explanations.png")));
    let report = std::fs::read_to_string(path.join("run/report.html")).unwrap();
    assert!(report.contains("CIFAR-10") && report.contains("airplane") && !report.contains("Fashion"), "the report");

    // The model file alone says what it was trained on.
    let measured = json(path.join("run/evaluation.json"))["accuracy"].as_f64().unwrap();
    let model = ["--model", "run/model.safetensors", "--data-dir", "cifar", "--json"];
    assert!((accuracy(&succeeds(path, &[&["evaluate"], &model[..]].concat())) - measured).abs() < 1e-12);
    let of_run =
        succeeds(path, &["evaluate", "--run", "run", "--data-dir", "cifar", "--json", "--split", "validation"]);
    assert_eq!(serde_json::from_str::<Value>(&of_run).unwrap()["images"], 20);
    assert!(fails(path, 1, &["evaluate", "--model", "run/model.safetensors"]).contains("CIFAR-10 is not available"));
    let garments = ["evaluate", "--model", "run/model.safetensors", "--synthetic"];
    assert!(fails(path, 1, &garments).contains("images are 1×28×28, the network expects 3×32×32"));

    let explained = ["--method", "lime,expected-gradients,smooth-grad", "--model", "run/model.safetensors"];
    let by_index = ["explain", "--index", "1", "--data-dir", "cifar", "--out", "by-index"];
    let said = succeeds(path, &[&by_index, &explained[..]].concat());
    assert!(said.contains("is automobile"), "{said}");
    assert!(is_in_colour(&path.join("by-index/test-1/lime.png")));

    let photograph = RgbImage::from_fn(100, 60, |x, y| Rgb(pixel(0, 5, y as usize, x as usize)));
    photograph.save(path.join("photograph.png")).unwrap();
    let by_file = ["explain", "photograph.png", "--out", "by-file"];
    succeeds(path, &[&by_file, &explained[..]].concat());
    let diagnostics = std::fs::read_to_string(path.join("by-file/photograph/diagnostics.json")).unwrap();
    assert!(diagnostics.contains("noise"), "no training images are at hand: {diagnostics}");
    let classify =
        ["classify", "photograph.png", "--model", "run/model.safetensors", "--save-prepared", "seen", "--json"];
    let said: Value = serde_json::from_str(&succeeds(path, &classify)).unwrap();
    assert_eq!((said[0]["classes"].as_array().unwrap().len(), said[0].get("found")), (3, None));
    let seen = image::open(path.join("seen/0001-photograph.png")).unwrap();
    assert_eq!((seen.width(), seen.height()), (32, 32));
    assert!(is_in_colour(&path.join("seen/0001-photograph.png")));

    succeeds(path, &["data", "show", "--source", "cifar-10", "--data-dir", "cifar", "--out", "sheet.png"]);
    assert!(is_in_colour(&path.join("sheet.png")));

    succeeds(path, &["export", "--run", "run", "--data-dir", "cifar", "--out", "weights.safetensors"]);
    let card = ["card", "--run", "run", "--model", "weights.safetensors", "--data-dir", "cifar", "--out", "card.md"];
    succeeds(path, &card);
    let card = std::fs::read_to_string(path.join("card.md")).unwrap();
    assert!(card.contains("on CIFAR-10") && card.contains("A colour image of 3×32×32 values"), "{card}");
    assert!(!card.contains("garment"), "{card}");
}

/// The names of all methods.
struct MethodNames(Vec<&'static str>);

impl MethodNames {
    fn all() -> Self {
        Self(tinylsa_explain::MethodId::all().map(tinylsa_explain::MethodId::name).collect())
    }

    fn list(&self) -> String {
        format!("{:?}", self.0)
    }
}

#[test]
fn a_folder_of_images_in_any_script_is_trained_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    colours(&path.join("pets"), &["собака", "猫", "قط"], 20);
    let methods = "explain.methods=[\"integrated-gradients\", \"attention-rollout\"]";
    runs(path, &config("folder"), &["--data-dir", "pets", "--out", "run", "--set", methods]);
    let report = std::fs::read_to_string(path.join("run/report.html")).unwrap();
    for class in ["собака", "猫", "قط"] {
        assert!(report.contains(class), "{class}");
    }
    let evaluation = json(path.join("run/evaluation.json"));
    assert_eq!((&evaluation["images"], &evaluation["dataset"]), (&30.into(), &"folder/pets".into()));

    // A model file away from its run brings the images into its own shape.
    std::fs::copy(path.join("run/model.safetensors"), path.join("pets.safetensors")).unwrap();
    for model in ["run/model.safetensors", "pets.safetensors"] {
        let measured = succeeds(path, &["evaluate", "--model", model, "--data-dir", "pets", "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&measured).unwrap()["accuracy"], evaluation["accuracy"], "{model}");
        let validation = ["evaluate", "--model", model, "--data-dir", "pets", "--split", "validation", "--json"];
        assert_eq!(serde_json::from_str::<Value>(&succeeds(path, &validation)).unwrap()["images"], 20, "{model}");
    }
    let explain = ["explain", "--index", "0", "--method", "lime", "--target", "猫", "--model", "pets.safetensors"];
    let said = succeeds(path, &[&explain[..], &["--data-dir", "pets", "--out", "explained"]].concat());
    assert!(said.contains("explained 猫"), "{said}");
    let unnamed = fails(path, 2, &[&explain[..], &["--out", "unnamed"]].concat());
    assert!(unnamed.contains("data.dir is absent, expected the directory of the image files"), "{unnamed}");
}

#[test]
fn exported_images_train_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let ci = config("ci");
    let said = succeeds(path, &["data", "export", "--config", &ci, "--out", "garments"]);
    assert!(said.contains("garments holds 800 images of synthetic garments"), "{said}");
    let short = ["--set", "train.epochs=1", "--set", "explain.enabled=false"];
    succeeds(path, &[&["experiment", &ci, "--out", "drawn"], &short[..]].concat());
    let read = ["--set", "data.source=folder", "--set", "data.folder.channels=1", "--data-dir", "garments"];
    succeeds(path, &[&["experiment", &ci, "--out", "read"], &short[..], &read].concat());
    let [drawn, read] =
        ["drawn", "read"].map(|run| json(path.join(run).join("manifest.json"))["digests"]["metrics"].clone());
    assert!(drawn.is_string() && drawn == read, "{drawn} {read}");
    let evaluation = |run: &str| json(path.join(run).join("evaluation.json"));
    let figures =
        |run: &str| ["accuracy", "accuracy_tta", "nll", "ece", "confusion"].map(|key| evaluation(run)[key].clone());
    assert_eq!(figures("drawn"), figures("read"));
    assert_eq!(evaluation("read")["dataset"], "folder/garments");
    let again = fails(path, 1, &["data", "export", "--config", &ci, "--out", "garments"]);
    assert!(again.contains("garments holds something already"), "{again}");
}

/// Four IDX files as MNIST has them, with other content.
fn idx_files(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    let garments = synthetic_garments(&SyntheticConfig { train: 100, test: 40, seed: 1 }).unwrap();
    for (stem, dataset) in [("train", &garments.train), ("t10k", &garments.test)] {
        let count = (dataset.len() as u32).to_be_bytes();
        let images = [&[0, 0, 8, 3], &count[..], &[0, 0, 0, 28, 0, 0, 0, 28], &dataset.images].concat();
        let labels = [&[0, 0, 8, 1], &count[..], &dataset.label_bytes()].concat();
        std::fs::write(directory.join(format!("{stem}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(directory.join(format!("{stem}-labels-idx1-ubyte")), labels).unwrap();
    }
}

#[test]
fn idx_files_of_ones_own_are_trained_on_and_never_taken_for_published_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    idx_files(&path.join("letters"));
    let out = ["--data-dir", "letters", "--out", "run", "--set", "explain.enabled=false"];
    for published in ["mnist", "kmnist"] {
        let arguments = experiment(&config(published), &out);
        let refused = fails(path, 1, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(refused.contains("train-images-idx3-ubyte"), "{refused}");
        assert!(!path.join("run").exists(), "{published}");
    }
    runs(path, &config("mnist"), &[&out[..], &["--set", "data.source=idx"]].concat());
    let evaluation = json(path.join("run/evaluation.json"));
    assert_eq!((&evaluation["dataset"], &evaluation["images"]), (&"idx/letters".into(), &40.into()));
    let measured = succeeds(path, &["evaluate", "--model", "run/model.safetensors", "--data-dir", "letters", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&measured).unwrap()["accuracy"], evaluation["accuracy"]);
    let explain = ["explain", "--index", "2", "--method", "input-gradient", "--model", "run/model.safetensors"];
    succeeds(path, &[&explain[..], &["--data-dir", "letters", "--out", "explained"]].concat());
}

#[test]
fn what_is_wrong_with_a_folder_is_said_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let place = |name: &str| path.join(name);
    let pets = |name: &str| {
        colours(&place(name), &["cat", "dog"], 20);
        place(name)
    };
    let refused = |directory: &str, code: i32, more: &[&str], expected: &str| {
        let out = [&["--data-dir", directory, "--out", "run", "--set", "explain.enabled=false"], more].concat();
        let arguments = experiment(&config("folder"), &out);
        let said = fails(path, code, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.contains(expected), "{directory}: {said}");
        assert!(!place("run").exists(), "{directory}");
    };
    std::fs::create_dir(place("empty")).unwrap();
    refused("empty", 1, &[], "empty holds no directories, expected one for each class");
    std::fs::create_dir(pets("without").join("train/mouse")).unwrap();
    refused("without", 1, &[], "mouse holds no PNG or JPEG file");
    RgbImage::new(21, 24).save(pets("odd").join("train/dog/0101.png")).unwrap();
    refused("odd", 1, &[], "0101.png is 24×21, expected 24×20 as ");
    std::fs::write(pets("damaged").join("test/cat/1000.png"), b"no image").unwrap();
    refused("damaged", 1, &[], "1 of 20 files cannot be read, more than 1 %");
    colours(&pets("clash"), &["Cat"], 20);
    refused("clash", 1, &[], "the classes Cat and cat of ");
    std::fs::write(pets("named").join("classes.txt"), "cat\tc\u{1b}[31mat\ndog\n").unwrap();
    refused("named", 1, &[], "expected a name without control characters");

    colours(&place("three"), &["a", "b", "c"], 20);
    let two = ["--set", "model.tinycnn-lsa.classes=2"];
    refused("three", 2, &two, "`model.tinycnn-lsa.classes` is 2, expected 3, the number of classes of three");
    let wide = ["--set", "model.tinycnn-lsa.input={channels=3, height=24, width=24}"];
    refused("three", 2, &wide, "`model.tinycnn-lsa.input.width` is 24, expected 20, as the images are 3×24×20");
    refused(
        "three",
        2,
        &["--set", "data.folder.resize=[24, 22]"],
        "`model.tinycnn-lsa.stages.1.pool` is true on a grid of 12×11",
    );

    // Images of the test split that are trained on are no error, but whoever reads the result must know.
    let twice = pets("twice");
    std::fs::copy(twice.join("train/cat/0003.png"), twice.join("test/cat/1003.png")).unwrap();
    let arguments =
        experiment(&config("folder"), &["--data-dir", "twice", "--out", "run", "--set", "explain.enabled=false"]);
    let said = output(path, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert!(
        text(&said.stderr).contains("1 image of the test split is also in the training split"),
        "{}",
        text(&said.stderr)
    );
}

#[test]
fn a_network_of_any_shape_is_timed_on_drawn_images_and_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    cifar_10(&path.join("cifar"));
    let small: Vec<String> = SMALL.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]).collect();
    let small: Vec<&str> = small.iter().map(String::as_str).collect();
    let cifar = config("cifar10");
    let short = [
        "--config",
        &cifar,
        "--rounds",
        "1",
        "--block-seconds",
        "0.05",
        "--threads",
        "1",
        "--batch-size",
        "4",
        "--json",
    ];
    for images in [&[][..], &["--data-dir", "cifar"]] {
        let said = succeeds(path, &[&["bench", "train"], &short[..], &small, images].concat());
        assert!(serde_json::from_str::<Value>(&said).unwrap()["train"]["images_per_s"].as_f64().unwrap() > 0.0);
    }
    let refused = fails(
        path,
        2,
        &[
            &["bench", "train", "--source", "synthetic-garments"],
            &short[..],
            &small,
            &["--set", "model.tinycnn-lsa.classes=3"],
        ]
        .concat(),
    );
    assert!(
        refused.contains("the images of synthetic garments are 1×28×28 in 10 classes, the network takes"),
        "{refused}"
    );
    let compared = succeeds(path, &[&["compare", "--counted", &cifar], &small[..]].concat());
    assert!(compared.contains("32 × 32"), "{compared}");
}
