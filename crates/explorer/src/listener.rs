//! Connections: so many at a time, and none that is silent for long.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{CONNECTIONS, IDLE_TIME, STALL_TIME};

/// Accepts connections, and waits while there are too many.
#[derive(Debug)]
pub(crate) struct BoundedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl BoundedListener {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                // the semaphore is never closed
                std::future::pending::<()>().await;
                continue;
            };
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if stream.set_nodelay(true).is_ok() {
                return (BoundedStream::new(stream, permit), address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// How many requests of a connection are being answered, and how many there were. While there are some, the connection may
/// be silent.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    answering: AtomicUsize,
    all: AtomicUsize,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(crate) struct Answering(InFlight);

impl InFlight {
    pub(crate) fn begin(&self) -> Answering {
        self.0.answering.fetch_add(1, Ordering::Relaxed);
        self.0.all.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, BoundedListener>> for InFlight {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        stream.io().in_flight.clone()
    }
}

/// A connection that ends when its client keeps silent, or reads nothing of what it asked for.
#[derive(Debug)]
pub(crate) struct BoundedStream {
    stream: TcpStream,
    in_flight: InFlight,
    idle: Pin<Box<Sleep>>,
    /// Requests before the present wait.
    answered: usize,
    stalled: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl BoundedStream {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit) -> Self {
        let idle = Box::pin(sleep_until(Instant::now() + IDLE_TIME));
        Self { stream, in_flight: InFlight::default(), idle, answered: 0, stalled: None, _permit: permit }
    }

    /// Whether no request came since the last call, and none is being answered: what arrives byte by byte and becomes no
    /// request counts as silence.
    fn is_silent(&mut self) -> bool {
        let Requests { answering, all } = self.in_flight.0.as_ref();
        let (answering, all) = (answering.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
        let before = std::mem::replace(&mut self.answered, all);
        answering == 0 && all == before
    }

    /// Ends a write that makes no progress for too long.
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + STALL_TIME)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            return read;
        }
        while self.idle.as_mut().poll(context).is_ready() {
            if self.is_silent() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.idle.as_mut().reset(Instant::now() + IDLE_TIME);
        }
        Poll::Pending
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
