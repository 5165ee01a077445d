//! What operators expect to know of any process, by the names that Prometheus' own libraries use.

use std::fmt;
use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use terms::Timestamp;

use super::names::{Named, Names};

/// This process.
pub struct Process {
    started: Timestamp,
}

impl Process {
    pub fn started(at: Timestamp) -> Process {
        Process { started: at }
    }
}

impl Named for Process {
    fn name(&self, names: &mut Names<'_>) -> fmt::Result {
        let build =
            [("version", env!("CARGO_PKG_VERSION")), ("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)];
        names.gauges("seawall_build_info", "Always 1; the labels say what runs", [(build, 1)])?;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        names.seconds_counter("process_cpu_seconds", "CPU time used, in user space and in the kernel", cpu)?;
        let started = self.started.micros() as f64 / 1e6;
        names.seconds("process_start_time_seconds", "When it started, since 1970-01-01 UTC", started)?;
        if let Some(most) = getrlimit(Resource::Nofile).current {
            names.gauge("process_max_fds", "File descriptors that it may hold", most)?;
        }
        // What follows is in /proc, which not every system has.
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Less the one that is read from.
            names.gauge(
                "process_open_fds",
                "File descriptors that it holds",
                (open.count() as u64).saturating_sub(1),
            )?;
        }
        let Ok(status) = fs::read_to_string("/proc/self/status") else { return Ok(()) };
        for (key, name, help) in [
            ("VmRSS:", "process_resident_memory_bytes", "Memory that it has in RAM"),
            ("VmSize:", "process_virtual_memory_bytes", "Memory that it has addresses for"),
        ] {
            if let Some(bytes) = bytes_of(&status, key) {
                names.gauge(name, help, bytes)?;
            }
        }
        Ok(())
    }
}

/// A line such as `VmRSS: 1234 kB`, with blanks between.
fn bytes_of(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::bytes_of;

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        let status = "Name:\tseawall\nVmPeak:\t     200 kB\nVmRSS:\t    1234 kB\nThreads:\t3\n";
        assert_eq!(bytes_of(status, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(bytes_of(status, "VmSize:"), None);
        assert_eq!(bytes_of(status, "Threads:"), None);
    }
}
