//! Why a message is refused.

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub enum BadHead {
    TooLarge,
    TargetTooLong,
    BareLineEnd,
    Control,
    RequestLine,
    StatusLine,
    Target,
    Folded,
    FieldName,
    TwoLengths,
    BadLength,
    LengthAndCoding,
    Coding,
    Host,
    Connection,
    NoContent,
}

impl BadHead {
    /// Those that a request can be refused for.
    pub const OF_REQUESTS: [BadHead; 14] = [
        BadHead::TooLarge,
        BadHead::TargetTooLong,
        BadHead::BareLineEnd,
        BadHead::Control,
        BadHead::RequestLine,
        BadHead::Target,
        BadHead::Folded,
        BadHead::FieldName,
        BadHead::TwoLengths,
        BadHead::BadLength,
        BadHead::LengthAndCoding,
        BadHead::Coding,
        BadHead::Host,
        BadHead::Connection,
    ];

    pub const fn message(self) -> &'static str {
        match self {
            BadHead::TooLarge => "the head is too large",
            BadHead::TargetTooLong => "the target is too long",
            BadHead::BareLineEnd => "a line does not end in CR LF",
            BadHead::Control => "the head holds a NUL or another control character",
            BadHead::RequestLine => "the request line is not METHOD SP TARGET SP HTTP/1.x",
            BadHead::StatusLine => "the status line is not HTTP/1.x SP STATUS SP REASON",
            BadHead::Target => "the target holds a character that must be percent-encoded",
            BadHead::Folded => "a field line is folded",
            BadHead::FieldName => "a field name is empty or holds a character that is no token",
            BadHead::TwoLengths => "the head holds more than one Content-Length",
            BadHead::BadLength => "Content-Length is not a number",
            BadHead::LengthAndCoding => "the head holds both Content-Length and Transfer-Encoding",
            BadHead::Coding => "a transfer coding other than chunked",
            BadHead::Host => "the head holds no Host, more than one, or one that names no host",
            BadHead::Connection => "Connection names a field that is not this connection's",
            BadHead::NoContent => "a status without content, and yet a length or a coding of some",
        }
    }

    /// One stable word for metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            BadHead::TooLarge => "head-too-large",
            BadHead::TargetTooLong => "target-too-long",
            BadHead::BareLineEnd => "bare-line-end",
            BadHead::Control => "control-character",
            BadHead::RequestLine => "request-line",
            BadHead::StatusLine => "status-line",
            BadHead::Target => "target-character",
            BadHead::Folded => "folded-field",
            BadHead::FieldName => "field-name",
            BadHead::TwoLengths => "two-lengths",
            BadHead::BadLength => "bad-length",
            BadHead::LengthAndCoding => "length-and-coding",
            BadHead::Coding => "transfer-coding",
            BadHead::Host => "host",
            BadHead::Connection => "connection-option",
            BadHead::NoContent => "no-content",
        }
    }
}

/// Why a body in chunks is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub enum BadBody {
    Size,
    Extension,
    BareLineEnd,
    DataEnd,
    Trailer,
    TrailersTooLarge,
    SteeringTrailer,
}

impl BadBody {
    pub const ALL: [BadBody; 7] = [
        BadBody::Size,
        BadBody::Extension,
        BadBody::BareLineEnd,
        BadBody::DataEnd,
        BadBody::Trailer,
        BadBody::TrailersTooLarge,
        BadBody::SteeringTrailer,
    ];

    pub const fn message(self) -> &'static str {
        match self {
            BadBody::Size => "a chunk's size is not a hexadecimal number, or too large",
            BadBody::Extension => "a chunk extension is malformed or too long",
            BadBody::BareLineEnd => "a line between chunks does not end in CR LF",
            BadBody::DataEnd => "a chunk is not as long as it says",
            BadBody::Trailer => "a trailer is no field line",
            BadBody::TrailersTooLarge => "the trailers are too large",
            BadBody::SteeringTrailer => "a trailer says what only a head may say",
        }
    }

    /// One stable word for metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            BadBody::Size => "chunk-size",
            BadBody::Extension => "chunk-extension",
            BadBody::BareLineEnd => "chunk-line-end",
            BadBody::DataEnd => "chunk-data-end",
            BadBody::Trailer => "trailer",
            BadBody::TrailersTooLarge => "trailers-too-large",
            BadBody::SteeringTrailer => "trailer-name",
        }
    }
}
