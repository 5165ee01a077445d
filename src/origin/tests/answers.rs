use super::*;
use crate::{Fault, Malformed};

/// The one answer, or what is wrong with it; then the connection is closed.
async fn answered(answer: impl Into<String>) -> Result<Reply, OriginError> {
    let answer = answer.into();
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.head().await;
        // A client that has seen enough may be gone.
        let _ = peer.stream.write_all(answer.as_bytes()).await;
    });
    let outcome = ask(&origin, get()).await;
    peer.await.unwrap();
    outcome
}

#[tokio::test]
async fn bodies_end_where_their_framing_says() {
    let table = [
        ("Content-Length: 5\r\n\r\nwhole", Ok("whole")),
        ("Content-Length: 5\r\n\r\nhalf", Err(())),
        ("Content-Length: 5\r\n\r\n", Err(())),
        ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nwhole", Ok("whole")),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n", Ok("whole")),
        ("Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nwhole\r\n0\r\nServer-Timing: 1\r\n\r\n", Ok("whole")),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nwho\r\n", Err(())),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n", Err(())),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\nwhole\r\n0\r\n\r\n", Err(())),
        ("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nwhole", Err(())),
        ("\r\nuntil the end", Ok("until the end")),
    ];
    for (rest, expected) in table {
        let got = match answered(format!("HTTP/1.1 200 OK\r\n{rest}")).await {
            Ok(reply) => text(reply).await,
            // Seen together with its head, a malformed body is an answer that can't be used.
            Err(error) => {
                assert!(matches!(error, OriginError::Broken { fault: Fault::Malformed(_), .. }), "{rest:?}: {error:?}");
                Err(BodyError::Malformed)
            }
        };
        assert_eq!(got.as_deref().map_err(|_| ()), expected, "{rest:?}: {got:?}");
    }
}

#[tokio::test]
async fn a_body_cut_short_is_incomplete_and_one_in_bad_chunks_is_malformed() {
    let half = answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    assert!(matches!(text(half).await, Err(BodyError::Incomplete)));
    let torn = answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf").await.unwrap();
    assert!(matches!(text(torn).await, Err(BodyError::Incomplete)));
    for bad in ["4\r\nhalfX", "5\nwhole", "0\r\nContent-Length: 3\r\n\r\n"] {
        let reply = in_two("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bad).await;
        let got = text(reply).await;
        assert!(matches!(got, Err(BodyError::Malformed)), "{bad:?}: {got:?}");
    }
}

/// The answer whose rest is sent when its head has been read.
async fn in_two(head: &'static str, rest: &'static str) -> Reply {
    let (origin, listener) = here(|_| {}).await;
    let (read_it, go_on) = tokio::sync::oneshot::channel::<()>();
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve(head).await;
        go_on.await.unwrap();
        let _ = peer.stream.write_all(rest.as_bytes()).await;
    });
    let reply = ask(&origin, get()).await.unwrap();
    read_it.send(()).unwrap();
    peer.await.unwrap();
    reply
}

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/// Whether they come in one piece with the answer or in two, and whatever the answer declares, nobody gets them.
#[tokio::test]
async fn bytes_behind_an_answer_are_no_answer_to_the_next() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let answers = [
        (200, OK),
        (200, CHUNKED),
        (204, "HTTP/1.1 204 No Content\r\n\r\n"),
        (304, "HTTP/1.1 304 Not Modified\r\n\r\n"),
    ];
    for (status, answer) in answers {
        for cut in [0, answer.len() / 2] {
            let (origin, listener) = here(|_| {}).await;
            let peer = script(async move {
                let mut first = Peer::accept(&listener).await;
                first.serve(&answer[..cut]).await;
                first.say(&format!("{}{EVIL}", &answer[cut..])).await;
                let mut second = Peer::accept(&listener).await;
                second.serve(OK).await;
                first.closed().await;
            });
            let reply = ask(&origin, get()).await.unwrap();
            assert_eq!(reply.status, status);
            assert_eq!(text(reply).await.unwrap(), if status == 200 { "ok" } else { "" });
            // One that may not be repeated gets a connection that never carried them.
            let post = request(Method::POST, Body::Empty);
            assert_eq!(text(ask(&origin, post).await.unwrap()).await.unwrap(), "ok");
            peer.await.unwrap();
        }
    }
}

#[tokio::test]
async fn bytes_that_come_later_close_the_connection() {
    let (origin, listener) = here(|_| {}).await;
    let (has_read, read) = tokio::sync::oneshot::channel::<()>();
    let (said, has_said) = tokio::sync::oneshot::channel::<()>();
    let peer = script(async move {
        let mut first = Peer::accept(&listener).await;
        first.serve(OK).await;
        read.await.unwrap();
        first.say(EVIL).await;
        said.send(()).unwrap();
        let mut second = Peer::accept(&listener).await;
        second.serve(OK).await;
        first.closed().await;
    });
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    has_read.send(()).unwrap();
    has_said.await.unwrap();
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    peer.await.unwrap();
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let (origin, listener) = here(|_| {}).await;
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
        peer.serve(OK).await;
        peer.serve(OK).await;
        peer.closed().await;
    });
    let head = || request(Method::HEAD, Body::Empty);
    assert_eq!(ask(&origin, head()).await.unwrap().status, 200);
    assert_eq!(text(ask(&origin, get()).await.unwrap()).await.unwrap(), "ok");
    // What follows the head is of nobody, and ends the connection.
    let with_body = ask(&origin, head()).await.unwrap();
    assert_eq!(text(with_body).await.unwrap(), "");
    peer.await.unwrap();
}

