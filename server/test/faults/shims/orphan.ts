// Loaded into a node of the fault suite: its standard input is a pipe from the run. However the run ends, the pipe closes
// then, and the node ends with it.

process.stdin.resume();
process.stdin.once('close', () => process.kill(process.pid, 'SIGKILL'));
