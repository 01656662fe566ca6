//! Starts and ends the server.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use tinylsa_experiment::explain_settings::ExplainSettings;
use tinylsa_experiment::model_images::{ImageRequest, ImagesOf};
use tinylsa_explain::Circumstances;
use tinylsa_model::{Classifier, LoadedModel, ModelConfig, values_of};
use tinylsa_system::sha256_hex;
use tinylsa_xai::Cancellation;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};

use crate::app::{App, Pace};
use crate::clients::Clients;
use crate::config::{ExplorerConfig, ExplorerImages};
use crate::error::ExplorerError;
use crate::gallery::{Gallery, fill};
use crate::knobs::Knobs;
use crate::lanes::{Desk, Lanes};
use crate::limits::{Limits, PHOTOS_PREPARED, PHOTOS_RECEIVED};
use crate::listener::{BoundedListener, InFlight};
use crate::memory::Memory;
use crate::routes::router;

/// How often a waiting program looks whether it should stop.
const TICK: Duration = Duration::from_millis(20);
/// Threads that read requests and write answers; nothing is computed on them.
const WRITERS: usize = 2;
/// Images by which the pace of the machine is measured.
const PACED: usize = 16;

/// A server that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct Explorer {
    app: Arc<App>,
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<io::Error>,
    reader: Option<JoinHandle<()>>,
}

