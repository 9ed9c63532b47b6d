//! From start to end of processes and nodes.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use netloom_container::{Ending, ProcessSpec, SpawnError, Step};

use crate::Test;
use crate::lab::Lab;

pub(crate) const TESTS: &[Test] = &[
    ("output_and_exit_code_come_back", output_and_exit_code_come_back),
    ("stdin_ends_when_it_is_closed", stdin_ends_when_it_is_closed),
    ("a_command_that_cannot_start_says_why", a_command_that_cannot_start_says_why),
    ("a_host_that_cannot_be_built_says_why", a_host_that_cannot_be_built_says_why),
    ("an_endless_command_line_is_refused", an_endless_command_line_is_refused),
    ("a_long_command_line_passes", a_long_command_line_passes),
    ("signals_reach_a_process_or_its_group", signals_reach_a_process_or_its_group),
    ("a_host_can_be_paused_and_resumed", a_host_can_be_paused_and_resumed),
    ("processes_of_one_host_see_each_other", processes_of_one_host_see_each_other),
    ("init_ends_after_the_last_process_and_not_before", init_ends_after_the_last_process_and_not_before),
    ("stop_ends_everything_in_a_host", stop_ends_everything_in_a_host),
    ("stop_with_grace_lets_processes_finish", stop_with_grace_lets_processes_finish),
    ("stop_with_grace_lets_orphans_finish", stop_with_grace_lets_orphans_finish),
    ("a_start_at_the_moment_of_the_end_succeeds", a_start_at_the_moment_of_the_end_succeeds),
    ("many_hosts_at_once", many_hosts_at_once),
    ("a_program_gets_descriptors_beside_its_streams", a_program_gets_descriptors_beside_its_streams),
    ("one_program_after_the_other_starts_and_ends", one_program_after_the_other_starts_and_ends),
];

fn output_and_exit_code_come_back(lab: &Lab) {
    let done = lab.sh("echo out; echo err >&2; exit 3");
    assert_eq!((done.ending, done.out.as_str(), done.err.as_str()), (Ending::Code(3), "out\n", "err\n"));
    assert_eq!(lab.sh("kill -SEGV $$").ending, Ending::Signal(11));
}

fn stdin_ends_when_it_is_closed(lab: &Lab) {
    let (stdin, mut input) = pipe().expect("a pipe");
    let (mut output, stdout) = pipe().expect("a pipe");
    let streams = [stdin.as_fd(), stdout.as_fd(), stdout.as_fd()];
    let cat = lab.start_in(&lab.host(), &ProcessSpec::new(["cat"]), Some(streams)).expect("cat starts");
    drop((stdin, stdout));
    input.write_all(b"through").expect("cat reads");
    drop(input);
    let mut text = String::new();
    output.read_to_string(&mut text).expect("cat writes");
    assert_eq!((text.as_str(), cat.wait()), ("through", Ending::Code(0)));
}

fn a_command_that_cannot_start_says_why(lab: &Lab) {
    let refused = |process: &ProcessSpec| match lab.run(&lab.host(), process) {
        Err(error @ SpawnError::Refused(_)) => (error.shell_code(), error.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&ProcessSpec::new(["no-such"])), (127, "no-such: command not found".to_owned()));
    assert_eq!(refused(&ProcessSpec::new(["/no/such"])).0, 127);
    assert_eq!(refused(&ProcessSpec::new(["/etc/passwd"])).0, 126);
    assert_eq!(refused(&ProcessSpec::new([""])).0, 125);
    let mut process = ProcessSpec::new(["true"]);
    process.cwd = Some("/no/such/dir".into());
    let (code, message) = refused(&process);
    assert_eq!(code, 125);
    assert!(message.contains("/no/such/dir"), "{message}");
    // A file without an interpreter line is a shell script.
    let script = lab.lab_dir().join("plain");
    std::fs::write(&script, "echo plain $1\n").expect("a file");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("its permissions");
    let done = lab.run(&lab.host(), &ProcessSpec::new(["./plain", "one"])).expect("it starts");
    assert_eq!(done.out, "plain one\n");
}

