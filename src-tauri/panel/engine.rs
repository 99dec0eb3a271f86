//! Functions of the browser engine that Tauri does not offer: noticing a crash of the page's process, and choosing the
//! folder of the engine's files.

use std::path::PathBuf;
use tauri::WebviewWindow;

/// Returns the folder for the engine's files of one window, below Vigie's own folder. WebView2 shares one browser process
/// among windows with the same folder. With a folder for each, that process, and what was typed in it, ends with its
/// window.
#[cfg(windows)]
pub fn data_folder(window: &str) -> Option<PathBuf> {
    Some(vigie::runtime::store::state_dir()?.join("WebView2").join(window))
}

/// Returns `None`: WebKitGTK keeps no files of a private session.
#[cfg(not(windows))]
pub fn data_folder(_window: &str) -> Option<PathBuf> {
    None
}

/// Calls `crashed`, on the main thread, with the reason when the page's process has ended: the window would stay blank.
#[cfg(target_os = "linux")]
pub fn on_crash(window: &WebviewWindow, crashed: impl Fn(&str) + Send + 'static) -> tauri::Result<()> {
    use gtk::glib::prelude::*;
    window.with_webview(move |webview| {
        webview.inner().connect_local("web-process-terminated", false, move |arguments| {
            crashed(&arguments.get(1).map(|reason| format!("{reason:?}")).unwrap_or_default());
            None
        });
    })
}

/// As on Linux; a page that no longer responds counts as well.
#[cfg(windows)]
pub fn on_crash(window: &WebviewWindow, crashed: impl Fn(&str) + Send + 'static) -> tauri::Result<()> {
    use webview2_com::Microsoft::Web::WebView2::Win32::{
        COREWEBVIEW2_PROCESS_FAILED_KIND, COREWEBVIEW2_PROCESS_FAILED_KIND_BROWSER_PROCESS_EXITED,
        COREWEBVIEW2_PROCESS_FAILED_KIND_RENDER_PROCESS_EXITED,
        COREWEBVIEW2_PROCESS_FAILED_KIND_RENDER_PROCESS_UNRESPONSIVE,
    };
    use webview2_com::ProcessFailedEventHandler;
    let fatal = [
        COREWEBVIEW2_PROCESS_FAILED_KIND_BROWSER_PROCESS_EXITED,
        COREWEBVIEW2_PROCESS_FAILED_KIND_RENDER_PROCESS_EXITED,
        COREWEBVIEW2_PROCESS_FAILED_KIND_RENDER_PROCESS_UNRESPONSIVE,
    ];
    window.with_webview(move |webview| {
        let handler = ProcessFailedEventHandler::create(Box::new(move |_, arguments| {
            let mut kind = COREWEBVIEW2_PROCESS_FAILED_KIND::default();
            if let Some(arguments) = arguments {
                // SAFETY: writes the kind of the event that is being handled into a local variable.
                unsafe { arguments.ProcessFailedKind(&mut kind)? };
            }
            // Processes for graphics and other services are started again by the engine.
            if fatal.contains(&kind) {
                crashed(&format!("{kind:?}"));
            }
            Ok(())
        }));
        let mut token = 0;
        // SAFETY: on the webview's own thread, with a handler that the webview keeps.
        let added = unsafe {
            webview.controller().CoreWebView2().and_then(|core| core.add_ProcessFailed(&handler, &mut token))
        };
        if let Err(error) = added {
            tracing::warn!(%error, "a crash of the page will be noticed late");
        }
    })
}
