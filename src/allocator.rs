//! The process's allocator, and what it holds on to.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives back to the system what the calling thread has freed, as far as whole pages of it are free. Walks all
/// that the thread holds: for one that has done something large and rare, as compiling a list is, and would
/// keep the memory for its next turn.
pub fn give_back() {
    // SAFETY: it takes no pointer, looks at the calling thread's heap and at pages that nobody uses, and
    // may be called by any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
