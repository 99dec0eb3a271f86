//! The networks that Windows has authenticated against the computer's domain: the Network List Manager knows them, and
//! reports changes (<https://learn.microsoft.com/windows/win32/nla/about-the-network-list-manager-api>).

use crate::Events;
use crate::win32::Com;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::Notify;
use vigie_core::message::Event;
use windows::Win32::NetworkManagement::IpHelper::{ConvertInterfaceGuidToLuid, ConvertInterfaceLuidToIndex};
use windows::Win32::NetworkManagement::Ndis::NET_LUID_LH;
use windows::Win32::Networking::NetworkListManager::{
    INetworkConnection, INetworkEvents, INetworkEvents_Impl, INetworkListManager, NLM_CONNECTIVITY,
    NLM_NETWORK_CATEGORY_DOMAIN_AUTHENTICATED, NLM_NETWORK_PROPERTY_CHANGE, NetworkListManager,
};
use windows::Win32::System::Com::{CLSCTX_ALL, COINIT_MULTITHREADED, CoCreateInstance, IConnectionPointContainer};
use windows::core::{GUID, Interface, implement};

/// Sends the interfaces at the start, after each change, and after each notice in `request`.
pub async fn watch(request: Arc<Notify>, events: Events) {
    let (ask, asked) = mpsc::channel();
    let changes = DomainChanges(ask.clone());
    // The thread sleeps until something changes, and ends with the program. COM may wait for a service of Windows.
    let spawned = std::thread::Builder::new().name("networks".into()).spawn(move || {
        if let Err(error) = follow(changes, &asked, &events) {
            tracing::warn!("networks of the domain will not be recognized: {error}");
        }
    });
    if let Err(error) = spawned {
        return tracing::warn!("no thread for the networks of the domain: {error}");
    }
    while ask.send(()).is_ok() {
        request.notified().await;
    }
}

fn follow(changes: DomainChanges, asked: &Receiver<()>, events: &Events) -> windows::core::Result<()> {
    let _com = Com::new(COINIT_MULTITHREADED);
    // SAFETY: COM is initialized on this thread, and stays so until the manager is dropped.
    let manager: INetworkListManager = unsafe { CoCreateInstance(&NetworkListManager, None, CLSCTX_ALL) }?;
    if let Err(error) = subscribe(&manager, changes) {
        tracing::warn!("changes of the domain's networks will be noticed late: {error}");
    }
    while asked.recv().is_ok() {
        // A change causes several events.
        while asked.try_recv().is_ok() {}
        match domain_interfaces(&manager) {
            Ok(interfaces) => {
                if events.send(Event::DomainNetworks(interfaces)).is_err() {
                    break;
                }
            }
            Err(error) => tracing::debug!("the networks cannot be read: {error}"),
        }
    }
    Ok(())
}

/// Subscribes to the manager's events, until the end of the process.
fn subscribe(manager: &INetworkListManager, changes: DomainChanges) -> windows::core::Result<()> {
    let sink: INetworkEvents = changes.into();
    // SAFETY: the sink is counted by the connection point, and its channel outlives it.
    unsafe {
        let container: IConnectionPointContainer = manager.cast()?;
        container.FindConnectionPoint(&INetworkEvents::IID)?.Advise(&sink).map(drop)
    }
}

/// Returns the interfaces, by index, of the connected networks that were authenticated against the domain.
fn domain_interfaces(manager: &INetworkListManager) -> windows::core::Result<Vec<u32>> {
    // SAFETY: plain calls of an interface that is alive.
    let connections = unsafe { manager.GetNetworkConnections() }?;
    let mut interfaces = Vec::new();
    loop {
        let mut next = [None];
        // SAFETY: `next` holds one element.
        unsafe { connections.Next(&mut next, None) }?;
        let [Some(connection)] = next else { return Ok(interfaces) };
        match domain_interface(&connection) {
            Ok(interface) => interfaces.extend(interface),
            // It may be gone by now.
            Err(error) => tracing::debug!("a network connection cannot be read: {error}"),
        }
    }
}

/// Returns the index of the connection's interface if its network is authenticated against the domain.
fn domain_interface(connection: &INetworkConnection) -> windows::core::Result<Option<u32>> {
    // SAFETY: plain calls of interfaces that are alive.
    let (category, adapter) = unsafe { (connection.GetNetwork()?.GetCategory()?, connection.GetAdapterId()?) };
    if category != NLM_NETWORK_CATEGORY_DOMAIN_AUTHENTICATED {
        return Ok(None);
    }
    let (mut luid, mut index) = (NET_LUID_LH::default(), 0);
    // SAFETY: all pointers are valid for the calls.
    unsafe {
        ConvertInterfaceGuidToLuid(&adapter, &mut luid).ok()?;
        ConvertInterfaceLuidToIndex(&luid, &mut index).ok()?;
    }
    Ok(Some(index))
}

/// Receives the manager's events. COM calls it on threads of its own.
#[implement(INetworkEvents)]
struct DomainChanges(Sender<()>);

impl DomainChanges {
    fn notify(&self) -> windows::core::Result<()> {
        // Fails only at the end of the program.
        let _ = self.0.send(());
        Ok(())
    }
}

impl INetworkEvents_Impl for DomainChanges_Impl {
    fn NetworkAdded(&self, _: &GUID) -> windows::core::Result<()> {
        self.notify()
    }

    fn NetworkDeleted(&self, _: &GUID) -> windows::core::Result<()> {
        self.notify()
    }

    fn NetworkConnectivityChanged(&self, _: &GUID, _: NLM_CONNECTIVITY) -> windows::core::Result<()> {
        self.notify()
    }

    fn NetworkPropertyChanged(&self, _: &GUID, _: NLM_NETWORK_PROPERTY_CHANGE) -> windows::core::Result<()> {
        self.notify()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// No machine on which this is tested belongs to a domain, wine's neither.
    #[tokio::test]
    async fn the_interfaces_are_sent_at_the_start_and_when_asked_for() {
        let (events, mut sent) = tokio::sync::mpsc::unbounded_channel();
        let request = Arc::new(Notify::new());
        let watch = tokio::spawn(watch(request.clone(), events));
        for _ in 0..2 {
            let event = tokio::time::timeout(Duration::from_secs(20), sent.recv()).await.expect("an event in time");
            assert_eq!(event, Some(Event::DomainNetworks(Vec::new())));
            request.notify_one();
        }
        watch.abort();
    }

    #[test]
    fn an_event_of_the_manager_requests_the_networks() {
        let (ask, asked) = mpsc::channel();
        let sink: INetworkEvents = DomainChanges(ask).into();
        // SAFETY: the sink is alive.
        unsafe { sink.NetworkPropertyChanged(GUID::zeroed(), NLM_NETWORK_PROPERTY_CHANGE(16)) }.expect("it is noted");
        assert!(asked.try_recv().is_ok());
    }
}
