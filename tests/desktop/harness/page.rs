//! The panel's page, read and used as a user does: through WebKit's own WebDriver, in the real window.
//!
//! Tauri and WebKitGTK take these two words from the environment; nothing else of the program differs.

use super::{ChildProcess, DEADLINE, Desktop, wait_for};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use thirtyfour::prelude::*;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Where the window lets the WebDriver in, and where the WebDriver listens: each desktop at home has a network of its own.
const WINDOW: &str = "127.0.0.1:9331";
const DRIVER: &str = "9332";

type Work = Box<dyn FnOnce(&tokio::runtime::Runtime, &WebDriver) + Send>;

/// The page in the open window. The window stays when this is dropped.
pub struct WebPage {
    /// The window's title.
    pub title: &'static str,
    work: UnboundedSender<Work>,
    _driver: ChildProcess,
}

/// A line of the panel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct PageRow {
    /// Its stable name.
    pub id: String,
    /// What it is.
    pub label: String,
    /// The fact, with plain spaces.
    pub value: String,
    /// "normal", "warning", "unavailable".
    pub mark: String,
}

/// Lets a WebDriver into the window that this Vigie will open.
pub fn open_to_driver(vigie: &mut Command) -> &mut Command {
    vigie.env("TAURI_WEBVIEW_AUTOMATION", "true").env("WEBKIT_INSPECTOR_SERVER", WINDOW)
}

impl WebPage {
    /// Waits for the panel of a Vigie that is open to a driver, and takes hold of its page.
    pub fn of(desktop: &Desktop) -> WebPage {
        WebPage::of_window(desktop, "Vigie")
    }

