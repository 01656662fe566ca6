//! Memory that is used again. A training step allocates the same sizes as the step before, and the first touch of a
//! fresh page costs several times the arithmetic on it, so blocks that burn's tensors let go of return to a pool.

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    collections::HashMap,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Alignment of every block: a cache line, which is also the widest vector.
const ALIGNMENT: usize = 64;

/// Blocks of at least this size are aligned to it and asked to lie on huge pages: the passes over activations would
/// otherwise spend much of their time on address translation.
const HUGE_PAGE: usize = 2 << 20;

/// When more than this is idle, all of it goes back to the system, unless it was all lent at once: at the end of a training
/// step its activations are idle, and the next step wants the same again.
const IDLE_LIMIT: usize = 1 << 30;

/// A block of initialised memory of a rounded size.
struct Block {
    start: NonNull<f32>,
    layout: Layout,
}

// SAFETY: a block owns its memory, like a `Vec<f32>`.
unsafe impl Send for Block {}
// SAFETY: a shared block gives shared slices only, like a `Vec<f32>`.
unsafe impl Sync for Block {}

#[derive(Default)]
struct Pool {
    blocks: HashMap<usize, Vec<Block>>,
    /// Bytes that are here.
    idle: usize,
    /// Bytes that are lent.
    lent: usize,
    /// The most bytes that were lent at once since something went back to the system.
    most_lent: usize,
}

impl Pool {
    fn take(&mut self, size: usize) -> Option<Block> {
        self.lent += size;
        self.most_lent = self.most_lent.max(self.lent);
        let block = self.blocks.get_mut(&size).and_then(Vec::pop)?;
        self.idle -= size;
        Some(block)
    }

    /// Returns what is to go back to the system.
    fn put(&mut self, block: Block) -> Vec<Block> {
        let size = block.layout.size();
        self.lent -= size;
        self.idle += size;
        self.blocks.entry(size).or_default().push(block);
        // blocks of other sizes than those that are asked for make up to a quarter more
        let is_wanted_again = self.idle + self.lent <= self.most_lent + self.most_lent / 4;
        if self.idle <= IDLE_LIMIT || is_wanted_again {
            return Vec::new();
        }
        self.idle = 0;
        self.most_lent = self.lent;
        self.blocks.drain().flat_map(|(_, blocks)| blocks).collect()
    }
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

impl Block {
    fn new(elements: usize) -> Self {
        let size = rounded(elements * size_of::<f32>());
        let recycled = POOL.lock().unwrap_or_else(PoisonError::into_inner).take(size);
        recycled.unwrap_or_else(|| Self::fresh(size))
    }

    fn fresh(size: usize) -> Self {
        let alignment = if size < HUGE_PAGE { ALIGNMENT } else { HUGE_PAGE };
        let layout =
            Layout::from_size_align(size, alignment).expect("sizes of tensors are far below the address space");
        // SAFETY: the rounded size is never 0.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        advise_huge_pages(start, size);
        // SAFETY: the block has just been allocated with this size.
        unsafe { start.write_bytes(0, size) };
        Self { start: start.cast(), layout }
    }

    fn elements(&self) -> usize {
        self.layout.size() / size_of::<f32>()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this layout and is dropped once.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) }
    }
}

