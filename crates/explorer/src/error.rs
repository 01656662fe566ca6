use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tinylsa_experiment::ExperimentError;
use tinylsa_settings::config::ConfigError;

/// Why the page cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplorerError {
    /// Another program listens at this address.
    #[error("the port {} is in use by another program; --port names another one, and 0 takes any that is free", .address.port())]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address is not available.
    #[error("failed to listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread, or no random number for the token.
    #[error("failed to start {what}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The settings of the explanations that the program brings along do not fit the model.
    #[error("the settings of the explanations do not fit the model")]
    Settings(#[from] ConfigError),
    /// The images that were named are not those of the model, or not there.
    #[error(transparent)]
    Images(#[from] ExperimentError),
    /// The server ended by itself.
    #[error("the server ended")]
    Ended {
        /// What the system says.
        source: io::Error,
    },
}
