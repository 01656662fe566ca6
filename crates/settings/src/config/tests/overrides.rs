//! What is set after the file.

use super::*;

#[test]
fn overrides_win_over_the_file_and_over_each_other() {
    check_set(&["train.epochs=20"], &["epochs = 20"]);
    check_set(&["train.epochs=20", "train.epochs=30"], &["epochs = 30"]);
    check_set(
        &["train.crop={ padding = 3, probability = 1 }", "train.crop.padding=4"],
        &["padding = 4", "probability = 1.0"],
    );
    check_set(&["model.stages.0.channels=8"], &["channels = 8", "channels = 32"]);
    check_set(&["data.ratios.1=0.25"], &["    0.25,"]);
    check_set(&[" train . \"epochs\" = 7 "], &["epochs = 7"]);
}

#[test]
fn an_override_without_quotes_is_a_string() {
    check_set(&["run.name=trial"], &["name = \"trial\""]);
    check_set(&["run.name=a=b, c"], &["name = \"a=b, c\""]);
    check_set(&["run.name=\"quoted\""], &["name = \"quoted\""]);
    check_set(&["run.name="], &["name = \"\""]);
    check_set(&["run.folder=/data/run-1.5"], &["folder = \"/data/run-1.5\""]);
    check_set(&["train.optimizer=muon"], &["optimizer = \"muon\""]);
}

#[test]
fn an_override_sets_keys_and_tables_that_the_file_leaves_out() {
    check_set(&["run.folder=out"], &["folder = \"out\""]);
    check_set(&["explain.lime.samples=500"], &["[explain.lime]", "samples = 500", "seed = 0"]);
}

#[test]
fn an_override_of_an_unknown_key_is_shown_with_the_nearest_one() {
    check(
        &Input { set: &["train.epoch=3"], ..UNCHANGED },
        r"
--set train.epoch=3: unknown key `train.epoch`, did you mean `train.epochs`?
  = valid keys: `epochs`, `learning_rate`, `optimizer`, `crop`",
    );
    check(
        &Input { set: &["epochs=3"], ..UNCHANGED },
        r"
--set epochs=3: unknown key `epochs`, did you mean `train.epochs`?
  = valid keys: `run`, `train`, `model`, `data`, `explain`",
    );
    check(
        &Input { set: &["trian.epochs=3"], ..UNCHANGED },
        r"
--set trian.epochs=3: unknown key `trian`, did you mean `train`?
  = valid keys: `run`, `train`, `model`, `data`, `explain`",
    );
}

#[test]
fn a_mistake_in_an_override_is_shown_there() {
    check(
        &Input { set: &["train.epochs=0"], ..UNCHANGED },
        "--set train.epochs=0: `train.epochs` is 0, expected 1 to 1000",
    );
    check(
        &Input { set: &["train.epochs=ten"], ..UNCHANGED },
        "--set train.epochs=ten: `train.epochs` is \"ten\", expected a whole number from 0 to 4294967295",
    );
    check(
        &Input { set: &["train.optimizer=adam"], ..UNCHANGED },
        r"
--set train.optimizer=adam: `train.optimizer` is the unknown name `adam`, did you mean `adamw`?
  = valid names: `adamw`, `muon`, `sgd`",
    );
    check(
        &Input { set: &["explain.lime.seed=1"], ..UNCHANGED },
        "--set explain.lime.seed=1: missing key `explain.lime.samples`",
    );
    check(
        &Input { set: &["train.crop={ padding = 1 }"], ..UNCHANGED },
        "--set train.crop={ padding = 1 }: missing key `train.crop.probability`",
    );
    check(
        &Input { set: &["run.name.first=a"], ..UNCHANGED },
        "--set run.name.first=a: `run.name` is \"base\", so it has no keys of its own",
    );
    check(
        &Input { set: &["model.stages.2.channels=1"], ..UNCHANGED },
        "--set model.stages.2.channels=1: `model.stages` has no entry `2`, expected 0 to 1",
    );
    check(
        &Input { set: &["model.stages=[]", "model.stages.0=1"], ..UNCHANGED },
        "--set model.stages.0=1: `model.stages` has no entry `0`, it is empty",
    );
}