fn a_host_that_cannot_be_built_says_why(lab: &Lab) {
    let mut host = lab.host();
    host.lab_dir = Some("/no/such/lab".into());
    match lab.run(&host, &ProcessSpec::new(["true"])) {
        Err(SpawnError::Refused(failure)) => {
            assert_eq!(failure.step, Step::RootFileSystem);
            assert!(failure.message.contains("/no/such/lab"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    // The name is not spoiled: the next try may succeed.
    assert_eq!(lab.sh("echo fine").out, "fine\n");
}

fn an_endless_command_line_is_refused(lab: &Lab) {
    let process = ProcessSpec::new(["true".to_owned(), "x".repeat(1 << 20)]);
    assert!(matches!(lab.run(&lab.host(), &process), Err(SpawnError::TooLong)));
}

fn a_long_command_line_passes(lab: &Lab) {
    let long = "x".repeat(70_000);
    let process = ProcessSpec::new(["sh", "-c", "echo $#", "sh", &long, &long]);
    assert_eq!(lab.run(&lab.host(), &process).expect("it starts").out, "2\n");
}

fn signals_reach_a_process_or_its_group(lab: &Lab) {
    let null = File::open("/dev/null").expect("/dev/null");
    let start = |script: &str| {
        let streams = [null.as_fd(); 3];
        lab.start_in(&lab.host(), &ProcessSpec::new(["sh", "-c", script]), Some(streams)).expect("it starts")
    };
    let one = start("exec sleep 100");
    assert!(one.started.pid().is_some());
    lab.spawner.signal(one.started.id, 15, false).expect("it runs");
    assert_eq!(one.wait(), Ending::Signal(15));
    assert_eq!(one.started.pid(), None);
    let gone = lab.spawner.signal(one.started.id, 15, false);
    assert!(matches!(gone, Err(SpawnError::Refused(failure)) if failure.step == Step::Request));
    // The output ends only when sleep, too, has been reached.
    let (mut output, stdout) = pipe().expect("a pipe");
    let process = ProcessSpec::new(["sh", "-c", "sleep 100 & echo up; wait"]);
    let streams = [null.as_fd(), stdout.as_fd(), null.as_fd()];
    let group = lab.start_in(&lab.host(), &process, Some(streams)).expect("it starts");
    drop(stdout);
    output.read_exact(&mut [0; 3]).expect("it is up");
    lab.spawner.signal(group.started.id, 15, true).expect("it runs");
    assert_eq!(output.read(&mut [0; 1]).expect("the end"), 0);
    assert_eq!(group.wait(), Ending::Signal(15));
    let bad = start("exec sleep 100");
    assert!(lab.spawner.signal(bad.started.id, 999, false).is_err());
    lab.spawner.signal(bad.started.id, 9, false).expect("it runs");
    assert_eq!(bad.wait(), Ending::Signal(9));
}

fn a_host_can_be_paused_and_resumed(lab: &Lab) {
    let name = lab.host().name;
    // It left its parent, so only init can reach it.
    lab.sh("setsid sh -c 'while :; do echo x >> /tmp/beat; sleep 0.01; done' > /dev/null 2>&1 &");
    let state = |wanted: &str| {
        let start = Instant::now();
        loop {
            let done = lab.sh("for p in /proc/[0-9]*; do echo $(grep -l /tmp/be[a]t $p/cmdline) $(cut -d ' ' -f 3 $p/stat); done");
            let states: Vec<_> = done.out.lines().filter_map(|line| line.split_once("cmdline ")).collect();
            if !states.is_empty() && states.iter().all(|(_, state)| wanted.contains(state)) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "not {wanted}: {states:?}");
        }
    };
    state("SR");
    lab.spawner.signal_node(&name, 19).expect("it stops");
    // The parent of a stopped vfork(2) child waits for it in state D.
    state("TD");
    lab.spawner.signal_node(&name, 18).expect("it goes on");
    state("SR");
    lab.spawner.signal_node("no-such-host", 18).expect("no error");
    lab.spawner.stop_node(&name, Duration::ZERO).expect("it ends");
}

fn processes_of_one_host_see_each_other(lab: &Lab) {
    let null = File::open("/dev/null").expect("/dev/null");
    let process = ProcessSpec::new(["sleep", "99.75"]);
    let sleep = lab.start_in(&lab.host(), &process, Some([null.as_fd(); 3])).expect("sleep starts");
    let done = lab.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    assert!(done.out.contains("sleep 99.75"), "{}", done.out);
    assert_eq!(lab.sh("kill -9 $(pidof -s sleep || pgrep -x sleep)").ending, Ending::Code(0));
    assert_eq!(sleep.wait(), Ending::Signal(9));
}

fn init_ends_after_the_last_process_and_not_before(lab: &Lab) {
    lab.wait_until_idle();
    assert_eq!(lab.sh("true").ending, Ending::Code(0));
    assert_eq!(lab.inits(), 1);
    lab.wait_until_idle();
    // A process that left its parent keeps the host; its end ends it.
    lab.sh("(sleep 0.7; echo done > /tmp/orphan) > /dev/null 2>&1 &");
    std::thread::scope(|scope| {
        let start = Instant::now();
        scope.spawn(move || {
            while start.elapsed() < Duration::from_millis(500) {
                assert_eq!(lab.inits(), 1, "the orphan was ended");
            }
        });
    });
    lab.wait_until_idle();
    assert_eq!(lab.sh("cat /tmp/orphan").out, "done\n");
}

fn stop_ends_everything_in_a_host(lab: &Lab) {
    lab.wait_until_idle();
    let script = "trap '' TERM; sleep 100 & setsid sleep 100 & echo up; wait";
    let (mut output, stdout) = pipe().expect("a pipe");
    let null = File::open("/dev/null").expect("/dev/null");
    let streams = [null.as_fd(), stdout.as_fd(), null.as_fd()];
    let one =
        lab.start_in(&lab.host(), &ProcessSpec::new(["sh", "-c", script]), Some(streams)).expect("it starts");
    drop(stdout);
    output.read_exact(&mut [0; 3]).expect("it is up");
    lab.spawner.stop_node(&lab.host().name, Duration::from_millis(100)).expect("it stops");
    assert_eq!(one.wait(), Ending::Signal(9));
    assert_eq!(output.read(&mut [0; 1]).expect("the end"), 0, "a process still holds the output");
    assert_eq!(lab.inits(), 0);
    lab.spawner.stop_node(&lab.host().name, Duration::ZERO).expect("nothing to stop");
    assert_eq!(lab.sh("echo again").out, "again\n");
}

fn stop_with_grace_lets_processes_finish(lab: &Lab) {
    let (mut output, stdout) = pipe().expect("a pipe");
    let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let process = ProcessSpec::new(["sh", "-c", script]);
    let null = File::open("/dev/null").expect("/dev/null");
    let streams = [null.as_fd(), stdout.as_fd(), null.as_fd()];
    let one = lab.start_in(&lab.host(), &process, Some(streams)).expect("it starts");
    drop(stdout);
    let mut up = [0; 3];
    output.read_exact(&mut up).expect("it is up");
    let start = Instant::now();
    lab.spawner.stop_all(Duration::from_secs(30)).expect("it stops");
    assert!(start.elapsed() < Duration::from_secs(5), "the grace was waited for though nothing was left");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("its last words");
    assert_eq!((rest.as_str(), one.wait()), ("bye\n", Ending::Code(0)));
}

fn stop_with_grace_lets_orphans_finish(lab: &Lab) {
    let script = "setsid sh -c 'trap \"sleep 0.1; echo bye > /tmp/bye; exit\" TERM; echo up; while :; do sleep 0.02; done'";
    let done = lab.sh(&format!("mkfifo /tmp/up; {script} > /tmp/up 2>/dev/null & head -n 1 /tmp/up"));
    assert_eq!(done.out, "up\n");
    let start = Instant::now();
    lab.spawner.stop_node(&lab.host().name, Duration::from_secs(30)).expect("it stops");
    assert!(start.elapsed() < Duration::from_secs(5), "the grace was waited for though nothing was left");
    assert_eq!(lab.sh("cat /tmp/bye").out, "bye\n");
}

/// Starts processes while the init of their host is about to end; in a process of its own, with a spawner of little patience.
pub(crate) fn be_restless() -> ExitCode {
    let Ok(mut lab) = Lab::start_with(Duration::from_millis(2), |_| {}) else { return ExitCode::FAILURE };
    lab.next_host();
    let null = File::open("/dev/null").expect("/dev/null");
    for round in 0..400_u64 {
        let one = lab.start_in(&lab.host(), &ProcessSpec::new(["true"]), Some([null.as_fd(); 3]));
        assert_eq!(one.expect("it starts").wait(), Ending::Code(0));
        // From before the end to after it, so that every moment is met.
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(round * 10) {
            std::hint::spin_loop();
        }
    }
    ExitCode::SUCCESS
}

fn a_start_at_the_moment_of_the_end_succeeds(_: &Lab) {
    let own = std::env::current_exe().expect("the path of this test");
    assert!(Command::new(own).arg("--restless").status().expect("it starts").success());
}

fn many_hosts_at_once(lab: &Lab) {
    let null = File::open("/dev/null").expect("/dev/null");
    let start = Instant::now();
    let (sender, receiver) = std::sync::mpsc::channel();
    for number in 0..100 {
        let mut host = lab.host();
        host.name = format!("{}-{number}", host.name);
        host.private_dir = lab.dir.join("scratch").join(&host.name);
        let (started, ended) = (sender.clone(), sender.clone());
        lab.spawner.spawn_with(
            &host,
            &ProcessSpec::new(["true"]),
            lab.netns.as_fd(),
            Some([null.as_fd(); 3]),
            move |result| {
                if let Err(error) = result {
                    let _ = started.send(Err(error));
                }
            },
            move |ending| {
                let _ = ended.send(Ok(ending));
            },
        );
    }
    drop(sender);
    let endings: Vec<_> = receiver.iter().collect();
    assert_eq!(endings, vec![Ok(Ending::Code(0)); 100]);
    println!("     100 hosts with a process each: {} ms", start.elapsed().as_millis());
}

fn a_program_gets_descriptors_beside_its_streams(lab: &Lab) {
    let null = File::open("/dev/null").expect("/dev/null");
    let (mut out, output) = std::io::pipe().expect("a pipe");
    let files: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|text| {
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            writer.write_all(text.as_bytes()).expect("room");
            reader
        })
        .collect();
    let run = |script: &str, program: &str| {
        let mut process = ProcessSpec::new([program, "-c", script]);
        process.extra = files.len();
        let mut given = vec![null.as_fd(), output.as_fd(), output.as_fd()];
        given.extend(files.iter().map(AsFd::as_fd));
        let (tell, told) = std::sync::mpsc::channel();
        let end = tell.clone();
        lab.spawner.spawn_giving(
            &lab.host(),
            &process,
            lab.netns.as_fd(),
            &given,
            move |started| drop(tell.send(started.map(|_| None))),
            move |ending| drop(end.send(Ok(Some(ending)))),
        );
        told.iter().collect::<Vec<_>>()
    };
    let done = run("cat <&3; cat <&5; cat <&4; ls /proc/self/fd | wc -w", "sh");
    assert_eq!(done, [Ok(None), Ok(Some(Ending::Code(0)))]);
    // A failure is told, though all low numbers are taken.
    let refused = run("", "/no/such/program");
    assert!(matches!(&refused[..], [Err(error)] if error.shell_code() == 127), "{refused:?}");
    drop(output);
    let mut text = String::new();
    out.read_to_string(&mut text).expect("text");
    // Three streams, three more, and the directory that is listed.
    assert_eq!(text, "acb7\n");
}

fn one_program_after_the_other_starts_and_ends(lab: &Lab) {
    let null = File::open("/dev/null").expect("/dev/null");
    let mut spans = Vec::new();
    for round in 0..50 {
        let start = Instant::now();
        let process = ProcessSpec::new(["true"]);
        let one = lab.start_in(&lab.host(), &process, Some([null.as_fd(); 3])).expect("it starts");
        let started = start.elapsed();
        assert_eq!(one.wait(), Ending::Code(0));
        spans.push((started, start.elapsed()));
        if round == 0 {
            println!(
                "     first process of a host: started in {started:?}, ended after {:?}",
                start.elapsed()
            );
        }
    }
    spans.sort_unstable();
    println!("     a later one: median {:?} (start, end)", spans[25]);
}
