package export

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// backgroundNice is how far what runs in the background gives way to the rest of the machine, if not further already.
const backgroundNice = 10

// inBackground runs a step on a thread that gives way to others. The thread ends with it, since what has given way cannot
// take its turn back, so that it must have a goroutine of its own. Where the system refuses, the step runs as others do.
func inBackground(step func() error) error {
	runtime.LockOSThread()
	if threadNice() < backgroundNice {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, backgroundNice) // 0 is this thread
	}
	return step()
}

// threadNice is how far this thread gives way; the system counts down from 20.
func threadNice() int {
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - priority
}
