//! By logind (`org.freedesktop.login1`, systemd's "logind bus interface").

use vigie_core::message::PowerOffError;
use zbus::Connection;

/// Asks logind on the system bus.
pub async fn power_off() -> Result<(), PowerOffError> {
    let bus = Connection::system().await.map_err(|error| PowerOffError::Other(format!("no system bus: {error}")))?;
    call_logind(&bus).await.map_err(|error| PowerOffError::Other(error.to_string()))
}

async fn call_logind(bus: &Connection) -> zbus::Result<()> {
    // Interactive: if others are logged in, or a program asks for a delay ("inhibitor"), policy may want a password.
    // The user sits in front of it, has just confirmed, and is better asked than refused.
    let interactive = true;
    let manager = Some("org.freedesktop.login1.Manager");
    bus.call_method(Some("org.freedesktop.login1"), "/org/freedesktop/login1", manager, "PowerOff", &(interactive,))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_bus::TestBus;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
    use zbus::fdo;

    /// A fake logind on a private bus.
    struct FakeManager {
        asked: UnboundedSender<bool>,
        refuses: bool,
    }

    #[zbus::interface(name = "org.freedesktop.login1.Manager")]
    impl FakeManager {
        fn power_off(&self, interactive: bool) -> fdo::Result<()> {
            self.asked.send(interactive).expect("the test listens");
            if self.refuses { Err(fdo::Error::AccessDenied("Permission denied".into())) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn logind_is_called_once_and_its_refusal_is_returned() {
        for refuses in [false, true] {
            let bus = TestBus::start();
            let (asked, mut calls) = unbounded_channel();
            let server = bus.builder().name("org.freedesktop.login1").expect("a name");
            let server = server.serve_at("/org/freedesktop/login1", FakeManager { asked, refuses }).expect("a path");
            let _server = server.build().await.expect("connected");
            let done = call_logind(&bus.connect(None).await).await;
            assert_eq!(calls.try_recv(), Ok(true));
            assert!(calls.try_recv().is_err());
            match done {
                Ok(()) => assert!(!refuses),
                Err(error) => assert!(refuses && error.to_string().contains("Permission denied"), "{error}"),
            }
        }
    }

    #[tokio::test]
    async fn without_logind_it_is_an_error() {
        let bus = TestBus::start();
        assert!(call_logind(&bus.connect(None).await).await.is_err());
    }
}