/// Asks the system to put the whole huge pages of a block onto such pages. It may decline; only the speed depends on it.
#[cfg(all(target_os = "linux", not(miri)))]
fn advise_huge_pages(start: NonNull<u8>, size: usize) {
    use std::ffi::{c_int, c_void};
    const MADV_HUGEPAGE: c_int = 14;
    unsafe extern "C" {
        fn madvise(start: *mut c_void, length: usize, advice: c_int) -> c_int;
    }
    let whole = size / HUGE_PAGE * HUGE_PAGE;
    if whole > 0 {
        // SAFETY: the range lies within a block of this process, and the advice changes none of its contents.
        unsafe { madvise(start.as_ptr().cast(), whole, MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn advise_huge_pages(_start: NonNull<u8>, _size: usize) {}

/// At most an eighth more, so that nearly equal sizes share their blocks.
fn rounded(size: usize) -> usize {
    let step = (size.next_power_of_two() / 16).max(1024);
    size.max(1).next_multiple_of(step)
}

/// A block on loan from the pool.
struct Loan(MaybeUninit<Block>);

impl Loan {
    fn block(&self) -> &Block {
        // SAFETY: the block is there from construction until `drop`.
        unsafe { self.0.assume_init_ref() }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // SAFETY: the block is there, and nothing reads it after this.
        let block = unsafe { self.0.assume_init_read() };
        let surplus = POOL.lock().unwrap_or_else(PoisonError::into_inner).put(block);
        drop(surplus); // without the lock
    }
}

/// Aligned memory for `f32` from the pool. It holds whatever its last user left; [`Buffer::zeroed`] does not.
pub(crate) struct Buffer {
    loan: Loan,
    length: usize,
}

impl Buffer {
    /// Memory with unspecified contents, to be written before it is read.
    pub(crate) fn new(length: usize) -> Self {
        Self { loan: Loan(MaybeUninit::new(Block::new(length))), length }
    }

    /// Memory full of zeros.
    pub(crate) fn zeroed(length: usize) -> Self {
        let mut buffer = Self::new(length);
        buffer.fill(0.0);
        buffer
    }

    /// Hands the memory to burn; it returns to the pool when burn drops it.
    pub(crate) fn into_bytes(self) -> Bytes {
        let length = self.length * size_of::<f32>();
        // SAFETY: blocks are initialised when they are allocated, and this one is at least as long.
        unsafe { Bytes::from_controller(Box::new(self.loan), length) }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        debug_assert!(self.length <= self.loan.block().elements());
        // SAFETY: the block is initialised, at least `length` long, and borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.loan.block().start.as_ptr(), self.length) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        debug_assert!(self.length <= self.loan.block().elements());
        // SAFETY: the block is initialised, at least `length` long, owned by `self` alone, and borrowed with it.
        unsafe { std::slice::from_raw_parts_mut(self.loan.block().start.as_ptr(), self.length) }
    }
}

impl AllocationController for Loan {
    fn alloc_align(&self) -> usize {
        align_of::<u128>() // the widest that `Bytes` can copy; the block has more
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _policy: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let block = self.block();
        // SAFETY: the block has this size and is owned by `self` alone.
        Ok(unsafe { std::slice::from_raw_parts_mut(block.start.as_ptr().cast(), block.layout.size()) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let block = self.block();
        // SAFETY: the block has this size and is borrowed with `self`.
        Ok(unsafe { std::slice::from_raw_parts(block.start.as_ptr().cast(), block.layout.size()) })
    }

    fn capacity(&self) -> usize {
        self.block().layout.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let length = 1_234_567; // a size that no other test uses
        let mut buffer = Buffer::zeroed(length);
        buffer[length - 1] = 7.0;
        let start = buffer.as_ptr();
        drop(buffer.into_bytes());
        let again = Buffer::new(length);
        assert_eq!(again.as_ptr(), start);
        assert_eq!(again[length - 1].to_bits(), 7.0_f32.to_bits());
        assert_eq!(again.as_ptr() as usize % ALIGNMENT, 0);
    }

    #[test]
    fn a_pool_keeps_what_was_lent_at_once_and_nothing_beyond() {
        const SIZE: usize = IDLE_LIMIT / 2; // of blocks whose memory is never touched
        let layout = Layout::from_size_align(SIZE, ALIGNMENT).unwrap();
        // SAFETY: the size is not 0; the elements, which nobody reads, are not initialised.
        let block = || Block { start: NonNull::new(unsafe { alloc(layout) }).expect("address space").cast(), layout };
        let mut pool = Pool::default();
        for _ in 0..2 {
            let lent: Vec<_> = (0..4).map(|_| pool.take(SIZE).unwrap_or_else(block)).collect();
            assert_eq!((pool.idle, pool.lent, pool.most_lent), (0, 4 * SIZE, 4 * SIZE));
            assert!(lent.into_iter().all(|block| pool.put(block).is_empty()), "a step of twice the limit");
            assert_eq!((pool.idle, pool.lent), (4 * SIZE, 0));
        }
        // two blocks of another size make more than was ever lent
        for _ in 0..2 {
            assert!(pool.take(2 * SIZE).is_none());
        }
        let other = Layout::from_size_align(2 * SIZE, ALIGNMENT).unwrap();
        // SAFETY: as above.
        let block =
            Block { start: NonNull::new(unsafe { alloc(other) }).expect("address space").cast(), layout: other };
        assert_eq!(pool.put(block).len(), 5);
        assert_eq!((pool.idle, pool.lent, pool.most_lent), (0, 2 * SIZE, 2 * SIZE));
    }

    #[test]
    fn burn_sees_the_values() {
        let mut buffer = Buffer::new(5);
        buffer.copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let bytes = buffer.into_bytes();
        assert_eq!(bytes.len(), 20);
        assert_eq!(bytes[16..20], 5.0_f32.to_le_bytes());
        assert_eq!(bytes.clone()[..], bytes[..]);
    }

    #[test]
    fn sizes_grow_by_an_eighth_at_most() {
        for size in [0, 1, 4096, 100_000, 12_845_056, 12_845_057] {
            let rounded = rounded(size);
            assert!(rounded >= size.max(1) && rounded <= size + (size / 8).max(1024), "{size} became {rounded}");
        }
    }
}
