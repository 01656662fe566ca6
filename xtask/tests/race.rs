//! Networks that are trained for the same time, and one image explained on all of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tinylsa_data::{SyntheticConfig, synthetic_garments};
use tinylsa_experiment::race::{RacePlan, RaceResult, WHOLE, race};
use tinylsa_experiment::sheet::{SheetRequest, sheet};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

/// The tiny network of the config, and a residual network of a few weights, which race a hundredth of their steps.
fn plan(folder: &Path) -> RacePlan {
    let config = std::fs::read_to_string(CONFIG).unwrap();
    let own = config.replace("# steps = 6000\n", "steps = 300\n");
    assert_ne!(own, config);
    let table = "[model.resnet]\nstem = \"small\"\nblock = \"basic\"\nshortcut = \"padding\"\n\
                 stages = [{ channels = 4, blocks = 1 }, { channels = 8, blocks = 1 }]\n\n[model.tinycnn-lsa]";
    let residual = own
        .replace("kind = \"tinycnn-lsa\"", "kind = \"resnet\"")
        .replace("[model.tinycnn-lsa]", table)
        .replace("steps = 300", "steps = 500");
    RacePlan {
        networks: vec![("ours".to_owned(), own), ("ResNet, tiny".to_owned(), residual)],
        time: WHOLE / 100,
        folder: folder.to_owned(),
        data_dir: None,
        program: env!("CARGO_BIN_EXE_tinylsa").into(),
        stop: Arc::default(),
    }
}

#[test]
fn every_network_is_trained_for_its_share_of_steps_and_a_second_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&folder.path().join("race"));
    let results = race(&plan).unwrap();
    let steps: Vec<(&str, usize)> = results.iter().map(|result| (result.name.as_str(), result.steps)).collect();
    assert_eq!(steps, [("ours", 3), ("ResNet, tiny", 5)]);
    // 600 garments, 100 of which are held out; 32 of a step
    assert!((results[0].epochs - 96.0 / 500.0).abs() < 1e-12);
    for result in &results {
        assert!((0.0..=1.0).contains(&result.accuracy) && result.model.is_file(), "{result:?}");
    }
    assert_eq!(race(&plan).unwrap(), results, "finished runs stay as they are");

    let longer = RacePlan { time: WHOLE / 50, ..plan.clone() };
    let error = race(&longer).unwrap_err().to_string();
    assert!(error.contains("ours did not finish"), "a run of other steps is not overwritten: {error}");
    assert_eq!(race(&plan).unwrap(), results);

    let stopped = RacePlan { stop: Arc::new(AtomicBool::new(true)), folder: folder.path().join("stopped"), ..plan };
    assert!(race(&stopped).unwrap_err().to_string().contains("the same command resumes the race"));
    one_sheet_shows_all_networks(&results);
}

fn one_sheet_shows_all_networks(results: &[RaceResult]) {
    let garments = synthetic_garments(&SyntheticConfig { train: 600, test: 200, seed: 0 }).unwrap();
    let models: Vec<_> = results.iter().map(|result| (result.name.clone(), result.model.clone())).collect();
    let drawn = |models: &[_], index| {
        sheet(&SheetRequest { models, dataset: &garments.test, index, seed: 0, stop: Arc::default() })
    };
    let width = |png: &[u8]| image::load_from_memory(png).unwrap().width();
    let both = drawn(&models, 3).unwrap();
    let one = drawn(&models[..1], 3).unwrap();
    assert!(both != one && width(&both) >= width(&one), "a column for each network");
    // notes below the maps are as wide as a few columns
    let many: Vec<_> = (0..6).flat_map(|_| models.clone()).collect();
    assert!(width(&drawn(&many, 3).unwrap()) > width(&both));
    assert_eq!(both, drawn(&models, 3).unwrap());
    let error = drawn(&models, 200).unwrap_err().to_string();
    assert!(error.contains("there is no image 200"), "{error}");
}
