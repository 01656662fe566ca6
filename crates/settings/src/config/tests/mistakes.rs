//! Keys and values that do not fit the schema.

use super::*;

#[test]
fn an_unknown_key_is_shown_with_the_nearest_one() {
    check(
        &Input { old: "epochs", new: "epoch", ..UNCHANGED },
        r"
base.toml:7:1: unknown key `train.epoch`, did you mean `train.epochs`?
  |
7 | epoch = 10
  | ^^^^^
  = valid keys: `epochs`, `learning_rate`, `optimizer`, `crop`",
    );
}

#[test]
fn an_unknown_key_in_an_inline_table_is_shown_at_its_column() {
    check(
        &Input { old: "probability", new: "propability", ..UNCHANGED },
        r"
base.toml:10:23: unknown key `train.crop.propability`, did you mean `train.crop.probability`?
   |
10 | crop = { padding = 2, propability = 0.5 }
   |                       ^^^^^^^^^^^
   = valid keys: `padding`, `probability`",
    );
}

#[test]
fn an_unknown_key_in_an_array_of_tables_is_shown_by_index() {
    check(
        &Input { old: "kernel", new: "kernels", ..UNCHANGED },
        r"
base.toml:17:1: unknown key `model.stages.1.kernels`, did you mean `model.stages.1.kernel`?
   |
17 | kernels = 3
   | ^^^^^^^
   = valid keys: `channels`, `kernel`",
    );
}

#[test]
fn an_unknown_table_is_shown_at_its_header() {
    check(
        &Input { old: "[train]", new: "[trian]", ..UNCHANGED },
        r"
base.toml:6:2: unknown key `trian`, did you mean `train`?
  |
6 | [trian]
  |  ^^^^^
  = valid keys: `run`, `train`, `model`, `data`, `explain`",
    );
}

#[test]
fn a_key_in_the_wrong_table_is_shown_with_the_right_one() {
    check(
        &Input { old: "strict", new: "learning_rate = 1\nstrict", ..UNCHANGED },
        r"
base.toml:4:1: unknown key `run.learning_rate`, did you mean `train.learning_rate`?
  |
4 | learning_rate = 1
  | ^^^^^^^^^^^^^
  = valid keys: `name`, `strict`, `folder`",
    );
}

#[test]
fn an_unknown_key_like_no_other_is_shown_with_all_that_are_valid() {
    check(
        &Input { old: "strict", new: "zzz = 1\nstrict", ..UNCHANGED },
        r"
base.toml:4:1: unknown key `run.zzz`
  |
4 | zzz = 1
  | ^^^
  = valid keys: `name`, `strict`, `folder`",
    );
}

#[test]
fn a_wrong_type_is_shown_at_the_value() {
    check(
        &Input { old: "epochs = 10", new: "epochs =\t\"ten\"  # text", ..UNCHANGED },
        "base.toml:7:10: `train.epochs` is \"ten\", expected a whole number from 0 to 4294967295\n  \
         |\n\
         7 | epochs =\t\"ten\"  # text\n  \
         |         \t^^^^^",
    );
}

#[test]
fn every_kind_of_wrong_value_is_named() {
    let first_line = |old, new| {
        let text = Input { old, new, ..UNCHANGED }.text();
        load_text(&text, &[]).unwrap_err().to_string().lines().next().unwrap().to_owned()
    };
    assert_eq!(
        first_line("epochs = 10", "epochs = -1"),
        "base.toml:7:10: `train.epochs` is -1, expected a whole number from 0 to 4294967295"
    );
    assert_eq!(
        first_line("epochs = 10", "epochs = 1.5"),
        "base.toml:7:10: `train.epochs` is 1.5, expected a whole number from 0 to 4294967295"
    );
    assert_eq!(first_line("0.01", "true"), "base.toml:8:17: `train.learning_rate` is true, expected a number");
    assert_eq!(first_line("false", "\"a, b\""), "base.toml:4:10: `run.strict` is \"a, b\", expected true or false");
    assert_eq!(first_line("\"base\"", "[]"), "base.toml:3:8: `run.name` is an array, expected a string");
    assert_eq!(first_line("\"base\"", "{}"), "base.toml:3:8: `run.name` is a table, expected a string");
    assert_eq!(first_line("\"adamw\"", "1"), "base.toml:9:13: `train.optimizer` is 1, expected a name");
    assert_eq!(
        first_line("{ padding = 2, probability = 0.5 }", "2"),
        "base.toml:10:8: `train.crop` is 2, expected a table"
    );
    assert_eq!(
        first_line("0.8, 0.2", "0.8"),
        "base.toml:20:10: `data.ratios` is of length 1, expected an array of length 2"
    );
    assert_eq!(first_line("0.8, 0.2", "0.8, \"\""), "base.toml:20:16: `data.ratios.1` is \"\", expected a number");
}

