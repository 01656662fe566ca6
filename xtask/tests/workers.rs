//! Sweeps whose trials are run one by one, as tasks of a cluster, and gathered from their directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod program;
#[path = "program/said.rs"]
mod said;
use program::xtask;
use said::Said;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");

/// Two variants and two seeds on the same validation images.
fn plan(epochs: usize) -> String {
    format!(
        "config = {CONFIG:?}\nseeds = [0, 1]\nset = [\"train.epochs={epochs}\", \"data.split_seed=0\", \"device.threads=2\"]\n\
         control = \"plain\"\n\
         [[variants]]\nname = \"plain\"\n[[variants]]\nname = \"mixed\"\nset = [\"train.mixing.probability=0.5\"]\n"
    )
}

fn sweep(folder: &Path, arguments: &[&str]) -> Said {
    xtask(folder, &[&["sweep"], arguments].concat()).output().unwrap().into()
}

#[track_caller]
fn check(folder: &Path, arguments: &[&str], code: i32, expected: &str) -> Said {
    let said = sweep(folder, arguments);
    let text = format!("{}{}", said.out, said.err);
    assert!(said.code == Some(code) && text.contains(expected), "{arguments:?} ended with {:?}: {text}", said.code);
    said
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A directory with a sweep's file and its plan in `runs`.
fn planned(plan: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sweep.toml"), plan).unwrap();
    check(folder.path(), &["sweep.toml", "--plan", "--out", "runs"], 0, "planned 4 trials in runs");
    folder
}

/// What does not depend on the time of day and the speed of the machine.
fn timeless(mut results: Value) -> Value {
    for trial in results["trials"].as_array_mut().unwrap() {
        trial["seconds"] = Value::Null;
        trial["images_per_second"] = Value::Null;
    }
    results
}

#[test]
fn trials_that_are_run_one_by_one_give_the_results_of_one_call() {
    let folder = planned(&plan(1));
    let folder = folder.path();
    let plan = json(&folder.join("runs/plan.json"));
    assert_eq!(plan["trials"][3]["variant"], "mixed");
    assert_eq!(plan["trials"][3]["experiment"].as_str().unwrap().len(), 64);
    assert!(plan["config"]["text"].as_str().unwrap().contains("[train]"));
    assert!(!folder.join("runs/plain-seed-0").exists(), "a plan trains nothing");
    check(folder, &["--status", "runs"], 0, "4 trials: 4 waiting");
    check(folder, &["--gather", "runs"], 1, "resubmit with --array=0-3");

    check(folder, &["--trial", "2", "runs", "--threads", "1"], 0, "digest ");
    let resolved = std::fs::read_to_string(folder.join("runs/plain-seed-1/config.toml")).unwrap();
    assert!(resolved.contains("\nthreads = 1\n"), "the command line counts more than the sweep: {resolved}");
    check(folder, &["--trial", "2", "runs"], 0, "plain-seed-1: finished already");
    check(folder, &["--status", "runs"], 0, "4 trials: 1 finished, 3 waiting");
    let said = check(folder, &["--gather", "runs"], 1, "resubmit with --array=0-1,3");
    assert!(said.err.contains("mixed-seed-1 (3) is waiting") && said.err.contains("3 of 4 trials"), "{}", said.err);
    let partial = json(&folder.join("runs/results.json"));
    assert_eq!((partial["trials"].as_array().unwrap().len(), &partial["missing"][2]["index"]), (1, &Value::from(3)));

    // planned again, nothing changes; whatever is missing is run in any order
    let before = std::fs::read(folder.join("runs/plan.json")).unwrap();
    check(folder, &["sweep.toml", "--plan", "--out", "runs"], 0, "planned");
    assert_eq!(std::fs::read(folder.join("runs/plan.json")).unwrap(), before);
    for index in ["3", "0", "1"] {
        check(folder, &["--trial", index, "runs"], 0, "digest ");
    }
    let said = check(folder, &["--gather", "runs"], 0, "beside plain, on the same images");
    assert!(said.out.contains("mixed") && !said.err.contains("resubmit"), "{}{}", said.out, said.err);
    check(folder, &["sweep.toml", "--out", "alone", "--jobs", "1"], 0, "beside plain, on the same images");
    let [gathered, alone] = ["runs", "alone"].map(|name| timeless(json(&folder.join(name).join("results.json"))));
    assert_eq!(gathered, alone);
    assert_eq!(gathered["comparisons"][0]["seeds"], serde_json::json!([0, 1]));

    // a result that was damaged or replaced is missing, and says how
    let model = |trial: &str| folder.join("runs").join(trial).join("model.safetensors");
    std::fs::copy(model("plain-seed-1"), model("mixed-seed-1")).unwrap();
    check(folder, &["--gather", "runs"], 1, "mixed-seed-1 (3) is finished: the run in runs/mixed-seed-1 is damaged");
    std::fs::write(folder.join("runs/mixed-seed-0/metrics.jsonl"), b"").unwrap();
    check(folder, &["--gather", "runs"], 1, "mixed-seed-0 (1) is finished: the run in runs/mixed-seed-0 is damaged");
    // so is a run of other settings
    std::fs::remove_dir_all(folder.join("runs/mixed-seed-0")).unwrap();
    std::fs::rename(folder.join("runs/mixed-seed-1"), folder.join("runs/mixed-seed-0")).unwrap();
    check(folder, &["--gather", "runs"], 1, "mixed-seed-0 (1) is foreign: its directory holds a run of other settings");
    check(folder, &["--trial", "1", "runs"], 2, "run.seed is 1 there and 0 now");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn results_of_different_instruction_sets_are_gathered_only_if_that_is_allowed() {
    let folder = planned(&plan(1));
    let folder = folder.path();
    check(folder, &["--trial", "0", "runs"], 0, "digest ");
    let own = json(&folder.join("runs/plain-seed-0/manifest.json"))["instruction_set"].as_str().unwrap().to_owned();
    if own == "portable" {
        eprintln!("left out: this machine has one instruction set");
        return;
    }
    let portable = |index: &str| {
        let mut command = xtask(folder, &["sweep", "--trial", index, "runs"]);
        Said::from(command.env("TINYLSA_SIMD", "portable").output().unwrap())
    };
    let said = portable("1");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("this machine has the instruction set portable"), "{}", said.err);
    // finished anywhere is finished
    let said = portable("0");
    assert!(said.code == Some(0) && said.err.contains("finished already"), "{}", said.err);
    let said = check(folder, &["--gather", "runs"], 2, "different instruction sets");
    assert!(said.err.contains(&format!("{own} (1, such as plain-seed-0)")), "{}", said.err);
    assert!(said.err.contains("portable (1, such as mixed-seed-0)"), "{}", said.err);
    assert!(!folder.join("runs/results.json").exists());
    check(folder, &["--gather", "--allow-mixed", "runs"], 1, "resubmit with --array=2-3");
    let results = json(&folder.join("runs/results.json"));
    assert_eq!(results["trials"][1]["instruction_set"], "portable");
    // planned again on this machine, the result of the other one stays
    check(folder, &["sweep.toml", "--plan", "--out", "runs"], 0, "planned 4 trials");
}

#[test]
fn what_is_asked_for_wrongly_ends_with_two() {
    let folder = planned(&plan(1));
    let folder = folder.path();
    check(folder, &["--trial", "4", "runs"], 2, "there is no trial 4: the plan has 4, 0 to 3");
    check(folder, &["--trial", "first", "runs"], 2, "invalid value");
    let other_images = plan(1).replace("train.mixing.probability=0.5", "data.synthetic.seed=1");
    std::fs::write(folder.join("other.toml"), other_images).unwrap();
    check(folder, &["other.toml", "--plan", "--out", "other"], 2, "have other validation images");
    for action in [&["--trial", "0"][..], &["--status"], &["--gather"]] {
        check(folder, &[action, &["."]].concat(), 2, "has no plan.json, expected the directory of a sweep");
    }
    check(folder, &["--gather", "--status", "runs"], 2, "cannot be used with");
    check(folder, &["--trial", "0", "runs", "--jobs", "2"], 2, "cannot be used with");
    check(folder, &["--status", "runs", "--out", "there"], 2, "cannot be used with");
    check(folder, &["sweep.toml", "--sbatch=--time=1"], 2, "--submit");
    check(folder, &["sweep.toml", "--allow-mixed"], 2, "--gather");
    check(folder, &["sweep.toml", "--submit", "pbs"], 2, "slurm");
    check(
        folder,
        &["sweep.toml", "--submit", "slurm", "--slots", "0", "--out", "runs"],
        2,
        "expected a number from 1 on",
    );
    check(folder, &["sweep.toml", "--submit", "slurm", "--sbatch", "long", "--out", "runs"], 2, "no option of sbatch");
    let mut without = xtask(folder, &["sweep", "sweep.toml", "--submit", "slurm", "--out", "runs"]);
    let said = Said::from(without.env("PATH", folder).output().unwrap());
    assert!(said.code == Some(2) && said.err.contains("there is no scontrol here"), "{}", said.err);

    let path = folder.join("runs/plan.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let digest = json(&path)["trials"][0]["experiment"].as_str().unwrap().to_owned();
    std::fs::write(&path, text.replace(&digest, &digest.chars().rev().collect::<String>())).unwrap();
    check(folder, &["--trial", "0", "runs"], 2, "plain-seed-0 would not be the experiment that was planned");
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    check(folder, &["--status", "runs"], 1, "plan.json is not what a run writes");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use super::*;

    fn terminate(id: u32) {
        assert!(Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap().success());
    }

    #[track_caller]
    fn wait_for(path: &Path) {
        let started = Instant::now();
        while !path.exists() {
            assert!(started.elapsed() < Duration::from_mins(1), "{} does not appear", path.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Long enough to be interrupted, with a few steps of the least work.
    fn slow() -> String {
        plan(12).replace("\"train.epochs=12\"", "\"train.epochs=12\", \"train.checkpoint_steps=1\"")
    }

    #[test]
    fn a_trial_that_is_stopped_ends_with_75_and_resumes_to_the_same_bits() {
        let folder = planned(&slow());
        let folder = folder.path();
        let trial = || xtask(folder, &["sweep", "--trial", "0", "runs"]);
        let child = trial().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&folder.join("runs/plain-seed-0/checkpoints/last.safetensors"));
        check(folder, &["--trial", "0", "runs"], 75, "plain-seed-0 is in use by another process");
        check(folder, &["--status", "runs"], 0, "4 trials: 1 running, 3 waiting");
        terminate(child.id());
        // queues tell the batch script and what it started
        terminate(child.id());
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(75), "{}", said.err);
        assert!(said.err.contains("plain-seed-0 was interrupted; the same command resumes it"), "{}", said.err);
        check(folder, &["--status", "runs"], 0, "4 trials: 1 interrupted, 3 waiting");
        check(folder, &["--gather", "runs"], 1, "plain-seed-0 (0) is interrupted");
        check(folder, &["--trial", "0", "runs"], 0, "digest ");
        let manifest = json(&folder.join("runs/plain-seed-0/manifest.json"));
        assert_eq!(manifest["continuations"].as_array().unwrap().len(), 1);
        let other = folder.join("other");
        check(folder, &["sweep.toml", "--plan", "--out", "other"], 0, "planned");
        check(folder, &["--trial", "0", "other"], 0, "digest ");
        assert_eq!(manifest["digests"], json(&other.join("plain-seed-0/manifest.json"))["digests"]);
    }

    /// Programs that stand in for Slurm's, which write down what they were called with.
    fn stand_ins(folder: &Path, largest_array: usize) -> PathBuf {
        let bin = folder.join("slurm-bin");
        std::fs::create_dir(&bin).unwrap();
        let log = folder.join("calls");
        for (name, script) in [
            ("sbatch", format!("echo \"sbatch $*\" >> '{0}'\nwc -l < '{0}'", log.display())),
            (
                "scontrol",
                format!(
                    "if [ \"$1\" = show ]; then echo 'MaxArraySize            = {largest_array}'\n\
                     else echo \"scontrol $*\" >> '{}'; fi",
                    log.display()
                ),
            ),
        ] {
            let path = bin.join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        bin
    }

    fn with_stand_ins(mut command: Command, bin: &Path) -> Command {
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        command
    }

    #[test]
    fn a_submission_that_is_refused_half_way_keeps_the_numbers_of_what_is_queued() {
        let folder = planned(&plan(1));
        let folder = folder.path();
        let bin = stand_ins(folder, 3);
        let sbatch = bin.join("sbatch");
        let script = std::fs::read_to_string(&sbatch).unwrap();
        let second = format!("[ $(wc -l < '{}') -lt 2 ] || exit 1\n", folder.join("calls").display());
        std::fs::write(&sbatch, script + &second).unwrap();
        let submit = xtask(folder, &["sweep", "sweep.toml", "--submit", "slurm", "--out", "runs"]);
        let said = Said::from(with_stand_ins(submit, &bin).output().unwrap());
        assert!(said.code == Some(1) && said.err.contains("nothing gathers the results of 1"), "{}", said.err);
        let jobs = json(&folder.join("runs/slurm/jobs.json"));
        assert_eq!(jobs["submissions"][0]["arrays"], serde_json::json!(["1"]));
        let other_order = plan(1).replace("seeds = [0, 1]", "seeds = [1, 0]");
        std::fs::write(folder.join("sweep.toml"), other_order).unwrap();
        check(folder, &["sweep.toml", "--plan", "--out", "runs"], 2, "a plan that was submitted");
    }

    #[test]
    fn a_submission_freezes_the_program_and_writes_scripts_that_run_its_tasks() {
        let folder = planned(&slow());
        let folder = folder.path();
        let bin = stand_ins(folder, 3);
        let submit = |more: &[&str]| {
            let arguments = [&["sweep", "sweep.toml", "--submit", "slurm", "--out", "runs"], more].concat();
            Said::from(with_stand_ins(xtask(folder, &arguments), &bin).output().unwrap())
        };
        let said = submit(&["--slots", "2", "--sbatch", "--time=1:00:00", "--sbatch=-p long"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains("submitted as 1, 2, gathered by 3"), "{}", said.out);
        let script = folder.canonicalize().unwrap().join("runs/slurm/array.sbatch");
        let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
        let calls: Vec<&str> = calls.lines().collect();
        let array = script.display();
        assert_eq!(calls[0], format!("sbatch --parsable --array=0-2%2 {array} 0"), "four tasks, three an array");
        assert_eq!(calls[1], format!("sbatch --parsable --array=0-0%2 --dependency=afterany:1 {array} 3"));
        assert!(calls[2].starts_with("sbatch --parsable --dependency=afterany:1:2 "), "{calls:?}");
        let jobs = json(&folder.join("runs/slurm/jobs.json"));
        assert_eq!(jobs["submissions"][0]["arrays"], serde_json::json!(["1", "2"]));
        let text = std::fs::read_to_string(&script).unwrap();
        for line in ["#SBATCH --requeue", "#SBATCH --signal=B:TERM@120", "#SBATCH --time=1:00:00", "#SBATCH -p long"] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        let copies: Vec<_> = std::fs::read_dir(folder.join("runs/bin")).unwrap().collect();
        assert_eq!(copies.len(), 1);

        // a task that is told to stop writes its checkpoint and queues itself again; started again, it ends
        let task = || {
            let mut command = program::isolate(Command::new("bash"), folder);
            command.arg(&script).env("SLURM_ARRAY_TASK_ID", "0").env("SLURM_JOB_ID", "17");
            with_stand_ins(command, &bin)
        };
        let child = task().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&folder.join("runs/plain-seed-0/checkpoints/last.safetensors"));
        terminate(child.id());
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(75), "{}", said.err);
        let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
        assert!(calls.ends_with("scontrol requeue 17\n"), "{calls}");
        let said = Said::from(task().output().unwrap());
        assert!(said.code == Some(0) && said.out.contains("digest "), "{}", said.err);
        check(folder, &["--status", "runs"], 0, "4 trials: 1 finished, 3 waiting");
        let gather = folder.join("runs/slurm/gather.sbatch");
        let said = Said::from(program::isolate(Command::new("bash"), folder).arg(gather).output().unwrap());
        assert!(said.code == Some(1) && said.err.contains("--array=1-3"), "{}", said.err);

        // what was submitted keeps its numbers
        let changed = slow().replace("[0, 1]", "[1, 0]");
        std::fs::write(folder.join("sweep.toml"), changed).unwrap();
        let said = submit(&[]);
        assert!(said.code == Some(2) && said.err.contains("the trials have other numbers"), "{}", said.err);
        std::fs::write(folder.join("sweep.toml"), slow().replace("[0, 1]", "[0, 1, 2]")).unwrap();
        let said = submit(&[]);
        assert!(said.code == Some(0) && said.out.contains("planned 6 trials"), "{}", said.err);
        assert_eq!(json(&folder.join("runs/slurm/jobs.json"))["submissions"].as_array().unwrap().len(), 2);
    }
}
