use crate::error::{ExplainError, require_count, value_count};

/// Sets of players, of one number of players, one bit for each player.
///
/// A player is a segment of the image: inside the coalition it is shown, outside it is hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalitions {
    players: usize,
    words: Vec<u64>,
}

impl Coalitions {
    /// No coalition yet, of `players` players.
    pub fn new(players: usize) -> Self {
        Self { players, words: Vec::new() }
    }

    /// Every coalition of `players` players: coalition `c` holds player `p` if bit `p` of `c` is set, so that the first
    /// is empty and the last is full.
    ///
    /// The caller has limited `players` to what can be enumerated.
    pub(crate) fn all(players: usize) -> Self {
        debug_assert!(players < 64, "more coalitions than addresses");
        Self { players, words: (0..1_u64 << players).collect() }
    }

    /// Adds the coalition of the players for which `members` is true.
    ///
    /// # Errors
    /// If `members` does not hold one value for each player.
    pub fn push(&mut self, members: &[bool]) -> Result<(), ExplainError> {
        require_count("a coalition", members.len(), self.players)?;
        self.push_players((0..self.players).filter(|&player| members[player]));
        Ok(())
    }

    /// Adds the coalition of the players listed, each below the number of players.
    pub(crate) fn push_players(&mut self, members: impl IntoIterator<Item = usize>) {
        let start = self.words.len();
        self.words.resize(start + self.words_each(), 0);
        for player in members {
            self.words[start + player / 64] |= 1 << (player % 64);
        }
    }

    /// Adds the coalition of all players outside the last one.
    pub(crate) fn push_complement_of_last(&mut self) {
        let words_each = self.words_each();
        let start = self.words.len() - words_each;
        for word in 0..words_each {
            let used = (self.players - 64 * word).min(64);
            let mask = if used == 64 { u64::MAX } else { (1 << used) - 1 };
            self.words.push(!self.words[start + word] & mask);
        }
    }

    /// The first `count` coalitions.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { players: self.players, words: self.words[..count * self.words_each()].to_vec() }
    }

    /// The number of players.
    pub fn players(&self) -> usize {
        self.players
    }

    /// The number of coalitions.
    pub fn len(&self) -> usize {
        self.words.len() / self.words_each()
    }

    /// Whether there are no coalitions.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether `player` is in coalition `index`.
    ///
    /// # Panics
    /// If there is no such coalition or player.
    pub fn contains(&self, index: usize, player: usize) -> bool {
        assert!(player < self.players, "player {player} of {}", self.players);
        self.words[index * self.words_each() + player / 64] >> (player % 64) & 1 == 1
    }

    /// How many players are in coalition `index`.
    ///
    /// # Panics
    /// If there is no such coalition.
    pub fn size(&self, index: usize) -> usize {
        self.bits(index).iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The players of coalition `index` as bits.
    pub(crate) fn bits(&self, index: usize) -> &[u64] {
        let words_each = self.words_each();
        &self.words[index * words_each..(index + 1) * words_each]
    }

    fn words_each(&self) -> usize {
        words_each(self.players)
    }
}

/// The number of values of the fewest whole rows of `outputs` that hold `found` values.
fn rows_times(found: usize, outputs: usize) -> usize {
    found.checked_next_multiple_of(outputs).unwrap_or(usize::MAX)
}

/// How many words hold one coalition of `players` players.
pub(crate) fn words_each(players: usize) -> usize {
    players.div_ceil(64).max(1)
}

/// The values of coalitions, for one or several outputs, such as the score of each class.
#[derive(Clone, Debug, PartialEq)]
pub struct CoalitionValues {
    outputs: usize,
    values: Vec<f64>,
}

impl CoalitionValues {
    /// The values `[coalitions, outputs]`, row by row.
    ///
    /// # Errors
    /// If there are no outputs, the values are not whole rows, or one of them is not finite.
    pub fn new(outputs: usize, values: Vec<f64>) -> Result<Self, ExplainError> {
        if outputs == 0 || values.is_empty() {
            return Err(ExplainError::Empty { what: "list of coalition values" });
        }
        require_count("list of coalition values", values.len(), rows_times(values.len(), outputs))?;
        crate::error::require_finite("list of coalition values", &values)?;
        Ok(Self { outputs, values })
    }

    /// The values of a game given as a function, which writes one value for each output.
    ///
    /// # Errors
    /// As [`CoalitionValues::new`].
    pub fn of_game(
        coalitions: &Coalitions,
        outputs: usize,
        mut game: impl FnMut(&dyn Fn(usize) -> bool, &mut [f64]),
    ) -> Result<Self, ExplainError> {
        let mut values = vec![0.0; value_count("list of coalition values", &[coalitions.len(), outputs])?];
        for (index, row) in values.chunks_exact_mut(outputs.max(1)).enumerate() {
            game(&|player| coalitions.contains(index, player), row);
        }
        Self::new(outputs, values)
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The number of coalitions.
    pub fn len(&self) -> usize {
        self.values.len() / self.outputs
    }

    /// Whether there are no values; never so, because no such value can be made.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values `[outputs]` of coalition `index`.
    ///
    /// # Panics
    /// If there is no such coalition.
    pub fn of(&self, index: usize) -> &[f64] {
        &self.values[index * self.outputs..(index + 1) * self.outputs]
    }

    /// All values, row by row.
    pub fn as_slice(&self) -> &[f64] {
        &self.values
    }

    /// Requires one row of values for each coalition.
    pub(crate) fn require_rows(&self, coalitions: &Coalitions) -> Result<(), ExplainError> {
        require_count("list of coalition values", self.len(), coalitions.len())
    }
}

/// The coalitions that a method evaluated, with what it made its solution from: enough to solve the game elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluatedGame {
    /// The coalitions of the players, in the order of the plan.
    pub coalitions: Coalitions,
    /// The segment of each player, ascending. The other segments look the same hidden and shown and are no players.
    pub players: Vec<usize>,
    /// Their weights in the regression, if there is one. Of `KernelSHAP` those from the third coalition on, since the
    /// empty and the full one are constraints.
    pub weights: Vec<f64>,
    /// The values of every coalition, `[coalitions, explained scores]`.
    pub values: CoalitionValues,
}
