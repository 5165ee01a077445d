//! The one reload: the new config whole, or the old one.

use std::sync::Arc;

use block::Naming;
use cache::{Caching, Lease, Rules};
use origin::Origins;
use terms::ruling::RuleOrigin;
use terms::{Networks, Trusted};

use super::feeds::{fetch_missing, forget_refused};
use super::house::pages_of;
use super::https;
use super::listeners::{ListenersError, Prepared};
use super::saves::Saved;
use super::{Parts, Source, limits_of, moved};
use crate::access_log::{self, AccessLogError};
use crate::admin::{self, Reload};
use crate::certificates::{CertificateError, Loaded};
use crate::config::{self, Meant, Written};
use crate::forward::steering;
use crate::geo::{self, DatabaseError};
use crate::quota::{self, Quota};
use crate::sites::{Admission, ByPath, Purging, Site, Sites, UnknownDigest};
use crate::telemetry::Telemetry;

/// A site that runs, from one that is meant. The ways to origins that did not change are kept, with their
/// connections; how an origin is, and who asked of late, in any case. `https` is the port of https.
pub(super) fn site_of(
    meant: &config::Site,
    telemetry: &Telemetry,
    everywhere: &Arc<Quota>,
    before: Option<&Site>,
    https: Option<u16>,
) -> Arc<Site> {
    let origins = Origins::new(meant.plan.clone(), before.map(|site| &site.origins));
    let here = before.map(|site| site.admission.here.clone()).unwrap_or_default();
    here.set(meant.limits);
    let routes = meant.routes.iter().map(|route| (route.path.clone(), origins.group(&route.shares)));
    Arc::new(Site {
        name: meant.name.clone(),
        hosts: meant.hosts.clone(),
        caching: Caching { lease: Lease::default(), rules: rules_of(meant), ..meant.caching.clone() },
        same_content: meant.same_content,
        spelling: meant.spelling.clone(),
        group: origins.group(&meant.shares),
        routes: ByPath::with_case(routes, meant.spelling.case()),
        origins,
        host_header: meant.host_header.clone(),
        redirects: meant.redirects.clone(),
        to_client: meant.to_client.clone(),
        to_origin: meant.to_origin.clone(),
        tunnel_timeout: meant.tunnel_timeout,
        hold_max: (meant.on_unknown_digest == UnknownDigest::Hold).then_some(meant.hold_max),
        pass_fields: meant.pass_fields.clone(),
        https: https.filter(|_| meant.redirect_to_https),
        forwarded: meant.forwarded,
        admission: Admission {
            allow: Networks::new(&meant.allow),
            deny: Networks::new(&meant.deny),
            everywhere: everywhere.clone(),
            here,
        },
        purging: Purging { allow: Networks::new(&meant.purging.allow), tokens: meant.purging.tokens.clone() },
        numbers: telemetry.site(&meant.name),
    })
}

/// What a field makes another request is not what is stored under its URL.
fn rules_of(meant: &config::Site) -> Arc<Rules> {
    if meant.pass_fields.is_empty() {
        return meant.caching.rules.clone();
    }
    let mut rules = Rules::clone(&meant.caching.rules);
    steering::bypass(&meant.pass_fields, &mut rules.bypass);
    Arc::new(rules)
}

/// What holds for requests to all sites. Connections are counted where they come in.
pub(super) fn everywhere_of(meant: &Meant) -> quota::Settings {
    quota::Settings { connections_per_address: None, ..meant.limits }
}

/// What a reload is made for.
pub(super) enum Occasion {
    Hangup,
    Wish(Reload),
    Saved(Saved),
}

/// On whose word a reload is made.
#[derive(Clone, Copy)]
enum Word {
    /// By HUP, command or API: all is read again, the lists as well.
    Operator { accept_shrink: bool },
    /// The config's file was saved.
    Save,
}

/// Keys whose change can't be taken while running; of `admin.tls`, whether there is any.
const NEED_RESTART: [&str; 12] = [
    "admin.listen",
    "admin.tls",
    "audit.client",
    "audit.high_water",
    "audit.on_pressure",
    "audit.segment_age",
    "audit.segment_size",
    "audit.sync",
    "audit.url_query",
    "audit.wait",
    "cache.memory",
    "state.dir",
];

