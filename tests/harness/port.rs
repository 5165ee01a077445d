//! Ports that the system gives to nobody else, though nobody listens there.
//!
//! Hundreds of tests in several processes ask the system for ports at the same time: one that a test has let go
//! of may be another's a moment later.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// A port of loopback that is ours while this lives. Who connects is refused; who names it can listen there,
/// if he sets `SO_REUSEADDR`, as servers do.
pub struct Port {
    pub address: SocketAddr,
    /// Bound, and never listening: to such a one the kernel lets others bind by name, and never at random.
    _bound: Socket,
}

impl Port {
    pub fn reserve() -> Port {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Port { address, _bound: socket }
    }

    /// Takes it: until the listener is dropped, nobody else can listen there.
    pub fn listen(&self) -> TcpListener {
        TcpListener::bind(self.address).unwrap()
    }
}