#[tokio::test]
async fn a_reset_ends_a_body_of_unknown_length_with_an_error() {
    let (origin, listener) = here(|_| {}).await;
    let (read_it, go_on) = tokio::sync::oneshot::channel::<()>();
    let peer = script(async move {
        let mut peer = Peer::accept(&listener).await;
        peer.serve("HTTP/1.1 200 OK\r\n\r\nsome").await;
        go_on.await.unwrap();
        peer.reset();
    });
    let mut reply = ask(&origin, get()).await.unwrap();
    within(reply.body.frame()).await.unwrap().unwrap();
    read_it.send(()).unwrap();
    assert!(matches!(within(reply.body.frame()).await, Some(Err(BodyError::Incomplete))));
    assert_eq!(read(&origin.numbers().failures), 1);
    peer.await.unwrap();
}

#[tokio::test]
async fn heads_that_can_not_be_trusted_are_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(101));
    let table = [
        "",
        "garbage\r\n\r\n",
        "\0\0\0\0",
        "HTTP/1.1",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 000 OK\r\n\r\n",
        "HTTP/1.1 700 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: x\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nwhole!",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nwhole",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nwhole",
        "HTTP/1.1 200 OK\r\nConnection: Cache-Control\r\nCache-Control: private\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &long,
        &many,
    ];
    for answer in table {
        let outcome = answered(answer).await;
        let shown = &answer[..answer.len().min(60)];
        match outcome {
            Err(error @ OriginError::Broken { .. }) => {
                assert_eq!(terms::Refusal::from(error).status(), 502, "{shown:?}");
            }
            other => panic!("{shown:?}: {:?}", other.map(|reply| reply.status)),
        }
    }
}

#[tokio::test]
async fn the_fault_says_what_is_wrong() {
    let nothing = answered("").await.unwrap_err();
    assert!(matches!(nothing, OriginError::Broken { fault: Fault::NoAnswer, .. }), "{nothing:?}");
    let torn = answered("HTTP/1.1 200 OK\r\nX").await.unwrap_err();
    assert!(matches!(torn, OriginError::Broken { fault: Fault::TornHead, .. }), "{torn:?}");
    let garbage = answered("SSH-2.0-OpenSSH\r\n\r\n").await.unwrap_err();
    assert!(matches!(garbage, OriginError::Broken { fault: Fault::Malformed(_), .. }), "{garbage:?}");
    let refusal = terms::Refusal::from(garbage).to_string();
    assert!(refusal.contains("it is malformed: the status line"), "{refusal}");
    let both = answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert!(terms::Refusal::from(both.unwrap_err()).to_string().contains("both Content-Length"));
}

#[tokio::test]
async fn interim_answers_have_an_end() {
    let endless = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20) + OK;
    let error = answered(endless).await.map(|reply| reply.status).unwrap_err();
    assert!(matches!(error, OriginError::Broken { fault: Fault::Malformed(Malformed::Interim), .. }), "{error:?}");
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let reply =
        answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await
            .unwrap();
    assert_eq!(reply.status, 200);
    assert!(!reply.fields.contains_key("link"));
    assert_eq!(text(reply).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_body_is_read_no_faster_than_its_reader_reads() {
    const LENGTH: usize = 64 << 20;
    let (origin, listener) = here(|_| {}).await;
    let written = std::sync::Arc::new(AtomicU64::new(0));
    let peer = script({
        let written = written.clone();
        async move {
            let mut peer = Peer::accept(&listener).await;
            peer.serve(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n")).await;
            let chunk = vec![b'a'; 64 << 10];
            for _ in 0..LENGTH / chunk.len() {
                peer.stream.write_all(&chunk).await.unwrap();
                written.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
        }
    });
    let mut reply = ask(&origin, get()).await.unwrap();
    let first = within(reply.body.frame()).await.unwrap().unwrap();
    let mut length = first.into_data().unwrap().len();
    // Once the writer makes no more headway, everything between it and the reader is full.
    let mut before = u64::MAX;
    while read(&written) != before {
        before = read(&written);
        tokio::time::sleep(SHORT).await;
    }
    assert!(read(&written) < LENGTH as u64 / 2, "{} bytes were taken unread", read(&written));
    let mut largest = 0;
    while let Some(frame) = within(reply.body.frame()).await {
        let piece = frame.unwrap().into_data().unwrap();
        largest = largest.max(piece.len());
        length += piece.len();
    }
    assert!(largest <= 128 << 10, "a piece of {largest} bytes");
    assert_eq!(length, LENGTH);
    peer.await.unwrap();
}