    /// As [`WebPage::of`], for the window with this title.
    pub fn of_window(desktop: &Desktop, title: &'static str) -> WebPage {
        desktop.wait_for_window(title, true);
        let mut command = desktop.command("WebKitWebDriver");
        command.args([format!("--port={DRIVER}"), format!("--target={WINDOW}")]);
        let driver = desktop.spawn("webdriver", &command);
        let (work, mut todo) = unbounded_channel::<Work>();
        let (sender, ready) = mpsc::channel();
        let enter = desktop.enter_network();
        std::thread::spawn(move || {
            enter();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let driver = wait_for("a session of the WebDriver", DEADLINE, || runtime.block_on(session()).ok());
            // The session ends with the driver's process; the window is not the driver's to close.
            driver.clone().leak().expect("it was not ended");
            let _ = sender.send(());
            while let Some(work) = todo.blocking_recv() {
                work(&runtime, &driver);
            }
        });
        ready.recv().unwrap_or_else(|_| panic!("no session\n{}", driver.log()));
        WebPage { title, work, _driver: driver }
    }

    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&tokio::runtime::Runtime, &WebDriver) -> WebDriverResult<T> + Send + 'static,
    ) -> T {
        let (sender, answer) = mpsc::channel();
        let work: Work = Box::new(move |runtime, driver| {
            let _ = sender.send(work(runtime, driver));
        });
        assert!(self.work.send(work).is_ok(), "the driver's thread lives");
        let answer = answer.recv().expect("the driver's thread answers");
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a script in the page, and gives what it returns.
    pub fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        let (text, arguments) = (script.to_owned(), arguments.to_vec());
        let value = self.with(move |runtime, driver| {
            runtime.block_on(async { Ok(driver.execute(text, arguments).await?.json().clone()) })
        });
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{script}: {error}: {value}"))
    }

    /// Runs a script that answers by calling its last argument.
    pub fn run_async<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        let (text, arguments) = (script.to_owned(), arguments.to_vec());
        let value = self.with(move |runtime, driver| {
            runtime.block_on(async { Ok(driver.execute_async(text, arguments).await?.json().clone()) })
        });
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Clicks the one button, link or field that the user knows by this name, where it stands in the window.
    pub fn click(&self, name: &str) {
        let found = wait_for(&format!("{name:?} to click"), DEADLINE, || {
            let named = self.run::<Vec<String>>(
                "const plain = (text) => (text ?? '').replace(/\\s+/g, ' ').trim();
                 return [...document.querySelectorAll('button, a[href], input, select, summary, [role=tab]')]
                     .filter((one) => one.checkVisibility() && plain(one.ariaLabel || one.innerText) === arguments[0])
                     .map((one, index) => (one.dataset.driven = `${arguments[0]} ${index}`));",
                &[json!(name)],
            );
            (!named.is_empty()).then_some(named)
        });
        assert_eq!(found.len(), 1, "{name:?} names one thing");
        self.click_on(&format!("[data-driven={}]", json!(found[0])));
        self.run::<Value>(
            "for (const one of document.querySelectorAll('[data-driven]')) delete one.dataset.driven",
            &[],
        );
    }

    /// Clicks what a selector finds, with it in the middle of the window: what stands at its edges covers nothing there.
    pub fn click_on(&self, selector: &str) {
        let find = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.run::<Value>(find, &[json!(selector)]);
        let selector = selector.to_owned();
        self.with(move |runtime, driver| {
            runtime.block_on(async { driver.find(By::Css(&*selector)).await?.click().await })
        });
    }

    /// Types into the field that a selector finds, in the place of what stands there.
    pub fn fill(&self, selector: &str, text: &str) {
        self.run::<Value>("document.querySelector(arguments[0]).select()", &[json!(selector)]);
        // Backspace takes away what is selected.
        let (selector, keys) = (selector.to_owned(), format!("\u{e003}{text}"));
        self.with(move |runtime, driver| {
            runtime.block_on(async { driver.find(By::Css(&*selector)).await?.send_keys(keys).await })
        });
    }

    /// Presses keys, wherever the focus is.
    pub fn press_keys(&self, keys: &str) {
        let keys = keys.to_owned();
        self.with(move |runtime, driver| {
            runtime.block_on(async { driver.action_chain().send_keys(keys).perform().await })
        });
    }

    /// The text that a selector's element shows, with plain spaces.
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText.replace(/\\s+/g, ' ').trim() ?? ''";
        self.run(script, &[json!(selector)])
    }

    /// The rows, as they stand on the page.
    pub fn rows(&self) -> Vec<PageRow> {
        self.run(
            "const plain = (text) => text.replace(/\\s+/g, ' ').trim();
             return [...document.querySelectorAll('.row[data-id]')].map((row) => ({
                 id: row.dataset.id,
                 label: plain(row.querySelector('dt').innerText),
                 value: plain(row.querySelector('.value').innerText),
                 mark: /row--(\\S+)/.exec(row.className)[1],
             }));",
            &[],
        )
    }

    /// One row.
    ///
    /// # Panics
    /// Where there is none, or more than one.
    pub fn row(&self, id: &str) -> PageRow {
        let mut rows = self.rows();
        rows.retain(|row| row.id == id);
        assert_eq!(rows.len(), 1, "rows {id:?}: {rows:?}");
        rows.remove(0)
    }

    /// Waits until a row says this.
    pub fn wait_for_row(&self, id: &str, value: &str) -> PageRow {
        let mut last = Vec::new();
        let start = std::time::Instant::now();
        loop {
            last.clone_from(&self.rows());
            if let Some(row) = last.iter().find(|row| row.id == id && row.value.starts_with(value)) {
                return row.clone();
            }
            assert!(start.elapsed() < DEADLINE, "row {id:?} never said {value:?}: {last:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the text of a selector's element has this in it.
    pub fn wait_for_text(&self, selector: &str, text: &str) {
        wait_for(&format!("{text:?} in {selector:?}"), DEADLINE, || self.text(selector).contains(text).then_some(()));
    }
}

async fn session() -> WebDriverResult<WebDriver> {
    // No proxy of the machine's stands between.
    let client = reqwest::Client::builder().no_proxy().build().expect("nothing was asked for that needs TLS");
    WebDriver::builder(format!("http://127.0.0.1:{DRIVER}"), Capabilities::new()).client(client).await
}