/// Why the config of before stays in force, or why not all lists are.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Config(#[from] config::Errors),
    #[error("{0}")]
    Gone(String),
    #[error("a change of {} needs a restart", .0.join(", "))]
    Restart(Vec<String>),
    #[error(transparent)]
    Listeners(#[from] ListenersError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("lists that the config names now can't be used:\n{}", .0.join("\n"))]
    NewLists(Vec<String>),
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    #[error(transparent)]
    Geo(#[from] DatabaseError),
    #[error(
        "the rule at {0} holds in some countries alone, and nothing under [geo] would tell where clients are: lift such \
         rules first"
    )]
    Countries(RuleOrigin),
    #[error(transparent)]
    Hooks(#[from] hooks::HooksError),
    #[error("the config is in force, but not all lists; what was in force of these stays:\n{}", .0.join("\n"))]
    Lists(Vec<String>),
    #[error("the config is in force, but these feeds can't be fetched; what was in force of them stays:\n{}", .0.join("\n"))]
    Feeds(Vec<String>),
    #[error("a step of the reload failed: {0}")]
    Unfinished(#[from] tokio::task::JoinError),
}

/// What a reload came to.
struct Done {
    /// For the operator who asked: keys with their values, of before and now.
    shown: Vec<String>,
    /// For logs, evidence and hooks, which are read by others and kept: no value.
    told: Vec<String>,
}

/// A reload of which nothing can fail any more.
struct Ready {
    meant: Meant,
    listeners: Prepared,
    /// What the admin listener is to show.
    admin: Option<Loaded>,
    access: access_log::Prepared,
    geo: geo::Prepared,
}

impl Source {
    async fn read(&mut self) -> Result<Written, Refused> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || Written::read(&path)).await?;
        self.tried = written.as_ref().ok().map(Written::digest);
        Ok(written?)
    }
}

impl Parts {
    /// May be dropped before its end, if nothing but the end of all parts comes after.
    pub(super) async fn reload_on(&mut self, occasion: Occasion) {
        match occasion {
            // What came of it is in the log and the metrics.
            Occasion::Hangup => drop(self.reload(Word::Operator { accept_shrink: false }).await),
            Occasion::Wish(wish) => {
                let outcome = self.reload(Word::Operator { accept_shrink: wish.accept_shrink }).await;
                // The operator who asked may be gone.
                let _ = wish.reply.send(outcome);
            }
            Occasion::Saved(saved) => self.saved(saved).await,
        }
    }

    /// Reads config and lists again. Says what changed, or why nothing did.
    async fn reload(&mut self, word: Word) -> Result<Vec<String>, String> {
        let written = match &mut self.source {
            Some(source) => source.read().await.map(Some),
            None => Ok(None),
        };
        self.reload_from(written, word).await
    }

    /// The file was saved, or is gone.
    async fn saved(&mut self, saved: Saved) {
        let Some(source) = &mut self.source else { return };
        let digest = saved.as_ref().as_ref().ok().map(Written::digest);
        if source.tried != digest {
            source.tried = digest;
            let written = saved.as_ref().as_ref().map_err(|errors| Refused::Gone(errors.to_string()));
            let _ = self.reload_from(written.map(|written| Some(written.clone())), Word::Save).await;
        }
    }

    async fn reload_from(
        &mut self,
        written: Result<Option<Written>, Refused>,
        word: Word,
    ) -> Result<Vec<String>, String> {
        let outcome = match written {
            Ok(written) => self.try_reload(written, word).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(done) => {
                tracing::info!(changed = ?done.told, "reloaded");
                self.house.telemetry.set_reload_failed(None);
                Ok(done.shown)
            }
            Err(refused) => {
                let why = refused.to_string();
                match refused {
                    Refused::Lists(_) | Refused::Feeds(_) => tracing::error!("reloaded in part: {why}"),
                    _ => tracing::error!("not reloaded, the config of before stays in force: {why}"),
                }
                // A feed tells itself how it is, and is asked again without a reload.
                let lasts = !matches!(refused, Refused::Feeds(_));
                self.house.telemetry.set_reload_failed(lasts.then(|| why.clone()));
                Err(why)
            }
        }
    }

