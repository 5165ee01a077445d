use super::*;

#[tokio::test]
async fn a_connection_is_used_again() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        for _ in 0..3 {
            assert_eq!(peer.head().await, "GET /path?query HTTP/1.1\r\nhost: photos.example\r\n\r\n");
            peer.say(OK).await;
        }
    });
    for _ in 0..3 {
        assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    }
    peer.await.unwrap();
    let numbers = origin.numbers();
    assert_eq!((read(&numbers.dialled), read(&numbers.reused), read(&numbers.replaced)), (1, 2, 0));
}

#[tokio::test]
async fn answers_without_a_body_give_the_connection_back() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        assert!(peer.head().await.starts_with("HEAD "));
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        peer.serve("HTTP/1.1 204 No Content\r\n\r\n").await;
        peer.serve("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n").await;
        peer.serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        peer.serve(OK).await;
    });
    let head = ask(&origin, request(Method::HEAD, Body::Empty)).await.unwrap();
    assert_eq!(head.fields["content-length"], "1000");
    assert_eq!(text(head).await.unwrap(), "");
    for status in [204, 304, 200] {
        let reply = ask(&origin, get()).await.unwrap();
        assert_eq!(reply.status, status);
        // Dropped unread: there is nothing to read.
    }
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
    assert_eq!(read(&origin.numbers().dialled), 1);
}

#[tokio::test]
async fn connections_that_must_not_be_used_again_are_not() {
    let closing = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ];
    for answer in closing {
        let (origin, listener) = here(|_| {}).await;
        let peer = script(async move {
            let mut first = Peer::accept(&listener).await;
            first.serve(answer).await;
            let mut second = Peer::accept(&listener).await;
            second.serve(OK).await;
            first.closed().await;
        });
        text(ask(&origin, get()).await.unwrap()).await.unwrap();
        assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok", "{answer}");
        peer.await.unwrap();
        assert_eq!(read(&origin.numbers().dialled), 2, "{answer}");
    }
}

#[tokio::test]
async fn a_body_dropped_early_closes_its_connection() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut first = Peer::accept(&listener).await;
        first.serve("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly").await;
        first.closed().await;
        let mut second = Peer::accept(&listener).await;
        second.serve(OK).await;
    });
    let mut reply = ask(&origin, get()).await.unwrap();
    within(reply.body.frame()).await.unwrap().unwrap();
    drop(reply);
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
}

#[tokio::test]
async fn an_exchange_given_up_closes_its_connection_and_frees_its_place() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut first = Peer::accept(&listener).await;
        first.head().await;
        first.closed().await;
        let mut second = Peer::accept(&listener).await;
        second.serve(OK).await;
    });
    assert!(tokio::time::timeout(SHORT, exchange(&origin, get())).await.is_err());
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
}

/// The origin's side closes a pooled connection before, or on receiving, the second request.
async fn second_request_meets(death: Death, second: Request<Body>) -> (Result<Reply, OriginError>, Origin) {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut first = Peer::accept(&listener).await;
        first.serve(OK).await;
        match death {
            Death::Idle => first.reset(),
            Death::OnRequest => {
                first.head().await;
                drop(first);
            }
            Death::Reset => {
                first.head().await;
                first.reset();
            }
            Death::MidHead => {
                first.head().await;
                first.say("HTTP/1.1 2").await;
                drop(first);
            }
        }
        let mut second = Peer::accept(&listener).await;
        second.serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    });
    text(ask(&origin, get()).await.unwrap()).await.unwrap();
    let outcome = ask(&origin, second).await;
    match outcome {
        Ok(_) => peer.await.unwrap(),
        Err(_) => peer.abort(),
    }
    (outcome, origin)
}

#[derive(Clone, Copy, Debug)]
enum Death {
    Idle,
    OnRequest,
    Reset,
    MidHead,
}

#[tokio::test]
async fn a_dead_pooled_connection_is_replaced_once_for_what_may_be_repeated() {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
        for death in [Death::Idle, Death::OnRequest, Death::Reset] {
            let (outcome, origin) = second_request_meets(death, request(method.clone(), Body::Empty)).await;
            assert_eq!(outcome.unwrap().status, 200, "{method} {death:?}");
            assert_eq!(read(&origin.numbers().dialled), 2);
        }
    }
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not_once_it_was_sent() {
    let requests = [
        (Method::POST, Body::Empty),
        (Method::POST, Body::from("a".to_owned())),
        (Method::PATCH, Body::Empty),
        // Idempotent, but its body is gone.
        (Method::PUT, Body::from("a".to_owned())),
    ];
    for (method, body) in requests {
        let (outcome, origin) = second_request_meets(Death::OnRequest, request(method, body)).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, OriginError::Broken { sent: true, .. }), "{error:?}");
        assert!(!error.may_retry());
        assert_eq!(read(&origin.numbers().replaced), 0);
    }
}

