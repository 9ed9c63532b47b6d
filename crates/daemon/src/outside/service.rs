//! The thread that carries what goes in and out.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// The thread, started when it is first needed; it ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    handle: Handle,
    over: Arc<Notify>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Outside {
    /// Has the thread carry something on until it ends by itself or the result is dropped.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn serve(&self, work: impl Future<Output = ()> + Send + 'static) -> io::Result<Serving> {
        let handle = self.handle()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (done, end) = mpsc::sync_channel(1);
        handle.spawn(async move {
            tokio::select! {
                () = work => {}
                _ = stopped => {}
            }
            // Everything that `work` held is closed by now.
            let _ = done.send(());
        });
        Ok(Serving { stop: Some(stop), end })
    }

    /// Has the thread carry something on that knows its own end.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        drop(self.handle()?.spawn(work));
        Ok(())
    }

    /// The thread's own handle; it is started if it is not yet.
    fn handle(&self) -> io::Result<Handle> {
        let mut slot = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*slot {
            return Ok(running.handle.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let over = Arc::new(Notify::new());
        let told = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("outside".to_owned())
            .spawn(move || runtime.block_on(told.notified()))?;
        *slot = Some(Running { handle: handle.clone(), over, thread: Some(thread) });
        Ok(handle)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.over.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Something that is carried on. Dropping it ends it, and waits until its sockets are closed.
#[derive(Debug)]
pub(crate) struct Serving {
    stop: Option<oneshot::Sender<()>>,
    end: mpsc::Receiver<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop = None;
        // An error means that the thread has ended, and with it everything it carried.
        let _ = self.end.recv();
    }
}