    async fn try_reload(&mut self, written: Option<Written>, word: Word) -> Result<Done, Refused> {
        let ready = self.prepare(written).await?;
        self.carry_out(ready, word).await
    }

    /// All that can fail.
    async fn prepare(&self, written: Option<Written>) -> Result<Ready, Refused> {
        let mut meant = match written {
            // Authorities and secrets are read with it.
            Some(written) => tokio::task::spawn_blocking(move || written.judge()).await??,
            None => self.meant.clone(),
        };
        if meant.admin.address == self.admin {
            meant.admin.address = self.meant.admin.address;
        }
        let changed = config::changes(&self.meant, &meant).into_iter().map(|change| change.key);
        let had_tls = self.meant.admin.tls.is_some();
        let keeps_tls = |key: &str| key == "admin.tls" && had_tls && meant.admin.tls.is_some();
        let restart: Vec<String> =
            changed.filter(|key| NEED_RESTART.contains(&key.as_str()) && !keeps_tls(key)).collect();
        if !restart.is_empty() {
            return Err(Refused::Restart(restart));
        }
        let names = https::self_signed_names(&meant);
        let load = |tls| self.house.certificates.load(tls, &names, &admin::PROTOCOLS);
        let admin = meant.admin.tls.as_ref().map(load).transpose()?;
        let listeners = self.listeners.prepare(&meant.edge.listeners, names)?;
        let missing = fetch_missing(&self.house.feeds, &meant.takedown.feeds).await;
        if !missing.is_empty() {
            return Err(Refused::NewLists(missing));
        }
        let (all, before) = (meant.takedown.lists.clone(), self.meant.takedown.lists.clone());
        let tells = meant.geo.tells();
        let (feeds, wanted) = (self.house.feeds.clone(), meant.takedown.feeds.clone());
        let check = move || {
            let checked = block::sources::check(&all, tells, |list| !before.contains(list));
            checked.inspect_err(|errors| forget_refused(&feeds, &wanted, errors))
        };
        let checked = tokio::task::spawn_blocking(check).await?;
        checked.map_err(|errors| Refused::NewLists(errors.iter().map(ToString::to_string).collect()))?;
        let geo = self.prepare_geo(meant.geo.clone()).await?;
        let (access, wanted) = (self.house.access.clone(), meant.log.clone());
        let access = tokio::task::spawn_blocking(move || access.prepare(&wanted)).await??;
        let (hooks, wanted) = (self.house.hooks.clone(), meant.hooks.clone());
        tokio::task::spawn_blocking(move || hooks.reconfigure(wanted)).await??;
        Ok(Ready { meant, listeners, admin, access, geo })
    }

    async fn prepare_geo(&self, wanted: geo::Settings) -> Result<geo::Prepared, Refused> {
        if !wanted.tells()
            && let Some(rule) = self.house.blocks.index().first_of_countries()
        {
            return Err(Refused::Countries(rule));
        }
        let geo = self.house.geo.clone();
        Ok(tokio::task::spawn_blocking(move || geo.prepare(&wanted)).await??)
    }

