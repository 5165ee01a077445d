use super::*;
use crate::Phase;

#[tokio::test]
async fn an_origin_that_is_not_there_is_unreachable() {
    let (origin, listener) = here(|_| {}).await;
    drop(listener);
    let error = ask(&origin, get()).await.unwrap_err();
    assert!(matches!(error, OriginError::Unreachable { .. }) && error.may_retry(), "{error:?}");
    let refusal = terms::Refusal::from(error);
    assert_eq!(refusal.status(), 502);
    assert!(refusal.to_string().contains("refused"), "{refusal}");
    assert_eq!((read(&origin.numbers().failures), read(&origin.numbers().in_use)), (1, 0));
}

#[tokio::test]
async fn an_origin_that_does_not_accept_times_out() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    // The kernel drops what comes once its queue is full.
    while let Ok(Ok(stream)) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        held.push(stream);
    }
    let (origin, _) = here(|settings| {
        settings.address.port = address.port();
        settings.connect_timeout = SHORT;
    })
    .await;
    let error = ask(&origin, get()).await.unwrap_err();
    assert!(matches!(error, OriginError::TimedOut(Phase::Connect)) && error.may_retry(), "{error:?}");
    assert_eq!(terms::Refusal::from(error).status(), 504);
}

#[tokio::test]
async fn an_origin_that_says_nothing_or_half_a_head_times_out() {
    for said in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let (origin, listener) = here(|settings| settings.first_byte_timeout = SHORT).await;
        let peer = script(async move {
            let mut peer = Peer::accept(&listener).await;
            peer.serve(said).await;
            peer.closed().await;
        });
        let error = ask(&origin, get()).await.unwrap_err();
        assert!(matches!(error, OriginError::TimedOut(Phase::FirstByte)), "{error:?}");
        assert!(!error.may_retry());
        assert_eq!(read(&origin.numbers().timeouts), 1);
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn the_first_byte_is_waited_for_from_the_last_byte_of_the_request() {
    let (origin, listener) = here(|settings| settings.first_byte_timeout = SHORT).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        peer.until(b"0\r\n\r\n").await;
        peer.say(OK).await;
    });
    let (mut feed, body) = fed();
    let feeder = script(async move {
        for _ in 0..4 {
            tokio::time::sleep(SHORT).await;
            feed.send_data(Bytes::from_static(b"slow")).await.unwrap();
        }
    });
    let reply = ask(&origin, request(Method::POST, body)).await.unwrap();
    assert_eq!(text(reply).await.unwrap(), "ok");
    feeder.await.unwrap();
    peer.await.unwrap();
}

#[tokio::test]
async fn an_origin_that_does_not_take_the_request_times_out() {
    let (origin, listener) = here(|settings| settings.between_bytes_timeout = SHORT).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        // The rest is left in the kernel's buffers, until the client gives up.
        std::future::pending::<()>().await;
    });
    // More than both kernels' buffers hold.
    let body = Body::Chunks(std::iter::repeat_n(Bytes::from(vec![b'a'; 1 << 20]), 64).collect());
    let error = ask(&origin, request(Method::PUT, body)).await.unwrap_err();
    assert!(matches!(error, OriginError::TimedOut(Phase::Send)), "{error:?}");
    assert!(!error.may_retry());
    peer.abort();
}

#[tokio::test]
async fn a_body_that_stops_coming_times_out() {
    let (origin, listener) = here(|settings| settings.between_bytes_timeout = SHORT).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        peer.closed().await;
    });
    let mut reply = ask(&origin, get()).await.unwrap();
    within(reply.body.frame()).await.unwrap().unwrap();
    assert!(matches!(within(reply.body.frame()).await, Some(Err(BodyError::Timeout))));
    assert!(within(reply.body.frame()).await.is_none());
    assert_eq!(read(&origin.numbers().timeouts), 1);
    peer.await.unwrap();
}

#[tokio::test]
async fn a_body_that_comes_slowly_and_a_slow_reader_do_not_time_out() {
    let (origin, listener) = here(|settings| settings.between_bytes_timeout = 2 * SHORT).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n").await;
        for piece in ["a", "b", "c", "def"] {
            tokio::time::sleep(SHORT).await;
            peer.say(piece).await;
        }
    });
    let mut reply = ask(&origin, get()).await.unwrap();
    let first = within(reply.body.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "a");
    tokio::time::sleep(3 * SHORT).await;
    assert_eq!(text(reply).await.unwrap(), "bcdef");
    peer.await.unwrap();
}
