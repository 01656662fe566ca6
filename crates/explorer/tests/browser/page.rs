//! A page in a browser, and what a reader does with it.

use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::{Driver, console};
use crate::server::LINK;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// One browser at a time: several at once would only wait for each other.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A page in a browser.
pub(crate) struct Page {
    pub(crate) client: Client,
    // ended before its folder is removed
    _driver: Driver,
    folder: TempDir,
    _one: tokio::sync::MutexGuard<'static, ()>,
}

impl Page {
    /// The page with this fragment, ready to be used; nothing without a browser.
    pub(crate) async fn open(fragment: &str) -> Option<Self> {
        let page = Self::at(&format!("{}{fragment}", *LINK)).await?;
        page.until("the page is there", "return document.querySelector('#keep-place .keep') !== null").await;
        Some(page)
    }

    /// The page at an address.
    pub(crate) async fn at(address: &str) -> Option<Self> {
        let one = ONE.lock().await;
        let driver = Driver::start()?;
        let folder = tempfile::tempdir().unwrap();
        let client = driver.browser(folder.path()).await;
        client.goto(address).await.unwrap();
        Some(Self { client, folder, _driver: driver, _one: one })
    }

    /// The file of a download that is whole.
    pub(crate) fn downloaded(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(name)).ok().filter(|bytes| !bytes.is_empty())
    }

    /// What a script returns.
    pub(crate) async fn js(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What the promise of an expression becomes.
    pub(crate) async fn promised(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; ({expression}).then(done, (error) => done({{ failed: String(error) }}));"
        );
        self.client.execute_async(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The bytes that the server answers to a request with the token of the page.
    pub(crate) async fn file(&self, path: &str, body: &Value) -> Vec<u8> {
        let expression = format!(
            "fetch('{path}', {{ method: 'POST', body: JSON.stringify({body}), headers: {{ 'content-type': 'application/json', \
             'x-explorer-token': new URLSearchParams(location.search).get('token') }} }}).then((answer) => answer.arrayBuffer())\
             .then((bytes) => Array.from(new Uint8Array(bytes)))"
        );
        let bytes = self.promised(&expression).await;
        bytes.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
    }

    /// Waits until a script returns true.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let started = Instant::now();
        while self.js(script).await != json!(true) {
            if started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(console(self.folder.path())).unwrap_or_default();
                let shown = self.js("return document.body.innerText").await;
                panic!("{what} never came: {script}\n{}\n{log}", shown.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The text of the first element that a selector finds.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.js(&format!("return document.querySelector('{selector}').textContent")).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.js(&format!("document.querySelector(`{selector}`).scrollIntoView({{ block: 'center' }})")).await;
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// Sends keys to whatever has the focus.
    pub(crate) async fn keys(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Chooses an entry of a list by its value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().select_by_value(value).await.unwrap();
    }

    /// Draws with the pointer through points, which are shares of the canvas.
    pub(crate) async fn draw(&self, points: &[(f64, f64)]) {
        let actions = self.along("#drawing canvas", points).await;
        self.client.perform_actions(actions).await.unwrap();
        self.client.release_actions().await.unwrap();
    }

    async fn along(&self, selector: &str, points: &[(f64, f64)]) -> MouseActions {
        let step = Duration::from_millis(5);
        let mut actions = MouseActions::new("mouse".to_owned());
        for (index, &point) in points.iter().enumerate() {
            let (x, y) = self.place(selector, point).await;
            actions = actions.then(PointerAction::MoveTo { duration: Some(step), x, y });
            if index == 0 {
                actions = actions.then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
            }
        }
        actions.then(PointerAction::Up { button: MOUSE_BUTTON_LEFT })
    }

    /// Moves the pointer to a share of an element.
    pub(crate) async fn hover(&self, selector: &str, share: (f64, f64)) {
        let (x, y) = self.place(selector, share).await;
        let step = Duration::from_millis(5);
        let actions = MouseActions::new("mouse".to_owned()).then(PointerAction::MoveTo { duration: Some(step), x, y });
        self.client.perform_actions(actions).await.unwrap();
    }

    async fn place(&self, selector: &str, (across, down): (f64, f64)) -> (f64, f64) {
        let script = format!(
            "const one = document.querySelector('{selector}'); const box = one.getBoundingClientRect(); \
             if (box.top < 0 || box.bottom > innerHeight) one.scrollIntoView({{ block: 'center' }}); \
             const now = one.getBoundingClientRect(); return [now.left + now.width * {across}, now.top + now.height * {down}];"
        );
        let found = self.js(&script).await;
        (found[0].as_f64().unwrap().floor(), found[1].as_f64().unwrap().floor())
    }

    /// Ends the browser; panics if the page wrote an error to the console, or asked another host for anything.
    pub(crate) async fn close(self) {
        let asked = self.js("return performance.getEntriesByType('resource').map((entry) => entry.name)").await;
        let own = self.js("return location.origin").await;
        for address in asked.as_array().unwrap().iter().map(|address| address.as_str().unwrap()) {
            let is_own = address.starts_with(own.as_str().unwrap())
                || address.starts_with("blob:")
                || address.starts_with("data:");
            assert!(is_own, "the page asked for {address}");
        }
        // 409 says that a newer stroke has made a request pointless
        let refused = self
            .js("return performance.getEntriesByType('resource').filter((entry) => entry.responseStatus >= 400 && entry.responseStatus !== 409).map((entry) => `${entry.name}: ${entry.responseStatus}`)")
            .await;
        assert_eq!(refused, json!([]), "the server refused what the page asked for");
        self.client.clone().close().await.unwrap();
        let log = std::fs::read_to_string(console(self.folder.path())).unwrap_or_default();
        let said: Vec<&str> = log
            .lines()
            // the tests read pixels back more often than a reader does
            .filter(|line| line.contains(":CONSOLE") && !line.contains("willReadFrequently"))
            .collect();
        assert!(said.is_empty(), "the page wrote to the console: {said:#?}");
    }
}