    /// Puts in force what is ready. While the sites of now take the place of those of before, the rules of
    /// both hold: what is blocked is never served from a site that comes, nor from one that goes.
    async fn carry_out(&mut self, ready: Ready, word: Word) -> Result<Done, Refused> {
        let Ready { meant, listeners, admin, access, geo } = ready;
        let changes = config::changes(&self.meant, &meant);
        let naming = match word {
            Word::Operator { accept_shrink } => Naming::Reload { accept_shrink },
            Word::Save => Naming::Config,
        };
        // A database that goes is of use until the sites are there that do without it.
        let (comes, goes) = if meant.geo.database.is_some() { (Some(geo), None) } else { (None, Some(geo)) };
        let mut has_moved = comes.is_some_and(|geo| self.house.geo.carry_out(geo));
        let asked = self.keep_feeds(&meant, matches!(word, Word::Operator { .. })).await;
        let (takedown, lists, tells) = (self.house.takedown.clone(), meant.takedown.lists.clone(), meant.geo.tells());
        let named = tokio::task::spawn_blocking(move || takedown.name_lists(&lists, tells, naming)).await?;
        self.follow_feeds(&meant).await;
        let mut did = asked.fetched;
        did.extend(named.taken);
        let sites = self.sites(&meant, https::port(&meant, &listeners.addresses()));
        did.extend(self.move_to(sites).await?);
        has_moved |= goes.is_some_and(|geo| self.house.geo.carry_out(geo));
        if has_moved {
            let takedown = self.house.takedown.clone();
            tokio::task::spawn_blocking(move || takedown.places_changed()).await?;
        }
        self.sweep_feeds().await;
        self.house.access.carry_out(access);
        self.house.cache.set_max_object(meant.cache.max_object);
        self.house.quota.set(everywhere_of(&meant));
        self.edge.set_limits(limits_of(&meant));
        self.house.witness.set_pages(pages_of(&meant, &self.node, self.house.shelf.clone()));
        did.extend(self.listeners.carry_out(listeners, &self.edge, meant.edge.drain));
        if let Some(loaded) = admin {
            self.house.certificates.show(self.admin, loaded);
        }
        self.meant = meant;
        let done = Done {
            shown: changes.iter().map(ToString::to_string).chain(did.iter().cloned()).collect(),
            told: changes.iter().map(config::Change::place).chain(did).collect(),
        };
        let (takedown, told) = (self.house.takedown.clone(), done.told.clone());
        tokio::task::spawn_blocking(move || takedown.reloaded(&told)).await?;
        in_part(named.refused, asked.failed).map_or(Ok(done), Err)
    }

    /// Puts other sites in force, and lets go of the lists and the copies that were for those of before.
    async fn move_to(&self, sites: Sites) -> Result<Vec<String>, Refused> {
        let (takedown, kin) = (self.house.takedown.clone(), sites.kin());
        tokio::task::spawn_blocking(move || takedown.set_kin(kin)).await?;
        let now = Arc::new(sites);
        let before = self.house.gateway.set_sites(now.clone());
        let (takedown, cache) = (self.house.takedown.clone(), self.house.cache.clone());
        let let_go = move || {
            let purged = moved::purge(&before, &now, &cache);
            let mut did = takedown.let_go();
            if purged.objects > 0 {
                did.push(format!("cache: copies of hosts that are served otherwise now, purged: {}", purged.objects));
            }
            did
        };
        Ok(tokio::task::spawn_blocking(let_go).await?)
    }

    /// A site of which nothing changed stays the very same.
    fn sites(&self, meant: &Meant, https: Option<u16>) -> Sites {
        let before = self.house.gateway.sites();
        let meant_before = |name: &str| self.meant.sites.iter().find(|site| *site.name == *name);
        let site = |meant: &config::Site| {
            let before = before.all().iter().find(|site| site.name == meant.name);
            match (before, meant_before(&meant.name)) {
                (Some(site), Some(same)) if config::is_same_site(same, meant) && is_found_at(site, https) => {
                    site.clone()
                }
                _ => site_of(meant, &self.house.telemetry, &self.house.quota, before.map(Arc::as_ref), https),
            }
        };
        let sites = meant.sites.iter().map(site).collect();
        Sites::new(sites, trusted_of(meant))
    }
}

/// Whose word on clients is believed.
pub(super) fn trusted_of(meant: &Meant) -> Trusted {
    Trusted { proxies: Networks::new(&meant.edge.trusted_proxies), country: meant.geo.header.clone() }
}

/// What of a reload was not taken: lists, and feeds that can't be fetched.
fn in_part(lists: Vec<String>, feeds: Vec<String>) -> Option<Refused> {
    match (lists.is_empty(), feeds.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Refused::Feeds(feeds)),
        (false, _) => Some(Refused::Lists([lists, feeds].concat())),
    }
}

/// Whether a site sends clients to this port of https, if it sends them to any.
fn is_found_at(site: &Site, https: Option<u16>) -> bool {
    site.https.is_none() || site.https == https
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_are_keys() {
        let text = "[[site]]\nhosts = [\"*\"]\norigin = \"http://127.0.0.1:3000\"\n";
        let path = std::path::Path::new("seawall.toml");
        let whole = config::in_force(&config::parse(text, path, path).unwrap());
        for key in NEED_RESTART {
            assert!(whole.pointer(&format!("/{}", key.replace('.', "/"))).is_some(), "{key}");
        }
    }
}
