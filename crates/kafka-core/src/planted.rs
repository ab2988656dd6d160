//! Planted defects: ways in which the framework is broken on purpose, to prove that its simulations notice.
//!
//! Each crate lists its own in an enum and asks [`planted`] where it would do the right thing; one is planted at a time, for the present
//! thread. Without the feature `__planted-defects`, which only the project's own tests have, none can be, and asking costs nothing.

#[cfg(feature = "__planted-defects")]
pub use planting::{planted, with};

/// No defect is planted in what users build.
#[cfg(not(feature = "__planted-defects"))]
pub const fn planted<D: Copy>(_: D) -> bool {
    false
}

#[cfg(feature = "__planted-defects")]
mod planting {
    use std::any::Any;
    use std::cell::RefCell;

    thread_local! {
        static PLANTED: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
    }

    /// Whether this defect is planted.
    pub fn planted<D: Copy + PartialEq + 'static>(defect: D) -> bool {
        PLANTED.with_borrow(|planted| planted.as_deref().and_then(<dyn Any>::downcast_ref) == Some(&defect))
    }

    /// Runs something with the defect planted.
    pub fn with<D: Copy + PartialEq + 'static, R>(defect: D, run: impl FnOnce() -> R) -> R {
        /// Digs it out again, also after a panic.
        struct Out;
        impl Drop for Out {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        PLANTED.set(Some(Box::new(defect)));
        let _out = Out;
        run()
    }
}
