//! Who asks, and what is cancelled when they ask for something newer or go away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode};
use tinylsa_xai::Cancellation;

use crate::limits::{CLIENTS, JOB_TIME, JOBS_OF_CLIENT};
use crate::refusal::Refusal;

/// The header by which a page is known again.
const CLIENT: &str = "x-explorer-client";
/// The header that counts the changes of the image on a page.
const STROKE: &str = "x-explorer-stroke";
/// The longest name of a page.
const LONGEST: usize = 64;

/// What the headers of a request say of who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asker {
    client: Option<String>,
    stroke: Option<u64>,
}

impl Asker {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let text = |name: &str| match headers.get(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(Refusal::bad(format!("the header {name} is no plain text"))),
            },
        };
        let client = text(CLIENT)?;
        let is_name = |name: &str| {
            (1..=LONGEST).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if client.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Refusal::bad(format!("the header {CLIENT} is not 1 to {LONGEST} letters, digits, - and _")));
        }
        let stroke = match text(STROKE)? {
            None => None,
            Some(number) => {
                let parsed = number.parse::<u64>();
                Some(parsed.map_err(|_| Refusal::bad(format!("the header {STROKE} is no whole number")))?)
            }
        };
        Ok(Self { client, stroke })
    }
}

#[derive(Debug)]
struct Running {
    number: u64,
    stroke: Option<u64>,
    cancellation: Cancellation,
    is_superseded: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Client {
    stroke: u64,
    seen: Instant,
    jobs: Vec<Running>,
}

#[derive(Debug, Default)]
struct Registry {
    clients: HashMap<String, Client>,
    next: u64,
}

/// The pages that ask.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<Registry>);

/// The right to a job, which is cancelled when this is dropped: whoever waits for an answer holds it, so that the job ends
/// when its client goes away.
#[derive(Debug)]
pub(crate) struct Ticket {
    clients: Arc<Clients>,
    client: String,
    number: u64,
    cancellation: Cancellation,
    is_superseded: Arc<AtomicBool>,
    until: Instant,
}

impl Clients {
    /// Notes that somebody asks. A higher stroke than before cancels what the same client asked for at lower ones.
    ///
    /// # Errors
    /// If the client asked at a higher stroke already.
    pub(crate) fn arrive(&self, asker: &Asker) -> Result<(), Refusal> {
        let (Some(name), Some(stroke)) = (&asker.client, asker.stroke) else { return Ok(()) };
        let mut registry = self.lock();
        let client = registry.client(name)?;
        if stroke < client.stroke {
            return Err(Refusal::superseded());
        }
        client.stroke = stroke;
        for job in client.jobs.iter().filter(|job| job.stroke.is_some_and(|of_job| of_job < stroke)) {
            job.is_superseded.store(true, Ordering::Relaxed);
            job.cancellation.cancel();
        }
        Ok(())
    }

    /// A ticket for a job of this client.
    ///
    /// # Errors
    /// If the client has too many already, or asked at a higher stroke meanwhile.
    pub(crate) fn begin(self: &Arc<Self>, asker: &Asker) -> Result<Ticket, Refusal> {
        let mut registry = self.lock();
        registry.next += 1;
        let number = registry.next;
        // those who give no name share none of their jobs' fate
        let name = asker.client.clone().unwrap_or_else(|| format!("?{number}"));
        let client = registry.client(&name)?;
        // a later stroke may have come while the body was on its way
        if asker.stroke.is_some_and(|stroke| stroke < client.stroke) {
            return Err(Refusal::superseded());
        }
        if client.jobs.len() >= JOBS_OF_CLIENT {
            let text = format!("{JOBS_OF_CLIENT} jobs of this page wait or run already, as many as may");
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        let (cancellation, is_superseded) = (Cancellation::default(), Arc::new(AtomicBool::new(false)));
        client.jobs.push(Running {
            number,
            stroke: asker.stroke,
            cancellation: cancellation.clone(),
            is_superseded: Arc::clone(&is_superseded),
        });
        drop(registry);
        let until = Instant::now() + JOB_TIME;
        Ok(Ticket { clients: Arc::clone(self), client: name, number, cancellation, is_superseded, until })
    }

    /// Cancels every job.
    pub(crate) fn cancel_all(&self) {
        for client in self.lock().clients.values() {
            client.jobs.iter().for_each(|job| job.cancellation.cancel());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// The client of this name, known or new. The one that was silent for longest is forgotten when there are too many.
    fn client(&mut self, name: &str) -> Result<&mut Client, Refusal> {
        if !self.clients.contains_key(name) && self.clients.len() >= CLIENTS {
            let idle = self.clients.iter().filter(|(_, client)| client.jobs.is_empty());
            let Some(oldest) = idle.min_by_key(|(_, client)| client.seen).map(|(name, _)| name.clone()) else {
                let text = format!("{CLIENTS} pages wait for answers already, as many as may");
                return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, text));
            };
            self.clients.remove(&oldest);
        }
        let new = || Client { stroke: 0, seen: Instant::now(), jobs: Vec::new() };
        let client = self.clients.entry(name.to_owned()).or_insert_with(new);
        client.seen = Instant::now();
        Ok(client)
    }
}

impl Ticket {
    /// Ends the job when its client goes away or asks for something newer.
    pub(crate) fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    /// Whether the client asked for something newer.
    pub(crate) fn superseded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_superseded)
    }

