//! The threads that compute. Each lane has its own, and its own share of the model, so that what is quick never waits for
//! what is not.
//!
//! A thread of a lane is also the first of a pool of its own: what a model computes in parallel stays in the pool of the lane
//! it was asked on. In one common pool a prediction would wait behind the pieces of the heaviest method.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use axum::http::StatusCode;
use burn::tensor::Device;
use rayon::ThreadPoolBuilder;
use tinylsa_explain::{Explainable, explained};
use tinylsa_model::networks::Network;
use tinylsa_xai::Cancellation;
use tracing::error;

use crate::limits::WAITING;
use crate::refusal::Refusal;

/// What a thread of a lane works with.
pub(crate) struct Desk {
    pub(crate) model: Box<dyn Explainable>,
    pub(crate) device: Device,
}

type Work = Box<dyn FnOnce(&Desk) + Send>;

struct Job {
    cancellation: Cancellation,
    work: Work,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    running: usize,
    is_closed: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// Threads that take jobs in turn.
pub(crate) struct Lane {
    name: &'static str,
    queue: Arc<Queue>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the lane {}", self.name)
    }
}

impl Lane {
    /// Starts threads that compute with a copy of the network each, in a pool of `width` threads each.
    pub(crate) fn start(
        name: &'static str,
        network: &Arc<Network>,
        threads: usize,
        width: usize,
    ) -> Result<Self, io::Error> {
        let queue = Arc::new(Queue::default());
        for _ in 0..threads {
            let (queue, network) = (Arc::clone(&queue), Arc::clone(network));
            thread::Builder::new().name(name.to_owned()).spawn(move || serve(&queue, &network, width))?;
        }
        Ok(Self { name, queue })
    }

    /// Adds a job, and says how many are before it. A job that is cancelled before its turn is dropped.
    ///
    /// # Errors
    /// If too many wait already.
    pub(crate) fn submit(
        &self,
        cancellation: Cancellation,
        work: impl FnOnce(&Desk) + Send + 'static,
    ) -> Result<usize, Refusal> {
        let mut waiting = self.queue.lock();
        waiting.jobs.retain(|job| !job.cancellation.is_cancelled());
        let ahead = waiting.jobs.len();
        if ahead >= WAITING || waiting.is_closed {
            let text = format!("{ahead} jobs wait already, as many as may; ask again in a moment");
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        waiting.jobs.push_back(Job { cancellation, work: Box::new(work) });
        let ahead = ahead + waiting.running;
        drop(waiting);
        self.queue.changed.notify_one();
        Ok(ahead)
    }

    /// Ends the threads after what they are doing, and drops what waits.
    pub(crate) fn close(&self) {
        let mut waiting = self.queue.lock();
        waiting.is_closed = true;
        waiting.jobs.clear();
        drop(waiting);
        self.queue.changed.notify_all();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // what is behind the lock is whole whenever it is let go
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                if job.cancellation.is_cancelled() {
                    continue;
                }
                waiting.running += 1;
                return Some(job);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_done(&self) {
        self.lock().running -= 1;
    }
}

fn serve(queue: &Queue, network: &Network, width: usize) {
    // The pool ends with this thread.
    let pool = ThreadPoolBuilder::new().num_threads(width.max(1)).use_current_thread().build();
    if let Err(error) = &pool {
        error!("a lane computes in the common pool of threads, since it gets none of its own: {error}");
    }
    let desk = Desk { model: explained(network), device: Device::flex() };
    while let Some(Job { work, .. }) = queue.next() {
        // A mistake in one job is the failure of that job: whoever waits for it sees its end of the channel close.
        if catch_unwind(AssertUnwindSafe(|| work(&desk))).is_err() {
            error!("a job of the page failed");
        }
        queue.is_done();
    }
}

/// The lanes of a server.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Predictions, half a millisecond each.
    pub(crate) predict: Lane,
    /// What is asked of an image at every pause of a stroke.
    pub(crate) look: Lane,
    /// Methods that take gradients or attention, and no perturbations.
    pub(crate) quick: Lane,
    /// Methods that perturb, and scores.
    pub(crate) heavy: Lane,
}

impl Lanes {
    pub(crate) fn start(network: &Arc<Network>) -> Result<Self, io::Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            predict: Lane::start("predict", network, 1, 1)?,
            look: Lane::start("look", network, 1, cores)?,
            quick: Lane::start("quick", network, 1, cores)?,
            heavy: Lane::start("heavy", network, cores.div_ceil(4), cores.div_ceil(2))?,
        })
    }

    pub(crate) fn close(&self) {
        for lane in [&self.predict, &self.look, &self.quick, &self.heavy] {
            lane.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use tinylsa_model::networks::NetworkKind;
    use tinylsa_model::{ConfigOfImages, ImageKeys, ImageShape, ModelConfig};

    use super::*;

    fn lane(width: usize) -> Lane {
        let keys = ImageKeys {
            input: Some(ImageShape::grey(28, 28)),
            classes: Some(3),
            mean: Some(vec![0.5]),
            deviation: Some(vec![0.5]),
        };
        let config = NetworkKind::ALL[0].small().with_image_keys(keys);
        Lane::start("test", &Arc::new(config.init(&Device::flex()).unwrap()), 1, width).unwrap()
    }

    fn wait<T>(receiver: &std::sync::mpsc::Receiver<T>) -> T {
        receiver.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn a_lane_computes_in_a_pool_of_its_own() {
        for width in [1, 3] {
            let (sender, receiver) = channel();
            let work = move |_: &Desk| sender.send((rayon::current_num_threads(), thread::current().id())).unwrap();
            let lane = lane(width);
            lane.submit(Cancellation::default(), work).unwrap();
            let (threads, id) = wait(&receiver);
            assert_eq!(threads, width);
            assert_ne!(id, thread::current().id());
        }
    }

    #[test]
    fn a_job_that_fails_or_is_cancelled_does_not_keep_the_next_from_its_turn() {
        let lane = lane(1);
        let (sender, receiver) = channel();
        let say = |what: &'static str| {
            let sender = sender.clone();
            move |_: &Desk| sender.send(what).unwrap()
        };
        let cancelled = Cancellation::default();
        cancelled.cancel();
        lane.submit(Cancellation::default(), |_| panic!("on purpose")).unwrap();
        lane.submit(cancelled, say("cancelled")).unwrap();
        lane.submit(Cancellation::default(), say("next")).unwrap();
        assert_eq!(wait(&receiver), "next");
        lane.close();
        let refused = lane.submit(Cancellation::default(), say("late")).unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn as_many_jobs_wait_as_may_and_no_more() {
        let lane = lane(1);
        let (release, held) = channel::<()>();
        let (started, begun) = channel();
        let hold = move |_: &Desk| {
            started.send(()).unwrap();
            held.recv_timeout(Duration::from_secs(20)).unwrap();
        };
        lane.submit(Cancellation::default(), hold).unwrap();
        wait(&begun);
        for place in 0..WAITING {
            assert_eq!(lane.submit(Cancellation::default(), |_| ()).unwrap(), place + 1);
        }
        let refused = lane.submit(Cancellation::default(), |_| ()).unwrap_err();
        assert!(refused.error.contains("64 jobs wait"), "{refused:?}");
        release.send(()).unwrap();
    }
}
