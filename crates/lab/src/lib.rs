//! From a lab file to a running lab: resolve, plan, apply, expectations
