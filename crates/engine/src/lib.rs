//! Everything a front end may ask for: gather, decide, perform