    /// When the job has taken too long.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancellation.cancel();
        let mut registry = self.clients.lock();
        let Some(client) = registry.clients.get_mut(&self.client) else { return };
        client.jobs.retain(|job| job.number != self.number);
        if client.jobs.is_empty() && self.client.starts_with('?') {
            registry.clients.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(client: &str, stroke: Option<u64>) -> Asker {
        Asker { client: Some(client.to_owned()), stroke }
    }

    #[test]
    fn a_later_stroke_cancels_earlier_jobs_of_the_same_page_alone() {
        let clients = Arc::new(Clients::default());
        let ticket = |client: &str, stroke| clients.begin(&asker(client, stroke)).unwrap();
        let (first, unnumbered, other) = (ticket("a", Some(1)), ticket("a", None), ticket("b", Some(1)));
        clients.arrive(&asker("a", Some(1))).unwrap();
        assert!(!first.cancellation.is_cancelled());
        clients.arrive(&asker("a", Some(2))).unwrap();
        assert!(first.cancellation.is_cancelled() && first.superseded().load(Ordering::Relaxed));
        assert!(!unnumbered.cancellation.is_cancelled() && !other.cancellation.is_cancelled());
        assert_eq!(clients.arrive(&asker("a", Some(1))).unwrap_err().status, StatusCode::CONFLICT);
        clients.arrive(&Asker::default()).unwrap();
    }

    #[test]
    fn a_job_ends_with_its_ticket_and_a_page_has_so_many_and_no_more() {
        let clients = Arc::new(Clients::default());
        let tickets: Vec<Ticket> = (0..JOBS_OF_CLIENT).map(|_| clients.begin(&asker("a", None)).unwrap()).collect();
        let refused = clients.begin(&asker("a", None)).unwrap_err();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        clients.begin(&asker("b", None)).unwrap();
        let cancellation = tickets[0].cancellation();
        drop(tickets);
        assert!(cancellation.is_cancelled());
        clients.begin(&asker("a", None)).unwrap();
    }

    #[test]
    fn pages_that_are_silent_are_forgotten_when_there_are_too_many() {
        let clients = Arc::new(Clients::default());
        let held = clients.begin(&asker("held", Some(1))).unwrap();
        for number in 0..2 * CLIENTS {
            clients.arrive(&asker(&format!("page-{number}"), Some(1))).unwrap();
        }
        drop(clients.begin(&Asker::default()).unwrap());
        let registry = clients.lock();
        assert!(registry.clients.len() <= CLIENTS && registry.clients.contains_key("held"));
        drop(registry);
        drop(held);
    }

    #[test]
    fn headers_that_are_no_names_and_numbers_are_refused() {
        let headers = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            Asker::of(&headers)
        };
        assert_eq!(headers(CLIENT, "page-1").unwrap(), asker("page-1", None));
        for (name, value) in [(CLIENT, "a b"), (CLIENT, ""), (STROKE, "-1"), (STROKE, "x")] {
            assert_eq!(headers(name, value).unwrap_err().status, StatusCode::BAD_REQUEST, "{name}: {value:?}");
        }
    }
}
