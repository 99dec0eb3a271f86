//! The academy in miniature: the VPN server, which asks for PIN and six digits, and the intranet's servers.

use super::ChildProcess;
use super::cups::CupsServer;
use super::vpn::{INTRANET_HOST, TestVpn};
use std::cell::RefCell;

/// The copiers that the guide shows (section 10).
pub const COPIERS: [&str; 2] = ["I14RC-DSI-RDC", "I76RC-DSI04-B4"];
/// The shares of the file server `fichiers.in.test`, named as the guide's drives.
pub const DRIVES: [&str; 4] = ["I", "S", "T", "U"];

/// The VPN and what is behind it. All ends when this is dropped.
pub struct Academy {
    // In the order in which they must be dropped.
    print_server: RefCell<Option<CupsServer>>,
    _servers: [ChildProcess; 3],
    /// The networks, and the VPN server.
    pub vpn: TestVpn,
}

impl Academy {
    /// Starts the VPN server and those of the intranet: files, printers, web and DNS. The client is not connected.
    pub fn start() -> Academy {
        let vpn = TestVpn::without_intranet();
        vpn.require_otp_of_now();
        vpn.offer_dns();
        let servers = [vpn.start_file_server(&DRIVES), vpn.start_web_server("intranet-zone"), vpn.start_dns_server()];
        let academy = Academy { print_server: RefCell::new(None), _servers: servers, vpn };
        academy.start_print_server();
        academy
    }

    /// Starts the print server again.
    pub fn start_print_server(&self) {
        let server = CupsServer::in_intranet(&self.vpn, INTRANET_HOST);
        for name in COPIERS {
            server.add_queue(name);
        }
        *self.print_server.borrow_mut() = Some(server);
    }

    /// Kills the print server.
    pub fn stop_print_server(&self) {
        self.print_server.borrow_mut().take();
    }
}
