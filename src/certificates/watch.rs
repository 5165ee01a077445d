//! Looking when there is reason to.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{Lookout, Next, Trail};

use super::Certificates;

/// Takes what changes in the files of all certificates, until what it returns is dropped.
pub fn watch(certificates: Arc<Certificates>) -> std::io::Result<Lookout> {
    let (bell, folders) = (certificates.bell.clone(), certificates.folders());
    disk::look_on("certificates", bell, folders, move |_| {
        let again_in = certificates.look();
        Next { folders: certificates.folders(), again_in, took: false }
    })
}

impl Certificates {
    fn folders(&self) -> BTreeSet<PathBuf> {
        let files = self.files();
        let paths = files.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        paths.flat_map(|path| Trail::of(path).folders()).collect()
    }
}
