//! The batch scripts of an array of tasks and of the job that gathers their results.

use std::path::{Path, PathBuf};

use tinylsa_settings::{UsageError, printable_path};

/// Seconds before the end of its time at which a task is told to write its checkpoint.
const WARNING: u32 = 120;

/// Tasks that are handed to a cluster, and the job behind them.
#[derive(Clone, Debug)]
pub struct ArrayJob<'a> {
    /// The directory of the results. Scripts, logs and the numbers of the jobs go to `slurm` in it, the program to `bin`.
    pub folder: &'a Path,
    /// What the cluster calls the job.
    pub name: &'a str,
    /// The program, which is copied.
    pub program: PathBuf,
    /// The arguments of a task as the shell reads them, with `$task` for its number and `$threads` for the number of
    /// processors that it was given.
    pub worker: String,
    /// The arguments of the job that gathers the results, as the shell reads them.
    pub gatherer: String,
    /// How many tasks there are.
    pub tasks: usize,
    /// How many of them may run at a time; none for as many as the cluster starts.
    pub slots: Option<usize>,
    /// Options of `sbatch`, such as `--partition=long`.
    pub options: &'a [String],
}

/// Where the parts of a submission are. All paths are absolute.
pub(super) struct Places {
    pub(super) folder: PathBuf,
    pub(super) working_directory: PathBuf,
    /// The copy of the program.
    pub(super) program: PathBuf,
}

impl Places {
    /// The directory of scripts and logs.
    pub(super) fn slurm(&self) -> PathBuf {
        self.folder.join("slurm")
    }

    /// Refuses paths that the first lines of a batch script cannot hold.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        for path in [&self.folder, &self.working_directory] {
            let is_plain = path.to_str().is_some_and(|path| !path.contains(['"', '\\', '\n', '%']));
            if !is_plain {
                let text = "has a character that a batch script cannot hold, expected none of \" \\ % and line breaks";
                return Err(UsageError(format!("the path {} {text}", printable_path(path))));
            }
        }
        Ok(())
    }
}

/// A path as the shell reads it.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

