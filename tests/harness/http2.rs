//! A client of HTTP/2 whose frames are written by hand, so that a test can send what no library would.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::SOON;
use super::client::{Answer, End};
use super::edge::HOST;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Frames (RFC 9113 section 6), their flags, settings and error codes.
pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
pub const NO_ERROR: u32 = 0x0;
pub const PROTOCOL_ERROR: u32 = 0x1;
pub const CANCEL: u32 = 0x8;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// What came on a stream so far.
#[derive(Default)]
struct Stream {
    status: u16,
    interim: Vec<u16>,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    is_whole: bool,
    /// The code it was reset with.
    reset: Option<u32>,
}

pub struct Http2 {
    socket: TcpStream,
    /// Read, and not yet taken.
    ahead: Vec<u8>,
    decoder: loona_hpack::Decoder<'static>,
    streams: HashMap<u32, Stream>,
    next: u32,
    /// Bytes that were read.
    pub came: usize,
    /// The code of the last GOAWAY.
    pub goaway: Option<u32>,
}

pub type Fields<'f> = &'f [(&'f str, &'f str)];

impl Http2 {
    /// One that lets come what wants to come.
    pub fn connect(address: SocketAddr) -> Http2 {
        Http2::over(TcpStream::connect(address).unwrap(), LARGEST_WINDOW)
    }

