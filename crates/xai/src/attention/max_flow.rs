//! Maximum flow from one token after the last layer to one before the first.
//!
//! The network is layered and dense: node `(l, i)` is token `i` after layer `l`, and the edge from `(l, i)` to
//! `(l − 1, j)` has the capacity `Â_l[i, j]`. Dinic's algorithm (1970) runs on capacities scaled to integers, so that it
//! ends exactly, and on the matrices themselves, so that no graph is built for the many pairs of tokens.

use crate::attention::matrix::TokenMatrix;

/// Capacities are multiples of `2⁻⁵⁰`: a minimum cut of a thousand edges is off by less than 5e-13.
const SCALE: f64 = (1_u64 << 50) as f64;

/// The level of a node that the search has not reached.
const UNREACHED: u32 = u32::MAX;

/// The capacities of at least two layers over the same tokens, the first layer first.
pub(crate) struct LayeredNetwork {
    tokens: usize,
    /// `layers[l][i * tokens + j]`, the capacity from token `i` after layer `l` to token `j` before it.
    layers: Vec<Vec<i64>>,
}

impl LayeredNetwork {
    pub(crate) fn new(layers: &[TokenMatrix]) -> Self {
        debug_assert!(layers.len() >= 2, "one layer has no node between source and sink");
        let tokens = layers[0].tokens();
        let scaled = |layer: &TokenMatrix| layer.values().iter().map(|value| (value * SCALE).round() as i64).collect();
        Self { tokens, layers: layers.iter().map(scaled).collect() }
    }

    /// The smaller of the cuts around the source and around the sink.
    fn bound(&self, source: usize, sink: usize) -> i64 {
        let last = &self.layers[self.layers.len() - 1];
        // More than eight thousand full capacities do not fit; the other cut is then the smaller one.
        let sum = |capacities: &mut dyn Iterator<Item = &i64>| {
            capacities.fold(0_i64, |sum, &capacity| sum.saturating_add(capacity))
        };
        let out = sum(&mut last[source * self.tokens..(source + 1) * self.tokens].iter());
        let into = sum(&mut self.layers[0].iter().skip(sink).step_by(self.tokens));
        out.min(into)
    }
}

/// The residual network of one pair of tokens, kept between pairs for its memory.
pub(crate) struct MaxFlow<'a> {
    network: &'a LayeredNetwork,
    /// Inner ranks: rank `r` holds the tokens after layer `r + 1`, so one less than there are layers.
    ranks: usize,
    /// What is left from the source to each token of the last rank.
    from_source: Vec<i64>,
    /// What is left from each token of the first rank to the sink.
    to_sink: Vec<i64>,
    /// `down[r][i * tokens + j]`: what is left from `(r + 1, i)` to `(r, j)`.
    down: Vec<Vec<i64>>,
    /// `up[r][j * tokens + i]`: the flow from `(r + 1, i)` to `(r, j)`, which may be sent back.
    up: Vec<Vec<i64>>,
    /// The distance of each inner node from the source.
    levels: Vec<u32>,
    sink_level: u32,
    /// The first arc of each node that may still carry flow in this phase: down first, then up.
    next_arc: Vec<usize>,
    queue: Vec<usize>,
    /// Tokens of each rank that the search has not reached.
    unreached: Vec<Vec<usize>>,
}

impl<'a> MaxFlow<'a> {
    pub(crate) fn new(network: &'a LayeredNetwork) -> Self {
        let (tokens, ranks) = (network.tokens, network.layers.len() - 1);
        let matrices = || vec![vec![0; tokens * tokens]; ranks - 1];
        Self {
            network,
            ranks,
            from_source: vec![0; tokens],
            to_sink: vec![0; tokens],
            down: matrices(),
            up: matrices(),
            levels: vec![UNREACHED; ranks * tokens],
            sink_level: UNREACHED,
            next_arc: vec![0; ranks * tokens],
            queue: Vec::with_capacity(ranks * tokens),
            unreached: vec![Vec::with_capacity(tokens); ranks],
        }
    }

    /// The largest flow from token `source` after the last layer to token `sink` before the first. `check` is asked before
    /// every search and before every token that flow is sent through, and its error ends the call.
    pub(crate) fn solve<E>(&mut self, source: usize, sink: usize, check: impl Fn() -> Result<(), E>) -> Result<f64, E> {
        self.reset(source, sink);
        let bound = self.network.bound(source, sink);
        let mut total = 0;
        check()?;
        while total < bound && self.find_levels() {
            total += self.blocking_flow(&check)?;
            check()?;
        }
        Ok(total as f64 / SCALE)
    }

    fn reset(&mut self, source: usize, sink: usize) {
        let (tokens, layers) = (self.network.tokens, &self.network.layers);
        self.from_source.copy_from_slice(&layers[self.ranks][source * tokens..(source + 1) * tokens]);
        for (capacity, &entry) in self.to_sink.iter_mut().zip(layers[0].iter().skip(sink).step_by(tokens)) {
            *capacity = entry;
        }
        for (down, layer) in self.down.iter_mut().zip(&layers[1..self.ranks]) {
            down.copy_from_slice(layer);
        }
        self.up.iter_mut().for_each(|up| up.fill(0));
    }

