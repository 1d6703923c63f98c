//! The contract between the engine and a stage.