impl ArrayJob<'_> {
    /// The value of `--array` for as many tasks.
    pub(super) fn range(&self, tasks: usize) -> String {
        let slots = self.slots.map(|slots| format!("%{slots}")).unwrap_or_default();
        format!("0-{}{slots}", tasks.saturating_sub(1))
    }

    /// Refuses options that are none, and a name that the first lines of a script cannot hold.
    pub(super) fn check_options(&self) -> Result<(), UsageError> {
        if self.name.contains(['"', '\\', '\n']) {
            let text = "cannot be that of a job, expected no quotation mark, no backslash and no line break";
            return Err(UsageError(format!("the name {:?} {text}", self.name)));
        }
        let is_wrong = |option: &&String| !option.starts_with('-') || option.contains('\n');
        match self.options.iter().find(is_wrong) {
            Some(option) => {
                Err(UsageError(format!("--sbatch {option:?} is no option of sbatch, expected such as --time=2:00:00")))
            }
            None => Ok(()),
        }
    }

    /// The script of the array. `sbatch --array=3,7 array.sbatch` runs tasks 3 and 7 again, and a number behind the script
    /// is added to those of the array.
    pub(super) fn array_script(&self, places: &Places, largest_part: usize) -> String {
        let (array, output) = (self.range(self.tasks.min(largest_part)), places.slurm().join("task-%A_%a.log"));
        format!(
            r#"#!/bin/bash
#SBATCH --job-name="{name}"
#SBATCH --array={array}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@{WARNING}
{common}
# Task $task of {tasks}. It leaves alone what is finished and resumes what was begun.
task=$((SLURM_ARRAY_TASK_ID + ${{1:-0}}))
threads=${{SLURM_CPUS_ON_NODE:-0}}
program={program}

stopped=
worker=
trap 'stopped=1; [ -z "$worker" ] || kill -TERM "$worker" 2> /dev/null' TERM
"$program" {worker} &
worker=$!
# told to stop before the number of the process was known
[ -z "$stopped" ] || kill -TERM "$worker" 2> /dev/null
stopped=
wait "$worker"
code=$?
# the signal ends the waiting, and not the worker, which writes its checkpoint first
while [ -n "$stopped" ]; do
    stopped=
    wait "$worker"
    code=$?
done
# stopped where it can be resumed
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"#,
            name = self.name,
            common = self.common_lines(places, &output),
            tasks = self.tasks,
            program = quoted(&places.program),
            worker = self.worker,
        )
    }

    /// The script of the job that gathers the results.
    pub(super) fn gather_script(&self, places: &Places) -> String {
        format!(
            "#!/bin/bash\n#SBATCH --job-name=\"{name}-gather\"\n#SBATCH --open-mode=append\n{common}\nexec {program} {gatherer}\n",
            name = self.name,
            common = self.common_lines(places, &places.slurm().join("gather.log")),
            program = quoted(&places.program),
            gatherer = self.gatherer,
        )
    }

    /// The lines of both scripts; the options of the caller come last and so overrule the others.
    fn common_lines(&self, places: &Places, output: &Path) -> String {
        let lines = [
            format!("#SBATCH --output=\"{}\"", output.display()),
            format!("#SBATCH --chdir=\"{}\"", places.working_directory.display()),
        ];
        let options = self.options.iter().map(|option| format!("#SBATCH {option}"));
        lines.into_iter().chain(options).map(|line| line + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(options: &[String], slots: Option<usize>) -> ArrayJob<'_> {
        ArrayJob {
            folder: Path::new("/data/my sweep"),
            name: "recipe",
            program: PathBuf::from("/usr/bin/tinylsa"),
            worker: "sweep --trial \"$task\" --threads \"$threads\" '/data/my sweep'".to_owned(),
            gatherer: "sweep --gather '/data/my sweep'".to_owned(),
            tasks: 40,
            slots,
            options,
        }
    }

    fn places() -> Places {
        Places {
            folder: PathBuf::from("/data/my sweep"),
            working_directory: PathBuf::from("/home/me"),
            program: PathBuf::from("/data/my sweep/bin/it's"),
        }
    }

    #[test]
    fn a_name_may_have_spaces_and_what_a_script_cannot_hold_is_refused() {
        let named = |name: &'static str| ArrayJob { name, ..job(&[], None) };
        let scripts = [named("my sweep").array_script(&places(), 100), named("my sweep").gather_script(&places())];
        assert!(scripts[0].contains("#SBATCH --job-name=\"my sweep\"\n"), "{}", scripts[0]);
        assert!(scripts[1].contains("#SBATCH --job-name=\"my sweep-gather\"\n"), "{}", scripts[1]);
        assert!(named("it's").check_options().is_ok());
        let refused = named("a\"b").check_options().unwrap_err().to_string();
        assert!(refused.starts_with(r#"the name "a\"b" cannot be that of a job"#), "{refused}");
    }

    #[test]
    fn the_options_of_the_caller_overrule_ours_and_paths_are_quoted() {
        let options = ["--partition=long".to_owned(), "--signal=B:TERM@600".to_owned()];
        let script = job(&options, Some(8)).array_script(&places(), 1000);
        let line = |text: &str| script.lines().position(|line| line == text).unwrap_or_else(|| panic!("{script}"));
        assert!(line("#SBATCH --signal=B:TERM@120") < line("#SBATCH --signal=B:TERM@600"));
        line("#SBATCH --array=0-39%8");
        line("#SBATCH --output=\"/data/my sweep/slurm/task-%A_%a.log\"");
        line(r"program='/data/my sweep/bin/it'\''s'");
        line("\"$program\" sweep --trial \"$task\" --threads \"$threads\" '/data/my sweep' &");
        let first_command = script.lines().position(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
        assert!(line("#SBATCH --partition=long") < first_command, "options behind a command are not read");
        // more tasks than one array takes
        let script = job(&[], None).array_script(&places(), 30);
        assert!(script.contains("#SBATCH --array=0-29\n"), "{script}");
    }

    #[test]
    fn what_a_script_cannot_hold_is_refused() {
        for wrong in ["long", "--time=1\nrm"] {
            let options = [wrong.to_owned()];
            let error = job(&options, None).check_options().unwrap_err().to_string();
            assert!(error.contains("is no option of sbatch"), "{error}");
        }
        for wrong in ["/data/\"", "/data/\n", "/data/%j"] {
            let places = Places { folder: PathBuf::from(wrong), ..places() };
            assert!(places.check().unwrap_err().to_string().contains("cannot hold"), "{wrong}");
        }
        places().check().unwrap();
    }
}