#[test]
fn an_unknown_name_is_shown_with_the_nearest_one() {
    check(
        &Input { old: "\"adamw\"", new: "\"AdamW\"", ..UNCHANGED },
        r#"
base.toml:9:13: `train.optimizer` is the unknown name `AdamW`, did you mean `adamw`?
  |
9 | optimizer = "AdamW" # or sgd
  |             ^^^^^^^
  = valid names: `adamw`, `muon`, `sgd`"#,
    );
}

#[test]
fn a_missing_key_is_shown_at_the_header_of_its_table() {
    check(
        &Input { old: "channels = 32\n", new: "", ..UNCHANGED },
        r"
base.toml:15:1: missing key `model.stages.1.channels`
   |
15 | [[model.stages]]
   | ^^^^^^^^^^^^^^^^",
    );
}

#[test]
fn a_missing_table_is_shown_at_the_start() {
    check(
        &Input { old: "[data]\nratios = [0.8, 0.2]", new: "", ..UNCHANGED },
        r"
base.toml:1:1: missing key `data`
  |
1 | # a run
  | ^",
    );
}

#[test]
fn a_value_out_of_range_is_shown_at_the_value() {
    check(
        &Input { old: "0.5", new: "1.5", ..UNCHANGED },
        r"
base.toml:10:37: `train.crop.probability` is 1.5, expected 0 to 1
   |
10 | crop = { padding = 2, probability = 1.5 }
   |                                     ^^^",
    );
    check(
        &Input { old: "kernel = 3", new: "kernel = 4", ..UNCHANGED },
        r"
base.toml:17:10: `model.stages.1.kernel` is 4, expected an odd number
   |
17 | kernel = 4
   |          ^",
    );
}

#[test]
fn a_default_out_of_range_is_shown_at_its_table() {
    let text = "epochs = 1";
    let fails = |_: &toml::Table| require_within("train.epochs.warmup", 0, 1..);
    let error = load(&ConfigSource::new("a.toml", text), &[], fails).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.toml:1:1: `train.epochs.warmup` is 0, expected at least 1\n  |\n1 | epochs = 1\n  | ^"
    );
}

#[test]
fn a_value_that_only_lacks_quotes_is_shown_with_them() {
    check(
        &Input { old: "\"base\"", new: "2026", ..UNCHANGED },
        r#"
base.toml:3:8: `run.name` is 2026, expected a string
  |
3 | name = 2026
  |        ^^^^
  = quote it: "2026""#,
    );
}

#[test]
fn a_name_in_another_case_is_recognised() {
    for name in ["AdamW", "ADAMW", "adamW", "Adamw"] {
        let text = Input { old: "adamw", new: name, ..UNCHANGED }.text();
        let error = load_text(&text, &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean `adamw`?"), "{error}");
    }
}

#[test]
fn characters_that_a_terminal_would_obey_are_escaped_and_stay_in_their_column() {
    check(
        &Input { old: "\"adamw\"", new: "\"a\u{202e}w\"", ..UNCHANGED },
        r#"
base.toml:9:13: `train.optimizer` is the unknown name `a\u{202e}w`
  |
9 | optimizer = "a\u{202e}w" # or sgd
  |             ^^^^^^^^^^^^
  = valid names: `adamw`, `muon`, `sgd`"#,
    );
    let error = load_text("[run]\nname = \"\u{1b}[2J\"\n", &[]).unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && error.contains(r"\u{1b}[2J"), "{error}");
}

#[test]
fn of_a_long_line_the_part_that_is_meant_is_shown() {
    let long = format!("name = \"base\" # {}\nstrict = 1 # {}", "a".repeat(10_000), "b".repeat(10_000));
    let text = Input { old: "name = \"base\"\nstrict = false", new: &long, ..UNCHANGED }.text();
    let error = load_text(&text, &[]).unwrap_err().to_string();
    assert!(error.starts_with("base.toml:4:10: `run.strict` is 1, expected true or false\n"), "{error}");
    assert!(
        error.len() < 500 && error.contains("\n4 | strict = 1 # bbb") && error.ends_with("|          ^"),
        "{error}"
    );
    let crop = format!("crop = {{ padding = 2, {}probability = 1.5 }} # {}", " ".repeat(5_000), "c".repeat(5_000));
    let text = Input { old: "crop = { padding = 2, probability = 0.5 }", new: &crop, ..UNCHANGED }.text();
    let error = load_text(&text, &[]).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[2].contains("| …") && lines[2].ends_with('…') && error.len() < 700, "{error}");
    let column = |line: &str, what: &str| line.split(what).next().unwrap().chars().count();
    assert_eq!(column(lines[2], "1.5"), column(lines[3], "^"), "{error}");
}
