//! Test doubles: packet builder, virtual wire, port ledger, manual clock
