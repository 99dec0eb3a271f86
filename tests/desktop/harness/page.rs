//! The page in the real window, read and used through WebKit's WebDriver.
//!
//! Two environment variables let Tauri and WebKitGTK accept the driver; nothing else in the program differs.

use super::{ChildProcess, DEADLINE, Desktop, wait_for, wait_for_described};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::mpsc;
use thirtyfour::prelude::*;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// The address of the inspector server in the window, and the port of the WebDriver. Each desktop at home has a network
/// of its own, so that they do not collide.
const INSPECTOR_ADDRESS: &str = "127.0.0.1:9331";
const DRIVER_PORT: &str = "9332";

type DriverTask = Box<dyn FnOnce(&tokio::runtime::Runtime, &WebDriver) + Send>;

/// The page in an open window. The window stays open when this is dropped.
pub struct WebPage {
    /// The title of the window.
    pub title: &'static str,
    work: UnboundedSender<DriverTask>,
    _driver: ChildProcess,
}

/// A row of the panel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct PageRow {
    /// The stable id.
    pub id: String,
    /// The label.
    pub label: String,
    /// The value, with plain spaces.
    pub value: String,
    /// The severity: "normal", "warning" or "unavailable".
    pub mark: String,
}

/// Lets a WebDriver control the windows that this Vigie opens.
pub fn allow_webdriver(vigie: &mut Command) -> &mut Command {
    vigie.env("TAURI_WEBVIEW_AUTOMATION", "true").env("WEBKIT_INSPECTOR_SERVER", INSPECTOR_ADDRESS)
}

impl WebPage {
    /// Waits for the panel, and connects to its page. Needs [`allow_webdriver`].
    pub fn of(desktop: &Desktop) -> WebPage {
        WebPage::of_window(desktop, "Vigie")
    }

    /// As [`WebPage::of`], for the window with this title.
    pub fn of_window(desktop: &Desktop, title: &'static str) -> WebPage {
        desktop.wait_for_window(title, true);
        let mut command = desktop.command("WebKitWebDriver");
        command.args([format!("--port={DRIVER_PORT}"), format!("--target={INSPECTOR_ADDRESS}")]);
        let driver = desktop.spawn("webdriver", &command);
        let (work, mut todo) = unbounded_channel::<DriverTask>();
        let (sender, ready) = mpsc::channel();
        let enter = desktop.enter_network();
        std::thread::spawn(move || {
            enter();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
            let driver = wait_for("a session of the WebDriver", DEADLINE, || runtime.block_on(session()).ok());
            // Ending the session would close the window; it ends with the driver's process instead.
            driver.clone().leak().expect("the session was not ended");
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
        let work: DriverTask = Box::new(move |runtime, driver| {
            let _ = sender.send(work(runtime, driver));
        });
        assert!(self.work.send(work).is_ok(), "the driver's thread has ended");
        let answer = answer.recv().expect("the driver's thread answers");
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a script in the page, and returns its result.
    pub fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        let (text, arguments) = (script.to_owned(), arguments.to_vec());
        let value = self.with(move |runtime, driver| {
            runtime.block_on(async { Ok(driver.execute(text, arguments).await?.json().clone()) })
        });
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{script}: {error}: {value}"))
    }

    /// Runs a script that passes its result to the callback in its last argument.
    pub fn run_async<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        let (text, arguments) = (script.to_owned(), arguments.to_vec());
        let value = self.with(move |runtime, driver| {
            runtime.block_on(async { Ok(driver.execute_async(text, arguments).await?.json().clone()) })
        });
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Clicks the only button, link or field with this accessible name.
    pub fn click(&self, name: &str) {
        let found = wait_for(&format!("{name:?} to click"), DEADLINE, || {
            let named = self.run::<Vec<String>>(
                "const plain = (text) => (text ?? '').replace(/\\s+/g, ' ').trim();
                 return [...document.querySelectorAll('button, a[href], input, select, summary, [role=tab]')]
                     .filter((one) => one.checkVisibility() && !one.closest('[inert]')
                         && getComputedStyle(one).pointerEvents !== 'none' && plain(one.ariaLabel || one.innerText) === arguments[0])
                     .map((one, index) => (one.dataset.driven = `${arguments[0]} ${index}`));",
                &[json!(name)],
            );
            (!named.is_empty()).then_some(named)
        });
        assert_eq!(found.len(), 1, "{name:?} names several elements");
        self.click_on(&format!("[data-driven={}]", json!(found[0])));
        self.run::<Value>(
            "for (const one of document.querySelectorAll('[data-driven]')) delete one.dataset.driven",
            &[],
        );
    }

    /// Clicks the element of a selector, after scrolling it to the middle of the window, where nothing covers it.
    pub fn click_on(&self, selector: &str) {
        let find = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.run::<Value>(find, &[json!(selector)]);
        // A view that was just entered takes no click.
        wait_for(&format!("{selector} to take a click"), DEADLINE, || {
            self.run::<bool>("return getComputedStyle(document.body).pointerEvents !== 'none'", &[]).then_some(())
        });
        let selector = selector.to_owned();
        self.with(move |runtime, driver| {
            runtime.block_on(async { driver.find(By::Css(&*selector)).await?.click().await })
        });
    }

    /// Replaces the text in the field of a selector.
    pub fn fill(&self, selector: &str, text: &str) {
        self.run::<Value>("document.querySelector(arguments[0]).select()", &[json!(selector)]);
        // Backspace deletes the selection.
        let (selector, keys) = (selector.to_owned(), format!("\u{e003}{text}"));
        self.with(move |runtime, driver| {
            runtime.block_on(async { driver.find(By::Css(&*selector)).await?.send_keys(keys).await })
        });
    }

    /// Presses keys in the focused element.
    pub fn press_keys(&self, keys: &str) {
        let keys = keys.to_owned();
        self.with(move |runtime, driver| {
            runtime.block_on(async { driver.action_chain().send_keys(keys).perform().await })
        });
    }

    /// Returns the text of a selector's element, with plain spaces.
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText.replace(/\\s+/g, ' ').trim() ?? ''";
        self.run(script, &[json!(selector)])
    }

    /// Returns the rows in page order.
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

    /// Returns the row with this id.
    ///
    /// # Panics
    /// Panics if there is none or more than one.
    pub fn row(&self, id: &str) -> PageRow {
        let mut rows = self.rows();
        rows.retain(|row| row.id == id);
        assert_eq!(rows.len(), 1, "rows {id:?}: {rows:?}");
        rows.remove(0)
    }

    /// Waits until the value of a row begins with `value`.
    pub fn wait_for_row(&self, id: &str, value: &str) -> PageRow {
        let found = || self.rows().into_iter().find(|row| row.id == id && row.value.starts_with(value));
        wait_for_described(|| format!("{value:?} in row {id:?} of {:#?}", self.rows()), DEADLINE, found)
    }

    /// Waits until the text of a selector's element contains `text`.
    pub fn wait_for_text(&self, selector: &str, text: &str) {
        wait_for(&format!("{text:?} in {selector:?}"), DEADLINE, || self.text(selector).contains(text).then_some(()));
    }
}

async fn session() -> WebDriverResult<WebDriver> {
    // The machine's proxy settings do not apply.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client without TLS can be built");
    WebDriver::builder(format!("http://127.0.0.1:{DRIVER_PORT}"), Capabilities::new()).client(client).await
}
