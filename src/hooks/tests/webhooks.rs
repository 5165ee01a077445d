//! Servers that are told, by POST.

use std::collections::HashMap;
use std::sync::Mutex as Lock;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use net::Target;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::settings::Webhook;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A request as the server got it.
#[derive(Clone, Debug)]
struct Told {
    line: String,
    fields: HashMap<String, String>,
    body: Vec<u8>,
}

impl Told {
    /// Whether one of its signatures is right under this secret.
    fn is_signed_with(&self, secret: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signed = [self.fields["webhook-id"].as_bytes(), self.fields["webhook-timestamp"].as_bytes(), &self.body];
        let signed = signed.join(&b"."[..]);
        let signatures = self.fields["webhook-signature"].split(' ').map(|one| one.strip_prefix("v1,").unwrap());
        signatures.map(|one| STANDARD.decode(one).unwrap()).any(|tag| hmac::verify(&key, &signed, &tag).is_ok())
    }
}

/// A server that gives these answers, the last one again and again.
struct Desk {
    port: u16,
    told: Arc<Lock<Vec<Told>>>,
}

impl Desk {
    async fn answering(answers: &'static [&'static str]) -> Desk {
        Desk::start(answers, None).await
    }

    async fn start(answers: &'static [&'static str], tls: Option<TlsAcceptor>) -> Desk {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told: Arc<Lock<Vec<Told>>> = Arc::default();
        let ours = told.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => hear(stream, answers, &ours).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => hear(stream, answers, &ours).await,
                        Err(_) => continue,
                    },
                }
            }
        });
        Desk { port, told }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

async fn hear(stream: impl AsyncRead + AsyncWrite + Unpin, answers: &[&str], told: &Lock<Vec<Told>>) {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let fields: HashMap<String, String> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; fields["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let turn = {
        let mut told = told.lock().unwrap();
        told.push(Told { line: lines.remove(0), fields, body });
        told.len() - 1
    };
    let answer = answers[turn.min(answers.len() - 1)];
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.flush().await;
    if answer.is_empty() {
        // Says nothing, for as long as anybody listens.
        let _ = stream.read(&mut [0]).await;
    }
}

impl Bench {
    fn webhook(&self, url: &str) -> Webhook {
        let secret_file = self.path("desk.secret");
        if !secret_file.exists() {
            fs::write(&secret_file, "the first secret").unwrap();
        }
        Webhook { target: Target::parse(url).unwrap(), secret_file, ca_file: None }
    }

    fn telling(&self, desk: &Desk) -> Hook {
        self.told_by("desk", Call::Webhook(self.webhook(&format!("http://127.0.0.1:{}/told?x=1", desk.port))))
    }
}

fn enqueue(hooks: &Hooks) {
    hooks.enqueue("r-1.17", "block-added", START, &json!({"id": "r-1"})).unwrap();
}

#[tokio::test]
async fn a_server_gets_the_signed_event() {
    let bench = Bench::new();
    let desk = Desk::answering(&[OK]).await;
    let hooks = bench.open(vec![bench.telling(&desk)], stubborn());
    enqueue(&hooks);
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    until("its file goes", || bench.waiting("desk") == 0).await;
    let told = desk.told().remove(0);
    assert_eq!(told.line, "POST /told?x=1 HTTP/1.1");
    assert_eq!(told.fields["host"], format!("127.0.0.1:{}", desk.port));
    assert_eq!(told.fields["content-type"], "application/json");
    assert_eq!(told.fields["webhook-timestamp"], START.secs().to_string());
    assert!(!told.fields["webhook-id"].contains('.'), "{told:?}");
    assert!(told.is_signed_with(b"the first secret") && !told.is_signed_with(b"another"));
    let body: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(body, json!({"type": "block-added", "timestamp": "2026-09-21T14:13:20.000000Z", "data": {"id": "r-1"}}));
}

