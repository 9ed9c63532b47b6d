//! Wire formats: checked views, builders, checksums and segmentation
