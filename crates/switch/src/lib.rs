//! The switch model: configuration, tables, learning and translation