#[tokio::test]
async fn what_is_no_success_is_tried_again_under_the_same_id() {
    let bench = Bench::new();
    let answers = &[
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 9999\r\nContent-Length: 0\r\n\r\n",
        "no HTTP at all\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ];
    let desk = Desk::answering(answers).await;
    let hooks = bench.open(vec![bench.telling(&desk)], quick());
    enqueue(&hooks);
    until("a second failure", || read(&hooks.numbers().failed) >= 2).await;
    bench.clock.advance(Duration::from_secs(5));
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    let told = desk.told();
    assert_eq!((told.len(), read(&hooks.numbers().failed)), (5, 4));
    assert!(told.iter().all(|one| one.line == told[0].line), "no redirect is followed: {told:#?}");
    assert!(told.iter().all(|one| one.fields["webhook-id"] == told[0].fields["webhook-id"]));
    assert!(told.iter().all(|one| one.is_signed_with(b"the first secret")));
    let last = &told[4].fields["webhook-timestamp"];
    assert_eq!(*last, (START.secs() + 5).to_string(), "the time is that of the attempt");
}

#[tokio::test]
async fn one_that_wants_no_more_is_left_alone_until_a_reload() {
    let bench = Bench::new();
    let desk = Desk::answering(&["HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", OK]).await;
    let hooks = bench.open(vec![bench.telling(&desk), bench.hook("other", "exit 1")], quick());
    enqueue(&hooks);
    hooks.enqueue("r-2", "block-added", START, &json!({"id": "r-2"})).unwrap();
    until("many failures of a hook that is only broken", || read(&hooks.numbers().failed) > 12).await;
    assert_eq!(desk.told().len(), 1);
    hooks.reconfigure(vec![bench.telling(&desk)]).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 2).await;
}

#[tokio::test]
async fn one_that_never_answers_is_given_up() {
    let bench = Bench::new();
    let desk = Desk::answering(&[""]).await;
    let pace = Pace { timeout: Duration::from_millis(200), ..stubborn() };
    let hooks = bench.open(vec![bench.telling(&desk)], pace);
    enqueue(&hooks);
    until("a failure", || read(&hooks.numbers().failed) == 1).await;
    assert_eq!((desk.told().len(), bench.waiting("desk")), (1, 1));
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let bench = Bench::new();
    let desk = Desk::answering(&["HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nthe first of many"]).await;
    let hooks = bench.open(vec![bench.telling(&desk)], stubborn());
    enqueue(&hooks);
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
}

#[tokio::test]
async fn a_secret_is_changed_without_a_reload() {
    let bench = Bench::new();
    let desk = Desk::answering(&["HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"]).await;
    let hooks = bench.open(vec![bench.telling(&desk)], quick());
    enqueue(&hooks);
    until("a failure", || read(&hooks.numbers().failed) >= 1).await;
    fs::write(bench.path("desk.new"), "the second secret\nthe first secret\n").unwrap();
    fs::rename(bench.path("desk.new"), bench.path("desk.secret")).unwrap();
    until("a signature with both", || {
        let told = desk.told();
        let last = told.last().unwrap();
        last.is_signed_with(b"the second secret") && last.is_signed_with(b"the first secret")
    })
    .await;
}

#[tokio::test]
async fn without_its_secret_nothing_is_sent() {
    let bench = Bench::new();
    let desk = Desk::answering(&[OK]).await;
    let hook = bench.telling(&desk);
    fs::remove_file(bench.path("desk.secret")).unwrap();
    let hooks = bench.open(vec![hook], quick());
    enqueue(&hooks);
    until("failures", || read(&hooks.numbers().failed) >= 2).await;
    assert!(desk.told().is_empty());
    fs::write(bench.path("desk.secret"), "the first secret").unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
}

#[tokio::test]
async fn only_a_server_that_is_vouched_for_is_told() {
    let bench = Bench::new();
    let made = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (bench.path(&format!("{name}.pem")), bench.path(&format!("{name}.key")));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    };
    let ((certificate, key), (other, _)) = (made("desk"), made("other"));
    let pair = net::tls::PairFiles { cert: certificate.clone(), key }.load().unwrap();
    let tls = net::tls::Server::new(&[b"http/1.1"], &[pair]).unwrap().config();
    let desk = Desk::start(&[OK], Some(tls.into())).await;
    let vouched_by = |ca_file: &Path| {
        let webhook = bench.webhook(&format!("https://127.0.0.1:{}/", desk.port));
        bench.told_by("desk", Call::Webhook(Webhook { ca_file: Some(ca_file.to_owned()), ..webhook }))
    };
    let hooks = bench.open(vec![vouched_by(&other)], stubborn());
    enqueue(&hooks);
    until("a failure", || read(&hooks.numbers().failed) == 1).await;
    assert!(desk.told().is_empty());
    hooks.reconfigure(vec![vouched_by(&certificate)]).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    assert!(desk.told()[0].is_signed_with(b"the first secret"));
}
