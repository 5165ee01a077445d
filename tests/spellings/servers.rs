//! Real servers of files behind the edge: nginx and Apache, as Debian packages them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{Client, HOST, Port, until};

/// A server that runs until it goes out of scope.
pub struct Server {
    pub name: &'static str,
    pub port: Port,
    child: Child,
    _folder: tempfile::TempDir,
}

/// Files: the path, decoded, and what is in it.
type Files<'f> = &'f [(&'f str, &'f str)];

/// nginx as it comes.
pub fn nginx(files: Files<'_>) -> Server {
    Server::start("nginx", "nginx", |folder, port| configure_nginx(folder, port, ""), files)
}

/// nginx that hands these out whatever the case of letters.
pub fn nginx_ignoring_case(files: Files<'_>, ignoring: &[&str]) -> Server {
    let location = |path: &&str| {
        let pattern: String =
            path.chars().map(|c| if c.is_alphanumeric() { c.into() } else { format!("[{c}]") }).collect();
        format!("location ~* \"^{pattern}/?$\" {{ rewrite ^ \"{path}\" break; }}\n")
    };
    let locations: String = ignoring.iter().map(location).collect();
    Server::start("nginx, ignoring case", "nginx", |folder, port| configure_nginx(folder, port, &locations), files)
}

/// Apache as liberal as it can be: encoded slashes are slashes.
pub fn apache(files: Files<'_>) -> Server {
    Server::start("apache", "apache2", |folder, port| configure_apache(folder, port, "On"), files)
}

/// Apache to which an encoded slash is a part of a name, as `;x` is to it in any case.
pub fn apache_telling_apart(files: Files<'_>) -> Server {
    let configure = |folder: &Path, port: &Port| configure_apache(folder, port, "NoDecode");
    Server::start("apache, telling apart", "apache2", configure, files)
}

impl Server {
    fn start(
        name: &'static str,
        program: &str,
        configure: impl Fn(&Path, &Port) -> Vec<String>,
        files: Files<'_>,
    ) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let www = folder.path().join("www");
        for (path, text) in files {
            let file = www.join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        // The servers' workers run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = Port::reserve();
        let arguments = configure(folder.path(), &port);
        let log = fs::File::create(folder.path().join("says")).unwrap();
        let started = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child =
            started.unwrap_or_else(|error| panic!("{program}: {error}; tests/outside/spellings.sh installs it"));
        let mut server = Server { name, port, child, _folder: folder };
        until("the server's answer", || server.answers().then_some(()));
        server
    }

    /// What it says without an edge.
    pub fn straight(&self, target: &str) -> String {
        Client::connect(self.port.address).get(HOST, target).text()
    }

    fn answers(&mut self) -> bool {
        if let Some(status) = self.child.try_wait().unwrap() {
            let says = fs::read_to_string(self._folder.path().join("says")).unwrap_or_default();
            panic!("{} ended with {status}:\n{says}", self.name);
        }
        Client::try_connect(self.port.address).is_some_and(|mut client| client.get(HOST, "/").status > 0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Told to end, it ends its workers too.
        let id = rustix::process::Pid::from_raw(self.child.id() as i32).expect("a process has an id");
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn configure_nginx(folder: &Path, port: &Port, locations: &str) -> Vec<String> {
    let at = folder.display();
    let config = format!(
        "daemon off; pid {at}/pid; error_log {at}/log crit; worker_processes 1;
         events {{ worker_connections 64; }}
         http {{
             access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
             fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
             server {{ listen {}; root {at}/www; keepalive_requests 1000000;
                 {locations} }}
         }}\n",
        port.address
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    vec!["-c".into(), file.display().to_string(), "-e".into(), "stderr".into()]
}

fn configure_apache(folder: &Path, port: &Port, encoded_slashes: &str) -> Vec<String> {
    let at = folder.display();
    let modules = "/usr/lib/apache2/modules";
    let config = format!(
        "ServerRoot {at}\nServerName photos.example\nListen {}\nPidFile {at}/pid\nErrorLog {at}/log\n
         LoadModule mpm_event_module {modules}/mod_mpm_event.so
         LoadModule authz_core_module {modules}/mod_authz_core.so
         LoadModule dir_module {modules}/mod_dir.so
         DocumentRoot {at}/www\nAllowEncodedSlashes {encoded_slashes}\nKeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60
         HttpProtocolOptions Unsafe\n<Directory {at}/www>\nRequire all granted\n</Directory>\n",
        port.address
    );
    let file = folder.join("apache.conf");
    fs::write(&file, config).unwrap();
    vec!["-f".into(), file.display().to_string(), "-DFOREGROUND".into()]
}
