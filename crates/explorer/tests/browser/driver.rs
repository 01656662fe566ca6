//! Starts chromedriver, and a Chromium for each test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::Client;
use fantoccini::wd::{Capabilities, TimeoutConfiguration};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

/// A running chromedriver, which ends with its test.
pub(crate) struct Driver {
    process: Child,
    address: String,
    chromium: PathBuf,
}

impl Driver {
    /// Starts chromedriver on a free port; nothing, and a word about it, where it or Chromium is missing.
    pub(crate) fn start() -> Option<Self> {
        let chromium = program("CHROMIUM", &["chromium", "chromium-browser", "google-chrome"]);
        let driver = program("CHROMEDRIVER", &["chromedriver"]);
        let (Some(chromium), Some(driver)) = (chromium, driver) else {
            eprintln!("Chromium or chromedriver is not here: the tests of the page in a browser are left out");
            return None;
        };
        let mut process =
            Command::new(driver).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver says its port").unwrap();
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').to_owned();
            }
        };
        // what it says later must not fill the pipe
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, address: format!("127.0.0.1:{port}"), chromium })
    }

    /// A Chromium with a profile of its own in `folder`, whose console goes to the file [`console`] names.
    pub(crate) async fn browser(&self, folder: &Path) -> Client {
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let log = format!("--log-file={}", console(folder).display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--force-device-scale-factor=1",
            "--hide-scrollbars",
            "--window-size=1280,900",
            "--enable-logging",
            &log,
            &profile,
        ];
        let preferences = json!({ "download.default_directory": folder, "download.prompt_for_download": false });
        let options = json!({ "args": arguments, "binary": self.chromium, "prefs": preferences });
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        let address = format!("http://{}", self.address);
        let client =
            Client::with_capabilities_and_connector(&address, &capabilities, HttpConnector::new()).await.unwrap();
        let timeouts = TimeoutConfiguration::new(Some(Duration::from_mins(2)), None, None);
        client.update_timeouts(timeouts).await.unwrap();
        client
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // this way the browser of a test that failed ends, too
        if let Ok(mut connection) = TcpStream::connect(&self.address) {
            let _ = connection.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = write!(connection, "GET /shutdown HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
            let _ = connection.read_to_end(&mut Vec::new());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What pages wrote to the console.
pub(crate) fn console(folder: &Path) -> PathBuf {
    folder.join("console.log")
}

/// The program that a variable names, or the first of these names on the path.
fn program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}
