//! How the memory for flows is handed out to the shards: by what each of them used a fixed number of
//! chunks ago, so that it is the same for any number of threads.
//!
//! One busy pair of addresses (a proxy, a load balancer) lies in one shard. A fixed sixteenth for each
//! would evict its flows while most of the memory lies idle.

use std::collections::VecDeque;

use crate::base::limits::SHARDS;

/// Chunks between the use that is looked at and the chunk that a share is for. No more chunks than
/// this may be under way at one time, so that what is looked at is always known.
pub const LAG: usize = 16;

/// Bytes that the flows of one chunk may add at the most: a frame of 60 bytes with its record header
/// may begin a flow, and a flow with its parser takes some 800 bytes.
const GROWTH_PER_CHUNK: usize = 10 << 20;

/// Hands out the memory of one run.
#[derive(Debug)]
pub struct Shares {
    total: usize,
    /// Bytes that each shard used after a chunk; the front is the oldest that is still needed.
    used: VecDeque<[usize; SHARDS]>,
    /// Chunks that have been handed a share.
    begun: usize,
}

impl Shares {
    /// So many bytes for all shards together.
    pub const fn new(total: usize) -> Self {
        Self { total, used: VecDeque::new(), begun: 0 }
    }

    /// Takes note of what each shard used after a chunk. Chunks must come in order.
    pub fn note(&mut self, used: [usize; SHARDS]) {
        self.used.push_back(used);
    }

    /// What each shard may use while it works on the next chunk.
    pub fn begin(&mut self) -> [usize; SHARDS] {
        self.begun += 1;
        let before = if self.begun > LAG { self.used.pop_front().unwrap_or_default() } else { [0; SHARDS] };
        divide(self.total, &before)
    }
}

/// Divides the memory. As long as what may come until the next look fits, nobody is held back. Then a
/// quarter is shared evenly and the rest by use, so that a shard that needs much gets most of it, and
/// the others get theirs as soon as they need it. The sum is never more than the whole.
fn divide(total: usize, used: &[usize; SHARDS]) -> [usize; SHARDS] {
    let sum: usize = used.iter().sum();
    if sum.saturating_add(GROWTH_PER_CHUNK * LAG) <= total {
        return [total; SHARDS];
    }
    let even = total / 4 / SHARDS;
    let pool = total - even * SHARDS;
    // A shard without flows counts as one that uses a little, or it could never begin.
    let little = pool / 64 + 1;
    let weights = sum.saturating_add(little * SHARDS) as u128;
    used.map(|u| even + (pool as u128 * (u + little) as u128 / weights) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: usize = 1 << 30;

    #[test]
    fn the_sum_is_never_more_than_the_whole() {
        let mut used = [0; SHARDS];
        for round in 0..200_usize {
            for (i, u) in used.iter_mut().enumerate() {
                *u = (*u * 3 + (round * 7_919 + i * 104_729) % (40 << 20)) % (300 << 20);
            }
            for total in [8 << 20, 64 << 20, GIB] {
                let shares = divide(total, &used);
                let held_back = shares[0] != total;
                assert!(!held_back || shares.iter().sum::<usize>() <= total, "{used:?}");
                assert!(shares.iter().all(|s| *s >= total / 64), "everybody may begin");
            }
        }
    }

    #[test]
    fn a_busy_shard_gets_most_and_gives_back() {
        let mut used = [0; SHARDS];
        // One shard wants all there is: nobody else is there.
        for _ in 0..50 {
            let share = divide(GIB / 4, &used)[3];
            used[3] = share.min(GIB);
        }
        assert!(used[3] > GIB / 4 / 2, "{} of {}", used[3], GIB / 4);
        // The others come and want as much.
        for _ in 0..50 {
            used = divide(GIB / 4, &used);
        }
        let (least, most) = (used.iter().min().unwrap(), used.iter().max().unwrap());
        assert!(most - least < GIB / 4 / 100, "{used:?}");
    }

    #[test]
    fn a_share_looks_back_by_the_lag_whatever_was_noted_since() {
        let noted = |ahead: usize| {
            let mut shares = Shares::new(64 << 20);
            let mut out = Vec::new();
            let mut done = 0;
            for chunk in 0..60_usize {
                // Chunks are merged late or early, but never later than the lag allows.
                while done < (chunk + 1).saturating_sub(LAG - ahead) {
                    shares.note([done * (1 << 18); SHARDS].map(|u| u + done));
                    done += 1;
                }
                out.push(shares.begin());
            }
            out
        };
        assert_eq!(noted(0), noted(13));
        assert_eq!(noted(0)[0], [(64 << 20) / 16; SHARDS], "nothing is known yet");
    }
}
