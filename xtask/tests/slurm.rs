//! A cluster of two nodes on this machine: a sweep and an explanation lose a node in the middle, a task is stopped at the end of
//! its time, and both give the bits of one process. It takes about a minute and a quarter. It needs munge and Slurm (on Debian `munge slurmctld slurmd slurm-client`) and the rights of root.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

mod program;
use program::xtask;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/ci.toml");
const PROGRAMS: [&str; 7] = ["munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "sinfo"];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Slurm's daemons, which end with the value.
struct Cluster {
    folder: PathBuf,
    /// The files that hold the numbers of the daemons.
    pids: Vec<PathBuf>,
}

impl Cluster {
    fn start(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap();
        let at = |name: &str| folder.join(name);
        for name in ["munge", "state", "spool-first", "spool-second"] {
            fs::create_dir(at(name)).unwrap();
        }
        let pids = ["ctld.pid", "first.pid", "second.pid", "munge/pid"].map(at).to_vec();
        let cluster = Self { folder: folder.clone(), pids };
        private(&at("munge"), 0o700);
        fs::write(at("munge/key"), [7; 128]).unwrap();
        private(&at("munge/key"), 0o400);
        let mut munged = Command::new("munged");
        for (option, file) in
            [("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed")]
        {
            munged.arg(format!("--{option}={}", at("munge").join(file).display()));
        }
        done(munged.arg("--force"));
        fs::write(at("slurm.conf"), conf(&folder)).unwrap();
        done(&mut cluster.command("slurmctld"));
        cluster.start_node("first");
        cluster.start_node("second");
        wait("two idle nodes", || cluster.says("sinfo", &["-h", "-N", "-o", "%T"]).matches("idle").count() == 2);
        cluster
    }

    fn start_node(&self, name: &str) {
        done(self.command("slurmd").args(["-N", name]));
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
        command
    }

    fn says(&self, program: &str, arguments: &[&str]) -> String {
        String::from_utf8(self.command(program).args(arguments).output().unwrap().stdout).unwrap()
    }

    /// The task that a node works on, and its processes: the daemon of the step first, then the script and the worker.
    fn task(&self, node: &str) -> Option<(usize, Vec<i32>)> {
        let own = format!("SLURM_CONF={}", self.folder.join("slurm.conf").display());
        let (mut task, mut processes, mut steps) = (None, Vec::new(), BTreeSet::new());
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            let environment = String::from_utf8_lossy(&environment).into_owned();
            let is_set = |line: &str| environment.split('\0').any(|found| found == line);
            if !is_set(&own) || !is_set(&format!("SLURMD_NODENAME={node}")) {
                continue;
            }
            let number = environment.split('\0').find_map(|line| line.strip_prefix("SLURM_ARRAY_TASK_ID="));
            task = number.and_then(|number| number.parse().ok()).or(task);
            processes.push(id);
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent =
                stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
            steps.extend(parent.filter(|parent| is_step(*parent)));
        }
        Some((task?, steps.into_iter().chain(processes).collect()))
    }

    /// Ends a node as a power failure would, and says which task it worked on.
    fn lose(&self, node: &str) -> usize {
        let (task, processes) = self.task(node).expect("the node works on nothing");
        end(&self.folder.join(format!("{node}.pid")));
        for process in processes {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        task
    }

    /// Waits until nothing is queued. Tasks that are queued again wait for minutes, which is cut short.
    fn drain(&self) {
        wait("an empty queue", || {
            let queue = self.says("squeue", &["-h", "-o", "%i %T %r"]);
            for line in queue.lines().filter(|line| line.ends_with("BeginTime")) {
                let job = line.split(' ').next().unwrap();
                self.says("scontrol", &["update", &format!("JobId={job}"), "StartTime=now"]);
            }
            queue.is_empty()
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in ["first", "second"] {
            for process in self.task(node).map(|(_, processes)| processes).unwrap_or_default() {
                let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
            }
        }
        self.pids.iter().for_each(|path| end(path));
    }
}

fn is_step(process: i32) -> bool {
    fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.starts_with(b"slurmstepd"))
}

fn is_script(process: i32) -> bool {
    fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.contains("slurm_script"))
}

/// Kills the daemon whose number a file holds.
fn end(path: &Path) {
    let number = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(number) = number {
        let _ = kill(Pid::from_raw(number), Signal::SIGKILL);
    }
}

fn private(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[track_caller]
fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[track_caller]
fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn conf(folder: &Path) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [controller, first, second] = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
    let folder = folder.display();
    format!(
        "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmUser=root\nSlurmdUser=root\n\
         AuthType=auth/munge\nAuthInfo=socket={folder}/munge/socket\nCredType=cred/munge\n\
         StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool-%n\nSlurmctldPidFile={folder}/ctld.pid\n\
         SlurmdPidFile={folder}/%n.pid\nSlurmctldLogFile={folder}/ctld.log\nSlurmdLogFile={folder}/%n.log\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\n\
         SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
         SchedulerParameters=batch_sched_delay=1,bf_interval=1,sched_interval=5\n\
         ReturnToService=2\nJobRequeue=1\nSlurmdTimeout=6\nSlurmctldTimeout=10\nInactiveLimit=0\nKillWait=5\n\
         NodeName=first NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1 State=UNKNOWN\n\
         NodeName=second NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1 State=UNKNOWN\n\
         PartitionName=all Nodes=first,second Default=YES MaxTime=INFINITE State=UP\n"
    )
}

/// Why there can be no cluster here.
fn left_out() -> Option<String> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let is_missing = |program: &&&str| !folders.iter().any(|folder| folder.join(program).is_file());
    let missing: Vec<&str> = PROGRAMS.iter().filter(is_missing).copied().collect();
    if !missing.is_empty() {
        return Some(format!("{} is missing", missing.join(", ")));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    (!is_root).then(|| "it needs the rights of root".to_owned())
}

#[track_caller]
fn call(cluster: Option<&Cluster>, folder: &Path, arguments: &[&str]) -> String {
    let mut command = xtask(folder, arguments);
    if let Some(cluster) = cluster {
        command.env("SLURM_CONF", cluster.folder.join("slurm.conf"));
    }
    String::from_utf8(done(&mut command).stdout).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn digests(results: &Path) -> Vec<String> {
    let results = json(results);
    let trials = results["trials"].as_array().unwrap();
    trials.iter().map(|trial| format!("{} {} {}", trial["variant"], trial["seed"], trial["digest"])).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn a_sweep_and_an_explanation_lose_a_node_and_give_the_bits_of_one_process() {
    if let Some(reason) = left_out() {
        eprintln!("left out: no cluster can be started here, {reason}");
        return;
    }
    let (folder, daemons) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, cluster) = (folder.path(), Cluster::start(daemons.path()));
    sweep(&cluster, folder);
    cluster.start_node("first");
    wait("two idle nodes", || cluster.says("sinfo", &["-h", "-N", "-o", "%T"]).matches("idle").count() == 2);
    explanation(&cluster, folder);
}

fn sweep(cluster: &Cluster, folder: &Path) {
    let sweep = format!(
        "config = {CONFIG:?}\nseeds = [0, 1]\nset = [\"train.epochs=4\", \"train.checkpoint_steps=1\"]\n\
         [[variants]]\nname = \"plain\"\n[[variants]]\nname = \"mixed\"\nset = [\"train.mixing.probability=0.5\"]\n"
    );
    fs::write(folder.join("sweep.toml"), sweep).unwrap();
    call(Some(cluster), folder, &["sweep", "sweep.toml", "--submit", "slurm", "--out", "runs"]);
    let names = ["plain-seed-0", "mixed-seed-0", "plain-seed-1", "mixed-seed-1"];
    let run_dir = |task: usize| folder.join("runs").join(names[task]);
    let begun = |node: &str| {
        let task = cluster.task(node).map(|(task, _)| task);
        task.filter(|&task| run_dir(task).join("checkpoints/last.safetensors").exists())
    };
    wait("checkpoint on each node", || begun("first").is_some() && begun("second").is_some());
    // one task is told that its time is over, as --signal=B:TERM tells the script alone, and queues itself again
    let (told, processes) = cluster.task("second").unwrap();
    let script = processes.into_iter().find(|&process| is_script(process)).unwrap();
    kill(Pid::from_raw(script), Signal::SIGTERM).unwrap();
    let lost = cluster.lose("first");
    assert_eq!(json(&run_dir(lost).join("manifest.json"))["status"], "running", "in the middle of the trial");
    // what a single process makes of it, while the cluster finds out
    call(None, folder, &["sweep", "sweep.toml", "--jobs", "1", "--out", "alone"]);
    cluster.drain();
    let gathered = folder.join("runs/results.json");
    assert!(gathered.exists(), "{}", fs::read_to_string(folder.join("runs/slurm/gather.log")).unwrap_or_default());
    assert_eq!(digests(&gathered), digests(&folder.join("alone/results.json")));
    assert_eq!(digests(&gathered).into_iter().collect::<BTreeSet<_>>().len(), 4);
    for task in [lost, told] {
        let resumed = json(&run_dir(task).join("manifest.json"));
        assert_eq!(resumed["continuations"].as_array().unwrap().len(), 1, "{} was resumed once", names[task]);
    }
    assert!(call(None, folder, &["sweep", "--status", "runs"]).contains("4 trials: 4 finished"));
}

fn explanation(cluster: &Cluster, folder: &Path) {
    let model = folder.join("alone/plain-seed-0/model.safetensors").display().to_string();
    let explain = ["explain", "--index", "0..40", "--config", CONFIG, "--model", &model, "--method", "lime,rise"];
    call(Some(cluster), folder, &[&explain[..], &["--out", "shards", "--shards", "4", "--submit", "slurm"]].concat());
    // image n is of shard n mod 4
    let is_explained = |number: usize| folder.join(format!("shards/test-{number}/part.json")).exists();
    wait("an image on the second node", || {
        let shard = cluster.task("second").map(|(shard, _)| shard);
        shard.is_some_and(|shard| is_explained(shard) && !is_explained(shard + 36))
    });
    let lost = cluster.lose("second");
    assert!(!is_explained(lost + 36), "in the middle of the shard");
    let alone = call(None, folder, &[&explain[..], &["--out", "explained"]].concat());
    cluster.drain();
    let gathered = fs::read_to_string(folder.join("shards/slurm/gather.log")).unwrap();
    let digest = alone.lines().find(|line| line.starts_with("digest ")).unwrap();
    assert!(gathered.lines().any(|line| line == digest), "{digest}, gathered: {gathered}");
    let page = |name: &str| fs::read_to_string(folder.join(name).join("explanations.html")).unwrap();
    assert_eq!(page("shards"), page("explained"));
    // nothing is left to do
    let output = done(&mut xtask(folder, &["explain", "--shard", &format!("{lost}/4"), "--out", "shards"]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("10 images of shard"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
