//! A client that speaks raw bytes, and reads answers as strictly as it can.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use tokio_rustls::rustls::{ClientConnection, Stream};

use super::SOON;
pub use super::answer::{Answer, End};

pub struct Client {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Read, and not yet taken.
    ahead: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).unwrap())
    }

    /// `None` where nobody listens any more.
    pub fn try_connect(address: SocketAddr) -> Option<Client> {
        TcpStream::connect(address).ok().map(Client::over)
    }

    /// One whose kernel takes in little that it doesn't read.
    pub fn connect_narrow(address: SocketAddr, receive_buffer: usize) -> Client {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_buffer).unwrap();
        socket.connect(&address.into()).unwrap();
        Client::over(socket.into())
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        let _ = stream.set_nodelay(true);
        Client { stream, tls: None, ahead: Vec::new() }
    }

    /// Shakes hands: from here on it is TLS. What went wrong otherwise.
    pub fn secured(mut self, mut session: ClientConnection) -> std::io::Result<Client> {
        while session.is_handshaking() {
            session.complete_io(&mut self.stream)?;
        }
        Ok(Client { tls: Some(Box::new(session)), ..self })
    }

    /// What the handshake agreed on.
    pub fn session(&self) -> &ClientConnection {
        self.tls.as_ref().expect("a connection over TLS")
    }

    pub fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// What the kernel takes in before anything is read.
    pub fn receive_buffer(&self) -> usize {
        socket2::SockRef::from(&self.stream).recv_buffer_size().unwrap()
    }

    /// Sends bytes. That the peer closed meanwhile is seen when reading.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = match &mut self.tls {
            Some(session) => Stream::new(session.as_mut(), &mut self.stream).write_all(bytes.as_ref()),
            None => self.stream.write_all(bytes.as_ref()),
        };
    }

    pub fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub fn get(&mut self, host: &str, target: &str) -> Answer {
        self.ask("GET", host, target, &[])
    }

    /// Asks without a body.
    pub fn ask(&mut self, method: &str, host: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(request(method, host, target, fields));
        self.answer(method)
    }

    /// The answer to the next request that has none yet.
    pub fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        if answer.end != End::Whole {
            return answer;
        }
        let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
        let length = answer.field("Content-Length").map(|length| length.parse::<usize>().unwrap());
        answer.end = match (bodiless, answer.field("Transfer-Encoding"), length) {
            (true, _, _) => End::Whole,
            (_, Some("chunked"), _) => self.chunks(&mut answer.body),
            (_, Some(other), _) => panic!("a transfer coding {other}"),
            (_, None, Some(length)) => self.take(length, &mut answer.body),
            (_, None, None) => match self.rest(&mut answer.body) {
                End::Closed => End::Whole,
                other => other,
            },
        };
        answer
    }

    /// The head of the next answer, behind interim ones. `status` is 0 where none came.
    pub fn head(&mut self) -> Answer {
        let mut interim = Vec::new();
        loop {
            let mut answer = self.one_head();
            if answer.end == End::Whole && (100..200).contains(&answer.status) && answer.status != 101 {
                interim.push(answer.status);
                continue;
            }
            answer.interim = interim;
            return answer;
        }
    }

    /// The next head, an interim answer's too.
    pub fn one_head(&mut self) -> Answer {
        let mut answer =
            Answer { status: 0, fields: Vec::new(), body: Vec::new(), end: End::Whole, interim: Vec::new() };
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if let Err(end) = self.read_more() {
                answer.end = end;
                return answer;
            }
        };
        let head = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
        self.ahead.drain(..end);
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        // A client of HTTP/1.0 may be told so.
        let rest = status_line.strip_prefix("HTTP/1.1 ").or(status_line.strip_prefix("HTTP/1.0 "));
        let code = rest.and_then(|rest| rest.get(..3));
        answer.status = code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status line: {head}"));
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field line: {line}"));
            answer.fields.push((name.to_owned(), value.trim().to_owned()));
        }
        answer
    }

    /// Takes `length` bytes, or fewer if no more come.
    pub fn take(&mut self, length: usize, into: &mut Vec<u8>) -> End {
        let mut left = length;
        loop {
            let now = left.min(self.ahead.len());
            into.extend(self.ahead.drain(..now));
            left -= now;
            if left == 0 {
                return End::Whole;
            }
            if let Err(end) = self.read_more() {
                return end;
            }
        }
    }

    /// All that comes until the connection ends.
    pub fn rest(&mut self, into: &mut Vec<u8>) -> End {
        loop {
            into.append(&mut self.ahead);
            if let Err(end) = self.read_more() {
                return end;
            }
        }
    }

    /// Whether the connection was ended by the other side, with nothing left to read.
    pub fn ends(&mut self) -> End {
        let mut rest = Vec::new();
        let end = self.rest(&mut rest);
        assert!(rest.is_empty(), "more came: {}", String::from_utf8_lossy(&rest));
        end
    }

    fn chunks(&mut self, into: &mut Vec<u8>) -> End {
        loop {
            match self.chunk(into) {
                Ok(0) => return End::Whole,
                Ok(_) => {}
                Err(end) => return end,
            }
        }
    }

    /// The next chunk of a body in chunks; says how long it was.
    pub fn chunk(&mut self, into: &mut Vec<u8>) -> Result<usize, End> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            match self.take(1, &mut line) {
                End::Whole => {}
                end => return Err(end),
            }
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let size = usize::from_str_radix(text.trim(), 16).unwrap_or_else(|_| panic!("no chunk size: {text:?}"));
        let mut chunk = Vec::new();
        let end = self.take(size + 2, &mut chunk);
        chunk.truncate(size);
        into.append(&mut chunk);
        if end == End::Whole { Ok(size) } else { Err(end) }
    }

    fn read_more(&mut self) -> Result<(), End> {
        let mut buffer = [0; 16 * 1024];
        let read = match &mut self.tls {
            Some(session) => Stream::new(session.as_mut(), &mut self.stream).read(&mut buffer),
            None => self.stream.read(&mut buffer),
        };
        match read {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                self.ahead.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Err(End::Reset),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(End::Silent),
                ErrorKind::Interrupted => Ok(()),
                _ => panic!("reading from the edge: {error}"),
            },
        }
    }
}

/// A request without a body.
pub fn request(method: &str, host: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}
