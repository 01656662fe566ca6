//! Which programs we are compared with, and whether this machine has them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use tracing::warn;

/// A program that does the same work, by a script of `benchmarks/peers`.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    script: &'static str,
    /// Which way of doing the work it is asked for.
    choice: [&'static str; 2],
    /// Python modules that it needs.
    modules: &'static [&'static str],
}

const TORCH: &[&str] = &["torch", "numpy", "safetensors"];

/// Who trains the same network.
pub(crate) const TRAINERS: [Peer; 3] = [
    trainer("pytorch-eager", "eager"),
    trainer("pytorch-channels-last", "channels-last"),
    trainer("pytorch-compile", "compile"),
];

/// Who evaluates the same network.
pub(crate) const EVALUATORS: [Peer; 4] = [
    evaluator("pytorch-eager", "eager", TORCH),
    evaluator("pytorch-channels-last", "channels-last", TORCH),
    evaluator("pytorch-compile", "compile", TORCH),
    evaluator("onnxruntime", "onnxruntime", &["torch", "numpy", "safetensors", "onnx", "onnxruntime"]),
];

/// Who explains the same network, by the names of the cases.
pub(crate) const EXPLAINERS: [Peer; 5] = [
    explainer("captum-ig-50", &["torch", "numpy", "safetensors", "captum"]),
    explainer("lime-1000", &["torch", "numpy", "safetensors", "lime"]),
    explainer("shap-kernel-2080", &["torch", "numpy", "safetensors", "shap"]),
    explainer("exact-shapley-16", TORCH),
    explainer("networkx-flow-49x3", &["torch", "numpy", "safetensors", "networkx"]),
];

const fn trainer(name: &'static str, variant: &'static str) -> Peer {
    Peer { name, script: "bench_train.py", choice: ["--variant", variant], modules: TORCH }
}

const fn evaluator(name: &'static str, variant: &'static str, modules: &'static [&'static str]) -> Peer {
    Peer { name, script: "bench_infer.py", choice: ["--variant", variant], modules }
}

const fn explainer(name: &'static str, modules: &'static [&'static str]) -> Peer {
    Peer { name, script: "time_explanations.py", choice: ["--case", name], modules }
}

/// Where Python and the scripts are.
#[derive(Clone, Debug)]
pub struct Python {
    interpreter: PathBuf,
    scripts: PathBuf,
}

/// The peers of this machine.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) peers: Vec<&'static Peer>,
    /// Why the others are not there.
    pub(crate) left_out: BTreeMap<&'static str, String>,
}

impl Python {
    /// The interpreter that is named, or that of the environment variable `PYTHON`, or `python3`.
    pub fn new(interpreter: Option<&Path>, scripts: Option<&Path>) -> Self {
        let environment = || std::env::var_os("PYTHON").filter(|value| !value.is_empty()).map(PathBuf::from);
        let interpreter = interpreter.map(Path::to_owned).or_else(environment);
        let scripts = scripts.map_or_else(|| Path::new(SCRIPTS).to_owned(), Path::to_owned);
        Self { interpreter: interpreter.unwrap_or_else(|| "python3".into()), scripts }
    }

    /// Which of the peers are there. Warns of the others.
    ///
    /// # Errors
    /// If none is.
    pub(crate) fn present(&self, peers: impl IntoIterator<Item = &'static Peer>) -> Result<Present> {
        let mut present = Present { peers: Vec::new(), left_out: BTreeMap::new() };
        for peer in peers {
            match self.obstacle(peer) {
                None => present.peers.push(peer),
                Some(obstacle) => {
                    warn!("{} is left out: {obstacle}", peer.name);
                    present.left_out.insert(peer.name, obstacle);
                }
            }
        }
        if present.peers.is_empty() {
            let reasons: Vec<String> =
                present.left_out.iter().map(|(name, obstacle)| format!("{name}: {obstacle}")).collect();
            bail!("--peers asks for a comparison, but no peer is there ({})", reasons.join("; "));
        }
        Ok(present)
    }

    /// Why a peer cannot run, with what to do about it.
    fn obstacle(&self, peer: &Peer) -> Option<String> {
        let interpreter = self.interpreter.display();
        let script = self.scripts.join(peer.script);
        if !script.is_file() {
            return Some(format!("there is no {}", script.display()));
        }
        let probe = "import importlib.util, sys\n\
                     print(' '.join(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))";
        let output = Command::new(&self.interpreter).args(["-c", probe]).args(peer.modules).output();
        let output = match output {
            Ok(output) if output.status.success() => output,
            Ok(output) => {
                return Some(format!("{interpreter} ended with {}; name another with --python", output.status));
            }
            Err(error) => {
                return Some(format!(
                    "{interpreter} cannot be started ({error}); install Python 3, or name it with --python or PYTHON"
                ));
            }
        };
        let missing = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let advice = format!("{interpreter} lacks {missing}; install it with `{interpreter} -m pip install {missing}`");
        (!missing.is_empty()).then_some(advice)
    }

    /// The command of a peer, without what the subject adds.
    pub(crate) fn command(&self, peer: &Peer, threads: usize) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.arg(self.scripts.join(peer.script));
        command.args(peer.choice).args(["--threads", &threads.to_string()]);
        command.env("OMP_NUM_THREADS", threads.to_string());
        command
    }
}

/// `1,32,128`
pub(crate) fn comma_separated(numbers: &[usize]) -> OsString {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",").into()
}

/// The scripts of the checkout that this program was built from.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/peers");
