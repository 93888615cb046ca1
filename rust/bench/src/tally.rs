//! Counts and latencies of the measured window.

/// Width of a class of latencies, and how many there are; the last holds everything above.
const CLASS_NS: u64 = 20_000;
const CLASSES: usize = 50_000;

/// Send times that count. Publishers and subscribers apply the same interval to the same stamps, so that packets
/// under way at its ends are no loss.
#[derive(Clone, Copy, Default)]
pub struct Window {
    pub start_ns: u64,
    pub end_ns: u64,
}

impl Window {
    pub fn contains(&self, ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&ns)
    }
}

pub struct Tally {
    pub window: Window,
    pub received: u64,
    pub repaired: u64,
    pub reordered: u64,
    pub arrived: u64,
    pub retransmitted: u64,
    pub padding: u64,
    pub refused: u64,
    pub unopened: u64,
    latencies: Vec<u32>,
}

impl Tally {
    pub fn new(window: Window) -> Self {
        Self {
            window,
            received: 0,
            repaired: 0,
            reordered: 0,
            arrived: 0,
            retransmitted: 0,
            padding: 0,
            refused: 0,
            unopened: 0,
            latencies: vec![0; CLASSES],
        }
    }

    pub fn latency(&mut self, ns: u64) {
        self.latencies[((ns / CLASS_NS) as usize).min(CLASSES - 1)] += 1;
    }

    /// Milliseconds below which a share of the latencies lies.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let total: u64 = self.latencies.iter().map(|count| u64::from(*count)).sum();
        let (rank, mut below) = ((total as f64 * share) as u64, 0);
        let class = self.latencies.iter().position(|count| {
            below += u64::from(*count);
            below > rank
        });
        class.map_or(0.0, |class| (class as u64 * CLASS_NS) as f64 / 1e6)
    }
}
