//! The one reload: the new config whole, or the old one.

use std::sync::Arc;

use origin::Origin;

use super::house::pages_of;
use super::{Parts, limits_of};
use crate::config::{self, Meant};
use crate::sites::{Site, Sites};
use crate::telemetry::Telemetry;

/// A site that runs, from one that is meant. The way to an origin that did not change is kept, with its
/// connections.
pub(super) fn site_of(meant: &config::Site, telemetry: &Telemetry, before: Option<&Site>) -> Arc<Site> {
    let origin = match before {
        Some(site) if *site.origin.settings() == meant.origin => site.origin.clone(),
        _ => Origin::new(meant.origin.clone()),
    };
    Arc::new(Site {
        name: meant.name.clone(),
        hosts: meant.hosts.clone(),
        caching: meant.caching.clone(),
        origin,
        pass_fields: meant.pass_fields.clone(),
        numbers: telemetry.site(&meant.name),
    })
}

impl Parts {
    /// Reads config and lists again. Says what changed, or why nothing did.
    pub(super) async fn reload(&mut self, accept_shrink: bool) -> Result<Vec<String>, String> {
        let outcome = self.try_reload(accept_shrink).await;
        self.house.telemetry.set_reload_failed(outcome.is_err());
        match &outcome {
            Ok(changed) => tracing::info!(?changed, "reloaded"),
            Err(error) => tracing::error!("not reloaded, the config of before stays in force: {error}"),
        }
        outcome
    }

    async fn try_reload(&mut self, accept_shrink: bool) -> Result<Vec<String>, String> {
        let meant = match &self.source {
            Some(source) => config::load(source).map_err(|errors| errors.to_string())?,
            None => self.meant.clone(),
        };
        let restart = needs_restart(&self.meant, &meant);
        if !restart.is_empty() {
            return Err(format!("a change of {} needs a restart", restart.join(", ")));
        }
        let (takedown, lists) = (self.house.takedown.clone(), meant.takedown.lists.clone());
        let mut changed = tokio::task::spawn_blocking(move || takedown.reload_lists(&lists, accept_shrink))
            .await
            .map_err(|error| error.to_string())??;
        let before = self.house.gateway.sites();
        let named = |name: &str| before.all().iter().find(|site| &*site.name == name);
        let sites =
            meant.sites.iter().map(|site| site_of(site, &self.house.telemetry, named(&site.name).map(Arc::as_ref)));
        self.house.gateway.set_sites(Sites::new(sites.collect()));
        self.edge.set_limits(limits_of(&meant));
        self.house.witness.set_pages(pages_of(&meant, &self.node));
        self.house.hooks.reconfigure(meant.hooks.clone()).map_err(|error| error.to_string())?;
        changed.push(format!("sites: {}", meant.sites.len()));
        changed.push(format!("hooks: {}", meant.hooks.len()));
        self.meant = meant;
        self.house.takedown.reloaded(&changed);
        Ok(changed)
    }
}

/// Keys whose change can't be taken while running.
fn needs_restart(old: &Meant, new: &Meant) -> Vec<&'static str> {
    [
        ("edge.listen", old.edge.listeners != new.edge.listeners),
        ("admin.listen", old.admin != new.admin),
        ("cache", old.cache.memory != new.cache.memory || old.cache.max_object != new.cache.max_object),
        ("state.dir", old.state != new.state),
        ("audit", old.audit != new.audit),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}
