//! Room at the end of a thread's heap, so that glibc does not fetch it from the kernel bit by bit.

/// Blocks that are asked for and given back untouched: nothing of them becomes memory.
///
/// glibc gives the end of a heap back to the kernel when more of it is free than twice the largest block that it ever had
/// from the kernel alone and got back, and fetches new room in steps of 128 KiB. Threads whose results are held wait for
/// each other there: two of them took 15 % more time together than one, and take 5 % now.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn make_room() {
    use std::hint::black_box;
    use std::sync::Once;

    /// Of a larger block glibc learns nothing.
    const LARGEST: usize = 31 << 20;
    const STEP: usize = 8 << 20;
    static FIRST: Once = Once::new();

    FIRST.call_once(|| drop(black_box(Vec::<u8>::with_capacity(LARGEST))));
    drop(black_box(Vec::<u8>::with_capacity(STEP)));
}

/// Other allocators are not known to need it.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn make_room() {}
