//! Malformed answers of an origin: what it is, and its bytes. Each would be stored if it were believed.

pub type Case = (&'static str, &'static [u8]);

/// In place of the field lines behind the status line and `Cache-Control: max-age=600`; `hello` follows.
pub const FIELDS: &[Case] = &[
    ("a length and a coding", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    ("a coding and a length", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("two lengths", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
    ("two lengths the other way round", b"Content-Length: 6\r\nContent-Length: 5\r\n"),
    ("a list of two lengths", b"Content-Length: 5, 6\r\n"),
    ("a length and a comma", b"Content-Length: 5,\r\n"),
    ("an empty length", b"Content-Length:\r\n"),
    ("a plus", b"Content-Length: +5\r\n"),
    ("a minus", b"Content-Length: -5\r\n"),
    ("hexadecimal", b"Content-Length: 0x5\r\n"),
    ("a word for a length", b"Content-Length: five\r\n"),
    ("a blank within", b"Content-Length: 5 0\r\n"),
    ("a parameter", b"Content-Length: 5;x=y\r\n"),
    ("2 to the 64 and 5", b"Content-Length: 18446744073709551621\r\n"),
    ("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n"),
    ("chunked, gzip", b"Transfer-Encoding: chunked, gzip\r\n"),
    ("chunked, chunked", b"Transfer-Encoding: chunked, chunked\r\n"),
    ("identity", b"Transfer-Encoding: identity\r\n"),
    ("chunked on two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("a prefix", b"Transfer-Encoding: xchunked\r\n"),
    ("no coding", b"Transfer-Encoding:\r\n"),
    ("chunked in quotes", b"Transfer-Encoding: \"chunked\"\r\n"),
    ("a vertical tab before chunked", b"Transfer-Encoding: \x0bchunked\r\n"),
    ("an underscore in the coding", b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("a dot in the coding", b"Transfer.Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("an underscore in the length", b"Content_Length: 3\r\nContent-Length: 5\r\n"),
    ("a blank before the colon", b"Content-Length : 5\r\n"),
    ("a tab before the colon", b"Content-Length\t: 5\r\n"),
    ("no colon", b"nonsense\r\nContent-Length: 5\r\n"),
    ("an empty name", b": x\r\nContent-Length: 5\r\n"),
    ("a blank in the name", b"X Y: z\r\nContent-Length: 5\r\n"),
    ("a byte beyond ASCII in the name", b"X\xc3\xa4: y\r\nContent-Length: 5\r\n"),
    ("a folded value", b"X: y\r\n z\r\nContent-Length: 5\r\n"),
    ("a value folded with a tab", b"X: y\r\n\tz\r\nContent-Length: 5\r\n"),
    ("a folded length", b"Content-Length:\r\n 5\r\n"),
    ("a bare LF", b"X: y\nContent-Length: 5\r\n"),
    ("an empty line of a bare LF", b"Content-Length: 5\r\n\n"),
    ("a bare CR", b"X: y\rZ: z\r\nContent-Length: 5\r\n"),
    ("two CR", b"X: y\r\r\nContent-Length: 5\r\n"),
    ("a NUL in a value", b"X: y\0z\r\nContent-Length: 5\r\n"),
    ("a NUL in a name", b"X\0: y\r\nContent-Length: 5\r\n"),
    ("an escape in a value", b"X: \x1b[2J\r\nContent-Length: 5\r\n"),
    ("a DEL in a value", b"X: \x7f\r\nContent-Length: 5\r\n"),
    ("Connection: Cache-Control", b"Connection: Cache-Control\r\nContent-Length: 5\r\n"),
    ("Connection: Set-Cookie", b"Connection: close, Set-Cookie\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n"),
    ("Connection: Content-Length", b"Connection: content-length\r\nContent-Length: 5\r\n"),
    ("Connection: Vary", b"Connection: Vary\r\nVary: Cookie\r\nContent-Length: 5\r\n"),
    // `hello` is no body of these.
    ("no chunks behind chunked", b"Transfer-Encoding: chunked\r\n"),
];

/// In place of the status line; `Cache-Control: max-age=600`, `Content-Length: 5` and `hello` follow.
pub const LINES: &[Case] = &[
    ("garbage", b"\x01\x02\x03 what is this"),
    ("another protocol", b"SSH-2.0-OpenSSH_9.9"),
    ("a wrong name", b"HTTQ/1.1 200 OK"),
    ("a lower-case name", b"http/1.1 200 OK"),
    ("HTTP/0.9", b"HTTP/0.9 200 OK"),
    ("HTTP/1", b"HTTP/1 200 OK"),
    ("HTTP/1.2", b"HTTP/1.2 200 OK"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK"),
    ("no status", b"HTTP/1.1"),
    ("a blank for a status", b"HTTP/1.1 "),
    ("a status of two digits", b"HTTP/1.1 20 OK"),
    ("a status of four digits", b"HTTP/1.1 2000 OK"),
    ("a status with a letter", b"HTTP/1.1 2O0 OK"),
    ("a status with a sign", b"HTTP/1.1 +20 OK"),
    ("status 000", b"HTTP/1.1 000 OK"),
    ("status 099", b"HTTP/1.1 099 OK"),
    ("status 600", b"HTTP/1.1 600 OK"),
    ("status 999", b"HTTP/1.1 999 OK"),
    ("two blanks before the status", b"HTTP/1.1  200 OK"),
    ("a tab before the status", b"HTTP/1.1\t200 OK"),
    ("a tab behind the status", b"HTTP/1.1 200\tOK"),
    ("a blank before it all", b" HTTP/1.1 200 OK"),
    ("an empty line before it", b"\r\nHTTP/1.1 200 OK"),
    ("a NUL in the reason", b"HTTP/1.1 200 O\0K"),
    ("a bare CR in the reason", b"HTTP/1.1 200 O\rK"),
    ("a bare LF behind it", b"HTTP/1.1 200 OK\nX: y"),
    ("101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols"),
    ("204 with a body", b"HTTP/1.1 204 No Content"),
    ("103 with a body", b"HTTP/1.1 103 Early Hints"),
    ("two status lines", b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK"),
    ("a request", b"GET /smuggled HTTP/1.1"),
];

/// Whole answers.
pub const WHOLE: &[Case] = &[
    ("bare LF throughout", b"HTTP/1.1 200 OK\nCache-Control: max-age=600\nContent-Length: 5\n\nhello"),
    ("bare CR throughout", b"HTTP/1.1 200 OK\rCache-Control: max-age=600\rContent-Length: 5\r\rhello\n"),
    ("chunks of HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nCache-Control: max-age=600\r\nContent-Length: 5\r\n\r\n"),
    (
        "204 with a coding",
        b"HTTP/1.1 204 No Content\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "an interim answer with a length",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
    ),
    (
        "a bad interim answer",
        b"HTTP/1.1 103 Early Hints\r\nX : y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
];

/// Cut short by the end of the connection; each in place of a whole answer.
pub const TORN: &[Case] = &[
    ("half a status line", b"HTTP/1.1 20"),
    ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
    ("a head without its empty line", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
    ("a CR too few", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r"),
    ("an interim answer alone", b"HTTP/1.1 100 Continue\r\n\r\n"),
];

/// Behind a head that was believed, `Transfer-Encoding: chunked` and the chunk `hello`; then, where it is
/// the end that is missing, the connection is closed.
pub const CHUNKS: &[Case] = &[
    ("no size", b"\r\nhello\r\n0\r\n\r\n"),
    ("no hexadecimal size", b"zz\r\nhello\r\n0\r\n\r\n"),
    ("a size with a sign", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a blank", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("a size that wraps 64 bits", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
    ("a bare LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
    ("more data than the size says", b"3\r\nhello\r\n0\r\n\r\n"),
    ("a malformed extension", b"5; x\r\nhello\r\n0\r\n\r\n"),
    ("a malformed trailer", b"0\r\nnonsense\r\n\r\n"),
    ("a length for a trailer", b"0\r\nContent-Length: 5\r\n\r\n"),
    ("a folded trailer", b"0\r\nX: y\r\n z\r\n\r\n"),
    ("the end of the connection", b""),
    ("the end of the connection in a chunk", b"5\r\nhel"),
    ("the end of the connection before the last line", b"0\r\n"),
];

/// Answers of `hello`, and bytes behind them that belong to none.
pub const SURPLUS: &[Case] = &[
    ("a second answer", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"),
    ("a line end", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 5\r\n\r\nhello\r\n"),
    ("more text", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 5\r\n\r\nhello EVIL"),
    ("a second answer behind the last chunk", b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"),
];
