//! Ports that the system gives to nobody else, though nobody listens there.
//!
//! Hundreds of tests in several processes ask the system for ports at the same time: one that a test has let go
//! of may be another's a moment later.

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, SockRef, Socket, Type};

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

    /// Takes it: until the listener is closed, nobody else can listen there.
    pub fn listen(&self) -> Listener {
        Listener(TcpListener::bind(self.address).unwrap())
    }
}

pub struct Listener(TcpListener);

impl Listener {
    pub fn accept(&self) -> std::io::Result<TcpStream> {
        self.0.accept().map(|(stream, _)| stream)
    }

    /// Nobody is let in any more, and who waits in [`Listener::accept`] gets an error. Dropping it does not do: a
    /// process that another test starts at that moment has a copy of it, until it runs its own program.
    pub fn close(&self) {
        let _ = SockRef::from(&self.0).shutdown(Shutdown::Both);
    }
}