    /// One whose kernel takes in little that it doesn't read, and that lets come what wants to come.
    pub fn connect_narrow(address: SocketAddr, receive_buffer: usize) -> Http2 {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_buffer).unwrap();
        socket.connect(&address.into()).unwrap();
        Http2::over(socket.into(), LARGEST_WINDOW)
    }

    /// One that lets no more than `window` bytes of each stream come before it says so.
    pub fn connect_with_window(address: SocketAddr, window: u32) -> Http2 {
        Http2::over(TcpStream::connect(address).unwrap(), window)
    }

    fn over(socket: TcpStream, window: u32) -> Http2 {
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket.set_write_timeout(Some(SOON)).unwrap();
        let _ = socket.set_nodelay(true);
        let decoder = loona_hpack::Decoder::new();
        let mut client =
            Http2 { socket, ahead: Vec::new(), decoder, streams: HashMap::new(), next: 1, came: 0, goaway: None };
        client.send(PREFACE);
        client.settings(&[(INITIAL_WINDOW_SIZE, window)]);
        client.open_window(0, LARGEST_WINDOW - 65_535);
        client
    }

    /// Sends bytes. That the peer closed meanwhile is seen when reading. Says whether they went out.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.send(frame(kind, flags, stream, payload))
    }

    pub fn settings(&mut self, settings: &[(u16, u32)]) -> bool {
        let pairs = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        self.frame(SETTINGS, 0, 0, &pairs.collect::<Vec<u8>>())
    }

    pub fn open_window(&mut self, stream: u32, bytes: u32) -> bool {
        self.frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
    }

    pub fn reset(&mut self, stream: u32) -> bool {
        self.frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
    }

    pub fn data(&mut self, stream: u32, bytes: &[u8], is_last: bool) -> bool {
        self.frame(DATA, if is_last { END_STREAM } else { 0 }, stream, bytes)
    }

    /// Takes the number of the next stream.
    pub fn next_stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Begins a request with these fields, pseudo fields among them, exactly as they are.
    pub fn open(&mut self, fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)], is_whole: bool) -> u32 {
        let stream = self.next_stream();
        let flags = END_HEADERS | if is_whole { END_STREAM } else { 0 };
        self.frame(HEADERS, flags, stream, &block(fields));
        stream
    }

    /// Asks [`HOST`] without a body. Returns the stream.
    pub fn ask(&mut self, method: &str, target: &str, fields: Fields<'_>) -> u32 {
        self.open(&request(method, target, fields), true)
    }

    pub fn get(&mut self, target: &str) -> Answer {
        let stream = self.ask("GET", target, &[]);
        self.answer(stream)
    }

    /// The answer on a stream, as far as it comes.
    pub fn answer(&mut self, stream: u32) -> Answer {
        let end = self.read_until(|client| {
            client.streams.get(&stream).is_some_and(|stream| stream.is_whole || stream.reset.is_some())
        });
        self.take(stream, end)
    }

    /// What came on a stream so far, once `bytes` of its body are there.
    pub fn begun(&mut self, stream: u32, bytes: usize) -> Answer {
        let end = self.read_until(|client| {
            client.streams.get(&stream).is_some_and(|stream| stream.status != 0 && stream.body.len() >= bytes)
        });
        let taken = self.take(stream, end);
        assert_eq!(taken.end, End::Whole, "the stream ended early: {taken:?}");
        taken
    }

    /// Waits for an interim answer.
    pub fn until_interim(&mut self, stream: u32) {
        let end = self.read_until(|client| client.streams.get(&stream).is_some_and(|one| !one.interim.is_empty()));
        assert_eq!(end, End::Whole);
    }

    /// The code that the edge reset a stream with.
    pub fn reset_code(&self, stream: u32) -> Option<u32> {
        self.streams.get(&stream).and_then(|stream| stream.reset)
    }

    /// Reads until the connection has ended.
    pub fn ends(&mut self) -> End {
        self.read_until(|_| false)
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// What the kernel takes in before anything is read.
    pub fn receive_buffer(&self) -> usize {
        socket2::SockRef::from(&self.socket).recv_buffer_size().unwrap()
    }

    fn take(&self, stream: u32, end: End) -> Answer {
        let nothing = Stream::default();
        let stream = self.streams.get(&stream).unwrap_or(&nothing);
        Answer {
            status: stream.status,
            fields: stream.fields.clone(),
            body: stream.body.clone(),
            end: if stream.reset.is_some() && !stream.is_whole { End::Reset } else { end },
            interim: stream.interim.clone(),
        }
    }

    /// `Whole`: what was looked for is there.
    fn read_until(&mut self, mut is_there: impl FnMut(&Http2) -> bool) -> End {
        loop {
            while let Some((kind, flags, stream, payload)) = self.next_frame() {
                self.took(kind, flags, stream, &payload);
            }
            if is_there(self) {
                return End::Whole;
            }
            let mut buffer = [0; 16 * 1024];
            match self.socket.read(&mut buffer) {
                Ok(0) => return End::Closed,
                Ok(count) => {
                    self.came += count;
                    self.ahead.extend_from_slice(&buffer[..count]);
                }
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return End::Reset,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return End::Silent,
                    ErrorKind::Interrupted => {}
                    _ => panic!("reading from the edge: {error}"),
                },
            }
        }
    }

    fn next_frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head: [u8; 9] = self.ahead.get(..9)?.try_into().unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.ahead.get(9..9 + length)?.to_vec();
        self.ahead.drain(..9 + length);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    fn took(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let word = |from: usize| u32::from_be_bytes(payload[from..from + 4].try_into().unwrap());
        match kind {
            SETTINGS if flags & ACK == 0 => {
                self.frame(SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => {
                self.frame(PING, ACK, 0, payload);
            }
            GOAWAY => self.goaway = Some(word(4)),
            HEADERS => self.took_head(flags, stream, payload),
            DATA => self.streams.entry(stream).or_default().body.extend_from_slice(payload),
            RST_STREAM => self.streams.entry(stream).or_default().reset = Some(word(0)),
            SETTINGS | PING | WINDOW_UPDATE => {}
            other => panic!("a frame of kind {other} from the edge"),
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            self.streams.entry(stream).or_default().is_whole = true;
        }
    }

    fn took_head(&mut self, flags: u8, stream: u32, payload: &[u8]) {
        assert!(flags & END_HEADERS != 0, "the edge's heads fit into a frame");
        let fields = self.decoder.decode(payload).unwrap_or_else(|error| panic!("{error:?}"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let fields: Vec<(String, String)> = fields.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        assert_eq!(fields[0].0, ":status", "{fields:?}");
        let status = fields[0].1.parse().unwrap();
        let stream = self.streams.entry(stream).or_default();
        if status < 200 {
            stream.interim.push(status);
        } else {
            (stream.status, stream.fields) = (status, fields[1..].to_vec());
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a usual request to [`HOST`].
pub fn request<'f>(method: &'f str, target: &'f str, fields: Fields<'f>) -> Vec<(&'f str, &'f str)> {
    let pseudo = [(":method", method), (":scheme", "http"), (":authority", HOST), (":path", target)];
    [&pseudo[..], fields].concat()
}

/// A header block of literals without indexing and without Huffman codes (RFC 7541 section 6.2.2).
pub fn block(fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name.as_ref());
        text(&mut block, value.as_ref());
    }
    block
}

/// A length with a prefix of seven bits (RFC 7541 section 5.1), and the bytes.
fn text(block: &mut Vec<u8>, text: &[u8]) {
    let mut left = text.len();
    if left < 0x7f {
        block.push(left as u8);
    } else {
        block.push(0x7f);
        left -= 0x7f;
        while left >= 0x80 {
            block.push(left as u8 | 0x80);
            left >>= 7;
        }
        block.push(left as u8);
    }
    block.extend(text);
}
