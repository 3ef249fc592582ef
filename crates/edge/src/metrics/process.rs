//! The process and the machine under it: memory, CPU, start time, open files.
//!
//! Linux only beyond CPU and start time; elsewhere those series are absent rather than wrong.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::sample::{Sample, encode};

#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
        Self { started }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut samples = vec![Sample::gauge("process_start_time_seconds", "When the process started", self.started)];
        let mut add = |name, help, value: Option<f64>| {
            samples.extend(value.map(|value| Sample::gauge(name, help, value)));
        };
        add("process_resident_memory_bytes", "Memory of the process in RAM", resident_bytes());
        // Labels equal to those of the line above (none): the seed divides one by the other.
        add("node_memory_total_bytes", "Memory that the machine or the container has", total_bytes());
        add("node_cpu_cores", "Cores that the machine or the container has", cores());
        add("process_open_fds", "Open files and sockets", open_files());
        samples.extend(cpu_seconds().map(|value| Sample::counter("process_cpu_seconds_total", "CPU time used", value)));
        encode(&samples, encoder)
    }
}

fn resident_bytes() -> Option<f64> {
    kilobytes_of(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The machine's memory, or the container's share where that is less.
fn total_bytes() -> Option<f64> {
    let machine = kilobytes_of(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let share = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<f64>().ok());
    Some(share.map_or(machine, |share| share.min(machine)))
}

/// Whole ones; a container's share is rounded up.
fn cores() -> Option<f64> {
    std::thread::available_parallelism().ok().map(|cores| cores.get() as f64)
}

fn kilobytes_of(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kilobytes| kilobytes * 1024.0)
}

fn open_files() -> Option<f64> {
    // The listing itself holds one more.
    std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64)
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}
