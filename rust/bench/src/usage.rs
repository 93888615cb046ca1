//! CPU time of a process and its descendants, of this process, and of the machine, from /proc.

use std::fs;

/// `USER_HZ`, which is the same on every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

struct Process {
    id: u32,
    parent: u32,
    cpu_s: f64,
    threads: u64,
}

/// What has been used up to now.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub server_cpu_s: f64,
    pub server_threads: u64,
    pub client_cpu_s: f64,
    pub idle_cpu_s: f64,
}

impl Usage {
    pub fn now(server: u32) -> Self {
        let all = processes();
        let (mut tree, mut usage) = (vec![server], Self::default());
        while let Some(id) = tree.pop() {
            tree.extend(all.iter().filter(|process| process.parent == id).map(|process| process.id));
            for process in all.iter().filter(|process| process.id == id) {
                usage.server_cpu_s += process.cpu_s;
                usage.server_threads += process.threads;
            }
        }
        let own = std::process::id();
        usage.client_cpu_s = all.iter().filter(|p| p.id == own).map(|p| p.cpu_s).sum();
        usage.idle_cpu_s = idle();
        usage
    }
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| parse(&fs::read_to_string(entry.path().join("stat")).ok()?)).collect()
}

/// proc(5), /proc/pid/stat: the name in parentheses may contain anything; fields are counted from the one after it.
fn parse(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Process {
        id: id.parse().ok()?,
        parent: number(4)? as u32,
        cpu_s: (number(14)? + number(15)?) as f64 / TICKS_PER_SECOND,
        threads: number(20)?,
    })
}

/// Idle time of all cores together, waiting for disks included.
fn idle() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first: Vec<f64> =
        stat.lines().next().unwrap_or("").split_ascii_whitespace().filter_map(|f| f.parse().ok()).collect();
    first.iter().skip(3).take(2).sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 7 0 0 0 0 0 0 0 0 0 150 50 0 0 20 0 9 0 0";
        let process = parse(stat).unwrap();
        assert_eq!((process.id, process.parent, process.threads), (42, 7, 9));
        assert!((process.cpu_s - 2.0).abs() < 1e-9);
    }
}