    /// Finds each node's distance from the source in the residual network, up to that of the sink, by a breadth-first
    /// search that looks only at tokens not yet reached; tells whether the sink can be reached.
    fn find_levels(&mut self) -> bool {
        let tokens = self.network.tokens;
        self.levels.fill(UNREACHED);
        self.next_arc.fill(0);
        self.sink_level = UNREACHED;
        self.queue.clear();
        for unreached in &mut self.unreached {
            unreached.clear();
            unreached.extend(0..tokens);
        }
        let mut search = Search { tokens, levels: &mut self.levels, queue: &mut self.queue };
        search.reach(&mut self.unreached[self.ranks - 1], &self.from_source, self.ranks - 1, 1);
        let mut head = 0;
        while head < search.queue.len() {
            let node = search.queue[head];
            head += 1;
            let (rank, token, level) = (node / tokens, node % tokens, search.levels[node] + 1);
            if level > self.sink_level {
                break;
            }
            if rank == 0 && self.to_sink[token] > 0 {
                self.sink_level = level;
            }
            let row = token * tokens..(token + 1) * tokens;
            if rank > 0 {
                search.reach(&mut self.unreached[rank - 1], &self.down[rank - 1][row.clone()], rank - 1, level);
            }
            if rank + 1 < self.ranks {
                search.reach(&mut self.unreached[rank + 1], &self.up[rank][row], rank + 1, level);
            }
        }
        self.sink_level != UNREACHED
    }

    /// Sends flow along shortest paths until every one of them is blocked; returns how much.
    fn blocking_flow<E>(&mut self, check: &impl Fn() -> Result<(), E>) -> Result<i64, E> {
        let (tokens, last) = (self.network.tokens, self.ranks - 1);
        let mut total = 0;
        for token in 0..tokens {
            if self.from_source[token] > 0 {
                check()?;
                let sent = self.send(last * tokens + token, self.from_source[token]);
                self.from_source[token] -= sent;
                total += sent;
            }
        }
        Ok(total)
    }

    /// Sends at most `limit` from an inner node towards the sink; returns how much arrives.
    fn send(&mut self, node: usize, limit: i64) -> i64 {
        let tokens = self.network.tokens;
        let (rank, token, level) = (node / tokens, node % tokens, self.levels[node] + 1);
        if rank == 0 && level == self.sink_level {
            let sent = limit.min(self.to_sink[token]);
            self.to_sink[token] -= sent;
            return sent;
        }
        let mut sent = 0;
        while self.next_arc[node] < 2 * tokens {
            let arc = self.next_arc[node];
            let (other, goes_down) = (arc % tokens, arc < tokens);
            let exists = if goes_down { rank > 0 } else { rank + 1 < self.ranks };
            if !exists {
                self.next_arc[node] += tokens;
                continue;
            }
            let other_node = if goes_down { node - token - tokens + other } else { node - token + tokens + other };
            if self.levels[other_node] == level && level < self.sink_level {
                let matrix = if goes_down { rank - 1 } else { rank };
                let (along, against) = (token * tokens + other, other * tokens + token);
                let room = if goes_down { self.down[matrix][along] } else { self.up[matrix][along] };
                let part = if room > 0 { self.send(other_node, room.min(limit - sent)) } else { 0 };
                if goes_down {
                    self.down[matrix][along] -= part;
                    self.up[matrix][against] += part;
                } else {
                    self.up[matrix][along] -= part;
                    self.down[matrix][against] += part;
                }
                sent += part;
                if sent == limit {
                    return sent;
                }
            }
            self.next_arc[node] += 1;
        }
        sent
    }
}

/// What a breadth-first search has found so far.
struct Search<'a> {
    tokens: usize,
    levels: &'a mut [u32],
    queue: &'a mut Vec<usize>,
}

impl Search<'_> {
    /// Reaches those tokens of a rank to which there is room left.
    fn reach(&mut self, unreached: &mut Vec<usize>, room: &[i64], rank: usize, level: u32) {
        unreached.retain(|&token| {
            if room[token] > 0 {
                self.levels[rank * self.tokens + token] = level;
                self.queue.push(rank * self.tokens + token);
            }
            room[token] == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(layers: &[&[f64]], tokens: usize, source: usize, sink: usize) -> f64 {
        let layers: Vec<TokenMatrix> =
            layers.iter().map(|values| TokenMatrix::from_parts(values.to_vec(), tokens)).collect();
        MaxFlow::new(&LayeredNetwork::new(&layers)).solve(source, sink, || Ok::<(), ()>(())).unwrap()
    }

    #[test]
    fn two_layers_carry_the_smaller_capacity_of_each_way() {
        let found = flow(&[&[0.25, 0.75, 0.5, 0.5], &[0.5, 0.5, 0.125, 0.875]], 2, 1, 0);
        assert!((found - (0.125 + 0.5)).abs() < 1e-14, "{found}");
    }

    #[test]
    fn flow_is_rerouted_where_the_first_way_was_the_wrong_one() {
        // from the source 1 to either token; token 0 may go on to 0 or 1, token 1 only to 0; each arrives with 1
        let last = [1.0, 1.0, 0.0, 0.0];
        let middle = [1.0, 1.0, 1.0, 0.0];
        let first = [1.0, 0.0, 1.0, 0.0];
        assert!((flow(&[&first, &middle, &last], 2, 0, 0) - 2.0).abs() < 1e-14);
    }

    #[test]
    fn a_bottleneck_in_the_middle_bounds_the_flow() {
        let last = [0.5, 0.5, 0.5, 0.5];
        let middle = [0.1, 0.0, 0.0, 0.2];
        let first = [0.5, 0.5, 0.5, 0.5];
        assert!((flow(&[&first, &middle, &last], 2, 0, 1) - 0.3).abs() < 1e-14);
        let zero = [0.0; 4];
        assert!(flow(&[&first, &zero, &last], 2, 0, 1).abs() < 1e-14);
    }

    #[test]
    fn the_flow_may_take_back_two_layers() {
        // three tokens and four layers whose only maximum flow needs a path that runs up again
        let last = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let third = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let second = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let first = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        assert!((flow(&[&first, &second, &third, &last], 3, 0, 2) - 2.0).abs() < 1e-14);
    }
}
