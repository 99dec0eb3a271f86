//! Connecting: the client that is installed is driven, and the keyring asked.

use crate::Events;
use crate::core::connect::{Client, Dial, Keyring, Progress, Reason, Remembered};
use crate::core::state::Event;

/// Does what the core asks about connecting; every answer is an event.
pub struct Dialler {
    events: Events,
}

impl Dialler {
    /// Nothing under way.
    pub fn new(events: Events) -> Dialler {
        Dialler { events }
    }

    /// Looks which client can be driven and what the keyring holds; tells [`Event::ConnectReady`].
    pub fn prepare(&self) {
        self.send(Event::ConnectReady(client(), remembered()));
    }

    /// Connects; tells [`Event::Dialled`].
    pub fn dial(&self, dial: Dial) {
        self.send(Event::Dialled(dial.number, Progress::Failed(Reason::ClientMissing)));
    }

    /// Ends the attempt that is under way.
    pub fn cancel(&self) {}

    /// Disconnects; tells [`Event::HungUp`].
    pub fn hang_up(&self) {
        self.send(Event::HungUp(Err("no client can be driven".into())));
    }

    /// Deletes what the keyring holds; tells [`Event::Forgotten`].
    pub fn forget(&self) {
        self.send(Event::Forgotten(false, remembered()));
    }

    fn send(&self, event: Event) {
        // Nobody listens any more: the program is ending, and then nobody needs to know.
        let _ = self.events.send(event);
    }
}

fn client() -> Option<Client> {
    None
}

fn remembered() -> Remembered {
    Remembered { keyring: Keyring::Absent, ..Remembered::default() }
}