#[tokio::test]
async fn an_answer_that_began_is_not_asked_for_again() {
    let (outcome, origin) = second_request_meets(Death::MidHead, get()).await;
    assert!(matches!(outcome, Err(OriginError::Broken { fault: crate::Fault::TornHead, sent: true })), "{outcome:?}");
    assert_eq!(read(&origin.numbers().replaced), 0);
}

#[tokio::test]
async fn a_post_on_a_connection_known_to_be_dead_is_sent_on_a_fresh_one() {
    let (outcome, _) = second_request_meets(Death::Idle, request(Method::POST, Body::from("a".to_owned()))).await;
    // hyper may have taken the request before it saw the end; then it must not be repeated.
    match outcome {
        Ok(reply) => assert_eq!(reply.status, 200),
        Err(error) => assert!(matches!(error, OriginError::Broken { sent: true, .. }), "{error:?}"),
    }
}

#[tokio::test]
async fn a_fresh_connection_that_dies_is_not_replaced() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut first = Peer::accept(&listener).await;
        first.head().await;
        drop(first);
        assert!(tokio::time::timeout(SHORT, listener.accept()).await.is_err());
    });
    let outcome = ask(&origin, get()).await;
    assert!(matches!(outcome, Err(OriginError::Broken { fault: crate::Fault::NoAnswer, sent: true })), "{outcome:?}");
    peer.await.unwrap();
}

#[tokio::test]
async fn those_beyond_the_cap_wait_and_are_served_in_turn() {
    let (origin, listener) = here(|settings| settings.max_connections = 2).await;
    let peer = script(async move {
        let (mut one, mut two) = (Peer::accept(&listener).await, Peer::accept(&listener).await);
        let serve = async |peer: &mut Peer| {
            for _ in 0..4 {
                peer.serve(OK).await;
            }
        };
        tokio::join!(serve(&mut one), serve(&mut two));
        assert!(tokio::time::timeout(SHORT, listener.accept()).await.is_err(), "a third connection");
    });
    // Each connection serves four of the eight: none is left over only if both are used in turn.
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let origin = origin.clone();
            tokio::spawn(async move { text(ask(&origin, get()).await.unwrap()).await })
        })
        .collect();
    for asked in asked {
        assert_eq!(within(asked).await.unwrap().unwrap(), "ok");
    }
    peer.await.unwrap();
    assert_eq!(read(&origin.numbers().dialled), 2);
}

#[tokio::test]
async fn who_waits_in_vain_is_told_that_the_origin_is_busy() {
    let (origin, listener) = here(|settings| settings.connect_timeout = SHORT).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
        peer.closed().await;
    });
    let held = ask(&origin, get()).await.unwrap();
    let error = ask(&origin, get()).await.unwrap_err();
    assert!(matches!(error, OriginError::Busy) && error.may_retry());
    assert_eq!(terms::Refusal::from(error).status(), 503);
    assert_eq!(read(&origin.numbers().busy), 1);
    drop(held);
    peer.await.unwrap();
}

#[tokio::test]
async fn idle_connections_close_with_their_origin() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve(OK).await;
        peer.closed().await;
    });
    text(ask(&origin, get()).await.unwrap()).await.unwrap();
    drop(origin);
    peer.await.unwrap();
}

/// Answers each request with its own target, and closes without a warning after `answers` of them.
async fn echo_targets(stream: TcpStream, answers: usize) {
    let mut peer = Peer { stream, unread: Vec::new() };
    for _ in 0..answers {
        let head = peer.head().await;
        let target = head.split(' ').nth(1).unwrap();
        peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everyone_gets_the_answer_to_their_own_request_whatever_the_origin_closes() {
    const CAP: usize = 8;
    let (origin, listener) = here(|settings| settings.max_connections = CAP).await;
    let server = tokio::spawn(async move {
        for nth in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo_targets(stream, 1 + nth % 7));
        }
    });
    let clients: Vec<_> = (0..64)
        .map(|client| {
            let origin = origin.clone();
            tokio::spawn(async move {
                for turn in 0..20 {
                    let target = format!("/{client}/{turn}");
                    let mut request = get();
                    *request.uri_mut() = target.parse().unwrap();
                    let reply = ask(&origin, request).await.unwrap();
                    assert_eq!(text(reply).await.unwrap(), target);
                    let numbers = origin.numbers();
                    assert!(read(&numbers.in_use) <= CAP as u64 && read(&numbers.idle) <= CAP as u64);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(read(&origin.numbers().in_use), 0);
    assert!(read(&origin.numbers().reused) > 0);
    server.abort();
}