impl Explorer {
    /// Starts to listen at the loopback address. When this returns, the page can be opened; images are still read, and
    /// predicted, behind it.
    ///
    /// # Errors
    /// If the port is in use, the system gives no threads, or the settings of the explanations do not fit the model.
    pub fn start(config: ExplorerConfig) -> Result<Self, ExplorerError> {
        let ExplorerConfig { model, file, images, port } = config;
        let LoadedModel { model, metadata, sha256 } = model;
        let started = |what| move |source| ExplorerError::Start { what, source };
        let runtime = Builder::new_multi_thread()
            .worker_threads(WRITERS)
            .thread_name("page")
            .enable_all()
            .build()
            .map_err(started("the threads that answer"))?;
        let listener = listen(&runtime, port)?;
        let address = listener.address;
        let network = Arc::new(model);
        let settings = ExplainSettings::read(None, &[], None, None)?.with_statistics_of(&metadata.config);
        let at = Circumstances::of_network(&metadata.config, None, 0);
        let app = Arc::new(App {
            address,
            token: token(),
            sha256,
            parameters: metadata.config.cost().parameters(),
            source_options: source_options(&images),
            knobs: Knobs::of(&settings, &at),
            settings,
            limits: Limits::of(metadata.config.input()),
            lanes: Lanes::start(&network).map_err(started("the threads that compute"))?,
            clients: Arc::new(Clients::default()),
            memory: Memory::default(),
            gallery: Gallery::new(&images),
            pace: OnceLock::new(),
            photos_received: Semaphore::new(PHOTOS_RECEIVED),
            photos_prepared: Arc::new(Semaphore::new(PHOTOS_PREPARED)),
            stop: Arc::new(AtomicBool::new(false)),
            metadata,
            file,
        });
        let reader = {
            let app = Arc::clone(&app);
            let read = move || {
                // before the images, so that the first page knows what its settings cost
                measure_pace(&app);
                let model = ImagesOf { metadata: &app.metadata, file: app.file.as_deref() };
                fill(&app.gallery, &images, model, network.predictor().as_ref(), &app.stop);
            };
            thread::Builder::new().name("gallery".to_owned()).spawn(read).map_err(started("the thread that reads"))?
        };
        let (stop, stopped) = oneshot::channel();
        let (sender, ended) = channel();
        let service = router(&app).into_make_service_with_connect_info::<InFlight>();
        runtime.spawn(async move {
            let server = axum::serve(BoundedListener::new(listener.listener), service);
            tokio::select! {
                served = async { server.await } => {
                    let _ = sender.send(served.err().unwrap_or_else(|| io::ErrorKind::Other.into()));
                }
                _ = stopped => {}
            }
        });
        Ok(Self { app, runtime: Some(runtime), stop: Some(stop), ended, reader: Some(reader) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// The token that every question must carry in the header `x-explorer-token`.
    pub fn token(&self) -> &str {
        &self.app.token
    }

    /// The address to open in a browser, with the token.
    pub fn link(&self) -> String {
        format!("http://{}/?token={}", self.app.address, self.app.token)
    }

    /// Answers until `stop` is set.
    ///
    /// # Errors
    /// If images that were named turn out to be damaged, or other ones than the model's; if the server ends by itself.
    pub fn serve_until(self, stop: &AtomicBool) -> Result<(), ExplorerError> {
        while !stop.load(Ordering::Relaxed) {
            if let Some(refused) = self.app.gallery.take_refusal() {
                return Err(ExplorerError::Images(refused));
            }
            match self.ended.recv_timeout(TICK) {
                Ok(source) => return Err(ExplorerError::Ended { source }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ExplorerError::Ended { source: io::ErrorKind::BrokenPipe.into() });
                }
            }
        }
        Ok(())
    }

    /// Waits until the images are read and the network was asked about each. For tests and measurements.
    pub fn wait_for_images(&mut self) {
        if let Some(reader) = self.reader.take() {
            // a reader that failed has said so
            let _ = reader.join();
        }
    }
}

impl Drop for Explorer {
    /// Stops answering at once. What is being computed ends at the next batch.
    fn drop(&mut self) {
        self.app.stop.store(true, Ordering::Relaxed);
        self.app.clients.cancel_all();
        self.app.lanes.close();
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

fn listen(runtime: &Runtime, port: u16) -> Result<Listening, ExplorerError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ExplorerError::PortInUse { address },
        _ => ExplorerError::Listen { address, source },
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    // the caller may be within a runtime of its own
    let _within = runtime.enter();
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Listening { listener, address })
}

/// The words of the command `explain` that name the images.
fn source_options(images: &ExplorerImages) -> Vec<String> {
    let ExplorerImages::Find(ImageRequest { source, data_dir }) = images else { return Vec::new() };
    let source = source.map(|source| ["--source".to_owned(), source.name().to_owned()]);
    let place = data_dir.as_ref().map(|dir| ["--data-dir".to_owned(), dir.display().to_string()]);
    source.into_iter().chain(place).flatten().collect()
}

/// 128 random bits, as the standard library draws them from the system for the keys of its maps.
fn token() -> String {
    let random = RandomState::new();
    let drawn: Vec<u8> = (0..4_u64).flat_map(|number| random.hash_one(number).to_le_bytes()).collect();
    sha256_hex(&drawn)[..32].to_owned()
}

/// Measures what an evaluation and a gradient cost, for what sliders say of their cost.
fn measure_pace(app: &Arc<App>) {
    let measured = Arc::clone(app);
    let work = move |desk: &Desk| {
        let shape = measured.metadata.config.input();
        let images = || {
            let data = TensorData::new(
                vec![0.5_f32; PACED * shape.values()],
                [PACED, shape.channels, shape.height, shape.width],
            );
            Tensor::<4>::from_data(data, &desk.device)
        };
        let each = |pass: &dyn Fn()| {
            // the first pass makes memory ready
            pass();
            let started = Instant::now();
            pass();
            1e3 * started.elapsed().as_secs_f64() / PACED as f64
        };
        let evaluation = each(&|| drop(values_of(&desk.model.scores(images()))));
        let gradient = each(&|| {
            let images = images().autodiff().require_grad();
            let scores = desk.model.differentiable_scores(images.clone());
            let gradients = scores.narrow(1, 0, 1).sum().backward();
            drop(images.grad(&gradients).map(|gradient| values_of(&gradient)));
        });
        // measured once
        let _ = measured.pace.set(Pace { evaluation, gradient });
    };
    // a lane that is full is asked by somebody who waits for more than this
    drop(app.lanes.heavy.submit(Cancellation::default(), work));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_different() {
        let tokens: Vec<String> = (0..100).map(|_| token()).collect();
        assert!(tokens.iter().all(|token| token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit())));
        let mut different = tokens.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), tokens.len());
    }
}
