//! Every pair of categories as one bit, with the number of free ones in each row.

use svirt_model::label::CategorySet;

/// The pairs (a, b) with a < b. Row a has a bit for each b; 960 categories make 115 KB.
pub(super) struct Grid {
    /// The categories, ascending; a row's and a bit's number is the index here.
    categories: Vec<u16>,
    /// The index of each category, for no search.
    index: Vec<Option<u16>>,
    /// Whether the pair is taken; rows of `words` words.
    taken: Vec<u64>,
    words: usize,
    /// How many pairs of each row are free.
    free_in_row: Vec<u32>,
    free: u32,
    /// Bits and rows looked at so far.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl std::fmt::Debug for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Grid({} of {} categories free)", self.free, self.categories.len())
    }
}

impl Grid {
    pub(super) fn new(own: &CategorySet) -> Self {
        let categories: Vec<u16> = own.iter().collect();
        let length = own.last().map_or(0, |last| usize::from(last) + 1);
        let mut index = vec![None; length];
        for (at, category) in categories.iter().enumerate() {
            if let Some(slot) = index.get_mut(usize::from(*category)) {
                *slot = u16::try_from(at).ok();
            }
        }
        let count = u32::try_from(categories.len()).unwrap_or(0);
        let words = categories.len().div_ceil(64);
        let taken = vec![0; words * categories.len()];
        let free_in_row: Vec<u32> = (0..count).map(|row| count - 1 - row).collect();
        let free = free_in_row.iter().sum();
        Self {
            categories,
            index,
            taken,
            words,
            free_in_row,
            free,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// How many pairs are free.
    pub(super) fn free(&self) -> u32 {
        self.free
    }

    fn step(&mut self) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
    }

    fn index(&self, category: u16) -> Option<usize> {
        self.index.get(usize::from(category)).copied().flatten().map(usize::from)
    }

    /// Takes a pair, in whichever order; one that is taken, or not in the grid, changes nothing.
    pub(super) fn take(&mut self, one: u16, other: u16) {
        let (Some(a), Some(b)) = (self.index(one), self.index(other)) else { return };
        self.take_bit(a.min(b), a.max(b));
    }

    /// Takes every pair that has this category.
    pub(super) fn take_all(&mut self, category: u16) {
        let Some(at) = self.index(category) else { return };
        (0..self.categories.len()).for_each(|other| self.take_bit(at.min(other), at.max(other)));
    }

    fn take_bit(&mut self, row: usize, bit: usize) {
        self.step();
        let (word, mask) = (row * self.words + bit / 64, 1_u64 << (bit % 64));
        let (Some(word), Some(free)) = (self.taken.get_mut(word), self.free_in_row.get_mut(row))
        else {
            return;
        };
        if row < bit && *word & mask == 0 {
            *word |= mask;
            *free -= 1;
            self.free -= 1;
        }
    }

    /// Takes the free pair with this number, counted from 0; `None` if there are not so many.
    pub(super) fn pick(&mut self, number: u32) -> Option<(u16, u16)> {
        let (row, left) = self.row(number)?;
        let bit = self.bit(row, left)?;
        self.take_bit(row, bit);
        Some((*self.categories.get(row)?, *self.categories.get(bit)?))
    }

    /// The row of a free pair, and its number among those of the row.
    fn row(&mut self, mut number: u32) -> Option<(usize, u32)> {
        for row in 0..self.free_in_row.len() {
            self.step();
            let free = *self.free_in_row.get(row)?;
            if number < free {
                return Some((row, number));
            }
            number -= free;
        }
        None
    }

    fn bit(&mut self, row: usize, mut number: u32) -> Option<usize> {
        for bit in row + 1..self.categories.len() {
            self.step();
            let word = self.taken.get(row * self.words + bit / 64)?;
            if word & (1 << (bit % 64)) == 0 {
                if number == 0 {
                    return Some(bit);
                }
                number -= 1;
            }
        }
        None
    }
}
