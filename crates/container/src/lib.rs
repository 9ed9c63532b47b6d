//! From a spec to a running process: root file system, namespaces, spawner
