use super::*;

/// What the origin sees of a request, up to `end`.
async fn seen(request: Request<Body>, end: &'static [u8]) -> String {
    let (origin, listener) = here(|_| {}).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        tell.send(peer.until(end).await).unwrap();
        peer.say(OK).await;
    });
    assert_eq!(text(ask(&origin, request).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
    told.await.unwrap()
}

#[tokio::test]
async fn the_body_decides_the_framing_whatever_the_fields_say() {
    let mut lying = request(Method::POST, Body::from("whole".to_owned()));
    lying.headers_mut().insert("content-length", "3".parse().unwrap());
    lying.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
    *lying.version_mut() = http::Version::HTTP_10;
    let whole = seen(lying, b"whole").await;
    assert_eq!(whole, "POST /path?query HTTP/1.1\r\nhost: photos.example\r\ncontent-length: 5\r\n\r\nwhole");

    for (method, length) in [(Method::POST, true), (Method::PUT, true), (Method::GET, false), (Method::DELETE, false)] {
        let empty = seen(request(method.clone(), Body::Empty), b"\r\n\r\n").await;
        assert_eq!(empty.contains("content-length: 0\r\n"), length, "{empty}");
        assert!(!empty.contains("transfer-encoding"));
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked_even_in_a_get() {
    for method in [Method::POST, Method::GET] {
        let (mut feed, body) = fed();
        let feeder = script(async move {
            feed.send_data(Bytes::from_static(b"one")).await.unwrap();
            feed.send_data(Bytes::from_static(b"two")).await.unwrap();
        });
        let whole = seen(request(method, body), b"0\r\n\r\n").await;
        assert!(whole.contains("transfer-encoding: chunked\r\n"), "{whole}");
        assert!(whole.ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{whole}");
        feeder.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_upload() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        for _ in 0..2 {
            peer.until(b"whole").await;
            peer.say(OK).await;
            peer.until(b"0\r\n\r\n").await;
            peer.say(OK).await;
        }
    });
    for _ in 0..2 {
        let whole = request(Method::PUT, Body::from("whole".to_owned()));
        text(ask(&origin, whole).await.unwrap()).await.unwrap();
        let (mut feed, body) = fed();
        let feeder = script(async move { feed.send_data(Bytes::from_static(b"one")).await.unwrap() });
        text(ask(&origin, request(Method::PUT, body)).await.unwrap()).await.unwrap();
        feeder.await.unwrap();
    }
    peer.await.unwrap();
    assert_eq!(read(&origin.numbers().dialled), 1);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_returned_and_the_rest_abandoned() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut first = Peer::accept(&listener).await;
        first.serve("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
        let mut second = Peer::accept(&listener).await;
        second.serve(OK).await;
    });
    let (mut feed, body) = fed();
    feed.send_data(Bytes::from_static(b"one")).await.unwrap();
    let reply = ask(&origin, request(Method::POST, body)).await.unwrap();
    assert_eq!(reply.status, 413);
    assert_eq!(text(reply).await.unwrap(), "big");
    // Whoever feeds it notices.
    within(async { while feed.send_data(Bytes::from_static(b"more")).await.is_ok() {} }).await;
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
}

#[tokio::test]
async fn an_answer_from_an_origin_that_resets_the_upload_is_not_lost() {
    // More than hyper reads at once, so that it meets the reset before it has the whole answer.
    const LENGTH: usize = 40_000;
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        let head = format!("HTTP/1.1 413 Content Too Large\r\nContent-Length: {LENGTH}\r\n\r\n");
        peer.say(&(head + &"a".repeat(LENGTH))).await;
        // Closing with bytes unread makes the kernel send a reset.
    });
    let body = Body::Chunks(std::iter::repeat_n(Bytes::from(vec![b'a'; 64 << 10]), 256).collect());
    let reply = ask(&origin, request(Method::POST, body)).await.unwrap();
    assert_eq!(reply.status, 413);
    peer.await.unwrap();
    assert_eq!(text(reply).await.unwrap().len(), LENGTH);
}

#[tokio::test]
async fn the_answer_and_the_request_may_stream_side_by_side() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for _ in 0..3 {
            peer.until(b"4\r\nping\r\n").await;
            peer.say("4\r\npong\r\n").await;
        }
        peer.until(b"0\r\n\r\n").await;
        peer.say("0\r\n\r\n").await;
        peer.serve(OK).await;
    });
    let (mut feed, body) = fed();
    let mut reply = ask(&origin, request(Method::POST, body)).await.unwrap();
    for _ in 0..3 {
        feed.send_data(Bytes::from_static(b"ping")).await.unwrap();
        assert_eq!(within(reply.body.frame()).await.unwrap().unwrap().into_data().unwrap(), "pong");
    }
    drop(feed);
    assert!(within(reply.body.frame()).await.is_none());
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
    assert_eq!(read(&origin.numbers().dialled), 1);
}

#[tokio::test]
async fn a_request_body_that_fails_is_the_clients_fault() {
    let table = [
        (BodyError::Malformed, 400),
        (BodyError::Incomplete, 400),
        (BodyError::TooLarge, 413),
        (BodyError::Timeout, 408),
    ];
    for (error, status) in table {
        let (origin, listener) = here(|_| {}).await;
        let (saw, seen) = tokio::sync::oneshot::channel::<()>();
        let peer = script(async move {
            let mut peer = Peer::accept(&listener).await;
            peer.until(b"3\r\none\r\n").await;
            saw.send(()).unwrap();
            // The end of the body must not look like its end.
            peer.closed().await;
        });
        let (mut feed, body) = fed();
        let feeder = script(async move {
            feed.send_data(Bytes::from_static(b"one")).await.unwrap();
            seen.await.unwrap();
            feed.abort(error);
        });
        let outcome = ask(&origin, request(Method::POST, body)).await.unwrap_err();
        assert!(matches!(outcome, OriginError::RequestBody(_)) && !outcome.may_retry(), "{outcome:?}");
        assert_eq!(terms::Refusal::from(outcome).status(), status);
        assert_eq!(read(&origin.numbers().failures), 0);
        feeder.await.unwrap();
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn a_request_body_shorter_than_it_said_is_incomplete() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        // However much of it was sent, the connection ends before the ten bytes do.
        let _ = peer.stream.read_to_end(&mut peer.unread).await;
    });
    let short = Body::stream(Short(Some(Bytes::from_static(b"short"))));
    let outcome = ask(&origin, request(Method::POST, short)).await.unwrap_err();
    assert!(matches!(outcome, OriginError::RequestBody(BodyError::Incomplete)), "{outcome:?}");
    peer.await.unwrap();
}

/// Says ten bytes, holds fewer.
struct Short(Option<Bytes>);

impl http_body::Body for Short {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(10)
    }
}
