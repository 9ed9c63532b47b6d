//! Whether to go on looking or to sleep: a sleep costs a wake-up (some 50 us in a virtual machine), looking costs
//! a processor that somebody else may need.

/// Looks on for this long after the last packet was dealt with: longer than a sleeping processor takes to wake up and
/// send the answer to it.
const LINGER_NS: u64 = 100_000;
/// Rounds with packets, none this much after the one before...
const PAUSE_NS: u64 = 150_000;
/// ...that make a conversation: a single packet now and then is not worth a processor, nor are a few that have nothing
/// to do with each other, as when hosts that came up together look for routers at the same tick of the clock.
const CONVERSATION: u32 = 16;
/// Wakes up this much before a link's departure is due, and looks on until it is.
const EARLY_NS: u64 = 60_000;
/// Woken this much after it was to be, by a hypervisor that had better things to do, it does not trust sleep...
const OVERSLEPT_NS: u64 = 250_000;
/// ...for this long,
const DISTRUST_NS: u64 = 2_000_000_000;
/// and looks on if something is due within this.
const AWAKE_NS: u64 = 5_000_000;
/// How often the processors this thread may use are counted again, while there is traffic.
const RECOUNT_NS: u64 = 20_000_000;
/// How often it is seen whether others want them, while there is traffic.
const LOOK_NS: u64 = 1_000_000;

/// Packets in a millisecond that make a storm.
const STORM: u64 = 200;
/// The same of a shower, in which nearly all come by one port: where others want the processor, it naps for a moment when there
/// is nothing to do, and is not woken for a packet. To wake it costs whoever sends a few microseconds for each. Who asks and
/// answers in turn would only wait for that.
const SHOWER: u64 = 40;
/// Of so many packets one may come by another port than the one before.
const ONE_WAY: u64 = 8;
/// How long it naps in a shower, and in a storm.
const NAP_NS: u64 = 50_000;
const STORM_NAP_NS: u64 = 100_000;
/// So long after something was due it does not nap.
const SCHEDULED_NS: u64 = 1_000_000_000;
/// How long a storm is watched before it is judged.
const WATCH_NS: u64 = 1_000_000;

/// What the machine says of itself.
pub(super) trait Machine {
    /// Processors that this thread may use.
    fn processors(&self) -> usize;

    /// Threads that run or want to, this one included.
    fn runnable(&self) -> usize;
}

/// Decides how long to wait.
#[derive(Debug)]
pub(super) struct Spin {
    last_traffic: u64,
    /// Rounds with packets without a pause in between.
    streak: u32,
    counted: u64,
    processors: usize,
    looked: u64,
    /// A processor is there that nobody needs.
    spare: bool,
    threads: usize,
    /// Until when sleep is not trusted.
    wary_until: u64,
    /// Packets since `watched`.
    packets: u64,
    /// Those of them that came by another port than the ones before.
    turns: u64,
    watched: u64,
    storm: bool,
    shower: bool,
    /// From when on there is no schedule to be kept.
    free_from: u64,
}

