use std::collections::VecDeque;
use std::task::Waker;

use http_body::Body as _;

use super::coder::tests::decoded;
use super::*;

/// What a source has, one after the other; behind it, nothing comes.
struct Script(VecDeque<Step>);

enum Step {
    Data(Vec<u8>),
    Pause,
    Error,
    End,
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.0.pop_front() {
            Some(Step::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes))))),
            Some(Step::Error) => Poll::Ready(Some(Err(BodyError::TooLarge))),
            Some(Step::End) => Poll::Ready(None),
            Some(Step::Pause) | None => Poll::Pending,
        }
    }
}

fn compressed(coding: Coding, steps: impl IntoIterator<Item = Step>) -> Compressed {
    let cache = Cache::new(cache::Settings { memory: 1 << 20, max_object: 1 << 20, keep: false, keep_max: 0 });
    let room = cache.room(coding).unwrap();
    Compressed::new(Body::stream(Script(steps.into_iter().collect())), room)
}

enum Seen {
    Data(Vec<u8>),
    Pending,
    Error(BodyError),
    End,
}

/// What comes out until `look` finds something else.
fn data(body: &mut Compressed, coded: &mut Vec<u8>) -> Seen {
    loop {
        match look(body) {
            Seen::Data(bytes) => coded.extend(bytes),
            other => return other,
        }
    }
}

fn look(body: &mut Compressed) -> Seen {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => Seen::Data(frame.into_data().unwrap().to_vec()),
        Poll::Ready(Some(Err(error))) => Seen::Error(error),
        Poll::Ready(None) => Seen::End,
        Poll::Pending => Seen::Pending,
    }
}

#[tokio::test]
async fn the_last_frame_is_known_to_be_that() {
    for coding in Coding::ALL {
        let mut body = compressed(coding, [Step::Data(b"some".to_vec()), Step::Data(b"thing".to_vec()), Step::End]);
        let mut coded = Vec::new();
        while !body.is_end_stream() {
            assert!(decoded(coding, &coded).is_empty(), "{coding:?}");
            let Seen::Data(bytes) = look(&mut body) else { panic!("{coding:?}") };
            coded.extend(bytes);
        }
        assert_eq!(decoded(coding, &coded), b"something");
        assert!(matches!(look(&mut body), Seen::End));
    }
}

#[tokio::test]
async fn a_source_that_breaks_off_ends_nothing_well() {
    let mut body = compressed(Coding::Gzip, [Step::Data(b"some".to_vec()), Step::Error]);
    assert!(matches!(data(&mut body, &mut Vec::new()), Seen::Error(BodyError::TooLarge)));
    assert!(matches!(look(&mut body), Seen::End));
}

#[tokio::test]
async fn what_comes_slowly_comes_out_a_moment_later() {
    for coding in Coding::ALL {
        let steps = [Step::Data(b"some".to_vec()), Step::Pause, Step::Data(b"thing".to_vec())];
        let mut body = compressed(coding, steps);
        let mut coded = Vec::new();
        assert!(matches!(data(&mut body, &mut coded), Seen::Pending));
        assert!(decoded(coding, &coded).is_empty(), "not for every packet");
        while decoded(coding, &coded) != b"something" {
            let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
            coded.extend(frame.into_data().unwrap());
        }
        assert!(matches!(look(&mut body), Seen::Pending));
        assert!(body.due.is_none(), "nothing is held back, so nothing is waited for");
    }
}

#[tokio::test]
async fn others_get_their_turn_amid_a_body_that_is_all_there() {
    let whole = vec![7; 8 * TURN];
    let mut body = compressed(Coding::Zstd, [Step::Data(whole.clone()), Step::End]);
    let (mut coded, mut turns) = (Vec::new(), 0);
    loop {
        match look(&mut body) {
            Seen::Data(bytes) => coded.extend(bytes),
            Seen::Pending => turns += 1,
            Seen::Error(error) => panic!("{error}"),
            Seen::End => break,
        }
    }
    assert!(decoded(Coding::Zstd, &coded) == whole);
    assert_eq!(turns, 8);
}
