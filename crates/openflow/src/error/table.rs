//! The table: the name of each error, and its numbers.
//!
//! ```text
//! Variant "NAME": Space first-version..last-version type code, ...;
//! ```
//!
//! An experimenter's error has a type and a code in 1.0 and 1.1, and only a type later.

use super::{NICIRA, Number, ONF, Range, Space};
use crate::Version;

macro_rules! space {
    (Of) => {
        Space::Standard
    };
    (Nx) => {
        Space::Experimenter(NICIRA)
    };
    (Onf) => {
        Space::Experimenter(ONF)
    };
}

macro_rules! errors {
    ($($id:ident $name:literal: $($space:ident $from:ident..$to:ident $kind:literal $code:literal),+;)*) => {
        /// An error with a name, in the order of the types of OpenFlow.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OfError { $(#[doc = concat!("`", $name, "`")] $id,)* }

        impl OfError {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];

            /// Its name in specifications and in OVS.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// Its numbers by version.
            pub(super) const fn numbers(self) -> &'static [Range] {
                match self { $(Self::$id => &[$((
                    Version::$from,
                    Version::$to,
                    Number { space: space!($space), kind: $kind, code: $code },
                )),+],)* }
            }
        }
    };
}

errors! {
    // OFPET_HELLO_FAILED
    HfcIncompatible "OFPHFC_INCOMPATIBLE": Of V10..V15 0 0;
    HfcEperm "OFPHFC_EPERM": Of V10..V15 0 1;
    // OFPET_BAD_REQUEST
    BrcBadVersion "OFPBRC_BAD_VERSION": Of V10..V15 1 0;
    BrcBadType "OFPBRC_BAD_TYPE": Of V10..V15 1 1;
    BrcBadStat "OFPBRC_BAD_STAT": Of V10..V15 1 2;
    BrcBadVendor "OFPBRC_BAD_VENDOR": Of V10..V15 1 3;
    BrcBadSubtype "OFPBRC_BAD_SUBTYPE": Of V10..V15 1 4;
    BrcEperm "OFPBRC_EPERM": Of V10..V15 1 5;
    BrcBadLen "OFPBRC_BAD_LEN": Of V10..V15 1 6;
    BrcBufferEmpty "OFPBRC_BUFFER_EMPTY": Of V10..V15 1 7;
    BrcBufferUnknown "OFPBRC_BUFFER_UNKNOWN": Of V10..V15 1 8;
    BrcBadTableId "OFPBRC_BAD_TABLE_ID": Nx V10..V10 1 512, Of V11..V15 1 9;
    BrcIsSecondary "OFPBRC_IS_SECONDARY": Of V10..V11 1 5, Of V12..V15 1 10;
    BrcBadPort "OFPBRC_BAD_PORT": Nx V10..V11 1 514, Of V12..V15 1 11;
    BrcBadPacket "OFPBRC_BAD_PACKET": Of V12..V15 1 12;
    BrcMultipartBufferOverflow "OFPBRC_MULTIPART_BUFFER_OVERFLOW": Of V13..V15 1 13;
    BrcMultipartRequestTimeout "OFPBRC_MULTIPART_REQUEST_TIMEOUT": Onf V13..V13 2640 0, Of V14..V15 1 14;
    BrcMultipartReplyTimeout "OFPBRC_MULTIPART_REPLY_TIMEOUT": Onf V13..V13 2641 0, Of V14..V15 1 15;
    BrcMultipartBadSched "OFPBRC_MULTIPART_BAD_SCHED": Of V15..V15 1 16;
    BrcPipelineFieldsOnly "OFPBRC_PIPELINE_FIELDS_ONLY": Of V15..V15 1 17;
    BrcUnknown "OFPBRC_UNKNOWN": Of V15..V15 1 18;
    NxbrcNxmInvalid "NXBRC_NXM_INVALID": Nx V10..V11 1 256, Nx V12..V15 2 0;
    NxbrcNxmBadType "NXBRC_NXM_BAD_TYPE": Nx V10..V11 1 257, Nx V12..V15 3 0;
    NxbrcMustBeZero "NXBRC_MUST_BE_ZERO": Nx V10..V11 1 515, Nx V12..V15 4 0;
    NxbrcBadReason "NXBRC_BAD_REASON": Nx V10..V11 1 516, Nx V12..V15 5 0;
    NxbrcFmBadEvent "NXBRC_FM_BAD_EVENT": Nx V10..V11 1 520, Nx V12..V15 9 0;
    NxbrcUnencodableError "NXBRC_UNENCODABLE_ERROR": Nx V10..V11 1 521, Nx V12..V15 10 0;
    // OFPET_BAD_ACTION
    BacBadType "OFPBAC_BAD_TYPE": Of V10..V15 2 0;
    BacBadLen "OFPBAC_BAD_LEN": Of V10..V15 2 1;
    BacBadVendor "OFPBAC_BAD_VENDOR": Of V10..V15 2 2;
    BacBadVendorType "OFPBAC_BAD_VENDOR_TYPE": Of V10..V15 2 3;
    BacBadOutPort "OFPBAC_BAD_OUT_PORT": Of V10..V15 2 4;
    BacBadArgument "OFPBAC_BAD_ARGUMENT": Of V10..V15 2 5;
    BacEperm "OFPBAC_EPERM": Of V10..V15 2 6;
    BacTooMany "OFPBAC_TOO_MANY": Of V10..V15 2 7;
    BacBadQueue "OFPBAC_BAD_QUEUE": Of V10..V15 2 8;
    BacBadOutGroup "OFPBAC_BAD_OUT_GROUP": Nx V10..V10 2 9, Of V11..V15 2 9;
    BacMatchInconsistent "OFPBAC_MATCH_INCONSISTENT": Nx V10..V10 1 522, Of V11..V15 2 10;
    BacUnsupportedOrder "OFPBAC_UNSUPPORTED_ORDER": Of V11..V15 2 11;
    BacBadTag "OFPBAC_BAD_TAG": Of V11..V15 2 12;
    BacBadSetType "OFPBAC_BAD_SET_TYPE": Nx V10..V11 1 523, Of V12..V15 2 13;
    BacBadSetLen "OFPBAC_BAD_SET_LEN": Nx V10..V11 1 524, Of V12..V15 2 14;
    BacBadSetArgument "OFPBAC_BAD_SET_ARGUMENT": Nx V10..V11 1 525, Of V12..V15 2 15;
    BacBadSetMask "OFPBAC_BAD_SET_MASK": Onf V13..V14 4250 0, Of V15..V15 2 16;
    BacBadMeter "OFPBAC_BAD_METER": Of V15..V15 2 17;
    NxbacMustBeZero "NXBAC_MUST_BE_ZERO": Nx V10..V11 2 256, Nx V12..V15 11 0;
    NxbacBadConjunction "NXBAC_BAD_CONJUNCTION": Nx V10..V11 2 526, Nx V12..V15 15 0;
    NxbacBadHeaderType "NXBAC_BAD_HEADER_TYPE": Nx V13..V15 39 0;
    NxbacUnknownEdProp "NXBAC_UNKNOWN_ED_PROP": Nx V13..V15 40 0;
    NxbacBadEdProp "NXBAC_BAD_ED_PROP": Nx V13..V15 41 0;
    NxbacCtDatapathSupport "NXBAC_CT_DATAPATH_SUPPORT": Nx V10..V11 1 265, Nx V12..V15 42 0;
    // OFPET_BAD_INSTRUCTION
    BicUnknownInst "OFPBIC_UNKNOWN_INST": Of V11..V15 3 0;
    BicUnsupInst "OFPBIC_UNSUP_INST": Nx V10..V10 2 257, Of V11..V15 3 1;
    BicBadTableId "OFPBIC_BAD_TABLE_ID": Of V11..V15 3 2;
    BicUnsupMetadata "OFPBIC_UNSUP_METADATA": Of V11..V15 3 3;
    BicUnsupMetadataMask "OFPBIC_UNSUP_METADATA_MASK": Of V11..V15 3 4;
    BicBadExperimenter "OFPBIC_BAD_EXPERIMENTER": Of V11..V15 3 5;
    BicBadExpType "OFPBIC_BAD_EXP_TYPE": Of V11..V11 3 5, Of V12..V15 3 6;
    BicBadLen "OFPBIC_BAD_LEN": Of V12..V15 3 7;
    BicEperm "OFPBIC_EPERM": Of V12..V15 3 8;
    BicDupInst "OFPBIC_DUP_INST": Nx V11..V11 3 256, Onf V12..V13 2600 0, Of V14..V15 3 9;
    // OFPET_BAD_MATCH
    BmcBadType "OFPBMC_BAD_TYPE": Of V11..V15 4 0;
    BmcBadLen "OFPBMC_BAD_LEN": Of V11..V15 4 1;
    BmcBadTag "OFPBMC_BAD_TAG": Of V11..V15 4 2;
    BmcBadDlAddrMask "OFPBMC_BAD_DL_ADDR_MASK": Of V11..V15 4 3;
    BmcBadNwAddrMask "OFPBMC_BAD_NW_ADDR_MASK": Of V11..V15 4 4;
    BmcBadWildcards "OFPBMC_BAD_WILDCARDS": Nx V10..V10 1 262, Of V11..V15 4 5;
    BmcBadField "OFPBMC_BAD_FIELD": Nx V10..V10 0 263, Of V11..V15 4 6;
    BmcBadValue "OFPBMC_BAD_VALUE": Nx V10..V10 1 258, Of V11..V15 4 7;
    BmcBadMask "OFPBMC_BAD_MASK": Nx V10..V11 1 259, Of V12..V15 4 8;
    BmcBadPrereq "OFPBMC_BAD_PREREQ": Nx V10..V11 1 260, Of V12..V15 4 9;
    BmcDupField "OFPBMC_DUP_FIELD": Nx V10..V11 1 261, Of V12..V15 4 10;
    BmcEperm "OFPBMC_EPERM": Of V12..V15 4 11;
    NxbmcCtDatapathSupport "NXBMC_CT_DATAPATH_SUPPORT": Nx V10..V11 1 264, Nx V12..V15 43 0;
    // OFPET_FLOW_MOD_FAILED
    FmfcUnknown "OFPFMFC_UNKNOWN": Of V11..V15 5 0;
    FmfcTableFull "OFPFMFC_TABLE_FULL": Of V10..V10 3 0, Of V11..V15 5 1;
    FmfcBadTableId "OFPFMFC_BAD_TABLE_ID": Of V11..V15 5 2;
    FmfcOverlap "OFPFMFC_OVERLAP": Of V10..V10 3 1, Of V11..V15 5 3;
    FmfcEperm "OFPFMFC_EPERM": Of V10..V10 3 2, Of V11..V15 5 4;
    FmfcBadTimeout "OFPFMFC_BAD_TIMEOUT": Of V11..V15 5 5;
    FmfcBadEmergTimeout "OFPFMFC_BAD_EMERG_TIMEOUT": Of V10..V10 3 3;
    FmfcBadCommand "OFPFMFC_BAD_COMMAND": Of V10..V10 3 4, Of V11..V15 5 6;
    FmfcBadFlags "OFPFMFC_BAD_FLAGS": Nx V10..V10 3 258, Nx V11..V11 5 258, Of V12..V15 5 7;
    FmfcCantSync "OFPFMFC_CANT_SYNC": Of V14..V15 5 8;
    FmfcBadPriority "OFPFMFC_BAD_PRIORITY": Onf V13..V13 2360 0, Of V14..V15 5 9;
    FmfcIsSync "OFPFMFC_IS_SYNC": Of V14..V15 5 10;
    FmfcUnsupported "OFPFMFC_UNSUPPORTED": Of V10..V10 3 5;
    NxfmfcHardware "NXFMFC_HARDWARE": Nx V10..V11 5 256, Nx V12..V15 12 0;
    NxfmfcBadTableId "NXFMFC_BAD_TABLE_ID": Nx V10..V11 5 257, Nx V12..V15 13 0;
    NxfmfcInvalidTlvField "NXFMFC_INVALID_TLV_FIELD": Nx V10..V11 1 536, Nx V12..V15 37 0;
    // OFPET_GROUP_MOD_FAILED
    GmfcGroupExists "OFPGMFC_GROUP_EXISTS": Nx V10..V10 6 0, Of V11..V15 6 0;
    GmfcInvalidGroup "OFPGMFC_INVALID_GROUP": Nx V10..V10 6 1, Of V11..V15 6 1;
    GmfcWeightUnsupported "OFPGMFC_WEIGHT_UNSUPPORTED": Nx V10..V10 6 2, Of V11..V15 6 2;
    GmfcOutOfGroups "OFPGMFC_OUT_OF_GROUPS": Nx V10..V10 6 3, Of V11..V15 6 3;
    GmfcOutOfBuckets "OFPGMFC_OUT_OF_BUCKETS": Nx V10..V10 6 4, Of V11..V15 6 4;
    GmfcChainingUnsupported "OFPGMFC_CHAINING_UNSUPPORTED": Nx V10..V10 6 5, Of V11..V15 6 5;
    GmfcWatchUnsupported "OFPGMFC_WATCH_UNSUPPORTED": Nx V10..V10 6 6, Of V11..V15 6 6;
    GmfcLoop "OFPGMFC_LOOP": Nx V10..V10 6 7, Of V11..V15 6 7;
    GmfcUnknownGroup "OFPGMFC_UNKNOWN_GROUP": Nx V10..V10 6 8, Of V11..V15 6 8;
    GmfcChainedGroup "OFPGMFC_CHAINED_GROUP": Nx V10..V10 6 9, Of V12..V15 6 9;
    GmfcBadType "OFPGMFC_BAD_TYPE": Nx V10..V10 6 10, Of V12..V15 6 10;
    GmfcBadCommand "OFPGMFC_BAD_COMMAND": Nx V10..V10 6 11, Of V12..V15 6 11;
    GmfcBadBucket "OFPGMFC_BAD_BUCKET": Nx V10..V10 6 12, Of V12..V15 6 12;
    GmfcBadWatch "OFPGMFC_BAD_WATCH": Nx V10..V10 6 13, Of V12..V15 6 13;
    GmfcEperm "OFPGMFC_EPERM": Nx V10..V10 6 14, Of V12..V15 6 14;
    GmfcUnknownBucket "OFPGMFC_UNKNOWN_BUCKET": Nx V10..V10 6 15, Of V15..V15 6 15;
    GmfcBucketExists "OFPGMFC_BUCKET_EXISTS": Nx V10..V10 6 16, Of V15..V15 6 16;
    // OFPET_PORT_MOD_FAILED
    PmfcBadPort "OFPPMFC_BAD_PORT": Of V10..V10 4 0, Of V11..V15 7 0;
    PmfcBadHwAddr "OFPPMFC_BAD_HW_ADDR": Of V10..V10 4 1, Of V11..V15 7 1;
    PmfcBadConfig "OFPPMFC_BAD_CONFIG": Of V11..V15 7 2;
    PmfcBadAdvertise "OFPPMFC_BAD_ADVERTISE": Of V11..V15 7 3;
    PmfcEperm "OFPPMFC_EPERM": Of V12..V15 7 4;
    // OFPET_TABLE_MOD_FAILED
    TmfcBadTable "OFPTMFC_BAD_TABLE": Of V11..V15 8 0;
    TmfcBadConfig "OFPTMFC_BAD_CONFIG": Of V11..V15 8 1;
    TmfcEperm "OFPTMFC_EPERM": Of V12..V15 8 2;
    // OFPET_QUEUE_OP_FAILED
    QofcBadPort "OFPQOFC_BAD_PORT": Of V10..V10 5 0, Of V11..V15 9 0;
    QofcBadQueue "OFPQOFC_BAD_QUEUE": Of V10..V10 5 1, Of V11..V15 9 1;
    QofcEperm "OFPQOFC_EPERM": Of V10..V10 5 2, Of V11..V15 9 2;
    NxqofcQueueError "NXQOFC_QUEUE_ERROR": Nx V14..V15 23 0;
    // OFPET_SWITCH_CONFIG_FAILED
    ScfcBadFlags "OFPSCFC_BAD_FLAGS": Of V11..V15 10 0;
    ScfcBadLen "OFPSCFC_BAD_LEN": Of V11..V15 10 1;
    ScfcEperm "OFPSCFC_EPERM": Of V12..V15 10 2;
    // OFPET_ROLE_REQUEST_FAILED
    RrfcStale "OFPRRFC_STALE": Of V12..V15 11 0;
    RrfcUnsup "OFPRRFC_UNSUP": Of V12..V15 11 1;
    RrfcBadRole "OFPRRFC_BAD_ROLE": Nx V10..V11 1 513, Of V12..V15 11 2;
    RrfcIdUnsup "OFPRRFC_ID_UNSUP": Of V15..V15 11 3;
    RrfcIdInUse "OFPRRFC_ID_IN_USE": Of V15..V15 11 4;
    // OFPET_METER_MOD_FAILED
    MmfcUnknown "OFPMMFC_UNKNOWN": Of V13..V15 12 0;
    MmfcMeterExists "OFPMMFC_METER_EXISTS": Of V13..V15 12 1;
    MmfcInvalidMeter "OFPMMFC_INVALID_METER": Of V13..V15 12 2;
    MmfcUnknownMeter "OFPMMFC_UNKNOWN_METER": Of V13..V15 12 3;
    MmfcBadCommand "OFPMMFC_BAD_COMMAND": Of V13..V15 12 4;
    MmfcBadFlags "OFPMMFC_BAD_FLAGS": Of V13..V15 12 5;
    MmfcBadRate "OFPMMFC_BAD_RATE": Of V13..V15 12 6;
    MmfcBadBurst "OFPMMFC_BAD_BURST": Of V13..V15 12 7;
    MmfcBadBand "OFPMMFC_BAD_BAND": Of V13..V15 12 8;
    MmfcBadBandValue "OFPMMFC_BAD_BAND_VALUE": Of V13..V15 12 9;
    MmfcOutOfMeters "OFPMMFC_OUT_OF_METERS": Of V13..V15 12 10;
    MmfcOutOfBands "OFPMMFC_OUT_OF_BANDS": Of V13..V15 12 11;
    // OFPET_TABLE_FEATURES_FAILED
    TffcBadTable "OFPTFFC_BAD_TABLE": Of V13..V15 13 0;
    TffcBadMetadata "OFPTFFC_BAD_METADATA": Of V13..V15 13 1;
    TffcEperm "OFPTFFC_EPERM": Of V13..V15 13 5;
    TffcBadCapa "OFPTFFC_BAD_CAPA": Of V15..V15 13 6;
    TffcBadMaxEnt "OFPTFFC_BAD_MAX_ENT": Of V15..V15 13 7;
    TffcBadFeatures "OFPTFFC_BAD_FEATURES": Of V15..V15 13 8;
    TffcBadCommand "OFPTFFC_BAD_COMMAND": Of V15..V15 13 9;
    TffcTooMany "OFPTFFC_TOO_MANY": Of V15..V15 13 10;
    NxtffcDupTable "NXTFFC_DUP_TABLE": Nx V13..V15 44 0;
    // OFPET_BAD_PROPERTY
    BpcBadType "OFPBPC_BAD_TYPE": Nx V10..V11 13 2, Nx V12..V12 25 0, Of V13..V13 13 2, Of V14..V15 14 0;
    BpcBadLen "OFPBPC_BAD_LEN": Nx V10..V11 13 3, Nx V12..V12 26 0, Of V13..V13 13 3, Of V14..V15 14 1;
    BpcBadValue "OFPBPC_BAD_VALUE": Nx V10..V11 13 4, Nx V12..V12 27 0, Of V13..V13 13 4, Of V14..V15 14 2;
    BpcTooMany "OFPBPC_TOO_MANY": Nx V10..V11 14 3, Nx V12..V12 28 0, Onf V13..V13 4443 0, Of V14..V15 14 3;
    BpcDupType "OFPBPC_DUP_TYPE": Nx V10..V11 14 4, Nx V12..V12 29 0, Onf V13..V13 4444 0, Of V14..V15 14 4;
    BpcBadExperimenter "OFPBPC_BAD_EXPERIMENTER": Nx V10..V11 14 5, Nx V12..V12 30 0, Onf V13..V13 4445 0, Of V14..V15 14 5;
    BpcBadExpType "OFPBPC_BAD_EXP_TYPE": Nx V10..V11 14 6, Nx V12..V12 31 0, Onf V13..V13 4446 0, Of V14..V15 14 6;
    BpcBadExpValue "OFPBPC_BAD_EXP_VALUE": Nx V10..V11 14 7, Nx V12..V12 32 0, Onf V13..V13 4447 0, Of V14..V15 14 7;
    BpcEperm "OFPBPC_EPERM": Nx V10..V11 14 8, Nx V12..V12 33 0, Onf V13..V13 4448 0, Of V14..V15 14 8;
    // OFPET_ASYNC_CONFIG_FAILED
    AcfcInvalid "OFPACFC_INVALID": Onf V13..V13 2370 0, Of V14..V15 15 0;
    AcfcUnsupported "OFPACFC_UNSUPPORTED": Onf V13..V13 2371 0, Of V14..V15 15 1;
    AcfcEperm "OFPACFC_EPERM": Onf V13..V13 2372 0, Of V14..V15 15 2;
    // OFPET_BUNDLE_FAILED
    BfcUnknown "OFPBFC_UNKNOWN": Onf V13..V13 2300 0, Of V14..V15 17 0;
    BfcEperm "OFPBFC_EPERM": Onf V13..V13 2301 0, Of V14..V15 17 1;
    BfcBadId "OFPBFC_BAD_ID": Onf V13..V13 2302 0, Of V14..V15 17 2;
    BfcBundleExist "OFPBFC_BUNDLE_EXIST": Onf V13..V13 2303 0, Of V14..V15 17 3;
    BfcBundleClosed "OFPBFC_BUNDLE_CLOSED": Onf V13..V13 2304 0, Of V14..V15 17 4;
    BfcOutOfBundles "OFPBFC_OUT_OF_BUNDLES": Onf V13..V13 2305 0, Of V14..V15 17 5;
    BfcBadType "OFPBFC_BAD_TYPE": Onf V13..V13 2306 0, Of V14..V15 17 6;
    BfcBadFlags "OFPBFC_BAD_FLAGS": Onf V13..V13 2307 0, Of V14..V15 17 7;
    BfcMsgBadLen "OFPBFC_MSG_BAD_LEN": Onf V13..V13 2308 0, Of V14..V15 17 8;
    BfcMsgBadXid "OFPBFC_MSG_BAD_XID": Onf V13..V13 2309 0, Of V14..V15 17 9;
    BfcMsgUnsup "OFPBFC_MSG_UNSUP": Onf V13..V13 2310 0, Of V14..V15 17 10;
    BfcMsgConflict "OFPBFC_MSG_CONFLICT": Onf V13..V13 2311 0, Of V14..V15 17 11;
    BfcMsgTooMany "OFPBFC_MSG_TOO_MANY": Onf V13..V13 2312 0, Of V14..V15 17 12;
    BfcMsgFailed "OFPBFC_MSG_FAILED": Onf V13..V13 2313 0, Of V14..V15 17 13;
    BfcTimeout "OFPBFC_TIMEOUT": Onf V13..V13 2314 0, Of V14..V15 17 14;
    BfcBundleInProgress "OFPBFC_BUNDLE_IN_PROGRESS": Onf V13..V13 2315 0, Of V14..V15 17 15;
    BfcSchedNotSupported "OFPBFC_SCHED_NOT_SUPPORTED": Of V15..V15 17 16;
    BfcSchedFuture "OFPBFC_SCHED_FUTURE": Of V15..V15 17 17;
    BfcSchedPast "OFPBFC_SCHED_PAST": Of V15..V15 17 18;
    BfcBadVersion "OFPBFC_BAD_VERSION": Nx V14..V15 22 0;
    // OFPET_FLOW_MONITOR_FAILED
    MofcUnknown "OFPMOFC_UNKNOWN": Of V14..V15 16 0;
    MofcMonitorExists "OFPMOFC_MONITOR_EXISTS": Nx V10..V11 1 517, Nx V12..V13 6 0, Of V14..V15 16 1;
    MofcInvalidMonitor "OFPMOFC_INVALID_MONITOR": Of V14..V15 16 2;
    MofcUnknownMonitor "OFPMOFC_UNKNOWN_MONITOR": Nx V10..V11 1 519, Nx V12..V13 8 0, Of V14..V15 16 3;
    MofcBadCommand "OFPMOFC_BAD_COMMAND": Of V14..V15 16 4;
    MofcBadFlags "OFPMOFC_BAD_FLAGS": Nx V10..V11 1 518, Nx V12..V13 7 0, Of V14..V15 16 5;
    MofcBadTableId "OFPMOFC_BAD_TABLE_ID": Of V14..V15 16 6;
    MofcBadOut "OFPMOFC_BAD_OUT": Of V14..V15 16 7;
    // OFPET_TLV_TABLE_MOD_FAILED
    NxttmfcBadCommand "NXTTMFC_BAD_COMMAND": Nx V10..V11 1 527, Nx V12..V15 16 0;
    NxttmfcBadOptLen "NXTTMFC_BAD_OPT_LEN": Nx V10..V11 1 528, Nx V12..V15 17 0;
    NxttmfcBadFieldIdx "NXTTMFC_BAD_FIELD_IDX": Nx V10..V11 1 529, Nx V12..V15 18 0;
    NxttmfcTableFull "NXTTMFC_TABLE_FULL": Nx V10..V11 1 530, Nx V12..V15 19 0;
    NxttmfcAlreadyMapped "NXTTMFC_ALREADY_MAPPED": Nx V10..V11 1 531, Nx V12..V15 20 0;
    NxttmfcDupEntry "NXTTMFC_DUP_ENTRY": Nx V10..V11 1 532, Nx V12..V15 21 0;
    NxttmfcInvalidTlvDel "NXTTMFC_INVALID_TLV_DEL": Nx V10..V11 1 537, Nx V12..V15 38 0;
    // NXT_RESUME
    NxrNotSupported "NXR_NOT_SUPPORTED": Nx V10..V11 1 533, Nx V12..V15 34 0;
    NxrStale "NXR_STALE": Nx V10..V11 1 534, Nx V12..V15 35 0;
    // NXT_STATS
    NxstNotConfigured "NXST_NOT_CONFIGURED": Nx V10..V11 1 535, Nx V12..V15 36 0;
}
