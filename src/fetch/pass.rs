//! What is never stored: it goes past the cache, and what is stored learns of it.

use std::sync::Arc;

use block::Clearance;
use cache::coding::accept_decodable;
use cache::policy::directives::ResponseDirectives;
use cache::{Aim, Force, Forward, KeyRules, Pass, ReplyHead};
use http::{HeaderMap, Method, StatusCode, header};
use origin::{Handshake, Reply};
use terms::url::Scheme;
use terms::wire::fields::tokens;
use terms::wire::range::Ranges;
use terms::{Answer, Ask, Body, CacheUse, Moment, Refusal, Url};

use super::Fetcher;
use crate::compress::Wish;
use crate::forward::{self, steering};
use crate::passage::{self, Judge, Passage};
use crate::sites::Site;

impl Fetcher {
    /// Sends a request past the cache.
    pub async fn pass(
        &self,
        site: &Site,
        ask: &Ask,
        url: &Arc<Url>,
        clearance: Clearance,
        body: Body,
        pass: Pass,
    ) -> Result<Answer, Refusal> {
        let fields = self.passed_fields(ask);
        let mut request = forward::request(ask, url, fields, body, site, self.witness.via());
        origin::relay_interim(&mut request, ask.voice.clone());
        let (asks_part, origins) = (request.headers().contains_key(header::RANGE), site.group(url));
        let purges = (ask.method == Method::POST).then(|| self.cache.purges());
        let sent = self.clock.now();
        let reply = match ask.present.tunnel {
            false => origins.exchange(request).await?,
            true => match origins.tunnel(request).await? {
                Handshake::Refused(reply) => reply,
                Handshake::Agreed(agreed) => {
                    let cache_status = pass.cache_status(StatusCode::SWITCHING_PROTOCOLS);
                    return Ok(passage::tunnel(agreed, site.tunnel_timeout, cache_status, self.witness.via()));
                }
            },
        };
        let own = self.invalidate(site, ask, url, reply.status, &reply.fields);
        if reply.status == StatusCode::PARTIAL_CONTENT && !asks_part {
            return Err(Refusal::OriginBroken(cache::UNASKED_PART.into()));
        }
        self.note(site, ask, url, pass, &reply, sent);
        let told = (reply.status, &reply.fields);
        if let Some(fill) = purges.and_then(|at| self.cache.fill_by_post(ask, url, told, &site.caching, at + own)) {
            return Box::pin(self.store(site, ask, fill, clearance, reply, sent)).await;
        }
        let (cache_status, to_head) = (pass.cache_status(reply.status), ask.method == Method::HEAD);
        let passage = Passage { to_head, cache: CacheUse::Pass, fill: None, cache_status };
        let judge = Judge { remembers: tells_of_url(ask, &reply.fields), ..self.judge(url, clearance) };
        let mut answer = passage.answer(reply, judge, self.witness.via());
        answer.departures.add(pass.departures());
        let answer = match Wish::of(ask, &site.caching, &self.cache, || self.judge(url, clearance)) {
            Some(wish) => wish.fulfil_passed(ask, answer),
            None => answer,
        };
        self.hold(site).hold(answer).await
    }

    /// What passes tells something of what is stored, or could be.
    fn note(&self, site: &Site, ask: &Ask, url: &Arc<Url>, pass: Pass, reply: &Reply, sent: Moment) {
        if !pass.is_part() && ask.method != Method::HEAD {
            return;
        }
        let fields = forward::reply(reply.fields.clone(), reply.version, self.witness.via());
        let head = ReplyHead { status: reply.status, fields };
        let (name, caching, now) = (site.caching.rules.key.name(ask, url), &site.caching, self.clock.now());
        match pass.is_part() {
            true => self.cache.saw_part(ask, &name, head, caching, now),
            // What was asked under a condition is answered by it.
            false if pass.why != Forward::Bypass && !ask.present.conditions => {
                self.cache.saw_head(ask, &name, &head, caching, sent, now)
            }
            false => {}
        }
    }

    /// What an unsafe method changed is taken out: RFC 9111 section 4.4, RFC 9875 section 3.
    /// Says of how many URLs.
    fn invalidate(&self, site: &Site, ask: &Ask, url: &Arc<Url>, status: StatusCode, fields: &HeaderMap) -> u64 {
        let method = steering::method(&site.pass_fields, ask);
        if method.is_safe() {
            return 0;
        }
        self.cache.invalidate_groups(url, fields);
        if !cache::policy::invalidates(&method, status) {
            return 0;
        }
        let (key, scheme) = (&site.caching.rules.key, ask.client.scheme);
        // It was judged by these, so that they can be named.
        let mut others = steering::other_urls(&site.pass_fields, ask, url).unwrap_or_default();
        others.extend(cache::policy::also_invalidated(url, scheme, fields).into_iter().map(Arc::new));
        self.forget(key, scheme, url);
        others.iter().for_each(|other| self.forget(key, scheme, other));
        1 + others.len() as u64
    }

    /// What is forwarded of a request's fields: `Range` only if it is one that counts, which it does with GET alone
    /// (RFC 9110 section 14.2), and not where a rule asks for a digest, which is of the whole.
    fn passed_fields(&self, ask: &Ask) -> HeaderMap {
        let mut fields = ask.fields.clone();
        let asks_digests = self.blocks.has_digest_rules();
        if ask.present.range && (ask.method != Method::GET || asks_digests || Ranges::read(&fields).is_none()) {
            fields.remove(header::RANGE);
            fields.remove(header::IF_RANGE);
        }
        if asks_digests {
            accept_decodable(&mut fields);
        }
        fields
    }

    /// Takes out what is stored of a URL, whatever else tells it apart.
    fn forget(&self, key: &KeyRules, scheme: Scheme, url: &Arc<Url>) {
        let name = key.named(scheme, url);
        self.blocks.forget(&name);
        match key.cookies.is_empty() {
            true => self.cache.invalidate(&name),
            false => self.cache.purge(&Aim::Same(&name, &|one, other| one == other), Force::Hard),
        };
    }
}

/// What is said to one client, or to a request that is no question, tells nothing of the URL.
fn tells_of_url(ask: &Ask, fields: &HeaderMap) -> bool {
    ask.is_get_or_head() && !ask.present.authorization && is_for_all(fields)
}

/// Whether who asks next may be answered with the same, as far as the origin says.
pub(super) fn is_for_all(fields: &HeaderMap) -> bool {
    let is_by_coding = |name: &str| name.eq_ignore_ascii_case("accept-encoding");
    !ResponseDirectives::hint_at_one_client(fields) && tokens(fields, &header::VARY).all(is_by_coding)
}