#[test]
fn an_override_that_is_no_assignment_is_rejected() {
    for argument in ["", "train.epochs", "=3", "train.=3", "a b=3", "a#b=3"] {
        let error = load_text(TEXT, &[argument]).unwrap_err().to_string();
        assert_eq!(error, format!("--set {argument}: expected `key.path=value`"));
    }
    let error = load_text(TEXT, &["data.ratios=[1, 2"]).unwrap_err().to_string();
    assert!(error.starts_with("--set data.ratios=[1, 2: the value is not valid TOML: "), "{error}");
}

#[test]
fn a_mistake_in_the_file_stays_there_whatever_is_set() {
    check(
        &Input { old: "epochs = 10", new: "epochs = 0", set: &["train.learning_rate=1"] },
        r"
base.toml:7:10: `train.epochs` is 0, expected 1 to 1000
  |
7 | epochs = 0
  |          ^",
    );
    let mistake = Input { old: "epochs = 10", new: "epochs = \"\"", ..UNCHANGED }.text();
    assert!(load_text(&mistake, &["train.epochs=4"]).is_ok(), "the override did not replace the mistake");
}

#[test]
fn a_value_that_only_lacks_quotes_is_shown_with_them() {
    let check_value = |value: &str, shown: &str| {
        let argument = format!("run.name={value}");
        let error = load_text(TEXT, &[&argument]).unwrap_err().to_string();
        let expected = format!(
            "--set {argument}: `run.name` is {shown}, expected a string\n  = quote it: --set 'run.name=\"{value}\"'"
        );
        assert_eq!(error, expected);
    };
    check_value("123", "123");
    check_value("-1", "-1");
    check_value("1e5", "100000.0");
    check_value("true", "true");
    let folder = load_text(TEXT, &["run.folder=2026"]).unwrap_err().to_string();
    assert!(folder.ends_with("= quote it: --set 'run.folder=\"2026\"'"), "{folder}");
    // what the quotes make of it is what was meant
    check_set(&["run.name=\"123\""], &["name = \"123\""]);
    check_set(&["run.name=2026-11-26"], &["name = \"2026-11-26\""]);
    // no quotes help here
    for argument in ["run.name=[1]", "run.name={ a = 1 }", "train.optimizer=1", "train.epochs=true"] {
        let error = load_text(TEXT, &[argument]).unwrap_err().to_string();
        assert!(!error.contains("quote it"), "{error}");
    }
}

#[test]
fn control_characters_of_an_override_are_escaped() {
    check(
        &Input { set: &["train.optimizer=\u{1b}[31m"], ..UNCHANGED },
        r"
--set train.optimizer=\u{1b}[31m: `train.optimizer` is the unknown name `\u{1b}[31m`
  = valid names: `adamw`, `muon`, `sgd`",
    );
    let error = load_text(TEXT, &["a\u{1b}b\n=1"]).unwrap_err().to_string();
    assert_eq!(error, r"--set a\u{1b}b\n=1: expected `key.path=value`");
}

#[test]
fn a_setting_that_turns_out_wrong_later_is_shown_at_its_place() {
    let source = ConfigSource::new("base.toml", TEXT);
    let late = require_within("train.epochs", 10, 20..).unwrap_err();
    let message = locate(&late, &source, &[]).unwrap().to_string();
    assert!(message.starts_with("base.toml:7:10: `train.epochs` is 10, expected at least 20\n"), "{message}");
    let at_override = locate(&late, &source, &["train.epochs=10".to_owned()]).unwrap().to_string();
    assert_eq!(at_override, "--set train.epochs=10: `train.epochs` is 10, expected at least 20");
    assert!(locate(&late, &ConfigSource::new("broken.toml", "a = ="), &[]).is_none());
}