impl Spin {
    /// For one of `threads` workers.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            last_traffic: 0,
            streak: 0,
            counted: 0,
            processors: 0,
            looked: 0,
            spare: false,
            threads,
            wary_until: 0,
            packets: 0,
            turns: 0,
            watched: 0,
            storm: false,
            shower: false,
            free_from: 0,
        }
    }

    /// Packets were dealt with by `now`; `turns`: how many of them came by another port than those before, or from nowhere.
    pub(super) fn traffic(&mut self, now: u64, packets: u32, turns: u32, machine: &impl Machine) {
        self.packets += u64::from(packets);
        self.turns += u64::from(turns);
        let watched = now.saturating_sub(self.watched);
        if watched >= WATCH_NS {
            let each = self.packets * WATCH_NS / watched;
            self.storm = each >= STORM;
            self.shower = each >= SHOWER && self.turns * ONE_WAY <= self.packets;
            (self.packets, self.turns, self.watched) = (0, 0, now);
        }
        let paused = now.saturating_sub(self.last_traffic) >= PAUSE_NS;
        self.streak = if paused { 1 } else { self.streak.saturating_add(1) };
        self.last_traffic = now;
        if self.processors == 0 || now.saturating_sub(self.counted) >= RECOUNT_NS {
            self.counted = now;
            self.processors = machine.processors();
            self.spare = self.spare && self.processors > self.threads;
        }
        if self.looked == 0 || now.saturating_sub(self.looked) >= LOOK_NS {
            self.looked = now;
            self.spare = self.processors > self.threads && machine.runnable() <= self.processors;
        }
    }

    /// Whether others have processors even if all workers are busy.
    pub(super) const fn leaves_processors(&self) -> bool {
        self.processors > self.threads
    }

    /// It slept until `now`, and was to wake up at `due` or before.
    pub(super) fn slept(&mut self, now: u64, due: u64) {
        if now.saturating_sub(due) > OVERSLEPT_NS {
            self.wary_until = now + DISTRUST_NS;
        }
    }

    /// Whether so much comes that whoever is to take it needs a turn, too.
    pub(super) const fn storm(&self) -> bool {
        self.storm
    }

    /// Something is due at some time: there is a schedule to be kept.
    pub(super) const fn appointment(&mut self, now: u64) {
        self.free_from = now + SCHEDULED_NS;
    }

    /// How long to nap at `now` if nothing is there to do, in nanoseconds: whatever comes meanwhile waits. `None`: not at all.
    pub(super) fn nap(&self, now: u64, deadline: Option<u64>) -> Option<u64> {
        let nap = if self.storm { STORM_NAP_NS } else { NAP_NS };
        let rains = self.shower && !self.spare && now.saturating_sub(self.last_traffic) < WATCH_NS;
        // Where queues and links have a schedule, packets must not wait for a sleeper: one may come to be due at once.
        let is_free = deadline.is_none() && now >= self.free_from;
        (rains && is_free).then_some(nap)
    }

    /// Whether packets go to and fro that others wait for, and a processor is there for it.
    pub(super) const fn converses(&self, now: u64) -> bool {
        self.spare && self.streak >= CONVERSATION && now.saturating_sub(self.last_traffic) < LINGER_NS
    }

    /// How long to wait at `now`, in nanoseconds, if something is due at `deadline`. `None`: until woken. `awake`: idle processors
    /// stay awake, and to wake a thread there takes less time than to take a processor from one that looks on.
    pub(super) fn timeout(&self, now: u64, deadline: Option<u64>, awake: bool) -> Option<u64> {
        if self.converses(now) && (!awake || self.storm || self.shower) {
            return Some(0);
        }
        // It looks first.
        if self.nap(now, deadline).is_some() {
            return Some(0);
        }
        let left = deadline?.saturating_sub(now);
        if self.spare && now < self.wary_until && left < AWAKE_NS {
            return Some(0);
        }
        Some(if self.leaves_processors() { left.saturating_sub(EARLY_NS) } else { left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processors, and threads that want them.
    struct Fake(usize, usize);

    impl Machine for Fake {
        fn processors(&self) -> usize {
            self.0
        }

        fn runnable(&self) -> usize {
            self.1
        }
    }

    /// Traffic enough for a conversation, the last of it at `now`.
    fn converse(spin: &mut Spin, now: u64, machine: &Fake) {
        (0..CONVERSATION).rev().for_each(|before| spin.traffic(now - u64::from(before), 1, 0, machine));
    }

    #[test]
    fn an_idle_worker_sleeps_until_it_is_woken() {
        assert_eq!(Spin::new(1).timeout(1_000_000, None, false), None);
    }

    #[test]
    fn with_a_spare_processor_it_lingers_and_then_sleeps() {
        let mut spin = Spin::new(1);
        converse(&mut spin, 1_000_000, &Fake(2, 2));
        assert_eq!(spin.timeout(1_099_999, None, false), Some(0));
        assert_eq!(spin.timeout(1_100_000, None, false), None);
        assert_eq!(spin.timeout(1_100_000, Some(1_900_000), false), Some(740_000));
        assert_eq!(spin.timeout(1_100_000, Some(1_150_000), false), Some(0));
    }

    #[test]
    fn where_idle_processors_stay_awake_it_need_not_look_on() {
        let mut spin = Spin::new(1);
        converse(&mut spin, 1_000_000, &Fake(2, 2));
        assert_eq!(spin.timeout(1_000_001, None, true), None, "it is woken as quickly");
        let storm = |spin: &mut Spin| (10..30).for_each(|n| spin.traffic(n * 100_000, 32, 0, &Fake(2, 2)));
        storm(&mut spin);
        assert_eq!(
            spin.timeout(2_900_001, None, true),
            Some(0),
            "to wake it for each packet costs the sender"
        );
    }

    #[test]
    fn a_packet_now_and_then_is_no_conversation() {
        let mut spin = Spin::new(1);
        for n in 1..20 {
            spin.traffic(n * PAUSE_NS, 1, 0, &Fake(2, 1));
            assert_eq!(spin.timeout(n * PAUSE_NS + 1, None, false), None);
        }
    }

    #[test]
    fn without_one_it_never_lingers() {
        let mut spin = Spin::new(2);
        converse(&mut spin, 1_000_000, &Fake(2, 1));
        assert_eq!(spin.timeout(1_000_001, None, false), None);
        assert_eq!(spin.timeout(1_000_001, Some(1_000_101), false), Some(100));
    }

    #[test]
    fn what_others_want_is_not_spare() {
        let mut spin = Spin::new(1);
        converse(&mut spin, 1_000_000, &Fake(2, 3));
        assert_eq!(spin.timeout(1_000_001, None, false), None);
        converse(&mut spin, 1_000_010 + LOOK_NS, &Fake(2, 2));
        assert_eq!(spin.timeout(1_000_011 + LOOK_NS, None, false), Some(0));
    }

    #[test]
    fn once_woken_late_it_stays_awake_for_what_is_due_soon() {
        let mut spin = Spin::new(1);
        spin.traffic(1_000_000, 1, 0, &Fake(2, 2));
        spin.slept(2_000_000, 1_900_000);
        assert_eq!(spin.timeout(2_000_000, Some(2_500_000), false), Some(440_000), "a little late is usual");
        spin.slept(2_500_000, 2_000_000);
        assert_eq!(spin.timeout(2_500_000, Some(3_000_000), false), Some(0));
        assert_eq!(spin.timeout(2_500_000, Some(22_500_000), false), Some(19_940_000), "far away");
        assert_eq!(spin.timeout(2_500_000, None, false), None);
        let later = 2_500_000 + DISTRUST_NS;
        assert_eq!(spin.timeout(later, Some(later + 500_000), false), Some(440_000), "forgiven");
        spin.slept(later, 0);
        spin.traffic(later + 1, 1, 0, &Fake(2, 3));
        assert_eq!(
            spin.timeout(later + 1, Some(later + 500_001), false),
            Some(440_000),
            "not at others' cost"
        );
    }

    #[test]
    fn two_hundred_packets_in_a_millisecond_are_a_storm() {
        let mut spin = Spin::new(1);
        let mut storms = |packets, rounds: std::ops::Range<u64>| {
            rounds.for_each(|n| spin.traffic(n * 100_000, packets, 0, &Fake(2, 2)));
            spin.storm()
        };
        assert!(!storms(32, 0..10), "not watched for long enough");
        assert!(storms(32, 10..30));
        assert!(!storms(10, 30..60));
        assert!(storms(20, 60..90));
        assert!(!storms(32, 9_000..9_001), "over, and something comes again");
    }

    #[test]
    fn it_naps_in_a_shower_if_others_want_the_processor() {
        let mut spin = Spin::new(1);
        let mut rain = |packets, rounds: std::ops::Range<u64>, runnable| {
            rounds.clone().for_each(|n| spin.traffic(n * 100_000, packets, 0, &Fake(2, runnable)));
            let now = (rounds.end - 1) * 100_000 + 1;
            [None, Some(now + 100_000), Some(now + 900_000)].map(|deadline| spin.nap(now, deadline))
        };
        assert_eq!(rain(5, 10..30, 2), [None; 3], "a processor is spare");
        assert_eq!(rain(3, 30..60, 3), [None; 3], "a packet now and then");
        assert_eq!(rain(5, 60..90, 3), [Some(50_000), None, None]);
        assert_eq!(rain(25, 90..120, 3), [Some(100_000), None, None]);
        let last = 119 * 100_000;
        let mut talk = Spin::new(1);
        (0..300).for_each(|n| talk.traffic(n * 10_000, 1, u32::from(n % 2 == 0), &Fake(2, 3)));
        assert_eq!(talk.nap(2_990_001, None), None, "one answers the other");
        assert_eq!(spin.timeout(last + 1, None, false), Some(0), "it looks before it naps");
        spin.appointment(last);
        assert_eq!(spin.nap(last + 1, None), None, "there is a schedule");
        assert_eq!(spin.nap(last + 1_000_000, None), None, "it is over");
        assert_eq!(spin.timeout(last + 1_000_000, None, false), None);
    }

    #[test]
    fn processors_are_counted_now_and_then() {
        let mut spin = Spin::new(1);
        converse(&mut spin, 100, &Fake(2, 1));
        converse(&mut spin, LOOK_NS, &Fake(1, 1));
        assert_eq!(spin.timeout(LOOK_NS + 1, None, false), Some(0), "not counted again yet");
        converse(&mut spin, RECOUNT_NS + 200, &Fake(1, 1));
        assert_eq!(spin.timeout(RECOUNT_NS + 201, None, false), None);
    }
}
